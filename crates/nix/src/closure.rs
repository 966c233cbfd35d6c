//! A closure: store paths with all that they refer to, as `nix path-info --recursive --json` tells.

use serde::{Deserialize, Serialize};

/// What Nix knows of one valid store path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathInfo {
    /// The absolute store path, `/nix/store/<hash>-<name>`.
    pub path: String,
    /// SHA-256 of the path's NAR serialisation, lower-case hexadecimal without a prefix.
    pub nar_hash: String,
    /// Length of the NAR serialisation in bytes.
    pub nar_size: u64,
    /// Store paths that this one refers to (itself included where it does), sorted.
    pub references: Vec<String>,
}

/// A set of store paths that holds every reference of its members, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// The members, sorted by [`PathInfo::path`].
    pub paths: Vec<PathInfo>,
}

impl Closure {
    /// The sum of the NAR sizes in bytes.
    pub fn nar_size(&self) -> u64 {
        self.paths.iter().map(|info| info.nar_size).sum()
    }
}
