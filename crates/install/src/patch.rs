//! A file that becomes what it is told to be, with no more writing than that takes: what an earlier run has left of it is compared, and kept where it is right.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file under way, from its beginning to where it has come.
pub(crate) struct Patched {
    path: PathBuf,
    file: File,
    /// Where it has come, in bytes.
    position: u64,
    /// What was there before, in bytes.
    length: u64,
    buffer: Vec<u8>,
}

impl Patched {
    /// Opens a file; what is there and is none is removed.
    pub(crate) fn open(path: &Path) -> Result<Patched> {
        let is_there = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !is_there {
            remove(path)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(!is_there)
            .mode(0o600)
            .open(path)
            .map_err(Error::io(if is_there { "open" } else { "create" }, path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        if is_there {
            forget(&file);
        }
        Ok(Patched {
            path: path.to_owned(),
            file,
            position: 0,
            length,
            buffer: Vec::new(),
        })
    }

    /// The next bytes of the file; gives how many of them had to be written.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let end = self.position + bytes.len() as u64;
        let is_right = self.length > self.position && self.is_there(bytes)?;
        if !is_right {
            self.file
                .seek(SeekFrom::Start(self.position))
                .and_then(|_| self.file.write_all(bytes))
                .map_err(Error::io("write", &self.path))?;
        }
        self.position = end;
        Ok(if is_right { 0 } else { bytes.len() as u64 })
    }

    /// Cuts off what was there beyond the end.
    pub(crate) fn end(self) -> Result<()> {
        if self.length > self.position {
            self.file
                .set_len(self.position)
                .map_err(Error::io("write", &self.path))?;
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
}

/// Lets the next reader of a file that is on disk have what the disk has: memory still has what the disk has failed to write (posix_fadvise(2)).
pub(crate) fn forget(file: &File) {
    // Where the kernel does not, nothing is wrong by it alone.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
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
