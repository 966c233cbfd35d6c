//! Whose files flk leaves behind under sudo: those of the user who called it, so that his next run without sudo can use them.
//!
//! Only what is root's becomes the caller's, only in flk's directories within his home and at the outputs in his repository, and no symlink is followed.
//! A file with several names stays root's: another name of it may be anywhere.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, openat, statat,
};

use crate::place::{Places, home};

/// What flk, Nix and git write in a repository.
const OUTPUTS: [&str; 6] = [
    "result",
    "flk.lock",
    "flake.lock",
    "identities.toml",
    "hosts",
    ".git",
];

/// The repositories of this run.
static ROOTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Takes note of a repository that flk may write to.
pub(crate) fn note_repository(root: &Path) {
    if let Ok(mut roots) = ROOTS.lock() {
        roots.push(root.to_owned());
    }
}

/// Gives the user who called sudo what flk has made as root. To be called when all is done; what cannot be given is left.
pub(crate) fn give_back() {
    let Some(caller) = Caller::of_sudo() else {
        return;
    };
    if let (Some(home), Ok(places)) = (home(), Places::find())
        && caller.owns(&home)
    {
        for folder in [places.cache_folder(""), places.data().to_owned()] {
            caller.take_below(&home, &folder);
        }
    }
    let roots = ROOTS.lock().map(|roots| roots.clone()).unwrap_or_default();
    for root in roots.iter().filter(|root| caller.owns(root)) {
        for name in OUTPUTS {
            caller.take_below(root, &root.join(name));
        }
    }
}

/// The user who called sudo.
#[derive(Clone, Copy, Debug)]
struct Caller {
    uid: Uid,
    gid: Gid,
}

impl Caller {
    /// By the variables that sudo(8) sets; `None`: flk was not started by it, or by root himself.
    fn of_sudo() -> Option<Self> {
        let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
        let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
        (rustix::process::geteuid().is_root() && uid != 0 && uid != u32::MAX).then(|| Self {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
        })
    }

    fn owns(self, folder: &Path) -> bool {
        fs::metadata(folder).is_ok_and(|metadata| metadata.uid() == self.uid.as_raw())
    }

    /// Takes a path below one that is the caller's, the directories that lead to it, and all that is in it.
    fn take_below(self, base: &Path, path: &Path) {
        let Ok(relative) = path.strip_prefix(base) else {
            return;
        };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(mut folder) = openat(CWD, base, flags, Mode::empty()) else {
            return;
        };
        let mut names = relative.iter().peekable();
        while let Some(name) = names.next() {
            let Some(stat) = self.take(&folder, name) else {
                return;
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                return;
            }
            let Ok(next) = openat(&folder, name, flags, Mode::empty()) else {
                return;
            };
            if names.peek().is_none() {
                self.take_content(next, stat.st_dev);
                return;
            }
            folder = next;
        }
    }

    /// Takes one entry if it is root's; gives what it is.
    fn take(self, folder: &OwnedFd, name: &OsStr) -> Option<Stat> {
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if stat.st_uid == 0 && (is_directory || stat.st_nlink == 1) {
            let owner = (Some(self.uid), Some(self.gid));
            // What cannot be given is left.
            let _ = chownat(folder, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW);
        }
        Some(stat)
    }

    /// Takes all that is in a directory, as far as it is on the same file system.
    fn take_content(self, folder: OwnedFd, device: u64) {
        let Ok(entries) = Dir::read_from(&folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = OsStr::new(entry.file_name().to_str().unwrap_or("."));
            if name == "." || name == ".." {
                continue;
            }
            let Some(stat) = self.take(&folder, name) else {
                continue;
            };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if is_directory
                && stat.st_dev == device
                && let Ok(next) = openat(&folder, name, flags, Mode::empty())
            {
                self.take_content(next, device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    #[allow(clippy::print_stderr)]
    fn what_is_roots_becomes_the_callers_and_nothing_else_does() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give files away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("home/.cache/flk/roots/deep")).unwrap();
        fs::create_dir(at("outside")).unwrap();
        for file in [
            "home/.cache/flk/roots/deep/a",
            "home/.cache/flk/other",
            "home/.cache/x",
            "outside/a",
            "outside/linked",
        ] {
            fs::write(at(file), "").unwrap();
        }
        chown(at("home"), Some(65534), Some(65534)).unwrap();
        chown(at("home/.cache/flk/other"), Some(7), Some(7)).unwrap();
        symlink(at("outside"), at("home/.cache/flk/link")).unwrap();
        fs::hard_link(at("outside/linked"), at("home/.cache/flk/linked")).unwrap();
        let caller = Caller {
            uid: Uid::from_raw(65534),
            gid: Gid::from_raw(65534),
        };
        assert!(caller.owns(&at("home")) && !caller.owns(&at("outside")));
        caller.take_below(&at("home"), &at("home/.cache/flk"));
        // A path that leads out of the home by a symlink is not followed.
        caller.take_below(&at("home"), &at("home/.cache/flk/link/a"));
        caller.take_below(&at("home"), &at("outside"));
        let owner = |path: &str| at(path).symlink_metadata().unwrap().uid();
        for (path, expected) in [
            ("home/.cache", 65534),
            ("home/.cache/flk", 65534),
            ("home/.cache/flk/roots", 65534),
            ("home/.cache/flk/roots/deep/a", 65534),
            ("home/.cache/flk/link", 65534),
            ("home/.cache/x", 0),
            ("home/.cache/flk/other", 7),
            ("home/.cache/flk/linked", 0),
            ("outside", 0),
            ("outside/a", 0),
        ] {
            assert_eq!(owner(path), expected, "{path}");
        }
    }
}
