//! The user's repository of hosts: where it is, what git says of it, and which flake Nix is to evaluate.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use flk_image::Revision;
use flk_nix::{Flake, Nix, percent_decode};

use crate::{
    error::{Context, Failure, Result},
    flk_toml,
    git::Git,
    ownership,
    place::{Places, write_whole},
    sources::{copy_directory, copy_files},
    ui,
    workspace::find_nix,
};

/// The built-in channel's pin.
pub(crate) const PIN: &str = "flk.lock";
/// How many files a notice lists.
const LISTED: usize = 5;

/// Where a repository's packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    /// The built-in channel.
    Debian,
    /// NixOS.
    Nixpkgs,
}

impl ChannelKind {
    /// As users and documents write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Nixpkgs => "nixpkgs",
        }
    }
}

/// A folder with a `flake.nix`, or with `hosts/` alone.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// The folder, absolute.
    pub(crate) root: PathBuf,
    /// Its git repository, if it is in one.
    pub(crate) git: Option<Git>,
    /// Nix fetched it, by this reference; the root is in the store.
    pub(crate) fetched: Option<String>,
    /// The commit that Nix has fetched.
    pub(crate) fetched_revision: Option<Revision>,
}

/// Whether a folder is a repository without a `flake.nix`: it says so in `flk.toml`, or has a host file.
fn is_hosts_folder(folder: &Path) -> bool {
    folder.join(flk_toml::NAME).is_file() || has_hosts(folder)
}

/// Files in `hosts/` that are no hosts: what hosts share, and what nixos-generate-config writes beside one.
const NO_HOSTS: [&str; 2] = ["default.nix", "hardware-configuration.nix"];

/// Whether a directory has a host, `hosts/NAME.nix` or `hosts/NAME/default.nix`: as `hostFiles` of `nix/lib.nix`.
/// Hidden ones, such as an editor's lock, are none.
pub(crate) fn has_hosts(folder: &Path) -> bool {
    let is_host_file = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            name.ends_with(".nix") && !name.starts_with('.') && !NO_HOSTS.contains(&name)
        })
    };
    let entries = fs::read_dir(folder.join("hosts"));
    entries.into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        is_host_file(&entry.file_name()) && path.is_file()
            || !is_hidden && path.join("default.nix").is_file()
    })
}

/// The repository that a folder is in: the nearest folder upwards with a `flake.nix` or `flk.toml`, else the nearest with hosts.
fn around(folder: &Path) -> Option<&Path> {
    let declares = |folder: &&Path| {
        ["flake.nix", flk_toml::NAME]
            .iter()
            .any(|name| folder.join(name).is_file())
    };
    folder
        .ancestors()
        .find(declares)
        .or_else(|| folder.ancestors().find(|folder| has_hosts(folder)))
}

impl Repository {
    /// The given folder, or the nearest one upwards of the current folder that is a repository.
    pub(crate) fn find(flake: Option<&Path>) -> Result<Self> {
        let root = match flake {
            Some(reference) => match local(reference) {
                Some(folder) => {
                    let root = fs::canonicalize(&folder)
                        .context(|| format!("there is no folder {}", folder.display()))?;
                    if !Self::is_in(&root) {
                        return Err(Failure::new(format!(
                            "{} has no flake.nix, and no hosts/NAME.nix",
                            folder.display()
                        ))
                        .hint("give the folder of a repository of hosts to --flake, or make one with `flk init DIR`"));
                    }
                    root
                }
                None => return Self::fetch(&reference.to_string_lossy()),
            },
            None => {
                let current = std::env::current_dir()
                    .context(|| "cannot tell the current folder".to_owned())?;
                around(&current)
                    .map(Path::to_owned)
                    .ok_or_else(|| {
                        Failure::new(format!(
                            "no flake.nix and no hosts/NAME.nix in {} nor in any folder above it",
                            current.display()
                        ))
                        .hint("change to a repository of hosts, or name it with --flake DIR, or make one with `flk init DIR`")
                    })?
            }
        };
        ownership::note_repository(&root);
        let git = Git::read(&root)?;
        Ok(Self {
            root,
            git,
            fetched: None,
            fetched_revision: None,
        })
    }

    /// Whether a folder is a repository by itself.
    pub(crate) fn is_in(folder: &Path) -> bool {
        folder.join("flake.nix").is_file() || is_hosts_folder(folder)
    }

    /// Whether a repository is around the current folder.
    pub(crate) fn is_around() -> bool {
        std::env::current_dir().is_ok_and(|current| around(&current).is_some())
    }

    /// Whether it is a folder of hosts alone, of which flk makes a flake.
    pub(crate) fn is_hosts_folder(&self) -> bool {
        self.fetched.is_none() && !self.root.join("flake.nix").is_file()
    }

