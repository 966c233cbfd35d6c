//! Child processes: each in a process group of its own, registered so that an interruption reaches all of it.
//!
//! A process in a group of its own cannot read the terminal: standard input is empty, and so are prompts.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Error, Result};

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The variables by which git is pointed at a certain repository, as its hooks are (git(1), "The Git Repository"; `git rev-parse --local-env-vars`),
/// and those that change what its commands mean. A repository is named by its path here: neither Nix nor flk is to be led to another one. What is a
/// user's own setting (`GIT_CONFIG_*`, `GIT_SSH_COMMAND`) stays.
pub const GIT_ENVIRONMENT: [&str; 19] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// What a finished child left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// All of standard error, for messages.
    pub(crate) stderr: String,
}

/// Ends every child: the first call asks (SIGINT, so Nix ends its builders in order), any further one does not (SIGKILL). The calls that wait for
/// them return [`Error::Interrupted`], and no further child starts.
pub fn interrupt() {
    let again = INTERRUPTED.swap(true, Ordering::SeqCst);
    let signal = if again { Signal::KILL } else { Signal::INT };
    for group in running().iter() {
        if let Some(group) = i32::try_from(*group).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Whether [`interrupt`] was called.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Whether a child runs, so that the call that waits for it will return after [`interrupt`].
pub fn is_running() -> bool {
    !running().is_empty()
}

/// Runs a command to its end; `on_line` sees each line of standard error as it comes.
pub(crate) fn run(mut command: Command, on_line: &mut dyn FnMut(&str)) -> Result<Output> {
    let failed = |command: &Command, source| Error::Run {
        program: command.get_program().into(),
        source,
    };
    for name in GIT_ENVIRONMENT {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = {
        // Under the lock, so that no child starts between an interruption and its registration.
        let mut running = running();
        if is_interrupted() {
            return Err(Error::Interrupted);
        }
        let child = command.spawn().map_err(|source| failed(&command, source))?;
        running.insert(child.id());
        child
    };
    let outcome = wait(&mut child, on_line);
    running().remove(&child.id());
    if is_interrupted() {
        return Err(Error::Interrupted);
    }
    outcome.map_err(|source| failed(&command, source))
}

fn wait(child: &mut Child, on_line: &mut dyn FnMut(&str)) -> std::io::Result<Output> {
    let mut stdout = child.stdout.take().expect("piped above");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut lines = BufReader::new(child.stderr.take().expect("piped above"));
    let mut stderr = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        on_line(text.trim_end_matches(['\n', '\r']));
        stderr.push_str(&text);
    }
    let stdout = reader
        .join()
        .map_err(|_| std::io::Error::other("the reader of standard output panicked"))??;
    Ok(Output {
        status: child.wait()?,
        stdout,
        stderr,
    })
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
