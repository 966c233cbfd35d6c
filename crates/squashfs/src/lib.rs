//! Squashfs 4.0: writes images in parallel with the same bytes each time, and reads anyone's.
//!
//! The format is that of the Linux kernel (Documentation/filesystems/squashfs.rst), and of no other program's extension. It knows nothing of Nix or flk,
//! and takes nothing from clock, environment or chance. An image is written in two steps: content in [runs](Run), as it comes, then the tables, from a
//! [`Tree`].
//!
//! Not supported: versions before 4.0, LZO and LZMA, changing an image.

mod codec;
mod dump;
mod error;
mod format;
mod layout;
mod metadata;
mod pipeline;
mod read;
mod run;
mod tree;
mod write;

pub use codec::Codec;
pub use dump::dump;
pub use error::{Error, Result};
pub use format::{BlockWord, CodecId, Flags, InodeRef, SUPERBLOCK_LEN, Superblock};
pub use read::{
    Chunk, DirectoryInode, Entries, Entry, EntryKind, FileInode, FileReader, Image, Inode,
    InodeKind, ReadAt, Report, Section,
};
pub use run::{Content, ContentId, Fragment, Run, RunId, Tail};
pub use tree::{Attributes, Device, Kind, Node, NodeId, Source, Tree, Xattrs};
pub use write::{Fragments, Options, Writer, write};
