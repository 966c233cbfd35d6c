//! A store path as it is packed: its files and folders, and the run that has their bytes. What a cache keeps of it.

mod nodes;
mod waiting;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flk_squashfs::{Attributes, ContentId, Grafts, Kind, Node, Run, RunId, Source, Tree};

use crate::Error;
use crate::nar::NarHasher;
pub(crate) use nodes::{PathKind, PathNodes, PathWalk};
use waiting::Waiting;

/// Nix's own time for files in the store.
pub(crate) const TIME: u32 = 1;

/// A store path that is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackedPath {
    /// What it is made of.
    pub(crate) nodes: PathNodes,
    /// Where its files' bytes are.
    pub(crate) run: Run,
}

/// What takes a file: the hasher, its place, whether it is executable, and its length. Gives the content's number.
pub(crate) type OnFile<'f> = dyn FnMut(&mut NarHasher, &Path, bool, u64) -> Result<u32, Error> + 'f;

/// Walks a store path in the order of its NAR, which `hasher` is told; files' bytes are for `on_file` to tell.
pub(crate) fn walk(
    path: &Path,
    hasher: &mut NarHasher,
    on_file: &mut OnFile<'_>,
) -> Result<PathNodes, Error> {
    let mut walk = Walk {
        nodes: PathWalk::default(),
        hasher,
        on_file,
    };
    walk.enter(path, b"")?;
    Ok(walk.nodes.finish())
}

struct Walk<'w, 'f> {
    nodes: PathWalk,
    hasher: &'w mut NarHasher,
    on_file: &'w mut OnFile<'f>,
}

impl Walk<'_, '_> {
    /// Paths are at most 4096 bytes long, so folders are not so deep that the stack would not do.
    fn enter(&mut self, path: &Path, name: &[u8]) -> Result<(), Error> {
        let read = || Error::io("read", path);
        let metadata = fs::symlink_metadata(path).map_err(read())?;
        let kind = metadata.file_type();
        let unsupported = |reason| Error::Unsupported {
            path: path.into(),
            reason,
        };
        if self.nodes.count() == u32::MAX {
            return Err(unsupported("it has too many files"));
        }
        if kind.is_dir() {
            self.nodes.add(name, PathKind::Folder);
            let entries = fs::read_dir(path).map_err(read())?;
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
                .map_err(read())?;
            // As bytes, which is NAR's order.
            names.sort();
            self.hasher.begin_folder();
            for name in names {
                self.hasher.begin_entry(name.as_bytes());
                self.enter(&path.join(&name), name.as_bytes())?;
                self.hasher.end_entry();
            }
            self.hasher.end_folder();
            self.nodes.end_folder();
            return Ok(());
        }
        if kind.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let length = metadata.len();
            self.hasher.begin_file(executable, length);
            let content = (self.on_file)(self.hasher, path, executable, length)?;
            self.hasher.end_file(length);
            let kind = PathKind::File {
                executable,
                content,
            };
            self.nodes.add(name, kind);
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(read())?;
            let target = target.as_os_str().as_bytes();
            self.hasher.link(target);
            self.nodes.add(name, PathKind::Link(target));
        } else {
            return Err(unsupported("it is neither a file nor a folder nor a link"));
        }
        Ok(())
    }
}

/// Puts a store path into the root of the image's tree, as Nix has all files: root's, read-only, changed at second 1. What is in it waits in `grafts`.
pub(crate) fn enter(
    tree: &mut Tree<ContentId>,
    grafts: &mut Grafts<'_>,
    name: &[u8],
    nodes: PathNodes,
    run: RunId,
) -> Result<(), flk_squashfs::Error> {
    // There is always a first.
    let Some(first) = nodes.iter().next() else {
        return Ok(());
    };
    let id = tree.insert(Tree::<ContentId>::ROOT, name, inode(first.kind, run))?;
    if first.kind == PathKind::Folder {
        grafts.insert(id, Box::new(Waiting::of(nodes, run)));
    }
    Ok(())
}

/// Permissions of folders.
const FOLDER: u16 = 0o555;

fn inode(kind: PathKind<'_>, run: RunId) -> Node<ContentId> {
    let (permissions, kind) = match kind {
        PathKind::Folder => (FOLDER, Kind::directory()),
        PathKind::File {
            executable,
            content,
        } => {
            let permissions = if executable { 0o555 } else { 0o444 };
            (permissions, Kind::File(run.content(content)))
        }
        PathKind::Link(target) => (0o777, Kind::Symlink(target.into())),
    };
    Node {
        attributes: attributes(permissions),
        kind,
    }
}

/// Root's, changed at second 1.
pub(crate) fn attributes(permissions: u16) -> Attributes {
    Attributes {
        permissions,
        mtime: TIME,
        ..Attributes::default()
    }
}

/// A file on its way into the image; what is read of it is told to the hasher, once.
pub(crate) struct Told<'h> {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    hasher: RefCell<&'h mut NarHasher>,
    /// How many bytes it was told.
    told: Cell<u64>,
}

impl<'h> Told<'h> {
    pub(crate) fn new(path: &Path, length: u64, hasher: &'h mut NarHasher) -> Told<'h> {
        Told {
            path: path.into(),
            length,
            hasher: RefCell::new(hasher),
            told: Cell::new(0),
        }
    }

    /// Whether the hasher was told the whole file.
    pub(crate) fn is_complete(&self) -> bool {
        self.told.get() == self.length
    }
}

impl Source for Told<'_> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Telling {
            file: File::open(&self.path)?,
            at: 0,
            told: self,
        }))
    }

    fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }
}

/// A reader of a [`Told`]. There may be several, each from the beginning: what is told is what lies behind the farthest.
struct Telling<'t, 'h> {
    file: File,
    at: u64,
    told: &'t Told<'h>,
}

impl Read for Telling<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let end = self.at + count as u64;
        let told = self.told.told.get();
        if end > told {
            let new = &buffer[(told - self.at) as usize..count];
            self.told.hasher.borrow_mut().bytes(new);
            self.told.told.set(end);
        }
        self.at = end;
        Ok(count)
    }
}
