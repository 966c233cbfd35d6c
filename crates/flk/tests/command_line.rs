//! The command line: help, exit codes, and what goes where.

mod workbench;

use workbench::Workbench;

/// `live` is not for people: it has help, but is not listed.
const VERBS: [&str; 17] = [
    "discover",
    "identity",
    "pins",
    "ssh",
    "ssh-config",
    "init",
    "cache",
    "generations",
    "hosts",
    "install",
    "iso",
    "pack",
    "rollback",
    "switch",
    "update",
    "vm",
    "util",
];

#[test]
fn every_verb_has_help_on_standard_output() {
    let bench = Workbench::new();
    let help = bench.flk(&["--help"]).ended(0).stdout;
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb}")), "{verb}: {help}");
        let run = bench.flk(&[verb, "--help"]).ended(0);
        assert!(run.stdout.contains("Usage: flk"), "{verb}");
        assert_eq!(run.stderr, "");
    }
    assert!(!help.contains("\n  live"), "{help}");
    bench.flk(&["live", "--help"]).ended(0);
}

#[test]
fn wrong_usage_ends_with_2_on_standard_error() {
    let bench = Workbench::new();
    for arguments in [
        &[][..],
        &["nope"],
        &["iso"],
        &["iso", "NixOS", "--nope"],
        &["init", "--channel", "arch"],
        &["install"],
        &["install", "NixOS", "--attach"],
        &["install", "--attach", "--yes"],
        &["switch", "--boot", "--test"],
        &["switch", "--dry-run", "--boot"],
        &["rollback", "last"],
        &["vm", "NixOS", "--uefi", "--bios"],
        &["vm", "NixOS", "--memory", "x"],
        &["util", "completions", "tcsh-ish"],
    ] {
        let run = bench.flk(arguments).ended(2);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let run = Workbench::new().flk(&["--version"]).ended(0);
    assert_eq!(run.stdout, format!("flk {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn outside_of_a_repository_it_says_so() {
    let bench = Workbench::new();
    for arguments in [&["hosts"][..], &["iso", "NixOS"], &["update"]] {
        bench
            .flk(arguments)
            .ended(1)
            .said("error: no flake.nix and no hosts/NAME.nix in ")
            .said("hint: change to a repository of hosts");
    }
    bench
        .flk(&["hosts", "--flake", "nowhere"])
        .ended(1)
        .said("error: there is no folder nowhere");
    bench.write("empty/x", "");
    bench
        .flk(&["hosts", "--flake", "empty"])
        .ended(1)
        .said("error: empty has no flake.nix, and no hosts/NAME.nix");
}

#[test]
fn man_pages_are_written_for_every_verb() {
    let bench = Workbench::new();
    bench.flk(&["util", "man", "pages"]).ended(0);
    for page in ["flk.1", "flk-iso.1", "flk-util-man.1"] {
        let text = bench.read(&format!("pages/{page}"));
        assert!(text.contains(".TH "), "{page}");
    }
    let page = bench.flk(&["util", "man"]).ended(0).stdout;
    assert!(page.contains(".TH flk 1"), "{page}");
}

#[test]
fn completions_know_the_verbs() {
    let bench = Workbench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.flk(&["util", "completions", shell]).ended(0).stdout;
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn without_qemu_vm_says_what_to_install() {
    Workbench::new()
        .with_only(&[])
        .flk(&["vm", "NixOS"])
        .ended(1)
        .said("error: there is no QEMU on this machine")
        .said("hint: on Debian and Ubuntu: `apt install qemu-system-x86 ovmf`");
}

#[test]
fn another_distribution_is_not_switched() {
    if std::path::Path::new("/run/current-system").exists() {
        workbench::skipped("this machine runs a host of flk or NixOS");
        return;
    }
    let bench = Workbench::new();
    let is_root = rustix::process::geteuid().is_root();
    for verb in ["switch", "rollback"] {
        let run = bench.flk(&[verb]).ended(1);
        if is_root {
            run.said("error: this machine does not run a host of flk or NixOS: there is no /run/current-system\nhint: ");
        } else {
            run.said("hint: run it with `sudo`");
        }
    }
    assert!(!bench.runtime("switch").exists());
    bench
        .flk(&["generations"])
        .ended(1)
        .said("error: this machine's system has no generations");
    assert_eq!(
        bench.flk(&["generations", "--json"]).ended(0).stdout,
        "[]\n"
    );
}

#[test]
fn a_folder_is_packed_and_the_cache_is_shown() {
    let bench = Workbench::new();
    let folder = bench.at("tree");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "text").unwrap();
    let out = bench.at("x.squashfs");
    let (folder, out) = (folder.to_str().unwrap(), out.to_str().unwrap());
    let run = bench
        .flk(&["pack", "--tree", folder, "--squashfs", "-o", out, "--json"])
        .ended(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let bytes = std::fs::read(out).unwrap();
    assert_eq!(report["size"], bytes.len());
    assert_eq!(&bytes[..4], b"hsqs");
    bench
        .flk(&[
            "pack",
            "--tree",
            folder,
            "--squashfs",
            "-o",
            out,
            "--compression",
            "zip",
        ])
        .ended(1)
        .said("none of zstd, xz, gzip, lz4, none");
    bench.flk(&["pack", "--tree", folder, "-o", out]).ended(2);
    bench.flk(&["pack", "-o", out]).ended(2);

    let run = bench.flk(&["cache", "--json"]).ended(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&report["entries"], &report["bytes"]),
        (&0.into(), &0.into())
    );
    bench.flk(&["cache", "prune", "--keep", "1.5"]).ended(2);
    bench.flk(&["cache", "prune", "--older", "3"]).ended(0);
}

#[test]
fn output_that_is_not_written_is_a_failure_and_a_closed_pipe_is_none() {
    use std::{fs::File, process::Command};
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["iso", "--help"],
        &["util", "completions", "bash"],
    ] {
        let flk = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_flk"));
            command.args(arguments);
            command
        };
        let full = File::options().write(true).open("/dev/full").unwrap();
        let run = flk().stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: cannot write to standard output\ncaused by: No space left"),
            "{arguments:?}: {said}"
        );
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = flk().stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(
            (run.status.code(), said.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
