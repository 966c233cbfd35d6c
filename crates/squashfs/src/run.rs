//! Packed content that knows no place: a run of data blocks and fragments, with what the tables need to know of them.
//!
//! All offsets in a [`Run`] count from its first byte, so the bytes can be kept, and put into another image of the same codec and block size by copying
//! them. Fragments are never shared between runs, and equal files only within one: a run is the unit that a cache keeps.

mod compact;

use crate::error::{Error, Result};
use crate::format::{BlockWord, FragmentEntry, InodeBody, NO_FRAGMENT};
pub(crate) use compact::{CompactRun, Contents};

/// Where a file's tail, or a whole small file, lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Which of the run's fragments.
    pub fragment: u32,
    /// Where in the unpacked fragment, bytes.
    pub offset: u32,
}

/// A packed file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Unpacked length, bytes.
    pub size: u64,
    /// Where the first block that is no hole lies, bytes from the run's beginning.
    pub start: u64,
    /// The blocks, which follow each other.
    pub blocks: Vec<BlockWord>,
    /// The rest, where it is in a fragment.
    pub tail: Option<Tail>,
}

/// A packed fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Where it lies, bytes from the run's beginning.
    pub start: u64,
    /// How long it is there.
    pub word: BlockWord,
}

/// What is known of a run. Its bytes are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// How many bytes it takes.
    pub length: u64,
    /// The files, in the order in which they were packed; equal ones once.
    pub contents: Vec<Content>,
    /// The fragments.
    pub fragments: Vec<Fragment>,
}

impl Run {
    /// Whether it can be in an image of this block size: for runs that come from elsewhere.
    ///
    /// It looks at the description only. Whether the bytes are what they should be is for a digest to say.
    pub fn check(&self, block_size: u32) -> Result<()> {
        let fail = |reason| Err(Error::Run { reason });
        let fits = |start: u64, word: BlockWord| {
            start
                .checked_add(word.length().into())
                .is_some_and(|end| end <= self.length)
        };
        for fragment in &self.fragments {
            let word = fragment.word;
            if !word.is_valid() || word.length() == 0 || word.length() > block_size {
                return fail("a fragment's size is out of range");
            }
            if !fits(fragment.start, word) {
                return fail("a fragment lies outside it");
            }
        }
        for content in &self.contents {
            let fragment = content.tail.map_or(NO_FRAGMENT, |tail| tail.fragment);
            let count = InodeBody::block_count(content.size, fragment, block_size);
            if count != content.blocks.len() as u64 {
                return fail("a file has more or fewer blocks than its size needs");
            }
            let mut end = content.start;
            for word in &content.blocks {
                if !word.is_valid() || word.length() > block_size || !fits(end, *word) {
                    return fail("a file's block lies outside it");
                }
                end += u64::from(word.length());
            }
            if let Some(tail) = content.tail {
                let rest = content.size % u64::from(block_size);
                if tail.fragment as usize >= self.fragments.len()
                    || rest == 0
                    || u64::from(tail.offset) + rest > block_size.into()
                {
                    return fail("a file's tail is in no fragment");
                }
            }
        }
        Ok(())
    }
}

/// Which run of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub(crate) u32);

/// Which file of which run of an image: what stands for content in the tree that [`Writer::finish`](crate::Writer::finish) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId {
    pub(crate) run: RunId,
    pub(crate) index: u32,
}

impl RunId {
    /// The file at `index` of [`Run::contents`].
    pub fn content(self, index: u32) -> ContentId {
        ContentId { run: self, index }
    }
}

impl ContentId {
    /// Its run.
    pub fn run(self) -> RunId {
        self.run
    }

    /// Its place in [`Run::contents`].
    pub fn index(self) -> u32 {
        self.index
    }
}

/// A run in an image.
#[derive(Debug)]
pub(crate) struct PlacedRun {
    pub(crate) run: CompactRun,
    /// Bytes from the image's beginning.
    pub(crate) start: u64,
    /// The image's fragments before the run's.
    pub(crate) first_fragment: u32,
}

impl PlacedRun {
    pub(crate) fn fragments(&self) -> impl Iterator<Item = FragmentEntry> {
        self.run.fragments.iter().map(|fragment| FragmentEntry {
            start: self.start + fragment.start,
            word: fragment.word,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            length: 300,
            contents: vec![Content {
                size: 8192 + 4096 + 10,
                start: 0,
                blocks: vec![BlockWord(100), BlockWord::HOLE, BlockWord(100)],
                tail: Some(Tail {
                    fragment: 0,
                    offset: 4086,
                }),
            }],
            fragments: vec![Fragment {
                start: 200,
                word: BlockWord(100),
            }],
        }
    }

    #[test]
    fn a_run_that_contradicts_itself_is_refused() {
        run().check(4096).unwrap();
        let faults: [fn(&mut Run); 9] = [
            |run| run.length = 299,
            |run| run.fragments[0].start = u64::MAX,
            |run| run.fragments[0].word = BlockWord::HOLE,
            |run| run.fragments[0].word = BlockWord(1 << 25),
            |run| run.contents[0].size = 8192 + 10,
            |run| run.contents[0].size = 8192 + 4096,
            |run| run.contents[0].start = 101,
            |run| {
                run.contents[0].tail = Some(Tail {
                    fragment: 1,
                    offset: 0,
                })
            },
            |run| {
                run.contents[0].tail = Some(Tail {
                    fragment: 0,
                    offset: 4087,
                })
            },
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut run = run();
            fault(&mut run);
            assert!(run.check(4096).is_err(), "fault {number}");
        }
    }
}
