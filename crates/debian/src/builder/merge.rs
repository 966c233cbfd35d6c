//! The same folder of many raw paths, merged into one tree of links.
//!
//! A relative or absolute link that a package ships stays as it is; any other file becomes a link to the raw path's file. A
//! link in one package at a place where another has a folder is what it would be on a machine: the folder's files go to
//! where the link leads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::farm::{Farm, Taken};
use super::folder;
use super::raw::{Raw, merged};
use crate::error::{Error, Result};

/// A link of a merged tree.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// Its text.
    pub(crate) target: PathBuf,
    /// Which of the raw paths it comes from, if from one.
    pub(crate) owner: Option<usize>,
}

impl Leaf {
    /// A link of no package.
    pub(crate) fn own(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            owner: None,
        }
    }
}

/// What to merge.
pub(crate) struct Merge<'a> {
    /// The packages, in the order of their names.
    pub(crate) raws: &'a [Raw],
    /// The folder: `usr`, `etc`.
    pub(crate) folder: &'a str,
    /// What not to look at, relative to the folder.
    pub(crate) skip: &'a dyn Fn(&Path) -> bool,
    /// Takes a line of warning.
    pub(crate) warn: &'a dyn Fn(&str),
}

struct Found {
    path: PathBuf,
    /// The text of the link to make.
    target: PathBuf,
    is_link: bool,
    owner: usize,
}

impl Merge<'_> {
    /// The merged tree; paths in it are relative to the folder.
    pub(crate) fn merge(&self) -> Result<Farm<Leaf>> {
        let mut folders = BTreeSet::new();
        let mut found = Vec::new();
        for (owner, raw) in self.raws.iter().enumerate() {
            let root = raw.path.join(self.folder);
            if root.is_dir() {
                self.scan(&root, Path::new(""), owner, &mut folders, &mut found)?;
            }
        }
        let redirects = self.redirects(&folders, &mut found);
        let mut farm = Farm::new();
        for path in &folders {
            if !redirects.contains_key(path) {
                // A leaf cannot be in the way: there are none yet.
                let _ = farm.folder(&redirect(&redirects, path));
            }
        }
        for file in found {
            self.place(&mut farm, &redirects, &file);
        }
        Ok(farm)
    }

    fn scan(
        &self,
        root: &Path,
        here: &Path,
        owner: usize,
        folders: &mut BTreeSet<PathBuf>,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        for name in folder::list(&root.join(here))? {
            let path = here.join(name);
            if (self.skip)(&path) {
                continue;
            }
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full).map_err(Error::io("read", &full))?;
            if metadata.is_dir() {
                folders.insert(path.clone());
                self.scan(root, &path, owner, folders, found)?;
            } else {
                let is_link = metadata.is_symlink();
                found.push(Found {
                    path,
                    target: if is_link {
                        folder::read_link(&full)?
                    } else {
                        full
                    },
                    is_link,
                    owner,
                });
            }
        }
        Ok(())
    }

    /// Where links lead that stand at places where other packages have folders. Those that lead out of the tree are dropped.
    fn redirects(
        &self,
        folders: &BTreeSet<PathBuf>,
        found: &mut Vec<Found>,
    ) -> BTreeMap<PathBuf, PathBuf> {
        let mut redirects = BTreeMap::new();
        found.retain(|file| {
            if !file.is_link || !folders.contains(&file.path) {
                return true;
            }
            match self.destination(file) {
                Some(target) => {
                    redirects.insert(file.path.clone(), target);
                    true
                }
                None => {
                    (self.warn)(&format!(
                        "/{}/{}: the link of {} leads out of /{}, the folder of other packages stays",
                        self.folder,
                        file.path.display(),
                        self.raws[file.owner].name,
                        self.folder
                    ));
                    false
                }
            }
        });
        redirects
    }

    /// Where a link leads, relative to the merged folder.
    fn destination(&self, file: &Found) -> Option<PathBuf> {
        let target = match file.target.strip_prefix("/") {
            Ok(absolute) => absolute.to_owned(),
            Err(_) => Path::new(self.folder)
                .join(file.path.parent()?)
                .join(&file.target),
        };
        let target = merged(&folder::normalize(&target)?);
        let target = target.strip_prefix(self.folder).ok()?;
        (target != file.path).then(|| target.to_owned())
    }

    fn place(&self, farm: &mut Farm<Leaf>, redirects: &BTreeMap<PathBuf, PathBuf>, file: &Found) {
        let parent = redirect(redirects, file.path.parent().unwrap_or(Path::new("")));
        let path = parent.join(file.path.file_name().unwrap_or_default());
        let leaf = Leaf {
            target: file.target.clone(),
            owner: Some(file.owner),
        };
        let newcomer = &self.raws[file.owner];
        let shown = format!("/{}/{}", self.folder, path.display());
        match farm.insert(&path, leaf.clone()) {
            Ok(()) => {}
            Err(Taken::Leaf(there)) => {
                let holder = &self.raws[there.owner.unwrap_or(file.owner)];
                if there.target == leaf.target || holder.replaces(newcomer) {
                    return;
                }
                if newcomer.replaces(holder) {
                    *there = leaf;
                    return;
                }
                (self.warn)(&format!(
                    "{shown} is in {} and in {}, the first is taken",
                    holder.name, newcomer.name
                ));
            }
            Err(Taken::Folder) => (self.warn)(&format!(
                "{shown} of {} is a folder in other packages, the folder is taken",
                newcomer.name
            )),
            Err(Taken::Way(way)) => (self.warn)(&format!(
                "{shown} of {} is left out: /{}/{} is no folder in another package",
                newcomer.name,
                self.folder,
                way.display()
            )),
        }
    }
}

