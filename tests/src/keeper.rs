//! What keeps name spaces alive: a process that waits on a pipe from the test, so that neither a failed test nor a killed one leaves anything behind.

use crate::BenchError;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A process in name spaces of its own; when it is dropped, it ends, and the kernel removes them with everything in them.
pub(crate) struct Keeper(Child);

impl Keeper {
    /// Starts `command`, which says `ready` when all is set up, and then waits for the end of its standard input. `what` says what it is, in errors.
    ///
    /// # Errors
    /// [`BenchError::Command`] with what was said instead.
    pub(crate) fn start(command: &mut Command, what: &str) -> Result<Self, BenchError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| BenchError::Start { program, source })?;
        let mut answer = String::new();
        if let Some(stdout) = child.stdout.take() {
            // The pipe stays closed from here on: the keeper says nothing more.
            let _ = BufReader::new(stdout).read_line(&mut answer);
        }
        if answer.trim() == "ready" {
            return Ok(Keeper(child));
        }
        drop(child.stdin.take());
        let output = child
            .wait_with_output()
            .map_err(BenchError::file("a keeper of name spaces"))?;
        Err(BenchError::Command {
            command: format!("unshare … ({what})"),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Its process: its name spaces are the ones that it keeps.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}
