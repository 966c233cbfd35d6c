//! Keeps the alias `fe80::47`, and says on the machine's consoles when it is lost and when it is taken over.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use flk_lan::{ALIAS, Event, Keeper};
use rustix::fs::OFlags;

use crate::error::{Context, Result};
use crate::ui;

/// The consoles of the kernel's command line, by name.
const CONSOLES: &str = "/sys/class/tty/console/active";

pub(super) fn run() -> Result<()> {
    let mut keeper = Keeper::open()?;
    notify_ready().context(|| "cannot tell systemd that the service is ready".into())?;
    let mut lost = BTreeSet::new();
    loop {
        let Some(event) = keeper.wait(None)? else {
            continue;
        };
        let (line, is_news) = tell(&event, &mut lost);
        ui::note(&line);
        if is_news {
            say_on_consoles(&format!("flk: {line}\n"));
        }
    }
}

/// The line for an event, and whether it is news for who sits at the console: that an address is held from the beginning
/// is none. `lost`: the links on which another machine has the alias.
fn tell(event: &Event, lost: &mut BTreeSet<String>) -> (String, bool) {
    match event {
        Event::Lost { link, unique } => {
            lost.insert(link.clone());
            let line = format!(
                "{ALIAS} on {link} is held by another live machine; this one answers at {unique} and takes the alias over when it is free"
            );
            (line, true)
        }
        Event::Held { link } if lost.remove(link) => {
            let line = format!(
                "{ALIAS} on {link} has become free; this machine has taken it over, and answers there"
            );
            (line, true)
        }
        Event::Held { link } => (format!("{ALIAS} on {link} is held by this machine"), false),
    }
}

/// Writes to all consoles. One that cannot be written to is no reason to stop: the line is in the journal, too.
fn say_on_consoles(text: &str) {
    let names = fs::read_to_string(CONSOLES).unwrap_or_default();
    let mut names: Vec<&str> = names.split_whitespace().collect();
    if names.is_empty() {
        names.push("console");
    }
    // A shell's prompt is on the line already. A serial line without a reader must not block the keeper.
    let text = format!("\r\n{}\r\n", text.trim_end());
    for name in names {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let console = OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits() as i32)
            .open(Path::new("/dev").join(name));
        if let Ok(mut console) = console {
            let _ = console.write_all(text.as_bytes());
        }
    }
}

/// sd_notify(3): `READY=1` to the socket that systemd names, if it names one.
fn notify_ready() -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match name.to_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_and_its_end_are_news_but_not_the_beginning() {
        let held = Event::Held {
            link: "eth0".into(),
        };
        let lost = Event::Lost {
            link: "eth0".into(),
            unique: "fe80::5054:ff:fe12:3456%eth0".parse().unwrap(),
        };
        let mut links = BTreeSet::new();
        assert!(!tell(&held, &mut links).1);
        let (line, is_news) = tell(&lost, &mut links);
        assert!(is_news);
        assert_eq!(
            line,
            "fe80::47 on eth0 is held by another live machine; this one answers at fe80::5054:ff:fe12:3456%eth0 and takes the alias over when it is free"
        );
        assert!(tell(&held, &mut links).1);
        assert!(!tell(&held, &mut links).1);
    }
}
