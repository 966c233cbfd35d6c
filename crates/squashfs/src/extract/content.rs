//! Files' content: what one thread writes in one go.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attributes::Giver;
use super::refused;
use crate::error::Result;
use crate::read::{Chunk, FileInode, FileReader, Image, Inode, ReadAt};

/// Bytes of a file from which on it goes in parts, and of a part.
const PART: u64 = 8 << 20;
/// Bytes, and files, that a batch has at most.
const BATCH: u64 = 4 << 20;
const FILES: usize = 2048;

/// What one thread does in one go.
pub(super) enum Job<'e, R> {
    Batch(Batch),
    Part(Part<'e, R>),
}

impl<R: ReadAt> Job<'_, R> {
    pub(super) fn run(self, image: &Image<R>, giver: &Giver<'_, R>) -> Result<()> {
        match self {
            Job::Batch(batch) => batch.run(image, giver),
            Job::Part(part) => part.run(giver),
        }
    }
}

/// Small files, the ends of which are in one fragment.
#[derive(Default)]
pub(super) struct Batch {
    files: Vec<(FileInode, PathBuf, Inode)>,
    bytes: u64,
    fragment: Option<u32>,
}

impl Batch {
    /// What there is, if there is something; then there is nothing.
    pub(super) fn take(&mut self) -> Option<Batch> {
        (!self.files.is_empty()).then(|| std::mem::take(self))
    }

    /// As [`take`](Self::take), unless `file` goes with what there is.
    pub(super) fn take_unless_fits(&mut self, file: &FileInode) -> Option<Batch> {
        let fragment = file.tail.map(|tail| tail.fragment);
        let is_same = fragment.is_none() || self.fragment.is_none() || fragment == self.fragment;
        let has_room = self.bytes < BATCH && self.files.len() < FILES;
        if is_same && has_room {
            return None;
        }
        self.take()
    }

    pub(super) fn put(&mut self, file: FileInode, path: PathBuf, inode: Inode) {
        self.bytes += file.size;
        self.fragment = self.fragment.or(file.tail.map(|tail| tail.fragment));
        self.files.push((file, path, inode));
    }

    fn run<R: ReadAt>(self, image: &Image<R>, giver: &Giver<'_, R>) -> Result<()> {
        for (content, path, inode) in self.files {
            let file = create(&path)?;
            let ends_in_hole = write(image.open_file(&content), &file, &path, 0)?;
            if ends_in_hole {
                file.set_len(content.size).map_err(refused(&path))?;
            }
            giver.give(&inode, &path, Some(&file))?;
        }
        Ok(())
    }
}

/// A large file that is written by several threads.
struct Large {
    file: File,
    path: PathBuf,
    inode: Inode,
    /// Parts that are not written yet. Who writes the last one gives the file its attributes.
    left: AtomicU64,
}

/// Whether a file goes in parts.
pub(super) fn is_large(file: &FileInode) -> bool {
    file.size > PART
}

/// The parts of a large file.
pub(super) struct Parts<'e, R> {
    large: Arc<Large>,
    rest: FileReader<'e, R>,
    at: u64,
    blocks: u64,
}

impl<'e, R: ReadAt> Parts<'e, R> {
    pub(super) fn of(
        image: &'e Image<R>,
        content: FileInode,
        path: PathBuf,
        inode: Inode,
    ) -> Result<Parts<'e, R>> {
        let block = u64::from(image.superblock().block_size);
        let blocks = (PART / block).max(1);
        let file = create(&path)?;
        // No part has to know whether it ends in a hole.
        file.set_len(content.size).map_err(refused(&path))?;
        let left = AtomicU64::new(content.block_count.div_ceil(blocks).max(1));
        Ok(Parts {
            rest: image.open_file(&content),
            large: Arc::new(Large {
                file,
                path,
                inode,
                left,
            }),
            at: 0,
            blocks,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Part<'e, R>>> {
        let before = self.rest.rest();
        if before == 0 {
            return Ok(None);
        }
        let content = self.rest.split(self.blocks)?;
        let at = self.at;
        self.at += before - self.rest.rest();
        Ok(Some(Part {
            large: Arc::clone(&self.large),
            content,
            at,
        }))
    }
}

pub(super) struct Part<'e, R> {
    large: Arc<Large>,
    content: FileReader<'e, R>,
    at: u64,
}

impl<R: ReadAt> Part<'_, R> {
    fn run(self, giver: &Giver<'_, R>) -> Result<()> {
        let Large {
            file,
            path,
            inode,
            left,
        } = &*self.large;
        write(self.content, file, path, self.at)?;
        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
            giver.give(inode, path, Some(file))?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(refused(path))
}

/// Writes at `at` whatever the reader has; holes are passed over. Says whether the last was one.
fn write<R: ReadAt>(
    mut content: FileReader<'_, R>,
    file: &File,
    path: &Path,
    mut at: u64,
) -> Result<bool> {
    let mut ends_in_hole = false;
    while let Some(chunk) = content.next_chunk()? {
        ends_in_hole = matches!(chunk, Chunk::Hole(_));
        at += match chunk {
            Chunk::Hole(length) => length,
            Chunk::Data(bytes) => {
                file.write_all_at(bytes, at).map_err(refused(path))?;
                bytes.len() as u64
            }
        };
    }
    Ok(ends_in_hole)
}
