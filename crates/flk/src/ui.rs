//! What the user sees: notes, warnings and progress on standard error, data on standard output. Only what is in here prints.
//!
//! Nothing on standard error has the secrets of an address in it. Everything that is said is an [`Event`]. It goes to the terminal, or to the journal of a session, whose viewers show it.

mod event;
mod journal;
mod terminal;
mod text;

use std::{
    fmt::Display,
    fs::File,
    io::IsTerminal as _,
    sync::{
        LazyLock, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

pub(crate) use event::{Event, Unit, VERSION, compact, now, since};
pub(crate) use text::{bytes, count, duration};

use flk_address::redact;
use journal::Journal;
use terminal::Terminal;

static TERMINAL: LazyLock<Mutex<Terminal>> = LazyLock::new(Mutex::default);
static JOURNAL: OnceLock<Mutex<Journal>> = OnceLock::new();
static VERBOSE: OnceLock<bool> = OnceLock::new();
static PHASES: AtomicU64 = AtomicU64::new(1);

/// Turns on [`detail`].
pub(crate) fn set_verbose(verbose: bool) {
    let _ = VERBOSE.set(verbose);
}

/// Whether details are wanted.
pub(crate) fn is_verbose() -> bool {
    VERBOSE.get().copied().unwrap_or(false)
}

/// From now on everything that is said goes to this journal, and nothing to the terminal.
pub(crate) fn to_journal(file: File) {
    let _ = JOURNAL.set(Mutex::new(Journal::new(file)));
}

/// Says something.
pub(crate) fn show(event: Event) {
    match JOURNAL.get() {
        Some(journal) => journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(&event),
        None => terminal().show(event),
    }
}

/// Whether the terminal, or the reader of what was said, is gone.
pub(crate) fn is_broken() -> bool {
    JOURNAL.get().is_none() && terminal().is_broken()
}

/// Why standard output did not take everything, if it did not: then the run has failed. A reader that went away (`flk hosts | head -1`) is no
/// failure.
pub(crate) fn output_error() -> Option<std::io::Error> {
    match JOURNAL.get() {
        Some(_) => None,
        None => terminal().take_output_error(),
    }
}

/// Data: to standard output, as it is.
pub(crate) fn data(text: impl Display) {
    let text = text.to_string();
    show(Event::Data { text });
}

/// A file's bytes: to standard output, all or none. Not for journals.
pub(crate) fn raw_data(bytes: &[u8]) {
    terminal().raw(bytes);
}

/// A line for the user.
pub(crate) fn note(text: impl Display) {
    let text = redact(&text.to_string());
    show(Event::Note { text });
}

/// A line for the user, about something that is probably not as it should be.
pub(crate) fn warn(text: impl Display) {
    let text = redact(&text.to_string());
    show(Event::Warning { text });
}

/// A line for the user who asked for `--verbose`.
pub(crate) fn detail(text: impl Display) {
    if is_verbose() {
        note(text);
    }
}

/// Asks the user; `None` where nobody is there to answer.
pub(crate) fn ask(question: &str) -> Option<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    let text = question.to_owned();
    show(Event::Question { text });
    let mut line = String::new();
    stdin.read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// A rendered failure.
pub(crate) fn failure(text: &str) {
    let text = redact(text);
    show(Event::Failure { text });
}

/// The last thing that a worker says.
pub(crate) fn end(code: u8) {
    show(Event::End { code });
}

/// A part of the work that takes time: evaluate, download, build, pack.
pub(crate) struct Phase {
    id: u64,
    name: &'static str,
    started: Instant,
    total: u64,
    is_over: bool,
}

impl Phase {
    /// Begins a phase.
    pub(crate) fn start(name: &'static str, unit: Unit) -> Self {
        let id = PHASES.fetch_add(1, Ordering::Relaxed);
        show(Event::Start {
            phase: id,
            name: name.to_owned(),
            unit,
            at: now(),
        });
        Self {
            id,
            name,
            started: Instant::now(),
            total: 0,
            is_over: false,
        }
    }

    /// How far it has come.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        self.total = total;
        show(Event::Progress {
            phase: self.id,
            done,
            total,
        });
    }

    /// What it is busy with.
    pub(crate) fn message(&self, text: impl Into<String>) {
        show(Event::Message {
            phase: self.id,
            text: redact(&text.into()),
        });
    }

    /// What there is to be done.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Ends the phase with a line.
    pub(crate) fn finish(mut self, what: impl Display) {
        let took = duration(self.started.elapsed());
        let what = redact(&what.to_string());
        self.end(Some(format!("{}: {what} ({took})", self.name)));
    }

    fn end(&mut self, text: Option<String>) {
        self.is_over = true;
        show(Event::Finish {
            phase: self.id,
            text,
        });
    }
}

/// A phase that ends without [`Phase::finish`] has failed: its bar goes, the error speaks.
impl Drop for Phase {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(None);
        }
    }
}

fn terminal() -> MutexGuard<'static, Terminal> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}
