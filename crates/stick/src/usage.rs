//! What a disk is in use for: mounts, swap, and what the kernel has built on it (LVM, RAID, dm-crypt, bcache).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::device::{Device, Machine, text};
use crate::{Error, Result};

/// Where a live system has its medium.
const MEDIA: [&str; 2] = ["/iso", "/run/live/medium"];

/// The kernel's tables of what is in use (proc_pid_mountinfo(5), proc_swaps(5)).
pub(crate) struct Tables {
    pub(crate) mounts: String,
    pub(crate) swaps: String,
}

impl Tables {
    pub(crate) fn read() -> Result<Tables> {
        let read = |path: &str| {
            let path = Path::new(path);
            fs::read_to_string(path).map_err(Error::io("read", path))
        };
        Ok(Tables {
            mounts: read("/proc/self/mountinfo")?,
            // A kernel without swap has no such table.
            swaps: fs::read_to_string("/proc/swaps").unwrap_or_default(),
        })
    }

    /// What keeps a disk from being written to, in the user's words.
    pub(crate) fn use_of(&self, device: &Device, machine: &Machine) -> Option<String> {
        let mut numbers: BTreeSet<String> = device.numbers.iter().cloned().collect();
        let mut built = Vec::new();
        for number in &device.numbers {
            stacked_on(number, machine, &mut numbers, &mut built);
        }
        let mounted: Vec<(String, String)> = self
            .mounts
            .lines()
            .filter_map(mount)
            .filter(|(number, _, source)| {
                // Btrfs mounts have numbers of their own.
                numbers.contains(number) || number_of(source).is_some_and(|n| numbers.contains(&n))
            })
            .map(|(_, point, source)| (point, source))
            .collect();
        let at = |place: &str| mounted.iter().any(|(point, _)| point == place);
        if at("/") {
            return Some("the running system is on it".into());
        }
        if MEDIA.iter().any(|place| at(place)) {
            return Some("this machine was started from it".into());
        }
        if let Some((point, source)) = mounted.first() {
            return Some(format!("{source} is mounted at {point}"));
        }
        let swap = self.swaps.lines().skip(1).find_map(|line| {
            let path = unescape(line.split_whitespace().next()?);
            number_of(&path)
                .filter(|number| numbers.contains(number))
                .map(|_| path)
        });
        if let Some(path) = swap {
            return Some(format!("{path} is swap space"));
        }
        let name = built.first()?;
        Some(format!("{name} (LVM, RAID or encryption) is built on it"))
    }
}

/// Adds what the kernel has built on a block device, and what on that.
fn stacked_on(
    number: &str,
    machine: &Machine,
    numbers: &mut BTreeSet<String>,
    names: &mut Vec<String>,
) {
    let folder = machine.sys.join("dev/block").join(number).join("holders");
    let Ok(holders) = fs::read_dir(folder) else {
        return;
    };
    for holder in holders.flatten() {
        let number = text(&holder.path(), "dev");
        if numbers.insert(number.clone()) {
            names.push(holder.file_name().to_string_lossy().into_owned());
            stacked_on(&number, machine, numbers, names);
        }
    }
}

/// Device number, mount point and source of a line of mountinfo.
fn mount(line: &str) -> Option<(String, String, String)> {
    let (own, super_block) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let source = super_block.split(' ').nth(1)?;
    Some((
        own.get(2)?.to_string(),
        unescape(own.get(4)?),
        unescape(source),
    ))
}

/// The device number of a block device's node.
fn number_of(path: &str) -> Option<String> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return None;
    }
    let number = fs::metadata(path).ok()?.rdev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    (number != 0).then(|| format!("{major}:{minor}"))
}

/// Blanks and backslashes are three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => out.push(char::from(code)),
            None => out.push('\\'),
        }
        rest = &rest[at + if code.is_some() { 4 } else { 1 }..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;

    fn stick() -> Device {
        Device {
            path: "/dev/sdz".into(),
            name: "sdz".into(),
            size: 1 << 30,
            sector: 512,
            bus: Bus::Usb,
            vendor: String::new(),
            model: String::new(),
            serial: String::new(),
            sequence: None,
            is_removable: true,
            is_read_only: false,
            content: Vec::new(),
            numbers: vec!["259:1000".into(), "259:1001".into()],
            place: "/nowhere".into(),
        }
    }

    #[test]
    fn what_it_is_used_for_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine {
            sys: dir.path().to_owned(),
            udev: dir.path().to_owned(),
        };
        let use_of = |mounts: &str| {
            let tables = Tables {
                mounts: mounts.into(),
                swaps: "Filename Type\n/nowhere/swap file 1 0 -2\n".into(),
            };
            tables.use_of(&stick(), &machine)
        };
        let line = |number: &str, point: &str| {
            format!("36 35 {number} / {point} rw master:1 - vfat /dev/sdz1 rw\n")
        };
        assert_eq!(use_of(""), None);
        assert_eq!(use_of(&line("8:1", "/")), None);
        assert_eq!(
            use_of(&line("259:1001", "/media/my\\040stick")).unwrap(),
            "/dev/sdz1 is mounted at /media/my stick"
        );
        let root = line("259:1001", "/boot") + &line("259:1000", "/");
        assert_eq!(use_of(&root).unwrap(), "the running system is on it");
        assert_eq!(
            use_of(&line("259:1000", "/iso")).unwrap(),
            "this machine was started from it"
        );

        // Encrypted, and a volume group on that.
        let holder = |number: &str, holder: &str, its: &str| {
            let folder = dir
                .path()
                .join("dev/block")
                .join(number)
                .join("holders")
                .join(holder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("dev"), its).unwrap();
        };
        holder("259:1001", "dm-0", "253:0\n");
        holder("253:0", "dm-1", "253:1\n");
        assert_eq!(
            use_of("").unwrap(),
            "dm-0 (LVM, RAID or encryption) is built on it"
        );
        assert_eq!(
            use_of(&line("253:1", "/srv")).unwrap(),
            "/dev/sdz1 is mounted at /srv"
        );
    }
}
