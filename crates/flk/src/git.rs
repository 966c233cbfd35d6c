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
    /// Files that differ from the index but are not compared with it (`git update-index --assume-unchanged`, `--skip-worktree`), relative to the top.
    pub(crate) hidden: Vec<PathBuf>,
    /// Its submodules, relative to the top.
    pub(crate) submodules: Vec<PathBuf>,
    /// Its history was cut off when it was cloned.
    pub(crate) is_shallow: bool,
}

/// An entry of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    object: String,
    is_submodule: bool,
    /// Git does not compare the file with the entry.
    is_hidden: bool,
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
        let answer = run(
            folder,
            ["rev-parse", "--is-shallow-repository", "--show-toplevel"],
        )?;
        let end = answer.iter().position(|&byte| byte == b'\n');
        let (is_shallow, top) = match end {
            Some(end) => (&answer[..end], &answer[end + 1..]),
            None => (answer.as_slice(), [].as_slice()),
        };
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
        git.top = PathBuf::from(OsString::from_vec(trimmed(top.to_vec())));
        git.is_shallow = is_shallow == b"true";
        for entry in entries(&run(&git.top, ["ls-files", "-v", "--stage", "-z"])?) {
            if entry.is_submodule {
                git.submodules.push(entry.path);
            } else if entry.is_hidden && git.differs(&entry) {
                git.hidden.push(entry.path);
            }
        }
        Ok(Some(git))
    }

    /// Whether a file that is there is not what the index has of it.
    fn differs(&self, entry: &Entry) -> bool {
        let file = self.top.join(&entry.path);
        match file.symlink_metadata() {
            // As in a sparse working tree.
            Err(_) => false,
            Ok(metadata) if metadata.is_file() => {
                let command = [
                    OsStr::new("hash-object"),
                    OsStr::new("--"),
                    file.as_os_str(),
                ];
                run_os(&self.top, command).is_ok_and(|own| trimmed(own) != entry.object.as_bytes())
            }
            Ok(_) => true,
        }
    }

    /// The tracked files of a directory of the working tree and of its submodules, relative to the directory.
    pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
        let list = run(folder, ["ls-files", "--recurse-submodules", "-z"])?;
        Ok(list
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .collect())
    }

    /// Whether a file or directory, given relative to the top, is to be left out by what `.gitignore` says.
    pub(crate) fn ignores(&self, file: &Path) -> bool {
        let command = ["check-ignore", "--quiet", "--"].map(OsStr::new);
        let file = [file.as_os_str()]
            .into_iter()
            .filter(|file| !file.is_empty());
        run_os(&self.top, command.into_iter().chain(file)).is_ok()
    }

    /// Whether a submodule's files are there.
    pub(crate) fn is_checked_out(&self, submodule: &Path) -> bool {
        self.top.join(submodule).join(".git").exists()
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

    /// A digest of everything that Nix may see: the commit, and every tracked file as it is. Git's own idea of what has changed is not enough: Nix reads
    /// files that git was told not to look at, and a filter such as git-crypt's changes them at the same commit.
    pub(crate) fn digest(&self) -> Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.head.as_deref().unwrap_or("none").as_bytes());
        // In a conflict, a file is listed several times.
        let mut files = Self::files(&self.top)?;
        files.extend(self.changed.iter().cloned());
        files.sort();
        files.dedup();
        for file in &files {
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
        Ok(hasher.finalize())
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
    for name in flk_nix::GIT_ENVIRONMENT {
        command.env_remove(name);
    }
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

/// `git ls-files -v --stage -z`: `TAG MODE OBJECT STAGE<tab>PATH` (git-ls-files(1), "OUTPUT"); a tag is lower-case where a file is assumed unchanged, and `S`
/// where the working tree is skipped.
fn entries(list: &[u8]) -> Vec<Entry> {
    let entry = |record: &[u8]| {
        let tab = record.iter().position(|&byte| byte == b'\t')?;
        let head = std::str::from_utf8(&record[..tab]).ok()?;
        let mut words = head.split(' ');
        let (tag, mode, object) = (words.next()?, words.next()?, words.next()?);
        Some(Entry {
            path: PathBuf::from(OsStr::from_bytes(&record[tab + 1..])),
            object: object.to_owned(),
            is_submodule: mode == "160000",
            is_hidden: tag.eq_ignore_ascii_case("s")
                || tag.starts_with(|c: char| c.is_ascii_lowercase()),
        })
    };
    list.split(|&byte| byte == 0).filter_map(entry).collect()
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
    fn what_git_does_not_look_at_is_known() {
        let list = b"H 100644 aa 0\ta b.nix\0h 100644 bb 0\tassumed\0S 100644 cc 0\tskipped\0s 100644 dd 0\tboth\0H 160000 ee 0\tsub\0";
        let found: Vec<(String, bool, bool)> = entries(list)
            .into_iter()
            .map(|one| {
                (
                    one.path.display().to_string(),
                    one.is_hidden,
                    one.is_submodule,
                )
            })
            .collect();
        let expected = [
            ("a b.nix", false, false),
            ("assumed", true, false),
            ("skipped", true, false),
            ("both", true, false),
            ("sub", false, true),
        ];
        assert_eq!(found, expected.map(|(path, h, s)| (path.to_owned(), h, s)));
    }

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
