//! What flk, its tests and its demo need of a Debian 12 machine, installed where it is missing.

use crate::{Error, Result, build, say};
use flk_tests::RELEASES;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A Debian package, the file that tells that it is here, and why it is wanted.
struct Package {
    name: &'static str,
    provides: &'static str,
    reason: &'static str,
}

const fn package(name: &'static str, provides: &'static str, reason: &'static str) -> Package {
    Package {
        name,
        provides,
        reason,
    }
}

/// `provides` is a program on the path, or a file if it starts with a slash.
const PACKAGES: [Package; 33] = [
    package("nix-bin", "nix", "evaluates hosts and builds systems"),
    package("git", "git", "says which files of a repository are tracked"),
    package(
        "squashfs-tools",
        "mksquashfs",
        "judges squashfs images in tests, and is what benches compare with",
    ),
    package("xorriso", "xorriso", "the same for ISO images"),
    package("openssh-client", "ssh", "logs in to live machines"),
    package("openssh-server", "sshd", "proves its key in tests"),
    package("nftables", "nft", "keeps packets from the links of tests"),
    package(
        "qemu-system-x86",
        "qemu-system-x86_64",
        "the machines of tests and demo",
    ),
    package("ovmf", "/usr/share/OVMF", "their UEFI firmware"),
    package("iproute2", "ip", "the links of tests and demo"),
    package("iputils-ping", "ping", "asks addresses on them"),
    package(
        "dbus-daemon",
        "dbus-daemon",
        "avahi's message bus, a private one",
    ),
    package(
        "avahi-daemon",
        "avahi-daemon",
        "asks by mDNS, as another implementation than the live machine's",
    ),
    package("avahi-utils", "avahi-resolve", "its commands"),
    package(
        "libnss-mdns",
        "/usr/lib/x86_64-linux-gnu/libnss_mdns6_minimal.so.2",
        "lets ssh find NixOS.local",
    ),
    package(
        "dosfstools",
        "mkfs.vfat",
        "makes what the probes are judged on",
    ),
    package("e2fsprogs", "mkfs.ext4", "likewise"),
    package("btrfs-progs", "mkfs.btrfs", "likewise"),
    package("xfsprogs", "mkfs.xfs", "likewise"),
    package("f2fs-tools", "mkfs.f2fs", "likewise"),
    package("erofs-utils", "mkfs.erofs", "likewise"),
    package("cryptsetup-bin", "cryptsetup", "likewise"),
    package("genisoimage", "isoinfo", "judges ISOs in tests"),
    package("p7zip-full", "7z", "likewise"),
    package("gdisk", "sgdisk", "likewise"),
    package("fdisk", "sfdisk", "judges partition tables in tests"),
    package(
        "dmsetup",
        "dmsetup",
        "makes disks that are in use, in tests",
    ),
    package(
        "grub-efi-amd64-bin",
        "/usr/lib/grub/x86_64-efi",
        "makes ISOs by others, with grub-common and mtools",
    ),
    package("mtools", "mformat", "likewise"),
    package("rsync", "rsync", "copies by the stanza of `flk ssh-config`"),
    package("ansible-core", "ansible", "runs commands by it"),
    package(
        "chromium-headless-shell",
        "chromium-headless-shell",
        "looks at the page of `flk inspect --html`",
    ),
    package("g++", "c++", "builds libFuzzer"),
];

/// Installs what is missing, fetches other versions of Nix, and builds flk.
pub(crate) fn run() -> Result<()> {
    packages()?;
    other_versions_of_nix();
    build::release()
}

/// What cannot be had is missed by the test that needs it, which says so or, in CI, fails.
fn other_versions_of_nix() {
    for release in RELEASES.iter().filter(|release| !release.is_here()) {
        let (suite, version) = (release.suite, release.version);
        say(format_args!("fetching Nix {version} of Debian {suite}"));
        if let Err(error) = release.provide() {
            say(format_args!("cannot fetch it: {error}"));
        }
    }
}

/// Installs what is missing; asks nothing.
pub(crate) fn packages() -> Result<()> {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| !is_here(package.provides))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    say(format_args!("not on this machine yet:"));
    for package in &missing {
        say(format_args!("  {:<18} {}", package.name, package.reason));
    }
    if !is_here("apt-get") {
        return Err(Error::NoApt(names.join(" ")));
    }
    if !is_root() {
        return Err(Error::NotRoot(names.join(" ")));
    }
    say(format_args!("installing: {}", names.join(" ")));
    // The lists may be there and fresh, which saves the time; or empty, as in a container.
    if install(&names).is_err() {
        apt(&["update"])?;
        install(&names)?;
    }
    match missing.iter().find(|package| !is_here(package.provides)) {
        Some(package) => Err(Error::Failed(format!(
            "apt-get install {} ({} is not there)",
            package.name, package.provides
        ))),
        None => Ok(()),
    }
}

fn install(names: &[&str]) -> Result<()> {
    let mut arguments = vec![
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "Dpkg::Options::=--force-confold",
    ];
    arguments.extend(names);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .arg("--quiet=2")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start {
            program: "apt-get".into(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    say(String::from_utf8_lossy(&output.stderr).trim());
    Err(Error::Failed(format!("apt-get {}", arguments.join(" "))))
}

fn is_here(provides: &str) -> bool {
    if provides.starts_with('/') {
        return Path::new(provides).exists();
    }
    // Debian's root has `sbin` on its path, other users' shells may not.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(provides).is_file())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
