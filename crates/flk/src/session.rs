//! A verb that must not end with the terminal it was started from: a worker in a session of its own does it, and viewers show what it says.
//!
//! The worker is this executable again, with `--worker`. What it would print goes to a journal (ARCHITECTURE.md, "The journal of a session"), whose
//! lock it holds as long as it lives. Standard input is a pipe from the viewer that started it, for the answer to a question. A closed terminal or a
//! lost connection ends the viewer alone.

mod viewer;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{BufRead as _, BufReader, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    error::{Context, Failure, Result},
    interruption,
    place::runtime_folder,
    ui::{self, Event},
};

const JOURNAL: &str = "journal";
/// What a worker prints all the same: a panic.
const LAST_WORDS: &str = "stderr";

/// What a viewer answers for its user.
const YES: &str = "yes";
const NO: &str = "no";
/// Nobody is at the terminal, or there is none.
const NOBODY: &str = "nobody";

/// A kind of session, of which one runs at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// Its folder below flk's runtime folder.
    pub(crate) name: &'static str,
    /// What it is called.
    pub(crate) noun: &'static str,
    /// What to do when another one is in the way.
    pub(crate) how_to_see: &'static str,
}

impl Session {
    /// Starts a worker for this process's own command line, and shows what it does; gives its exit code.
    pub(crate) fn start(&self) -> Result<u8> {
        let journal = self.claim()?;
        let reader = viewer::Journal::open(&self.folder()?.join(JOURNAL))?;
        let words = self.folder()?.join(LAST_WORDS);
        let words = File::create(&words).context(|| format!("cannot write {}", words.display()))?;
        let executable =
            std::env::current_exe().context(|| "cannot find flk's own program file".to_owned())?;
        let arguments: Vec<_> = std::env::args_os().skip(1).collect();
        let (verb, rest) = arguments
            .split_first()
            .ok_or_else(|| Failure::new("flk was started without a verb"))?;
        let mut command = Command::new(&executable);
        command
            .arg(verb)
            .arg("--worker")
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(journal)
            .stderr(words);
        let mut worker = command
            .spawn()
            .context(|| format!("cannot start {}", executable.display()))?;
        // The journal's lock is the worker's alone.
        drop(command);
        interruption::pass_on_to(rustix::process::Pid::from_child(&worker));
        let code = viewer::follow(*self, reader, worker.stdin.take());
        if code.is_ok() && !ui::is_broken() {
            let _ = worker.wait();
        }
        code
    }

    /// Shows the session that runs, or else the last one since this machine was started; gives its exit code.
    pub(crate) fn attach(&self) -> Result<u8> {
        let path = self.folder()?.join(JOURNAL);
        if !path.exists() {
            return Err(Failure::new(format!(
                "there was no {} since this machine was started",
                self.noun
            ))
            .hint(format!("`flk {} HOST` starts one", self.name)));
        }
        let reader = viewer::Journal::open(&path)?;
        if !reader.is_abandoned()? {
            reader.introduce()?;
        }
        viewer::follow(*self, reader, None)
    }

    /// The journal, empty and locked.
    fn claim(&self) -> Result<File> {
        let folder = self.folder()?;
        let failed = || format!("cannot create {}", folder.display());
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).context(failed)?;
        }
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other.context(failed)?,
        }
        let metadata = fs::symlink_metadata(&folder).context(failed)?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Failure::new(format!(
                "{} is somebody else's",
                folder.display()
            )));
        }
        let path = folder.join(JOURNAL);
        let failed = || format!("cannot write {}", path.display());
        let journal = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .context(failed)?;
        match flock(&journal, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(
                    Failure::new(format!("another {} is at work", self.noun)).hint(self.how_to_see)
                );
            }
            other => other.context(failed)?,
        }
        journal.set_len(0).context(failed)?;
        Ok(journal)
    }

    fn folder(&self) -> Result<PathBuf> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::new("only root does this, and sees it").hint("run it with `sudo`"));
        }
        Ok(runtime_folder().join(self.name))
    }
}

/// Makes this process the worker that [`Session::start`] has started: it leaves the terminal's session, and says everything to the journal.
pub(crate) fn become_worker() -> Result<()> {
    // Fails only for one that leads a session already.
    let _ = rustix::process::setsid();
    interruption::ignore_hangup();
    // The programs that it starts have no part in the journal and its lock.
    let journal = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    ui::to_journal(File::from(journal));
    let command: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--worker")
        .collect();
    ui::show(Event::Begin {
        version: ui::VERSION,
        worker: std::process::id(),
        command: format!("flk {}", command.join(" ")),
        at: ui::now(),
    });
    Ok(())
}

/// Asks whoever started this worker.
pub(crate) fn confirm(question: String) -> Result<()> {
    confirm_by(question, "--yes")
}

/// Like [`confirm`], where another option is the answer in advance.
pub(crate) fn confirm_by(question: String, option: &str) -> Result<()> {
    ui::show(Event::Question { text: question });
    let mut answer = String::new();
    BufReader::new(std::io::stdin())
        .read_line(&mut answer)
        .context(|| "cannot read the answer".into())?;
    match answer.trim() {
        YES => Ok(()),
        NO => Err(Failure::new("nothing was done: the plan was not confirmed")),
        NOBODY => Err(Failure::new("nobody is here to confirm the plan")
            .hint(format!("say {option} if that is what you want"))),
        _ => Err(Failure::new(
            "nothing was done: whoever was to confirm the plan has gone",
        )),
    }
}
