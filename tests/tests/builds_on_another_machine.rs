//! A host whose parts only another machine can build, by `ssh-ng://`: built in that machine's own store, used here. And when the machine
//! is not to be reached, that is said.

use flk_tests::{Bench, BenchError, INTERFACE, KeyPair, Link, Need, Output, Peer, binary, run};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// `top` wants a feature that only the other machine has.
const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      build = name: script: further: derivation ({
        inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ]; salt = "@SALT@";
      } // further);
      top = build "top" "test -e @THERE@; echo built there; echo $salt >$out" { requiredSystemFeatures = [ "there" ]; };
      text = builtins.toJSON {
        version = 1; host = "far"; system = "x86_64-linux"; channel = "nixpkgs"; volumeId = "FAR"; fileName = "far.iso";
        liveToplevel = top; hostToplevel = top; storeRoots = [ top ]; contents = [ ];
        compression = { codec = "zstd"; level = 1; blockSize = 131072; };
        boot = { bios = null; efi = null; };
      };
    in
    {
      nixosConfigurations.far = {
        config.system.build.toplevel = top;
        extendModules = _: { config.system.build.flkImage = build "image.json" "printf %s \"$text\" >$out" { inherit text; }; };
      };
    };
}
"#;

/// What sshd runs for everybody: Nix's daemon with a store of its own, where a file is that the operator does not have.
const DAEMON: &str = r#"#!/bin/sh
exec unshare --mount sh -euc '
mount --bind "$0/nix" /nix
mount --bind "$0/there" "$0/nowhere"
NIX_CONFIG="build-users-group =
sandbox = false
substituters =
system-features = there"
export NIX_CONFIG
exec nix-daemon --stdio' @FOLDER@
"#;

#[test]
fn builds_on_another_machine() -> Result<(), BenchError> {
    let needs = [Need::PEERS, &[Need::Program("nix")]];
    let Some(_bench) = Bench::open("builds_on_another_machine", &needs)? else {
        return Ok(());
    };
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let at = |name: &str| files.path().join(name);
    for folder in ["nix", "there", "nowhere", "home", "r"] {
        fs::create_dir(at(folder)).map_err(BenchError::file(at(folder)))?;
    }
    let write =
        |name: &str, text: &str| fs::write(at(name), text).map_err(BenchError::file(at(name)));
    write("there/mark", "")?;
    write(
        "daemon",
        &DAEMON.replace("@FOLDER@", &files.path().to_string_lossy()),
    )?;
    fs::set_permissions(at("daemon"), fs::Permissions::from_mode(0o755))
        .map_err(BenchError::file(at("daemon")))?;
    write(
        "r/flake.nix",
        &FLAKE
            .replace("@SALT@", &files.path().to_string_lossy())
            .replace("@THERE@", &at("nowhere/mark").to_string_lossy()),
    )?;

    let link = Link::new()?;
    let mut machine = Peer::on(&link, 1)?;
    machine.wait_for_address()?;
    link.wait_for_address()?;
    let (own, user) = (
        KeyPair::make(files.path(), "machine")?,
        KeyPair::make(files.path(), "operator")?,
    );
    machine.serve_with(
        &own,
        &user,
        &[format!("ForceCommand={}", at("daemon").display())],
    )?;
    write("known_hosts", &format!("builder {}\n", own.line()?))?;
    let address = machine.mac().link_local();
    write(
        "ssh_config",
        &format!(
            "Host builder\n  HostName {address}%%{INTERFACE}\nHost nobody\n  HostName fe80::dead%%{INTERFACE}\nHost *\n  User root\n  \
             IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  StrictHostKeyChecking yes\n  HostKeyAlias builder\n  \
             BatchMode yes\n  ConnectTimeout 3\n",
            user.private.display(),
            at("known_hosts").display()
        ),
    )?;
    let iso = |builders: &str| -> Result<Output, BenchError> {
        let mut command = link.command("env");
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", at("home"));
        command.env("NIX_SSHOPTS", format!("-F {}", at("ssh_config").display()));
        command.arg("-C").arg(files.path()).arg(binary("flk"));
        command.args(["iso", "far", "--flake", "r", "--no-host-key", "--verbose"]);
        command.args(["--substituters", "", "--option", "sandbox", "false"]);
        command.args(["--builders", builders]);
        run(&mut command)
    };
    let there = |text: &str| {
        fs::read_dir(at("nix/store")).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(text))
            })
        })
    };

    // Without it, and with one that nobody answers for.
    let output = iso("")?;
    assert_eq!(output.code, Some(1), "{}", output.all());
    let hint = "this machine has no feature `there`";
    assert!(output.stderr.contains(hint), "{}", output.stderr);
    let output = iso("ssh-ng://nobody x86_64-linux - 1 1 there there")?;
    assert_eq!(output.code, Some(1), "{}", output.all());
    for said in [
        "cannot build on 'ssh-ng://nobody'",
        "hint: ssh-ng://nobody was not to be reached",
    ] {
        assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
    }

    let output = iso("ssh-ng://builder x86_64-linux - 1 1 there there")?;
    assert_eq!(output.code, Some(0), "{}\n{}", output.all(), machine.log());
    for said in ["top is built on ssh-ng://builder", "top> built there"] {
        assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
    }
    assert!(there("-top") && !there("-image.json"), "{}", output.stderr);
    let verified = run(Command::new(binary("flk"))
        .arg("verify")
        .arg(at("result/iso/far.iso")))?;
    assert_eq!(verified.code, Some(0), "{}", verified.all());
    forget(&at("home"))
}

/// The operator's store keeps nothing of it.
fn forget(home: &Path) -> Result<(), BenchError> {
    let roots = home.join(".cache/flk/roots");
    for entry in fs::read_dir(&roots)
        .map_err(BenchError::file(&roots))?
        .flatten()
    {
        let target = fs::read_link(entry.path()).map_err(BenchError::file(entry.path()))?;
        fs::remove_file(entry.path()).map_err(BenchError::file(entry.path()))?;
        run(Command::new("nix-store").arg("--delete").arg(target))?;
    }
    Ok(())
}
