//! Step 3, who the machine is: `machine-id(5)`, `hostname(5)`, and the two stamps that say that `/etc` and `/var` are of this `/usr`
//! (`systemd-update-done.service(8)`).

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::atomic_file::{self, Ownership};
use crate::error::{IoContext, Result};

/// Settles all of it; what is there already stays.
pub(super) fn settle(etc: &Path, var: &Path, host_name: &str) -> Result<()> {
    settle_machine_id(&etc.join("machine-id"))?;
    for folder in [etc, var] {
        stamp(&folder.join(".updated"), Path::new("/usr"))?;
    }
    if host_name.is_empty() {
        return Ok(());
    }
    let path = etc.join("hostname");
    if fs::read_to_string(&path)
        .ok()
        .is_none_or(|text| text.trim() != host_name)
    {
        atomic_file::write(
            &path,
            format!("{host_name}\n").as_bytes(),
            Ownership::root(0o644),
        )?;
    }
    rustix::system::sethostname(host_name.as_bytes()).at("set the host name to", host_name)
}

/// With a valid one systemd does not take this for the machine's first boot, which would ask questions and enable presets.
fn settle_machine_id(path: &Path) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|text| is_machine_id(text.trim_end())) {
        return Ok(());
    }
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty()).at("find a random", path)?;
    atomic_file::write(
        path,
        format!("{}\n", machine_id(bytes)).as_bytes(),
        Ownership::root(0o444),
    )
    .map(|_| ())
}

/// 32 digits, marked as a random UUID (RFC 9562, 5.4), as `systemd-machine-id-setup` makes them.
fn machine_id(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_machine_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}

/// Makes the stamp, or makes it younger than `/usr` when it is older.
fn stamp(path: &Path, usr: &Path) -> Result<()> {
    let time = |path: &Path| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    match (time(path), time(usr)) {
        (Some(stamp), Some(usr)) if stamp < usr => {
            let file = File::options().write(true).open(path).at("open", path)?;
            file.set_modified(usr.max(SystemTime::UNIX_EPOCH))
                .at("set the time of", path)
        }
        (Some(_), _) => Ok(()),
        (None, _) => atomic_file::write(
            path,
            b"# Written by flk-init: this folder is of the system in /usr.\n",
            Ownership::root(0o644),
        )
        .map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_ids_are_told_apart() {
        for (text, expected) in [
            ("d41d8cd98f004204a980998ecf8427e0", true),
            ("00000000000000000000000000000000", false),
            ("uninitialized", false),
            ("", false),
            ("D41D8CD98F004204A980998ECF8427E0", false),
        ] {
            assert_eq!(is_machine_id(text), expected, "{text}");
        }
        let made = machine_id([0; 16]);
        assert_eq!(made, "00000000000040008000000000000000");
        assert!(is_machine_id(&made));
    }
}
