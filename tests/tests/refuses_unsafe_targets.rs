//! What cannot become the host is refused with a reason and a remedy, and not one byte of the disk is another afterwards.
//!
//! On the operator's own kernel, in a live machine's root; the boot partition that is missing on a machine is in `installs_by_the_page`.

use flk_tests::{Bench, BenchError, Fixture, LiveRoot, Need, Output, ext4_disk, run, until};
use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

const NEEDS: &[&[Need]] = &[
    Need::BUILDS,
    Need::LIVE_ROOT,
    &[Need::Program("setpriv"), Need::Program("mkfs.vfat")],
];

/// Room for the host, and little more: all of it is read again and again.
const ENOUGH: u64 = 1 << 30;

/// Nothing is left to be written by the kernel when it has time.
const QUIET: [&str; 2] = ["-E", "lazy_itable_init=0,lazy_journal_init=0"];

/// A target that is refused.
struct Refusal {
    what: &'static str,
    size: u64,
    /// Of `mkfs.ext4`.
    options: &'static [&'static str],
    /// Makes the target what it is, in the live root with the disk at /mnt.
    prepare: &'static str,
    arguments: &'static [&'static str],
    /// What is said.
    expected: &'static [&'static str],
}

const GOOD: Refusal = Refusal {
    what: "",
    size: ENOUGH,
    options: &[],
    prepare: "true",
    arguments: &["install", "NixOS", "--yes", "--no-bootloader"],
    expected: &[],
};

const WITH_LOADER: &[&str] = &["install", "NixOS", "--yes"];

const REFUSALS: [Refusal; 13] = [
    Refusal {
        what: "not a mount point",
        prepare: "mkdir -m 0755 /mnt/inner",
        arguments: &["install", "NixOS", "--yes", "--root", "/mnt/inner"],
        expected: &["/mnt/inner is not a mount point", "hint: mount"],
        ..GOOD
    },
    Refusal {
        what: "the root of the live system",
        arguments: &["install", "NixOS", "--yes", "--root", "/"],
        expected: &["/ is the root of the running system", "--root"],
        ..GOOD
    },
    Refusal {
        what: "read-only",
        prepare: "mount -o remount,ro /mnt",
        expected: &["/mnt is mounted read-only"],
        ..GOOD
    },
    Refusal {
        what: "somebody else's",
        prepare: "chown 1000:1000 /mnt",
        expected: &["/mnt belongs to user 1000", "hint: chown root:root /mnt"],
        ..GOOD
    },
    Refusal {
        what: "not traversable",
        prepare: "chmod 0700 /mnt",
        expected: &["/mnt has mode 0700", "hint: chmod 0755 /mnt"],
        ..GOOD
    },
    Refusal {
        what: "too few bytes",
        size: 400 << 20,
        expected: &["bytes free, and the installation takes"],
        ..GOOD
    },
    Refusal {
        what: "too few inodes",
        options: &["-N", "4096"],
        expected: &["inodes free, and the installation takes"],
        ..GOOD
    },
    Refusal {
        what: "no label for the root",
        prepare: "rm /dev/disk/by-label/nixos",
        expected: &["/dev/disk/by-label/nixos (for /)", "mkfs.ext4 -L nixos"],
        ..GOOD
    },
    Refusal {
        what: "no label for the boot partition",
        prepare: "rm /dev/disk/by-label/boot",
        expected: &["/dev/disk/by-label/boot (for /boot)"],
        ..GOOD
    },
    Refusal {
        what: "another file system than the host's",
        prepare: "ln -sfn /dev/loop-control /dev/disk/by-label/nixos",
        expected: &["is another file system", "at /"],
        ..GOOD
    },
    Refusal {
        what: "no boot partition mounted",
        arguments: WITH_LOADER,
        expected: &[
            "its boot partition is not mounted at /mnt/boot",
            "hint: mkdir",
        ],
        ..GOOD
    },
    Refusal {
        what: "a boot partition that is not FAT",
        prepare: "mkdir /mnt/boot && mount -t tmpfs tmpfs /mnt/boot && rm /dev/disk/by-label/boot && ln -s /dev/null /dev/disk/by-label/boot",
        arguments: WITH_LOADER,
        expected: &["/mnt/boot is tmpfs, not FAT", "mkfs.vfat"],
        ..GOOD
    },
    Refusal {
        what: "a host that is not there",
        arguments: &["install", "Nobody", "--yes", "--no-bootloader"],
        expected: &["Nobody", "NixOS"],
        ..GOOD
    },
];

