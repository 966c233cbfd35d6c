//! The serial console of a machine: what it said so far, and a keyboard.

use crate::BenchError;
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How many lines of the console an error message shows.
const TAIL_LINES: usize = 40;

/// A machine's serial console.
pub struct Console {
    said: Arc<(Mutex<Said>, Condvar)>,
    keyboard: ChildStdin,
    log: PathBuf,
}

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    ended: bool,
}

impl Console {
    /// Follows the console on QEMU's standard streams, and keeps all of it in the file `log`.
    pub(crate) fn new(
        keyboard: ChildStdin,
        mut screen: ChildStdout,
        log: &Path,
    ) -> Result<Self, BenchError> {
        let mut file = File::create(log).map_err(BenchError::file(log))?;
        let said = Arc::<(Mutex<Said>, Condvar)>::default();
        let shared = Arc::clone(&said);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = screen.read(&mut buffer).unwrap_or(0);
                let mut said = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                said.bytes.extend_from_slice(&buffer[..count]);
                said.ended = count == 0;
                shared.1.notify_all();
                // The file is for people to look at after a failure; the tests read memory.
                let _ = file.write_all(&buffer[..count]);
                if count == 0 {
                    return;
                }
            }
        });
        Ok(Console {
            said,
            keyboard,
            log: log.to_owned(),
        })
    }

    /// Everything said so far, without terminal control sequences.
    pub fn text(&self) -> String {
        plain(
            &self
                .said
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .bytes,
        )
    }

    /// Where the console's log is kept.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How much was said so far, as a mark for [`Console::wait_after`].
    pub fn mark(&self) -> usize {
        self.text().len()
    }

    /// The last lines, for messages.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        format!(
            "--- the console's last lines, all of it in {} ---\n{}",
            self.log.display(),
            lines[from..].join("\n")
        )
    }

    /// Waits until `needle` has been said at all.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with the console's tail, also when the machine has ended.
    pub fn wait_for(&self, needle: &str, limit: Duration) -> Result<(), BenchError> {
        self.wait_after(0, needle, limit)
    }

    /// Waits until `needle` has been said after `mark`.
    ///
    /// # Errors
    /// As [`Console::wait_for`].
    pub fn wait_after(&self, mark: usize, needle: &str, limit: Duration) -> Result<(), BenchError> {
        let start = Instant::now();
        let mut said = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = plain(&said.bytes);
            if text.get(mark..).is_some_and(|new| new.contains(needle)) {
                return Ok(());
            }
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() || said.ended {
                drop(said);
                return Err(BenchError::TimedOut {
                    what: format!("{needle:?} on the console"),
                    after: start.elapsed(),
                    detail: self.tail(),
                });
            }
            said = self
                .said
                .1
                .wait_timeout(said, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Types `text`; a line ends with `\n`.
    ///
    /// # Errors
    /// [`BenchError::File`] if QEMU has gone.
    pub fn type_text(&mut self, text: &str) -> Result<(), BenchError> {
        let log = self.log.clone();
        self.keyboard
            .write_all(text.as_bytes())
            .and_then(|()| self.keyboard.flush())
            .map_err(BenchError::file(log))
    }
}

/// Text without escape sequences (ECMA-48, 5.4) and carriage returns.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => match letters.next() {
                Some('[') => while letters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']') => while letters.next().is_some_and(|c| c != '\u{7}' && c != '\\') {},
                _ => {}
            },
            '\r' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_left_out() {
        assert_eq!(
            plain(b"\x1b[0;32m[  OK  ]\x1b[0m Started\r\n"),
            "[  OK  ] Started\n"
        );
        assert_eq!(plain(b"\x1b]0;title\x07shell"), "shell");
    }
}
