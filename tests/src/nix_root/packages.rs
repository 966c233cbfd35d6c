//! The packages of a release, by apt and from the mirror that the machine's own sources name, unpacked to a folder.
//!
//! apt checks signatures and hashes; it has a state of its own here, in which nothing is installed, so it gives all that a package
//! needs. Maintainer scripts are not run.

use crate::{BenchError, command::Output, run};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is unpacked, with what that needs.
const PACKAGES: [&str; 7] = [
    "bash",
    "busybox-static",
    "coreutils",
    "git",
    "mount",
    "nix-bin",
    "debian-archive-keyring",
];
const KEYRING: &str = "usr/share/keyrings/debian-archive-keyring";
/// The folders that are links into `/usr` on Debian.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Whether the folder has just these packages.
pub(super) fn is_here(folder: &Path) -> bool {
    fs::read_to_string(folder.join("done")).is_ok_and(|text| text == record())
}

/// Fetches and unpacks them.
pub(super) fn provide(suite: &str, folder: &Path) -> Result<(), BenchError> {
    if is_here(folder) {
        return Ok(());
    }
    let new = folder.with_extension("new");
    for old in [folder, &new] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(BenchError::file(old))?;
        }
    }
    let apt = new.join("apt");
    for name in ["lists/partial", "archives/partial"] {
        let path = apt.join(name);
        fs::create_dir_all(&path).map_err(BenchError::file(path))?;
    }
    let source = format!(
        "deb [signed-by={}] {} {suite} main\n",
        keyring()?.display(),
        mirror()?
    );
    write(&apt.join("sources.list"), &source)?;
    write(&apt.join("status"), "")?;
    call(&apt, &["update"])?;
    let mut install = vec!["install", "--yes", "--download-only"];
    install.extend(PACKAGES);
    call(&apt, &install)?;
    let root = new.join("root");
    fs::create_dir_all(root.join("usr")).map_err(BenchError::file(&root))?;
    for name in MERGED {
        let below = Path::new("usr").join(name);
        fs::create_dir_all(root.join(&below)).map_err(BenchError::file(&root))?;
        std::os::unix::fs::symlink(&below, root.join(name)).map_err(BenchError::file(&root))?;
    }
    for entry in fs::read_dir(apt.join("archives"))
        .map_err(BenchError::file(&apt))?
        .flatten()
    {
        if entry.path().extension().is_some_and(|name| name == "deb") {
            unpack(&entry.path(), &root)?;
        }
    }
    std::os::unix::fs::symlink("bash", root.join("bin/sh")).map_err(BenchError::file(&root))?;
    fs::remove_dir_all(&apt).map_err(BenchError::file(&apt))?;
    write(&new.join("done"), &record())?;
    fs::rename(&new, folder).map_err(BenchError::file(folder))
}

fn record() -> String {
    format!("{}\n", PACKAGES.join(" "))
}

/// apt with a state of its own; what the machine's own configuration says of proxies holds.
fn call(apt: &Path, arguments: &[&str]) -> Result<Output, BenchError> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    for (name, value) in [
        ("Dir::Etc::SourceList", apt.join("sources.list")),
        ("Dir::Etc::SourceParts", "/dev/null".into()),
        ("Dir::Etc::Preferences", "/dev/null".into()),
        ("Dir::Etc::PreferencesParts", "/dev/null".into()),
        ("Dir::State", apt.to_owned()),
        ("Dir::State::Lists", apt.join("lists")),
        ("Dir::State::Status", apt.join("status")),
        ("Dir::Cache", apt.to_owned()),
        ("Dir::Cache::Archives", apt.join("archives")),
        ("Debug::NoLocking", "true".into()),
        ("APT::Install-Recommends", "false".into()),
        ("APT::Sandbox::User", "root".into()),
        ("APT::Get::List-Cleanup", "false".into()),
        ("Acquire::Languages", "none".into()),
    ] {
        command.arg("-o").arg(format!("{name}={}", value.display()));
    }
    run(command.arg("--quiet=2").args(arguments))?.success()
}

/// The base address of the mirror that this machine has its own release from, as apt says it without asking anybody.
fn mirror() -> Result<String, BenchError> {
    let release = Path::new("/etc/os-release");
    let text = fs::read_to_string(release).map_err(BenchError::file(release))?;
    let codename = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .unwrap_or("stable");
    let said = run(Command::new("apt-get").args(["update", "--print-uris"]))?.success()?;
    let file = format!("/dists/{codename}/InRelease'");
    said.stdout
        .lines()
        .filter_map(|line| line.strip_prefix('\''))
        .find_map(|line| Some(line.split_once(&file)?.0.to_owned()))
        .ok_or_else(|| BenchError::Understand {
            what: "apt's sources".into(),
            text: said.stdout.clone(),
        })
}

/// The keyring of Debian's archive on this machine.
fn keyring() -> Result<PathBuf, BenchError> {
    ["gpg", "pgp"]
        .iter()
        .map(|ending| Path::new("/").join(KEYRING).with_extension(ending))
        .find(|path| path.exists())
        .ok_or_else(|| BenchError::Understand {
            what: "Debian's keyring".into(),
            text: format!("no /{KEYRING}.*"),
        })
}

fn unpack(package: &Path, root: &Path) -> Result<(), BenchError> {
    let script = "dpkg-deb --fsys-tarfile \"$1\" | tar -x --keep-directory-symlink -C \"$2\"";
    run(Command::new("sh")
        .args(["-euc", script, "unpack"])
        .args([package, root]))?
    .success()
    .map(drop)
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(BenchError::file(path))
}
