//! What can go wrong while an ISO is made.

use std::io;
use std::path::PathBuf;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read, written or renamed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `create`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The manifest is not JSON of the shape that ARCHITECTURE.md gives.
    #[error("{} is no image manifest", path.display())]
    ManifestSyntax {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },

    /// The manifest is well-formed but asks for something that cannot be.
    #[error("the image manifest's {field} is wrong: {reason}")]
    Manifest {
        /// The JSON field.
        field: &'static str,
        /// Why, with the value.
        reason: String,
    },

    /// Two things are to lie at one place on the ISO.
    #[error("two things are to be put at {target} on the ISO: {first} and {second}")]
    TargetTwice {
        /// The place.
        target: String,
        /// What lies there already.
        first: String,
        /// What else was to.
        second: String,
    },

    /// A file is of a kind, or has a name, that the ISO cannot hold.
    #[error("{} cannot be put on the ISO: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },

    /// A path is not a path of the Nix store.
    #[error("{path} is not a path in /nix/store")]
    NotInStore {
        /// The path.
        path: String,
    },

    /// `mksquashfs` or `xorriso` is not installed.
    #[error("{program} is not installed; on Debian: apt install {package}")]
    ToolMissing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },

    /// `mksquashfs` or `xorriso` failed.
    #[error("{program} failed ({status}): {output}")]
    Tool {
        /// The program.
        program: &'static str,
        /// Its exit status or signal.
        status: String,
        /// The last lines that it wrote.
        output: String,
    },

    /// The file system of the target is too full.
    #[error(
        "no space left in {} for the ISO: {} are free, about {} are needed; free some space, or choose another place with --out",
        path.display(), megabytes(*free), megabytes(*needed)
    )]
    NoSpace {
        /// The folder of the target.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes that are needed, as far as they can be known.
        needed: u64,
    },

    /// Another process is writing the same ISO.
    #[error("another flk is writing {} at this moment; wait for it, or stop it", path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
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
