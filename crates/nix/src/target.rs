//! The store of another root: `local?root=…`, where the store is still called `/nix/store` and lies with its database below the root.
//!
//! Nix builds there with the derivations of this machine's store (`--eval-store`), so none is copied; of what it does not find there, it takes what
//! this machine's store has. Opening such a store makes its folders and its database: nothing here is for looking only.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Closure, Event, Nix, Result,
    log::LogReader,
    process,
    realise::build_failure,
    store,
    text::{percent_encode, quote},
};

/// Another root's store.
#[derive(Clone, Debug)]
pub struct TargetStore<'n> {
    nix: &'n Nix,
    store: String,
    scratch: PathBuf,
}

impl Nix {
    /// The store below a root. Builds have their temporary folders in `scratch`, which has to be there.
    pub fn target_store(&self, root: &Path, scratch: &Path) -> TargetStore<'_> {
        TargetStore {
            nix: self,
            store: format!("local?root={}", percent_encode(root)),
            scratch: scratch.to_owned(),
        }
    }
}

impl TargetStore<'_> {
    /// Those of the paths that it has, complete.
    ///
    /// # Errors
    /// Only if Nix cannot be run.
    pub fn valid<P: AsRef<str>>(&self, paths: &[P]) -> Result<BTreeSet<String>> {
        store::valid(self.nix, Some(&self.store), paths)
    }

    /// As [`Nix::closure`].
    ///
    /// # Errors
    /// As [`Nix::closure`].
    pub fn closure(&self, path: &str) -> Result<Closure> {
        self.nix.path_infos(Some(&self.store), &[path], true)
    }

    /// As [`Nix::add_fixed`].
    ///
    /// # Errors
    /// As [`Nix::add_fixed`].
    pub fn add_fixed<P: AsRef<Path>>(&self, files: &[P]) -> Result<Vec<String>> {
        store::add_fixed(self.nix, Some(&self.store), files)
    }

    /// Builds a derivation of this machine's store there.
    ///
    /// # Errors
    /// [`crate::Error::Build`] with the derivation and the end of its log.
    pub fn build(&self, derivation: &str, on_event: &mut dyn FnMut(Event)) -> Result<()> {
        let mut command = self.settings(self.nix.nix());
        command.args(["--log-format", "internal-json"]);
        // A derivation's path is a command line's argument in one way before Nix 2.13 and in another since; this is the same in both.
        command.args(["build", "--no-link", "--impure", "--expr"]);
        command.arg(format!("import {}", quote(derivation)));
        command.args(["--store", &self.store, "--eval-store", "auto"]);
        let mut reader = LogReader::default();
        let output = process::run(command, &mut |line| {
            reader.line(line).into_iter().for_each(&mut *on_event);
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Box::new(build_failure(&reader, &output.stderr)).into())
    }

    fn settings(&self, mut command: Command) -> Command {
        command
            .args(["--option", "extra-substituters", "auto?trusted=1"])
            // What is registered has to be on disk, whenever the machine is cut off.
            .args(["--option", "sync-before-registering", "true"])
            .env("TMPDIR", &self.scratch)
            .env_remove("NIX_REMOTE");
        command
    }
}
