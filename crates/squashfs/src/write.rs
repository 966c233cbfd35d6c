//! Writing an image: content in runs, in the order in which it comes, then the tables (kernel 3, format 1).
//!
//! The output needs to be a [`Write`] only; the superblock is given back at the end, to be put over the image's first bytes. The caller's thread reads,
//! hashes and writes, the writer's threads compress, and at most a few blocks for each thread are in memory. What is written does not depend on the
//! number of threads: blocks come out in the order in which they went in. Of what is written, a few bytes for each file are kept for the tables.
//!
//! Blocks of zeros become holes. Equal files of a run are stored once; equal means that length and BLAKE3 digest are. Not supported: sharing of equal
//! blocks between files that differ, as the format has no counts for it.

mod pack;

use std::collections::{BTreeMap, VecDeque};
use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::format::{BLOCK_SIZES, Flags, SUPERBLOCK_LEN, Superblock};
use crate::graft::Grafts;
use crate::layout;
use crate::metadata::Output;
use crate::pipeline::{Packed, Pipeline};
use crate::run::{CompactRun, ContentId, PlacedRun, Run, RunId};
use crate::tree::{Source, Tree};
use pack::OpenRun;

/// Which files go into fragments, where several share one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fragments {
    /// None.
    Never,
    /// Files that are shorter than a block.
    SmallFiles,
    /// Those, and the ends of longer files.
    Tails,
}

/// How an image is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What everything is compressed with.
    pub codec: Codec,
    /// Unpacked size of a data block: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// How many threads compress. It has no influence on the bytes.
    pub threads: NonZeroUsize,
    /// Which files share blocks.
    pub fragments: Fragments,
    /// Whether equal files of a run are stored once.
    pub dedupe: bool,
    /// Runs begin at multiples of this many bytes, a power of two.
    pub run_alignment: u32,
    /// When the image was made, seconds since 1970.
    pub mtime: u32,
    /// Whether there is a table from inode numbers to inodes, which NFS servers need.
    pub exportable: bool,
    /// The image's length is a multiple of this many bytes, a power of two; what is added is not part of it.
    pub padding: u32,
}

impl Options {
    /// One thread, blocks of 128 KiB, small files in fragments, equal files once, runs not aligned, made at 0, exportable, padded to 4 KiB.
    pub fn new(codec: Codec) -> Options {
        Options {
            codec,
            block_size: 128 << 10,
            threads: NonZeroUsize::MIN,
            fragments: Fragments::SmallFiles,
            dedupe: true,
            run_alignment: 1,
            mtime: 0,
            exportable: true,
            padding: 4096,
        }
    }

    fn check(&self) -> Result<()> {
        self.codec.check()?;
        let refuse = |option, value: u32, reason| {
            Err(Error::Option {
                option,
                value: value.to_string(),
                reason,
            })
        };
        if !self.block_size.is_power_of_two() || !BLOCK_SIZES.contains(&self.block_size) {
            let reason = "it is a power of two from 4096 to 1048576";
            return refuse("the block size", self.block_size, reason);
        }
        for (option, value) in [
            ("the alignment of runs", self.run_alignment),
            ("the padding", self.padding),
        ] {
            if !value.is_power_of_two() {
                return refuse(option, value, "it is a power of two");
            }
        }
        Ok(())
    }

    fn flags(&self, has_codec_options: bool) -> Flags {
        let mut flags = Flags::default();
        for (flag, is_set) in [
            (Flags::DUPLICATES, self.dedupe),
            (Flags::CODEC_OPTIONS, has_codec_options),
            (Flags::NO_FRAGMENTS, self.fragments == Fragments::Never),
            (Flags::ALWAYS_FRAGMENTS, self.fragments == Fragments::Tails),
        ] {
            if is_set {
                flags = flags | flag;
            }
        }
        if self.codec == Codec::None {
            flags = flags
                | Flags::STORED_INODES
                | Flags::STORED_DATA
                | Flags::STORED_FRAGMENTS
                | Flags::STORED_XATTRS
                | Flags::STORED_IDS;
        }
        flags
    }
}

/// Copies a run's bytes to where the image is being written.
type Copy<'a, W> = Box<dyn FnOnce(&mut W) -> std::io::Result<()> + 'a>;

/// What is to be written next, in order.
enum Item<'a, W> {
    Begin(RunId),
    Block {
        run: RunId,
        number: u64,
        target: Target,
    },
    Copy {
        run: RunId,
        copy: Copy<'a, W>,
    },
    End(RunId),
}

/// Where a file begins of which no block is written yet.
const UNPLACED: u64 = u64::MAX;

