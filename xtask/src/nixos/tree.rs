//! The nixpkgs of a run: as it is, or NixOS's modules with Debian's binaries in place of its packages.

use super::repository::write;
use crate::{Error, Result, root, say};
use flk_tests::{Flk, binary, init_git, run};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's release whose programs are nearest to those of NixOS 20.09.
const SUITE: &str = "bookworm";
/// The bench's own files, beside this crate's sources.
const FILES: [&str; 7] = [
    "bootstrap.nix",
    "convert.sh",
    "kernel.sh",
    "module.nix",
    "overlay.nix",
    "packages.nix",
    "stages.nix",
];

/// A flake reference for an input, of a folder or a reference.
pub(super) fn reference(nixpkgs: &str) -> Result<String> {
    if !Path::new(nixpkgs).is_dir() {
        return Ok(nixpkgs.to_owned());
    }
    let folder = fs::canonicalize(nixpkgs).map_err(Error::file(Path::new(nixpkgs)))?;
    Ok(format!("path:{}", folder.display()))
}

/// Copies the tree into `folder`, with the bench's files in it; gives its flake reference.
pub(super) fn assemble(nixpkgs: &str, folder: &Path) -> Result<String> {
    let source = source_of(nixpkgs)?;
    let tree = folder.join("nixpkgs");
    let marker = tree.join("bench/source");
    let is_here = fs::read_to_string(&marker).is_ok_and(|known| Path::new(&known) == source);
    if !is_here {
        say(format_args!("copying {}", source.display()));
        if tree.exists() {
            fs::remove_dir_all(&tree).map_err(Error::file(&tree))?;
        }
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        run(Command::new("cp")
            .args(["-r", "--reflink=auto", "--no-preserve=mode"])
            .arg(&source)
            .arg(&tree))?
        .success()?;
    }
    let bench = tree.join("bench");
    let own = root().join("xtask/nixos");
    for name in FILES {
        copy(&own.join(name), &bench.join(name))?;
    }
    copy(&own.join("flake.nix"), &tree.join("flake.nix"))?;
    let stages = "import ../../bench/stages.nix\n";
    write(&tree.join("pkgs/stdenv/default.nix"), stages)?;
    let lock = tree.join("flake.lock");
    if lock.exists() {
        fs::remove_file(&lock).map_err(Error::file(&lock))?;
    }

    // The built-in channel's packages, as they are.
    let own = bench.join("flk");
    if own.exists() {
        fs::remove_dir_all(&own).map_err(Error::file(&own))?;
    }
    let program = own.join("bin/flk-debian");
    copy(&binary("flk-debian"), &program)?;
    run(Command::new("chmod").arg("755").arg(&program))?.success()?;
    fs::create_dir_all(bench.join("flk/nix")).map_err(Error::file(&bench))?;
    run(Command::new("cp")
        .arg("-r")
        .arg(root().join("nix/debian"))
        .arg(bench.join("flk/nix/debian")))?
    .success()?;
    let index = index(folder)?;
    let packages = bench.join("packages.json");
    let text = fs::read_to_string(&index).map_err(Error::file(&index))?;
    write(&packages, &text)?;
    write(&marker, &source.to_string_lossy())?;
    Ok(format!("path:{}", tree.display()))
}

/// The folder of a nixpkgs that is one, or that Nix fetches.
fn source_of(nixpkgs: &str) -> Result<PathBuf> {
    if Path::new(nixpkgs).is_dir() {
        return Ok(nixpkgs.into());
    }
    let output = run(Command::new("nix").args([
        "--extra-experimental-features",
        "nix-command flakes",
        "flake",
        "metadata",
        "--json",
        nixpkgs,
    ]))?
    .success()?;
    let metadata: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    metadata["path"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| Error::Nixos(format!("Nix gave no path of {nixpkgs}")))
}

/// The index of the suite's packages: a repository on the built-in channel has flk fetch and read it.
fn index(folder: &Path) -> Result<PathBuf> {
    let repository = folder.join("index");
    if repository.exists() {
        fs::remove_dir_all(&repository).map_err(Error::file(&repository))?;
    }
    fs::create_dir_all(&repository).map_err(Error::file(&repository))?;
    init_git(&repository)?;
    let flk = Flk::new(&folder.join("home"))?;
    let lock = json!({
        "version": 1, "channel": "debian", "suite": SUITE, "architecture": "amd64", "archives": [],
    });
    write(&repository.join("flk.lock"), &lock.to_string())?;
    write(&repository.join("flake.nix"), INDEX)?;
    write(&repository.join("hosts/index.nix"), "{ }\n")?;
    let add = || {
        run(Command::new("git")
            .arg("-C")
            .arg(&repository)
            .args(["add", "--all"]))?
        .success()
    };
    add()?;
    say(format_args!("pinning Debian {SUITE}"));
    run(flk.command(&repository).arg("update"))?.success()?;
    add()?;
    // Evaluation begins with the index, so flk brings it into the store; the channel's own systems are of a newer suite, and none is made here.
    run(flk
        .command(&repository)
        .args(["iso", "index", "--no-keys", "--dry-run"]))?;
    add()?;
    let output = run(Command::new("nix").args([
        "--extra-experimental-features",
        "nix-command flakes",
        "eval",
        "--raw",
        &format!("{}#index", repository.display()),
    ]))?
    .success()?;
    Ok(output.stdout.trim().into())
}

const INDEX: &str = r#"{
  inputs.flk.url = "flk";
  outputs =
    { self, flk }:
    {
      nixosConfigurations = flk.lib.mkHosts { inherit self; };
      index = "${self.nixosConfigurations.index.pkgs.archive.index}";
    };
}
"#;

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::file(parent))?;
    }
    fs::copy(from, to).map_err(Error::file(from)).map(drop)
}
