//! A run as it is kept until the tables are written: a few bytes for each file instead of a [`Content`].
//!
//! Files come in groups, each of which can be read by itself. A file is a byte of the flags below, its size, what the flags announce, and its blocks'
//! words, which can be skipped. Numbers are in groups of seven bits, the lowest first (LEB128); what differs little from the file before is written as the
//! difference, its sign in the lowest bit.

use integer_encoding::VarInt;

use super::{Content, ContentId, Fragment, PlacedRun, Run, Tail};
use crate::format::BlockWord;

/// How many files are in a group: at most so many are passed over to read one.
const GROUP: u32 = 32;

/// It has blocks: how many bytes their words take, and the words follow last.
const BLOCKS: u8 = 1;
/// It does not begin at 0: the difference to the last file that did not follows.
const START: u8 = 2;
/// It has a tail: fragment and offset follow.
const TAIL: u8 = 4;
/// It has a tail, behind that of the file before: nothing follows.
const NEXT_TAIL: u8 = 8;

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct CompactRun {
    /// How many bytes it takes.
    pub(crate) length: u64,
    pub(crate) fragments: Box<[Fragment]>,
    files: u32,
    bytes: Box<[u8]>,
    /// Where each group begins.
    groups: Box<[usize]>,
}

impl CompactRun {
    pub(crate) fn of(run: &Run) -> CompactRun {
        let (mut bytes, mut groups, mut before) = (Vec::new(), Vec::new(), Before::default());
        for (index, content) in run.contents.iter().enumerate() {
            if index % GROUP as usize == 0 {
                groups.push(bytes.len());
                before = Before::default();
            }
            before.put(content, &mut bytes);
        }
        CompactRun {
            length: run.length,
            fragments: run.fragments.as_slice().into(),
            // `Writer` gives files numbers of 32 bits.
            files: run.contents.len() as u32,
            bytes: bytes.into(),
            groups: groups.into(),
        }
    }

    pub(crate) fn expand(&self) -> Run {
        let mut cursor = Cursor::default();
        let mut contents = Vec::with_capacity(self.files as usize);
        contents.extend((0..self.files).filter_map(|index| cursor.go_to(self, index).cloned()));
        Run {
            length: self.length,
            contents,
            fragments: self.fragments.to_vec(),
        }
    }
}

/// Reads files of runs; cheapest in their order.
pub(crate) struct Contents<'r> {
    runs: &'r [PlacedRun],
    run: Option<u32>,
    cursor: Cursor,
}

impl<'r> Contents<'r> {
    pub(crate) fn new(runs: &'r [PlacedRun]) -> Contents<'r> {
        Contents {
            runs,
            run: None,
            cursor: Cursor::default(),
        }
    }

    /// The file and its run, if there are such.
    pub(crate) fn get(&mut self, id: ContentId) -> Option<(&'r PlacedRun, &Content)> {
        let placed = self.runs.get(id.run.0 as usize)?;
        if self.run.replace(id.run.0) != Some(id.run.0) {
            self.cursor = Cursor::default();
        }
        Some((placed, self.cursor.go_to(&placed.run, id.index)?))
    }
}

/// A place in a run, and the file before it.
#[derive(Default)]
struct Cursor {
    /// The file that comes next.
    next: u32,
    at: usize,
    before: Before,
    content: Content,
}

impl Cursor {
    /// Reads the file at `index`. Nothing if there is none.
    fn go_to(&mut self, run: &CompactRun, index: u32) -> Option<&Content> {
        if index >= run.files {
            return None;
        }
        if index.checked_add(1) == Some(self.next) {
            return Some(&self.content);
        }
        let group = index / GROUP;
        if self.next > index || self.next < group * GROUP {
            self.next = group * GROUP;
            self.at = *run.groups.get(group as usize)?;
        }
        loop {
            if self.next.is_multiple_of(GROUP) {
                self.before = Before::default();
            }
            let mut rest = run.bytes.get(self.at..)?;
            let mut words = self.before.get(&mut rest, &mut self.content)?;
            self.at = run.bytes.len() - rest.len();
            self.next += 1;
            if self.next > index {
                self.content.blocks.clear();
                while !words.is_empty() {
                    self.content.blocks.push(get_word(&mut words)?);
                }
                return Some(&self.content);
            }
        }
    }
}

/// What the next file's numbers are written against.
#[derive(Default)]
struct Before {
    start: u64,
    next_tail: Option<Tail>,
}

impl Before {
    fn put(&mut self, content: &Content, out: &mut Vec<u8>) {
        let mut flags = 0;
        let follows = content.tail.is_some() && content.tail == self.next_tail;
        for (flag, is_set) in [
            (BLOCKS, !content.blocks.is_empty()),
            (START, content.start != 0),
            (TAIL, content.tail.is_some() && !follows),
            (NEXT_TAIL, follows),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        out.push(flags);
        put(out, content.size);
        if flags & START != 0 {
            put_difference(out, self.start, content.start);
        }
        if let Some(tail) = content.tail.filter(|_| flags & TAIL != 0) {
            put(out, tail.fragment);
            put(out, tail.offset);
        }
        if flags & BLOCKS != 0 {
            let mut words = Vec::with_capacity(content.blocks.len() * 3);
            for word in &content.blocks {
                put_word(&mut words, *word);
            }
            put(out, words.len());
            out.extend_from_slice(&words);
        }
        self.pass(content);
    }

    /// Reads a file but for its blocks; gives the bytes of their words.
    fn get<'b>(&mut self, from: &mut &'b [u8], content: &mut Content) -> Option<&'b [u8]> {
        let (&flags, rest) = from.split_first()?;
        *from = rest;
        content.size = get(from)?;
        content.start = match flags & START {
            0 => 0,
            _ => get_difference(from, self.start)?,
        };
        content.tail = match flags & (TAIL | NEXT_TAIL) {
            0 => None,
            TAIL => Some(Tail {
                fragment: get(from)?,
                offset: get(from)?,
            }),
            _ => self.next_tail,
        };
        let length = match flags & BLOCKS {
            0 => 0,
            _ => get(from)?,
        };
        let (words, rest) = from.split_at_checked(length)?;
        *from = rest;
        self.pass(content);
        Some(words)
    }