    /// A flake that is somewhere else, or in a registry.
    fn fetch(reference: &str) -> Result<Self> {
        let registry = Places::find()?.cache("registry")?.join("empty.json");
        write_whole(&registry, br#"{"flakes":[],"version":2}"#)
            .context(|| format!("cannot write {}", registry.display()))?;
        let fetched = find_nix(ChannelKind::Nixpkgs)?
            .fetch_flake(reference, &registry)
            .map_err(|error| {
                let what = if reference.contains(':') {
                    format!("cannot fetch the flake {reference}")
                } else {
                    format!("there is no folder {reference}, and no flake of that name in Nix's registry")
                };
                Failure::new(what).because(error)
            })?;
        ui::detail(format_args!("{reference} is {}", fetched.url));
        Ok(Self {
            root: fetched.source.join(fetched.folder),
            git: None,
            fetched_revision: fetched.revision.map(|revision| Revision {
                revision,
                dirty: false,
                time: fetched.last_modified,
            }),
            fetched: Some(fetched.url),
        })
    }

    /// Which state it is in, as Nix has it in `source`, a store path; none outside of version control, and before the first commit.
    ///
    /// Of a working tree that git says is clean, some versions of Nix take the commit, others the files.
    pub(crate) fn revision(&self, source: Option<&Path>) -> Option<Revision> {
        let Some(git) = &self.git else {
            return self.fetched_revision.clone();
        };
        let folder = self.folder_in(git);
        let has_it = |file: &Path| {
            let Ok(own) = fs::read(git.top.join(file)) else {
                return true;
            };
            // The source is that of the whole repository, or of the flake's directory.
            let inside = file.strip_prefix(&folder).unwrap_or(file);
            let is_there = |source: &Path, file: &Path| {
                fs::read(source.join(file)).is_ok_and(|content| content == own)
            };
            source.is_none_or(|source| is_there(source, file) || is_there(source, inside))
        };
        Some(Revision {
            revision: git.head.clone()?,
            dirty: !git.changed.is_empty() || git.hidden.iter().any(|file| has_it(file)),
            time: git.commit_time(),
        })
    }

    /// Whether flk may write there: the store is nobody's to write.
    pub(crate) fn is_writable(&self) -> bool {
        !self.root.starts_with("/nix/store")
    }

    /// The channel: the built-in one has its pin in the repository.
    pub(crate) fn channel_kind(&self) -> ChannelKind {
        if self.root.join(PIN).exists() {
            ChannelKind::Debian
        } else {
            ChannelKind::Nixpkgs
        }
    }

    /// Whether Nix will see a file, given relative to the root.
    pub(crate) fn sees(&self, file: &str) -> bool {
        self.root.join(file).exists()
            && self
                .git
                .as_ref()
                .is_none_or(|git| git.tracks(&self.folder_in(git).join(file)))
    }

    /// Says what is not committed, and what is left out.
    pub(crate) fn tell_state(&self) {
        let Some(git) = &self.git else { return };
        if !git.changed.is_empty() {
            ui::note(format_args!(
                "note: with uncommitted changes in {}",
                list(&git.changed)
            ));
        }
        if !git.hidden.is_empty() {
            ui::note(format_args!(
                "note: git was told to overlook changes in {} (`git update-index --no-assume-unchanged --no-skip-worktree FILE` ends that)",
                list(&git.hidden)
            ));
        }
        if !git.untracked.is_empty() {
            ui::note(format_args!(
                "note: left out, because git does not track it: {} (`git add` takes it in)",
                list(&git.untracked)
            ));
        }
    }

    /// The flake as Nix is to evaluate it, and a digest of all that Nix will see of it.
    ///
    /// Without git, Nix would copy the whole folder, with the ISOs that flk has put there: a copy without them is made instead.
    pub(crate) fn flake(&self, nix: &Nix, places: &Places) -> Result<(Flake, String)> {
        if let Some(git) = &self.git {
            let folder = self.folder_in(git);
            let mut hasher = blake3::Hasher::new();
            hasher.update(git.digest()?.as_bytes());
            hasher.update(folder.as_os_str().as_encoded_bytes());
            let digest = hasher.finalize().to_hex().to_string();
            if nix.takes_git(&git.top) && !has_modules(git)? {
                return Ok((self.flake_in_place(), digest));
            }
            // What this Nix would not find is taken there: the flake's own directory, since Nix 2.8 knows no `dir` of a path.
            let source = self.in_store(nix, places, &[])?;
            return Ok((Flake::path(Path::new(&source)), digest));
        }
        if let Some(reference) = &self.fetched {
            let digest = format!("{} {reference}", self.root.display());
            return Ok((Flake::reference_to(reference), digest));
        }
        let source = self.in_store(nix, places, &[])?;
        Ok((Flake::path(Path::new(&source)), source))
    }

    /// A copy of the directory's files in the store: what git tracks, and `besides`; without git, all.
    pub(crate) fn in_store(&self, nix: &Nix, places: &Places, besides: &[&str]) -> Result<String> {
        let scratch = places.scratch("repository")?;
        let copy = scratch.path().join("source");
        if self.git.is_some() {
            let mut files = Git::files(&self.root)?;
            let besides = besides.iter().map(PathBuf::from);
            files.extend(besides.filter(|file| self.root.join(file).exists()));
            // In a merge conflict, git lists a file once for each side.
            files.sort();
            files.dedup();
            copy_files(&self.root, &copy, &files)?;
        } else {
            self.refuse_own_files(places)?;
            copy_directory(&self.root, &copy)?;
        }
        Ok(nix.add_path(&copy, "source")?)
    }

    /// Refuses a folder that flk's own files are in, as a home folder is: a copy of it would have the operator's secret, and itself, in it.
    fn refuse_own_files(&self, places: &Places) -> Result<()> {
        let own = [places.data().to_owned(), places.cache_folder("")];
        let has_own = own.iter().any(|folder| {
            fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with(&self.root))
        });
        if !has_own {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} has more in it than hosts: all of it, flk's own secret included, would go into the store and onto ISOs",
            self.root.display()
        ))
        .hint("give the hosts a folder of their own, or make it a git repository, of which only what is tracked is taken"))
    }

    /// The flake in its folder, for commands that write its `flake.lock`.
    pub(crate) fn flake_in_place(&self) -> Flake {
        match &self.git {
            Some(git) => {
                let flake = Flake::git(&git.top).in_folder(&self.folder_in(git));
                if git.is_shallow {
                    flake.shallow()
                } else {
                    flake
                }
            }
            None => Flake::path(&self.root),
        }
    }

    /// The root relative to the top of the git repository.
    pub(crate) fn folder_in(&self, git: &Git) -> PathBuf {
        self.root
            .strip_prefix(&git.top)
            .map(Path::to_owned)
            .unwrap_or_default()
    }
}

