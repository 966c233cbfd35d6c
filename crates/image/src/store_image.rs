//! The store image: a closure, packed into a squashfs where the ISO has its place for it.
//!
//! Each store path is a run of its own: what the cache has of it is copied, what it has not is compressed, checked against its NAR
//! hash on the way, and kept. The paths come in the order of [`by_steadiness`], each from a multiple of 4 KiB; the tables and
//! what else changes with each build are at the end. So a small change of the closure changes few bytes.
//!
//! Two threads go beside the writer's: one looks ahead into the cache, one keeps what is new.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flk_nix::{Closure, PathInfo};
use flk_squashfs::{Codec, Grafts, Kind, Node, Options, RunId, SUPERBLOCK_LEN, Tree, Writer};

use crate::Error;
use crate::cache::{Cache, Hits, Key};
use crate::contents::{STORE, Store};
use crate::nar::NarHasher;
use crate::order::by_steadiness;
use crate::packed::{PackedPath, PathNodes, TIME, Told, attributes, enter, walk};
use crate::progress::Meter;
use crate::registration::registration;
use crate::write_back::WriteBack;

/// Blocks of disks and of file systems: what stays at its place must stay there by whole blocks.
const ALIGNMENT: u32 = 4096;
/// How many entries of the cache are checked ahead of their use.
const AHEAD: usize = 16;

/// How a closure is packed.
pub(crate) struct Packing<'a> {
    pub(crate) closure: &'a Closure,
    pub(crate) store: Store<'a>,
    pub(crate) codec: Codec,
    pub(crate) block_size: u32,
    pub(crate) threads: NonZeroUsize,
    pub(crate) cache: Option<&'a Cache>,
    /// Free bytes that the cache leaves on its file system.
    pub(crate) reserve: u64,
}

/// A store image that was written.
pub(crate) struct StoreImage {
    /// Bytes, padding included.
    pub(crate) length: u64,
    pub(crate) hits: Hits,
    /// Why the cache could not keep everything.
    pub(crate) not_kept: Option<Error>,
}

/// What the cache has of a path.
type Found = Option<(File, PackedPath)>;

/// A packed path for the cache: its bytes lie in the image at `offset`.
struct New {
    key: Key,
    packed: PackedPath,
    offset: u64,
}

impl Packing<'_> {
    /// Writes the image into `out` from `offset` on.
    pub(crate) fn write(
        &self,
        out: &File,
        offset: u64,
        meter: &mut Meter<'_>,
        write_back: &mut WriteBack<'_>,
    ) -> Result<StoreImage, Error> {
        let order = by_steadiness(self.closure);
        thread::scope(|scope| {
            let (to_find, found) = sync_channel(AHEAD);
            let (to_keep, new) = sync_channel(AHEAD);
            let looking = &order;
            scope.spawn(move || self.look(looking, &to_find));
            let keeping = scope.spawn(move || self.keep(out, &new));
            let written = self.pack(&order, (out, offset), &found, to_keep, meter, write_back);
            // The thread that looks ahead ends when nobody listens to it.
            drop(found);
            let not_kept = keeping.join().unwrap_or_default();
            let (length, hits) = written?;
            Ok(StoreImage {
                length,
                hits,
                not_kept,
            })
        })
    }

    fn key(&self, info: &PathInfo) -> Key {
        Key::new(&info.nar_hash, self.codec, self.block_size)
    }

    fn look(&self, order: &[&PathInfo], to: &SyncSender<Found>) {
        for info in order {
            let found = self
                .cache
                .and_then(|cache| cache.find(&self.key(info), self.block_size));
            if to.send(found).is_err() {
                return;
            }
        }
    }

    /// Keeps what it is given, up to the first failure, which it gives back.
    fn keep(&self, image: &File, new: &Receiver<New>) -> Option<Error> {
        let mut failure = None;
        for New {
            key,
            packed,
            offset,
        } in new
        {
            let Some(cache) = self.cache.filter(|_| failure.is_none()) else {
                continue;
            };
            failure = cache
                .keep(&key, &packed, (image, offset), self.reserve)
                .err();
        }
        failure
    }

    fn pack(
        &self,
        order: &[&PathInfo],
        (out, offset): (&File, u64),
        found: &Receiver<Found>,
        to_keep: SyncSender<New>,
        meter: &mut Meter<'_>,
        write_back: &mut WriteBack<'_>,
    ) -> Result<(u64, Hits), Error> {
        let mut options = Options::new(self.codec);
        options.block_size = self.block_size;
        options.threads = self.threads;
        options.run_alignment = ALIGNMENT;
        options.mtime = TIME;
        options.exportable = false;
        let mut image = Building {
            writer: Writer::new(out, options).map_err(Error::squashfs)?,
            tree: Tree::new(attributes(0o755)),
            grafts: Grafts::new(),
            described: HashMap::new(),
            offset,
            to_keep,
        };
        let mut hits = Hits::default();
        for info in order {
            let found = found.recv().ok().flatten();
            hits.count(found.is_some(), info.nar_size);
            let name = info.path.strip_prefix(STORE).unwrap_or_default();
            let name = name.trim_start_matches('/').as_bytes();
            match found {
                Some((file, packed)) => image.copy(name, file, packed)?,
                None => {
                    let path = self.store.place(Path::new(&info.path))?;
                    image.compress(name, &path, info, self.key(info), meter)?;
                }
            }
            meter.add(info.nar_size);
            write_back.reached(image.position()?).map_err(failed)?;
        }
        image.registration(registration(self.closure).into_bytes())?;
        let superblock = image.finish()?;
        Ok((superblock, hits))
    }
}

