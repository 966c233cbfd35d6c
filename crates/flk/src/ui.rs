//! What the user sees: notes, warnings and progress on standard error, data on standard output. The only file that prints.
//!
//! On a terminal each phase is a bar with bytes and time left; elsewhere it is a few plain lines.
use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    sync::{LazyLock, OnceLock},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Without a terminal, a phase that goes on says so this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The bars below one another, and above them everything else that is printed.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
static VERBOSE: OnceLock<bool> = OnceLock::new();

/// Turns on [`detail`].
pub(crate) fn set_verbose(verbose: bool) {
    let _ = VERBOSE.set(verbose);
}

/// Whether details are wanted.
pub(crate) fn is_verbose() -> bool {
    VERBOSE.get().copied().unwrap_or(false)
}

/// Data: to standard output, as it is. A reader that went away (`flk hosts | head -1`) is no failure.
pub(crate) fn data(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// Bytes of data: to standard output.
pub(crate) fn raw_data(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes);
    let _ = stdout.flush();
}

/// A line for the user.
pub(crate) fn note(text: impl Display) {
    line(&text.to_string());
}

/// A line for the user, about something that is probably not as it should be.
pub(crate) fn warn(text: impl Display) {
    line(&format!(
        "warning: {}",
        text.to_string().replace('\n', "\n    ")
    ));
}

/// A line for the user who asked for `--verbose`.
pub(crate) fn detail(text: impl Display) {
    if is_verbose() {
        line(&text.to_string());
    }
}

/// Prints without tearing the bars.
fn line(text: &str) {
    BARS.suspend(|| {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    });
}

/// A rendered failure.
pub(crate) fn failure(text: &str) {
    BARS.suspend(|| {
        let _ = write!(std::io::stderr().lock(), "{text}");
    });
}

/// What a phase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nothing that can be counted: only time passes.
    Time,
    /// Things, `3 of 17`.
    Count,
    /// Bytes.
    Bytes,
}

/// A part of the work that takes time: evaluate, download, build, pack.
pub(crate) struct Phase {
    name: &'static str,
    unit: Unit,
    started: Instant,
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    told: Instant,
    announced: bool,
}

impl Phase {
    /// Begins a phase.
    pub(crate) fn start(name: &'static str, unit: Unit) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = BARS.add(ProgressBar::new(0).with_style(style(unit)));
            bar.set_prefix(format!("{name:<9}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            name,
            unit,
            started: Instant::now(),
            bar,
            total: 0,
            done: 0,
            told: Instant::now(),
            announced: false,
        }
    }

    /// How far it has come.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        (self.done, self.total) = (done, total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        } else if !self.announced && total > 0 {
            self.announced = true;
            match self.unit {
                Unit::Bytes => note(format_args!("{}: {}", self.name, bytes(total))),
                Unit::Count => note(format_args!("{}: {}", self.name, self.position())),
                Unit::Time => {}
            }
            self.told = Instant::now();
        } else if self.told.elapsed() >= PLAIN_INTERVAL {
            self.told = Instant::now();
            note(format_args!("{}: {}", self.name, self.position()));
        }
    }

    /// What it is busy with.
    pub(crate) fn message(&self, text: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.into());
        }
    }

    /// What there is to be done.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Ends the phase with a line.
    pub(crate) fn finish(self, what: impl Display) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        note(format_args!(
            "{}: {what} ({})",
            self.name,
            duration(self.started.elapsed())
        ));
    }

    fn position(&self) -> String {
        match self.unit {
            Unit::Bytes => format!("{} of {}", bytes(self.done), bytes(self.total)),
            Unit::Count => format!("{} of {}", self.done, self.total),
            Unit::Time => duration(self.started.elapsed()),
        }
    }
}

/// A phase that ends without [`Phase::finish`] has failed: its bar goes, the error speaks.
impl Drop for Phase {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let template = match unit {
        Unit::Time => "{prefix} {spinner} {elapsed} {wide_msg}",
        Unit::Count => "{prefix} [{bar:24}] {pos} of {len}, {elapsed} {wide_msg}",
        Unit::Bytes => "{prefix} [{bar:24}] {bytes} of {total_bytes}, {eta} left {wide_msg}",
    };
    ProgressStyle::with_template(template)
        .expect("the templates above are valid")
        .progress_chars("=> ")
}

/// A length for people: `1.4 GB`, in powers of ten as `ls -h --si` and disk makers count.
pub(crate) fn bytes(length: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = length as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{length} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 59.5 {
        format!("{seconds:.0} s")
    } else {
        let seconds = seconds.round() as u64;
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// `1 file`, `3 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        for (length, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_940, "9.9 kB"),
            (9_960, "10 kB"),
            (999_499, "999 kB"),
            (999_600, "1.0 MB"),
            (253_000_000, "253 MB"),
            (1_400_000_000, "1.4 GB"),
        ] {
            assert_eq!(bytes(length), text);
        }
    }

    #[test]
    fn durations_read_well() {
        for (milliseconds, text) in [
            (40, "0.0 s"),
            (2_340, "2.3 s"),
            (12_000, "12 s"),
            (185_000, "3 min 5 s"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
