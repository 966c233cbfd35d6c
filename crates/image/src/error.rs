//! What can go wrong while an ISO is made.

use std::io;
use std::path::PathBuf;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no single component of a path.
    #[error(
        "{name:?} is no file name: one name is needed, without `/`, of at most 250 bytes, and neither `.` nor `..`"
    )]
    FileName {
        /// The name.
        name: String,
    },

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

    /// The store image could not be packed.
    #[error("cannot pack the store image")]
    Squashfs {
        /// Why.
        source: flk_squashfs::Error,
    },

    /// The ISO could not be written or read.
    #[error("cannot write or read the ISO's structures")]
    Iso {
        /// Why.
        source: flk_iso9660::Error,
    },

    /// A store path is not what Nix's database says that it is.
    #[error(
        "{path} is damaged: its NAR hash is {found}, and should be {expected}; `nix-store --repair-path {path}` may mend it"
    )]
    Corrupt {
        /// The store path.
        path: String,
        /// SHA-256, hexadecimal, by Nix's database.
        expected: String,
        /// SHA-256, hexadecimal, of what is there.
        found: String,
    },

    /// The cache's folder cannot be trusted.
    #[error("{} cannot be the cache of packed store paths: {reason}", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },

    /// An ISO's digests are missing or damaged.
    #[error(
        "the ISO's digests ({}) cannot be used: {reason}",
        crate::digests::PLACE
    )]
    Digests {
        /// Why.
        reason: &'static str,
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

    pub(crate) fn squashfs(source: flk_squashfs::Error) -> Error {
        Error::Squashfs { source }
    }

    pub(crate) fn iso(source: flk_iso9660::Error) -> Error {
        Error::Iso { source }
    }

    /// Whether a full disk is behind it.
    pub(crate) fn is_no_space(&self) -> bool {
        let mut error: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(this) = error {
            if let Some(error) = this.downcast_ref::<io::Error>() {
                return matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                );
            }
            error = this.source();
        }
        false
    }
}
