//! Metadata blocks, and reading through them (kernel 3.2, format 1.2).

use std::sync::{Arc, Mutex, PoisonError};

use super::{Image, ReadAt};
use crate::error::{Error, Result};
use crate::format::{Fields, METADATA_LEN, METADATA_STORED};

/// An unpacked block.
#[derive(Debug)]
pub(super) struct MetadataBlock {
    /// Where it lies.
    pub(super) at: u64,
    /// Where the one after it lies.
    pub(super) next: u64,
    pub(super) bytes: Vec<u8>,
}

const SLOTS: usize = 256;

/// Blocks that were read last, each in the one place that its offset gives it: 2 MiB at most.
pub(super) struct MetadataCache(Mutex<Vec<Option<Arc<MetadataBlock>>>>);

impl Default for MetadataCache {
    fn default() -> MetadataCache {
        MetadataCache(Mutex::new(vec![None; SLOTS]))
    }
}

fn slot(at: u64) -> usize {
    // Fibonacci hashing: the high bits of the product are well mixed.
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % SLOTS
}

impl<R: ReadAt> Image<R> {
    pub(super) fn metadata_block(&self, at: u64) -> Result<Arc<MetadataBlock>> {
        let lock = || {
            self.metadata
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(block) = &lock()[slot(at)]
            && block.at == at
        {
            return Ok(Arc::clone(block));
        }
        let mut header = [0; 2];
        self.read(&mut header, at)?;
        let header = u16::from_le_bytes(header);
        let length = usize::from(header & !METADATA_STORED);
        if length == 0 || length > METADATA_LEN {
            return Err(Error::damaged(
                at,
                "a metadata block's size is out of range",
            ));
        }
        let mut bytes = vec![0; length];
        self.read(&mut bytes, at + 2)?;
        if header & METADATA_STORED == 0 {
            let mut unpacked = vec![0; METADATA_LEN];
            let length = self.decompress(&bytes, &mut unpacked, at)?;
            unpacked.truncate(length);
            bytes = unpacked;
        }
        let block = Arc::new(MetadataBlock {
            at,
            next: at + 2 + length as u64,
            bytes,
        });
        lock()[slot(at)] = Some(Arc::clone(&block));
        Ok(block)
    }
}

/// A place in a table of metadata: a block's absolute offset, and one in the unpacked block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u64,
    pub(super) offset: usize,
}

/// Reads from a place on, from block to block.
pub(super) struct Cursor<'i, R> {
    image: &'i Image<R>,
    place: Place,
    block: Option<Arc<MetadataBlock>>,
}

impl<'i, R: ReadAt> Cursor<'i, R> {
    pub(super) fn new(image: &'i Image<R>, place: Place) -> Cursor<'i, R> {
        Cursor {
            image,
            place,
            block: None,
        }
    }

    /// Where the next byte is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The rest of the block in which the next byte is: one byte at least.
    fn rest(&mut self) -> Result<&[u8]> {
        let mut block = match self.block.take() {
            Some(block) if block.at == self.place.block => block,
            _ => self.image.metadata_block(self.place.block)?,
        };
        if self.place.offset == block.bytes.len() {
            self.place = Place {
                block: block.next,
                offset: 0,
            };
            block = self.image.metadata_block(self.place.block)?;
        }
        let rest = self.block.insert(block).bytes.get(self.place.offset..);
        rest.filter(|rest| !rest.is_empty()).ok_or(Error::damaged(
            self.place.block,
            "a place in a metadata block is past its end",
        ))
    }
}

impl<R: ReadAt> Fields for Cursor<'_, R> {
    fn bytes(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            let rest = self.rest()?;
            let part = rest.len().min(out.len());
            out[..part].copy_from_slice(&rest[..part]);
            out = &mut out[part..];
            self.place.offset += part;
        }
        Ok(())
    }

    fn damaged(&self, reason: &'static str) -> Error {
        Error::damaged(self.place.block, reason)
    }
}
