//! Threads that compress blocks. Results come back in any order, each with the number of its block.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::codec::{Codec, Compressor};
use crate::error::{Error, Result};
use crate::format::BlockWord;

struct Job {
    number: u64,
    input: Vec<u8>,
    out: Vec<u8>,
}

/// A block as it is to lie on the disk.
pub(crate) struct Packed {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) word: BlockWord,
    /// A buffer to be used again.
    spare: Vec<u8>,
}

pub(crate) struct Pipeline {
    jobs: Option<Sender<Job>>,
    packed: Receiver<Result<Packed>>,
    threads: Vec<JoinHandle<()>>,
    spare: Vec<Vec<u8>>,
    next: u64,
}

impl Pipeline {
    pub(crate) fn new(codec: Codec, block_size: u32, threads: NonZeroUsize) -> Result<Pipeline> {
        let (jobs, job_queue) = channel();
        let (results, packed) = channel();
        let job_queue = Arc::new(Mutex::new(job_queue));
        let mut pipeline = Pipeline {
            jobs: Some(jobs),
            packed,
            threads: Vec::new(),
            spare: Vec::new(),
            next: 0,
        };
        for _ in 0..threads.get() {
            let compressor = Compressor::new(codec, block_size)?;
            let (jobs, results) = (Arc::clone(&job_queue), results.clone());
            pipeline.threads.push(std::thread::spawn(move || {
                work(compressor, &jobs, &results);
            }));
        }
        Ok(pipeline)
    }

    /// A buffer, with something old in it: emptying it would have it filled with zeros once more.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// How many blocks were put in.
    pub(crate) fn given(&self) -> u64 {
        self.next
    }

    /// Puts a block in, and says which number its result will have: they are given in order.
    pub(crate) fn put(&mut self, input: Vec<u8>) -> u64 {
        let number = self.next;
        let out = self.buffer();
        self.next += 1;
        if let Some(jobs) = &self.jobs {
            // A send fails only when every thread is gone, which `take` tells.
            let _ = jobs.send(Job { number, input, out });
        }
        number
    }

    /// A result, if there is one; waits for it when told so.
    pub(crate) fn take(&mut self, wait: bool) -> Result<Option<Packed>> {
        let packed = if wait {
            self.packed.recv().map_err(|_| gone())?
        } else {
            match self.packed.try_recv() {
                Ok(packed) => packed,
                Err(std::sync::mpsc::TryRecvError::Empty) => return Ok(None),
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Err(gone()),
            }
        };
        packed.map(Some)
    }

    /// Gives a result's buffers back.
    pub(crate) fn give_back(&mut self, packed: Packed) {
        self.spare.extend([packed.bytes, packed.spare]);
    }

    /// As [`give_back`](Self::give_back), for a buffer that was not put in.
    pub(crate) fn give_back_buffer(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so, and its result is missed by whoever waits for it.
            let _ = thread.join();
        }
    }
}

fn gone() -> Error {
    Error::Compress {
        codec: "its codec",
        reason: "a thread ended unexpectedly".into(),
    }
}

fn work(mut compressor: Compressor, jobs: &Mutex<Receiver<Job>>, results: &Sender<Result<Packed>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job {
            number,
            input,
            mut out,
        }) = job
        else {
            return;
        };
        let packed = compressor.compress(&input, &mut out).map(|smaller| {
            let (bytes, spare) = if smaller { (out, input) } else { (input, out) };
            Packed {
                number,
                word: BlockWord::new(bytes.len(), smaller),
                bytes,
                spare,
            }
        });
        if results.send(packed).is_err() {
            return;
        }
    }
}
