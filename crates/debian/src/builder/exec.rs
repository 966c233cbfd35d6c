//! `exec`: runs a program of a Debian package in the sandbox, where nothing of Debian is installed.
//!
//! A program starts through its own dynamic loader, with every package's library folders on the library path. What it starts
//! itself does not find a loader: scripts and programs that call others are not supported.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::raw::{Raw, resolve};
use super::tree::{self, Entry};
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exec {
    packages: Vec<PathBuf>,
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    stdout: bool,
    #[serde(default)]
    make_output: bool,
    /// Files that the program finds in `@scratch@`, a folder that does not outlive the build.
    #[serde(default)]
    scratch: Vec<Entry>,
    /// What of `@scratch@` becomes the output.
    result: Option<String>,
}

pub(crate) fn exec(parameters: &Exec, build: Build<'_>) -> Result<()> {
    let fault = |reason: &str| Error::Parameters {
        command: "exec",
        reason: reason.to_owned(),
    };
    let ways = [
        parameters.stdout,
        parameters.make_output,
        parameters.result.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(fault(
            "of `stdout`, `makeOutput` and `result` one at most can make the output",
        ));
    }
    let programs = Programs::new(&parameters.packages)?;
    let scratch = std::env::current_dir()
        .map_err(Error::io("find", "."))?
        .join("scratch");
    folder::create(&scratch)?;
    tree::lay_out(&parameters.scratch, &scratch, "exec")?;

    let mut names: Vec<(String, &Path)> = vec![
        ("@out@".to_owned(), build.out),
        ("@scratch@".to_owned(), &scratch),
    ];
    for raw in &programs.raws {
        names.push((format!("@{}@", raw.name), &raw.path));
    }
    let fill = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (name, path)| {
            text.replace(name, &path.to_string_lossy())
        })
    };
    let words: Vec<String> = parameters.command.iter().map(|word| fill(word)).collect();
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| fault("`command` is empty"))?;

    let mut command = programs.command(program)?;
    command.args(arguments).current_dir(&scratch);
    for (name, value) in &parameters.environment {
        command.env(name, fill(value));
    }
    if parameters.make_output {
        folder::create(build.out)?;
    }
    if parameters.stdout {
        let file = fs::File::create(build.out).map_err(Error::io("create", build.out))?;
        command.stdout(file);
    }
    run(command, &words.join(" "))?;
    if let Some(result) = &parameters.result {
        let path = folder::normalize(Path::new(result.trim_start_matches('/')))
            .ok_or_else(|| fault("`result` leads out of the scratch folder"))?;
        folder::copy_tree(&scratch.join(path), build.out)?;
    }
    if build.out.symlink_metadata().is_err() {
        return Err(fault(&format!("`{program}` made no output")));
    }
    Ok(())
}

/// Runs a command to its end; both of its outputs go where they were sent, or to the build's log.
pub(crate) fn run(mut command: Command, shown: &str) -> Result<()> {
    let status = command
        .status()
        .map_err(Error::io("start", Path::new(shown)))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program: shown.to_owned(),
        status,
    })
}

/// Packages whose programs can be run.
pub(crate) struct Programs {
    raws: Vec<Raw>,
    loader: PathBuf,
    library_path: OsString,
}

/// Where libraries and the loader lie, the architecture's folder first.
const LIBRARIES: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64"];

impl Programs {
    /// Looks for the loader and for the folders that have libraries.
    pub(crate) fn new(packages: &[PathBuf]) -> Result<Self> {
        let raws = packages.iter().map(Raw::open).collect::<Result<Vec<_>>>()?;
        let loader = raws
            .iter()
            .flat_map(|raw| LIBRARIES.map(|folder| raw.path.join(folder)))
            .map(|folder| folder.join("ld-linux-x86-64.so.2"))
            .find(|file| file.is_file())
            .ok_or_else(|| Error::Parameters {
                command: "exec",
                reason: "none of the packages has ld-linux-x86-64.so.2; libc6 has to be among them"
                    .to_owned(),
            })?;
        let mut folders: Vec<PathBuf> = Vec::new();
        for raw in &raws {
            for folder in LIBRARIES {
                let folder = raw.path.join(folder);
                for name in folder::list_if_present(&folder)? {
                    let below = folder.join(name);
                    if below.is_dir() && !below.is_symlink() && has_library(&below)? {
                        folders.push(below);
                    }
                }
                if has_library(&folder)? {
                    folders.push(folder);
                }
            }
        }
        // The folders themselves before the ones below them, so that a private copy is not found first.
        folders.sort_by_key(|folder| folder.components().count());
        let library_path = std::env::join_paths(&folders).map_err(|error| Error::Parameters {
            command: "exec",
            reason: error.to_string(),
        })?;
        Ok(Self {
            raws,
            loader,
            library_path,
        })
    }

    /// A command for a program: a path, or a name that is looked up in the packages' `sbin` and `bin`. Its environment is
    /// empty, its standard input too, and its standard output is the build's log.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let file = if program.contains('/') {
            PathBuf::from(program)
        } else {
            let paths: Vec<&Path> = self.raws.iter().map(|raw| raw.path.as_path()).collect();
            ["usr/sbin", "usr/bin"]
                .iter()
                .find_map(|folder| resolve(&paths, None, &Path::new(folder).join(program)))
                .ok_or_else(|| Error::Parameters {
                    command: "exec",
                    reason: format!(
                        "none of {} has the program `{program}`",
                        self.raws
                            .iter()
                            .map(|raw| raw.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                })?
        };
        let mut command = Command::new(&self.loader);
        command
            .arg("--library-path")
            .arg(&self.library_path)
            .arg("--argv0")
            .arg(program)
            .arg(file)
            .env_clear()
            .env("HOME", "/homeless-shelter")
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", "1")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(std::io::stderr());
        if let Some(folder) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", folder);
        }
        Ok(command)
    }
}

/// Whether a folder has a `lib*.so*` file.
fn has_library(path: &Path) -> Result<bool> {
    Ok(folder::list_if_present(path)?.iter().any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("lib") && name.contains(".so")
    }))
}
