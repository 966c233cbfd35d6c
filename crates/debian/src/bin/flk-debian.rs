//! `flk-debian COMMAND`: the builder of Nix derivations on the built-in channel. Reads its parameters from the structured
//! attributes (`$NIX_ATTRS_JSON_FILE`, `.attrs.json`); ARCHITECTURE.md has the commands.

use std::error::Error as _;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(command), None) = (arguments.next(), arguments.next()) else {
        say(
            "error: flk-debian takes one argument, the command; Nix runs it as the builder of a derivation",
        );
        return ExitCode::from(2);
    };
    // Nix before 2.9 names the file as it is called outside the sandbox; the build's own folder always has it.
    let attributes = std::env::var_os("NIX_ATTRS_JSON_FILE")
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(".attrs.json"));
    let warn = |line: &str| say(&format!("warning: {line}"));
    match flk_debian::build(&OsStr::to_string_lossy(&command), &attributes, &warn) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            let mut cause = error.source();
            while let Some(source) = cause {
                say(&format!("caused by: {source}"));
                cause = source.source();
            }
            let is_usage = matches!(error, flk_debian::Error::UnknownCommand(_));
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

/// The build log of a derivation is the standard error of its builder: nothing else can be told to anybody from there.
#[allow(clippy::print_stderr)]
fn say(line: &str) {
    eprintln!("{line}");
}
