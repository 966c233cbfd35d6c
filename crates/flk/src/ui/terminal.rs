//! Events on standard error and standard output: each phase a bar on a terminal, a few plain lines elsewhere.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rustix::fs::{FileType, OFlags, SeekFrom};

use super::{
    event::{Event, Unit, since},
    text::{bytes, duration},
};

/// Without a terminal, a phase that goes on says so this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Standard error with the bars below everything else, and standard output.
#[derive(Default)]
pub(super) struct Terminal {
    bars: MultiProgress,
    phases: BTreeMap<u64, Shown>,
    broken: bool,
    /// Why standard output did not take something.
    output: Option<io::Error>,
}

enum Shown {
    Bar(ProgressBar),
    Plain(Plain),
}

/// A phase without a terminal.
struct Plain {
    name: String,
    unit: Unit,
    started: Instant,
    done: u64,
    total: u64,
    told: Instant,
    announced: bool,
}

impl Terminal {
    /// Shows an event. What only journals have is not shown.
    pub(super) fn show(&mut self, event: Event) {
        match event {
            Event::Note { text } => self.line(text),
            Event::Warning { text } => {
                self.line(format_args!("warning: {}", text.replace('\n', "\n    ")));
            }
            Event::Data { text } => self.output(|out| writeln!(out, "{text}")),
            Event::Failure { text } => self.write(text),
            Event::Start {
                phase,
                name,
                unit,
                at,
            } => {
                let shown = self.begin(name, unit, since(at));
                self.phases.insert(phase, shown);
            }
            Event::Progress { phase, done, total } => {
                let line = match self.phases.get_mut(&phase) {
                    Some(Shown::Bar(bar)) => {
                        bar.set_length(total);
                        bar.set_position(done);
                        None
                    }
                    Some(Shown::Plain(plain)) => plain.advance(done, total),
                    None => None,
                };
                if let Some(line) = line {
                    self.line(line);
                }
            }
            Event::Message { phase, text } => {
                if let Some(Shown::Bar(bar)) = self.phases.get(&phase) {
                    bar.set_message(text);
                }
            }
            Event::Finish { phase, text } => {
                if let Some(Shown::Bar(bar)) = self.phases.remove(&phase) {
                    bar.finish_and_clear();
                }
                if let Some(text) = text {
                    self.line(text);
                }
            }
            Event::Question { text } => self.line(text),
            Event::Begin { .. } | Event::End { .. } => {}
        }
    }

    /// A file's bytes, as they are. A file that does not take all of them gets none: half of one is worse than nothing.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let end = end_of_file(&io::stdout());
        self.output(|out| {
            out.write_all(bytes)
                .inspect_err(|_| end.iter().for_each(|end| cut(&io::stdout(), *end)))
        });
    }

    /// Why standard output did not take everything, if it did not. That nobody reads any more is no reason.
    pub(super) fn take_output_error(&mut self) -> Option<io::Error> {
        self.output.take()
    }

    /// Whether what was said could not be heard: the terminal or the reader is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn begin(&self, name: String, unit: Unit, elapsed: Duration) -> Shown {
        if !io::stderr().is_terminal() {
            let now = Instant::now();
            return Shown::Plain(Plain {
                name,
                unit,
                started: now.checked_sub(elapsed).unwrap_or(now),
                done: 0,
                total: 0,
                told: now,
                announced: false,
            });
        }
        let bar = ProgressBar::new(0)
            .with_style(style(unit))
            .with_elapsed(elapsed);
        let bar = self.bars.add(bar);
        bar.set_prefix(format!("{name:<9}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Shown::Bar(bar)
    }

    /// Writes to standard output, to the end.
    fn output(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let stdout = io::stdout();
        let mut lock = stdout.lock();
        let outcome = write(&mut lock).and_then(|()| lock.flush());
        drop(lock);
        self.note_outcome(&outcome);
        if let Err(error) = outcome
            && !is_gone(&error, &stdout)
        {
            self.output.get_or_insert(error);
        }
    }

    fn line(&mut self, text: impl Display) {
        self.write(format_args!("{text}\n"));
    }

    /// Writes to standard error without tearing the bars.
    fn write(&mut self, text: impl Display) {
        let text = text.to_string();
        let outcome = self
            .bars
            .suspend(|| io::stderr().lock().write_all(text.as_bytes()));
        self.note_outcome(&outcome);
    }

    /// EPIPE: nobody reads any more; EIO: the terminal has hung up.
    fn note_outcome(&mut self, outcome: &io::Result<()>) {
        if let Err(error) = outcome {
            self.broken |= error.kind() == ErrorKind::BrokenPipe
                || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
        }
    }
}

