//! Step 5, the activation script.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::PATH;
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

/// Runs the script and passes on what it says, line by line.
pub(super) fn run(script: &Path, toplevel: &Path, log: &Log) -> Result<()> {
    let (reader, writer) = std::io::pipe().at("open a pipe for", script)?;
    let errors = writer.try_clone().at("open a pipe for", script)?;
    let mut command = Command::new(script);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("systemConfig", toplevel)
        .current_dir("/");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .at("execute", script)?;
    // The command keeps its ends of the pipe open, and with them the reader waiting.
    drop(command);
    for line in BufReader::new(reader)
        .split(b'\n')
        .map_while(std::io::Result::ok)
    {
        log.info(&format!("activation: {}", String::from_utf8_lossy(&line)));
    }
    let status = child.wait().at("wait for", script)?;
    if status.success() {
        Ok(())
    } else {
        Err(InitError::Program {
            program: script.display().to_string(),
            status: status.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_failing_script_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let log = Log::stderr("test");
        for (text, expected) in [
            ("#!/bin/sh\ntest \"$systemConfig\" = /top\n", None),
            ("#!/bin/sh\necho no\nexit 3\n", Some("exit status: 3")),
        ] {
            std::fs::write(&script, text).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            match (run(&script, Path::new("/top"), &log), expected) {
                (Ok(()), None) => {}
                (Err(InitError::Program { status, .. }), Some(expected)) => {
                    assert_eq!(status, expected)
                }
                (result, _) => panic!("{result:?}"),
            }
        }
        assert!(run(&folder.path().join("none"), Path::new("/"), &log).is_err());
    }
}
