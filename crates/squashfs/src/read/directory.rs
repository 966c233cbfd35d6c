//! Folders' listings (kernel 3.4, format 5).

use super::inode::{DirectoryInode, Inode, InodeKind};
use super::metadata::{Cursor, Place};
use super::{Image, ReadAt};
use crate::error::{Error, Result};
use crate::format::{DIRECTORY_RUN, Fields, InodeRef, METADATA_LEN, NAME_LEN};
use crate::tree::name_fault;

/// What an entry says that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl EntryKind {
    fn from_number(number: u16) -> Option<EntryKind> {
        use EntryKind::*;
        let kinds = [
            Directory,
            File,
            Symlink,
            BlockDevice,
            CharDevice,
            Fifo,
            Socket,
        ];
        kinds.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// What the inode itself is.
    pub(crate) fn of(kind: &InodeKind) -> EntryKind {
        match kind {
            InodeKind::Directory(_) => EntryKind::Directory,
            InodeKind::File(_) => EntryKind::File,
            InodeKind::Symlink(_) => EntryKind::Symlink,
            InodeKind::BlockDevice(_) => EntryKind::BlockDevice,
            InodeKind::CharDevice(_) => EntryKind::CharDevice,
            InodeKind::Fifo => EntryKind::Fifo,
            InodeKind::Socket => EntryKind::Socket,
        }
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: no slash, no zero, not `.` or `..`.
    pub name: Vec<u8>,
    /// Where its inode lies.
    pub inode: InodeRef,
    /// Its inode's number.
    pub number: u32,
    /// What it is.
    pub kind: EntryKind,
}

/// The entries of a folder, in the order in which they lie there.
pub struct Entries<'i, R> {
    cursor: Cursor<'i, R>,
    /// Bytes of the listing that are left.
    rest: u32,
    /// Entries that are left in the group.
    group: usize,
    group_block: u32,
    group_number: u32,
    last: Vec<u8>,
}

impl<R: ReadAt> Image<R> {
    /// A folder's entries.
    pub fn entries(&self, directory: &DirectoryInode) -> Entries<'_, R> {
        Entries::new(self, directory.listing, directory.length)
    }

    /// The entry of a name, by the folder's index where it has one.
    pub fn lookup(&self, directory: &DirectoryInode, name: &[u8]) -> Result<Option<Entry>> {
        let (mut place, mut skipped) = (directory.listing, 0);
        for point in self.index(directory)? {
            if point.name.as_slice() > name {
                break;
            }
            (place, skipped) = (point.place, point.skipped);
        }
        for entry in Entries::new(self, place, directory.length - skipped) {
            let entry = entry?;
            if entry.name == name {
                return Ok(Some(entry));
            }
            if entry.name.as_slice() > name {
                break;
            }
        }
        Ok(None)
    }

    /// What a path of names leads to, symbolic links not followed; `None` where there is nothing.
    pub fn find<'p>(&self, path: impl IntoIterator<Item = &'p [u8]>) -> Result<Option<Inode>> {
        let mut at = self.root()?;
        for name in path {
            let InodeKind::Directory(directory) = &at.kind else {
                return Ok(None);
            };
            let Some(entry) = self.lookup(directory, name)? else {
                return Ok(None);
            };
            at = self.inode(entry.inode)?;
        }
        Ok(Some(at))
    }

    /// Where a folder's index leads to: at most 65,535 places, read one after the other.
    pub(super) fn index(&self, directory: &DirectoryInode) -> Result<Vec<IndexPoint>> {
        let mut cursor = Cursor::new(self, directory.index);
        let mut points = Vec::new();
        for _ in 0..directory.index_count {
            let (skipped, block, length) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
            if skipped > directory.length {
                return Err(cursor.damaged("a folder's index leads past its listing"));
            }
            if length as usize >= NAME_LEN {
                return Err(cursor.damaged("a name in a folder's index is too long"));
            }
            let mut name = vec![0; length as usize + 1];
            cursor.bytes(&mut name)?;
            points.push(IndexPoint {
                place: Place {
                    block: self.superblock.directory_table + u64::from(block),
                    offset: (directory.listing.offset + skipped as usize) % METADATA_LEN,
                },
                skipped,
                name,
            });
        }
        Ok(points)
    }
}

pub(super) struct IndexPoint {
    pub(super) place: Place,
    /// Bytes of the listing before it.
    pub(super) skipped: u32,
    pub(super) name: Vec<u8>,
}

impl<'i, R: ReadAt> Entries<'i, R> {
    pub(super) fn new(image: &'i Image<R>, place: Place, length: u32) -> Entries<'i, R> {
        Entries {
            cursor: Cursor::new(image, place),
            rest: length,
            group: 0,
            group_block: 0,
            group_number: 0,
            last: Vec::new(),
        }
    }

    fn take(&mut self, length: u32) -> Result<()> {
        self.rest = self
            .rest
            .checked_sub(length)
            .ok_or_else(|| self.cursor.damaged("a folder's listing is cut short"))?;
        Ok(())
    }

    fn entry(&mut self) -> Result<Entry> {
        if self.group == 0 {
            self.take(12)?;
            let count = self.cursor.u32()?;
            self.group = (count as usize).saturating_add(1);
            if self.group > DIRECTORY_RUN {
                return Err(self.cursor.damaged("a group of entries has more than 256"));
            }
            self.group_block = self.cursor.u32()?;
            self.group_number = self.cursor.u32()?;
        }
        self.group -= 1;
        self.take(8)?;
        let offset = self.cursor.u16()?;
        let difference = self.cursor.u16()? as i16;
        let kind = EntryKind::from_number(self.cursor.u16()?)
            .ok_or_else(|| self.cursor.damaged("an entry's type is unknown"))?;
        let length = u32::from(self.cursor.u16()?) + 1;
        self.take(length)?;
        if length as usize > NAME_LEN {
            return Err(self.cursor.damaged("a name is longer than 255 bytes"));
        }
        let mut name = vec![0; length as usize];
        self.cursor.bytes(&mut name)?;
        if name_fault(&name).is_some() {
            return Err(self.cursor.damaged("an entry's name cannot be one"));
        }
        // Readers search by it, and it keeps names apart.
        if name <= self.last {
            return Err(self.cursor.damaged("a folder's entries are not in order"));
        }
        self.last.clone_from(&name);
        Ok(Entry {
            name,
            inode: InodeRef::new(self.group_block.into(), offset),
            number: self.group_number.wrapping_add_signed(difference.into()),
            kind,
        })
    }
}

impl<R: ReadAt> Iterator for Entries<'_, R> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest == 0 {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.rest = 0;
        }
        Some(entry)
    }
}
