//! Running a program to its end, with everything it said in the error.

use crate::BenchError;
use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

/// What a program that ended said.
#[derive(Debug, Clone)]
pub struct Output {
    /// The whole command, for messages.
    pub command: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, with anything that is not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Standard output and standard error, one after the other.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The output itself if the exit code is 0.
    ///
    /// # Errors
    /// [`BenchError::Command`] with everything that the program said.
    pub fn success(self) -> Result<Self, BenchError> {
        if self.code == Some(0) {
            return Ok(self);
        }
        Err(BenchError::Command {
            status: self
                .code
                .map_or_else(|| "a signal".into(), |code| format!("exit code {code}")),
            output: self.all(),
            command: self.command,
        })
    }
}

/// Runs `command` to its end, with no input.
///
/// # Errors
/// [`BenchError::Start`] if it cannot be started; its exit code is for the caller to judge.
pub fn run(command: &mut Command) -> Result<Output, BenchError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BenchError::Start {
            program: shown(command),
            source,
        })?;
    Ok(Output {
        command: shown(command),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The command as one would type it, near enough.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A command that dies with the thread that starts it, so a killed test leaves no process behind.
///
/// `setpriv` becomes the program itself, so the child's id is the program's.
pub(crate) fn mortal(mut command: Command, program: &str) -> Command {
    command
        .args(["setpriv", "--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}
