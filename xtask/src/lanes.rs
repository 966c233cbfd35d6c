//! Test programs, several at a time: each with its tests one after the other, its output told when it is over.

use crate::{Error, Result, cargo_command, root, say};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// How many at a time: a machine that starts keeps one processor busy and waits in between.
const LANES: usize = 2;

/// A program that has run.
pub(crate) struct Ran {
    /// What it printed, standard output first.
    pub(crate) output: String,
    /// It ended with exit code 0.
    pub(crate) is_success: bool,
}

/// Builds a package's tests and gives the programs.
pub(crate) fn programs(package: &str) -> Result<Vec<PathBuf>> {
    let arguments = ["test", "--package", package, "--no-run"];
    say(format_args!("$ cargo {}", arguments.join(" ")));
    let mut command = cargo_command();
    command
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    crate::as_from_a_shell(&mut command);
    let start_error = |source| Error::Start {
        program: "cargo".into(),
        source,
    };
    let mut child = command.spawn().map_err(start_error)?;
    let mut programs = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout)
            .lines()
            .map_while(std::io::Result::ok)
        {
            programs.extend(program(&line));
        }
    }
    let status = child.wait().map_err(start_error)?;
    if status.success() {
        Ok(programs)
    } else {
        Err(Error::Failed(format!("cargo {}", arguments.join(" "))))
    }
}

/// The test program that a message of Cargo's tells of (The Cargo Book, External Tools, JSON messages).
fn program(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let path = message["executable"].as_str()?;
    is_test.then(|| path.into())
}

/// Runs the programs in a package's folder; `tell` gets each when it is over.
pub(crate) fn run(
    programs: &[PathBuf],
    folder: &Path,
    tell: &(dyn Fn(&Path, Ran) + Sync),
) -> Result<()> {
    each(programs, |program| {
        tell(program, run_one(program, folder)?);
        Ok(())
    })
}

/// Does `work` with each of them, [`LANES`] at a time; one that fails does not end the others.
pub(crate) fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        failure.get_or_insert(error);
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn run_one(program: &Path, folder: &Path) -> Result<Ran> {
    let start = Instant::now();
    let mut command = Command::new(program);
    command
        .arg("--test-threads=1")
        .current_dir(folder)
        .stdin(Stdio::null());
    crate::as_from_a_shell(&mut command);
    let name = program.strip_prefix(root()).unwrap_or(program).display();
    say(format_args!("     Running {name}"));
    let output = command.output().map_err(|source| Error::Start {
        program: name.to_string(),
        source,
    })?;
    let mut text = format!("     Running {name}, {} s\n", start.elapsed().as_secs());
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Ran {
        output: text,
        is_success: output.status.success(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_programs_are_run() {
        let message = |reason: &str, test: bool| {
            serde_json::json!({ "reason": reason, "profile": { "test": test }, "executable": "/x" })
                .to_string()
        };
        assert_eq!(
            program(&message("compiler-artifact", true)),
            Some("/x".into())
        );
        assert_eq!(program(&message("compiler-artifact", false)), None);
        assert_eq!(program(&message("build-finished", true)), None);
        let library = r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":null}"#;
        assert_eq!(program(library), None);
        assert_eq!(program("warning: unused"), None);
    }

    #[test]
    fn every_program_is_run_and_told() {
        let told = Mutex::new(Vec::new());
        let programs: Vec<PathBuf> = ["echo", "false", "echo"].map(PathBuf::from).into();
        run(&programs, Path::new("/"), &|program, ran| {
            told.lock().unwrap().push((
                program.to_owned(),
                ran.is_success,
                ran.output.contains("--test-threads=1\n"),
            ));
        })
        .unwrap();
        let mut told = told.into_inner().unwrap();
        told.sort();
        let echo = || (PathBuf::from("echo"), true, true);
        assert_eq!(told, [echo(), echo(), ("false".into(), false, false)]);
        let missing = [PathBuf::from("/nowhere/at/all")];
        assert!(run(&missing, Path::new("/"), &|_, _| ()).is_err());
    }
}
