//! Why a task failed.

use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{0}` failed")]
    Failed(String),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "these packages are missing, and only root can install them; run\n    apt-get install --no-install-recommends {0}"
    )]
    NotRoot(String),
    #[error("this machine has no apt-get, so install by its own means what provides: {0}")]
    NoApt(String),
    #[error("{0} findings")]
    Untidy(usize),
    #[error(
        "{0} findings; each is an option that a nixpkgs tree has not as flk's Nix files take it, or a member without a reason"
    )]
    Options(usize),
    #[error("{}: flk's Nix files cannot be evaluated with this nixpkgs\ncaused by: {reason}", tree.display())]
    Look { tree: PathBuf, reason: String },
    #[error("not all tests passed")]
    Tests,
    #[error("{0}")]
    Bench(#[from] flk_tests::BenchError),
    #[error("the demo cannot go on: {0}")]
    Demo(String),
    #[error("NixOS: {0}")]
    Nixos(String),
}

impl Error {
    /// What makes an I/O error one of a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
