//! How far the making of an ISO has come.

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The closure is compressed into the store image; bytes are of the closure.
    Compress,
    /// What is around the store image is written, and the ISO's digests are made; bytes are of the ISO.
    Wrap,
    /// The ISO is brought to the disk; bytes are of the ISO.
    Sync,
}

/// A point in a phase. Within a phase `done` never falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The part of the work.
    pub phase: Phase,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes of the whole phase, as far as they are known by now.
    pub total: u64,
}

/// Passes on only what has grown, so that a bar never runs backwards.
pub(crate) struct Meter<'a> {
    phase: Phase,
    total: u64,
    done: u64,
    /// Bytes of the parts that are done.
    parts: u64,
    /// Bytes of the part that is being done.
    ahead: u64,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Meter<'a> {
    pub(crate) fn new(phase: Phase, total: u64, tell: &'a mut dyn FnMut(Progress)) -> Self {
        tell(Progress {
            phase,
            done: 0,
            total,
        });
        Meter {
            phase,
            total,
            done: 0,
            parts: 0,
            ahead: 0,
            tell,
        }
    }

    /// A part of so many bytes is done, whatever of it was seen before.
    pub(crate) fn add(&mut self, part: u64) {
        self.parts += part;
        self.ahead = 0;
        self.reach(self.parts.min(self.total));
    }

    /// So many bytes more are done of the part that comes next.
    pub(crate) fn look_ahead(&mut self, bytes: u64) {
        self.ahead += bytes;
        self.reach((self.parts + self.ahead).min(self.total));
    }

    /// All of it is done.
    pub(crate) fn finish(mut self) {
        self.reach(self.total);
    }

    /// So much is done.
    pub(crate) fn reach(&mut self, done: u64) {
        if done > self.done {
            self.done = done;
            (self.tell)(Progress {
                phase: self.phase,
                done,
                total: self.total,
            });
        }
    }
}