/// Whose a block is.
#[derive(Clone, Copy)]
enum Target {
    Content { index: u32, block: u32 },
    Fragment(u32),
}

/// Writes an image.
pub struct Writer<'a, W: Write> {
    out: Output<W>,
    options: Options,
    has_codec_options: bool,
    pipeline: Pipeline,
    queue: VecDeque<Item<'a, W>>,
    /// Compressed blocks that wait for those before them.
    waiting: VecDeque<Option<Packed>>,
    /// The number of the first of `waiting`.
    first_waiting: u64,
    runs: Vec<PlacedRun>,
    /// Runs that are packed here and not written yet.
    unwritten: BTreeMap<RunId, Run>,
    open: Option<OpenRun>,
    /// Runs that were packed here and are written, and have not been asked for.
    packed: VecDeque<RunId>,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins an image where `out` is: offsets count from there.
    pub fn new(out: W, options: Options) -> Result<Writer<'a, W>> {
        options.check()?;
        let mut out = Output::new(out);
        out.write(&[0; SUPERBLOCK_LEN])?;
        let codec_options = options.codec.options(options.block_size);
        out.write(&codec_options)?;
        Ok(Writer {
            out,
            has_codec_options: !codec_options.is_empty(),
            pipeline: Pipeline::new(options.codec, options.block_size, options.threads)?,
            options,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            first_waiting: 0,
            runs: Vec::new(),
            unwritten: BTreeMap::new(),
            open: None,
            packed: VecDeque::new(),
        })
    }

    /// Begins a run, and ends the one before. Needed only where there is to be more than one.
    pub fn begin_run(&mut self) -> Result<RunId> {
        self.end_run()?;
        let id = self.place(&Run::default())?;
        self.open = Some(OpenRun::new(id));
        self.queue.push_back(Item::Begin(id));
        self.drain(false)?;
        Ok(id)
    }

    fn place(&mut self, run: &Run) -> Result<RunId> {
        let id = u32::try_from(self.runs.len()).map_err(|_| Error::TooMany {
            what: "runs",
            limit: u32::MAX.into(),
        })?;
        self.runs.push(PlacedRun {
            run: CompactRun::of(run),
            start: 0,
            first_fragment: 0,
        });
        Ok(RunId(id))
    }

    /// Packs a file into the run that is open. An equal file of that run gives the same id.
    ///
    /// It is read now, and written when those before it are.
    pub fn pack(&mut self, source: &dyn Source) -> Result<ContentId> {
        if self.open.is_none() {
            self.begin_run()?;
        }
        self.pack_into_open_run(source)
    }

    /// Puts in a run that was packed before with the same codec, level and block size. `copy` writes its bytes, all [`Run::length`] of them and no more,
    /// to the output: it is called when what was packed before is written, at the latest by [`finish`](Self::finish).
    pub fn append(
        &mut self,
        run: Run,
        copy: impl FnOnce(&mut W) -> std::io::Result<()> + 'a,
    ) -> Result<RunId> {
        run.check(self.options.block_size)?;
        self.end_run()?;
        let id = self.place(&run)?;
        self.queue.push_back(Item::Begin(id));
        let copy: Copy<'a, W> = Box::new(copy);
        self.queue.push_back(Item::Copy { run: id, copy });
        self.drain(false)?;
        Ok(id)
    }

    /// A run that was packed here and is written in the meantime, with the bytes of the image that it takes. Each is given once, in order: for a cache.
    pub fn next_packed(&mut self) -> Option<(RunId, Range<u64>, Run)> {
        let id = self.packed.pop_front()?;
        let placed = &self.runs[id.0 as usize];
        let range = placed.start..placed.start + placed.run.length;
        Some((id, range, placed.run.expand()))
    }

    /// Writes all that is packed, and ends the open run.
    pub fn flush(&mut self) -> Result<()> {
        self.end_run()?;
        while !self.queue.is_empty() {
            self.drain(true)?;
        }
        Ok(())
    }

    /// The output. What was packed last may not be in it yet.
    pub fn get_ref(&self) -> &W {
        &self.out.inner
    }

    /// The output, which must be left where it is.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out.inner
    }

    /// Writes what is left and the tables for `tree`. The caller is to put the [superblock's bytes](Superblock::to_bytes) over the image's first 96.
    pub fn finish(self, tree: &Tree<ContentId>) -> Result<(W, Superblock)> {
        self.finish_grafted(tree, Grafts::new())
    }

    /// The same for a tree of which some folders are empty, and the [`Grafts`] have them with all that is in them. The image is the same as of one tree.
    ///
    /// Each is expanded when its tables are written, and dropped then.
    pub fn finish_grafted(
        mut self,
        tree: &Tree<ContentId>,
        grafts: Grafts<'_>,
    ) -> Result<(W, Superblock)> {
        self.flush()?;
        let mut fragments = 0u32;
        for placed in &mut self.runs {
            placed.first_fragment = fragments;
            fragments = u32::try_from(placed.run.fragments.len())
                .ok()
                .and_then(|count| fragments.checked_add(count))
                .ok_or(Error::TooMany {
                    what: "fragments",
                    limit: u32::MAX.into(),
                })?;
        }
        let image = layout::Image {
            runs: &self.runs,
            codec: self.options.codec,
            block_size: self.options.block_size,
            mtime: self.options.mtime,
            exportable: self.options.exportable,
            flags: self.options.flags(self.has_codec_options),
        };
        let superblock = layout::write_tables(tree, grafts, &image, &mut self.out)?;
        self.out.align(self.options.padding.into())?;
        Ok((self.out.inner, superblock))
    }

    /// Writes what is ready; first waits for one block, if told so and there is one to wait for.
    fn drain(&mut self, mut wait: bool) -> Result<()> {
        loop {
            self.write_ready()?;
            let Some(packed) = self.pipeline.take(wait && !self.queue.is_empty())? else {
                return Ok(());
            };
            wait = false;
            let at = (packed.number - self.first_waiting) as usize;
            if self.waiting.len() <= at {
                self.waiting.resize_with(at + 1, || None);
            }
            self.waiting[at] = Some(packed);
        }
    }

    /// Writes from the queue's front up to a block that is not compressed yet.
    fn write_ready(&mut self) -> Result<()> {
        while let Some(item) = self.queue.pop_front() {
            match item {
                Item::Begin(run) => {
                    self.out.align(self.options.run_alignment.into())?;
                    self.runs[run.0 as usize].start = self.out.position;
                }
                Item::Copy { run, copy } => {
                    let offset = self.out.position;
                    copy(&mut self.out.inner).map_err(|source| Error::Write { offset, source })?;
                    self.out.position += self.runs[run.0 as usize].run.length;
                }
                Item::End(run) => {
                    let placed = &mut self.runs[run.0 as usize];
                    let mut packed = self.unwritten.remove(&run).unwrap_or_default();
                    packed.length = self.out.position - placed.start;
                    for content in &mut packed.contents {
                        if content.start == UNPLACED {
                            content.start = 0;
                        }
                    }
                    placed.run = CompactRun::of(&packed);
                    self.packed.push_back(run);
                }
                Item::Block {
                    run,
                    number,
                    target,
                } => {
                    let Some(Some(_)) = self.waiting.front() else {
                        self.queue.push_front(Item::Block {
                            run,
                            number,
                            target,
                        });
                        return Ok(());
                    };
                    if let Some(Some(packed)) = self.waiting.pop_front() {
                        self.first_waiting = number + 1;
                        self.write_block(run, target, packed)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn unwritten(&mut self, run: RunId) -> &mut Run {
        self.unwritten.entry(run).or_default()
    }

    fn write_block(&mut self, run: RunId, target: Target, packed: Packed) -> Result<()> {
        let start = self.out.position - self.runs[run.0 as usize].start;
        let packing = self.unwritten(run);
        match target {
            Target::Content { index, block } => {
                let content = &mut packing.contents[index as usize];
                if content.start == UNPLACED {
                    content.start = start;
                }
                content.blocks[block as usize] = packed.word;
            }
            Target::Fragment(index) => {
                let fragment = &mut packing.fragments[index as usize];
                fragment.start = start;
                fragment.word = packed.word;
            }
        }
        self.out.write(&packed.bytes)?;
        self.pipeline.give_back(packed);
        Ok(())
    }
}

/// Writes an image of `tree` where `out` is, the files' content in the order in which they were put into the tree, as one run.
///
/// `out` is left at the end of what was written, padding included.
pub fn write<S: Source, W: Write + Seek>(
    tree: Tree<S>,
    options: Options,
    out: &mut W,
) -> Result<Superblock> {
    let fail = |source| Error::Write { offset: 0, source };
    let start = out.stream_position().map_err(fail)?;
    let mut writer = Writer::new(&mut *out, options)?;
    let tree = tree.try_map(|source| writer.pack(&source))?;
    let (_, superblock) = writer.finish(&tree)?;
    let end = out.stream_position().map_err(fail)?;
    out.seek(SeekFrom::Start(start)).map_err(fail)?;
    out.write_all(&superblock.to_bytes()).map_err(fail)?;
    out.seek(SeekFrom::Start(end)).map_err(fail)?;
    out.flush().map_err(fail)?;
    Ok(superblock)
}
