//! What a disk is in use for: mounts, swap, what the kernel has built on it (LVM, RAID, dm-crypt, bcache), and pools of disks (ZFS, btrfs).

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flk_mounts::{Mount, TABLE};
use rustix::fs::OFlags;

use crate::device::{Device, Machine, text};
use crate::signature::{Pool, pool};
use crate::{Error, Result};

/// Where a live system has its medium.
const MEDIA: [&str; 2] = ["/iso", "/run/live/medium"];

/// What a target is in use for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// The root of the running system is on it.
    Root,
    /// The live system was started from it.
    Medium,
    /// It, or a partition of it, is mounted.
    Mounted {
        /// What.
        source: String,
        /// Where.
        point: String,
    },
    /// It, or a partition of it, is swap space.
    Swap {
        /// Which.
        path: String,
    },
    /// The kernel has built another device on it.
    Holder {
        /// That one's name, such as `dm-0`.
        name: String,
        /// What it is.
        kind: Holder,
    },
    /// It is a member of a pool of disks that is in use.
    Member(Pool),
    /// A file: a loop device stands for it.
    Loop {
        /// The loop device.
        device: PathBuf,
    },
    /// Another program has locked it, as formatting programs do.
    Locked,
    /// The kernel does not give it away, and does not say why.
    Held,
}

/// What the kernel builds on disks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// A logical volume of LVM, by its name.
    Lvm(String),
    /// An encrypted volume of dm-crypt, by its name.
    Crypt(String),
    /// Another device of the device mapper, by its name.
    Mapper(String),
    /// A RAID of md, by its level.
    Raid(String),
    /// Anything else.
    Other,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Use::Root => write!(f, "the running system is on it"),
            Use::Medium => write!(f, "this machine was started from it"),
            Use::Mounted { source, point } => write!(f, "{source} is mounted at {point}"),
            Use::Swap { path } => write!(f, "{path} is swap space"),
            Use::Holder { name, kind } => match kind {
                Holder::Lvm(volume) => write!(f, "the LVM volume {volume} ({name}) is on it"),
                Holder::Crypt(volume) => {
                    write!(f, "the encrypted volume {volume} ({name}) is on it")
                }
                Holder::Mapper(volume) => {
                    write!(f, "the device-mapper volume {volume} ({name}) is on it")
                }
                Holder::Raid(level) => write!(f, "it is a part of the RAID {name} ({level})"),
                Holder::Other => write!(f, "{name} is built on it"),
            },
            Use::Member(Pool::Zfs) => write!(f, "it is a part of a ZFS pool that is imported"),
            Use::Member(Pool::Btrfs) => write!(f, "it is a part of a btrfs that is mounted"),
            Use::Loop { device } => write!(f, "{} stands for it", device.display()),
            Use::Locked => write!(f, "another program has locked it"),
            Use::Held => write!(f, "the kernel does not give it away"),
        }
    }
}

impl Use {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let again = "and run this again";
        match self {
            Use::Root | Use::Medium => "choose another disk".into(),
            Use::Mounted { point, .. } => format!("unmount it (`umount {point}`) {again}"),
            Use::Swap { path } => format!("`swapoff {path}` {again}"),
            Use::Holder { name, kind } => match kind {
                Holder::Lvm(_) => format!("`vgchange --activate n` its volume group {again}"),
                Holder::Crypt(volume) => format!("`cryptsetup close {volume}` {again}"),
                Holder::Mapper(volume) => format!("`dmsetup remove {volume}` {again}"),
                Holder::Raid(_) => format!("`mdadm --stop /dev/{name}` {again}"),
                Holder::Other => format!("stop {name} {again}"),
            },
            Use::Member(Pool::Zfs) => format!("`zpool export` the pool {again}"),
            Use::Member(Pool::Btrfs) => format!("unmount it {again}"),
            Use::Loop { device } => {
                format!(
                    "write to {0}, or `losetup --detach {0}` {again}",
                    device.display()
                )
            }
            Use::Locked => "run this again when that one has ended".into(),
            Use::Held => "`lsblk`, `fuser` and the kernel's log may say who has it".into(),
        }
    }
}

/// The kernel's tables of what is in use (proc_pid_mountinfo(5), proc_swaps(5)).
pub(crate) struct Tables {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) swaps: String,
}

impl Tables {
    pub(crate) fn read() -> Result<Tables> {
        Ok(Tables {
            mounts: flk_mounts::read().map_err(Error::io("read", Path::new(TABLE)))?,
            // A kernel without swap has no such table.
            swaps: fs::read_to_string("/proc/swaps").unwrap_or_default(),
        })
    }

