//! What can go wrong while an image is written or read.

use std::io;
use std::path::PathBuf;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source file could not be read.
    #[error("cannot read {}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A source file has not the length that the tree says.
    #[error("{} has {found} bytes, not {expected}: it has changed since it was listed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What the tree says.
        expected: u64,
        /// What was read, or what the file has now.
        found: u64,
    },

    /// The image could not be written.
    #[error("cannot write the image at byte {offset}")]
    Write {
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },

    /// The image could not be read.
    #[error("cannot read the image at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },

    /// A node of the tree cannot be on an image.
    #[error("{path} cannot be put on the image: {reason}")]
    Node {
        /// The node's place on the image.
        path: String,
        /// Why.
        reason: &'static str,
    },

    /// An option cannot be met.
    #[error("the image's {option} is wrong: {reason}")]
    Option {
        /// Which option.
        option: &'static str,
        /// Why, with the value.
        reason: String,
    },

    /// What is to be booted is not there, or not of the kind that it has to be.
    #[error("{path} cannot be booted: {reason}")]
    BootImage {
        /// Its place on the image.
        path: String,
        /// Why.
        reason: &'static str,
    },

    /// The image would be beyond what the format can hold.
    #[error("the image has too many {what}: {count}, and the format ends at {limit}")]
    TooMany {
        /// Blocks, folders, bytes of a folder.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there can be.
        limit: u64,
    },

    /// A streamed file has become longer than was announced, or one is still to come.
    #[error("the streamed file {index} is wrong: {reason}")]
    Streamed {
        /// Its number among the streamed files, from zero.
        index: usize,
        /// Why.
        reason: String,
    },

    /// What was to be read is no ISO 9660 image.
    #[error("this is no ISO 9660 image: {reason}")]
    NotAnImage {
        /// What is missing.
        reason: &'static str,
    },

    /// The image is damaged.
    #[error("the image is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the damage was seen.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },

    /// The image has something that this reader does not know.
    #[error("the image has at byte {offset} what this reader does not know: {what}")]
    Unsupported {
        /// Where.
        offset: u64,
        /// What.
        what: &'static str,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn write(offset: u64) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Write { offset, source }
    }

    /// For `map_err`.
    pub(crate) fn read(offset: u64) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Read { offset, source }
    }
}
