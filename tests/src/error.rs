//! What can go wrong on the bench itself, told so that the last lines of a log show where a machine was stuck.

use std::{fmt, io, path::PathBuf, time::Duration};

/// A failure of the bench, or of what it was asked to wait for.
///
/// Tests return it, and the test harness prints a failure with `Debug`: so `Debug` is the readable text too.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program, as it was called.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` ended with {status}\n--- its output ---\n{output}")]
    Command {
        /// The whole command.
        command: String,
        /// Exit code or signal.
        status: String,
        /// Standard output, then standard error.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {} s\n{detail}", after.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// The last failure of an attempt, or the tail of the console.
        detail: String,
    },
    /// A machine ended while something was waited for.
    #[error("the machine {machine} ended ({status}) while waiting for {what}\n{detail}")]
    Ended {
        /// The machine's name.
        machine: String,
        /// Exit code or signal of QEMU.
        status: String,
        /// What was waited for.
        what: String,
        /// QEMU's messages and the tail of the console.
        detail: String,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU's control socket answered with an error, or with something else than QMP.
    #[error("QMP command {command}: {answer}")]
    Qmp {
        /// The command sent.
        command: String,
        /// What came back.
        answer: String,
    },
    /// A program's output was not of the form that the bench knows.
    #[error("cannot understand {what}: {text}")]
    Understand {
        /// What was read.
        what: String,
        /// The text itself.
        text: String,
    },
}

impl fmt::Debug for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BenchError {
    /// An error with `path`, for `map_err`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| BenchError::File { path, source }
    }
}
