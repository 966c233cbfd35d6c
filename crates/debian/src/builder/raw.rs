//! Raw paths (unpacked packages), and the graph of references in which they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::alternative::Alternative;
use super::folder;
use crate::control;
use crate::error::{Error, Result};
use crate::relation::{Relation, parse_field};
use crate::version::Version;

/// Nix's `exportReferencesGraph` under structured attributes: a list of store paths with what they refer to, or a map from
/// path to that.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Graph {
    /// `[ { "path": …, "references": … } ]`
    List(Vec<GraphEntry>),
    /// `{ path: { … } }`
    Map(BTreeMap<PathBuf, serde_json::Value>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct GraphEntry {
    path: PathBuf,
}

impl Graph {
    /// The raw paths of the graph, sorted by their packages' names.
    pub(crate) fn raws(&self) -> Result<Vec<Raw>> {
        let paths: Vec<&Path> = match self {
            Self::List(entries) => entries.iter().map(|entry| entry.path.as_path()).collect(),
            Self::Map(entries) => entries.keys().map(PathBuf::as_path).collect(),
        };
        let mut raws = paths
            .into_iter()
            .filter(|path| path.join("nix-support/control").is_file())
            .map(Raw::open)
            .collect::<Result<Vec<_>>>()?;
        raws.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        Ok(raws)
    }
}

/// One unpacked package.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its store path.
    pub(crate) path: PathBuf,
    /// The package's name.
    pub(crate) name: String,
    version: Version,
    replaces: Vec<Relation>,
}

impl Raw {
    /// Reads the control file in a raw path.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = path.join("nix-support/control");
        let paragraph = control::parse(&folder::read_text(&file)?)
            .into_iter()
            .next()
            .unwrap_or_default();
        let field = |name: &str| {
            paragraph.get(name).ok_or_else(|| Error::Deb {
                deb: path.to_owned(),
                reason: format!("its control file has no field `{name}`"),
            })
        };
        Ok(Self {
            name: field("Package")?.to_owned(),
            version: Version::new(field("Version")?),
            replaces: paragraph
                .get("Replaces")
                .map(parse_field)
                .unwrap_or_default()
                .into_iter()
                .flatten()
                .collect(),
            path: path.to_owned(),
        })
    }

    /// Whether its files may take the place of the other's (Policy 7.6.1).
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.replaces
            .iter()
            .any(|relation| relation.name == other.name && relation.is_met_by(&other.version))
    }

    /// The alternatives that it offers.
    pub(crate) fn alternatives(&self) -> Result<Vec<Alternative>> {
        let path = self.path.join("nix-support/alternatives.json");
        let text = folder::read_text(&path)?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }
}

/// Finds `path` (relative to the root: `usr/bin/sh`) in one of `raws`, following links over all of them, and gives the path
/// of the file itself. `first`, if given, is looked at before the others.
pub(crate) fn resolve(raws: &[&Path], first: Option<&Path>, path: &Path) -> Option<PathBuf> {
    resolve_unseen(raws, first, path, &mut BTreeSet::new())
}

/// A path that was looked for in all of `raws` once need not be again: that also ends loops.
fn resolve_unseen(
    raws: &[&Path],
    first: Option<&Path>,
    path: &Path,
    seen: &mut BTreeSet<PathBuf>,
) -> Option<PathBuf> {
    if !seen.insert(path.to_owned()) {
        return None;
    }
    for raw in first.iter().chain(raws) {
        let Some((found, rest)) = walk(raw, path) else {
            continue;
        };
        match rest {
            None => return Some(found),
            Some(target) => {
                if let Some(found) = resolve_unseen(raws, Some(raw), &target, seen) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// Walks down `path` in one raw path. Gives the file, or where the first link on the way leads to (relative to the root).
fn walk(raw: &Path, path: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let mut here = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        here.push(component);
        let full = raw.join(&here);
        let metadata = std::fs::symlink_metadata(&full).ok()?;
        if !metadata.is_symlink() {
            continue;
        }
        let text = std::fs::read_link(&full).ok()?;
        let target = match text.strip_prefix("/") {
            Ok(absolute) => absolute.to_owned(),
            Err(_) => here.parent()?.join(&text),
        };
        let target = merged(&folder::normalize(&target.join(components.as_path()))?);
        return Some((full, Some(target)));
    }
    Some((raw.join(&here), None))
}

/// `bin/sh` is `usr/bin/sh` on a merged system.
pub(crate) fn merged(path: &Path) -> PathBuf {
    let first = path
        .components()
        .next()
        .map(|first| first.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    if matches!(first.as_str(), "bin" | "sbin" | "lib" | "lib64") {
        Path::new("usr").join(path)
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_from_package_to_package() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for raw in [&one, &two] {
            fs::create_dir_all(raw.join("usr/bin")).unwrap();
        }
        fs::write(two.join("usr/bin/python3.13"), "").unwrap();
        symlink("python3.13", one.join("usr/bin/python3")).unwrap();
        symlink("/bin/python3", one.join("usr/bin/python")).unwrap();
        symlink("nowhere", one.join("usr/bin/lost")).unwrap();
        symlink("loop", one.join("usr/bin/loop")).unwrap();
        let raws = [one.as_path(), two.as_path()];
        let find = |name: &str| resolve(&raws, None, &Path::new("usr/bin").join(name));
        assert_eq!(find("python"), Some(two.join("usr/bin/python3.13")));
        assert_eq!(find("python3"), Some(two.join("usr/bin/python3.13")));
        assert_eq!(find("lost"), None);
        assert_eq!(find("loop"), None);
    }
}
