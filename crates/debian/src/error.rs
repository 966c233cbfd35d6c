//! What can go wrong, in the builder and towards the archive. A source is never repeated in the message of its wrapper.

use std::io;
use std::path::{Path, PathBuf};

use flk_address::{Address, redact};

use crate::archive::File;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something of this crate failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb: `read`, `create` …
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A document is not the JSON that it should be.
    #[error("{} is not the JSON that was expected", path.display())]
    Json {
        /// The document.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The builder does not know the command.
    #[error("flk-debian has no command `{0}`")]
    UnknownCommand(String),
    /// Parameters of a command do not go together.
    #[error("`{command}`: {reason}")]
    Parameters {
        /// The builder's command.
        command: &'static str,
        /// What is wrong with its parameters.
        reason: String,
    },
    /// A file is not a Debian package, or a damaged one.
    #[error("{} is not a Debian package: {reason}", deb.display())]
    Deb {
        /// The package's file.
        deb: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A package's file would land outside its own folder, or is of a kind that no store path can hold.
    #[error("{} has the member {}, {reason}", deb.display(), member.display())]
    Member {
        /// The package's file.
        deb: PathBuf,
        /// The path that the archive gives.
        member: PathBuf,
        /// Why it is refused.
        reason: String,
    },
    /// A kernel module that was asked for is not there.
    #[error("{} has no module `{name}`{}", modules.display(), suggest(near))]
    NoModule {
        /// The folder of the modules.
        modules: PathBuf,
        /// What was asked for.
        name: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// A program of a package failed.
    #[error("`{program}` failed: {status}; what it said is above")]
    Program {
        /// The command line.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// No mirror is known for an archive.
    #[error(
        "no Debian mirror is known: {} names none and {variable} is not set; set {variable} to a mirror's base address{}",
        sources.display(), lines(rejected)
    )]
    NoMirror {
        /// The environment variable to set.
        variable: &'static str,
        /// Where apt's sources were looked for.
        sources: PathBuf,
        /// What was looked at and is none, a sentence each.
        rejected: Vec<String>,
    },
    /// What may be an archive's mirror does not prove to be it.
    #[error(
        "no source of apt proves to be a mirror of Debian; set {variable} to a mirror's base address{}",
        lines(rejected)
    )]
    NotDebian {
        /// The environment variable to set.
        variable: &'static str,
        /// What is wrong with each, a sentence each.
        rejected: Vec<String>,
    },
    /// A mirror did not give what it was asked for.
    #[error("cannot fetch {address}")]
    Fetch {
        /// The whole address.
        address: Address,
        /// The transport's reason.
        source: Transport,
    },
    /// A proxy's address is none.
    #[error("{address} is not a valid address of a proxy")]
    Proxy {
        /// The address.
        address: Address,
        /// Why.
        source: Transport,
    },
    /// What was fetched is not what was announced, every time it was tried.
    #[error("{address} is damaged: {reason}")]
    Damaged {
        /// The whole address.
        address: Address,
        /// Size or digest, expected and found.
        reason: String,
    },
    /// A pinned file is no longer on its mirror.
    #[error(
        "{} is pinned in flk.lock but gone from the mirror `{}`: run `flk update`",
        file.path, file.mirror
    )]
    Gone {
        /// The file.
        file: Box<File>,
        /// The address that was asked.
        address: Address,
    },
    /// A suite is not on its mirror.
    #[error("{address} does not exist: this mirror does not have the suite `{suite}`")]
    NoSuite {
        /// The suite.
        suite: String,
        /// The address of its `InRelease`.
        address: Address,
    },
    /// The archive's signature is missing or not by a known key.
    #[error("the signature of {address} is not good: {reason}")]
    Signature {
        /// Where the signed text came from.
        address: Address,
        /// What was wrong with it.
        reason: String,
    },
    /// A keyring cannot be used.
    #[error("{} is not an OpenPGP keyring: {reason}", path.display())]
    Keyring {
        /// The keyring.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A signed `InRelease` does not say what it has to.
    #[error("{address} {reason}")]
    Release {
        /// The address of the `InRelease`.
        address: Address,
        /// What it lacks or contradicts.
        reason: String,
    },
    /// A lock was written by another version of flk, or by hand.
    #[error("{} cannot be used: {reason}", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Why a transport failed. Its text may repeat an address, so it is shown without what is secret in that.
pub struct Transport(Box<ureq::Error>);

impl From<Box<ureq::Error>> for Transport {
    fn from(error: Box<ureq::Error>) -> Self {
        Self(error)
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redact(&format!("{:?}", self.0)))
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redact(&self.0.to_string()))
    }
}

impl std::error::Error for Transport {}

impl Error {
    /// For `map_err`: the system refused to do `action` to `path`.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }
}

fn lines(rejected: &[String]) -> String {
    rejected.iter().map(|line| format!("\n  {line}")).collect()
}

fn suggest(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!("; near names: {}", near.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn no_error_shows_a_secret_of_an_address() {
        let address = || Address::from("http://op:hidden@m.example/debian/x?token=hidden");
        let transport =
            || Transport::from(Box::new(ureq::Error::BadUri(address().expose().into())));
        let reason = || "r".to_owned();
        let file = Box::new(File {
            mirror: "debian".into(),
            path: "x".into(),
            size: 1,
            sha256: "0".into(),
            name: "x".into(),
        });
        for error in [
            Error::Fetch {
                address: address(),
                source: transport(),
            },
            Error::Proxy {
                address: address(),
                source: transport(),
            },
            Error::Damaged {
                address: address(),
                reason: reason(),
            },
            Error::Gone {
                file,
                address: address(),
            },
            Error::NoSuite {
                suite: "trixie".into(),
                address: address(),
            },
            Error::Signature {
                address: address(),
                reason: reason(),
            },
            Error::Release {
                address: address(),
                reason: reason(),
            },
            Error::NoMirror {
                variable: "V",
                sources: "/etc/apt".into(),
                rejected: vec![format!("{}", address())],
            },
        ] {
            let source = error.source().map(|source| format!("{source} {source:?}"));
            let text = format!("{error} {error:?} {}", source.unwrap_or_default());
            assert!(!text.contains("hidden") && !text.contains("op:"), "{text}");
        }
    }
}
