//! What files take in the image, without unpacking them.

use super::inode::FileInode;
use super::metadata::Cursor;
use super::{Image, ReadAt};
use crate::error::Result;
use crate::format::{BlockWord, Fields};

impl<R: ReadAt> Image<R> {
    /// Bytes that a file's own blocks take, its part of a fragment not among them. They lie in a row from [`FileInode::start`] on.
    pub fn packed_length(&self, file: &FileInode) -> Result<u64> {
        let mut blocks = Cursor::new(self, file.blocks);
        let mut length = 0;
        for _ in 0..file.block_count {
            length += u64::from(BlockWord(blocks.u32()?).length());
        }
        Ok(length)
    }

    /// Where a fragment lies, and how many bytes it takes.
    pub fn packed_fragment(&self, index: u32) -> Result<(u64, u64)> {
        let entry = self.fragment_entry(index)?;
        Ok((entry.start, entry.word.length().into()))
    }
}
