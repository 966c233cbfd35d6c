//! Nix's own word on the target's store: which paths are valid, and making them so. Its database is never written by anybody else.
//!
//! `nix-store --store local?root=…` of Nix 2.8 and newer: the store is still called `/nix/store`, and lies with its database below the root.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flk_nix::{Closure, PathInfo};

use crate::execute::sync;
use crate::patch::remove;
use crate::root::inside;
use crate::{Error, Result};

const PROGRAM: &str = "nix-store";
/// Where Nix's database is.
pub(crate) const DATABASE: &str = "/nix/var/nix/db";
const DATABASE_FILE: &str = "db.sqlite";
/// Where it is until it has everything, on the same file system.
const FIRST_STATE: &str = "/nix/var/flk-first";

/// The paths that the target's database knows.
///
/// # Errors
/// [`Error::Program`], [`Error::Io`].
pub(crate) fn valid<'a>(root: &Path, closure: &'a Closure) -> Result<Vec<&'a PathInfo>> {
    let database = inside(root, Path::new(DATABASE));
    if fs::symlink_metadata(database.join(DATABASE_FILE)).is_err() {
        return Ok(Vec::new());
    }
    let mut command = nix_store(root);
    command.args(["--check-validity", "--print-invalid"]);
    command.args(closure.paths.iter().map(|info| &info.path));
    let output = run(command, &[])?;
    let invalid = String::from_utf8_lossy(&output.stdout).into_owned();
    let invalid: std::collections::HashSet<&str> = invalid.lines().collect();
    Ok(closure
        .paths
        .iter()
        .filter(|info| !invalid.contains(info.path.as_str()))
        .collect())
}

/// Makes all paths valid, in one transaction. They must be on disk by now; the database is, afterwards.
///
/// # Errors
/// [`Error::Program`], [`Error::Io`].
pub(crate) fn register(root: &Path, closure: &Closure) -> Result<()> {
    let database = inside(root, Path::new(DATABASE));
    if fs::symlink_metadata(database.join(DATABASE_FILE)).is_err() {
        return register_first(root, &database, closure);
    }
    load(nix_store(root), closure)?;
    sync(&database)
}

/// Nix would make a new database in steps: cut off between them, it is one that no Nix opens any more. So Nix makes it beside its place, and it goes there
/// when it is on disk.
fn register_first(root: &Path, database: &Path, closure: &Closure) -> Result<()> {
    let state = inside(root, Path::new(FIRST_STATE));
    remove(&state)?;
    let store = format!("local?root={}&state={}", encode(root), encode(&state));
    load(nix_store_at(&store), closure)?;
    sync(&state)?;
    remove(database)?;
    fs::rename(state.join("db"), database).map_err(Error::io("put into place", database))?;
    remove(&state)?;
    sync(database)
}

fn load(mut nix_store: Command, closure: &Closure) -> Result<()> {
    nix_store.arg("--load-db");
    run(nix_store, flk_image::registration(closure).as_bytes()).map(drop)
}

/// Removes those of the paths to which nothing else refers.
///
/// # Errors
/// [`Error::Io`] if Nix cannot be run. That Nix refuses is none: they stay until Nix's own garbage collection.
pub(crate) fn delete(root: &Path, paths: &[String]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut command = nix_store(root);
    // With a look at the roots, Nix would remove those that lead to file systems that are not mounted now.
    command.args(["--delete", "--ignore-liveness"]).args(paths);
    match run(command, &[]) {
        Ok(_) | Err(Error::Program { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn nix_store(root: &Path) -> Command {
    nix_store_at(&format!("local?root={}", encode(root)))
}

fn nix_store_at(store: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["--store", store])
        .env_remove("NIX_REMOTE")
        .env_remove("NIX_STORE_DIR")
        .env_remove("NIX_STATE_DIR");
    command
}

/// A value in a store's URI.
fn encode(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match plain(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

fn run(mut command: Command, input: &[u8]) -> Result<Output> {
    let program = Path::new(PROGRAM);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io("run", program))?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin.take() {
                // When it does not read to the end, its exit says why.
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    })
    .map_err(Error::io("run", program))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::Program {
        program: PROGRAM.to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_folders_are_encoded() {
        assert_eq!(encode(Path::new("/mnt")), "/mnt");
        assert_eq!(encode(Path::new("/a b&c")), "/a%20b%26c");
    }
}