    fn pass(&mut self, content: &Content) {
        if content.start != 0 {
            self.start = content.start;
        }
        if let Some(tail) = content.tail {
            // Of a file that is in a fragment as a whole, the length is its size; others' tails are seldom followed.
            self.next_tail = Some(Tail {
                fragment: tail.fragment,
                offset: tail.offset.wrapping_add(content.size as u32),
            });
        }
    }
}

fn put<V: VarInt>(out: &mut Vec<u8>, value: V) {
    let mut bytes = [0; 10];
    let length = value.encode_var(&mut bytes);
    out.extend_from_slice(&bytes[..length]);
}

fn get<V: VarInt>(from: &mut &[u8]) -> Option<V> {
    let (value, length) = V::decode_var(from)?;
    *from = from.get(length..)?;
    Some(value)
}

fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    put(out, to.wrapping_sub(from) as i64);
}

fn get_difference(from: &mut &[u8], before: u64) -> Option<u64> {
    get::<i64>(from).map(|difference| before.wrapping_add(difference as u64))
}

/// The flag of a block that is stored goes to the lowest bit, so that the length decides on how many bytes there are.
fn put_word(out: &mut Vec<u8>, word: BlockWord) {
    let (length, flag) = (word.0 & LENGTH, word.0 >> 24 & 1);
    put(out, length << 1 | flag);
}

fn get_word(from: &mut &[u8]) -> Option<BlockWord> {
    let word: u32 = get(from)?;
    Some(BlockWord((word >> 1 & LENGTH) | (word & 1) << 24))
}

/// The bits of a block's word that are its length. That above them is the flag; those above it are never set.
const LENGTH: u32 = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunId;

    /// Files of each kind, more than a group; small ones fill fragments, as they do in a store path.
    fn run() -> Run {
        let mut run = Run {
            length: u64::MAX,
            fragments: vec![Fragment {
                start: 7,
                word: BlockWord(9),
            }],
            ..Run::default()
        };
        for number in 0..200u32 {
            let mut content = Content {
                size: 1000,
                tail: Some(Tail {
                    fragment: number / 50,
                    offset: number % 50 * 1000,
                }),
                ..Content::default()
            };
            match number % 23 {
                3 => content = Content::default(),
                5 => content.start = u64::MAX - u64::from(number),
                7 => content.start = 1,
                11 => content.size = u64::MAX,
                13 => {
                    content.blocks = vec![BlockWord(1 << 20), BlockWord::HOLE];
                    content.start = u64::from(number) << 17;
                }
                17 => {
                    content.blocks = vec![BlockWord((1 << 25) - 1), BlockWord(5000 | 1 << 24)];
                    content.tail = None;
                }
                _ => {}
            }
            run.contents.push(content);
        }
        run
    }

    fn placed(run: &Run) -> PlacedRun {
        PlacedRun {
            run: CompactRun::of(run),
            start: 0,
            first_fragment: 0,
        }
    }

    #[test]
    fn what_is_kept_is_what_was() {
        for run in [Run::default(), run()] {
            assert_eq!(CompactRun::of(&run).expand(), run);
        }
    }

    #[test]
    fn files_are_found_in_any_order() {
        let runs = [run(), Run::default(), {
            let mut other = run();
            other.contents.reverse();
            other
        }];
        let placed = runs.each_ref().map(placed);
        let mut contents = Contents::new(&placed);
        let mut id = 1u32;
        for _ in 0..10_000 {
            // A generator of the kind of Lehmer's, with a full period.
            id = (u64::from(id) * 48_271 % 0x7fff_ffff) as u32;
            let (number, index) = (id % 4, id / 4 % 203);
            let found = contents.get(RunId(number).content(index));
            let expected = runs.get(number as usize);
            let expected = expected.and_then(|run| run.contents.get(index as usize));
            assert_eq!(found.map(|(_, content)| content), expected);
        }
    }

    /// What bounds the memory that an image takes. Expanded, each is 56 bytes and more.
    #[test]
    fn a_small_file_takes_a_few_bytes() {
        let small = |number: u32| Content {
            size: 2000,
            tail: Some(Tail {
                fragment: number / 64,
                offset: number % 64 * 2000,
            }),
            ..Content::default()
        };
        let large = |number: u32| Content {
            size: 5 << 17,
            start: 1 << 32 | u64::from(number) << 18,
            blocks: vec![BlockWord(60_000); 5],
            tail: None,
        };
        let bytes = |contents: Vec<Content>| {
            let run = Run {
                contents,
                ..Run::default()
            };
            let compact = CompactRun::of(&run);
            compact.bytes.len() + compact.groups.len() * size_of::<usize>()
        };
        assert!(bytes((0..100_000).map(small).collect()) < 100_000 * 4);
        assert!(bytes((0..1000).map(large).collect()) < 1000 * (9 + 5 * 3));
    }
}
