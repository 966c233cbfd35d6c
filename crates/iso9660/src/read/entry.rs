//! What a folder's records say.

use crate::format::record::Record;
use crate::format::time::Time;

/// A run of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its place in the image, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, to this.
    Link(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device of major and minor number.
    Character(u32, u32),
    /// A block device of major and minor number.
    Block(u32, u32),
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Never `.` or `..`, and without `/` and NUL; empty for the root alone.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The lower twelve bits of `st_mode`; without Rock Ridge 0555 for folders, 0444 for files.
    pub mode: u32,
    /// Owner; without Rock Ridge root.
    pub uid: u32,
    /// Group; without Rock Ridge root's.
    pub gid: u32,
    /// Links; without Rock Ridge one.
    pub links: u32,
    /// Of modification.
    pub time: Option<Time>,
    /// Where its bytes are: a file's, or a folder's records.
    pub extents: Vec<Extent>,
}

impl Entry {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.extents
            .iter()
            .map(|extent| u64::from(extent.length))
            .sum()
    }

    /// Where its bytes begin.
    pub(crate) fn offset(&self) -> u64 {
        self.extents.first().map_or(0, |extent| extent.offset)
    }

    /// The root, from a volume descriptor.
    pub(super) fn root(record: &Record, block_size: u64) -> Entry {
        Entry {
            kind: Kind::Folder,
            ..Entry::of(record, Vec::new(), block_size)
        }
    }

    /// As ECMA-119 has it.
    pub(super) fn of(record: &Record, name: Vec<u8>, block_size: u64) -> Entry {
        let (kind, mode) = match record.is_folder() {
            true => (Kind::Folder, 0o555),
            false => (Kind::File, 0o444),
        };
        Entry {
            name,
            kind,
            mode,
            uid: 0,
            gid: 0,
            links: 1,
            time: Time::of_record(record.time),
            extents: vec![Extent {
                offset: place_of(record, block_size),
                length: record.length,
            }],
        }
    }
}

/// Where a record's data begins: behind its extended attributes (9.1.2).
pub(super) fn place_of(record: &Record, block_size: u64) -> u64 {
    (u64::from(record.block) + u64::from(record.attribute_blocks)) * block_size
}
