//! What can go wrong between flk and Nix.

use std::{io, path::PathBuf};

use crate::{EvaluationFailure, Version};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of Nix, or of running it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `nix` on the search path, nor where the official installer puts it.
    #[error("there is no Nix on this machine: no program `nix` on PATH")]
    NotFound,
    /// Nix is older than flakes as flk needs them.
    #[error("Nix {found} at {program} is too old: flk needs 2.8 or newer")]
    TooOld {
        /// The program that was found.
        program: PathBuf,
        /// What it says it is.
        found: Version,
    },
    /// `nix --version` printed something else than a version.
    #[error("{program} does not say which version of Nix it is: {output:?}")]
    UnknownVersion {
        /// The program that was found.
        program: PathBuf,
        /// What it printed.
        output: String,
    },
    /// A program could not be started or its output could not be read.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nix could not evaluate an expression.
    #[error(transparent)]
    Evaluation(#[from] Box<EvaluationFailure>),
    /// A derivation did not build.
    #[error(transparent)]
    Build(#[from] Box<BuildFailure>),
    /// Another Nix command failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// The command in short, without settings.
        command: String,
        /// What Nix said.
        message: String,
    },
    /// Nix printed JSON of a shape that flk does not know.
    #[error("cannot read the output of `{command}`")]
    Json {
        /// The command in short.
        command: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Nix printed something that flk does not know.
    #[error("cannot read the output of `{command}`: {detail}")]
    Output {
        /// The command in short.
        command: String,
        /// What is wrong with it.
        detail: String,
    },
    /// [`crate::interrupt`] was called.
    #[error("interrupted")]
    Interrupted,
}

/// A derivation that did not build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} failed to build: {reason}", .derivation.as_deref().unwrap_or("the derivation"))]
#[non_exhaustive]
pub struct BuildFailure {
    /// The `.drv` that failed, if Nix named one.
    pub derivation: Option<String>,
    /// Nix's reason.
    pub reason: String,
    /// The last lines of the build's log, oldest first.
    pub log: Vec<String>,
}

impl BuildFailure {
    /// The call that prints the whole log.
    pub fn log_command(&self) -> Option<String> {
        let derivation = self.derivation.as_deref()?;
        Some(format!(
            "nix --extra-experimental-features nix-command log {derivation}"
        ))
    }
}
