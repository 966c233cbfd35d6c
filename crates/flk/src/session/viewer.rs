//! The viewer of a session: follows the journal until the worker is done, or gone.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ChildStdin,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::Pid,
};

use super::{LAST_WORDS, NO, NOBODY, Session, YES};
use crate::{
    error::{Context, Failure, Result},
    interruption,
    ui::{self, Event},
};

/// How often the journal is looked at.
const INTERVAL: Duration = Duration::from_millis(50);
/// How many of a worker's last words are shown.
const LAST_LINES: usize = 20;

/// A journal that is being read.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// A line that is not whole yet.
    rest: Vec<u8>,
}

impl Journal {
    /// Opens it at its beginning.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            rest: Vec::new(),
        })
    }

    /// What was said since the last call.
    fn read(&mut self) -> Result<Vec<Event>> {
        self.file
            .read_to_end(&mut self.rest)
            .context(|| format!("cannot read {}", self.path.display()))?;
        let whole = self
            .rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Whether no worker holds it any more.
    pub(super) fn is_abandoned(&self) -> Result<bool> {
        let failed = || format!("cannot lock {}", self.path.display());
        match flock(&self.file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                flock(&self.file, FlockOperation::Unlock).context(failed)?;
                Ok(true)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(errno).context(failed),
        }
    }

    /// Says which worker it is, and passes signals on to it.
    pub(super) fn introduce(&self) -> Result<()> {
        let mut from_its_beginning = Self::open(&self.path)?;
        let Some(Event::Begin {
            worker,
            command,
            at,
            ..
        }) = from_its_beginning.read()?.into_iter().next()
        else {
            return Ok(());
        };
        if let Some(worker) = i32::try_from(worker).ok().and_then(Pid::from_raw) {
            interruption::pass_on_to(worker);
        }
        ui::note(format_args!(
            "note: `{command}` runs since {}, as process {worker}; Ctrl-C ends it, closing the terminal does not",
            ui::duration(ui::since(at))
        ));
        Ok(())
    }
}

/// Shows what the journal has and gets, until the worker's end; gives the exit code. Questions are answered through `answers`.
pub(super) fn follow(
    session: Session,
    mut journal: Journal,
    answers: Option<ChildStdin>,
) -> Result<u8> {
    // Beside this loop, so that the worker's end is seen while the user thinks.
    let answers = answers.map(|pipe| {
        let (ask, asked) = channel();
        std::thread::spawn(move || answer(pipe, &asked));
        ask
    });
    let mut events = ui::compact(journal.read()?);
    loop {
        for event in events {
            match event {
                Event::Begin { version, .. } if version != ui::VERSION => {
                    return Err(Failure::new(format!(
                        "{} is of version {version}, this flk knows {}",
                        journal.path.display(),
                        ui::VERSION
                    )));
                }
                Event::End { code } => return Ok(code),
                Event::Question { .. } => {
                    ui::show(event);
                    if let Some(ask) = &answers {
                        let _ = ask.send(());
                    }
                }
                event => ui::show(event),
            }
            if ui::is_broken() {
                return Ok(1);
            }
        }
        events = journal.read()?;
        if events.is_empty() {
            if journal.is_abandoned()? {
                // It may have said its last between the two looks.
                events = journal.read()?;
                if events.is_empty() {
                    return Err(gone(session, &journal));
                }
            } else {
                std::thread::sleep(INTERVAL);
            }
        }
    }
}

/// Has the user at the terminal answer each question, and tells the worker.
fn answer(mut pipe: ChildStdin, asked: &Receiver<()>) {
    for () in asked {
        let stdin = std::io::stdin();
        let mut line = String::new();
        let word = if !stdin.is_terminal() || stdin.read_line(&mut line).is_err() {
            NOBODY
        } else {
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => YES,
                _ => NO,
            }
        };
        // A worker that is gone needs no answer.
        let _ = writeln!(pipe, "{word}");
    }
}

/// The worker's lock is free, and it did not say how it ended.
fn gone(session: Session, journal: &Journal) -> Failure {
    if interruption::was_passed_on() {
        return Failure::new("interrupted");
    }
    let words =
        std::fs::read_to_string(journal.path.with_file_name(LAST_WORDS)).unwrap_or_default();
    let lines: Vec<&str> = words.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    let said = if last.is_empty() {
        String::new()
    } else {
        format!("; its last words:\n{last}")
    };
    Failure::new(format!(
        "the {} ended without a word, as when it is killed{said}",
        session.noun
    ))
    .hint(format!("run `flk {}` again: it goes on", session.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session {
        name: "install",
        noun: "installation",
        how_to_see: "wait",
    };

    fn journal(lines: &str) -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, lines).unwrap();
        let journal = Journal::open(&path).unwrap();
        (folder, journal)
    }

    #[test]
    fn only_whole_lines_are_read_and_others_later() {
        use std::io::Write as _;
        let (folder, mut journal) = journal("{\"event\":\"end\",\"code\":3}\nnonsense\n{\"event\"");
        assert_eq!(journal.read().unwrap(), [Event::End { code: 3 }]);
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(folder.path().join("journal"))
            .unwrap();
        file.write_all(b":\"end\",\"code\":4}\n").unwrap();
        assert_eq!(journal.read().unwrap(), [Event::End { code: 4 }]);
        assert_eq!(journal.read().unwrap(), []);
    }

    #[test]
    fn the_code_is_the_workers() {
        let (_folder, journal) = journal("{\"event\":\"end\",\"code\":3}\n");
        assert_eq!(follow(SESSION, journal, None).unwrap(), 3);
    }

    #[test]
    fn a_worker_that_is_gone_is_said_to_be_with_its_last_words() {
        let (folder, journal) = journal("");
        std::fs::write(folder.path().join(LAST_WORDS), "thread 'main' panicked\n").unwrap();
        let text = follow(SESSION, journal, None).unwrap_err().render();
        assert_eq!(
            text,
            "error: the installation ended without a word, as when it is killed; its last words:\n    thread 'main' panicked\nhint: run `flk install` again: it goes on\n"
        );
    }

    #[test]
    fn a_lock_tells_that_the_worker_lives() {
        let (folder, journal) = journal("");
        let worker = File::open(folder.path().join("journal")).unwrap();
        flock(&worker, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!journal.is_abandoned().unwrap());
        flock(&worker, FlockOperation::Unlock).unwrap();
        assert!(journal.is_abandoned().unwrap());
    }
}
