//! `usr`: the tree that is mounted at `/usr`, a farm of links into the raw paths of a closure.
//!
//! What maintainer scripts do below `/usr` is done here as far as a system needs it: alternatives, `/usr/bin/sh`, the empty
//! folders of `/usr/local`. Not done: caches that only desktops use (glib schemas, icons, MIME types).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::alternative::Alternative;
use super::farm::{Farm, Node, Taken};
use super::merge::{Leaf, Merge};
use super::raw::{Graph, Raw, merged};
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usr {
    graph: Graph,
    #[serde(default)]
    paths: Vec<PathBuf>,
    kernel_modules: Option<PathBuf>,
    hwdb: Option<PathBuf>,
    locales: Option<PathBuf>,
}

/// Folders of `/usr` that are there even if they are empty.
const EMPTY: [&str; 11] = [
    "games",
    "local/bin",
    "local/etc",
    "local/games",
    "local/include",
    "local/lib",
    "local/libexec",
    "local/sbin",
    "local/share/man",
    "local/src",
    "src",
];

/// Where a file may lie in the output that makes it.
const HWDB: [&str; 4] = [
    "hwdb.bin",
    "usr/lib/udev/hwdb.bin",
    "lib/udev/hwdb.bin",
    "etc/udev/hwdb.bin",
];
const LOCALES: [&str; 3] = [
    "locale-archive",
    "usr/lib/locale/locale-archive",
    "lib/locale/locale-archive",
];

pub(crate) fn usr(parameters: &Usr, build: Build<'_>) -> Result<()> {
    let raws = parameters.graph.raws()?;
    let mut farm = Merge {
        raws: &raws,
        folder: "usr",
        skip: &|path| parameters.kernel_modules.is_some() && path == Path::new("lib/modules"),
        warn: build.warn,
    }
    .merge()?;
    for path in &parameters.paths {
        add_path(&mut farm, path, build)?;
    }
    add_alternatives(&mut farm, &raws)?;
    add_shell(&mut farm);
    for path in EMPTY {
        // Something else may be there: then it is not empty.
        let _ = farm.folder(Path::new(path));
    }
    if let Some(modules) = &parameters.kernel_modules {
        let modules = modules.join("lib/modules");
        for version in folder::list(&modules)? {
            farm.replace(
                &Path::new("lib/modules").join(&version),
                Leaf::own(modules.join(&version)),
            );
        }
    }
    if let Some(hwdb) = &parameters.hwdb {
        let file = file_within(hwdb, &HWDB, "hwdb")?;
        farm.replace(Path::new("lib/udev/hwdb.bin"), Leaf::own(file));
    }
    if let Some(locales) = &parameters.locales {
        let file = file_within(locales, &LOCALES, "locales")?;
        farm.replace(Path::new("lib/locale/locale-archive"), Leaf::own(file));
    }
    farm.write(build.out, &mut |leaf, path| {
        folder::link(&leaf.target, path)
    })
}

/// The file itself, or the one in a folder that a program has filled.
fn file_within(path: &Path, places: &[&str], parameter: &str) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    places
        .iter()
        .map(|place| path.join(place))
        .find(|file| file.is_file())
        .ok_or_else(|| Error::Parameters {
            command: "usr",
            reason: format!(
                "`{parameter}` is {}, which is no file and has none of {}",
                path.display(),
                places.join(", ")
            ),
        })
}

/// Adds the programs of a path that is no Debian package. They win: somebody asked for them by name.
fn add_path(farm: &mut Farm<Leaf>, path: &Path, build: Build<'_>) -> Result<()> {
    let is_debian = ["nix-support/control", "nix-support/closure"]
        .iter()
        .any(|file| path.join(file).is_file());
    if is_debian {
        return Ok(());
    }
    for name in ["bin", "sbin", "lib", "libexec", "share"] {
        if path.join(name).is_dir() {
            add_folder(farm, path, Path::new(name), build)?;
        }
    }
    Ok(())
}

