//! `join`: several paths as one, nixpkgs' `symlinkJoin` and `buildEnv`.
//!
//! The folders at the top (`bin`, `share`) are folders, so that programs can be added and wrapped. Below them, what only one
//! path has is one link, and folders that several have are folders. `nix-support` is left out: a join is neither a raw path
//! nor a package. Of two files the first path's wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{Build, folder};
use crate::error::Result;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Join {
    paths: Vec<PathBuf>,
    #[serde(default = "everything")]
    paths_to_link: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["/".to_owned()]
}

pub(crate) fn join(parameters: &Join, build: Build<'_>) -> Result<()> {
    let wanted: Vec<PathBuf> = parameters
        .paths_to_link
        .iter()
        .map(|path| {
            Path::new(path)
                .components()
                .filter(|component| matches!(component, Component::Normal(_)))
                .collect()
        })
        .collect();
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in &parameters.paths {
        if path.is_dir() && !folders.contains(path) {
            folders.push(path.clone());
        }
    }
    folder::create(build.out)?;
    merge(&folders, Path::new(""), &wanted, build)
}

fn merge(folders: &[PathBuf], here: &Path, wanted: &[PathBuf], build: Build<'_>) -> Result<()> {
    let mut names: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    for folder in folders {
        for name in folder::list(folder)? {
            let path = folder.join(&name);
            names.entry(name).or_default().push(path);
        }
    }
    for (name, paths) in names {
        let path = here.join(name);
        if path == Path::new("nix-support") {
            continue;
        }
        let is_wanted = wanted.iter().any(|prefix| path.starts_with(prefix));
        let leads_to_wanted = wanted.iter().any(|prefix| prefix.starts_with(&path));
        if !is_wanted && !leads_to_wanted {
            continue;
        }
        let below: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir()).cloned().collect();
        let is_at_top = here.as_os_str().is_empty();
        if paths[0].is_dir() && (below.len() > 1 || !is_wanted || is_at_top) {
            folder::create(&build.out.join(&path))?;
            merge(&below, &path, wanted, build)?;
        } else if is_wanted {
            warn_of_others(&path, &paths, build);
            folder::link(&paths[0], &build.out.join(&path))?;
        }
    }
    Ok(())
}

fn warn_of_others(path: &Path, paths: &[PathBuf], build: Build<'_>) {
    let real = |path: &PathBuf| std::fs::canonicalize(path).ok();
    for other in &paths[1..] {
        if real(other) != real(&paths[0]) {
            (build.warn)(&format!(
                "{} is {}, in place of {}",
                path.display(),
                paths[0].display(),
                other.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn path(folder: &Path, name: &str, files: &[&str]) -> PathBuf {
        let path = folder.join(name);
        for file in files {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), name).unwrap();
        }
        path
    }

    #[test]
    fn what_one_has_is_a_link_and_what_several_have_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let a = path(
            folder,
            "a",
            &["bin/a", "bin/x", "share/man/a", "nix-support/closure"],
        );
        let b = path(folder, "b", &["bin/b", "bin/x", "lib/b", "libexec/b/c"]);
        let out = folder.join("out");
        let warnings = std::cell::RefCell::new(Vec::new());
        join(
            &Join {
                paths: vec![a.clone(), b.clone(), a.clone()],
                paths_to_link: vec!["/bin".into(), "/share/man".into(), "/libexec".into()],
            },
            Build {
                out: &out,
                warn: &|line| warnings.borrow_mut().push(line.to_owned()),
            },
        )
        .unwrap();
        let link = |path: &str| fs::read_link(out.join(path)).unwrap();
        assert_eq!(link("bin/a"), a.join("bin/a"));
        assert_eq!(link("bin/x"), a.join("bin/x"));
        assert_eq!(link("share/man"), a.join("share/man"));
        assert_eq!(link("libexec/b"), b.join("libexec/b"));
        assert!(!out.join("lib").exists());
        assert!(!out.join("nix-support").exists());
        assert_eq!(warnings.borrow().len(), 1);
    }
}
