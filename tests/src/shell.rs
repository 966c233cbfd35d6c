//! The shell that a live machine's console is logged in to: one command after the other, typed.

use crate::{BenchError, Machine};
use std::time::Duration;

/// Under emulation, on a machine that may be busy with other things.
const BOOT: Duration = Duration::from_secs(400);
const STEP: Duration = Duration::from_secs(900);

impl Machine {
    /// Waits until a live system's console takes commands.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with the console's tail.
    pub fn wait_for_shell(&mut self) -> Result<(), BenchError> {
        self.console().wait_for("a live system by flk", BOOT)
    }

    /// Types a command line, waits until it has succeeded, and gives what the console showed of it.
    ///
    /// # Errors
    /// [`BenchError::Command`] when it fails, [`BenchError::TimedOut`] when it does not end.
    pub fn step(&mut self, script: &str) -> Result<String, BenchError> {
        let mark = self.console().mark();
        // The shell makes the marks, so they are not in what the console echoes.
        self.keyboard()
            .type_text(&format!("{{ {script}; }}; echo step-$((0))-$?-$((1))end\n"))?;
        self.console().wait_after(mark, "-1end", STEP)?;
        let text = self.console().text();
        let said = text.get(mark..).unwrap_or_default().to_owned();
        if said.contains("step-0-0-1end") {
            return Ok(said);
        }
        Err(BenchError::Command {
            command: script.into(),
            status: "a failure, as the console says".into(),
            output: said,
        })
    }
}
