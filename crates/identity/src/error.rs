//! What can go wrong with keys, secrets and pins.

use std::io;
use std::path::PathBuf;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The secret is not what it should be.
    #[error("the operator's secret {} {reason}", path.display())]
    Secret {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },

    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),

    /// A key cannot be read or written in OpenSSH's format.
    #[error("{what} is no ssh key in OpenSSH's format")]
    Key {
        /// The key.
        what: String,
        /// Why.
        source: ssh_key::Error,
    },

    /// A machine does not prove that it has a host key.
    #[error("the machine proves no ssh host key: {reason}")]
    Exchange {
        /// What is wrong.
        reason: &'static str,
    },

    /// The connection broke off.
    #[error("the connection broke off")]
    Stream(#[source] io::Error),

    /// A name that is no build id.
    #[error("{0:?} is no build id: 32 lower-case hexadecimal digits")]
    BuildId(String),

    /// A name that is no host's.
    #[error(
        "{0:?} is not a valid host name: one has letters (A to Z), digits, `-`, `_` and `.`, at most 63"
    )]
    HostName(String),

    /// The identities file is not what it should be.
    #[error("{} {reason}", path.display())]
    Identities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// What was learned contradicts the identities file.
    #[error("{} has something else of {host}: {what}", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The host.
        host: String,
        /// What contradicts.
        what: String,
    },

    /// A pin's file is damaged.
    #[error("{} is no pin; remove it, and run `flk iso` again for its host", path.display())]
    Pin {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}
