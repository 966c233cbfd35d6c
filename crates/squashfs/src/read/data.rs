//! Files' content (kernel 3.3 and 3.5, format 4.2 and 7).

use std::io::{self, Read};
use std::sync::{Arc, PoisonError};

use super::inode::FileInode;
use super::metadata::Cursor;
use super::{FRAGMENTS_KEPT, Image, ReadAt};
use crate::error::{Error, Result};
use crate::format::{BlockWord, Fields};
use crate::run::Tail;

impl<R: ReadAt> Image<R> {
    /// A file's content.
    pub fn open_file(&self, file: &FileInode) -> FileReader<'_, R> {
        FileReader {
            blocks: Cursor::new(self, file.blocks),
            image: self,
            rest: file.size,
            blocks_left: file.block_count,
            at: file.start,
            tail: file.tail,
            packed: Vec::new(),
            chunk: Vec::new(),
            consumed: 0,
            hole: 0,
        }
    }

    /// Reads and unpacks a block into `out`, whatever is there.
    fn block(
        &self,
        at: u64,
        word: BlockWord,
        packed: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let length = word.length();
        let block_size = self.superblock.block_size;
        if !word.is_valid() || length == 0 || length > block_size {
            return Err(Error::damaged(at, "a data block's size is out of range"));
        }
        if word.is_compressed() {
            packed.resize(length as usize, 0);
            self.read(packed, at)?;
            out.resize(block_size as usize, 0);
            let length = self.decompress(packed, out, at)?;
            out.truncate(length);
        } else {
            out.resize(length as usize, 0);
            self.read(out, at)?;
        }
        Ok(())
    }

    fn fragment(&self, index: u32) -> Result<Arc<Vec<u8>>> {
        let lock = || {
            self.fragments
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        {
            let mut kept = lock();
            if let Some(at) = kept.iter().position(|(known, _)| *known == index)
                && let Some(entry) = kept.remove(at)
            {
                let fragment = Arc::clone(&entry.1);
                kept.push_front(entry);
                return Ok(fragment);
            }
        }
        let entry = self.fragment_entry(index)?;
        let mut fragment = Vec::new();
        self.block(entry.start, entry.word, &mut Vec::new(), &mut fragment)?;
        let fragment = Arc::new(fragment);
        let mut kept = lock();
        kept.push_front((index, Arc::clone(&fragment)));
        kept.truncate(FRAGMENTS_KEPT);
        Ok(fragment)
    }
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Hole(u64),
}

/// Reads a file from its beginning, block by block. What it holds in memory is one block, packed and unpacked.
pub struct FileReader<'i, R> {
    image: &'i Image<R>,
    blocks: Cursor<'i, R>,
    /// Bytes of the file that were not unpacked yet.
    rest: u64,
    blocks_left: u64,
    at: u64,
    tail: Option<Tail>,
    packed: Vec<u8>,
    chunk: Vec<u8>,
    /// For `Read`: bytes of `chunk`, or of the hole, that were given out.
    consumed: usize,
    hole: u64,
}

impl<'i, R: ReadAt> FileReader<'i, R> {
    /// The next part, at most a block; `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>> {
        self.consumed = 0;
        if self.rest == 0 {
            self.chunk.clear();
            return Ok(None);
        }
        let wanted = self.rest.min(self.image.superblock.block_size.into());
        if self.blocks_left > 0 {
            let word = BlockWord(self.blocks.u32()?);
            self.blocks_left -= 1;
            if word.is_hole() {
                self.rest -= wanted;
                self.chunk.clear();
                return Ok(Some(Chunk::Hole(wanted)));
            }
            self.image
                .block(self.at, word, &mut self.packed, &mut self.chunk)?;
            if self.chunk.len() as u64 != wanted {
                return Err(Error::damaged(
                    self.at,
                    "a data block is longer or shorter than it should be",
                ));
            }
            self.at += u64::from(word.length());
        } else {
            let table = self.image.superblock.fragment_table;
            let tail = self.tail.ok_or(Error::damaged(
                table,
                "a file has neither blocks nor a fragment for its end",
            ))?;
            let fragment = self.image.fragment(tail.fragment)?;
            let from = tail.offset as usize;
            let part = fragment
                .get(from..from.saturating_add(wanted as usize))
                .ok_or(Error::damaged(
                    table,
                    "a file's end lies outside its fragment",
                ))?;
            self.chunk.clear();
            self.chunk.extend_from_slice(part);
        }
        self.rest -= wanted;
        Ok(Some(Chunk::Data(&self.chunk)))
    }

    /// Bytes that are still to be read.
    pub(crate) fn rest(&self) -> u64 {
        self.rest
    }

    /// The next blocks as a reader of their own, or everything if that is not more; this one goes on after them.
    pub(crate) fn split(&mut self, blocks: u64) -> Result<FileReader<'i, R>> {
        let is_all = blocks >= self.blocks_left;
        let length = blocks.saturating_mul(self.image.superblock.block_size.into());
        let part = FileReader {
            image: self.image,
            blocks: Cursor::new(self.image, self.blocks.place()),
            rest: if is_all {
                self.rest
            } else {
                length.min(self.rest)
            },
            blocks_left: blocks.min(self.blocks_left),
            at: self.at,
            tail: self.tail.filter(|_| is_all),
            packed: Vec::new(),
            chunk: Vec::new(),
            consumed: 0,
            hole: 0,
        };
        for _ in 0..part.blocks_left {
            // A hole has no bytes on the disk. Where a damaged file begins nobody has checked: beyond the image, reading says so.
            let word = self.next_word()?;
            let length = word.map_or(0, |word| word.length().into());
            self.at = self.at.saturating_add(length);
        }
        self.rest -= part.rest;
        Ok(part)
    }

    /// Passes the next part over without unpacking it, and gives its size on the disk; `None` where only a fragment is left, or nothing.
    pub(crate) fn next_word(&mut self) -> Result<Option<BlockWord>> {
        if self.blocks_left == 0 {
            return Ok(None);
        }
        self.blocks_left -= 1;
        Ok(Some(BlockWord(self.blocks.u32()?)))
    }
}

impl<R: ReadAt> Read for FileReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.hole == 0 && self.consumed == self.chunk.len() {
            let next = self.next_chunk().map(|chunk| match chunk {
                None => None,
                Some(Chunk::Hole(length)) => Some(length),
                Some(Chunk::Data(_)) => Some(0),
            });
            match next {
                Ok(None) => return Ok(0),
                Ok(Some(hole)) => self.hole = hole,
                Err(error) => {
                    // What the last block left must not be taken for more of the file.
                    self.chunk.clear();
                    return Err(io::Error::other(error));
                }
            }
        }
        if self.hole > 0 {
            let part = usize::try_from(self.hole)
                .unwrap_or(usize::MAX)
                .min(out.len());
            out[..part].fill(0);
            self.hole -= part as u64;
            return Ok(part);
        }
        let rest = &self.chunk[self.consumed..];
        let part = rest.len().min(out.len());
        out[..part].copy_from_slice(&rest[..part]);
        self.consumed += part;
        Ok(part)
    }
}
