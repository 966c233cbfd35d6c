//! Extracting what an image holds to the disk, by several threads.
//!
//! The tree is walked once: folders, links and special files are made on the way, files are handed to whoever is free. Those that share a fragment go
//! together, so that it is unpacked once; a large file goes in parts. Memory grows with the number of folders and of files with several names, not with
//! content.
//!
//! Not supported: paths of more than 4,096 bytes (`PATH_MAX`).

mod attributes;
mod content;
mod walk;

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use rayon::ThreadPoolBuilder;
use rayon::iter::{ParallelBridge, ParallelIterator};

use crate::error::{Error, Result};
use crate::read::{Image, Inode, InodeKind, ReadAt};
use attributes::Giver;
use walk::Walk;

/// What was extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// Names: files, folders, links and special files.
    pub entries: u64,
    /// Bytes of files, holes included; those of a file with several names once.
    pub bytes: u64,
    /// Extended attributes that the file system does not know, or that only root may set.
    pub attributes_left_out: u64,
}

impl<R: ReadAt + Sync> Image<R> {
    /// Extracts an inode, and all that is in it, to `to`, which must not exist yet. Nothing stays there after a failure.
    ///
    /// Modes, times and extended attributes are the image's. If root extracts, so are owners, and there may be devices; else all belongs to whoever does.
    ///
    /// # Errors
    /// [`Error::Extract`] when the system refuses something; [`Error::Damaged`] and [`Error::Read`] as in all reading.
    pub fn extract(&self, inode: &Inode, to: &Path, threads: NonZeroUsize) -> Result<Extracted> {
        if to.symlink_metadata().is_ok() {
            return Err(refused(to)(io::ErrorKind::AlreadyExists.into()));
        }
        let extracted = self.extract_all(inode, to, threads);
        if extracted.is_err() {
            // A failure of this is less than the one that is told.
            let _ = match &inode.kind {
                InodeKind::Directory(_) => fs::remove_dir_all(to),
                _ => fs::remove_file(to),
            };
        }
        extracted
    }

    fn extract_all(&self, inode: &Inode, to: &Path, threads: NonZeroUsize) -> Result<Extracted> {
        let pool = ThreadPoolBuilder::new().num_threads(threads.get()).build();
        let pool = pool.map_err(|error| refused(to)(io::Error::other(error)))?;
        let giver = Giver::new(self);
        let mut walk = Walk::new(self, &giver, inode, to)?;
        pool.install(|| {
            let jobs = walk.by_ref().par_bridge();
            jobs.try_for_each(|job| job?.run(self, &giver))
        })?;
        let mut extracted = walk.finish()?;
        extracted.attributes_left_out = giver.left_out();
        Ok(extracted)
    }
}

/// The system's refusal to make something.
fn refused(path: &Path) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Extract {
        path: path.into(),
        source,
    }
}
