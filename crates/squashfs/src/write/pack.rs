//! Packing one file into the open run: holes, blocks, fragment, and whether an equal one is there already.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write};

use blake3::{Hash, Hasher};

use super::{Fragments, Item, Target, UNPLACED, Writer};
use crate::error::{Error, Result};
use crate::format::BlockWord;
use crate::run::{Content, ContentId, Fragment, RunId, Tail};
use crate::tree::Source;

/// The run that is being packed.
pub(super) struct OpenRun {
    id: RunId,
    /// Contents by digest. Not a hash table: of a million files, that would take half as much memory again, and twice as much while it grows.
    digests: BTreeMap<[u8; 32], u32>,
    /// Lengths that there are; a large file is read twice only if its length is one of them.
    lengths: HashSet<u64>,
    /// The fragment that is being filled.
    fragment: Vec<u8>,
}

impl OpenRun {
    pub(super) fn new(id: RunId) -> OpenRun {
        OpenRun {
            id,
            digests: BTreeMap::new(),
            lengths: HashSet::new(),
            fragment: Vec::new(),
        }
    }
}

impl<W: Write> Writer<'_, W> {
    /// Ends the open run, if there is one.
    pub(super) fn end_run(&mut self) -> Result<()> {
        if let Some(mut run) = self.open.take() {
            self.put_fragment(run.id, &mut run.fragment)?;
            self.queue.push_back(Item::End(run.id));
            self.drain(false)?;
        }
        Ok(())
    }

    pub(super) fn pack_into_open_run(&mut self, source: &dyn Source) -> Result<ContentId> {
        let Some(mut run) = self.open.take() else {
            return Err(Error::Run {
                reason: "no run is open",
            });
        };
        let result = self.pack_into(&mut run, source);
        let id = run.id;
        self.open = Some(run);
        Ok(id.content(result?))
    }

    fn pack_into(&mut self, run: &mut OpenRun, source: &dyn Source) -> Result<u32> {
        let size = source.length().map_err(|error| failed(source, error))?;
        let index = u32::try_from(self.contents(run.id).len()).map_err(|_| Error::TooMany {
            what: "files in a run",
            limit: u32::MAX.into(),
        })?;
        let block_size = self.options.block_size as usize;
        let mut input = Input {
            source,
            reader: source.open().map_err(|error| failed(source, error))?,
            size,
            read: 0,
            hasher: self.options.dedupe.then(Hasher::new),
        };
        let mut first = self.pipeline.buffer();
        input.block(&mut first, block_size)?;
        if self.options.dedupe {
            let digest = if size <= block_size as u64 {
                input.digest()
            } else if run.lengths.contains(&size) {
                Some(digest_of(source, size)?)
            } else {
                None
            };
            if let Some(known) = digest.and_then(|digest| run.digests.get(digest.as_bytes())) {
                self.pipeline.give_back_buffer(first);
                return Ok(*known);
            }
        }
        self.contents(run.id).push(Content {
            size,
            start: UNPLACED,
            ..Content::default()
        });
        let mut buffer = first;
        loop {
            let is_tail = buffer.len() < block_size;
            let to_fragment = match self.options.fragments {
                Fragments::Never => false,
                Fragments::SmallFiles => is_tail && size < block_size as u64,
                Fragments::Tails => is_tail,
            };
            if buffer.is_empty() {
                self.pipeline.give_back_buffer(buffer);
            } else if to_fragment {
                self.put_tail(run, index, &buffer)?;
                self.pipeline.give_back_buffer(buffer);
            } else {
                self.put_block(run.id, index, buffer)?;
            }
            if is_tail || input.read == size {
                break;
            }
            buffer = self.pipeline.buffer();
            input.block(&mut buffer, block_size)?;
        }
        if let Some(digest) = input.digest() {
            run.digests.insert(*digest.as_bytes(), index);
            run.lengths.insert(size);
        }
        Ok(index)
    }

    fn contents(&mut self, run: RunId) -> &mut Vec<Content> {
        &mut self.unwritten(run).contents
    }

    fn put_block(&mut self, run: RunId, index: u32, bytes: Vec<u8>) -> Result<()> {
        let content = &mut self.contents(run)[index as usize];
        let block = content.blocks.len() as u32;
        content.blocks.push(BlockWord::HOLE);
        if is_zero(&bytes) {
            self.pipeline.give_back_buffer(bytes);
            return Ok(());
        }
        self.submit(run, Target::Content { index, block }, bytes)
    }

    fn put_tail(&mut self, run: &mut OpenRun, index: u32, tail: &[u8]) -> Result<()> {
        if run.fragment.len() + tail.len() > self.options.block_size as usize {
            self.put_fragment(run.id, &mut run.fragment)?;
        }
        let packing = self.unwritten(run.id);
        let fragments = packing.fragments.len();
        packing.contents[index as usize].tail = Some(Tail {
            fragment: u32::try_from(fragments).map_err(|_| Error::TooMany {
                what: "fragments",
                limit: u32::MAX.into(),
            })?,
            offset: run.fragment.len() as u32,
        });
        run.fragment.extend_from_slice(tail);
        Ok(())
    }

    fn put_fragment(&mut self, run: RunId, fragment: &mut Vec<u8>) -> Result<()> {
        if fragment.is_empty() {
            return Ok(());
        }
        let fragments = &mut self.unwritten(run).fragments;
        let index = fragments.len() as u32;
        fragments.push(Fragment {
            start: 0,
            word: BlockWord::HOLE,
        });
        let bytes = std::mem::replace(fragment, self.pipeline.buffer());
        fragment.clear();
        self.submit(run, Target::Fragment(index), bytes)
    }

    /// Has a block compressed, once there is room for one more.
    fn submit(&mut self, run: RunId, target: Target, bytes: Vec<u8>) -> Result<()> {
        // Enough that no thread waits while one block takes longer than those after it.
        let most = self.options.threads.get() * 4 + 4;
        self.drain(false)?;
        while self.pipeline.given() - self.first_waiting >= most as u64 {
            self.drain(true)?;
        }
        let number = self.pipeline.put(bytes);
        self.queue.push_back(Item::Block {
            run,
            number,
            target,
        });
        Ok(())
    }
}

