//! `cargo xtask …`: what a developer of flk does with the repository as a whole.

mod build;
mod demo;
mod error;
mod fuzz;
mod lanes;
mod nixos;
mod options;
mod setup;
mod suite;
mod tidy;

pub(crate) use error::{Error, Result};

use clap::{Parser, Subcommand};
use std::{
    fmt::Display,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set up, demo, test, look up options, tidy"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show flk: from `flk init` to a live machine in QEMU that answers by mDNS, at fe80::47 and by ssh
    Demo,
    /// Set up and run every test, whole machines included
    Test {
        /// Leave out the machines in QEMU, and build no release
        #[arg(long)]
        quick: bool,
    },
    /// Run the fuzz targets
    Fuzz {
        /// Which; without one, all
        targets: Vec<String>,
        /// How long each
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Walk flk's whole road on NixOS's own modules: hosts, ISO, boot, ssh, install, switch, rollback
    Nixos(nixos::Options),
    /// What a change has to pass: format, clippy, tidy, every test
    Ci,
    /// Install what is missing (as root) and build flk in release mode
    Setup,
    /// Look up every option that flk's Nix files define or read in nixpkgs trees: what is missing, renamed or of another type
    Options {
        /// A nixpkgs tree: the directory with `nixos/` and `lib/`; may be given several times
        #[arg(long, value_name = "DIR", required = true)]
        nixpkgs: Vec<PathBuf>,
    },
    /// Check what no compiler checks: headers, names that do not belong here, Nix's form, the changelog
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo => setup::run().and_then(|()| demo::run()),
        Task::Test { quick } => suite::run(quick),
        Task::Fuzz { targets, seconds } => fuzz::run(&targets, seconds).map(drop),
        Task::Nixos(options) => nixos::run(&options),
        Task::Ci => gate(),
        Task::Setup => setup::run(),
        Task::Options { nixpkgs } => options::run(&nixpkgs),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn gate() -> Result<()> {
    tidy::run()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    suite::run(false)
}

/// The repository's top folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo itself, in the repository.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Cargo runs us with the environment of a build; what we start is to start as from a shell.
pub(crate) fn as_from_a_shell(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Runs Cargo, with its output where ours goes.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    say(format_args!("$ cargo {}", arguments.join(" ")));
    let status = cargo_command()
        .args(arguments)
        .status()
        .map_err(|source| Error::Start {
            program: "cargo".into(),
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed(format!("cargo {}", arguments.join(" "))))
    }
}

/// Prints a command as one would type it, and runs it with its output where ours goes; `failure`
/// makes the error of how it ended.
pub(crate) fn show(
    line: &str,
    command: &mut Command,
    failure: impl FnOnce(String) -> Error,
) -> Result<()> {
    say(format_args!("$ {line}"));
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            program: line.into(),
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(failure(format!("`{line}` ended with {status}")))
    }
}

/// Prints a line.
pub(crate) fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
