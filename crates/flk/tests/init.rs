//! `flk init` writes a repository that is the user's, and nothing over anything.

mod workbench;

use std::{fs, path::Path};

use workbench::{Workbench, nix_is_here};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box";

/// Without Nix and without a mirror: what init writes by itself.
fn offline() -> Workbench {
    nowhere().with_only(&["git"])
}

/// A bench whose mirror is none: flk refuses it without a connection.
fn nowhere() -> Workbench {
    Workbench::new().variable("FLK_DEBIAN_MIRROR", "nowhere:///debian")
}

fn files(folder: &Path, found: &mut Vec<String>, base: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with(".git") {
            continue;
        }
        if path.is_dir() {
            files(&path, found, base);
        } else {
            found.push(path.strip_prefix(base).unwrap().display().to_string());
        }
    }
    found.sort();
}

#[test]
fn writes_a_repository_with_the_users_keys() {
    let bench = offline();
    fs::write(bench.home(".ssh/id_ed25519.pub"), KEY).unwrap();
    fs::write(
        bench.home(".ssh/id_ed25519-cert.pub"),
        "ssh-ed25519-cert-v01@openssh.com AAAA x",
    )
    .unwrap();
    bench
        .flk(&["init", "box"])
        .ended(0)
        .said("→ keys/id_ed25519.pub, may log in as nixos")
        .said("git: made a repository; everything is tracked")
        .said("next: cd box && flk iso NixOS");
    let mut found = Vec::new();
    files(&bench.at("box"), &mut found, &bench.at("box"));
    assert_eq!(
        found,
        [
            ".gitignore",
            "README.md",
            "flake.nix",
            "hosts/NixOS.nix",
            "hosts/default.nix",
            "keys/README.md",
            "keys/id_ed25519.pub",
            "profiles/ssh.nix",
        ]
    );
    assert_eq!(bench.read("box/keys/id_ed25519.pub"), format!("{KEY}\n"));
    assert!(
        bench
            .read("box/hosts/NixOS.nix")
            .contains("openssh.authorizedKeys.keyFiles = [ ../keys/id_ed25519.pub ];")
    );
    assert_eq!(bench.git("box", &["ls-files", "--others"]), "");
}

#[test]
fn without_keys_it_says_how_to_add_one() {
    let bench = offline();
    bench
        .flk(&["init"])
        .ended(0)
        .said("no public key in ~/.ssh")
        .said("ssh-keygen -t ed25519")
        .said("openssh.authorizedKeys.keyFiles = [ ../keys/id_ed25519.pub ];")
        .said("next: flk iso NixOS");
    assert!(bench.read("hosts/NixOS.nix").contains("keyFiles = [ ];"));
}

#[test]
fn given_keys_replace_the_users_own() {
    let bench = offline();
    fs::write(bench.home(".ssh/id_ed25519.pub"), KEY).unwrap();
    bench.write("a/team.pub", KEY);
    bench.write("b/team.pub", KEY);
    bench
        .flk(&["init", "box", "--key", "a/team.pub", "--key", "b/team.pub"])
        .ended(0);
    let host = bench.read("box/hosts/NixOS.nix");
    assert!(
        host.contains("keyFiles = [\n      ../keys/team.pub\n      ../keys/team-2.pub\n    ];"),
        "{host}"
    );
    assert!(!bench.at("box/keys/id_ed25519.pub").exists());
}

#[test]
fn a_private_key_is_refused() {
    let bench = offline();
    bench.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    bench
        .flk(&["init", "box", "--key", "id"])
        .ended(1)
        .said("error: id is a private key; it must not leave this machine")
        .said("hint: give the public one: --key id.pub")
        .said("it must be replaced");
    for (content, fault) in [
        (
            "hello\n",
            "line 1: it has no key of a type that OpenSSH knows",
        ),
        ("", "line 1: it is empty"),
        (
            "# mine\nssh-ed25519 AAAA... me\n",
            "line 2: the key is truncated or garbled",
        ),
        (
            "version https://git-lfs.github.com/spec/v1\n",
            "line 1: it is a pointer of Git LFS",
        ),
    ] {
        bench.write("text", content);
        bench
            .flk(&["init", "box", "--key", "text"])
            .ended(1)
            .said("error: text is no public ssh key")
            .said(fault);
    }
    bench
        .flk(&["init", "box", "--key", "none.pub"])
        .ended(1)
        .said("error: cannot read the key none.pub");
    assert!(!bench.at("box").exists(), "nothing is written");
}

#[test]
fn never_overwrites() {
    let bench = offline();
    bench.write("box/hosts/NixOS.nix", "mine");
    bench.write("box/flake.lock", "mine too");
    bench
        .flk(&["init", "box"])
        .ended(1)
        .said("error: box has already: hosts/NixOS.nix, flake.lock")
        .said("hint: nothing was written");
    let mut found = Vec::new();
    files(&bench.at("box"), &mut found, &bench.at("box"));
    assert_eq!(found, ["flake.lock", "hosts/NixOS.nix"]);
    assert_eq!(bench.read("box/hosts/NixOS.nix"), "mine");
    bench.flk(&["init", "new"]).ended(0);
    bench.flk(&["init", "new"]).ended(1);
}

#[test]
fn inside_of_a_repository_it_tracks_its_own_files_only() {
    let bench = offline();
    bench.git("", &["init", "--quiet"]);
    bench.write("notes", "mine");
    bench
        .flk(&["init", "machines"])
        .ended(0)
        .said("git: tracked the new files");
    assert!(!bench.at("machines/.git").exists());
    let others = bench.git("", &["ls-files", "--others"]);
    assert_eq!(others, "notes\n");
}

#[test]
fn without_git_there_is_no_history() {
    let bench = nowhere().with_only(&[]);
    bench
        .flk(&["init", "box"])
        .ended(0)
        .said("git: not on this machine");
    assert!(!bench.at("box/.git").exists());
}

#[test]
fn what_needs_nix_is_left_to_update() {
    let bench = offline();
    let run = bench.flk(&["init", "box"]).ended(0);
    run.said("warning: flake.lock is not complete yet: there is no Nix on this machine")
        .said("note: `flk update` in the repository does it");
}

#[test]
fn both_channels_write_a_flake_that_nix_reads() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    for channel in ["debian", "nixpkgs"] {
        // The mirror and the network are not asked: this is about the flake.
        offline_init(&bench, channel);
        let outputs = std::process::Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--json", "-E"])
            .arg(format!(
                "builtins.attrNames (builtins.functionArgs (import {}).outputs)",
                bench.at(&format!("{channel}/flake.nix")).display()
            ))
            .output()
            .unwrap();
        let outputs = String::from_utf8_lossy(&outputs.stdout).into_owned();
        assert!(outputs.contains("\"flk\""), "{channel}: {outputs}");
        assert_eq!(outputs.contains("nixpkgs"), channel == "nixpkgs");
    }
}

fn offline_init(bench: &Workbench, channel: &str) {
    let target = bench.at(channel);
    let other = nowhere().with_only(&[]);
    other
        .flk(&["init", &target.display().to_string(), "--channel", channel])
        .ended(0);
}