fn add_folder(farm: &mut Farm<Leaf>, root: &Path, here: &Path, build: Build<'_>) -> Result<()> {
    for name in folder::list(&root.join(here))? {
        let path = here.join(name);
        let full = root.join(&path);
        if full.is_dir() {
            add_folder(farm, root, &path, build)?;
            continue;
        }
        let leaf = Leaf::own(&full);
        match farm.insert(&path, leaf.clone()) {
            Ok(()) => {}
            Err(Taken::Leaf(there)) => {
                if !is_same_file(&there.target, &full) {
                    (build.warn)(&format!(
                        "/usr/{} is {}, in place of {}",
                        path.display(),
                        full.display(),
                        there.target.display()
                    ));
                    *there = leaf;
                }
            }
            Err(Taken::Folder | Taken::Way(_)) => (build.warn)(&format!(
                "{} is left out: a Debian package has a folder or a file in its way",
                full.display()
            )),
        }
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The alternative of the highest priority for each link, or the first by its package's name. Links and targets are relative
/// to the root, with `bin` in `usr`.
pub(crate) fn choose_alternatives(
    raws: &[Raw],
    is_there: &dyn Fn(&Path) -> bool,
) -> Result<BTreeMap<PathBuf, (Alternative, PathBuf)>> {
    let mut chosen: BTreeMap<PathBuf, (Alternative, PathBuf)> = BTreeMap::new();
    for raw in raws {
        for alternative in raw.alternatives()? {
            let link = root_relative(&alternative.link);
            let target = root_relative(&alternative.target);
            if !is_there(&target) {
                continue;
            }
            let is_better = chosen
                .get(&link)
                .is_none_or(|(known, _)| alternative.priority > known.priority);
            if is_better {
                chosen.insert(link, (alternative, target));
            }
        }
    }
    Ok(chosen)
}

fn root_relative(path: &str) -> PathBuf {
    merged(Path::new(path.trim_start_matches('/')))
}

fn add_alternatives(farm: &mut Farm<Leaf>, raws: &[Raw]) -> Result<()> {
    let is_there = |target: &Path| {
        target
            .strip_prefix("usr")
            .is_ok_and(|target| farm.get(target).is_some())
    };
    for (link, (_, target)) in choose_alternatives(raws, &is_there)? {
        let (Ok(link), Ok(target)) = (link.strip_prefix("usr"), target.strip_prefix("usr")) else {
            continue;
        };
        // A package's own file stays, as update-alternatives(1) leaves it.
        let _ = farm.insert(link, Leaf::own(folder::relative(link, target)));
    }
    Ok(())
}

/// `/usr/bin/sh`, where no package ships it.
fn add_shell(farm: &mut Farm<Leaf>) {
    if farm.get(Path::new("bin/sh")).is_some() {
        return;
    }
    let shell = ["dash", "bash"]
        .into_iter()
        .find(|shell| matches!(farm.get(&Path::new("bin").join(shell)), Some(Node::Leaf(_))));
    if let Some(shell) = shell {
        farm.replace(Path::new("bin/sh"), Leaf::own(shell));
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::tests::raw;
    use super::*;

    fn run(parameters: serde_json::Value, out: &Path) -> Vec<String> {
        let warnings = std::cell::RefCell::new(Vec::new());
        let warn = |line: &str| warnings.borrow_mut().push(line.to_owned());
        usr(
            &serde_json::from_value(parameters).unwrap(),
            Build { out, warn: &warn },
        )
        .unwrap();
        warnings.into_inner()
    }

    #[test]
    fn the_tree_has_packages_alternatives_modules_and_paths() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let bash = raw(folder, "bash", "", &["usr/bin/bash"]);
        let mawk = raw(folder, "mawk", "", &["usr/bin/mawk"]);
        let gawk = raw(folder, "gawk", "", &["usr/bin/gawk"]);
        let linux = raw(folder, "linux", "", &["usr/lib/modules/6.12/kernel/x.ko"]);
        for (raw, priority) in [(&mawk, 5), (&gawk, 10)] {
            let json = format!(
                r#"[{{"link":"/bin/awk","name":"awk","target":"/usr/bin/{}","priority":{priority}}},
                    {{"link":"/usr/bin/lost","name":"lost","target":"/usr/bin/nowhere","priority":1}}]"#,
                raw.name
            );
            fs::write(raw.path.join("nix-support/alternatives.json"), json).unwrap();
        }
        let modules = folder.join("modules");
        fs::create_dir_all(modules.join("lib/modules/6.12/kernel")).unwrap();
        let own = folder.join("own");
        fs::create_dir_all(own.join("bin")).unwrap();
        fs::write(own.join("bin/mine"), "").unwrap();
        fs::write(own.join("bin/bash"), "").unwrap();
        let out = folder.join("out");
        let graph: Vec<_> = [&bash, &mawk, &gawk, &linux]
            .iter()
            .map(|raw| serde_json::json!({ "path": raw.path, "references": [] }))
            .collect();
        let warnings = run(
            serde_json::json!({ "graph": graph, "paths": [own], "kernelModules": modules, "hwdb": null }),
            &out,
        );
        let link = |path: &str| fs::read_link(out.join(path)).unwrap();
        assert_eq!(link("bin/awk"), Path::new("gawk"));
        assert_eq!(link("bin/sh"), Path::new("bash"));
        assert_eq!(link("bin/bash"), own.join("bin/bash"));
        assert_eq!(link("bin/mine"), own.join("bin/mine"));
        assert_eq!(link("lib/modules/6.12"), modules.join("lib/modules/6.12"));
        assert!(out.join("local/share/man").is_dir());
        assert!(fs::symlink_metadata(out.join("bin/lost")).is_err());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("/usr/bin/bash is "));
    }
}
