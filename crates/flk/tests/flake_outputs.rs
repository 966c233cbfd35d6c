//! The project's own flake, from a git checkout: what `nix run`, `nix flake init -t`, `show` and `check` make of it, with no network.

mod workbench;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use workbench::{Workbench, copy_folder, nix_is_here, skipped};

fn nix(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["--option", "substituters", ""])
        .args(["--option", "build-users-group", ""])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What it printed; it has to succeed.
fn good(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_flake_runs_and_makes_repositories() {
    let programs = Path::new(env!("CARGO_BIN_EXE_flk")).parent().unwrap();
    if !nix_is_here() {
        return;
    }
    if !programs.join("flk-debian").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "build flk-debian and flk-init before these tests"
        );
        skipped("flk-debian is not built");
        return;
    }
    let bench = Workbench::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["nix", "template"] {
        copy_folder(&sources.join(folder), &bench.at("c").join(folder));
    }
    fs::copy(sources.join("flake.nix"), bench.at("c/flake.nix")).unwrap();
    bench.git("c", &["init", "--quiet"]);
    bench.git("c", &["add", "."]);
    bench.git("c", &["commit", "--quiet", "-m", "sources"]);
    let flake = format!("git+file://{}", bench.at("c").display());

    // Sources alone: templates and modules, and a word about the programs.
    let shown: serde_json::Value = serde_json::from_str(&good(&nix(
        &bench.at(""),
        &["flake", "show", "--json", &flake],
    )))
    .unwrap();
    assert_eq!(shown["templates"]["nixpkgs"]["type"], "template");
    assert_eq!(shown["nixosModules"]["live"]["type"], "nixos-module");
    assert_eq!(shown["packages"]["x86_64-linux"]["flk"]["name"], "flk");
    let run = nix(&bench.at(""), &["run", &flake, "--", "--version"]);
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && error.contains("there is no bin/"),
        "{error}"
    );

    // With the programs in it, as flk puts it into the store.
    fs::create_dir(bench.at("c/bin")).unwrap();
    for program in ["flk", "flk-debian", "flk-init"] {
        fs::copy(programs.join(program), bench.at("c/bin").join(program)).unwrap();
    }
    bench.git("c", &["add", "."]);
    let version = good(&nix(&bench.at(""), &["run", &flake, "--", "--version"]));
    assert_eq!(version, format!("flk {}\n", env!("CARGO_PKG_VERSION")));
    good(&nix(&bench.at(""), &["flake", "check", &flake]));

    for (template, file) in [
        ("debian", "profiles/ssh.nix"),
        ("nixpkgs", "suites/default.nix"),
    ] {
        fs::create_dir(bench.at(template)).unwrap();
        let reference = format!("{flake}#{template}");
        good(&nix(
            &bench.at(template),
            &["flake", "init", "-t", &reference],
        ));
        for file in ["flake.nix", "hosts/NixOS.nix", file] {
            assert!(bench.at(template).join(file).exists(), "{template}: {file}");
        }
    }
}
