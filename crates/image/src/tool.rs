//! Runs `mksquashfs` and `xorriso`: their lines as they come, their last lines when they fail.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::Error;

/// How many lines are kept for the error message.
const LINES_KEPT: usize = 12;

/// A program, and the Debian package that has it.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// How a program that ran has ended.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// It failed because the target's file system is full.
    pub(crate) no_space: bool,
}

impl Tool {
    /// The program with the environment's clock, zone and language out of the way.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env_remove("SOURCE_DATE_EPOCH")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// It is installed and can be started.
    pub(crate) fn check(self) -> Result<(), Error> {
        let mut command = self.command();
        command.arg("-version");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        match command.status() {
            Ok(_) => Ok(()),
            Err(source) => Err(self.cannot_start(source)),
        }
    }

    /// Runs it to its end. `on_line` is given each line of both outputs (a carriage return ends one, too) and says
    /// whether it was one of progress, which is not kept.
    ///
    /// If this process is killed, the program ends at its next line of progress, by its broken pipe.
    pub(crate) fn run(
        self,
        command: &mut Command,
        mut on_line: impl FnMut(&str) -> bool,
    ) -> Result<(), Failure> {
        let mut child = command.spawn().map_err(|source| Failure {
            error: self.cannot_start(source),
            no_space: false,
        })?;
        let (lines, arriving) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut kept = VecDeque::new();
        let mut no_space = false;
        thread::scope(|scope| {
            let sender = lines.clone();
            scope.spawn(move || stdout.map(|pipe| forward(pipe, &sender)));
            scope.spawn(move || stderr.map(|pipe| forward(pipe, &lines)));
            for line in arriving {
                if on_line(&line) {
                    continue;
                }
                no_space |= line.contains("No space left on device");
                if kept.len() == LINES_KEPT {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        let status = child.wait().map_err(|source| Failure {
            error: Error::Io {
                action: "wait for",
                path: self.program.into(),
                source,
            },
            no_space: false,
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Failure {
            error: self.failed(status, kept.make_contiguous()),
            no_space,
        })
    }

    fn cannot_start(self, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::NotFound {
            return Error::ToolMissing {
                program: self.program,
                package: self.package,
            };
        }
        Error::Io {
            action: "start",
            path: self.program.into(),
            source,
        }
    }

    fn failed(self, status: ExitStatus, lines: &[String]) -> Error {
        let output = match lines {
            [] => "it wrote nothing".to_string(),
            lines => lines.join("\n"),
        };
        Error::Tool {
            program: self.program,
            status: status.to_string(),
            output,
        }
    }
}

/// Sends what a pipe gives, line by line.
fn forward(mut pipe: impl Read, lines: &mpsc::Sender<String>) {
    let mut buffer = [0; 8192];
    let mut line = Vec::new();
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        for byte in &buffer[..count] {
            if matches!(byte, b'\n' | b'\r') {
                send(&mut line, lines);
            } else {
                line.push(*byte);
            }
        }
        if count == 0 {
            send(&mut line, lines);
            return;
        }
    }
}

fn send(line: &mut Vec<u8>, lines: &mpsc::Sender<String>) {
    let text = String::from_utf8_lossy(line).trim().to_string();
    line.clear();
    if !text.is_empty() {
        // The receiver lives as long as the pipes do.
        let _ = lines.send(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Tool = Tool {
        program: "sh",
        package: "dash",
    };

    #[test]
    fn a_failure_has_its_last_lines_but_no_progress() {
        let mut command = SHELL.command();
        command.args([
            "-c",
            "printf '10%%\\r20%%\\r'; echo 'Write failed: No space left on device' >&2; exit 3",
        ]);
        let mut seen = Vec::new();
        let failure = SHELL
            .run(&mut command, |line| {
                seen.push(line.to_string());
                line.ends_with('%')
            })
            .unwrap_err();
        assert!(failure.no_space);
        let message = failure.error.to_string();
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("Write failed: No space left on device"));
        assert!(seen.contains(&"20%".to_string()));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let tool = Tool {
            program: "flk-no-such-program",
            package: "squashfs-tools",
        };
        let failure = tool.run(&mut tool.command(), |_| false).unwrap_err();
        assert_eq!(
            failure.error.to_string(),
            "flk-no-such-program is not installed; on Debian: apt install squashfs-tools"
        );
    }
}
