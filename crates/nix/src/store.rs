//! The store: what is valid, what is put there, what is kept.

use std::{collections::BTreeSet, path::Path};

use crate::{Error, Nix, Result};

/// Paths given to one `nix-store`.
const CHUNK: usize = 200;

impl Nix {
    /// Puts files into the store under their own names, as fixed outputs by SHA-256 of their content; gives the store paths in the same order.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn add_fixed<P: AsRef<Path>>(&self, files: &[P]) -> Result<Vec<String>> {
        add_fixed(self, None, files)
    }

    /// Those of the paths that the store has, complete.
    ///
    /// # Errors
    /// Only if Nix cannot be run.
    pub fn valid<P: AsRef<str>>(&self, paths: &[P]) -> Result<BTreeSet<String>> {
        valid(self, None, paths)
    }

    /// Where a file with that SHA-256 (hexadecimal) and name is in the store, or would be.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn fixed_path(&self, sha256: &str, name: &str) -> Result<String> {
        let mut command = self.nix_store();
        command.args(["--print-fixed-path", "sha256", sha256, name]);
        self.run_text(command, "nix-store --print-fixed-path")
    }

    /// Puts a folder into the store under a name.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn add_path(&self, folder: &Path, name: &str) -> Result<String> {
        let mut command = self.nix();
        command.args(["store", "add-path", "--name", name]);
        command.arg(folder);
        self.run_text(command, "nix store add-path")
    }

    /// SHA-256 of a path's NAR serialisation, as SRI.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn hash_path(&self, path: &Path) -> Result<String> {
        let mut command = self.nix();
        command.args(["hash", "path", "--sri"]);
        command.arg(path);
        self.run_text(command, "nix hash path")
    }

    /// Whether the store has a path, complete.
    ///
    /// # Errors
    /// Only if Nix cannot be run.
    pub fn is_valid(&self, path: &str) -> Result<bool> {
        let mut command = self.nix_store();
        command.args(["--check-validity", path]);
        match self.run(command, "nix-store --check-validity") {
            Ok(_) => Ok(true),
            Err(Error::Command { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a link that keeps a store path, and all that it refers to, from garbage collection. The store path must be valid or fetchable.
    ///
    /// # Errors
    /// [`Error::Build`] with Nix's message.
    pub fn add_root(&self, path: &str, root: &Path) -> Result<()> {
        self.realise(&[path], Some(root), &mut |_| {}).map(drop)
    }
}

/// Adds files to this machine's store or to another one.
pub(crate) fn add_fixed<P: AsRef<Path>>(
    nix: &Nix,
    store: Option<&str>,
    files: &[P],
) -> Result<Vec<String>> {
    const COMMAND: &str = "nix-store --add-fixed";
    let mut added = Vec::with_capacity(files.len());
    for chunk in files.chunks(CHUNK) {
        let mut command = nix.nix_store();
        command.args(store.into_iter().flat_map(|store| ["--store", store]));
        command.args(["--add-fixed", "sha256"]);
        command.args(chunk.iter().map(|file| file.as_ref().as_os_str()));
        let text = nix.run_text(command, COMMAND)?;
        added.extend(text.lines().map(str::to_owned));
    }
    if added.len() != files.len() {
        return Err(Error::Output {
            command: COMMAND.to_owned(),
            detail: format!("{} paths for {} files", added.len(), files.len()),
        });
    }
    Ok(added)
}

/// The valid ones of the paths, in this machine's store or another one.
pub(crate) fn valid<P: AsRef<str>>(
    nix: &Nix,
    store: Option<&str>,
    paths: &[P],
) -> Result<BTreeSet<String>> {
    let mut valid: BTreeSet<String> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    for chunk in paths.chunks(CHUNK) {
        let mut command = nix.nix_store();
        command.args(store.into_iter().flat_map(|store| ["--store", store]));
        command.args(["--check-validity", "--print-invalid"]);
        command.args(chunk.iter().map(AsRef::as_ref));
        let text = nix.run_text(command, "nix-store --check-validity")?;
        for invalid in text.lines() {
            valid.remove(invalid);
        }
    }
    Ok(valid)
}
