//! Writes an image: contents first, each in its place, and all else when everything is known.
//!
//! Files are copied with [`std::io::copy`], which on Linux lets the kernel copy from file to file. The memory that is
//! needed is that of the tree's names and of boot images that are patched.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::Error;
use crate::format::{BLOCK, el_torito};
use crate::layout::{Layout, Place};
use crate::metadata;
use crate::options::Options;
use crate::tree::{Content, ContentId, Source, Tree};

/// An image that has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its length in bytes.
    pub length: u64,
    places: Vec<Place>,
}

impl Written {
    /// Where a content lies.
    pub fn place(&self, content: ContentId) -> Option<Place> {
        self.places.get(content.0).copied()
    }
}

/// Writes the image of a tree from the beginning of `out`, which is not cut if it is longer.
///
/// # Errors
/// What [`Layout::of`] has; [`Error::Streamed`] when a content is streamed; [`Error::Source`], [`Error::Changed`],
/// [`Error::Write`].
pub fn write<W: Write + Seek>(
    tree: &Tree,
    options: &Options,
    out: &mut W,
) -> Result<Written, Error> {
    begin(tree, options, out)?.finish(out)
}

/// An image whose streamed contents are still to come.
///
/// Ask for [`Writing::next`], write that content to its place, say with [`Writing::done`] how long it is, and so on;
/// then [`Writing::finish`].
#[derive(Debug)]
pub struct Writing<'t> {
    layout: Layout<'t>,
    lengths: BTreeMap<ContentId, u64>,
    streamed: Vec<ContentId>,
    /// The end of what has been written.
    end: u64,
}

/// A content that is to be written by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Which.
    pub content: ContentId,
    /// Where it begins, in bytes from the beginning of the image.
    pub offset: u64,
    /// The most bytes that it can have.
    pub most: u64,
}

/// Writes the contents whose length is known.
///
/// # Errors
/// As [`write()`].
pub fn begin<'t, W: Write + Seek>(
    tree: &'t Tree,
    options: &'t Options,
    out: &mut W,
) -> Result<Writing<'t>, Error> {
    let layout = Layout::of(tree, options)?;
    let mut end = layout.files_at().offset();
    for (id, content) in tree.contents.iter().enumerate() {
        let id = ContentId(id);
        let place = layout.place(id).unwrap_or_default();
        if content.is_streamed() {
            continue;
        }
        if place.length > 0 {
            fill(out, end, place.block.offset())?;
        }
        copy(content, &layout, id, out)?;
        end = end.max(place.block.offset() + place.length);
    }
    let ids = (0..tree.contents.len()).map(ContentId);
    let streamed = ids.filter(|id| tree.contents[id.0].is_streamed());
    Ok(Writing {
        streamed: streamed.collect(),
        lengths: BTreeMap::new(),
        layout,
        end,
    })
}

impl Writing<'_> {
    /// The content that is to be written next; its place follows from the lengths of those before.
    pub fn next(&self) -> Option<Streamed> {
        let content = *self.streamed.get(self.lengths.len())?;
        let source = &self.layout.tree.contents[content.0];
        Some(Streamed {
            content,
            offset: self.end.next_multiple_of(source.alignment),
            most: source.length(),
        })
    }

    /// The content that was next is written, and has this length. Zeros are put before it, up to where it begins.
    ///
    /// # Errors
    /// [`Error::Streamed`] when there was none, or it is longer than it may be; [`Error::Write`].
    pub fn done<W: Write + Seek>(&mut self, length: u64, out: &mut W) -> Result<(), Error> {
        let index = self.lengths.len();
        let fail = |reason| Error::Streamed { index, reason };
        let next = self
            .next()
            .ok_or_else(|| fail("there are no more of them".into()))?;
        if length > next.most {
            let most = next.most;
            return Err(fail(format!(
                "it has {length} bytes, and announced were {most}"
            )));
        }
        if length > 0 {
            fill(out, self.end, next.offset)?;
            self.end = next.offset + length;
        }
        self.lengths.insert(next.content, length);
        Ok(())
    }

    /// Writes all else.
    ///
    /// # Errors
    /// [`Error::Streamed`] when one is missing; [`Error::Write`]; those of [`Layout::of`].
    pub fn finish<W: Write + Seek>(self, out: &mut W) -> Result<Written, Error> {
        let layout = if self.streamed.is_empty() {
            self.layout
        } else {
            if self.next().is_some() {
                return Err(Error::Streamed {
                    index: self.lengths.len(),
                    reason: "it has not been written".into(),
                });
            }
            let Layout { tree, options, .. } = self.layout;
            let files_at = Some(self.layout.files_at());
            Layout::settled(tree, options, &self.lengths, files_at)?
        };
        let tail = metadata::tail(&layout);
        let tail_at = layout.length() - tail.len() as u64;
        fill(out, self.end, tail_at)?;
        put(out, tail_at, &tail)?;

        let mut at = 0;
        seek(out, 0)?;
        metadata::head(&layout, &mut |bytes| {
            debug_assert_eq!(bytes.len() % BLOCK, 0);
            out.write_all(bytes).map_err(Error::write(at))?;
            at += bytes.len() as u64;
            Ok(())
        })?;
        fill(out, at, layout.files_at().offset())?;
        out.flush().map_err(Error::write(at))?;
        let ids = 0..layout.tree.contents.len();
        Ok(Written {
            length: layout.length(),
            places: ids
                .map(|id| layout.place(ContentId(id)).unwrap_or_default())
                .collect(),
        })
    }
}

