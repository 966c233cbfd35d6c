//! Whether an image, in a file or on a stick, is what it was when it was made: every byte, by the digests that it carries itself.
//!
//! A stick whose partition table was fitted to its size (`crate::gpt`) is whole: its first block counts as it was on the image.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flk_image::{DIGEST_BLOCK, Digests};
use flk_iso9660::Kind;
use serde::Serialize;

use crate::disk::forget;
use crate::inspect::{STORE, Store, open};
use crate::{Error, Result, container, gpt};

/// Damage in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Its first byte, to a block.
    pub offset: u64,
    /// Bytes, in whole blocks.
    pub length: u64,
    /// What lies there: files of the image, or of the store on it (`/nix/store/…`); nothing where the image has its own tables, or fills.
    pub files: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The build that it is.
    pub build: String,
    /// Bytes that were read.
    pub length: u64,
    /// What is not as it was.
    pub damage: Vec<Damage>,
}

/// Reads all of an image and compares it with its digests. `progress` gets the bytes that were read so far.
///
/// # Errors
/// [`Error::Digests`] when it has none that are whole; [`Error::Io`]; [`Error::Iso`] when not even its tables can be read.
pub fn verify(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified> {
    let source = File::open(path).map_err(Error::io("open", path))?;
    if let Some(refusal) = container::refuse(&source, path) {
        return Err(refusal);
    }
    let digests = Digests::read(path).map_err(|source| Error::Digests {
        path: path.to_owned(),
        source,
    })?;
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let there = file
        .seek(SeekFrom::End(0))
        .map_err(Error::io("read", path))?;
    if there < digests.length {
        return Err(Error::TooSmall {
            path: path.to_owned(),
            needed: digests.length,
            available: there,
        });
    }
    // What was just written is not to be read from memory.
    forget(&file);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut damaged = digests
        .damaged(&file, threads, &mut |done| progress(done, digests.length))
        .map_err(Error::io("read", path))?;
    progress(digests.length, digests.length);
    if damaged.first() == Some(&0) && is_fitted(&file, &digests).map_err(Error::io("read", path))? {
        damaged.remove(0);
    }
    let mut damage = rows(&damaged, digests.length);
    if !damage.is_empty() {
        name(path, &mut damage)?;
    }
    Ok(Verified {
        build: digests.build.as_str().to_owned(),
        length: digests.length,
        damage,
    })
}

/// Whether the first block is right but for the size of the disk that it is on.
fn is_fitted(file: &File, digests: &Digests) -> std::io::Result<bool> {
    let mut block = vec![0; DIGEST_BLOCK.min(digests.length) as usize];
    file.read_exact_at(&mut block, 0)?;
    for (offset, bytes) in gpt::fitted(&block, digests.length) {
        // The copy at the end is another block.
        if let Some(place) = block.get_mut(offset as usize..offset as usize + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
    }
    Ok(digests.is_block(0, &block))
}

fn rows(damaged: &[u64], length: u64) -> Vec<Damage> {
    let mut rows: Vec<Damage> = Vec::new();
    for offset in damaged {
        let here = DIGEST_BLOCK.min(length - offset);
        match rows.last_mut() {
            Some(last) if last.offset + last.length == *offset => last.length += here,
            _ => rows.push(Damage {
                offset: *offset,
                length: here,
                files: Vec::new(),
            }),
        }
    }
    rows
}

/// Says what lies where the damage is, as far as tables can be read.
fn name(path: &Path, damage: &mut [Damage]) -> Result<()> {
    let (mut image, other) = match open(path) {
        Ok(opened) => opened,
        Err(Error::Iso { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut walk = image.walk();
    let mut store = None;
    while let Ok(Some((name, entry))) = walk.next(&mut image) {
        if entry.kind != Kind::File {
            continue;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        for extent in &entry.extents {
            for row in damage.iter_mut() {
                let overlaps = extent.offset < row.offset + row.length
                    && row.offset < extent.offset + u64::from(extent.length);
                if overlaps && !row.files.contains(&name) {
                    row.files.push(name.clone());
                }
            }
        }
        if name == STORE && !entry.extents.is_empty() {
            store = Some((entry.extents[0].offset, entry.length()));
        }
    }
    let Some((start, length)) = store else {
        return Ok(());
    };
    if damage
        .iter()
        .any(|row| row.files.iter().any(|name| name == STORE))
        && let Ok(store) = Store::read(path, other, start, length)
    {
        for row in damage {
            let within =
                row.offset.saturating_sub(start)..(row.offset + row.length).saturating_sub(start);
            let files = store.files_at(within);
            if !files.is_empty() {
                row.files.retain(|name| name != STORE);
                row.files.extend(files);
            }
        }
    }
    Ok(())
}
