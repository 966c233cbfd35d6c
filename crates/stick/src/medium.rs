//! What a target has to hold: the image, with its partition table as this disk wants it, and nothing old at the disk's end.

use std::ops::Range;

use crate::compare::Run;
use crate::gpt::{self, Patch};
use crate::image::Image;
use crate::{BLOCK, HEAD, PAGE, Result, TAIL};

/// What is at the beginning of a target that is being written.
pub(crate) const NOTE: &str = "flk is writing an image to this disk: ";

/// The bytes of a target, as they are to be.
pub(crate) struct Medium<'a> {
    image: &'a Image,
    /// Bytes of the target.
    size: u64,
    patches: Vec<Patch>,
    /// What makes it start is not to be there yet.
    is_withheld: bool,
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
            is_withheld: false,
        })
    }

    /// The same, as long as it is not whole: nothing starts from it, neither by its beginning nor by the table's copy at its end, from which firmware would
    /// repair the first (UEFI 2.10, 5.3.2). Each page there says what is going on, and where it belongs, so a device that has one page in two places is
    /// found out.
    pub(crate) fn withheld(&self) -> Medium<'a> {
        Medium {
            image: self.image,
            size: self.size,
            patches: Vec::new(),
            is_withheld: true,
        }
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

    /// Fills `bytes` from `offset`, which is a multiple of [`PAGE`], on.
    pub(crate) fn fill(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.image.fill(bytes, offset)?;
        if self.is_withheld {
            let (body, build) = (self.body(), self.image.name());
            for (number, page) in bytes.chunks_mut(PAGE as usize).enumerate() {
                let at = offset + number as u64 * PAGE;
                if !body.contains(&at) {
                    mark(page, build, at);
                }
            }
            return Ok(());
        }
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

/// A page of a target that is not whole: neither a table, nor anything else that means something to a machine.
fn mark(page: &mut [u8], build: &str, offset: u64) {
    page.fill(0);
    let note = format!("{NOTE}{build}\nhere is byte {offset}\n");
    let length = note.len().min(page.len());
    page[..length].copy_from_slice(&note.as_bytes()[..length]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use flk_iso9660::format::{gpt::Header, mbr::Mbr};

    #[test]
    fn a_mark_starts_nothing_and_is_nowhere_twice() {
        let (mut first, mut last) = ([0xff; 4096], [0xff; 512]);
        mark(&mut first, "0123", 0);
        mark(&mut last, "0123", 16384);
        assert!(
            first.starts_with(b"flk is writing an image to this disk: 0123\nhere is byte 0\n\0")
        );
        assert_ne!(first[..512], last);
        for page in [&first[..512], &last] {
            assert!(Mbr::decode(page).is_none() && Header::decode(page).is_none());
        }
        mark(&mut last[..8], "0123", 0);
        assert_eq!(&last[..9], b"flk is wr");
    }
}
