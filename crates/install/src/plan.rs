//! What an installation will do, decided without writing a byte.

use std::fs;
use std::path::{Path, PathBuf};

use flk_nix::{Closure, PathInfo};
use serde::Serialize;

use crate::copy::temporary_name;
use crate::estimate;
use crate::mounts::Mounts;
use crate::root::{Room, Turn, check_boot_partition, check_devices, claim, inside};
use crate::system::{LoaderKind, System};
use crate::{Error, Result};

/// Left free besides what is copied: Nix's database, logs, the file system's own needs.
const RESERVE: Room = Room {
    bytes: 64 << 20,
    inodes: 4096,
};
/// The same on the boot partition: boot loader and menu.
const BOOT_RESERVE: u64 = 2 << 20;
/// A kernel or initrd that is not built yet and has no like on this machine, in bytes.
const BOOT_FILE: u64 = 48 << 20;

/// What is to be installed, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host's name.
    pub host: String,
    /// Its system.
    pub system: System,
    /// What is copied from the store of this machine: the system's closure, or what there is of it and for building the rest.
    pub closure: Closure,
    /// What the store of this machine lacks, if it lacks something.
    pub rest: Option<Rest>,
    /// Where the new root file system is mounted.
    pub root: PathBuf,
    /// Whether the boot loader is installed.
    pub boot_loader: bool,
}

/// A number of things, and what they have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: usize,
    /// How many bytes.
    pub bytes: u64,
}

/// What the store of this machine lacks of a system. It comes to the target's own store after the copy, between [`prepare`](crate::prepare) and
/// [`finish`](crate::finish).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Files of a mirror.
    pub download: Amount,
    /// Store paths of substituters; the bytes are those that they send.
    pub fetch: Amount,
    /// Derivations that are built.
    pub build: usize,
    /// What all of it takes on the target, at a high [`estimate`].
    #[serde(skip)]
    pub room: Room,
}

/// Where a system comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Copied from the store of this machine: store paths.
    pub copy: Amount,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A file system that is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Its mount point.
    pub mount_point: PathBuf,
    /// Its type.
    pub fs_type: String,
    /// Its device.
    pub device: String,
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that will be written.
    pub needed: u64,
}

/// An installation that nothing speaks against. It holds the lock on the target.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The host's name.
    pub host: String,
    /// Store path of its system.
    pub toplevel: String,
    /// The system's name for people.
    pub label: String,
    /// Where the new root file system is mounted, without links.
    pub root: PathBuf,
    /// Store paths that are copied: all of the system, where this machine's store has all of it.
    pub paths: usize,
    /// Their NAR sizes' sum.
    pub bytes: u64,
    /// Those that the target does not have.
    pub missing_paths: usize,
    /// Their NAR sizes' sum.
    pub missing_bytes: u64,
    /// Where the system comes from, as far as the target lacks it.
    pub from: Origin,
    /// What is written to.
    pub destinations: Vec<Destination>,
    /// The boot loader; none if it was not wanted.
    pub boot_loader: LoaderKind,
    /// What is odd, but no reason to refuse.
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) is_partial: bool,
    #[serde(skip)]
    pub(crate) system: System,
    #[serde(skip)]
    pub(crate) closure: Closure,
    #[serde(skip)]
    pub(crate) _turn: Turn,
}

/// Looks at everything that could speak against an installation. Nothing is written, and nobody has to be root for it.
///
/// # Errors
/// A refusal, each with its own variant of [`Error`].
pub fn plan(options: &Options) -> Result<Plan> {
    let mounts = Mounts::read()?;
    let (root, turn) = claim(&options.root, &mounts)?;
    let system = &options.system;
    check_devices(&root, system, &mounts)?;
    let loader = if options.boot_loader {
        system.loader
    } else {
        LoaderKind::None
    };
    let esp = system.esp.as_deref().filter(|_| options.boot_loader);
    if let Some(esp) = esp {
        check_boot_partition(&root, esp, &mounts)?;
    }
    if loader == LoaderKind::Grub {
        check_boot_disks(system)?;
    }
    check_source(&options.closure)?;

    let missing: Vec<&PathInfo> = options
        .closure
        .paths
        .iter()
        .filter(|info| fs::symlink_metadata(inside(&root, Path::new(&info.path))).is_err())
        .collect();
    let mut destinations = Vec::new();
    let rest = options.rest.unwrap_or_default();
    destinations.push(store_destination(&root, &missing, rest.room, &mounts)?);
    if let Some(esp) = esp {
        destinations.push(boot_destination(&root, esp, system, &mounts)?);
    }
    let missing_bytes = missing.iter().map(|info| info.nar_size).sum();
    Ok(Plan {
        host: options.host.clone(),
        toplevel: system.toplevel.clone(),
        label: system.label.clone(),
        paths: options.closure.paths.len(),
        bytes: options.closure.nar_size(),
        missing_paths: missing.len(),
        missing_bytes,
        from: Origin {
            copy: Amount {
                count: missing.len(),
                bytes: missing_bytes,
            },
            rest,
        },
        is_partial: options.rest.is_some(),
        destinations,
        boot_loader: loader,
        warnings: warnings(loader),
        root,
        system: system.clone(),
        closure: options.closure.clone(),
        _turn: turn,
    })
}

