//! The folder beside a target in which it is made, so that the finished file is renamed, never copied.
//!
//! `.NAME.flk` is locked (flock(2)) while a process works in it. A lock ends with its process, however that ends, so
//! what a run finds in a folder that it could lock was left by one that died, and is removed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;

/// The end of its name.
const END: &str = ".flk";
/// The files that are made in it.
const FILES: [&str; 2] = ["iso", "squashfs"];

/// A locked, empty folder; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Scratch {
    /// The folder for `target`, whose own folder exists.
    pub(crate) fn beside(target: &Path) -> Result<Scratch, Error> {
        let path = workplace(target);
        loop {
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("create", &path)(error));
                }
                _ => {}
            }
            let lock = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(Error::io("open", &path))?,
            };
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::Busy {
                        path: target.into(),
                    });
                }
                // A file system without locks (some network ones): go on without.
                Ok(()) | Err(Errno::BADF | Errno::NOLCK | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(Error::io("lock", &path)(errno.into())),
            }
            // Whoever held the lock before may have removed the folder that this lock is on.
            let ours = lock.metadata().map_err(Error::io("read", &path))?;
            match fs::metadata(&path) {
                Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => {}
                _ => continue,
            }
            empty(&path)?;
            return Ok(Scratch { path, _lock: lock });
        }
    }

    /// The place of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where a file is made: a directory beside it.
pub fn workplace(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(END);
    folder_of(target).join(name)
}

/// Removes what killed runs have left in a directory, whatever they were making there. What cannot be removed stays: the run does not depend on it.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_workplace = name.starts_with(b".") && name.ends_with(END.as_bytes());
        if is_workplace && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_one(&entry.path());
        }
    }
}

/// One of them, if nobody works there: the lock tells. Files of other names are not flk's.
fn sweep_one(path: &Path) {
    let Ok(lock) = File::open(path) else { return };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    for name in FILES {
        let _ = fs::remove_file(path.join(name));
    }
    let _ = fs::remove_dir(path);
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Free bytes for this user in the file system of a folder.
pub(crate) fn free(folder: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|errno| Error::io("ask for the free space of", folder)(errno.into()))?;
    Ok(stat.f_bavail * stat.f_frsize)
}

fn empty(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        let is_dir = entry
            .file_type()
            .map_err(Error::io("read", &path))?
            .is_dir();
        let removed = if is_dir {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_removes_what_killed_runs_have_left_of_any_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [".dead.iso.flk", ".own.flk"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at(".dead.iso.flk/iso"), "half").unwrap();
        fs::write(at(".own.flk/notes"), "mine").unwrap();
        let busy = Scratch::beside(&at("busy.iso")).unwrap();
        fs::write(busy.file("iso"), "half").unwrap();
        sweep(dir.path());
        assert!(!at(".dead.iso.flk").exists());
        assert!(at(".own.flk/notes").exists() && busy.file("iso").exists());
        drop(busy);
        assert!(!at(".busy.iso.flk").exists());
    }

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.iso");
        let scratch = Scratch::beside(&target).unwrap();
        assert!(matches!(Scratch::beside(&target), Err(Error::Busy { .. })));
        assert!(Scratch::beside(&dir.path().join("b.iso")).is_ok());
        drop(scratch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".a.iso.flk");
        fs::create_dir_all(left.join("sub")).unwrap();
        fs::write(left.join("store.squashfs"), "half").unwrap();
        let scratch = Scratch::beside(&dir.path().join("a.iso")).unwrap();
        assert_eq!(fs::read_dir(&scratch.path).unwrap().count(), 0);
    }
}