    /// What keeps a disk from being written to, as far as these tables and sysfs know.
    pub(crate) fn use_of(&self, device: &Device, machine: &Machine) -> Option<Use> {
        let mut numbers: BTreeSet<String> = device.numbers.iter().cloned().collect();
        let mut built = Vec::new();
        for number in &device.numbers {
            stacked_on(number, machine, &mut numbers, &mut built);
        }
        let is_on_it = |mount: &&Mount| {
            // Btrfs mounts have numbers of their own.
            numbers.contains(&mount.number)
                || number_of(&mount.source).is_some_and(|number| numbers.contains(&number))
        };
        let mounted: Vec<&Mount> = self.mounts.iter().filter(is_on_it).collect();
        let at = |place: &str| mounted.iter().any(|mount| mount.point == Path::new(place));
        if at("/") {
            return Some(Use::Root);
        }
        if MEDIA.iter().any(|place| at(place)) {
            return Some(Use::Medium);
        }
        if let Some(mount) = mounted.first() {
            return Some(Use::Mounted {
                source: mount.source.clone(),
                point: mount.point.display().to_string(),
            });
        }
        let swap = self.swaps.lines().skip(1).find_map(|line| {
            let path = flk_mounts::unescape(line.split_whitespace().next()?);
            let path = String::from_utf8_lossy(&path).into_owned();
            number_of(&path)
                .filter(|number| numbers.contains(number))
                .map(|_| path)
        });
        if let Some(path) = swap {
            return Some(Use::Swap { path });
        }
        // The last one has nothing on it, and so can be taken away first.
        built.pop()
    }
}

/// Whether somebody in the kernel has a disk, or a partition of it, for himself alone, and who that may be. Nothing is changed by asking.
pub(crate) fn held(device: &Device) -> Option<Use> {
    let flags = (OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(&device.path);
    // What else may be wrong with it is said when it is read.
    let busy = rustix::io::Errno::BUSY.raw_os_error();
    opened
        .err()
        .filter(|error| error.raw_os_error() == Some(busy))?;
    let pool = device.nodes.iter().find_map(|node| pool(node));
    Some(pool.map_or(Use::Held, Use::Member))
}

/// Adds what the kernel has built on a block device, and what on that.
fn stacked_on(
    number: &str,
    machine: &Machine,
    numbers: &mut BTreeSet<String>,
    built: &mut Vec<Use>,
) {
    let folder = machine.sys.join("dev/block").join(number).join("holders");
    let Ok(holders) = fs::read_dir(folder) else {
        return;
    };
    for holder in holders.flatten() {
        let number = text(&holder.path(), "dev");
        if numbers.insert(number.clone()) {
            built.push(Use::Holder {
                name: holder.file_name().to_string_lossy().into_owned(),
                kind: kind_of(&holder.path()),
            });
            stacked_on(&number, machine, numbers, built);
        }
    }
}

/// What a holder is, by its folder in sysfs (Documentation/ABI/testing/sysfs-block-dm; Documentation/admin-guide/md.rst).
fn kind_of(folder: &Path) -> Holder {
    let name = text(folder, "dm/name");
    let level = text(folder, "md/level");
    if !level.is_empty() {
        return Holder::Raid(level);
    }
    // The program that has made it comes first.
    match text(folder, "dm/uuid").split('-').next() {
        Some("LVM") => Holder::Lvm(name),
        Some("CRYPT") => Holder::Crypt(name),
        _ if !name.is_empty() => Holder::Mapper(name),
        _ => Holder::Other,
    }
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
            nodes: vec!["/dev/sdz".into(), "/dev/sdz1".into()],
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
                mounts: flk_mounts::parse(mounts),
                swaps: "Filename Type\n/nowhere/swap file 1 0 -2\n".into(),
            };
            tables.use_of(&stick(), &machine).map(|why| why.to_string())
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
        let holder = |number: &str, holder: &str, its: &str, files: &[(&str, &str)]| {
            let folder = dir
                .path()
                .join("dev/block")
                .join(number)
                .join("holders")
                .join(holder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("dev"), its).unwrap();
            for (file, text) in files {
                let file = folder.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
        };
        let crypt = [("dm/name", "luks\n"), ("dm/uuid", "CRYPT-LUKS2-00-luks\n")];
        holder("259:1001", "dm-0", "253:0\n", &crypt);
        let volume = [("dm/name", "vg-root\n"), ("dm/uuid", "LVM-abcdef\n")];
        holder("253:0", "dm-1", "253:1\n", &volume);
        assert_eq!(
            use_of("").unwrap(),
            "the LVM volume vg-root (dm-1) is on it"
        );
        assert_eq!(
            use_of(&line("253:1", "/srv")).unwrap(),
            "/dev/sdz1 is mounted at /srv"
        );
    }

    #[test]
    fn what_is_built_on_a_disk_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir_in(dir.path()).unwrap();
            for (file, text) in files {
                let file = folder.path().join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            kind_of(folder.path())
        };
        let mapper = |uuid| kind(&[("dm/name", "a\n"), ("dm/uuid", uuid)]);
        assert_eq!(mapper("LVM-0123\n"), Holder::Lvm("a".into()));
        assert_eq!(mapper("CRYPT-LUKS1-0-a\n"), Holder::Crypt("a".into()));
        assert_eq!(mapper("\n"), Holder::Mapper("a".into()));
        assert_eq!(
            kind(&[("md/level", "raid1\n")]),
            Holder::Raid("raid1".into())
        );
        assert_eq!(kind(&[]), Holder::Other);
    }
}
