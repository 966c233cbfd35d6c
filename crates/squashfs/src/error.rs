//! What can go wrong while an image is written or read.

use std::io;
use std::path::PathBuf;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image could not be read.
    #[error("cannot read {length} bytes of the squashfs image at offset {offset:#x}")]
    Read {
        /// Where, in bytes from the image's beginning.
        offset: u64,
        /// How many bytes were wanted.
        length: u64,
        /// What the system said.
        source: io::Error,
    },

    /// The image could not be written.
    #[error("cannot write the squashfs image at offset {offset:#x}")]
    Write {
        /// Where, in bytes from the image's beginning.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },

    /// Something could not be extracted.
    #[error("cannot extract {}", path.display())]
    Extract {
        /// What was to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file that is to be packed could not be read.
    #[error("cannot read {name}, which is to be packed")]
    Source {
        /// The file, as its source calls it.
        name: String,
        /// What the system said.
        source: io::Error,
    },

    /// A file that is to be packed is not as long as it said.
    #[error(
        "{name} changed while it was packed: it was {expected} bytes long, and then {found}; pack it when nothing writes to it"
    )]
    SourceChanged {
        /// The file, as its source calls it.
        name: String,
        /// What it said.
        expected: u64,
        /// What was read (at least).
        found: u64,
    },

    /// An option is out of range.
    #[error("{option} cannot be {value}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it may be.
        reason: &'static str,
    },

    /// The tree cannot be as it is described.
    #[error("{path} cannot be in a squashfs: {reason}")]
    Tree {
        /// The entry, from the root; bytes that are no UTF-8 replaced.
        path: String,
        /// Why.
        reason: &'static str,
    },

    /// The tree has more of something than the format can count.
    #[error("too many {what} for a squashfs: at most {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// What the format can hold.
        limit: u64,
    },

    /// A packed run does not fit the image that it is put into.
    #[error("a packed run cannot be used: {reason}")]
    Run {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// It is no squashfs, or one of another version.
    #[error("this is no squashfs 4.0: {reason}")]
    NotSquashfs {
        /// What was found instead.
        reason: String,
    },

    /// A valid squashfs that uses what this crate does not.
    #[error(
        "the squashfs is compressed with {codec}, which flk cannot read; repack it with gzip, xz, lz4 or zstd"
    )]
    Codec {
        /// The codec's name.
        codec: &'static str,
    },

    /// The image breaks the format.
    #[error("the squashfs is damaged at offset {offset:#x}: {reason}")]
    Damaged {
        /// Where, in bytes from the image's beginning: the structure, or the metadata block that holds it.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },

    /// Compressing failed, for want of memory.
    #[error("cannot compress with {codec}: {reason}")]
    Compress {
        /// The codec's name.
        codec: &'static str,
        /// What it said.
        reason: String,
    },
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn damaged(offset: u64, reason: &'static str) -> Error {
        Error::Damaged { offset, reason }
    }
}
