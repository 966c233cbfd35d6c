//! The target: whether a host may be installed there, and what room it has.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};

use crate::mounts::Mounts;
use crate::system::System;
use crate::{Error, Result};

/// What a store path is called until it is whole.
pub const TEMPORARY_PREFIX: &str = ".flk-install-";

/// Room in a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Files, folders and links.
    pub inodes: u64,
}

impl Room {
    /// The size of a block on disk: what is smaller takes one.
    const BLOCK: u64 = 4096;
    /// A link that is longer takes one too; ext4 has room for this much in the inode.
    const SHORT_LINK: u64 = 59;

    /// What the copy of a file or folder takes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn taken_by(path: &Path) -> Result<Room> {
        let metadata = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
        let mut room = Room {
            // An empty file lies in the inode, as a short link does.
            bytes: if metadata.is_symlink() && metadata.len() <= Self::SHORT_LINK {
                0
            } else if metadata.is_dir() {
                Self::BLOCK
            } else {
                metadata.len().next_multiple_of(Self::BLOCK)
            },
            inodes: 1,
        };
        if metadata.is_dir() {
            let entries = fs::read_dir(path).map_err(Error::io("read", path))?;
            for entry in entries {
                let entry = entry.map_err(Error::io("read", path))?;
                room.add(Room::taken_by(&entry.path())?);
            }
        }
        Ok(room)
    }

    pub(crate) fn add(&mut self, other: Room) {
        self.bytes += other.bytes;
        self.inodes += other.inodes;
    }

    pub(crate) fn take_away(&mut self, other: Room) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.inodes = self.inodes.saturating_sub(other.inodes);
    }

    /// What is free where a path lies or will lie; `None` inodes: the file system makes them as they are needed.
    pub(crate) fn free_at(path: &Path) -> Result<(u64, Option<u64>)> {
        let there = path
            .ancestors()
            .find(|ancestor| ancestor.exists())
            .unwrap_or(Path::new("/"));
        let room = statvfs(there).map_err(Error::errno("look at the room of", there))?;
        Ok((
            room.f_bavail * room.f_frsize,
            (room.f_files > 0).then_some(room.f_favail),
        ))
    }
}

/// That nobody else installs to a root (flock(2)).
#[derive(Debug)]
pub(crate) struct Turn(File);

impl Turn {
    fn take(root: &Path) -> Result<Turn> {
        let folder = File::open(root).map_err(Error::io("open", root))?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Turn(folder)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy { root: root.into() }),
            Err(errno) => Err(Error::errno("lock", root)(errno)),
        }
    }
}

