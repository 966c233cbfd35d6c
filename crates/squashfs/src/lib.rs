//! Squashfs 4.0: writes images in parallel with the same bytes each time, and reads anyone's.
//!
//! The format is that of the Linux kernel (Documentation/filesystems/squashfs.rst), and of no other program's extension. It knows nothing of Nix or flk;
//! images take nothing from clock, environment or chance, and only [`Image::extract`] touches file systems. An image is written in two steps: content
//! in [runs](Run), as it comes, then the tables, from a [`Tree`].
//!
//! ```
//! use flk_squashfs::{Attributes, Codec, Image, Kind, Node, Options, Tree, write};
//! use std::io::{Cursor, Read};
//!
//! let attributes = Attributes { permissions: 0o755, mtime: 1, ..Attributes::default() };
//! let mut tree = Tree::new(attributes.clone());
//! let kind = Kind::File(b"hello".to_vec());
//! tree.insert(Tree::<Vec<u8>>::ROOT, b"greeting", Node { attributes, kind })?;
//! let mut out = Cursor::new(Vec::new());
//! write(tree, Options::new(Codec::Zstd(3)), &mut out)?;
//!
//! let image = Image::open(out.into_inner())?;
//! let tree = image.tree(1000)?;
//! let greeting = tree.find([&b"greeting"[..]]).unwrap();
//! let Kind::File(file) = &tree.node(greeting).kind else { unreachable!() };
//! let mut content = String::new();
//! image.open_file(file).read_to_string(&mut content).unwrap();
//! assert_eq!(content, "hello");
//! # Ok::<(), flk_squashfs::Error>(())
//! ```
//!
//! Not supported: versions before 4.0, LZO and LZMA, changing an image.

mod codec;
mod dump;
mod error;
mod extract;
mod format;
mod graft;
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
pub use extract::Extracted;
pub use format::{BlockWord, CodecId, Flags, InodeRef, SUPERBLOCK_LEN, Superblock};
pub use graft::{Grafts, Subtree};
pub use read::{
    Chunk, DirectoryInode, Entries, Entry, EntryKind, FileInode, FileReader, Image, Inode,
    InodeKind, ReadAt, Report, Section,
};
pub use run::{Content, ContentId, Fragment, Run, RunId, Tail};
pub use tree::{
    Attributes, Device, Kind, Node, NodeId, Source, Tree, Xattrs, name_fault, target_fault,
};
pub use write::{Fragments, Options, Writer, write};
