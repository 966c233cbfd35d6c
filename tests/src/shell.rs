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

    /// Types a command that starts another shell, and waits until that one takes commands.
    ///
    /// # Errors
    /// As [`Machine::step`].
    pub fn enter(&mut self, shell: &str) -> Result<(), BenchError> {
        self.keyboard().type_text(&format!("{shell}\n"))?;
        self.step("true").map(drop)
    }

    /// Leaves root's shell for the one that it was entered from. What is typed before that has its prompt is lost with sudo's terminal.
    ///
    /// # Errors
    /// As [`Machine::step`].
    pub fn leave_root(&mut self) -> Result<(), BenchError> {
        let mark = self.console().mark();
        self.keyboard().type_text("exit\n")?;
        self.console().wait_after(mark, "$ ", STEP)
    }

    /// Types a command line, waits until it has succeeded, and gives what the console showed of it.
    ///
    /// # Errors
    /// [`BenchError::Command`] when it fails, [`BenchError::TimedOut`] when it does not end.
    pub fn step(&mut self, script: &str) -> Result<String, BenchError> {
        self.dialogue(script, &[])
    }

    /// Like [`Machine::step`], with an answer for each question that the command asks, in their order.
    ///
    /// # Errors
    /// As [`Machine::step`].
    pub fn dialogue(
        &mut self,
        script: &str,
        answers: &[(&str, &str)],
    ) -> Result<String, BenchError> {
        let step = self.begin(script)?;
        for (question, answer) in answers {
            self.console().wait_after(step.mark, question, STEP)?;
            self.keyboard().type_text(&format!("{answer}\n"))?;
        }
        self.end(step)
    }

    /// Types a command line, and does not wait.
    ///
    /// # Errors
    /// [`BenchError::File`] if QEMU has gone.
    pub fn begin(&mut self, script: &str) -> Result<Step, BenchError> {
        let mark = self.console().mark();
        // The shell makes the marks, so they are not in what the console echoes.
        self.keyboard()
            .type_text(&format!("{{ {script}; }}; echo step-$((0))-$?-$((1))end\n"))?;
        Ok(Step {
            script: script.into(),
            mark,
        })
    }

    /// Waits until a command has succeeded, and gives what the console showed of it.
    ///
    /// # Errors
    /// As [`Machine::step`].
    pub fn end(&mut self, step: Step) -> Result<String, BenchError> {
        self.console().wait_after(step.mark, "-1end", STEP)?;
        let text = self.console().text();
        let said = text.get(step.mark..).unwrap_or_default().to_owned();
        if said.contains("step-0-0-1end") {
            return Ok(said);
        }
        Err(BenchError::Command {
            command: step.script,
            status: "a failure, as the console says".into(),
            output: said,
        })
    }
}

/// A command that was typed.
#[derive(Debug)]
pub struct Step {
    script: String,
    mark: usize,
}
