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

impl Error {
    /// Whether a flake does not have the output that was asked for.
    pub fn is_missing_output(&self) -> bool {
        matches!(self, Self::Evaluation(failure) if failure.message.contains("does not provide attribute"))
    }
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
    /// The addresses of remote builders that were not to be reached.
    pub unreachable: Vec<String>,
}

impl BuildFailure {
    /// The call that prints the whole log, where the build began.
    pub fn log_command(&self) -> Option<String> {
        if self.lacks().is_some() {
            return None;
        }
        let derivation = self.derivation.as_deref()?;
        Some(format!(
            "nix --extra-experimental-features nix-command log {derivation}"
        ))
    }

    /// What no machine that Nix may build on has.
    pub fn lacks(&self) -> Option<Lacking<'_>> {
        if self.reason.contains("is required to build") {
            // `a 'aarch64-linux' with features {kvm} is required to build '…', but I am a …`, before Nix 2.30.
            return Some(Lacking {
                system: quoted(&self.reason),
                features: braced(&self.reason),
            });
        }
        let after = |lead: &str| Some(self.reason.split_once(lead)?.1);
        let (system, features) = (after("Required system:"), after("Required features:"));
        (system.is_some() || features.is_some()).then(|| Lacking {
            system: system.and_then(quoted),
            // In one line with the system, or in one of their own.
            features: features.or(system).map(braced).unwrap_or_default(),
        })
    }
}

/// What is wanted of a machine that builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking<'a> {
    /// The system; `None` where Nix only names features.
    pub system: Option<&'a str>,
    /// Features by their names in nix.conf, `system-features`.
    pub features: Vec<&'a str>,
}

fn quoted(text: &str) -> Option<&str> {
    text.split('\'').nth(1)
}

/// `{a, b}` in the first line.
fn braced(text: &str) -> Vec<&str> {
    let line = text.lines().next().unwrap_or_default();
    line.split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(names, _)| names)
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_told() {
        for (reason, expected) in [
            (
                "a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {kvm}",
                Some((Some("aarch64-linux"), vec![])),
            ),
            (
                "a 'x86_64-linux' with features {big-parallel, kvm} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {}",
                Some((Some("x86_64-linux"), vec!["big-parallel", "kvm"])),
            ),
            (
                "required system or feature not available\nRequired system: 'riscv64-linux' with features {}\nCurrent system: 'x86_64-linux' with features {kvm}",
                Some((Some("riscv64-linux"), vec![])),
            ),
            (
                "platform mismatch\nRequired system: 'riscv64-linux'\nCurrent system: 'x86_64-linux'",
                Some((Some("riscv64-linux"), vec![])),
            ),
            (
                "missing system features\nRequired features: {there}\nAvailable features: {kvm}",
                Some((None, vec!["there"])),
            ),
            ("its builder failed with exit code 1", None),
        ] {
            let failure = BuildFailure {
                derivation: Some("/nix/store/x.drv".to_owned()),
                reason: reason.to_owned(),
                log: Vec::new(),
                unreachable: Vec::new(),
            };
            let expected = expected.map(|(system, features)| Lacking { system, features });
            assert_eq!(failure.lacks(), expected, "{reason}");
            assert_eq!(failure.log_command().is_none(), expected.is_some());
        }
    }
}
