//! Inodes (kernel 3.3, format 4).

use super::metadata::{Cursor, Place};
use super::{Image, ReadAt};
use crate::error::{Error, Result};
use crate::format::{
    DIRECTORY_EXTRA, Fields, InodeBody, InodeRef, NO_FRAGMENT, NO_XATTRS, TARGET_LEN,
};
use crate::run::Tail;
use crate::tree::Device;

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Where it lies.
    pub reference: InodeRef,
    /// Its number.
    pub number: u32,
    /// Permissions with setuid, setgid and sticky bit.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change, seconds since 1970.
    pub mtime: u32,
    /// How many names it has; for a folder, `.` and those of its folders' `..` included.
    pub link_count: u32,
    /// Its set of extended attributes, if it has one.
    pub xattrs: Option<u32>,
    /// What it is.
    pub kind: InodeKind,
}

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InodeKind {
    /// A folder.
    Directory(DirectoryInode),
    /// A file.
    File(FileInode),
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
    /// A block device.
    BlockDevice(Device),
    /// A character device.
    CharDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Where a folder's listing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryInode {
    pub(super) listing: Place,
    pub(super) length: u32,
    /// The number of the folder above it.
    pub parent: u32,
    /// How many places its index leads to.
    pub index_count: u16,
    pub(super) index: Place,
}

/// Where a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInode {
    /// Length, bytes.
    pub size: u64,
    /// Bytes in holes, as the inode says.
    pub sparse: u64,
    /// Where the first data block lies.
    pub start: u64,
    /// Where the rest lies, if it is in a fragment.
    pub tail: Option<Tail>,
    pub(super) blocks: Place,
    pub(crate) block_count: u64,
}

impl<R: ReadAt> Image<R> {
    /// The root folder.
    pub fn root(&self) -> Result<Inode> {
        let root = self.inode(self.superblock.root)?;
        match root.kind {
            InodeKind::Directory(_) => Ok(root),
            _ => Err(Error::damaged(32, "the root is no folder")),
        }
    }

    /// An inode.
    pub fn inode(&self, reference: InodeRef) -> Result<Inode> {
        let mut cursor = Cursor::new(self, self.place_of(reference)?);
        let (header, body) = InodeBody::get(&mut cursor)?;
        let id = |index: u16| {
            let id = self.ids.get(usize::from(index)).copied();
            id.ok_or(cursor.damaged("an inode has an owner or group that is not in the table"))
        };
        let (uid, gid) = (id(header.uid_index)?, id(header.gid_index)?);
        let (kind, link_count, xattrs) = match body {
            InodeBody::Directory {
                block,
                offset,
                size,
                link_count,
                parent,
                index_count,
                xattrs,
            } => {
                let directory = DirectoryInode {
                    listing: Place {
                        block: self.superblock.directory_table + u64::from(block),
                        offset: offset.into(),
                    },
                    // Some writers give an empty folder a size of 0.
                    length: size.saturating_sub(DIRECTORY_EXTRA),
                    parent,
                    index_count,
                    index: cursor.place(),
                };
                (InodeKind::Directory(directory), link_count, xattrs)
            }
            InodeBody::File {
                start,
                size,
                sparse,
                link_count,
                fragment,
                fragment_offset,
                xattrs,
            } => {
                let block_size = self.superblock.block_size;
                let has_tail = fragment != NO_FRAGMENT && size % u64::from(block_size) > 0;
                let file = FileInode {
                    size,
                    sparse,
                    start,
                    tail: has_tail.then_some(Tail {
                        fragment,
                        offset: fragment_offset,
                    }),
                    blocks: cursor.place(),
                    block_count: InodeBody::block_count(size, fragment, block_size),
                };
                (InodeKind::File(file), link_count, xattrs)
            }
            InodeBody::Symlink {
                link_count,
                target_len,
                extended,
                ..
            } => {
                if target_len == 0 || target_len as usize > TARGET_LEN {
                    return Err(cursor.damaged("a symbolic link's target is empty or too long"));
                }
                let mut target = vec![0; target_len as usize];
                cursor.bytes(&mut target)?;
                let xattrs = if extended { cursor.u32()? } else { NO_XATTRS };
                (InodeKind::Symlink(target), link_count, xattrs)
            }
            InodeBody::Device {
                character,
                link_count,
                number,
                xattrs,
            } => {
                let device = Device::from_number(number);
                let kind = if character {
                    InodeKind::CharDevice(device)
                } else {
                    InodeKind::BlockDevice(device)
                };
                (kind, link_count, xattrs)
            }
            InodeBody::Ipc {
                socket,
                link_count,
                xattrs,
            } => {
                let kind = if socket {
                    InodeKind::Socket
                } else {
                    InodeKind::Fifo
                };
                (kind, link_count, xattrs)
            }
        };
        Ok(Inode {
            reference,
            number: header.number,
            permissions: header.permissions,
            uid,
            gid,
            mtime: header.mtime,
            link_count,
            xattrs: (xattrs != NO_XATTRS).then_some(xattrs),
            kind,
        })
    }

    fn place_of(&self, reference: InodeRef) -> Result<Place> {
        let block = self.superblock.inode_table + reference.block();
        if block >= self.superblock.directory_table {
            return Err(Error::damaged(
                self.superblock.inode_table,
                "an inode lies outside the inode table",
            ));
        }
        Ok(Place {
            block,
            offset: reference.offset().into(),
        })
    }
}