/// Follows the links on the way down `path`.
fn redirect(redirects: &BTreeMap<PathBuf, PathBuf>, path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as the kernel would follow.
    for _ in 0..40 {
        let Some((link, target)) = path
            .ancestors()
            .find_map(|ancestor| redirects.get_key_value(ancestor))
        else {
            break;
        };
        let rest = path.strip_prefix(link).unwrap_or(Path::new(""));
        path = if rest.as_os_str().is_empty() {
            target.clone()
        } else {
            target.join(rest)
        };
    }
    path
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::builder::farm::Node;
    use std::cell::RefCell;
    use std::os::unix::fs::symlink;

    /// Makes a raw path with empty files, and links where an entry is `path -> text`.
    pub(crate) fn raw(folder: &Path, name: &str, control: &str, entries: &[&str]) -> Raw {
        let path = folder.join(name);
        fs::create_dir_all(path.join("nix-support")).unwrap();
        fs::write(path.join("nix-support/alternatives.json"), "[]").unwrap();
        fs::write(
            path.join("nix-support/control"),
            format!("Package: {name}\nVersion: 1.0\n{control}"),
        )
        .unwrap();
        for entry in entries {
            let (file, link) = match entry.split_once(" -> ") {
                Some((file, link)) => (file, Some(link)),
                None => (*entry, None),
            };
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            match link {
                Some(link) => symlink(link, file).unwrap(),
                None => fs::write(file, name).unwrap(),
            }
        }
        Raw::open(path).unwrap()
    }

    fn merge(raws: &[Raw]) -> (Farm<Leaf>, Vec<String>) {
        let warnings = RefCell::new(Vec::new());
        let farm = Merge {
            raws,
            folder: "usr",
            skip: &|_| false,
            warn: &|line| warnings.borrow_mut().push(line.to_owned()),
        }
        .merge()
        .unwrap();
        (farm, warnings.into_inner())
    }

    fn target(farm: &Farm<Leaf>, path: &str) -> Option<PathBuf> {
        match farm.get(Path::new(path)) {
            Some(Node::Leaf(leaf)) => Some(leaf.target.clone()),
            _ => None,
        }
    }

    #[test]
    fn links_stay_and_files_become_links() {
        let folder = tempfile::tempdir().unwrap();
        let a = raw(
            folder.path(),
            "a",
            "",
            &["usr/bin/a", "usr/bin/b -> a", "usr/lib/x -> /etc/x"],
        );
        let file = a.path.join("usr/bin/a");
        let (farm, warnings) = merge(&[a]);
        assert_eq!(target(&farm, "bin/a"), Some(file));
        assert_eq!(target(&farm, "bin/b"), Some(PathBuf::from("a")));
        assert_eq!(target(&farm, "lib/x"), Some(PathBuf::from("/etc/x")));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_linked_folder_takes_the_files_of_the_folder_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let a = raw(
            folder.path(),
            "a",
            "",
            &["usr/share/python -> ../lib/python3", "usr/lib/python3/x"],
        );
        let b = raw(folder.path(), "b", "", &["usr/share/python/sub/y"]);
        let (file, raws) = (b.path.join("usr/share/python/sub/y"), [a, b]);
        let (farm, warnings) = merge(&raws);
        assert_eq!(
            target(&farm, "share/python"),
            Some(PathBuf::from("../lib/python3"))
        );
        assert_eq!(target(&farm, "lib/python3/sub/y"), Some(file));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn of_two_files_the_replacing_one_wins_or_else_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let a = raw(folder.path(), "a", "", &["usr/bin/x", "usr/bin/y"]);
        let b = raw(folder.path(), "b", "Replaces: a (<< 2)\n", &["usr/bin/x"]);
        let c = raw(folder.path(), "c", "Replaces: a (<< 1)\n", &["usr/bin/y"]);
        let (x, y) = (b.path.join("usr/bin/x"), a.path.join("usr/bin/y"));
        let (farm, warnings) = merge(&[a, b, c]);
        assert_eq!(target(&farm, "bin/x"), Some(x));
        assert_eq!(target(&farm, "bin/y"), Some(y));
        assert_eq!(
            warnings,
            ["/usr/bin/y is in a and in c, the first is taken"]
        );
    }

    #[test]
    fn a_link_that_leads_out_gives_way_to_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let a = raw(folder.path(), "a", "", &["usr/lib/x -> /etc/x"]);
        let b = raw(folder.path(), "b", "", &["usr/lib/x/y"]);
        let y = b.path.join("usr/lib/x/y");
        let (farm, warnings) = merge(&[a, b]);
        assert_eq!(target(&farm, "lib/x/y"), Some(y));
        assert_eq!(warnings.len(), 1);
    }
}
