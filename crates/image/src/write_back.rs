//! What is written is on its way to the disk while more comes. Without that, the kernel keeps most of an image in memory, and the disk begins when the
//! processors are done.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// After how many new bytes the disk is to write.
const STEP: u64 = 64 << 20;

/// Tells the disk's thread how far the file is written.
pub(crate) struct WriteBack {
    /// Nothing once all is written.
    to_disk: Option<SyncSender<()>>,
    asked_at: u64,
}

/// Does `work`, which writes `file`, and has a thread bring to the disk what is there. Gives what `work` gives when both are done.
///
/// A failure to write is told to the first that asks for it and to nobody later (fsync(2)): it is the outer result.
pub(crate) fn beside<R>(file: &File, work: impl FnOnce(&mut WriteBack) -> R) -> io::Result<R> {
    thread::scope(|scope| {
        // A request that nobody has taken yet is as good as a second one.
        let (to_disk, requests) = sync_channel(1);
        let writing = scope.spawn(move || {
            for () in requests {
                file.sync_data()?;
            }
            file.sync_data()
        });
        let mut write_back = WriteBack {
            to_disk: Some(to_disk),
            asked_at: 0,
        };
        let result = work(&mut write_back);
        write_back.all_is_written();
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map(|()| result)
    })
}

impl WriteBack {
    /// The file is written up to here, in bytes from its beginning.
    pub(crate) fn reached(&mut self, position: u64) {
        if position >= self.asked_at + STEP {
            self.asked_at = position;
            if let Some(to_disk) = &self.to_disk {
                let _ = to_disk.try_send(());
            }
        }
    }

    /// Nothing more is to come: what is missing on the disk is written now.
    pub(crate) fn all_is_written(&mut self) {
        self.to_disk = None;
    }
}
