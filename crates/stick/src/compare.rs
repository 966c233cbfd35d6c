//! Where a target differs from what it has to hold.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::blocks::{self, Buffers};
use crate::disk::Disk;
use crate::medium::Medium;
use crate::{Error, PAGE, Result};

/// Differences that are no farther apart are one: a stick writes a few pages as fast as one.
const GAP: u64 = 32 * 1024;

/// Bytes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl Run {
    pub(crate) fn end(self) -> u64 {
        self.offset + self.length
    }
}

/// How a target differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Runs of pages, in order.
    pub(crate) runs: Vec<Run>,
    /// The very first byte.
    pub(crate) first: Option<u64>,
}

/// What differs; `None` when it was stopped.
pub(crate) fn differences(
    (disk, path): (&dyn Disk, &Path),
    medium: &Medium<'_>,
    blocks: &[Run],
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Differences>> {
    let found = Mutex::new(Differences::default());
    let is_done = blocks::each(blocks, go_on, &|buffers, block| {
        let Buffers {
            found: there,
            wanted,
        } = buffers;
        let length = block.length as usize;
        let (there, wanted) = (there.first(length), wanted.first(length));
        medium.fill(wanted, block.offset)?;
        disk.read_at(there, block.offset)
            .map_err(Error::io("read", path))?;
        let mut bytes = there.iter().zip(wanted.iter());
        if there != wanted
            && let Some(first) = bytes.position(|(there, wanted)| there != wanted)
        {
            let first = block.offset + first as u64;
            let runs = pages(there, wanted, block.offset);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.runs.extend(runs);
            found.first = Some(found.first.map_or(first, |other| other.min(first)));
        }
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.runs.sort_by_key(|run| run.offset);
    found.runs = joined(&found.runs);
    Ok(is_done.then_some(found))
}

/// The pages of a block that differ.
fn pages(there: &[u8], wanted: &[u8], offset: u64) -> Vec<Run> {
    let page = PAGE as usize;
    let pairs = there.chunks(page).zip(wanted.chunks(page)).enumerate();
    let differing = pairs.filter(|(_, (there, wanted))| there != wanted);
    let runs: Vec<Run> = differing
        .map(|(index, (there, _))| Run {
            offset: offset + index as u64 * PAGE,
            length: there.len() as u64,
        })
        .collect();
    joined(&runs)
}

/// Neighbours as one.
fn joined(runs: &[Run]) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(last) if run.offset <= last.end() + GAP => last.length = run.end() - last.offset,
            _ => out.push(*run),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one() {
        let run = |offset, length| Run { offset, length };
        assert_eq!(joined(&[]), []);
        assert_eq!(
            joined(&[run(0, 4096), run(8192, 4096), run(12288 + GAP + 4096, 512)]),
            [run(0, 12288), run(12288 + GAP + 4096, 512)]
        );
        let mut there = vec![0; 5 * 4096 + 512];
        let wanted = there.clone();
        there[5 * 4096] = 1;
        assert_eq!(
            pages(&there, &wanted, 1 << 20),
            [run((1 << 20) + 20480, 512)]
        );
    }
}
