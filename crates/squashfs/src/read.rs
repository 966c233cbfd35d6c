//! Reading any valid squashfs 4.0, also of hostile origin (kernel 3, format 1 to 8).
//!
//! Every offset, length and count is checked before it is used; nothing is allocated for a count that the image only claims. Memory is bounded: caches of
//! some metadata blocks and fragments, one data block for each open file. Images of gzip, xz, lz4 and zstd are read; of LZO and LZMA only the superblock.

mod at;
mod data;
mod directory;
mod inode;
mod metadata;
mod packed;
mod tree;
mod verify;
mod xattr;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::Decompressor;
use crate::error::{Error, Result};
use crate::format::{
    CodecId, FRAGMENT_ENTRY_LEN, Flags, FragmentEntry, InodeRef, METADATA_LEN, NO_TABLE,
    SUPERBLOCK_LEN, Superblock, XATTR_ENTRY_LEN, get32, get64,
};
pub use at::{ReadAt, Section};
pub use data::{Chunk, FileReader};
pub use directory::{Entries, Entry, EntryKind};
pub use inode::{DirectoryInode, FileInode, Inode, InodeKind};
use metadata::MetadataCache;
pub use verify::Report;

/// Fragments that are kept unpacked, so that small files that share one do not each unpack it.
const FRAGMENTS_KEPT: usize = 8;

/// An image that is being read. It can be used by several threads at once.
pub struct Image<R> {
    reader: R,
    superblock: Superblock,
    ids: Vec<u32>,
    xattrs: Option<XattrHeader>,
    metadata: MetadataCache,
    fragments: Mutex<VecDeque<(u32, Arc<Vec<u8>>)>>,
    decompressors: Mutex<Vec<Decompressor>>,
}

/// Where attributes lie.
#[derive(Debug, Clone, Copy)]
struct XattrHeader {
    pairs: u64,
    count: u32,
    list: u64,
}

impl<R: ReadAt> Image<R> {
    /// Reads the superblock and the ids, and checks where the tables are.
    pub fn open(reader: R) -> Result<Image<R>> {
        let length = reader.length().map_err(|source| Error::Read {
            offset: 0,
            length: SUPERBLOCK_LEN as u64,
            source,
        })?;
        if length < SUPERBLOCK_LEN as u64 {
            return Err(Error::NotSquashfs {
                reason: format!("it has only {length} bytes"),
            });
        }
        let mut bytes = [0; SUPERBLOCK_LEN];
        read_at(&reader, &mut bytes, 0)?;
        let superblock = Superblock::from_bytes(&bytes)?;
        check_places(&superblock, length)?;
        if matches!(superblock.codec, CodecId::Lzo | CodecId::Lzma) {
            return Err(Error::Codec {
                codec: superblock.codec.name(),
            });
        }
        let mut image = Image {
            reader,
            superblock,
            ids: Vec::new(),
            xattrs: None,
            metadata: MetadataCache::default(),
            fragments: Mutex::default(),
            decompressors: Mutex::default(),
        };
        image.read_ids()?;
        image.read_xattr_header()?;
        Ok(image)
    }

    /// What the image says of itself.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Owners and groups that inodes refer to.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The codec's options, as they lie on the disk; nothing where there are none.
    pub fn codec_options(&self) -> Result<Vec<u8>> {
        if !self.superblock.flags.contains(Flags::CODEC_OPTIONS) {
            return Ok(Vec::new());
        }
        let block = self.metadata_block(SUPERBLOCK_LEN as u64)?;
        Ok(block.bytes.clone())
    }

    fn read_ids(&mut self) -> Result<()> {
        let count = usize::from(self.superblock.id_count);
        let mut bytes = [0; 4];
        for index in 0..count {
            self.table_entry(self.superblock.id_table, index as u64, &mut bytes)?;
            self.ids.push(u32::from_le_bytes(bytes));
        }
        Ok(())
    }

    fn read_xattr_header(&mut self) -> Result<()> {
        let at = self.superblock.xattr_table;
        if at == NO_TABLE {
            return Ok(());
        }
        let mut bytes = [0; 16];
        self.read(&mut bytes, at)?;
        let header = XattrHeader {
            pairs: get64(&bytes, 0),
            count: get32(&bytes, 8),
            list: at + 16,
        };
        if header.pairs > at {
            return Err(Error::damaged(
                at,
                "attributes lie behind the table of them",
            ));
        }
        self.xattrs = Some(header);
        Ok(())
    }

