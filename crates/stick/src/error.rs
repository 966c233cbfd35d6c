//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::usage::Use;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why nothing is written, or not to the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or device cannot be opened, read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The image is none.
    #[error("{} is no image that could start a machine: {reason}", path.display())]
    NoImage {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The image is cut short.
    #[error("{} is cut short: it has {length} bytes of {needed}", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        length: u64,
        /// Bytes that its volume has.
        needed: u64,
    },
    /// The image is within something else.
    #[error("{} is {format}, and not an image itself", path.display())]
    Container {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static str,
        /// What to do.
        hint: String,
    },
    /// The image is not what it was when it was made.
    #[error("{} is damaged: the 32 KiB at byte {offset} are not what they were when it was made", path.display())]
    Damaged {
        /// The image.
        path: PathBuf,
        /// The first byte of what is damaged.
        offset: u64,
    },
    /// What was extracted cannot be written.
    #[error("cannot write what {name} has")]
    Output {
        /// The file on the image.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The target is neither a device nor a file.
    #[error("{} is neither a block device nor a file", path.display())]
    NoTarget {
        /// The target.
        path: PathBuf,
    },
    /// Image and target are one.
    #[error("{} is the image itself", path.display())]
    Itself {
        /// The target.
        path: PathBuf,
    },
    /// The target is a partition.
    #[error("{} is a partition; the image is for the whole disk {}", path.display(), disk.display())]
    Partition {
        /// The target.
        path: PathBuf,
        /// The disk that it is on.
        disk: PathBuf,
    },
    /// The target is in use.
    #[error("{} is in use: {reason}", path.display())]
    InUse {
        /// The target.
        path: PathBuf,
        /// For what.
        reason: Use,
    },
    /// The target cannot be written to.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The target.
        path: PathBuf,
    },
    /// The target is no device for removable media.
    #[error("{} is built into this machine, and no stick", path.display())]
    Fixed {
        /// The target.
        path: PathBuf,
    },
    /// The image does not fit.
    #[error("{} has {available} bytes, and the image {needed}", path.display())]
    TooSmall {
        /// The target.
        path: PathBuf,
        /// Bytes of the image.
        needed: u64,
        /// Bytes of the target.
        available: u64,
    },
    /// Another device is at the path by now.
    #[error("{} is another device than a moment ago: {what} has changed", path.display())]
    Exchanged {
        /// The target.
        path: PathBuf,
        /// What is not the same.
        what: &'static str,
    },
    /// The target does not have what was written.
    #[error("{} does not keep what is written to it: at byte {offset} something else is read", path.display())]
    Mismatch {
        /// The target.
        path: PathBuf,
        /// The first byte that is wrong.
        offset: u64,
    },
    /// An image cannot be read.
    #[error("{} cannot be read as an ISO", path.display())]
    Iso {
        /// The image.
        path: PathBuf,
        /// Why not, and where.
        source: flk_iso9660::Error,
    },
    /// The store on an image cannot be read.
    #[error("the store on {} cannot be read", path.display())]
    Squashfs {
        /// The image.
        path: PathBuf,
        /// Why not, and where.
        source: flk_squashfs::Error,
    },
    /// An image has no digests that are whole.
    #[error("{} cannot be verified", path.display())]
    Digests {
        /// The image.
        path: PathBuf,
        /// Why not.
        source: flk_image::Error,
    },
    /// There is no such file on an image.
    #[error("{name} is no file on {}", path.display())]
    NotOnImage {
        /// The image.
        path: PathBuf,
        /// The file.
        name: String,
    },
    /// Somebody wanted it to end.
    #[error("writing {} was stopped", path.display())]
    Stopped {
        /// The target.
        path: PathBuf,
        /// Something was written already.
        is_begun: bool,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    }

    /// What to do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("raw devices are root's: run it with sudo".into())
            }
            Error::Io { source, path, .. } if source.raw_os_error() == Some(28) => {
                Some(format!("{} has no room left", path.display()))
            }
            Error::NoImage { .. } => Some("`flk iso HOST` makes one".into()),
            Error::CutShort { .. } => Some("a download or a copy was interrupted: get it again".into()),
            Error::Container { hint, .. } => Some(hint.clone()),
            Error::Damaged { path, .. } => Some(format!(
                "make it, or get it, again; `flk verify {}` names the files that are damaged. A target that was written to does not start a machine",
                path.display()
            )),
            Error::Partition { disk, .. } => Some(format!("write to {}", disk.display())),
            Error::InUse { reason, .. } => Some(reason.hint()),
            Error::ReadOnly { .. } => Some("some sticks and SD adapters have a switch for that".into()),
            Error::Fixed { .. } => Some("if you do mean this disk, say --allow-fixed".into()),
            Error::Exchanged { .. } => Some("nothing was written; run it again".into()),
            Error::Mismatch { .. } => Some(
                "the stick is defective, or has less room than it says; it does not start a machine now: use another one".into(),
            ),
            Error::Stopped { is_begun: true, .. } => {
                Some("it does not start a machine now; the next `flk write` goes on from here".into())
            }
            _ => None,
        }
    }
}
