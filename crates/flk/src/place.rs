//! Where flk keeps what it can make again, and where its own programs are. One of the few files that read the environment.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::{Context, Failure, Result},
    interruption::Debris,
};

/// flk's folders on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    cache: PathBuf,
    data: PathBuf,
}

impl Places {
    /// By the environment: `$XDG_CACHE_HOME/flk` and `$XDG_DATA_HOME/flk`, else `~/.cache/flk` and `~/.local/share/flk`.
    pub(crate) fn find() -> Result<Self> {
        let folder = |name: &str, in_home: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .or_else(|| home().map(|home| home.join(in_home)))
                .map(|base| base.join("flk"))
                .ok_or_else(|| {
                    Failure::new(format!(
                        "flk has no place for its files: neither HOME nor {name} is set"
                    ))
                    .hint("set HOME, as in `HOME=/root flk …`")
                })
        };
        Ok(Self {
            cache: folder("XDG_CACHE_HOME", ".cache")?,
            data: folder("XDG_DATA_HOME", ".local/share")?,
        })
    }

    /// These folders.
    #[cfg(test)]
    pub(crate) fn of(cache: PathBuf, data: PathBuf) -> Self {
        Self { cache, data }
    }

    /// Checks that flk can write where it has to, before anything takes long: a directory that belongs to somebody else, as after a run by sudo, or
    /// a file system that is read-only.
    pub(crate) fn check_cache(&self) -> Result<()> {
        self.check_all(&self.cache)
    }

    /// The same for what cannot be made again.
    pub(crate) fn check_data(&self) -> Result<()> {
        self.check_all(&self.data)
    }

    fn check_all(&self, base: &Path) -> Result<()> {
        self.check_folder(base)?;
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .try_for_each(|entry| self.check_folder(&entry.path()))
    }

    fn check_folder(&self, folder: &Path) -> Result<()> {
        use rustix::io::Errno;
        use std::os::unix::fs::MetadataExt as _;
        // What is not there is made in what is.
        let there = folder.ancestors().find(|folder| folder.exists());
        let there = there.unwrap_or(Path::new("/"));
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        // As whom flk runs now, not as who started it.
        let refused =
            rustix::fs::accessat(rustix::fs::CWD, there, access, rustix::fs::AtFlags::EACCESS);
        let Err(reason @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) = refused else {
            return Ok(());
        };
        let (variable, base) = match folder.starts_with(&self.cache) {
            true => ("XDG_CACHE_HOME", &self.cache),
            false => ("XDG_DATA_HOME", &self.data),
        };
        let failure = Failure::new(format!("cannot write to {}", there.display()))
            .because(std::io::Error::from(reason));
        let own = rustix::process::geteuid().as_raw();
        Err(match there.metadata() {
            Ok(metadata) if metadata.uid() != own && there.starts_with(base) => failure.hint(format!(
                "it belongs to another user, as after a run by sudo: `sudo chown -R \"$USER\" {}`",
                base.display()
            )),
            _ => failure.hint(format!(
                "flk keeps its files in {}; {variable}=DIR names another directory for them",
                base.display()
            )),
        })
    }

    /// What cannot be made again: the operator's secret and pins. It need not be there yet.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where a folder of the cache is, or is to be.
    pub(crate) fn cache_folder(&self, name: &str) -> PathBuf {
        self.cache.join(name)
    }

    /// A folder of the cache, made if missing.
    pub(crate) fn cache(&self, name: &str) -> Result<PathBuf> {
        let folder = self.cache.join(name);
        fs::create_dir_all(&folder).context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }
}

impl Places {
    /// A folder for a run's intermediate files, gone when it is dropped. What killed runs have left is removed.
    pub(crate) fn scratch(&self, purpose: &str) -> Result<tempfile::TempDir> {
        let folder = self.cache("scratch")?;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.split('-').next());
            if owner.is_none_or(|owner| !Path::new("/proc").join(owner).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let scratch = tempfile::Builder::new()
            .prefix(&format!("{}-{purpose}-", std::process::id()))
            .tempdir_in(&folder)
            .context(|| format!("cannot create a directory in {}", folder.display()))?;
        // Nobody else ever has this name.
        std::mem::forget(Debris::at(scratch.path()));
        Ok(scratch)
    }
}

/// Names another folder than [`RUNTIME_FOLDER`].
const RUNTIME_VARIABLE: &str = "FLK_RUN_DIR";
/// What is of use until the machine is started again.
const RUNTIME_FOLDER: &str = "/run/flk";

/// The folder of what runs. It need not be there yet.
pub(crate) fn runtime_folder() -> PathBuf {
    env::var_os(RUNTIME_VARIABLE)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| RUNTIME_FOLDER.into())
}

