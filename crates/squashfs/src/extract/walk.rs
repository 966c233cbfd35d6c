//! The walk through the tree, which makes what has no content, and gives out what has.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::attributes::Giver;
use super::content::{Batch, Job, Parts, is_large};
use super::{Extracted, refused};
use crate::error::{Error, Result};
use crate::format::InodeRef;
use crate::read::{Entries, Image, Inode, InodeKind, ReadAt};
use crate::tree::Device;

/// An iterator over the files that are to be written.
pub(super) struct Walk<'e, R> {
    image: &'e Image<R>,
    giver: &'e Giver<'e, R>,
    /// Folders that are still to be listed, the one that is being listed last.
    open: Vec<(PathBuf, Entries<'e, R>)>,
    batch: Batch,
    parts: Option<Parts<'e, R>>,
    /// Folders that were made: they get their attributes when everything is in them.
    folders: Vec<(PathBuf, Inode)>,
    seen: HashSet<InodeRef>,
    /// The first name of what has several.
    named: HashMap<InodeRef, PathBuf>,
    /// The other names, each with the first.
    links: Vec<(PathBuf, PathBuf)>,
    extracted: Extracted,
}

impl<'e, R: ReadAt> Walk<'e, R> {
    pub(super) fn new(
        image: &'e Image<R>,
        giver: &'e Giver<'e, R>,
        inode: &Inode,
        to: &Path,
    ) -> Result<Walk<'e, R>> {
        let mut walk = Walk {
            image,
            giver,
            open: Vec::new(),
            batch: Batch::default(),
            parts: None,
            folders: Vec::new(),
            seen: HashSet::new(),
            named: HashMap::new(),
            links: Vec::new(),
            extracted: Extracted::default(),
        };
        walk.make(to.into(), inode.clone())?;
        Ok(walk)
    }

    /// What can only be done when all content is there: further names, and the attributes of folders, those of the innermost first.
    pub(super) fn finish(self) -> Result<Extracted> {
        for (first, name) in &self.links {
            fs::hard_link(first, name).map_err(refused(name))?;
        }
        for (path, inode) in self.folders.iter().rev() {
            self.giver.give(inode, path, None)?;
        }
        Ok(self.extracted)
    }

    /// Goes on until there is a job, or nothing more.
    fn step(&mut self) -> Result<Option<Job<'e, R>>> {
        loop {
            if let Some(parts) = &mut self.parts {
                if let Some(part) = parts.next()? {
                    return Ok(Some(Job::Part(part)));
                }
                self.parts = None;
            }
            let Some((folder, entries)) = self.open.last_mut() else {
                return Ok(self.batch.take().map(Job::Batch));
            };
            let Some(entry) = entries.next().transpose()? else {
                self.open.pop();
                continue;
            };
            let path = folder.join(OsStr::from_bytes(&entry.name));
            let full = self.make(path, self.image.inode(entry.inode)?)?;
            if let Some(batch) = full {
                return Ok(Some(Job::Batch(batch)));
            }
        }
    }

    /// Makes one thing, or notes it; a batch that it does not go with comes back.
    fn make(&mut self, path: PathBuf, inode: Inode) -> Result<Option<Batch>> {
        self.extracted.entries += 1;
        let is_folder = matches!(inode.kind, InodeKind::Directory(_));
        if inode.link_count > 1 && !is_folder {
            if let Some(first) = self.named.get(&inode.reference) {
                self.links.push((first.clone(), path));
                return Ok(None);
            }
            self.named.insert(inode.reference, path.clone());
        }
        let made = match &inode.kind {
            InodeKind::Directory(folder) => {
                if !self.seen.insert(inode.reference) {
                    let table = self.image.superblock().inode_table;
                    let reason = "a folder has two names, or contains itself";
                    return Err(Error::damaged(table + inode.reference.block(), reason));
                }
                let made = DirBuilder::new().mode(0o700).create(&path);
                made.map_err(refused(&path))?;
                self.open.push((path.clone(), self.image.entries(folder)));
                self.folders.push((path, inode));
                return Ok(None);
            }
            InodeKind::File(file) => {
                self.extracted.bytes = self.extracted.bytes.saturating_add(file.size);
                if is_large(file) {
                    self.parts = Some(Parts::of(self.image, file.clone(), path, inode)?);
                    return Ok(None);
                }
                let full = self.batch.take_unless_fits(file);
                self.batch.put(file.clone(), path, inode);
                return Ok(full);
            }
            InodeKind::Symlink(target) => symlink(OsStr::from_bytes(target), &path),
            InodeKind::BlockDevice(device) => special(&path, FileType::BlockDevice, *device),
            InodeKind::CharDevice(device) => special(&path, FileType::CharacterDevice, *device),
            InodeKind::Fifo => special(&path, FileType::Fifo, NO_DEVICE),
            InodeKind::Socket => special(&path, FileType::Socket, NO_DEVICE),
        };
        made.map_err(refused(&path))?;
        self.giver.give(&inode, &path, None)?;
        Ok(None)
    }
}

impl<'e, R: ReadAt> Iterator for Walk<'e, R> {
    type Item = Result<Job<'e, R>>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.open.clear();
            self.parts = None;
        }
        step.transpose()
    }
}

const NO_DEVICE: Device = Device { major: 0, minor: 0 };

fn special(path: &Path, kind: FileType, device: Device) -> io::Result<()> {
    let device = makedev(device.major, device.minor);
    Ok(mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device)?)
}
