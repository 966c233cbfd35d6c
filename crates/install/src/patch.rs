//! A place on the target that becomes what it is told to be, with no more writing than that takes: what an earlier run has left of it is compared, and kept
//! where it is right. Where nothing can be left, nothing is looked for.
//!
//! What is written starts on its way to the disk at once, so that the sync at the end finds little to wait for, and leaves the memory of a machine that may have
//! little of it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, CWD, Mode, Timespec, Timestamps, fchmod, futimens, utimensat};

use crate::{Error, Result};

/// So many bytes of a file are sent to the disk together. Smaller files are left to the kernel, which joins what lies side by side.
const WRITE_BACK: u64 = 4 << 20;
/// The times that Nix gives to all files (`canonicalisePathMetaData`).
const TIMES: Timestamps = Timestamps {
    last_access: SECOND,
    last_modification: SECOND,
};
const SECOND: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Where a file, folder or link is to be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// Nothing is there, and nobody else puts anything there.
    is_new: bool,
}

impl Place {
    /// Has a look at what is there.
    pub(crate) fn find(path: &Path) -> Place {
        let found = fs::symlink_metadata(path);
        Place {
            path: path.to_owned(),
            is_new: found.is_err_and(|error| error.kind() == ErrorKind::NotFound),
        }
    }

    /// In a folder that was opened.
    pub(crate) fn child(&self, name: &OsStr) -> Place {
        Place {
            path: self.path.join(name),
            is_new: self.is_new,
        }
    }

    /// Becomes a link.
    pub(crate) fn link(self, to: &Path) -> Result<()> {
        let path = &self.path;
        if self.is_new || fs::read_link(path).map_or(true, |there| there != to) {
            if !self.is_new {
                remove(path)?;
            }
            symlink(to, path).map_err(Error::io("create", path))?;
        }
        utimensat(CWD, path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::errno("set the time of", path))
    }

    /// Becomes a folder to be filled: what is in it and has no place there goes.
    pub(crate) fn open_folder(&self, has_place: impl Fn(&OsStr) -> bool) -> Result<()> {
        let path = &self.path;
        let is_there = !self.is_new && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        if is_there {
            set_mode_of(path, 0o700)?;
            for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
                let entry = entry.map_err(Error::io("read", path))?;
                if !has_place(&entry.file_name()) {
                    remove(&entry.path())?;
                }
            }
            return Ok(());
        }
        if !self.is_new {
            remove(path)?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(Error::io("create", path))
    }

    /// Everything is in the folder.
    pub(crate) fn close_folder(self) -> Result<()> {
        set_mode_of(&self.path, 0o555)?;
        utimensat(CWD, &self.path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::errno("set the time of", &self.path))
    }

    /// Becomes a file with this mode; another kind of thing that is there goes.
    pub(crate) fn open_file(self, mode: u32) -> Result<PatchedFile> {
        let path = self.path;
        let is_there =
            !self.is_new && fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        if !self.is_new && !is_there {
            remove(&path)?;
        }
        let file = OpenOptions::new()
            .read(is_there)
            .write(true)
            .create_new(!is_there)
            .mode(mode)
            .open(&path)
            .map_err(Error::io(if is_there { "open" } else { "create" }, &path))?;
        let found = file.metadata().map_err(Error::io("read", &path))?;
        if is_there {
            forget(&file);
        }
        if found.mode() & 0o7777 != mode {
            fchmod(&file, Mode::from_raw_mode(mode))
                .map_err(Error::errno("set the mode of", &path))?;
        }
        Ok(PatchedFile {
            path,
            file,
            position: 0,
            sent: 0,
            length: found.len(),
            buffer: Vec::new(),
        })
    }
}

/// A file under way, from its beginning to where it has come.
#[derive(Debug)]
pub(crate) struct PatchedFile {
    path: PathBuf,
    file: File,
    /// Where it has come, in bytes.
    position: u64,
    /// Up to where it is on its way to the disk, in bytes.
    sent: u64,
    /// What was there before, in bytes.
    length: u64,
    buffer: Vec<u8>,
}

impl PatchedFile {
    /// The next bytes of the file; gives how many of them had to be written.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let is_within = self.length > self.position;
        let is_right = is_within && self.is_there(bytes)?;
        if !is_right {
            if is_within {
                self.file
                    .seek(SeekFrom::Start(self.position))
                    .map_err(Error::io("write", &self.path))?;
            }
            self.file
                .write_all(bytes)
                .map_err(Error::io("write", &self.path))?;
        }
        self.position += bytes.len() as u64;
        if self.position - self.sent >= WRITE_BACK {
            self.send();
        }
        Ok(if is_right { 0 } else { bytes.len() as u64 })
    }

    /// Cuts off what was there beyond the end.
    pub(crate) fn end(mut self) -> Result<()> {
        if self.length > self.position {
            self.file
                .set_len(self.position)
                .map_err(Error::io("write", &self.path))?;
        }
        futimens(&self.file, &TIMES).map_err(Error::errno("set the time of", &self.path))?;
        if self.sent > 0 {
            self.send();
            forget(&self.file);
        }
        Ok(())
    }

    /// Whether these bytes are what the file has here. What cannot be read is not.
    fn is_there(&mut self, bytes: &[u8]) -> Result<bool> {
        if self.length < self.position + bytes.len() as u64 {
            return Ok(false);
        }
        self.buffer.resize(bytes.len(), 0);
        self.file
            .seek(SeekFrom::Start(self.position))
            .map_err(Error::io("read", &self.path))?;
        Ok(self.file.read_exact(&mut self.buffer).is_ok() && self.buffer == bytes)
    }

    /// Has the kernel begin to write what was put, and forget what is written (Linux's `POSIX_FADV_DONTNEED` does both).
    fn send(&mut self) {
        let length = std::num::NonZeroU64::new(self.position - self.sent);
        let _ = rustix::fs::fadvise(&self.file, self.sent, length, Advice::DontNeed);
        self.sent = self.position;
    }
}

/// Lets the next reader of a file that is on disk have what the disk has: memory still has what the disk has failed to write (posix_fadvise(2)).
pub(crate) fn forget(file: &File) {
    // Where the kernel does not, nothing is wrong by it alone.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Removes a file, a link or a whole folder, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(Error::io("remove", path))
}

fn set_mode_of(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))
}
