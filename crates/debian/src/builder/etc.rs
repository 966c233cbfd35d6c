//! `etc`: the tree under `/etc`, the lower layer of the overlay that a system has there.
//!
//! The packages' own files as links, what their maintainer scripts would make (PAM's shared stacks, the certificate bundle,
//! `shells`, a few defaults), and over them what the system's configuration says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::farm::{Farm, Node};
use super::merge::{Leaf, Merge};
use super::pam::{self, Profile};
use super::raw::{Graph, Raw, resolve};
use super::usr::choose_alternatives;
use super::{Build, certificate, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct Etc {
    graph: Graph,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    target: String,
    source: PathBuf,
    #[serde(default = "symlink")]
    mode: String,
}

fn symlink() -> String {
    "symlink".to_owned()
}

/// What is at one place of `/etc`.
#[derive(Debug, Clone)]
enum Item {
    Link(PathBuf),
    Text(Vec<u8>),
    Copy { source: PathBuf, executable: bool },
}

/// Files that a `postinst` copies to `/etc` when there are none: package, source, target.
const DEFAULTS: [(&str, &str, &str); 3] = [
    ("base-files", "usr/share/base-files/motd", "motd"),
    ("base-files", "usr/share/base-files/profile", "profile"),
    (
        "libc-bin",
        "usr/share/libc-bin/nsswitch.conf",
        "nsswitch.conf",
    ),
];

pub(crate) fn etc(parameters: &Etc, build: Build<'_>) -> Result<()> {
    let raws = parameters.graph.raws()?;
    let mut farm = convert(
        &Merge {
            raws: &raws,
            folder: "etc",
            skip: &is_sysv,
            warn: build.warn,
        }
        .merge()?,
    );
    add_defaults(&mut farm, &raws);
    add_shells(&mut farm, &raws)?;
    add_pam(&mut farm, &raws)?;
    add_certificates(&mut farm, &raws)?;
    add_alternatives(&mut farm, &raws)?;
    // As systemd-update-done(8) writes it: /usr in the store is as old as everything there.
    farm.replace(
        Path::new(".updated"),
        Item::Text(b"TIMESTAMP_NSEC=1000000000\n".to_vec()),
    );
    for entry in &parameters.entries {
        add_entry(&mut farm, entry)?;
    }
    farm.write(build.out, &mut |item, path| match item {
        Item::Link(target) => folder::link(target, path),
        Item::Text(text) => folder::write(path, text),
        Item::Copy { source, executable } => folder::copy_file(source, path, *executable),
    })
}

/// What System V init would read.
fn is_sysv(path: &Path) -> bool {
    let mut components = path.iter();
    let (Some(name), None) = (components.next(), components.next()) else {
        return false;
    };
    let name = name.to_string_lossy();
    name == "init.d" || (name.len() == 5 && name.starts_with("rc") && name.ends_with(".d"))
}

fn convert(merged: &Farm<Leaf>) -> Farm<Item> {
    merged.map(&|leaf| Item::Link(leaf.target.clone()))
}

fn add_defaults(farm: &mut Farm<Item>, raws: &[Raw]) {
    for (package, source, target) in DEFAULTS {
        for raw in raws.iter().filter(|raw| raw.name == package) {
            let source = raw.path.join(source);
            if source.is_file() {
                // What a package ships itself stays.
                let _ = farm.insert(Path::new(target), Item::Link(source));
            }
        }
    }
}

/// `/etc/shells`, as update-shells(8) of `debianutils` makes it.
fn add_shells(farm: &mut Farm<Item>, raws: &[Raw]) -> Result<()> {
    let mut shells = vec!["/bin/sh".to_owned(), "/usr/bin/sh".to_owned()];
    for raw in raws {
        let folder = raw.path.join("usr/share/debianutils/shells.d");
        for file in folder::list_if_present(&folder)? {
            for line in folder::read_text(&folder.join(file))?.lines() {
                let line = line.trim();
                if line.starts_with('/') {
                    shells.push(line.to_owned());
                    match line.strip_prefix("/usr/bin/") {
                        Some(name) => shells.push(format!("/bin/{name}")),
                        None => shells.push(format!("/usr{line}")),
                    }
                }
            }
        }
    }
    if shells.len() == 2 {
        return Ok(());
    }
    shells.sort();
    shells.dedup();
    let text = format!("# /etc/shells: valid login shells\n{}\n", shells.join("\n"));
    let _ = farm.insert(Path::new("shells"), Item::Text(text.into_bytes()));
    Ok(())
}

fn add_pam(farm: &mut Farm<Item>, raws: &[Raw]) -> Result<()> {
    let mut profiles = Vec::new();
    for raw in raws {
        let folder = raw.path.join("usr/share/pam-configs");
        for file in folder::list_if_present(&folder)? {
            let text = folder::read_text(&folder.join(&file))?;
            profiles.push(Profile::parse(&file.to_string_lossy(), &text));
        }
    }
    let enabled = pam::enabled(profiles);
    let paths: Vec<&Path> = raws.iter().map(|raw| raw.path.as_path()).collect();
    for stack in pam::STACKS {
        let template = Path::new("usr/share/pam").join(format!("common-{stack}"));
        let Some(template) = resolve(&paths, None, &template) else {
            continue;
        };
        let text = pam::fill(&folder::read_text(&template)?, stack, &enabled);
        farm.replace(
            &Path::new("pam.d").join(format!("common-{stack}")),
            Item::Text(text.into_bytes()),
        );
    }
    Ok(())
}

fn add_certificates(farm: &mut Farm<Item>, raws: &[Raw]) -> Result<()> {
    let certificates = certificate::certificates(raws)?;
    if certificates.is_empty() {
        return Ok(());
    }
    let folder = Path::new("ssl/certs");
    farm.replace(
        &folder.join("ca-certificates.crt"),
        Item::Text(certificate::bundle(&certificates)),
    );
    for certificate in certificates {
        farm.replace(
            &folder.join(&certificate.name),
            Item::Link(certificate.installed),
        );
    }
    Ok(())
}

/// `/etc/alternatives/NAME` for every alternative, and the links that lie in `/etc` themselves.
fn add_alternatives(farm: &mut Farm<Item>, raws: &[Raw]) -> Result<()> {
    let paths: Vec<&Path> = raws.iter().map(|raw| raw.path.as_path()).collect();
    let is_there = |target: &Path| resolve(&paths, None, target).is_some();
    for (link, (alternative, target)) in choose_alternatives(raws, &is_there)? {
        let target = Path::new("/").join(target);
        let _ = farm.insert(
            &Path::new("alternatives").join(&alternative.name),
            Item::Link(target.clone()),
        );
        if let Ok(link) = link.strip_prefix("etc") {
            let _ = farm.insert(link, Item::Link(target));
        }
    }
    Ok(())
}

fn add_entry(farm: &mut Farm<Item>, entry: &Entry) -> Result<()> {
    let fault = |reason: String| Error::Parameters {
        command: "etc",
        reason: format!("the entry `{}` {reason}", entry.target),
    };
    let target = folder::normalize(Path::new(entry.target.trim_start_matches('/')))
        .filter(|target| !target.as_os_str().is_empty())
        .ok_or_else(|| fault("leads out of /etc".to_owned()))?;
    if matches!(entry.mode.as_str(), "symlink" | "direct-symlink") {
        return add_link(farm, &target, &entry.source);
    }
    let mode = u32::from_str_radix(&entry.mode, 8)
        .map_err(|_| fault(format!("has the mode `{}`, which is none", entry.mode)))?;
    if entry.source.is_dir() {
        return Err(fault(format!(
            "has a mode, but its source {} is a folder",
            entry.source.display()
        )));
    }
    let item = Item::Copy {
        source: entry.source.clone(),
        executable: mode & 0o111 != 0,
    };
    farm.replace(&target, item);
    Ok(())
}

/// A link; but where packages have a folder, a folder's files go over theirs one by one.
fn add_link(farm: &mut Farm<Item>, target: &Path, source: &Path) -> Result<()> {
    let is_folder_already = matches!(farm.get(target), Some(Node::Folder(_)));
    if is_folder_already && source.is_dir() {
        for name in folder::list(source)? {
            add_link(farm, &target.join(&name), &source.join(&name))?;
        }
    } else {
        farm.replace(target, Item::Link(source.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::merge::tests::raw;
    use super::*;
    use std::fs;

    #[test]
    fn packages_then_what_scripts_make_then_entries() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let base = raw(
            folder,
            "base-files",
            "",
            &[
                "etc/issue",
                "etc/init.d/x",
                "etc/rc2.d/S01x",
                "etc/systemd/system/a.service",
                "etc/systemd/system/b.service",
                "usr/share/base-files/profile",
                "usr/share/ca-certificates/mozilla/A (1).crt",
                "usr/share/ca-certificates/mozilla/B.crt",
            ],
        );
        let units = folder.join("units");
        fs::create_dir_all(&units).unwrap();
        fs::write(units.join("b.service"), "").unwrap();
        let sudoers = folder.join("sudoers");
        fs::write(&sudoers, "root").unwrap();
        let out = folder.join("out");
        let parameters = serde_json::from_value(serde_json::json!({
            "graph": [ { "path": base.path, "references": [] } ],
            "entries": [
                { "target": "systemd/system", "source": units, "mode": "symlink" },
                { "target": "sudoers", "source": sudoers, "mode": "0440" },
                { "target": "new", "source": units, "mode": "direct-symlink" },
            ],
        }))
        .unwrap();
        etc(
            &parameters,
            Build {
                out: &out,
                warn: &|line| panic!("{line}"),
            },
        )
        .unwrap();
        let link = |path: &str| fs::read_link(out.join(path)).unwrap();
        assert_eq!(link("issue"), base.path.join("etc/issue"));
        assert_eq!(
            link("profile"),
            base.path.join("usr/share/base-files/profile")
        );
        assert_eq!(
            link("systemd/system/a.service"),
            base.path.join("etc/systemd/system/a.service")
        );
        assert_eq!(link("systemd/system/b.service"), units.join("b.service"));
        assert_eq!(link("new"), units);
        assert_eq!(fs::read_to_string(out.join("sudoers")).unwrap(), "root");
        assert!(!out.join("init.d").exists() && !out.join("rc2.d").exists());
        assert_eq!(
            fs::read_to_string(out.join("ssl/certs/ca-certificates.crt")).unwrap(),
            "base-files\nbase-files\n"
        );
        assert_eq!(
            link("ssl/certs/A_=1=.pem"),
            Path::new("/usr/share/ca-certificates/mozilla/A (1).crt")
        );
    }
}
