//! A file of the cache while it is written: beside its place, and locked (flock(2)) for as long. One that nobody has locked was left by a run
//! that died, and is removed by the next.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

/// What the names of such files begin with.
const PREFIX: &str = ".new-";
/// How many this process has begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Removed when dropped, unless it has got its place.
pub(super) struct NewFile {
    path: PathBuf,
    /// Holds the lock.
    file: File,
    in_place: bool,
}

impl NewFile {
    /// In a folder; for this user alone.
    pub(super) fn create(folder: &Path) -> io::Result<NewFile> {
        loop {
            let number = BEGUN.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{number}", std::process::id()));
            let file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            let new = NewFile {
                path,
                file,
                in_place: false,
            };
            // Only who removes debris may have been faster, and holds it for a moment. A file system without locks (some network ones): go on without;
            // nothing is debris there.
            let _ = retry_on_intr(|| flock(&new.file, FlockOperation::LockExclusive));
            if new.file.metadata()?.nlink() > 0 {
                return Ok(new);
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its place in the folder, and that of what was there.
    pub(super) fn put_in_place(mut self, name: &str) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_file_name(name))?;
        self.in_place = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes from a folder what killed runs have left.
pub(super) fn remove_debris(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Another run may have removed it by now, or given it its place.
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        // Locked until it is gone, so that who has just created it sees that it is.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn what_is_being_written_is_no_debris() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let is_written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_written.load(Ordering::Relaxed) {
                    remove_debris(folder).unwrap();
                }
            });
            let written = (0..2000).try_for_each(|number| {
                let new = NewFile::create(folder)?;
                new.file().write_all(b"whole")?;
                new.put_in_place(&number.to_string())
            });
            is_written.store(true, Ordering::Relaxed);
            written.unwrap();
        });
        for number in 0..2000 {
            let path = folder.join(number.to_string());
            assert_eq!(fs::read(path).unwrap(), b"whole");
        }
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2000);
    }

    #[test]
    fn what_is_not_finished_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let new = NewFile::create(dir.path()).unwrap();
        new.file().write_all(b"half").unwrap();
        drop(new);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
