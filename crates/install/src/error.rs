//! What keeps a host from being installed: refusals before anything is written, and failures while it is.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A refusal or failure of an installation. `Display` says what and where; [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on a path failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The verb: `read`, `write`, `create`, …
        action: &'static str,
        /// The path it was about.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A document does not read as what it should be.
    #[error("{} is not of a shape that this flk knows: {reason}", path.display())]
    Document {
        /// The document.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// An evaluation does not say of a host what an installation has to know.
    #[error("the facts of the host are not of a shape that this flk knows: {reason}")]
    Facts {
        /// Where and why.
        reason: String,
    },
    /// The user is not root.
    #[error("installing writes to devices and makes root's files: it must run as root")]
    NotRoot,
    /// The target is where the live system runs.
    #[error("{} is the root of the running system", root.display())]
    RunningRoot {
        /// The target.
        root: PathBuf,
    },
    /// The target is no mount point, so the files would land in memory, or on another disk.
    #[error("{} is not a mount point: nothing is mounted there", root.display())]
    NotMounted {
        /// The target.
        root: PathBuf,
    },
    /// The target is mounted read-only.
    #[error("{} is mounted read-only", root.display())]
    ReadOnly {
        /// The target.
        root: PathBuf,
    },
    /// The target's top folder is somebody's.
    #[error("{} belongs to user {owner}, not to root: whoever that is could replace the system's folders", root.display())]
    NotOwnedByRoot {
        /// The target.
        root: PathBuf,
        /// The owner's uid.
        owner: u32,
    },
    /// The target's top folder lets others write, or does not let them through.
    #[error("{} has mode {mode:04o}: {problem}", root.display())]
    RootMode {
        /// The target.
        root: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What that means.
        problem: &'static str,
    },
    /// Another run works on the same target.
    #[error("another `flk install` is at work on {}", root.display())]
    Busy {
        /// The target.
        root: PathBuf,
    },
    /// The disk is too small.
    #[error("{} has {free} {unit} free, and the installation takes {needed}", place.display())]
    NoRoom {
        /// The file system, by its mount point.
        place: PathBuf,
        /// What is free.
        free: u64,
        /// What is needed.
        needed: u64,
        /// `bytes` or `inodes`.
        unit: &'static str,
    },
    /// The host boots by UEFI, and nothing is mounted where its boot files go.
    #[error("the host boots by UEFI, and its boot partition is not mounted at {}", place.display())]
    BootNotMounted {
        /// Where it belongs.
        place: PathBuf,
    },
    /// The host boots by UEFI, which reads FAT alone.
    #[error("the host boots by UEFI, and {} is {fs_type}, not FAT", place.display())]
    BootNotFat {
        /// The mount point.
        place: PathBuf,
        /// What it is.
        fs_type: String,
    },
    /// Devices that the host's `fileSystems` name do not exist.
    #[error("the host mounts what this machine does not have: {}", devices.join(", "))]
    NoSuchDevice {
        /// `DEVICE (for MOUNT POINT)`.
        devices: Vec<String>,
    },
    /// The host boots by GRUB, and does not say from which disk.
    #[error("the host boots by BIOS, and does not say from which disk")]
    NoBootDisk,
    /// The disk that the host boots from is not in this machine.
    #[error("the host boots from {}, which this machine does not have", device.display())]
    NoSuchBootDisk {
        /// As the host names it.
        device: PathBuf,
    },
    /// The host would mount another file system as its root than the one that is mounted at the target.
    #[error("the host mounts {device} at {mount_point}, and {} is another file system ({mounted})", place.display())]
    OtherDevice {
        /// What the host mounts.
        device: String,
        /// Where.
        mount_point: String,
        /// That place now.
        place: PathBuf,
        /// What is mounted there now.
        mounted: String,
    },
    /// The store does not have the whole system.
    #[error("{} of the system's store paths are not on this machine", paths.len())]
    Incomplete {
        /// Which ones.
        paths: Vec<String>,
    },
    /// The system was to be built in the target's store, and is not there.
    #[error("{toplevel} is not in the store of {}", root.display())]
    NotBuilt {
        /// The system.
        toplevel: String,
        /// The target.
        root: PathBuf,
    },
    /// A store path is not what its hash says: a damaged medium.
    #[error("{path} is damaged: its hash is {found}, and it should be {expected}")]
    Damaged {
        /// The store path.
        path: String,
        /// SHA-256 in hexadecimal.
        expected: String,
        /// SHA-256 in hexadecimal.
        found: String,
    },
    /// A store path cannot be read: a damaged medium.
    #[error("{path} is damaged: {} cannot be read", file.display())]
    Unreadable {
        /// The store path.
        path: String,
        /// The file in it.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that was started failed.
    #[error("{program} failed ({status}){}", said(output))]
    Program {
        /// What was run.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// The new host key could not be made.
    #[error(transparent)]
    HostKey(#[from] flk_identity::Error),
}

fn said(output: &str) -> String {
    match output.trim_end() {
        "" => String::new(),
        text => format!(":\n{text}"),
    }
}

impl Error {
    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }

    /// The same for system calls that come without the standard library.
    pub(crate) fn errno(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(rustix::io::Errno) -> Error {
        let made = Error::io(action, path);
        move |errno| made(errno.into())
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::NotRoot => "run it with `sudo`".to_owned(),
            Error::RunningRoot { .. } => {
                "mount the new root's partition elsewhere, at /mnt, and name that with --root"
                    .to_owned()
            }
            Error::NotMounted { root } => format!(
                "mount the new root's partition there: mount /dev/disk/by-label/nixos {}",
                root.display()
            ),
            Error::ReadOnly { root } => format!("mount -o remount,rw {}", root.display()),
            Error::NotOwnedByRoot { root, .. } => format!("chown root:root {}", root.display()),
            Error::RootMode { root, .. } => format!("chmod 0755 {}", root.display()),
            Error::Busy { .. } => "wait for it, or end it; what it has copied is kept".to_owned(),
            Error::NoRoom { .. } => {
                "use a larger partition, or remove what else is on it".to_owned()
            }
            Error::BootNotMounted { place } => format!(
                "mkdir -p {0} && mount /dev/disk/by-label/boot {0}; without a boot loader: --no-bootloader",
                place.display()
            ),
            Error::BootNotFat { .. } => {
                "format the boot partition with `mkfs.vfat -n boot`, and mount it there".to_owned()
            }
            Error::NoSuchDevice { .. } => {
                "label the file systems as the host's `fileSystems` name them (`mkfs.ext4 -L nixos`, `e2label`, `fatlabel`), or change the host's file"
                    .to_owned()
            }
            Error::NoBootDisk => {
                "set boot.loader.grub.devices in the host's file, such as [ \"/dev/sda\" ]; or boot.loader.systemd-boot.enable for UEFI; without a boot loader: --no-bootloader"
                    .to_owned()
            }
            Error::NoSuchBootDisk { .. } => {
                "`lsblk` shows the disks; set boot.loader.grub.devices in the host's file".to_owned()
            }
            Error::OtherDevice { place, .. } => format!(
                "mount the host's own file system at {}, or change the host's file",
                place.display()
            ),
            Error::Damaged { .. } | Error::Unreadable { .. } => {
                "the medium is damaged: write it again, then run this again; nothing that boots was made of it"
                    .to_owned()
            }
            Error::Incomplete { paths } => format!(
                "missing are, among others: {}",
                paths.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
            ),
            _ => return None,
        };
        Some(hint)
    }
}
