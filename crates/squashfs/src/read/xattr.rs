//! Extended attributes (kernel 3.8, format 8).

use super::inode::Inode;
use super::metadata::{Cursor, Place};
use super::{Image, ReadAt};
use crate::error::{Error, Result};
use crate::format::{Fields, NAME_LEN, XATTR_ELSEWHERE, XATTR_PREFIXES};
use crate::tree::Xattrs;

/// Bytes of all attributes of one inode, at most. Linux lists at most 64 KiB of names.
const TOTAL: usize = 16 << 20;
/// Bytes of a value, at most: Linux's limit.
const VALUE: usize = 1 << 16;

impl<R: ReadAt> Image<R> {
    /// An inode's extended attributes.
    pub fn xattrs(&self, inode: &Inode) -> Result<Xattrs> {
        let mut xattrs = Xattrs::new();
        let Some(index) = inode.xattrs else {
            return Ok(xattrs);
        };
        let (reference, count) = self.xattr_entry(index)?;
        let mut cursor = Cursor::new(self, self.xattr_place(reference)?);
        let mut total = 0;
        for _ in 0..count {
            let kind = cursor.u16()?;
            let length = usize::from(cursor.u16()?);
            let prefix = XATTR_PREFIXES
                .get(usize::from(kind & !XATTR_ELSEWHERE))
                .ok_or_else(|| cursor.damaged("an attribute's type is unknown"))?;
            if length == 0 || prefix.len() + length > NAME_LEN {
                return Err(cursor.damaged("an attribute's name is empty or too long"));
            }
            let mut name = prefix.as_bytes().to_vec();
            name.resize(prefix.len() + length, 0);
            cursor.bytes(&mut name[prefix.len()..])?;
            let value = if kind & XATTR_ELSEWHERE == 0 {
                value(&mut cursor)?
            } else {
                if cursor.u32()? != 8 {
                    return Err(cursor.damaged("an attribute's reference has no 8 bytes"));
                }
                let place = self.xattr_place(cursor.u64()?)?;
                value(&mut Cursor::new(self, place))?
            };
            total += name.len() + value.len();
            if total > TOTAL {
                return Err(cursor.damaged("an inode has more than 16 MiB of attributes"));
            }
            if xattrs.insert(name, value).is_some() {
                return Err(cursor.damaged("an inode has an attribute twice"));
            }
        }
        Ok(xattrs)
    }

    fn xattr_place(&self, reference: u64) -> Result<Place> {
        let table = self.superblock.xattr_table;
        let start = self.xattrs.map_or(table, |header| header.pairs);
        let block = start + (reference >> 16);
        if block >= table {
            return Err(Error::damaged(table, "attributes lie outside their table"));
        }
        Ok(Place {
            block,
            offset: usize::from(reference as u16),
        })
    }
}

fn value<R: ReadAt>(cursor: &mut Cursor<'_, R>) -> Result<Vec<u8>> {
    let length = cursor.u32()? as usize;
    if length > VALUE {
        return Err(cursor.damaged("an attribute's value is longer than 64 KiB"));
    }
    let mut value = vec![0; length];
    cursor.bytes(&mut value)?;
    Ok(value)
}
