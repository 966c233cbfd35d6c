//! The operator's mDNS client: avahi (Debian's own), with a message bus of its own, on a [`Link`].
//!
//! The live machine answers by systemd-resolved; avahi is another implementation, and so a judge.

use crate::{BenchError, INTERFACE, Link, run, until};
use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

const BUS: &str = "unix:path=/run/dbus/system_bus_socket";

const BUS_CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"#;

/// A client does not announce itself: the live machines are to be alone with their names.
const DAEMON_CONFIG: &str = "[server]\nhost-name=operator\nuse-ipv4=no\nuse-ipv6=yes\nallow-interfaces=eno1\n\
    [publish]\ndisable-publishing=yes\n";

/// A service that was found, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its instance name.
    pub name: String,
    /// The host that offers it.
    pub host: String,
    /// The address of that host.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// `KEY=VALUE` strings, in the order of the TXT record.
    pub txt: Vec<String>,
}

impl Service {
    /// The value of a TXT key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.txt
            .iter()
            .find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='))
    }
}

/// A running avahi daemon on a link; ended when dropped.
pub struct Avahi<'l> {
    link: &'l Link,
    // Dropped in this order: the daemon before its bus.
    _daemon: Daemon,
    _bus: Daemon,
}

/// A process that ends with its owner.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'l> Avahi<'l> {
    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// When bus or daemon do not come up.
    pub fn start(link: &'l Link) -> Result<Self, BenchError> {
        let bus_config = link.files().join("bus.conf");
        let daemon_config = link.files().join("avahi.conf");
        fs::write(&bus_config, BUS_CONFIG).map_err(BenchError::file(&bus_config))?;
        fs::write(&daemon_config, DAEMON_CONFIG).map_err(BenchError::file(&daemon_config))?;
        let log = link.files().join("avahi.log");
        let bus = spawn(
            link.daemon("dbus-daemon")
                .arg("--nofork")
                .arg("--nopidfile")
                .arg("--config-file")
                .arg(&bus_config),
            &log,
        )?;
        until("the message bus", Duration::from_secs(60), || {
            let socket = link
                .run("test", &["-S", "/run/dbus/system_bus_socket"])
                .map_err(|e| e.to_string())?;
            if socket.code == Some(0) {
                Ok(())
            } else {
                Err(fs::read_to_string(&log).unwrap_or_default())
            }
        })?;
        let daemon = spawn(
            link.daemon("avahi-daemon")
                .args(["--no-drop-root", "--no-chroot", "--no-rlimits", "--file"])
                .arg(&daemon_config)
                .env("DBUS_SYSTEM_BUS_ADDRESS", BUS),
            &log,
        )?;
        until("avahi-daemon", Duration::from_secs(60), || {
            let check =
                run(link.command("avahi-daemon").arg("--check")).map_err(|e| e.to_string())?;
            if check.code == Some(0) {
                Ok(())
            } else {
                Err(fs::read_to_string(&log).unwrap_or_default())
            }
        })?;
        Ok(Avahi {
            link,
            _daemon: daemon,
            _bus: bus,
        })
    }

    /// The IPv6 address of `name`, asked once.
    ///
    /// # Errors
    /// When `avahi-resolve` cannot be started. `Ok(None)`: nobody answered.
    pub fn resolve(&self, name: &str) -> Result<Option<String>, BenchError> {
        let output = run(self.client("avahi-resolve").args(["-6", "-n", name]))?;
        Ok(output.stdout.split_whitespace().nth(1).map(str::to_owned))
    }

    /// Waits until `name` has an address.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`].
    pub fn wait_for_name(&self, name: &str, limit: Duration) -> Result<String, BenchError> {
        until(
            &format!("an mDNS answer for {name}"),
            limit,
            || match self.resolve(name) {
                Ok(Some(address)) => Ok(address),
                Ok(None) => Err("nobody answered".into()),
                Err(e) => Err(e.to_string()),
            },
        )
    }

    /// All services of `kind` (`_flk._tcp`) that can be seen and resolved now, over IPv6.
    ///
    /// # Errors
    /// When `avahi-browse` fails.
    pub fn browse(&self, kind: &str) -> Result<Vec<Service>, BenchError> {
        let output = run(self.client("avahi-browse").args([
            "--parsable",
            "--resolve",
            "--terminate",
            kind,
        ]))?
        .success()?;
        output
            .stdout
            .lines()
            .filter(|line| line.starts_with("=;") && line.contains(";IPv6;"))
            .map(service)
            .collect()
    }

    /// A command of avahi that asks this daemon, ended after 15 seconds.
    pub fn client(&self, program: &str) -> Command {
        let mut command = self.link.command("timeout");
        command
            .args(["15", program])
            .env("DBUS_SYSTEM_BUS_ADDRESS", BUS);
        command
    }
}

/// One line of `avahi-browse --parsable --resolve`: `=;IF;PROTOCOL;NAME;TYPE;DOMAIN;HOST;ADDRESS;PORT;"TXT" "TXT"`.
fn service(line: &str) -> Result<Service, BenchError> {
    let fields: Vec<&str> = line.splitn(10, ';').collect();
    let [_, interface, _, name, _, _, host, address, port, txt] = fields[..] else {
        return Err(BenchError::Understand {
            what: "avahi-browse's line".into(),
            text: line.into(),
        });
    };
    debug_assert_eq!(interface, INTERFACE);
    let txt = txt.trim().trim_matches('"');
    Ok(Service {
        name: unescape(name),
        host: host.into(),
        address: address.into(),
        port: port.parse().map_err(|_| BenchError::Understand {
            what: "a port".into(),
            text: line.into(),
        })?,
        txt: if txt.is_empty() {
            Vec::new()
        } else {
            txt.split("\" \"").map(str::to_owned).collect()
        },
    })
}

/// Undoes `\DDD` (decimal) and `\C` of names in avahi's output.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'2', b @ b'0'..=b'9', c @ b'0'..=b'9', tail @ ..]) => {
                let value =
                    u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = tail;
            }
            (b'\\', [letter, tail @ ..]) => {
                bytes.push(*letter);
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn spawn(command: &mut Command, log: &std::path::Path) -> Result<Daemon, BenchError> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(BenchError::file(log))?;
    let errors = file.try_clone().map_err(BenchError::file(log))?;
    command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map(Daemon)
        .map_err(|source| BenchError::Start {
            program: crate::command::shown(command),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_avahi_browse() {
        let line = r#"=;eno1;IPv6;NixOS\032live;_flk._tcp;local;NixOS.local;fe80::5054:ff:fe12:3401;22;"key=SHA256:x" "host=NixOS""#;
        let found = service(line).unwrap();
        assert_eq!((found.name.as_str(), found.port), ("NixOS live", 22));
        assert_eq!(found.address, "fe80::5054:ff:fe12:3401");
        assert_eq!(
            (found.value("host"), found.value("key")),
            (Some("NixOS"), Some("SHA256:x"))
        );
        assert_eq!(found.value("build"), None);
    }

    #[test]
    fn a_line_that_is_none() {
        assert!(service("=;eno1;IPv6").is_err());
    }
}
