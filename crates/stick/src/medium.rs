//! What a target has to hold: the image, with its partition table as this disk wants it, and nothing old at the disk's end.

use std::ops::Range;

use crate::compare::Run;
use crate::gpt::{self, Patch};
use crate::image::Image;
use crate::{BLOCK, HEAD, PAGE, Result, TAIL};

/// The bytes of a target, as they are to be.
pub(crate) struct Medium<'a> {
    image: &'a Image,
    /// Bytes of the target.
    size: u64,
    patches: Vec<Patch>,
}

impl<'a> Medium<'a> {
    /// For a target of `size` bytes with sectors of `sector` bytes.
    pub(crate) fn new(image: &'a Image, size: u64, sector: u64) -> Result<Medium<'a>> {
        let mut head = vec![0; HEAD as usize];
        image.fill(&mut head, 0)?;
        // An image's table counts in sectors of 512 bytes; a disk with others never reads it.
        let patches = match sector {
            512 => gpt::fitted(&head, size),
            _ => Vec::new(),
        };
        Ok(Medium {
            image,
            size,
            patches,
        })
    }

    /// The first bytes, which make it start.
    pub(crate) fn head(&self) -> Range<u64> {
        0..HEAD
    }

    /// What lies between.
    pub(crate) fn body(&self) -> Range<u64> {
        let end = self.image.length().next_multiple_of(PAGE);
        HEAD..end.min(self.tail().start)
    }

    /// The last bytes: the table's copy, and else what the image has there, or zeros.
    pub(crate) fn tail(&self) -> Range<u64> {
        let start = self.size.saturating_sub(TAIL) / PAGE * PAGE;
        start.max(HEAD)..self.size
    }

    /// Fills `bytes` from `offset` on.
    pub(crate) fn fill(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.image.fill(bytes, offset)?;
        let here = offset..offset + bytes.len() as u64;
        for (at, patch) in &self.patches {
            let start = here.start.max(*at);
            let end = here.end.min(at + patch.len() as u64);
            if start < end {
                let part = &patch[(start - at) as usize..(end - at) as usize];
                bytes[(start - offset) as usize..(end - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }
}

/// A range in blocks.
pub(crate) fn blocks(range: Range<u64>) -> Vec<Run> {
    let mut blocks = Vec::new();
    let mut offset = range.start;
    while offset < range.end {
        let length = BLOCK.min(range.end - offset);
        blocks.push(Run { offset, length });
        offset += length;
    }
    blocks
}
