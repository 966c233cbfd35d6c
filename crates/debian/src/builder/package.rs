//! `package`: what `pkgs.NAME` is. A path of nixpkgs' layout that leads into the raw paths, and whose references are the
//! package's run-time closure.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::raw::{Raw, resolve};
use super::usr::choose_alternatives;
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct Package {
    main: Vec<PathBuf>,
    closure: Vec<PathBuf>,
}

pub(crate) fn package(parameters: &Package, build: Build<'_>) -> Result<()> {
    folder::create(build.out)?;
    let mut search: Vec<&Path> = Vec::new();
    for path in parameters.main.iter().chain(&parameters.closure) {
        if !search.contains(&path.as_path()) {
            search.push(path);
        }
    }
    for name in ["bin", "sbin"] {
        let programs = programs(parameters, &search, name, build)?;
        if !programs.is_empty() {
            write_links(&build.out.join(name), &programs)?;
        }
    }
    for name in ["lib", "libexec", "share", "include"] {
        link_folders(
            parameters,
            &Path::new("usr").join(name),
            &build.out.join(name),
        )?;
    }
    link_folders(parameters, Path::new("etc"), &build.out.join("etc"))?;

    let mut paths: Vec<&[u8]> = search
        .iter()
        .map(|path| path.as_os_str().as_encoded_bytes())
        .collect();
    paths.sort_unstable();
    let mut closure = paths.join(&b'\n');
    closure.push(b'\n');
    let support = build.out.join("nix-support");
    folder::create(&support)?;
    folder::write(&support.join("closure"), closure)
}

type Links = BTreeMap<OsString, PathBuf>;

/// What `bin` or `sbin` has: the packages' own files, and the names that they would have as alternatives.
fn programs(parameters: &Package, search: &[&Path], name: &str, build: Build<'_>) -> Result<Links> {
    let inside = Path::new("usr").join(name);
    let mut links = Links::new();
    for raw in &parameters.main {
        for program in folder::list_if_present(&raw.join(&inside))? {
            let path = inside.join(&program);
            let target = target_of(raw, search, &path)?;
            if let Some(known) = links.get(&program) {
                (build.warn)(&format!(
                    "{} is in {} too, the first is taken",
                    path.display(),
                    known.display()
                ));
                continue;
            }
            links.insert(program, target);
        }
    }
    let raws = parameters
        .main
        .iter()
        .map(Raw::open)
        .collect::<Result<Vec<_>>>()?;
    let is_there = |target: &Path| resolve(search, None, target).is_some();
    for (link, (_, target)) in choose_alternatives(&raws, &is_there)? {
        let Ok(program) = link.strip_prefix(&inside) else {
            continue;
        };
        if let Some(target) = resolve(search, None, &target) {
            links
                .entry(program.as_os_str().to_owned())
                .or_insert(target);
        }
    }
    Ok(links)
}

/// A package's file; for a link that leads out of its package, the file of the closure that it leads to.
fn target_of(raw: &Path, search: &[&Path], path: &Path) -> Result<PathBuf> {
    let full = raw.join(path);
    let metadata = fs::symlink_metadata(&full).map_err(Error::io("read", &full))?;
    let stays_inside =
        !metadata.is_symlink() || fs::canonicalize(&full).is_ok_and(|file| file.starts_with(raw));
    if stays_inside {
        return Ok(full);
    }
    Ok(resolve(search, Some(raw), path).unwrap_or(full))
}

/// One link, or a folder of links, for a folder that one or several of the packages have.
fn link_folders(parameters: &Package, inside: &Path, out: &Path) -> Result<()> {
    let folders: Vec<PathBuf> = parameters
        .main
        .iter()
        .map(|raw| raw.join(inside))
        .filter(|folder| folder.is_dir())
        .collect();
    match folders.as_slice() {
        [] => Ok(()),
        [one] => folder::link(one, out),
        several => merge_folders(several, out),
    }
}

/// Links what only one of the folders has, and goes down where several have a folder.
fn merge_folders(folders: &[PathBuf], out: &Path) -> Result<()> {
    folder::create(out)?;
    let mut names: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    for folder in folders {
        for name in folder::list(folder)? {
            let path = folder.join(&name);
            names.entry(name).or_default().push(path);
        }
    }
    for (name, paths) in names {
        let below: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir()).cloned().collect();
        if below.len() > 1 {
            merge_folders(&below, &out.join(name))?;
        } else {
            folder::link(&paths[0], &out.join(name))?;
        }
    }
    Ok(())
}

fn write_links(out: &Path, links: &Links) -> Result<()> {
    folder::create(out)?;
    for (name, target) in links {
        folder::link(target, &out.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::merge::tests::raw;
    use super::*;

    #[test]
    fn programs_lead_into_the_closure() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let python = raw(
            folder,
            "python3",
            "",
            &[
                "usr/bin/python3 -> python3.13",
                "usr/bin/own",
                "usr/bin/alias -> own",
                "usr/share/x",
            ],
        );
        let minimal = raw(folder, "python3.13-minimal", "", &["usr/bin/python3.13"]);
        fs::write(
            python.path.join("nix-support/alternatives.json"),
            r#"[{"link":"/usr/bin/python","name":"python","target":"/usr/bin/python3","priority":1}]"#,
        )
        .unwrap();
        let out = folder.join("out");
        let parameters = Package {
            main: vec![python.path.clone()],
            closure: vec![minimal.path.clone(), python.path.clone()],
        };
        package(
            &parameters,
            Build {
                out: &out,
                warn: &|line| panic!("{line}"),
            },
        )
        .unwrap();
        let link = |path: &str| fs::read_link(out.join(path)).unwrap();
        let real = minimal.path.join("usr/bin/python3.13");
        assert_eq!(link("bin/python3"), real);
        assert_eq!(link("bin/python"), real);
        assert_eq!(link("bin/own"), python.path.join("usr/bin/own"));
        assert_eq!(link("bin/alias"), python.path.join("usr/bin/alias"));
        assert_eq!(link("share"), python.path.join("usr/share"));
        assert_eq!(
            fs::read_to_string(out.join("nix-support/closure")).unwrap(),
            format!("{}\n{}\n", python.path.display(), minimal.path.display())
        );
    }

    #[test]
    fn folders_of_several_packages_are_merged() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let a = raw(folder, "a", "", &["usr/share/man/a", "usr/share/only/a"]);
        let b = raw(folder, "b", "", &["usr/share/man/b"]);
        let out = folder.join("out");
        let parameters = Package {
            main: vec![a.path.clone(), b.path.clone()],
            closure: vec![],
        };
        package(
            &parameters,
            Build {
                out: &out,
                warn: &|line| panic!("{line}"),
            },
        )
        .unwrap();
        let link = |path: &str| fs::read_link(out.join(path)).unwrap();
        assert_eq!(link("share/man/a"), a.path.join("usr/share/man/a"));
        assert_eq!(link("share/man/b"), b.path.join("usr/share/man/b"));
        assert_eq!(link("share/only"), a.path.join("usr/share/only"));
    }
}
