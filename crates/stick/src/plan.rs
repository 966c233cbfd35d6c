//! Before anything is written: what the image is, what the target is, and why it must not be overwritten, if it must not.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::device::{Device, Machine, text};
use crate::image::Image;
use crate::medium::NOTE;
use crate::usage::{Tables, Use, held};
use crate::{Error, Result};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image.
    pub image: PathBuf,
    /// A disk's node, a link to it such as `/dev/disk/by-id/…`, or a file in a disk's place.
    pub target: PathBuf,
    /// Disks that are built in may be meant.
    pub allow_fixed: bool,
}

/// What is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Target {
    /// A disk.
    Device {
        /// Which.
        #[serde(flatten)]
        device: Box<Device>,
        /// Its device number.
        #[serde(skip)]
        number: u64,
    },
    /// A file in a disk's place.
    File {
        /// Its path.
        path: PathBuf,
        /// Bytes.
        size: u64,
        /// Its file system and inode.
        #[serde(skip)]
        inode: (u64, u64),
    },
}

/// What an earlier run has left at the target's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "found")]
pub enum Found {
    /// Nothing of flk's.
    Other,
    /// A write that did not come to its end; this run goes on with it.
    Unfinished {
        /// The build, or the volume's name.
        build: String,
    },
}

/// What is going to be done.
#[derive(Debug)]
pub struct Plan {
    /// The image.
    pub image: Image,
    /// Where it goes.
    pub target: Target,
    /// What is there.
    pub found: Found,
}

impl Target {
    /// Its path, without links.
    pub fn path(&self) -> &Path {
        match self {
            Target::Device { device, .. } => &device.path,
            Target::File { path, .. } => path,
        }
    }

    /// Bytes that can be written.
    pub fn size(&self) -> u64 {
        match self {
            Target::Device { device, .. } => device.size,
            Target::File { size, .. } => size / 512 * 512,
        }
    }

    pub(crate) fn sector(&self) -> u64 {
        match self {
            Target::Device { device, .. } => device.sector,
            Target::File { .. } => 512,
        }
    }

    /// That what was opened is what was planned for: a stick may have been exchanged while its owner was asked.
    pub(crate) fn check(&self, (rdev, dev, inode): (u64, u64, u64), length: u64) -> Result<()> {
        let changed = match self {
            Target::File { inode: own, .. } if *own != (dev, inode) => Some("the file"),
            Target::File { size, .. } if *size != length => Some("its size"),
            Target::File { .. } => None,
            Target::Device { number, .. } if *number != rdev => Some("its device number"),
            Target::Device { device, number } => {
                let now = Machine::this().at(&device.path, split(*number))?;
                [
                    ("the insertion's number", now.sequence != device.sequence),
                    ("its size", now.size != device.size),
                    ("its serial number", now.serial != device.serial),
                    ("its place in the machine", now.place != device.place),
                ]
                .into_iter()
                .find_map(|(what, is_changed)| is_changed.then_some(what))
            }
        };
        match changed {
            Some(what) => Err(Error::Exchanged {
                path: self.path().to_owned(),
                what,
            }),
            None => Ok(()),
        }
    }
}

/// Looks at image and target; writes nothing.
///
/// # Errors
/// Every refusal that [`Error`] knows.
pub fn plan(request: &Request) -> Result<Plan> {
    let image = Image::open(&request.image)?;
    let path = &request.target;
    let real = fs::canonicalize(path).map_err(Error::io("find", path))?;
    let metadata = fs::metadata(&real).map_err(Error::io("read", &real))?;
    let target = if metadata.file_type().is_block_device() {
        device(path, metadata.rdev(), request.allow_fixed)?
    } else if metadata.is_file() {
        if image.is(&metadata) {
            return Err(Error::Itself { path: path.clone() });
        }
        file(real, &metadata)?
    } else {
        return Err(Error::NoTarget { path: path.clone() });
    };
    if target.size() < image.length() {
        return Err(Error::TooSmall {
            path: path.clone(),
            needed: image.length(),
            available: target.size(),
        });
    }
    let found = found(target.path())?;
    Ok(Plan {
        image,
        target,
        found,
    })
}

fn device(path: &Path, number: u64, allow_fixed: bool) -> Result<Target> {
    let machine = Machine::this();
    let device = machine.at(path, split(number))?;
    let in_use = |reason| Error::InUse {
        path: path.to_owned(),
        reason,
    };
    let known = Tables::read()?.use_of(&device, &machine);
    if let Some(reason) = known.or_else(|| held(&device)) {
        return Err(in_use(reason));
    }
    if device.is_read_only {
        return Err(Error::ReadOnly {
            path: path.to_owned(),
        });
    }
    if !device.is_stick() && !allow_fixed {
        return Err(Error::Fixed {
            path: path.to_owned(),
        });
    }
    let device = Box::new(device);
    Ok(Target::Device { device, number })
}

fn file(path: PathBuf, metadata: &fs::Metadata) -> Result<Target> {
    if metadata.permissions().readonly() {
        return Err(Error::ReadOnly { path });
    }
    // A loop device writes to it by another way.
    let loops = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    for device in loops {
        let backing = text(&device.path(), "loop/backing_file");
        if !backing.is_empty() && Path::new(&backing) == path {
            let device = Path::new("/dev").join(device.file_name());
            let reason = Use::Loop { device };
            return Err(Error::InUse { path, reason });
        }
    }
    Ok(Target::File {
        size: metadata.len(),
        inode: (metadata.dev(), metadata.ino()),
        path,
    })
}

fn found(path: &Path) -> Result<Found> {
    let mut first = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut first))
        .map_err(Error::io("read", path))?;
    let text = String::from_utf8_lossy(&first);
    let note = text.strip_prefix(NOTE).and_then(|rest| rest.lines().next());
    Ok(note.map_or(Found::Other, |build| Found::Unfinished {
        build: build.to_owned(),
    }))
}

fn split(number: u64) -> (u32, u32) {
    (rustix::fs::major(number), rustix::fs::minor(number))
}
