//! A folder's listing and its index (kernel 3.4, format 5).
//!
//! Entries come in groups that share the block of their inodes and an inode number to count from. The index leads to the first group of each 8 KiB, so
//! that a reader need not go through a large folder from its beginning.

use std::io::Write;

use crate::error::Result;
use crate::format::{DIRECTORY_RUN, InodeRef, METADATA_LEN, put16, put32};
use crate::metadata::MetadataWriter;

/// An entry, in the order of names.
pub(super) struct Entry<'n> {
    pub(super) name: &'n [u8],
    pub(super) reference: InodeRef,
    pub(super) number: u32,
    pub(super) basic_type: u16,
}

/// Where a listing lies. An empty one lies nowhere.
#[derive(Default)]
pub(super) struct Written {
    pub(super) block: u64,
    pub(super) offset: u16,
    pub(super) length: u64,
    pub(super) index_count: u16,
    /// The index, as it follows the folder's inode.
    pub(super) index: Vec<u8>,
}

pub(super) struct Listing<'t, 'o, 'n, W> {
    table: &'t mut MetadataWriter<'o, W>,
    group: Vec<Entry<'n>>,
    group_length: usize,
    /// Bytes since the last place that the index leads to.
    since_index: usize,
    written: Written,
}

const HEADER_LEN: usize = 12;

impl<'t, 'o, 'n, W: Write> Listing<'t, 'o, 'n, W> {
    pub(super) fn new(table: &'t mut MetadataWriter<'o, W>) -> Self {
        Listing {
            table,
            group: Vec::new(),
            group_length: HEADER_LEN,
            since_index: 0,
            written: Written::default(),
        }
    }

    pub(super) fn push(&mut self, entry: Entry<'n>) -> Result<()> {
        let length = 8 + entry.name.len();
        if let Some(first) = self.group.first() {
            let difference = i64::from(entry.number) - i64::from(first.number);
            if self.group.len() == DIRECTORY_RUN
                || entry.reference.block() != first.reference.block()
                || i16::try_from(difference).is_err()
                || self.since_index + self.group_length + length > METADATA_LEN
            {
                self.flush()?;
            }
        }
        self.group_length += length;
        self.group.push(entry);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Some(first) = self.group.first() else {
            return Ok(());
        };
        let (block, offset) = self.table.position();
        if self.written.length == 0 {
            self.written.block = block;
            self.written.offset = offset;
        } else if self.since_index + self.group_length > METADATA_LEN
            && self.written.index_count < u16::MAX
        {
            let index = &mut self.written.index;
            put32(index, self.written.length as u32);
            put32(index, block as u32);
            put32(index, first.name.len() as u32 - 1);
            index.extend_from_slice(first.name);
            self.written.index_count += 1;
            self.since_index = 0;
        }
        let mut bytes = Vec::with_capacity(self.group_length);
        put32(&mut bytes, self.group.len() as u32 - 1);
        put32(&mut bytes, first.reference.block() as u32);
        put32(&mut bytes, first.number);
        for entry in &self.group {
            put16(&mut bytes, entry.reference.offset());
            put16(&mut bytes, entry.number.wrapping_sub(first.number) as u16);
            put16(&mut bytes, entry.basic_type);
            put16(&mut bytes, entry.name.len() as u16 - 1);
            bytes.extend_from_slice(entry.name);
        }
        self.table.write(&bytes)?;
        self.written.length += bytes.len() as u64;
        self.since_index += bytes.len();
        self.group.clear();
        self.group_length = HEADER_LEN;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Written> {
        self.flush()?;
        Ok(self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, Compressor};
    use crate::metadata::Output;

    /// The listing of entries whose inodes are in the given blocks and have the given numbers.
    fn listing(entries: &[(u64, u32)]) -> (Written, Vec<u8>) {
        let names: Vec<_> = (0..entries.len()).map(|n| format!("{n:010}")).collect();
        let mut out = Output::new(Vec::new());
        let mut table = MetadataWriter::new(&mut out, Compressor::new(Codec::None, 4096).unwrap());
        let mut listing = Listing::new(&mut table);
        for (name, (block, number)) in names.iter().zip(entries) {
            let entry = Entry {
                name: name.as_bytes(),
                reference: InodeRef::new(*block, 0),
                number: *number,
                basic_type: 2,
            };
            listing.push(entry).unwrap();
        }
        let written = listing.finish().unwrap();
        table.finish().unwrap();
        (written, out.inner)
    }

    #[test]
    fn groups_end_where_block_or_number_are_too_far() {
        let one = HEADER_LEN as u64 + 18;
        for (entries, groups) in [
            (&[(0, 1), (0, 2)][..], 1),
            (&[(0, 1), (9, 2)], 2),
            (&[(0, 1), (0, 32_768)], 1),
            (&[(0, 1), (0, 32_769)], 2),
            (&[(0, 32_769), (0, 1)], 1),
            (&[(0, 32_770), (0, 1)], 2),
        ] {
            let expected = groups * one + (entries.len() as u64 - groups) * 18;
            assert_eq!(listing(entries).0.length, expected, "{entries:?}");
        }
        let many: Vec<_> = (0..257).map(|number| (0, number + 1)).collect();
        assert_eq!(listing(&many).0.length, 2 * 12 + 257 * 18);
    }

    #[test]
    fn the_index_leads_to_groups_no_more_than_a_block_apart() {
        let many: Vec<_> = (0..2000).map(|number| (0, number + 1)).collect();
        let (written, table) = listing(&many);
        assert!(written.index_count >= 4);
        let mut last = 0;
        for entry in written.index.chunks(12 + 10) {
            let at = crate::format::get32(entry, 0) as usize;
            let block = crate::format::get32(entry, 4) as usize;
            assert!(at - last <= METADATA_LEN);
            last = at;
            // Each block is stored, with a header of two bytes.
            assert_eq!(block, at / METADATA_LEN * (METADATA_LEN + 2));
            let raw = at + (at / METADATA_LEN + 1) * 2;
            // The first name of the group, where it does not straddle two blocks.
            if at % METADATA_LEN < METADATA_LEN - 40 {
                assert_eq!(table[raw + 20..raw + 30], entry[12..]);
            }
        }
    }
}