    /// One entry of a table that is found through a list of its blocks. Its length must divide that of a block.
    fn table_entry(&self, list: u64, index: u64, entry: &mut [u8]) -> Result<()> {
        let per_block = (METADATA_LEN / entry.len()) as u64;
        let at = (index / per_block)
            .checked_mul(8)
            .and_then(|skip| list.checked_add(skip))
            .ok_or(Error::damaged(list, "a table goes past the image's end"))?;
        let mut place = [0; 8];
        self.read(&mut place, at)?;
        let block = self.metadata_block(u64::from_le_bytes(place))?;
        let from = (index % per_block) as usize * entry.len();
        let bytes = block
            .bytes
            .get(from..from + entry.len())
            .ok_or(Error::damaged(
                at,
                "a table is shorter than the superblock says",
            ))?;
        entry.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn fragment_entry(&self, index: u32) -> Result<FragmentEntry> {
        let table = self.superblock.fragment_table;
        if index >= self.superblock.fragment_count {
            return Err(Error::damaged(table, "there is no fragment of this number"));
        }
        let mut bytes = [0; FRAGMENT_ENTRY_LEN];
        self.table_entry(table, index.into(), &mut bytes)?;
        Ok(FragmentEntry::get(&bytes))
    }

    /// Where the inode of a number lies; nothing where the image is not exportable.
    pub fn inode_by_number(&self, number: u32) -> Result<Option<InodeRef>> {
        let table = self.superblock.export_table;
        if table == NO_TABLE {
            return Ok(None);
        }
        if number == 0 || number > self.superblock.inode_count {
            return Err(Error::damaged(table, "there is no inode of this number"));
        }
        let mut bytes = [0; 8];
        self.table_entry(table, u64::from(number) - 1, &mut bytes)?;
        Ok(Some(InodeRef(u64::from_le_bytes(bytes))))
    }

    /// Where the pairs of a set of attributes lie, and how many there are.
    fn xattr_entry(&self, index: u32) -> Result<(u64, u32)> {
        let header = self
            .xattrs
            .filter(|header| index < header.count)
            .ok_or(Error::damaged(
                self.superblock.inode_table,
                "an inode has attributes that the image has not",
            ))?;
        let mut bytes = [0; XATTR_ENTRY_LEN];
        self.table_entry(header.list, index.into(), &mut bytes)?;
        Ok((get64(&bytes, 0), get32(&bytes, 8)))
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let fits = offset
            .checked_add(bytes.len() as u64)
            .is_some_and(|end| end <= self.superblock.bytes_used);
        if !fits {
            return Err(Error::damaged(offset, "it leads past the image's end"));
        }
        read_at(&self.reader, bytes, offset)
    }

    /// Unpacks with the image's codec, and says how long it is.
    fn decompress(&self, input: &[u8], out: &mut [u8], offset: u64) -> Result<usize> {
        let pool = || {
            self.decompressors
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut decompressor = pool().pop().unwrap_or_default();
        let length = decompressor.decompress(self.superblock.codec, input, out);
        pool().push(decompressor);
        length.ok_or(Error::damaged(offset, "a block cannot be decompressed"))
    }
}

fn read_at(reader: &impl ReadAt, bytes: &mut [u8], offset: u64) -> Result<()> {
    let length = bytes.len() as u64;
    reader
        .read_exact_at(bytes, offset)
        .map_err(|source| Error::Read {
            offset,
            length,
            source,
        })
}

/// Tables follow each other in one order, so that each one's end is bounded by the next (format 1).
fn check_places(superblock: &Superblock, length: u64) -> Result<()> {
    if superblock.bytes_used > length {
        return Err(Error::damaged(
            40,
            "it is cut short: it should be longer than the file that it is in",
        ));
    }
    let mut last = SUPERBLOCK_LEN as u64;
    for (place, at) in [
        (64, superblock.inode_table),
        (72, superblock.directory_table),
        (80, superblock.fragment_table),
        (88, superblock.export_table),
        (48, superblock.id_table),
        (56, superblock.xattr_table),
    ] {
        let is_absent = at == NO_TABLE
            && match place {
                88 | 56 => true,
                80 => superblock.fragment_count == 0,
                _ => false,
            };
        if is_absent {
            continue;
        }
        if at < last || at > superblock.bytes_used {
            return Err(Error::damaged(
                place,
                "a table is out of its order, or past the image's end",
            ));
        }
        last = at;
    }
    Ok(())
}