/// Whether a submodule that is checked out has modules or hosts, so that its files are wanted. Nix leaves submodules empty unless it is told otherwise,
/// and before 2.20 it would clone them again.
fn has_modules(git: &Git) -> Result<bool> {
    for submodule in git.submodules.iter().filter(|one| git.is_checked_out(one)) {
        let files = Git::files(&git.top.join(submodule))?;
        if files
            .iter()
            .any(|file| file.extension() == Some(OsStr::new("nix")))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The folder that a reference means: a path, `path:` and `git+file:` of one, with `?dir=` a folder in it; `None` for what Nix has to fetch.
fn local(reference: &Path) -> Option<PathBuf> {
    if reference.is_dir() {
        return Some(reference.to_owned());
    }
    let text = reference.to_str()?;
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut folder = "";
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        // A branch or a commit is for Nix to find.
        folder = parameter.strip_prefix("dir=")?;
    }
    let path = ["path:", "git+file:"]
        .iter()
        .find_map(|scheme| base.strip_prefix(scheme))
        .unwrap_or(base);
    let is_url = path.len() < base.len();
    let path = path.strip_prefix("//").unwrap_or(path);
    let is_path = Path::new(path).is_dir() || path.starts_with(['/', '.', '~']);
    let path = match is_url {
        true => PathBuf::from(percent_decode(path)),
        false => PathBuf::from(path),
    };
    is_path.then(|| path.join(percent_decode(folder)))
}

fn list(files: &[PathBuf]) -> String {
    let mut names: Vec<String> = files
        .iter()
        .take(LISTED)
        .map(|file| file.display().to_string())
        .collect();
    if files.len() > LISTED {
        names.push(format!("and {} more", files.len() - LISTED));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_folders_are_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for (reference, expected) in [
            (path.to_owned(), Some(path.to_owned())),
            (format!("path:{path}"), Some(path.to_owned())),
            (format!("git+file://{path}"), Some(path.to_owned())),
            (format!("{path}?dir=sub"), Some(format!("{path}/sub"))),
            (format!("git+file://{path}?ref=main"), None),
            (
                "path:/my%20hosts/%40?dir=a%20b".to_owned(),
                Some("/my hosts/@/a b".to_owned()),
            ),
            (
                "/no/such/folder".to_owned(),
                Some("/no/such/folder".to_owned()),
            ),
            ("github:a/b".to_owned(), None),
            ("nowhere-at-all".to_owned(), None),
        ] {
            let found = local(Path::new(&reference));
            let found =
                found.map(|path| path.display().to_string().trim_end_matches('/').to_owned());
            assert_eq!(found, expected, "{reference}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let files: Vec<PathBuf> = (0..7).map(|n| PathBuf::from(n.to_string())).collect();
        assert_eq!(list(&files), "0, 1, 2, 3, 4, and 2 more");
        assert_eq!(list(&files[..1]), "0");
    }
}
