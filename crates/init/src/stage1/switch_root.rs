//! From the initrd to the new root, as `switch_root(8)` does it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
use rustix::mount::mount_move;

use super::DOCUMENT;
use crate::error::{InitError, IoContext, Result};
use crate::mount::{create_folder, make_writable};
use crate::root_path::resolve_in_root;

/// The system that is booted when the command line names none.
const DEFAULT_INIT: &str = "/nix/var/nix/profiles/system/init";
/// Generations are beside the profile: `system-3-link`.
const PROFILES: &str = "/nix/var/nix/profiles";

/// The program to execute, as a path of the new root, once it is known to be there.
///
/// # Errors
/// It is not there, or cannot be executed.
pub(super) fn find_init(root: &Path, wanted: Option<&Path>) -> Result<PathBuf> {
    let init = wanted.unwrap_or(Path::new(DEFAULT_INIT));
    let resolved = resolve_in_root(root, init)?;
    let executable = fs::metadata(&resolved)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    if executable {
        return Ok(init.to_owned());
    }
    let has_generations =
        fs::read_dir(root.join(PROFILES.trim_start_matches('/'))).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("system-"))
        });
    Err(InitError::Missing {
        what: "the system to boot",
        path: init.to_owned(),
        hint: if has_generations {
            "choose another generation in the boot menu, or give init=/nix/var/nix/profiles/system-N-link/init"
        } else {
            "the medium or disk is not complete, or of another build: write it again, or give init="
        },
    })
}

/// Goes to the new root for good and executes `init` there, with that path as its name.
///
/// # Errors
/// The new root has no place for the kernel's file systems, or the program cannot be executed; then `/` may be the new root already.
pub(super) fn switch(root: &Path, init: &Path) -> Result<std::convert::Infallible> {
    const MOVED: [&str; 4] = ["dev", "proc", "sys", "run"];
    // A new system's root has no folders for them yet, and may have been mounted read-only.
    if MOVED.iter().any(|name| !root.join(name).is_dir()) {
        make_writable(root)?;
    }
    for name in MOVED {
        let (old, new) = (Path::new("/").join(name), root.join(name));
        create_folder(&new, 0o755)?;
        mount_move(&old, &new).at("move to the new root", &old)?;
    }
    rustix::process::chdir(root).at("enter", root)?;
    let old_root = openat(
        CWD,
        "/",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .at("open", "/")?;
    mount_move(root, "/").at("move to /", root)?;
    rustix::process::chroot(".").at("change root to", root)?;
    rustix::process::chdir("/").at("enter", root)?;
    // Only now, so that a failure above still finds the initrd's shell.
    empty_initrd(&old_root);
    drop(old_root);
    let mut command = Command::new(init);
    command.arg0(init).env_clear().env("TERM", "linux");
    Err(command.exec()).at("execute", init)
}

/// Frees the memory of the initrd: removes everything on its file system, if it is one that lives in memory, and the one that stage 1 came from.
fn empty_initrd(root: &impl std::os::fd::AsFd) {
    /// `RAMFS_MAGIC`, `TMPFS_MAGIC`, `include/uapi/linux/magic.h`.
    const IN_MEMORY: [i64; 2] = [0x8584_58f6, 0x0102_1994];
    let in_memory = rustix::fs::fstatfs(root).is_ok_and(|stat| IN_MEMORY.contains(&stat.f_type));
    let is_ours = rustix::fs::accessat(
        root,
        DOCUMENT.trim_start_matches('/'),
        rustix::fs::Access::EXISTS,
        rustix::fs::AtFlags::empty(),
    )
    .is_ok();
    if in_memory
        && is_ours
        && let Ok(stat) = rustix::fs::fstat(root)
    {
        empty_folder(root, stat.st_dev);
    }
}

fn empty_folder(folder: &impl std::os::fd::AsFd, device: u64) {
    let Ok(entries) = Dir::read_from(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if entry.file_type() == FileType::Directory
            && let Ok(inner) = openat(folder, name, flags, Mode::empty())
        {
            if rustix::fs::fstat(&inner).is_ok_and(|stat| stat.st_dev == device) {
                empty_folder(&inner, device);
                let _ = rustix::fs::unlinkat(folder, name, rustix::fs::AtFlags::REMOVEDIR);
            }
        } else {
            let _ = rustix::fs::unlinkat(folder, name, rustix::fs::AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_looked_for_in_the_new_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let message = |wanted: Option<&str>| find_init(root, wanted.map(Path::new)).unwrap_err();
        assert_eq!(
            message(None).to_string(),
            "the system to boot is not there: /nix/var/nix/profiles/system/init"
        );
        fs::create_dir_all(root.join("nix/store/abc-system")).unwrap();
        fs::create_dir_all(root.join("nix/var/nix/profiles")).unwrap();
        std::os::unix::fs::symlink(
            "/nix/store/abc-system",
            root.join("nix/var/nix/profiles/system-1-link"),
        )
        .unwrap();
        assert!(message(Some("/x")).hint().unwrap().contains("generation"));
        std::os::unix::fs::symlink("system-1-link", root.join("nix/var/nix/profiles/system"))
            .unwrap();
        let init = root.join("nix/store/abc-system/init");
        fs::write(&init, "").unwrap();
        assert!(find_init(root, None).is_err(), "it is not executable");
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_init(root, None).unwrap(), Path::new(DEFAULT_INIT));
        assert_eq!(
            find_init(root, Some(Path::new("/nix/store/abc-system/init"))).unwrap(),
            Path::new("/nix/store/abc-system/init")
        );
    }
}