/// The heap that evaluations begin with, in bytes: a quarter of the memory that is free, at most 1 GiB, so that most end before Nix's collector
/// runs at all. None where the user has said one, or where it would be no more than Nix's own 384 MiB.
pub(crate) fn initial_heap() -> Option<u64> {
    const LEAST: u64 = 384 << 20;
    const MOST: u64 = 1 << 30;
    if env::var_os("GC_INITIAL_HEAP_SIZE").is_some() {
        return None;
    }
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = available(&memory)? / 4;
    (bytes > LEAST).then_some(bytes.min(MOST))
}

/// How many evaluations the memory that is free is enough for, at least one. A large host's takes 2 GiB on NixOS.
pub(crate) fn evaluations() -> usize {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    available(&memory).map_or(1, evaluations_in)
}

fn evaluations_in(free: u64) -> usize {
    const EACH: u64 = 2 << 30;
    usize::try_from(free / EACH).unwrap_or(usize::MAX).max(1)
}

/// `MemAvailable` of proc_meminfo(5), which counts in KiB.
fn available(memory: &str) -> Option<u64> {
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The user's home folder.
pub(crate) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute())
}

/// The user's public keys, `~/.ssh/*.pub`, by name.
pub(crate) fn public_key_files() -> Vec<PathBuf> {
    let directory = home().map(|home| home.join(".ssh"));
    let mut files: Vec<PathBuf> = directory
        .into_iter()
        .flat_map(fs::read_dir)
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pub"))
        .collect();
    files.sort();
    files
}

/// What the user is called; empty if nobody says it.
pub(crate) fn operator() -> String {
    env::var("USER").unwrap_or_default()
}

/// The value of `PATH`.
pub(crate) fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// A program on `PATH`, or in one of further folders.
pub(crate) fn program(name: &str, further: &[&str]) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    env::split_paths(&search_path())
        .chain(further.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| {
            path.metadata().is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

/// Where an output file of the user's goes, links followed: a file that is to be made, or a regular one that is to be replaced. What is written is
/// renamed to it, so nothing else may be there.
///
/// # Errors
/// A directory, device, pipe or socket; a symlink to nothing.
pub(crate) fn output(path: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let name = path.display();
    let Ok(metadata) = path.symlink_metadata() else {
        // Not there, or not to be reached, which writing says better.
        return match path.file_name() {
            Some(_) => Ok(path.to_owned()),
            None => Err(Failure::new(format!("{name} is no file name"))),
        };
    };
    if metadata.is_symlink() {
        let real = fs::canonicalize(path)
            .context(|| format!("{name} is a symlink that leads to no file"))?;
        return output(&real);
    }
    let kind = metadata.file_type();
    let refused = |what: &str| Failure::new(format!("{name} is {what}, and no regular file"));
    if kind.is_file() {
        Ok(path.to_owned())
    } else if kind.is_dir() {
        Err(Failure::new(format!("{name} is a directory")).hint("name a file in it"))
    } else if kind.is_block_device() {
        Err(refused("a block device").hint(format!("`flk write HOST {name}` writes an ISO to it")))
    } else if kind.is_char_device() {
        Err(refused("a device"))
    } else if kind.is_fifo() {
        Err(refused("a pipe"))
    } else {
        Err(refused("a socket"))
    }
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".flk-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    let mode = path
        .metadata()
        .map_or(0o644, |metadata| metadata.permissions().mode() & 0o7777);
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_replaced() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("file", at("to-file")).unwrap();
        symlink("none", at("to-none")).unwrap();
        symlink("/dev/null", at("to-device")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(output(&at("new")).unwrap(), at("new"));
        assert_eq!(output(&at("file")).unwrap(), at("file"));
        let real = fs::canonicalize(at("file")).unwrap();
        assert_eq!(output(&at("to-file")).unwrap(), real);
        for (path, expected) in [
            (at("directory"), "is a directory"),
            (at("to-none"), "is a symlink that leads to no file"),
            (
                at("to-device"),
                "/dev/null is a device, and no regular file",
            ),
            (at("socket"), "is a socket, and no regular file"),
            ("/dev/null".into(), "is a device, and no regular file"),
            ("/dev/full".into(), "is a device, and no regular file"),
            ("/".into(), "is a directory"),
            ("".into(), "is no file name"),
        ] {
            let text = output(&path).unwrap_err().render();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn free_memory_is_read() {
        let memory = "MemTotal:       24684000 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(available(memory), Some(2 << 20));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn evaluations_are_as_many_as_memory_has_room_for() {
        for (gib, expected) in [(0, 1), (3, 1), (4, 2), (17, 8)] {
            assert_eq!(evaluations_in(gib << 30), expected, "{gib} GiB");
        }
    }
}
