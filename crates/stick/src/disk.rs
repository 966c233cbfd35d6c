//! What is written to: a device, or a file in its place, past the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FlockOperation, OFlags, fadvise, fcntl_getfl, fcntl_setfl, flock};

use crate::usage::Use;
use crate::{Error, Result};

/// Bytes that can be read and written at any place by several threads. Positions, lengths and addresses are multiples of 4096, but for a last length.
pub trait Disk: Sync {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// As reading files has them.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes `bytes` from `offset` on.
    ///
    /// # Errors
    /// As writing files has them.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when what was written is there without power, and nobody reads it from memory.
    ///
    /// # Errors
    /// As syncing files has them.
    fn settle(&self) -> io::Result<()>;
}

/// A device or file that is ours alone.
#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
}

impl Opened {
    /// Opens a target. A device that is mounted, or that the kernel uses otherwise, cannot be opened so, and not be mounted from then on (open(2),
    /// `O_EXCL`); udev leaves it alone (systemd's "Locking Block Device Access").
    pub(crate) fn open(path: &Path, is_device: bool) -> Result<Opened> {
        let mut flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if is_device {
            flags |= OFlags::EXCL;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::BUSY.raw_os_error() => Error::InUse {
                    path: path.to_owned(),
                    reason: Use::Held,
                },
                _ => Error::io("open", path)(error),
            })?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::InUse {
            path: path.to_owned(),
            reason: Use::Locked,
        })?;
        // Not every file system can; there the cache is emptied instead, by `settle`.
        let _ =
            fcntl_getfl(&file).and_then(|flags| fcntl_setfl(file.as_fd(), flags | OFlags::DIRECT));
        Ok(Opened { file })
    }

    /// The file, for a look at its metadata.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Disk for Opened {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn settle(&self) -> io::Result<()> {
        self.file.sync_all()?;
        forget(&self.file);
        Ok(())
    }
}

/// Lets the next reader of a file have what the disk has, and not what memory has of it (posix_fadvise(2)).
pub(crate) fn forget(file: &File) {
    // Where the kernel does not, nothing is wrong by it alone.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}
