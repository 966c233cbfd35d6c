//! Many blocks, several of them at a time: sticks and cards are faster when they know what comes next.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::buffer::Buffer;
use crate::compare::Run;

/// How many are in flight.
const THREADS: usize = 4;
/// How often it is told how far things have come.
const INTERVAL: Duration = Duration::from_millis(50);

/// What a thread has for its block: one for the target's bytes, one for the image's.
pub(crate) struct Buffers {
    pub(crate) found: Buffer,
    pub(crate) wanted: Buffer,
}

/// Does `work` with each block, and tells the bytes that were dealt with; that `go_on` is false ends it. Gives whether it came to its end.
///
/// # Errors
/// The first of `work`.
pub(crate) fn each(
    blocks: &[Run],
    go_on: &mut dyn FnMut(u64) -> bool,
    work: &(dyn Fn(&mut Buffers, Run) -> Result<()> + Sync),
) -> Result<bool> {
    if !go_on(0) {
        return Ok(false);
    }
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Nothing is sent on it: it is closed when the last thread is done.
        let (end, ended) = mpsc::channel::<()>();
        let threads: Vec<_> = (0..THREADS.min(blocks.len()))
            .map(|_| {
                let end = end.clone();
                scope.spawn(|| {
                    let _end = end;
                    let mut buffers = Buffers {
                        found: Buffer::new(),
                        wanted: Buffer::new(),
                    };
                    while !is_over.load(Ordering::Relaxed) {
                        let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break;
                        };
                        if let Err(error) = work(&mut buffers, *block) {
                            is_over.store(true, Ordering::Relaxed);
                            return Err(error);
                        }
                        done.fetch_add(block.length, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        drop(end);
        let mut is_wanted = true;
        loop {
            let waited = ended.recv_timeout(INTERVAL);
            if is_wanted && !go_on(done.load(Ordering::Relaxed)) {
                is_wanted = false;
                is_over.store(true, Ordering::Relaxed);
            }
            if waited != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        for thread in threads {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(is_wanted)
    })
}