impl Drop for Turn {
    /// Closing is not enough: a child that another thread is starting has the descriptor too until it executes.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Looks at the target, and locks it. Nothing is written.
///
/// # Errors
/// Each refusal of [`Error`] that is about the target's root.
pub(crate) fn claim(root: &Path, mounts: &Mounts) -> Result<(PathBuf, Turn)> {
    let root = fs::canonicalize(root).map_err(Error::io("find", root))?;
    let metadata = fs::metadata(&root).map_err(Error::io("read", &root))?;
    let running = fs::metadata("/").map_err(Error::io("read", Path::new("/")))?;
    if (metadata.dev(), metadata.ino()) == (running.dev(), running.ino()) {
        return Err(Error::RunningRoot { root });
    }
    let Some(mount) = mounts.at(&root) else {
        return Err(Error::NotMounted { root });
    };
    if mount.is_read_only {
        return Err(Error::ReadOnly { root });
    }
    if metadata.uid() != 0 {
        let owner = metadata.uid();
        return Err(Error::NotOwnedByRoot { root, owner });
    }
    let mode = metadata.mode() & 0o7777;
    let problem = if mode & 0o111 != 0o111 {
        Some("users other than root could not reach anything on the host")
    } else if mode & 0o022 != 0 {
        Some("users other than root could replace the system's folders")
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(Error::RootMode {
            root,
            mode,
            problem,
        });
    }
    let turn = Turn::take(&root)?;
    Ok((root, turn))
}

/// The boot partition of a host that boots by UEFI: mounted, and FAT.
///
/// # Errors
/// [`Error::BootNotMounted`], [`Error::BootNotFat`].
pub(crate) fn check_boot_partition(root: &Path, esp: &Path, mounts: &Mounts) -> Result<()> {
    let place = inside(root, esp);
    match mounts.at(&place) {
        None => Err(Error::BootNotMounted { place }),
        Some(mount) if !["vfat", "msdos"].contains(&mount.fs_type.as_str()) => {
            let fs_type = mount.fs_type.clone();
            Err(Error::BootNotFat { place, fs_type })
        }
        Some(mount) if mount.is_read_only => Err(Error::ReadOnly { root: place }),
        Some(_) => Ok(()),
    }
}

/// The devices that the host mounts: there, and mounted at the target where it will mount them.
///
/// # Errors
/// [`Error::NoSuchDevice`] with all of them; [`Error::OtherDevice`].
pub(crate) fn check_devices(root: &Path, system: &System, mounts: &Mounts) -> Result<()> {
    let missing: Vec<String> = system
        .file_systems
        .iter()
        .filter(|entry| !entry.may_be_missing && !entry.node().exists())
        .map(|entry| match entry.mount_point.as_str() {
            "none" => format!("{} (swap)", entry.device),
            point => format!("{} (for {point})", entry.device),
        })
        .collect();
    if !missing.is_empty() {
        return Err(Error::NoSuchDevice { devices: missing });
    }
    for entry in &system.file_systems {
        let place = inside(root, Path::new(&entry.mount_point));
        let Some(mount) = mounts.at(&place) else {
            continue;
        };
        let (Ok(wanted), Ok(mounted)) = (fs::metadata(entry.node()), fs::metadata(&mount.source))
        else {
            continue;
        };
        if wanted.rdev() != mounted.rdev() {
            return Err(Error::OtherDevice {
                device: entry.device.clone(),
                mount_point: entry.mount_point.clone(),
                place,
                mounted: mount.source.clone(),
            });
        }
    }
    Ok(())
}

/// A path of the host, as seen from here.
pub(crate) fn inside(root: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix("/").unwrap_or(path) {
        rest if rest.as_os_str().is_empty() => root.to_owned(),
        rest => root.join(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fstab;
    use crate::system::LoaderKind;
    use std::os::unix::fs::PermissionsExt;

    fn mounted(root: &Path, options: &str) -> Mounts {
        Mounts::parse(&format!(
            "1 0 0:1 / / rw - tmpfs tmpfs rw\n36 1 0:9 / {} {options} - ext4 /dev/null rw\n",
            root.display()
        ))
    }

    #[test]
    fn a_root_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let refusal = |root: &Path, mounts: &Mounts| claim(root, mounts).unwrap_err();
        assert!(matches!(
            refusal(Path::new("/"), &mounted(&root, "rw")),
            Error::RunningRoot { .. }
        ));
        assert!(matches!(
            refusal(&root, &Mounts::default()),
            Error::NotMounted { .. }
        ));
        assert!(matches!(
            refusal(&root, &mounted(&root, "ro")),
            Error::ReadOnly { .. }
        ));
        assert!(matches!(
            refusal(&root.join("no"), &mounted(&root, "rw")),
            Error::Io { action: "find", .. }
        ));
        let set = |mode| fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
        if fs::metadata(&root).unwrap().uid() != 0 {
            assert!(matches!(
                refusal(&root, &mounted(&root, "rw")),
                Error::NotOwnedByRoot { .. }
            ));
            return;
        }
        for (mode, expected) in [(0o700, "could not reach"), (0o777, "could replace")] {
            set(mode);
            let text = refusal(&root, &mounted(&root, "rw")).to_string();
            assert!(text.contains(expected), "{text}");
        }
        set(0o755);
        rustix::fs::chown(&root, Some(rustix::fs::Uid::from_raw(1000)), None).unwrap();
        assert!(matches!(
            refusal(&root, &mounted(&root, "rw")),
            Error::NotOwnedByRoot { owner: 1000, .. }
        ));
        rustix::fs::chown(&root, Some(rustix::fs::Uid::from_raw(0)), None).unwrap();
        let (_, lock) = claim(&root, &mounted(&root, "rw")).unwrap();
        assert!(matches!(
            refusal(&root, &mounted(&root, "rw")),
            Error::Busy { .. }
        ));
        drop(lock);
        claim(&root, &mounted(&root, "rw")).unwrap();
        assert_eq!(
            fs::read_dir(&root).unwrap().count(),
            0,
            "nothing is written"
        );
    }

    #[test]
    fn a_boot_partition_is_mounted_and_fat() {
        let mounts = Mounts::parse(
            "1 0 0:1 / /mnt rw - ext4 /dev/null rw\n2 1 0:2 / /mnt/boot rw - vfat /dev/null rw\n3 1 0:2 / /mnt/efi rw - ext4 /dev/null rw\n",
        );
        let check = |esp: &str| check_boot_partition(Path::new("/mnt"), Path::new(esp), &mounts);
        check("/boot").unwrap();
        assert!(matches!(check("/efi"), Err(Error::BootNotFat { .. })));
        assert!(matches!(check("/x"), Err(Error::BootNotMounted { .. })));
    }

    #[test]
    fn devices_are_there_and_the_right_ones() {
        let system = |table: &str| System {
            toplevel: String::new(),
            label: String::new(),
            loader: LoaderKind::None,
            esp: None,
            grub_devices: Vec::new(),
            boot_files: Vec::new(),
            file_systems: fstab::parse(table),
            etc: PathBuf::new(),
            is_built_in: true,
        };
        let mounts = Mounts::parse("1 0 0:1 / /mnt rw - ext4 /dev/null rw\n");
        let check = |table: &str| check_devices(Path::new("/mnt"), &system(table), &mounts);
        check("/dev/null / ext4 defaults 0 1\n/dev/none /data ext4 nofail 0 0\n").unwrap();
        let text = check("LABEL=flk-no / ext4 x 0 0\n/dev/flk-no none swap x 0 0\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.ends_with("LABEL=flk-no (for /), /dev/flk-no (swap)"),
            "{text}"
        );
        assert!(matches!(
            check("/dev/zero / ext4 defaults 0 1\n"),
            Err(Error::OtherDevice { .. })
        ));
    }

    #[test]
    fn small_files_take_whole_blocks() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        fs::write(dir.path().join("b"), vec![0; 4097]).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("c")).unwrap();
        assert_eq!(
            Room::taken_by(dir.path()).unwrap(),
            Room {
                bytes: 4 * 4096,
                inodes: 4
            }
        );
    }
}
