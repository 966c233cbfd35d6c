//! Another system for the running machine: the system's own `bin/switch-to-configuration`, as `nixos-rebuild` runs it.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::execute::sync;
use crate::{Error, Result};

/// How often it is asked whether it has ended, while it says nothing.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long its last lines may take, each, when somebody else keeps the pipe.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What a system's `switch-to-configuration` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Boot it from now on, and become it now.
    Switch,
    /// Boot it from now on.
    Boot,
    /// Become it until the next boot.
    Test,
    /// Say what `Test` would do.
    DryActivate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Switch => "switch",
            Action::Boot => "boot",
            Action::Test => "test",
            Action::DryActivate => "dry-activate",
        })
    }
}

/// Runs it to its end; `on_line` sees each line that it prints. It is in a process group of its own, so that Ctrl-C does not cut it off.
///
/// Where it changes what is booted, the store and the profile are on disk first: Nix syncs neither.
///
/// # Errors
/// [`Error::Io`] when it cannot be run, or the disk does not take what it was given; how it ended is the result.
pub fn activate(
    toplevel: &Path,
    action: Action,
    on_line: &mut dyn FnMut(&str),
) -> Result<ExitStatus> {
    if matches!(action, Action::Switch | Action::Boot) {
        for folder in ["/nix/store", "/nix/var/nix/profiles"] {
            sync(Path::new(folder))?;
        }
    }
    let program = toplevel.join("bin/switch-to-configuration");
    let failed = || Error::io("run", &program);
    let (output, input) = io::pipe().map_err(failed())?;
    let also_input = input.try_clone().map_err(failed())?;
    let system = toplevel.display();
    let mut command = Command::new(&program);
    command
        .arg(action.to_string())
        .env_clear()
        .env(
            "PATH",
            format!("{system}/sw/bin:{system}/sw/sbin:/run/current-system/sw/bin:/run/current-system/sw/sbin:/usr/bin:/usr/sbin"),
        )
        .env("HOME", "/root")
        .env("LOCALE_ARCHIVE", format!("{system}/sw/lib/locale/locale-archive"))
        .stdin(Stdio::null())
        .stdout(input)
        .stderr(also_input)
        .process_group(0);
    let mut child = command.spawn().map_err(failed())?;
    // The pipe ends when nobody else holds it.
    drop(command);
    let lines = lines_of(output);
    loop {
        match lines.recv_timeout(INTERVAL) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => return child.wait().map_err(failed()),
            Err(RecvTimeoutError::Timeout) => {
                // A service that it has started by hand may keep the pipe for ever; what it has said itself is still on the way.
                if let Some(status) = child.try_wait().map_err(failed())? {
                    while let Ok(line) = lines.recv_timeout(LAST_LINES) {
                        on_line(&line);
                    }
                    return Ok(status);
                }
            }
        }
    }
}

/// The lines that come out of a pipe.
fn lines_of(output: PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// A system whose `switch-to-configuration` is a shell script.
    fn system(script: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bin/switch-to-configuration");
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    #[test]
    fn what_it_prints_is_seen_in_order_and_how_it_ends() {
        let dir = system("echo \"$1\"; echo failed >&2; echo \"$HOME\"; printf last; exit 4");
        let mut lines = Vec::new();
        let status = activate(dir.path(), Action::DryActivate, &mut |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(status.code(), Some(4));
        assert_eq!(lines, ["dry-activate", "failed", "/root", "last"]);
        let error = activate(&dir.path().join("no"), Action::Switch, &mut |_| {}).unwrap_err();
        assert!(
            error.to_string().ends_with("bin/switch-to-configuration"),
            "{error}"
        );
    }

    #[test]
    fn who_keeps_the_pipe_is_not_waited_for() {
        let dir = system("sleep 30 & echo done");
        let begun = std::time::Instant::now();
        let mut lines = Vec::new();
        let status = activate(dir.path(), Action::Test, &mut |line| {
            lines.push(line.to_owned())
        });
        assert!(status.unwrap().success());
        assert_eq!(lines, ["done"]);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