/// A file that is being read, block by block.
struct Input<'s> {
    source: &'s dyn Source,
    reader: Box<dyn Read + 's>,
    size: u64,
    read: u64,
    hasher: Option<Hasher>,
}

impl Input<'_> {
    /// The next block, shorter only at the end. The end is looked for, so that a file that has grown is noticed.
    fn block(&mut self, buffer: &mut Vec<u8>, block_size: usize) -> Result<()> {
        let wanted = (self.size - self.read).min(block_size as u64);
        read_exactly(&mut self.reader, wanted as usize, buffer)
            .map_err(|error| failed(self.source, error))?;
        self.read += buffer.len() as u64;
        if (buffer.len() as u64) < wanted {
            return Err(changed(self.source, self.size, self.read));
        }
        if self.read == self.size {
            let mut more = Vec::new();
            read_exactly(&mut self.reader, 1, &mut more)
                .map_err(|error| failed(self.source, error))?;
            if !more.is_empty() {
                return Err(changed(self.source, self.size, self.size + 1));
            }
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer);
        }
        Ok(())
    }

    /// Of what was read, if digests are kept.
    fn digest(&self) -> Option<Hash> {
        self.hasher.as_ref().map(Hasher::finalize)
    }
}

/// Reads `wanted` bytes, or what there is.
fn read_exactly(reader: &mut dyn Read, wanted: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(wanted, 0);
    let mut length = 0;
    while length < wanted {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(part) => length += part,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(length);
    Ok(())
}

fn digest_of(source: &dyn Source, size: u64) -> Result<Hash> {
    let mut hasher = Hasher::new();
    let mut reader = source.open().map_err(|error| failed(source, error))?;
    io::copy(&mut reader, &mut hasher).map_err(|error| failed(source, error))?;
    if hasher.count() != size {
        return Err(changed(source, size, hasher.count()));
    }
    Ok(hasher.finalize())
}

fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|part| *part == ZEROS[..part.len()])
}

fn failed(source: &dyn Source, error: io::Error) -> Error {
    Error::Source {
        name: source.name().into_owned(),
        source: error,
    }
}

fn changed(source: &dyn Source, expected: u64, found: u64) -> Error {
    Error::SourceChanged {
        name: source.name().into_owned(),
        expected,
        found,
    }
}
