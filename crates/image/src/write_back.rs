//! What is written is on its way to the disk while more comes. Without that, the kernel keeps most of an image in memory, and the disk begins when the
//! processors are done.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use crate::Error;

/// After how many new bytes the disk is to write.
const STEP: u64 = 64 << 20;

/// Tells the disk's thread how far the file is written.
pub(crate) struct WriteBack<'w> {
    /// Nothing once all is written.
    to_disk: Option<SyncSender<()>>,
    is_whole: &'w AtomicBool,
    asked_at: u64,
    has_failed: bool,
}

/// Does `work`, which writes the file at `path`, and has a thread bring to the disk what is there. Gives what `work` gives when both are done.
///
/// A failure to write is told to the first that asks for it and to nobody later (fsync(2)): it is a failure of the whole.
pub(crate) fn beside<R>(
    file: &File,
    path: &Path,
    work: impl FnOnce(&mut WriteBack<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let is_whole = AtomicBool::new(false);
    let is_wanted = &is_whole;
    thread::scope(|scope| {
        // A request that nobody has taken yet is as good as a second one.
        let (to_disk, requests) = sync_channel(1);
        let writing = scope.spawn(move || {
            for () in requests {
                file.sync_data()?;
            }
            match is_wanted.load(Ordering::Acquire) {
                true => file.sync_data(),
                // It came to nothing.
                false => Ok(()),
            }
        });
        let mut write_back = WriteBack {
            to_disk: Some(to_disk),
            is_whole: &is_whole,
            asked_at: 0,
            has_failed: false,
        };
        let result = work(&mut write_back);
        let has_failed = write_back.has_failed;
        drop(write_back);
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(Error::io("sync", path));
        match result {
            Err(error) if !has_failed => Err(error),
            Err(error) => written.and(Err(error)),
            Ok(result) => written.map(|()| result),
        }
    })
}

impl WriteBack<'_> {
    /// The file is written up to here, in bytes from its beginning. Fails once the disk has: then there is no use in writing on.
    pub(crate) fn reached(&mut self, position: u64) -> io::Result<()> {
        if position < self.asked_at + STEP {
            return Ok(());
        }
        self.asked_at = position;
        match self.to_disk.as_ref().map(|to_disk| to_disk.try_send(())) {
            Some(Err(TrySendError::Disconnected(()))) => {
                self.has_failed = true;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            _ => Ok(()),
        }
    }

    /// Nothing more is to come: what is missing on the disk is written now.
    pub(crate) fn all_is_written(&mut self) {
        self.is_whole.store(true, Ordering::Release);
        self.to_disk = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What cannot be synced, as a disk that has failed cannot.
    fn failing() -> (File, &'static Path) {
        let path = Path::new("/dev/null");
        (File::open(path).unwrap(), path)
    }

    #[test]
    fn a_disk_that_fails_ends_the_work() {
        let (file, path) = failing();
        let result: Result<(), Error> = beside(&file, path, |write_back| {
            let mut position = 0;
            loop {
                position += STEP;
                write_back
                    .reached(position)
                    .map_err(Error::io("write", path))?;
                thread::sleep(Duration::from_millis(1));
            }
        });
        let message = result.unwrap_err().to_string();
        assert!(message.contains("sync"), "{message}");
    }

    #[test]
    fn what_is_whole_is_on_the_disk_or_no_result() {
        let (file, path) = failing();
        let result = beside(&file, path, |write_back| {
            write_back.all_is_written();
            Ok(())
        });
        assert!(result.is_err());
        let file = tempfile::tempfile().unwrap();
        let result = beside(&file, path, |write_back| {
            write_back.all_is_written();
            Ok(1)
        });
        assert_eq!(result.unwrap(), 1);
    }

    /// Nor is anything brought to the disk that came to nothing.
    #[test]
    fn the_works_own_failure_is_the_one_that_is_told() {
        let (file, path) = failing();
        let own = || Error::Unsupported {
            path: path.into(),
            reason: "its own",
        };
        let result: Result<(), Error> = beside(&file, path, |_| Err(own()));
        assert_eq!(result.unwrap_err().to_string(), own().to_string());
    }
}
