//! ISO 9660 images, written and read: ECMA-119 level 3 with Rock Ridge, Joliet, El Torito, and a hybrid MBR and GPT.
//!
//! [`write()`] turns a [`Tree`] into an image; [`begin`] does so when the length of some file is not known before it is
//! there. [`Image`] reads images, also those of others, and [`dump`] tells in text what it sees.
//!
//! The crate has no clock, no randomness and no paths of its own: the same tree and options give the same bytes.
//!
//! Folders may be nested deeper than the eight levels of ECMA-119, 6.8.2.1, as with `mkisofs -D`: nothing is relocated.
//! Joliet's names may have 103 characters instead of 64, as with `mkisofs -joliet-long`.

mod dump;
mod error;
pub mod format;
mod layout;
mod metadata;
mod name;
mod options;
mod read;
mod rock_ridge;
mod tree;
mod write;

pub use dump::dump;
pub use error::Error;
pub use format::gpt::Guid;
pub use format::mbr::CodeKind;
pub use format::time::Time;
pub use layout::{Layout, Place};
pub use options::{BiosBoot, Boot, BootCode, Disk, EfiBoot, Options};
pub use read::{
    BootImage, DiskTables, Entries, Entry, Extent, FileReader, Image, Kind, Names, Walk,
};
pub use tree::{Attributes, Content, ContentId, Folder, Node, Source, Special, Tree};
pub use write::{Streamed, Writing, Written, begin, write};
