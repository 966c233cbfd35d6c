//! Inodes on the disk (kernel 3.3, format 4): seven kinds, each in a basic and an extended form.
//!
//! Which form is written follows from the content: the extended one where the basic one has no room. A file's block list and a directory's index follow
//! the inode, and are not part of these structures.

use super::{NO_FRAGMENT, NO_XATTRS, put16, put32, put64};
use crate::error::Result;

/// Where structures are read from, field by field.
pub(crate) trait Fields {
    /// The next bytes.
    fn bytes(&mut self, out: &mut [u8]) -> Result<()>;

    /// For messages: an error about what was just read.
    fn damaged(&self, reason: &'static str) -> crate::Error;

    fn u16(&mut self) -> Result<u16> {
        let mut bytes = [0; 2];
        self.bytes(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// What all inodes begin with, but for the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InodeHeader {
    pub(crate) permissions: u16,
    pub(crate) uid_index: u16,
    pub(crate) gid_index: u16,
    pub(crate) mtime: u32,
    pub(crate) number: u32,
}

/// What depends on the kind. `xattrs` is an index into the xattr id table, or [`NO_XATTRS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InodeBody {
    Directory {
        /// Offset of the metadata block in the directory table, and of the listing in it.
        block: u32,
        offset: u16,
        /// Length of the listing plus [`super::DIRECTORY_EXTRA`].
        size: u32,
        link_count: u32,
        /// Inode number of the folder above; the root's is the number of inodes plus one.
        parent: u32,
        index_count: u16,
        xattrs: u32,
    },
    File {
        start: u64,
        size: u64,
        /// Bytes in holes.
        sparse: u64,
        link_count: u32,
        fragment: u32,
        fragment_offset: u32,
        xattrs: u32,
    },
    Symlink {
        link_count: u32,
        target_len: u32,
        /// Follows the target, so it is not read or written here.
        xattrs: u32,
        extended: bool,
    },
    Device {
        character: bool,
        link_count: u32,
        number: u32,
        xattrs: u32,
    },
    Ipc {
        socket: bool,
        link_count: u32,
        xattrs: u32,
    },
}

impl InodeBody {
    /// The type that stands in directories: that of the basic form.
    pub(crate) fn basic_type(&self) -> u16 {
        match self {
            InodeBody::Directory { .. } => 1,
            InodeBody::File { .. } => 2,
            InodeBody::Symlink { .. } => 3,
            InodeBody::Device { character, .. } => 4 + u16::from(*character),
            InodeBody::Ipc { socket, .. } => 6 + u16::from(*socket),
        }
    }

    fn is_extended(&self) -> bool {
        match *self {
            InodeBody::Directory {
                size,
                index_count,
                xattrs,
                ..
            } => size > u32::from(u16::MAX) || index_count > 0 || xattrs != NO_XATTRS,
            InodeBody::File {
                start,
                size,
                sparse,
                link_count,
                xattrs,
                ..
            } => {
                let wide = start > u64::from(u32::MAX) || size > u64::from(u32::MAX);
                wide || sparse > 0 || link_count != 1 || xattrs != NO_XATTRS
            }
            InodeBody::Symlink { xattrs, .. }
            | InodeBody::Device { xattrs, .. }
            | InodeBody::Ipc { xattrs, .. } => xattrs != NO_XATTRS,
        }
    }

    /// Appends the inode, without block list, index, target and the xattrs of a symbolic link.
    pub(crate) fn put(&self, header: &InodeHeader, out: &mut Vec<u8>) {
        let extended = self.is_extended();
        put16(out, self.basic_type() + if extended { 7 } else { 0 });
        put16(out, header.permissions);
        put16(out, header.uid_index);
        put16(out, header.gid_index);
        put32(out, header.mtime);
        put32(out, header.number);
        match *self {
            InodeBody::Directory {
                block,
                offset,
                size,
                link_count,
                parent,
                index_count,
                xattrs,
            } => {
                if extended {
                    put32(out, link_count);
                    put32(out, size);
                    put32(out, block);
                    put32(out, parent);
                    put16(out, index_count);
                    put16(out, offset);
                    put32(out, xattrs);
                } else {
                    put32(out, block);
                    put32(out, link_count);
                    put16(out, size as u16);
                    put16(out, offset);
                    put32(out, parent);
                }
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
                if extended {
                    put64(out, start);
                    put64(out, size);
                    put64(out, sparse);
                    put32(out, link_count);
                    put32(out, fragment);
                    put32(out, fragment_offset);
                    put32(out, xattrs);
                } else {
                    put32(out, start as u32);
                    put32(out, fragment);
                    put32(out, fragment_offset);
                    put32(out, size as u32);
                }
            }
            InodeBody::Symlink {
                link_count,
                target_len,
                ..
            } => {
                put32(out, link_count);
                put32(out, target_len);
            }
            InodeBody::Device {
                link_count,
                number,
                xattrs,
                ..
            } => {
                put32(out, link_count);
                put32(out, number);
                if extended {
                    put32(out, xattrs);
                }
            }
            InodeBody::Ipc {
                link_count, xattrs, ..
            } => {
                put32(out, link_count);
                if extended {
                    put32(out, xattrs);
                }
            }
        }
    }

    /// Reads an inode up to its block list, index or target.
    pub(crate) fn get(from: &mut impl Fields) -> Result<(InodeHeader, InodeBody)> {
        let kind = from.u16()?;
        if !(1..=14).contains(&kind) {
            return Err(from.damaged("an inode's type is unknown"));
        }
        let header = InodeHeader {
            permissions: from.u16()? & 0o7777,
            uid_index: from.u16()?,
            gid_index: from.u16()?,
            mtime: from.u32()?,
            number: from.u32()?,
        };
        let body = match kind {
            1 => {
                let (block, link_count) = (from.u32()?, from.u32()?);
                let (size, offset) = (from.u16()?, from.u16()?);
                InodeBody::Directory {
                    block,
                    offset,
                    size: size.into(),
                    link_count,
                    parent: from.u32()?,
                    index_count: 0,
                    xattrs: NO_XATTRS,
                }
            }
            8 => {
                let (link_count, size, block) = (from.u32()?, from.u32()?, from.u32()?);
                let (parent, index_count, offset) = (from.u32()?, from.u16()?, from.u16()?);
                InodeBody::Directory {
                    block,
                    offset,
                    size,
                    link_count,
                    parent,
                    index_count,
                    xattrs: from.u32()?,
                }
            }
            2 => {
                let (start, fragment) = (from.u32()?, from.u32()?);
                let fragment_offset = from.u32()?;
                InodeBody::File {
                    start: start.into(),
                    size: from.u32()?.into(),
                    sparse: 0,
                    link_count: 1,
                    fragment,
                    fragment_offset,
                    xattrs: NO_XATTRS,
                }
            }
            9 => {
                let (start, size, sparse) = (from.u64()?, from.u64()?, from.u64()?);
                let (link_count, fragment) = (from.u32()?, from.u32()?);
                let (fragment_offset, xattrs) = (from.u32()?, from.u32()?);
                InodeBody::File {
                    start,
                    size,
                    sparse,
                    link_count,
                    fragment,
                    fragment_offset,
                    xattrs,
                }
            }
            3 | 10 => InodeBody::Symlink {
                link_count: from.u32()?,
                target_len: from.u32()?,
                xattrs: NO_XATTRS,
                extended: kind == 10,
            },
            4 | 5 | 11 | 12 => {
                let (link_count, number) = (from.u32()?, from.u32()?);
                InodeBody::Device {
                    character: kind == 5 || kind == 12,
                    link_count,
                    number,
                    xattrs: if kind > 7 { from.u32()? } else { NO_XATTRS },
                }
            }
            _ => InodeBody::Ipc {
                socket: kind == 7 || kind == 14,
                link_count: from.u32()?,
                xattrs: if kind > 7 { from.u32()? } else { NO_XATTRS },
            },
        };
        Ok((header, body))
    }

    /// Blocks in the block list of a file: the tail is none of them where it is in a fragment.
    pub(crate) fn block_count(size: u64, fragment: u32, block_size: u32) -> u64 {
        if fragment == NO_FRAGMENT {
            size.div_ceil(block_size.into())
        } else {
            size / u64::from(block_size)
        }
    }
}
