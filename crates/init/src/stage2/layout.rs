//! The folders and links of a root that begins empty.

use std::path::Path;

use super::link;
use crate::atomic_file;
use crate::error::{InitError, Result};
use crate::mount::create_folder;

/// Folders that every system has, with their modes.
const FOLDERS: [(&str, u32); 22] = [
    ("usr", 0o755),
    ("etc", 0o755),
    ("root", 0o700),
    ("home", 0o755),
    ("mnt", 0o755),
    ("media", 0o755),
    ("opt", 0o755),
    ("srv", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/empty", 0o555),
    ("var/lib", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
    ("nix/store", 0o1775),
    ("nix/var/nix/profiles/per-user", 0o755),
    ("nix/var/nix/gcroots/per-user", 0o755),
    ("nix/var/nix/temproots", 0o755),
    ("nix/var/log/nix/drvs", 0o755),
];

/// Links that every system has; a folder with something in it is left alone.
const LINKS: [(&str, &str); 4] = [
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
    ("nix/var/nix/gcroots/booted-system", "/run/booted-system"),
    ("nix/var/nix/gcroots/current-system", "/run/current-system"),
];

/// What is merged into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Makes the folders and links. Gives what could not be made.
pub(super) fn create(root: &Path) -> Vec<InitError> {
    let folders = FOLDERS
        .iter()
        .map(|(path, mode)| create_folder(&root.join(path), *mode));
    let mut problems: Vec<InitError> = folders.filter_map(Result::err).collect();
    problems.extend(
        LINKS
            .iter()
            .map(|(path, target)| atomic_file::link(Path::new(target), &root.join(path)))
            .filter_map(Result::err),
    );
    problems
}

/// `/bin`, `/sbin`, `/lib` and `/lib64` as links to the folders of `/usr`.
pub(super) fn link_into_usr(root: &Path) -> Vec<InitError> {
    MERGED
        .iter()
        .map(|name| atomic_file::link(&Path::new("usr").join(name), &root.join(name)))
        .filter_map(Result::err)
        .collect()
}

/// The system that was booted, for whoever asks which kernel's modules are the right ones.
pub(super) fn link_booted_system(toplevel: &Path) -> Result<()> {
    link(toplevel, "/run/booted-system")
}

/// The system that is running now.
pub(super) fn link_current_system(toplevel: &Path) -> Result<()> {
    link(toplevel, "/run/current-system")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn an_empty_root_gets_its_shape_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("lib64/mine")).unwrap();
        for round in 0..2 {
            assert!(create(root).is_empty(), "round {round}");
            assert_eq!(link_into_usr(root).len(), 1, "lib64 has something in it");
        }
        assert_eq!(
            std::fs::metadata(root.join("tmp")).unwrap().mode() & 0o7777,
            0o1777
        );
        assert_eq!(
            std::fs::read_link(root.join("bin")).unwrap(),
            Path::new("usr/bin")
        );
        assert_eq!(
            std::fs::read_link(root.join("var/run")).unwrap(),
            Path::new("/run")
        );
        assert!(root.join("lib64/mine").is_dir());
    }
}
