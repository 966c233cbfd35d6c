//! How far the making of an ISO has come.

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The closure is compressed into the store image; bytes are of the closure.
    Compress,
    /// The store image and the contents are joined into the ISO; bytes are of the ISO.
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
            tell,
        }
    }

    /// `part` of `whole` is done.
    pub(crate) fn fraction(&mut self, part: f64, whole: f64) {
        if whole > 0.0 && part >= 0.0 {
            let done = (self.total as f64 * (part / whole).min(1.0)) as u64;
            self.reach(done);
        }
    }

    /// All of it is done.
    pub(crate) fn finish(mut self) {
        self.reach(self.total);
    }

    fn reach(&mut self, done: u64) {
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
