//! What git says of a repository: flk shows the user the same files that Nix sees.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::{Context, Failure, Result},
    place,
};

/// The state of a working tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Git {
    /// The top of the working tree.
    pub(crate) top: PathBuf,
    /// The commit that is checked out; none in a repository without commits.
    pub(crate) head: Option<String>,
    /// Tracked files that differ from the commit, relative to the top, sorted.
    pub(crate) changed: Vec<PathBuf>,
    /// Files that git neither tracks nor ignores, relative to the top, sorted.
    pub(crate) untracked: Vec<PathBuf>,
}

impl Git {
    /// The state of the repository that a folder is in; `None` outside of any.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        if !folder
            .ancestors()
            .any(|parent| parent.join(".git").exists())
        {
            return Ok(None);
        }
        if place::program("git", &[]).is_none() {
            return Err(Failure::new(format!(
                "{} is in a git repository, but there is no git on this machine",
                folder.display()
            ))
            .hint("on Debian and Ubuntu: `apt install git`. Nix needs it, too, to know which files are tracked"));
        }
        let top = run(folder, ["rev-parse", "--show-toplevel"])?;
        let status = run(
            folder,
            [
                "--no-optional-locks",
                "status",
                "--porcelain=v2",
                "--branch",
                "--untracked-files=all",
                "--no-renames",
                "-z",
            ],
        )?;
        let mut git = parse(&status);
        git.top = PathBuf::from(OsString::from_vec(trimmed(top)));
        Ok(Some(git))
    }

    /// The tracked files of a folder of the working tree, relative to the folder.
    pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
        let list = run(folder, ["ls-files", "-z"])?;
        Ok(list
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .collect())
    }

    /// Whether git tracks a file, given relative to the top.
    pub(crate) fn tracks(&self, file: &Path) -> bool {
        run_os(
            &self.top,
            [
                OsStr::new("ls-files"),
                OsStr::new("-z"),
                OsStr::new("--"),
                file.as_os_str(),
            ],
        )
        .is_ok_and(|list| !list.is_empty())
    }

    /// When the commit was made, in seconds since 1970; none where git does not know it.
    pub(crate) fn commit_time(&self) -> Option<i64> {
        let head = self.head.as_deref()?;
        let time = run(&self.top, ["show", "--no-patch", "--format=%ct", head]).ok()?;
        String::from_utf8(trimmed(time)).ok()?.parse().ok()
    }

    /// A digest of everything that Nix sees: the commit, and what has changed since.
    pub(crate) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.head.as_deref().unwrap_or("none").as_bytes());
        for file in &self.changed {
            hasher.update(file.as_os_str().as_bytes()).update(&[0]);
            let path = self.top.join(file);
            let content = match path.symlink_metadata() {
                Ok(metadata) if metadata.is_symlink() => std::fs::read_link(&path)
                    .map(|target| target.into_os_string().into_vec())
                    .unwrap_or_default(),
                Ok(metadata) => {
                    use std::os::unix::fs::PermissionsExt;
                    let executable = metadata.permissions().mode() & 0o100 != 0;
                    hasher.update(&[u8::from(executable)]);
                    std::fs::read(&path).unwrap_or_default()
                }
                Err(_) => b"deleted".to_vec(),
            };
            hasher.update(blake3::hash(&content).as_bytes());
        }
        hasher.finalize()
    }
}

/// Makes a repository of a folder and tracks all of it.
pub(crate) fn init(folder: &Path) -> Result<()> {
    run(folder, ["-c", "init.defaultBranch=main", "init", "--quiet"])?;
    run(folder, ["add", "--all"]).map(drop)
}

/// Tracks files of a folder, so that Nix sees them.
pub(crate) fn add(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let mut arguments = vec![OsString::from("add"), OsString::from("--")];
    arguments.extend(files.iter().map(|file| file.clone().into_os_string()));
    run_os(folder, arguments).map(drop)
}

fn run<const N: usize>(folder: &Path, arguments: [&str; N]) -> Result<Vec<u8>> {
    run_os(folder, arguments)
}

fn run_os(
    folder: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    let output = command.output().context(|| "cannot run git".to_owned())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let message = message.trim();
    Err(Failure::new(format!(
        "git does not read the repository at {}: {}",
        folder.display(),
        message.strip_prefix("fatal: ").unwrap_or(message)
    )))
}

fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// `git status --porcelain=v2 -z` (git-status(1), "Porcelain Format Version 2").
fn parse(status: &[u8]) -> Git {
    let mut git = Git::default();
    let mut records = status.split(|&byte| byte == 0);
    while let Some(record) = records.next() {
        let path = |fields: usize| {
            record
                .splitn(fields + 1, |&byte| byte == b' ')
                .nth(fields)
                .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        };
        match record.first() {
            Some(b'#') => {
                if let Some(oid) = record.strip_prefix(b"# branch.oid ")
                    && oid != b"(initial)"
                {
                    git.head = Some(String::from_utf8_lossy(oid).into_owned());
                }
            }
            Some(b'1') => git.changed.extend(path(8)),
            Some(b'2') => {
                git.changed.extend(path(9));
                git.changed.extend(
                    records
                        .next()
                        .map(|path| PathBuf::from(OsStr::from_bytes(path))),
                );
            }
            Some(b'u') => git.changed.extend(path(10)),
            Some(b'?') => git.untracked.extend(path(1)),
            _ => {}
        }
    }
    git.changed.sort();
    git.untracked.sort();
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read() {
        let git = parse(
            b"# branch.oid 1234\0# branch.head main\x001 .M N... 100644 100644 100644 aa bb hosts/a b.nix\0? notes.txt\0? a/x\0",
        );
        assert_eq!(git.head.as_deref(), Some("1234"));
        assert_eq!(git.changed, [PathBuf::from("hosts/a b.nix")]);
        assert_eq!(
            git.untracked,
            [PathBuf::from("a/x"), PathBuf::from("notes.txt")]
        );
        assert_eq!(parse(b"# branch.oid (initial)\0").head, None);
    }
}