/// Copies a content to its place; boot images are patched on the way.
fn copy<W: Write + Seek>(
    content: &Content,
    layout: &Layout<'_>,
    id: ContentId,
    out: &mut W,
) -> Result<(), Error> {
    let place = layout.place(id).unwrap_or_default();
    let offset = place.block.offset();
    let boot = &layout.options.boot;
    let bios = boot.bios.as_ref().filter(|_| layout.bios == Some(id));
    if let Some(bios) = bios {
        let mut image = match &content.source {
            Source::File { path, length } => read(path, *length)?,
            Source::Bytes(bytes) => bytes.clone(),
            Source::Streamed { .. } => Vec::new(),
        };
        let patched = (!bios.grub_info || el_torito::patch_grub_info(&mut image, place.block))
            && (!bios.info_table || el_torito::patch_info(&mut image, place.block));
        if !patched {
            return Err(Error::BootImage {
                path: String::from_utf8_lossy(&bios.image).into_owned(),
                reason: "it is too short for what is to be written into it",
            });
        }
        return put(out, offset, &image);
    }
    match &content.source {
        Source::Bytes(bytes) => put(out, offset, bytes),
        Source::Streamed { .. } => Ok(()),
        Source::File { path, length } => {
            let file = open(path, *length)?;
            seek(out, offset)?;
            let copied = io::copy(&mut file.take(*length), out).map_err(Error::write(offset))?;
            unchanged(path, *length, copied)
        }
    }
}

fn read(path: &Path, length: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = open(path, length)?.take(length).read_to_end(&mut bytes);
    read.map_err(|source| Error::Source {
        path: path.into(),
        source,
    })?;
    unchanged(path, length, bytes.len() as u64)?;
    Ok(bytes)
}

fn open(path: &Path, length: u64) -> Result<File, Error> {
    let fail = |source| Error::Source {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?.len();
    unchanged(path, length, found)?;
    Ok(file)
}

fn unchanged(path: &Path, expected: u64, found: u64) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Changed {
        path: path.into(),
        expected,
        found,
    })
}

fn seek<W: Seek>(out: &mut W, offset: u64) -> Result<(), Error> {
    out.seek(SeekFrom::Start(offset))
        .map_err(Error::write(offset))?;
    Ok(())
}

fn put<W: Write + Seek>(out: &mut W, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    seek(out, offset)?;
    out.write_all(bytes).map_err(Error::write(offset))
}

/// Zeros from one place to another.
fn fill<W: Write + Seek>(out: &mut W, from: u64, to: u64) -> Result<(), Error> {
    static ZEROS: [u8; 32 * BLOCK] = [0; 32 * BLOCK];
    seek(out, from)?;
    let mut at = from;
    while at < to {
        let length = (to - at).min(ZEROS.len() as u64) as usize;
        out.write_all(&ZEROS[..length]).map_err(Error::write(at))?;
        at += length as u64;
    }
    Ok(())
}
