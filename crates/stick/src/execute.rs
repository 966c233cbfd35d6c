//! A plan, carried out, in the order that the crate's own documentation gives.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::blocks::{self, Buffers};
use crate::compare::{Run, differences};
use crate::disk::{Disk, Opened};
use crate::image::Image;
use crate::medium::{self, Medium};
use crate::plan::{Plan, Target};
use crate::{BLOCK, Error, HEAD, PAGE, Result};

/// How to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Write everything, also what is there already.
    pub full: bool,
    /// Read nothing back.
    pub no_verify: bool,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The target is read and compared.
    Compare,
    /// What differs is written.
    Write,
    /// Everything is read back.
    Verify,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub phase: Phase,
    /// Bytes that the device has dealt with.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Bytes that were written; 0 when the target held the image already.
    pub written: u64,
    /// Bytes that were there and right.
    pub kept: u64,
    /// Everything was read back.
    pub verified: bool,
}

/// Writes a plan's image to its target. That `progress` gives `false` stops it.
///
/// # Errors
/// [`Error::Exchanged`], [`Error::InUse`]: nothing was written. [`Error::Mismatch`], [`Error::Stopped`], [`Error::Io`]: the target starts nothing.
pub fn execute(
    plan: &Plan,
    options: Options,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Written> {
    let target = &plan.target;
    let opened = Opened::open(target.path(), matches!(target, Target::Device { .. }))?;
    let found = opened.file().metadata();
    let found = found.map_err(Error::io("read", target.path()))?;
    target.check((found.rdev(), found.dev(), found.ino()), found.len())?;
    let disk = Sized {
        disk: &opened,
        path: target.path(),
        size: target.size(),
        sector: target.sector(),
    };
    write_sized(&disk, &plan.image, options, progress)
}

/// Writes an image to anything that can be read and written, of `size` bytes; `path` names it in errors.
///
/// # Errors
/// Those of [`execute`].
pub fn write_to(
    (disk, path, size): (&dyn Disk, &Path, u64),
    image: &Image,
    options: Options,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Written> {
    let disk = Sized {
        disk,
        path,
        size,
        sector: 512,
    };
    write_sized(&disk, image, options, progress)
}

/// A target that is open.
struct Sized<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    size: u64,
    sector: u64,
}

fn write_sized(
    target: &Sized<'_>,
    image: &Image,
    options: Options,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Written> {
    let medium = Medium::new(image, target.size, target.sector)?;
    let (head, body, tail) = (medium.head(), medium.body(), medium.tail());
    let all: Vec<Run> = [&head, &body, &tail]
        .into_iter()
        .flat_map(|range| medium::blocks(range.clone()))
        .collect();
    let total = total_of(&all);
    let stopped = |is_begun| Error::Stopped {
        path: target.path.to_owned(),
        is_begun,
    };

    // What is in memory is not what the device has.
    target.settle()?;
    let runs = if options.full {
        all.clone()
    } else {
        let on = (target.disk, target.path);
        let mut tell = teller(Phase::Compare, total, progress);
        let found = differences(on, &medium, &all, &mut tell)?;
        found.ok_or_else(|| stopped(false))?.runs
    };
    if runs.is_empty() {
        return Ok(Written {
            written: 0,
            kept: total,
            verified: true,
        });
    }

    // Nothing starts from the target from now on.
    let withheld = medium.withheld();
    let ends = [medium::blocks(head.clone()), medium::blocks(tail.clone())].concat();
    target.put(&withheld, &ends, &mut |_| true)?;
    target.settle()?;
    let runs: Vec<Run> = runs.iter().filter_map(|run| within(*run, &body)).collect();
    let pieces: Vec<Run> = runs
        .iter()
        .flat_map(|run| medium::blocks(run.offset..run.end()))
        .collect();
    let written = total_of(&pieces) + (head.end - head.start) + (tail.end - tail.start);
    {
        let mut tell = teller(Phase::Write, total_of(&pieces), progress);
        if !target.put(&medium, &pieces, &mut tell)? {
            return Err(stopped(true));
        }
    }
    target.settle()?;
    if !options.no_verify {
        let mut tell = teller(Phase::Verify, total, progress);
        if !target.verify(&withheld, &all, &mut tell)? {
            return Err(stopped(true));
        }
    }

    // From the end to the very first page, each step on the device before the next.
    for range in [tail, PAGE..HEAD, 0..PAGE] {
        let blocks = medium::blocks(range);
        target.put(&medium, &blocks, &mut |_| true)?;
        target.settle()?;
        if !options.no_verify {
            target.verify(&medium, &blocks, &mut |_| true)?;
        }
    }
    Ok(Written {
        written,
        kept: total.saturating_sub(written),
        verified: !options.no_verify,
    })
}

impl Sized<'_> {
    fn put(
        &self,
        medium: &Medium<'_>,
        pieces: &[Run],
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool> {
        blocks::each(pieces, go_on, &|Buffers { wanted, .. }, piece| {
            let bytes = wanted.first(piece.length as usize);
            medium.fill(bytes, piece.offset)?;
            self.disk
                .write_at(bytes, piece.offset)
                .map_err(Error::io("write", self.path))
        })
    }

    /// That the device has the bytes, and not only the cache.
    fn verify(
        &self,
        medium: &Medium<'_>,
        blocks: &[Run],
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool> {
        let wrong = differences((self.disk, self.path), medium, blocks, go_on)?;
        match wrong.as_ref().and_then(|wrong| wrong.first) {
            Some(offset) => Err(Error::Mismatch {
                path: self.path.to_owned(),
                offset,
            }),
            None => Ok(wrong.is_some()),
        }
    }

    fn settle(&self) -> Result<()> {
        self.disk.settle().map_err(Error::io("sync", self.path))
    }
}

fn teller(
    phase: Phase,
    total: u64,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> impl FnMut(u64) -> bool {
    move |done| progress(Progress { phase, done, total })
}

fn total_of(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.length).sum()
}

fn within(run: Run, range: &Range<u64>) -> Option<Run> {
    let (start, end) = (run.offset.max(range.start), run.end().min(range.end));
    (start < end).then(|| Run {
        offset: start,
        length: end - start,
    })
}

const _: () = assert!(HEAD <= BLOCK && HEAD.is_multiple_of(PAGE));
