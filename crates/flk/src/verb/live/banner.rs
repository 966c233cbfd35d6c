//! The banner of a console that logs in by itself: the host, where it is to be found, and by which key it is known.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use flk_image::Build;
use flk_lan::{ALIAS, AddressState, Link, links};

use super::Roots;
use crate::error::Result;
use crate::ui;

/// A console is often there before the network: this long the banner waits for addresses.
const PATIENCE: Duration = Duration::from_secs(4);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

pub(super) fn run(roots: &Roots, host_name: &str) -> Result<()> {
    let build = Build::read(&roots.build()).ok();
    let fingerprint = fs::read_to_string(roots.machine_key(".pub"))
        .ok()
        .and_then(|public| flk_identity::fingerprint(&public).ok());
    let links = settled_links()?;
    let machine = Machine {
        host: host_name,
        build: build.as_ref(),
        fingerprint: fingerprint.as_deref(),
        users: &users(&roots.authorized_keys()),
        links: &links,
    };
    ui::data(banner(&machine));
    Ok(())
}

/// What the banner is made of.
struct Machine<'a> {
    host: &'a str,
    build: Option<&'a Build>,
    fingerprint: Option<&'a str>,
    users: &'a [String],
    links: &'a [Link],
}

/// Who has a key by which to log in; `nixos` first. Root is not let in.
fn users(folder: &Path) -> Vec<String> {
    let now = SystemTime::now();
    let has_key = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = flk_identity::authorized_keys(&text).into_iter();
        lines.any(|(_, key)| key.is_ok_and(|key| key.gives_shell(now)))
    };
    let mut users: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| has_key(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|user| user != "root")
        .collect();
    users.sort_by_key(|user| (user != "nixos", user.clone()));
    users
}

/// The links, as soon as each that is up has settled its addresses; or as they are when the patience is over.
fn settled_links() -> Result<Vec<Link>> {
    let start = Instant::now();
    loop {
        let mut links = links()?;
        links.retain(|link| link.mac.is_some());
        let up: Vec<&Link> = links.iter().filter(|link| link.up).collect();
        let settled = |link: &&Link| {
            let undecided = |state| state == AddressState::Tentative;
            link.eui64().is_some() && !link.addresses.iter().any(|a| undecided(a.state))
        };
        let is_settled = !up.is_empty() && up.iter().all(settled);
        if is_settled || start.elapsed() >= PATIENCE {
            return Ok(links);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn banner(machine: &Machine<'_>) -> String {
    let Machine {
        host,
        build,
        fingerprint,
        users,
        links,
    } = machine;
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "\n  {host}, a live system by flk");
    if let Some(build) = build {
        let _ = writeln!(text, "  build     {}", build.build);
    }
    let _ = writeln!(text, "  host key  {}", fingerprint.unwrap_or("none yet"));
    match users.first() {
        Some(user) => {
            let _ = writeln!(text, "  ssh       ssh {user}@{host}.local\n");
        }
        None => text.push_str("  ssh       nobody: no user has a key\n\n"),
    }
    for link in *links {
        describe(link, &mut text);
    }
    if links.is_empty() {
        text.push_str("  no network card was found\n");
    }
    text
}

fn describe(link: &Link, text: &mut String) {
    let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
    let state = if link.up { "" } else { "  no carrier" };
    let _ = writeln!(text, "  {:<9} {mac}{state}", link.name);
    if !link.up {
        return;
    }
    let mut line = |address: &dyn std::fmt::Display, meaning: &str| {
        let line = format!("            {address:<40}{meaning}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    if let Some(own) = link.eui64() {
        line(&own.address().to_string(), "this machine's own");
    }
    match link.alias() {
        Some(AddressState::Held) => line(&ALIAS.to_string(), "alias"),
        Some(AddressState::Duplicate) => line(
            &ALIAS.to_string(),
            "alias, held by another live machine for now",
        ),
        Some(AddressState::Tentative) => line(&ALIAS.to_string(), "alias, not yet known whose"),
        None => {}
    }
    for address in link.addresses.iter().filter(|address| address.is_global()) {
        line(&address.address.to_string(), "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flk_lan::Address;

    #[test]
    fn says_what_is_needed_to_reach_and_trust_the_machine() {
        let address = |text: &str, state| Address {
            address: text.parse().unwrap(),
            prefix: 64,
            state,
        };
        let link = |name: &str, up, alias| Link {
            index: 2,
            name: name.into(),
            mac: Some("52:54:00:12:34:56".parse().unwrap()),
            up,
            addresses: vec![
                address("10.0.2.15", AddressState::Held),
                address("fe80::47", alias),
                address("fe80::5054:ff:fe12:3456", AddressState::Held),
                address("2001:db8::1", AddressState::Held),
            ],
        };
        let build = Build {
            version: 1,
            build: "00112233445566778899aabbccddeeff".parse().unwrap(),
            host: "NixOS".into(),
            flk: "0.1.0".into(),
            channel: "debian".into(),
            host_toplevel: None,
            repository: None,
        };
        let links = [
            link("eth0", true, AddressState::Held),
            link("eth1", true, AddressState::Duplicate),
            link("eth2", false, AddressState::Held),
        ];
        let users = ["nixos".to_owned(), "alice".to_owned()];
        let machine = Machine {
            host: "NixOS",
            build: Some(&build),
            fingerprint: Some("SHA256:abc"),
            users: &users,
            links: &links,
        };
        assert_eq!(
            banner(&machine),
            "
  NixOS, a live system by flk
  build     00112233445566778899aabbccddeeff
  host key  SHA256:abc
  ssh       ssh nixos@NixOS.local

  eth0      52:54:00:12:34:56
            fe80::5054:ff:fe12:3456                 this machine's own
            fe80::47                                alias
            10.0.2.15
            2001:db8::1
  eth1      52:54:00:12:34:56
            fe80::5054:ff:fe12:3456                 this machine's own
            fe80::47                                alias, held by another live machine for now
            10.0.2.15
            2001:db8::1
  eth2      52:54:00:12:34:56  no carrier
"
        );
        let bare = banner(&Machine {
            build: None,
            fingerprint: None,
            users: &[],
            links: &[],
            ..machine
        });
        assert!(
            bare.contains("host key  none yet\n") && bare.ends_with("no network card was found\n")
        );
        assert!(bare.contains("  ssh       nobody: no user has a key\n"));
        let alice = banner(&Machine {
            users: &users[1..],
            ..machine
        });
        assert!(alice.contains("  ssh       ssh alice@NixOS.local\n"));
    }

    #[test]
    fn users_are_those_whose_keys_let_them_in() {
        const KEY: &str =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu";
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(users(&folder.path().join("none")), [""; 0]);
        for (user, text) in [
            ("alice", format!("# a\nrestrict,pty {KEY} a\n")),
            ("borg", format!("command=\"x\" {KEY}\n")),
            ("cut", KEY[..50].to_owned()),
            ("nixos", format!("{KEY}\n")),
            ("root", format!("{KEY}\n")),
        ] {
            fs::write(folder.path().join(user), text).unwrap();
        }
        assert_eq!(users(folder.path()), ["nixos", "alice"]);
    }
}