/// GRUB has a disk to go to.
fn check_boot_disks(system: &System) -> Result<()> {
    if system.grub_devices.is_empty() {
        return Err(Error::NoBootDisk);
    }
    let absent = system
        .grub_devices
        .iter()
        .find(|device| *device != Path::new("nodev") && !device.exists());
    match absent {
        Some(device) => Err(Error::NoSuchBootDisk {
            device: device.clone(),
        }),
        None => Ok(()),
    }
}

/// Every path is in the store of this machine.
fn check_source(closure: &Closure) -> Result<()> {
    let absent: Vec<String> = closure
        .paths
        .iter()
        .filter(|info| fs::symlink_metadata(&info.path).is_err())
        .map(|info| info.path.clone())
        .collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(Error::Incomplete { paths: absent })
    }
}

fn store_destination(
    root: &Path,
    missing: &[&PathInfo],
    rest: Room,
    mounts: &Mounts,
) -> Result<Destination> {
    let store = inside(root, Path::new("/nix/store"));
    let mut needed = RESERVE;
    needed.add(rest);
    for info in missing {
        let mut room = Room::taken_by(Path::new(&info.path))?;
        // What a run that was cut off has copied of it is there already.
        let begun = store.join(temporary_name(info.path.as_ref()));
        if let Ok(there) = Room::taken_by(&begun) {
            room.take_away(there);
        }
        needed.add(room);
    }
    let (free, free_inodes) = Room::free_at(&store)?;
    let destination = destination(&store, needed.bytes, free, mounts);
    let place = destination.mount_point.clone();
    if needed.bytes > free {
        return Err(Error::NoRoom {
            place,
            free,
            needed: needed.bytes,
            unit: "bytes",
        });
    }
    match free_inodes {
        Some(free) if needed.inodes > free => Err(Error::NoRoom {
            place,
            free,
            needed: needed.inodes,
            unit: "inodes",
        }),
        _ => Ok(destination),
    }
}

fn boot_destination(
    root: &Path,
    esp: &Path,
    system: &System,
    mounts: &Mounts,
) -> Result<Destination> {
    let place = inside(root, esp);
    let mut needed = BOOT_RESERVE;
    for file in &system.boot_files {
        needed += estimate::size_of(file).unwrap_or(BOOT_FILE);
    }
    let (free, _) = Room::free_at(&place)?;
    if needed > free {
        return Err(Error::NoRoom {
            place,
            free,
            needed,
            unit: "bytes",
        });
    }
    Ok(destination(&place, needed, free, mounts))
}

fn destination(place: &Path, needed: u64, free: u64, mounts: &Mounts) -> Destination {
    let mount = mounts.holding(place);
    Destination {
        mount_point: mount.map_or_else(|| place.to_owned(), |mount| mount.point.clone()),
        fs_type: mount.map_or_else(String::new, |mount| mount.fs_type.clone()),
        device: mount.map_or_else(String::new, |mount| mount.source.clone()),
        free,
        needed,
    }
}

fn warnings(loader: LoaderKind) -> Vec<String> {
    let by_uefi = Path::new("/sys/firmware/efi").exists();
    match loader {
        LoaderKind::SystemdBoot if !by_uefi => vec![
            "this machine was started by BIOS, and the host boots by UEFI: see to it that the firmware starts the disk by UEFI"
                .to_owned(),
        ],
        LoaderKind::Grub if by_uefi => vec![
            "this machine was started by UEFI, and the host boots by BIOS: see to it that the firmware can start the disk that way"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}
