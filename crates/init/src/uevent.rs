//! The kernel's announcements of devices: netlink's `NETLINK_KOBJECT_UEVENT`, group 1 (the kernel's own, not udev's), and the coldplug walk through
//! `/sys/devices` for what was there before.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use crate::error::{IoContext, Result};

/// A device that came, changed or went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `add`, `change`, `remove`, …
    pub action: String,
    /// `block`, `usb`, …
    pub subsystem: String,
    /// What drivers are found by.
    pub alias: Option<String>,
}

impl Event {
    /// Reads a message: a headline, then `KEY=value`, each ended by a zero byte.
    pub fn parse(message: &[u8]) -> Self {
        let mut event = Self::default();
        for field in message.split(|&byte| byte == 0) {
            let field = String::from_utf8_lossy(field);
            match field.split_once('=') {
                Some(("ACTION", value)) => value.clone_into(&mut event.action),
                Some(("SUBSYSTEM", value)) => value.clone_into(&mut event.subsystem),
                Some(("MODALIAS", value)) => event.alias = Some(value.to_owned()),
                _ => {}
            }
        }
        event
    }
}

/// A socket that hears the kernel's events.
#[derive(Debug)]
pub struct Events {
    socket: OwnedFd,
}

impl Events {
    /// Begins to listen.
    ///
    /// # Errors
    /// The kernel gives no such socket.
    pub fn listen() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(KOBJECT_UEVENT),
        )
        .at("open", "the socket for device events")?;
        bind(&socket, &SocketAddrNetlink::new(0, 1)).at("bind", "the socket for device events")?;
        Ok(Self { socket })
    }

    /// Waits for the next events, at most this long. None where some were lost, so that everything has to be looked at again.
    pub fn wait(&self, timeout: Duration) -> Option<Vec<Event>> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let _ = poll(
            &mut [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)],
            Some(&timeout),
        );
        let mut events = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((count, _)) => events.push(Event::parse(&buffer[..count])),
                Err(rustix::io::Errno::NOBUFS) => return None,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Some(events),
            }
        }
    }
}

/// Hands every alias under `/sys/devices` to `found`.
pub fn walk_aliases(found: &mut dyn FnMut(&str)) {
    walk(Path::new("/sys/devices"), found);
}

fn walk(folder: &Path, found: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            walk(&entry.path(), found);
        } else if entry.file_name() == "modalias"
            && let Ok(alias) = fs::read_to_string(entry.path())
            && !alias.trim().is_empty()
        {
            found(alias.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read() {
        let event = Event::parse(b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=usb\0MODALIAS=usb:v1p2=3\0SEQNUM=7\0");
        assert_eq!(
            event,
            Event {
                action: "add".into(),
                subsystem: "usb".into(),
                alias: Some("usb:v1p2=3".into())
            }
        );
        assert_eq!(Event::parse(b"\0\0"), Event::default());
    }
}