#[test]
fn refuses_unsafe_targets() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("refuses_unsafe_targets", NEEDS)? else {
        return Ok(());
    };
    let live = LiveRoot::new(&Fixture::shared(&bench)?.medium()?)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");
    for refusal in &REFUSALS {
        mounted(&live, &disk, refusal)?;
        live.shell(refusal.prepare)?;
        let before = digest(&live, &disk)?;
        let output = live.flk(refusal.arguments)?;
        is_refused(refusal.what, &output, refusal.expected);
        assert_eq!(digest(&live, &disk)?, before, "{}: the disk", refusal.what);
        live.unmount("/mnt")?;
    }

    // Nothing is mounted at all: what is below /mnt would be memory.
    let output = live.flk(GOOD.arguments)?;
    is_refused("nothing mounted", &output, &["/mnt is not a mount point"]);

    // Without root's rights; and only looking, which is no refusal.
    mounted(&live, &disk, &GOOD)?;
    let before = digest(&live, &disk)?;
    let mut user = live.command("setpriv");
    user.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "flk",
    ]);
    let output = run(user.args(GOOD.arguments))?;
    is_refused("not root", &output, &["must run as root", "sudo"]);
    let plan = live.flk(&["install", "NixOS", "--no-bootloader", "--dry-run"])?;
    assert!(plan.success()?.stderr.contains("onto /mnt"));
    assert_eq!(digest(&live, &disk)?, before);
    live.unmount("/mnt")
}

/// A second installation while one is at work; the first goes on undisturbed.
#[test]
fn refuses_two_at_once() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("refuses_two_at_once", NEEDS)? else {
        return Ok(());
    };
    let live = LiveRoot::new(&Fixture::shared(&bench)?.medium()?)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");
    mounted(&live, &disk, &GOOD)?;
    let first = live
        .command("flk")
        .args(GOOD.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BenchError::Start {
            program: "flk".into(),
            source,
        })?;
    let store = live.path("/mnt/nix/store");
    until(
        "the first store path",
        Duration::from_secs(60),
        || match fs::read_dir(&store).map(Iterator::count) {
            Ok(1..) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )?;
    live.signal_all("STOP")?;
    let before = digest(&live, &disk)?;
    let output = live.flk(GOOD.arguments)?;
    is_refused(
        "two at once",
        &output,
        &["another installation is at work", "flk install --attach"],
    );
    assert_eq!(digest(&live, &disk)?, before);
    live.signal_all("CONT")?;
    let first = first.wait_with_output().map_err(BenchError::file("flk"))?;
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    live.unmount("/mnt")
}

fn is_refused(what: &str, output: &Output, expected: &[&str]) {
    assert_eq!(output.code, Some(1), "{what}: {}", output.all());
    assert!(
        output.stderr.contains("error: "),
        "{what}: {}",
        output.all()
    );
    for text in expected {
        assert!(
            output.stderr.contains(text),
            "{what}: {text:?} is not in\n{}",
            output.stderr
        );
    }
}

/// A file system at `/mnt`, and both of the host's labels.
fn mounted(live: &LiveRoot, disk: &Path, refusal: &Refusal) -> Result<(), BenchError> {
    let options = [&QUIET, refusal.options].concat();
    let disk = ext4_disk(disk.into(), refusal.size, &options)?;
    live.mount(&disk, "/mnt", "nixos")?;
    live.shell("ln -sfn /dev/zero /dev/disk/by-label/boot; mount -o remount,noatime /mnt")
        .map(drop)
}

/// Of all bytes of the disk, after the kernel has written what it had to.
fn digest(live: &LiveRoot, disk: &Path) -> Result<blake3::Hash, BenchError> {
    live.shell("sync -f /mnt")?;
    let mut hasher = blake3::Hasher::new();
    let file = File::open(disk).map_err(BenchError::file(disk))?;
    hasher.update_reader(file).map_err(BenchError::file(disk))?;
    Ok(hasher.finalize())
}