/// An image in the making.
struct Building<'o> {
    writer: Writer<'o, &'o File>,
    tree: Tree<flk_squashfs::ContentId>,
    /// What is in the store paths.
    grafts: Grafts<'static>,
    /// What is known of runs that are not written yet.
    described: HashMap<RunId, (Key, PathNodes)>,
    /// Where the image is in its file.
    offset: u64,
    to_keep: SyncSender<New>,
}

impl<'o> Building<'o> {
    /// Puts in a path that was packed before.
    fn copy(&mut self, name: &[u8], mut file: File, packed: PackedPath) -> Result<(), Error> {
        let length = packed.run.length;
        let copy = move |out: &mut &'o File| {
            file.rewind()?;
            // Within the kernel, or by sharing blocks, where the file systems can do that.
            let copied = io::copy(&mut file.take(length), out)?;
            match copied == length {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        let run = self
            .writer
            .append(packed.run, copy)
            .map_err(Error::squashfs)?;
        self.enter(name, packed.nodes, run)?;
        self.pass_on();
        Ok(())
    }

    /// Packs a path of the store.
    fn compress(
        &mut self,
        name: &[u8],
        path: &Path,
        info: &PathInfo,
        key: Key,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let run = self.writer.begin_run().map_err(Error::squashfs)?;
        let mut hasher = NarHasher::new();
        let nodes = walk(path, &mut hasher, &mut |hasher, path, _, length| {
            let file = Told::new(path, length, hasher);
            let content = self.writer.pack(&file).map_err(Error::squashfs)?;
            if !file.is_complete() {
                return Err(Error::Unsupported {
                    path: path.into(),
                    reason: "it changed while it was read",
                });
            }
            meter.look_ahead(length);
            Ok(content.index())
        })?;
        let found = hasher.finish();
        if found != info.nar_hash {
            return Err(Error::Corrupt {
                path: info.path.clone(),
                expected: info.nar_hash.clone(),
                found,
            });
        }
        self.enter(name, nodes.clone(), run)?;
        self.described.insert(run, (key, nodes));
        self.pass_on();
        Ok(())
    }

    fn enter(&mut self, name: &[u8], nodes: PathNodes, run: RunId) -> Result<(), Error> {
        enter(&mut self.tree, &mut self.grafts, name, nodes, run).map_err(Error::squashfs)
    }

    /// How far the file is written, in bytes from its beginning.
    fn position(&self) -> Result<u64, Error> {
        let mut out: &File = self.writer.get_ref();
        out.stream_position().map_err(failed)
    }

    /// What is written is passed on to be kept.
    fn pass_on(&mut self) {
        while let Some((id, range, run)) = self.writer.next_packed() {
            let Some((key, nodes)) = self.described.remove(&id) else {
                continue;
            };
            let new = New {
                key,
                packed: PackedPath { nodes, run },
                offset: self.offset + range.start,
            };
            // Nobody listens only if that thread has panicked, which is said by then.
            let _ = self.to_keep.send(new);
        }
    }

    /// `nix-path-registration`, which changes whenever anything does: behind all paths.
    fn registration(&mut self, text: Vec<u8>) -> Result<(), Error> {
        self.writer.begin_run().map_err(Error::squashfs)?;
        let content = self.writer.pack(&text).map_err(Error::squashfs)?;
        let node = Node {
            attributes: attributes(0o444),
            kind: Kind::File(content),
        };
        self.tree
            .insert(Tree::<()>::ROOT, b"nix-path-registration", node)
            .map_err(Error::squashfs)?;
        Ok(())
    }

    /// Writes the tables and the superblock; gives the image's length.
    fn finish(mut self) -> Result<u64, Error> {
        self.writer.flush().map_err(Error::squashfs)?;
        self.pass_on();
        let offset = self.offset;
        let finished = self.writer.finish_grafted(&self.tree, self.grafts);
        let (mut out, superblock) = finished.map_err(Error::squashfs)?;
        let bytes: [u8; SUPERBLOCK_LEN] = superblock.to_bytes();
        out.write_all_at(&bytes, offset).map_err(failed)?;
        Ok(out.stream_position().map_err(failed)? - offset)
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("write", PathBuf::from("the store image"))(error)
}