/// Nobody reads any more, or the terminal has hung up.
fn is_gone(error: &io::Error, stream: &impl IsTerminal) -> bool {
    error.kind() == ErrorKind::BrokenPipe
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
            && stream.is_terminal()
}

/// Where the next byte of a regular file goes.
fn end_of_file(stream: &impl AsFd) -> Option<u64> {
    let stat = rustix::fs::fstat(stream).ok()?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return None;
    }
    let flags = rustix::fs::fcntl_getfl(stream).ok()?;
    if flags.contains(OFlags::APPEND) {
        return u64::try_from(stat.st_size).ok();
    }
    rustix::fs::seek(stream, SeekFrom::Current(0)).ok()
}

/// Takes away what a file has behind `end`.
fn cut(stream: &impl AsFd, end: u64) {
    let _ = rustix::fs::ftruncate(stream, end);
    let _ = rustix::fs::seek(stream, SeekFrom::Start(end));
}

impl Plain {
    /// Notes how far it has come; a line if it is time for one.
    fn advance(&mut self, done: u64, total: u64) -> Option<String> {
        (self.done, self.total) = (done, total);
        if !self.announced && total > 0 {
            self.announced = true;
            self.told = Instant::now();
            match self.unit {
                Unit::Bytes => Some(format!("{}: {}", self.name, bytes(total))),
                Unit::Count => Some(self.position()),
                Unit::Time => None,
            }
        } else if self.told.elapsed() >= PLAIN_INTERVAL {
            self.told = Instant::now();
            Some(self.position())
        } else {
            None
        }
    }

    fn position(&self) -> String {
        let position = match self.unit {
            Unit::Bytes => format!("{} of {}", bytes(self.done), bytes(self.total)),
            Unit::Count => format!("{} of {}", self.done, self.total),
            Unit::Time => duration(self.started.elapsed()),
        };
        format!("{}: {position}", self.name)
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let template = match unit {
        Unit::Time => "{prefix} {spinner} {elapsed} {wide_msg}",
        Unit::Count => "{prefix} [{bar:24}] {pos} of {len}, {elapsed} {wide_msg}",
        Unit::Bytes => {
            "{prefix} [{bar:24}] {decimal_bytes} of {decimal_total_bytes}, {eta} left {wide_msg}"
        }
    };
    ProgressStyle::with_template(template)
        .expect("the templates above are valid")
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_in_plain_lines() {
        let now = Instant::now();
        let mut phase = Plain {
            name: "copy".into(),
            unit: Unit::Bytes,
            started: now,
            done: 0,
            total: 0,
            told: now,
            announced: false,
        };
        assert_eq!(phase.advance(0, 0), None);
        assert_eq!(phase.advance(0, 2_000_000).as_deref(), Some("copy: 2.0 MB"));
        assert_eq!(phase.advance(1_000_000, 2_000_000), None);
        phase.told = now.checked_sub(PLAIN_INTERVAL).unwrap();
        assert_eq!(
            phase.advance(1_500_000, 2_000_000).as_deref(),
            Some("copy: 1.5 MB of 2.0 MB")
        );
    }
}
