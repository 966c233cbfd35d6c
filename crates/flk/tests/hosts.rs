//! `flk hosts`, and how every verb looks at a repository: with Nix, on flakes that need no channel.

mod workbench;

use workbench::{SMALL_FLAKE, Workbench, nix_is_here};

/// A repository without git.
fn repository(bench: &Workbench) {
    bench.write("r/flake.nix", SMALL_FLAKE);
    bench.write("r/salt", "not to be found on any mirror");
    bench.write("r/hosts/syntax.nix", "{\n  a = 1\n  b = 2;\n}\n");
}

fn tracked(bench: &Workbench) {
    repository(bench);
    bench.git("r", &["init", "--quiet"]);
    bench.git("r", &["add", "--all"]);
}

#[test]
fn lists_what_evaluates_and_why_the_rest_does_not() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    let run = bench.flk_in("r/hosts", &["hosts"]).ended(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "NixOS                        nixpkgs  x86_64-linux  evaluates",
            "a-host-with-dashes (dashed)  nixpkgs  x86_64-linux  evaluates",
            "broken                       nixpkgs  -             fails: this host is broken",
            "syntax                       nixpkgs  -             fails: hosts/syntax.nix:3:5: syntax error, unexpected '=', expecting ';'",
        ]
    );
}

#[test]
fn a_repository_without_hosts_is_an_error() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write(
        "r/flake.nix",
        "{ outputs = { self }: { nixosConfigurations = { }; }; }",
    );
    for arguments in [
        &["hosts"][..],
        &["hosts", "--json"],
        &["iso", "NixOS"],
        &["iso", "--all"],
    ] {
        let run = bench.flk_in("r", arguments).ended(1);
        let run = run.said("error: there are no hosts in this repository");
        run.said("hint: add a file hosts/NAME.nix or hosts/NAME/default.nix");
    }
    // What lies in hosts/ and is no host makes no repository of a directory, either.
    for file in ["default.nix", "hardware-configuration.nix", "README.md"] {
        bench.write(&format!("alone/hosts/{file}"), "{ }");
    }
    bench
        .flk_in("alone", &["hosts"])
        .ended(1)
        .said("no flake.nix and no hosts/NAME.nix");
    bench.write("alone/flk.toml", "channel = \"debian\"\n");
    bench
        .flk_in("alone", &["hosts"])
        .ended(1)
        .said("has no hosts/NAME.nix")
        .said("hosts/default.nix and hosts/hardware-configuration.nix");
}

#[test]
fn json_is_the_same_in_full() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    repository(&bench);
    let run = bench.flk(&["hosts", "--json", "--flake", "r"]).ended(0);
    let hosts: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        hosts[1],
        serde_json::json!({
            "name": "a-host-with-dashes", "hostName": "dashed", "channel": "nixpkgs",
            "system": "x86_64-linux", "evaluates": true, "error": null,
        })
    );
    assert_eq!(hosts[2]["evaluates"], false);
    assert_eq!(hosts[2]["error"], "this host is broken");
    assert_eq!(hosts.as_array().unwrap().len(), 4);
}

#[test]
fn an_unknown_host_lists_the_known() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    bench
        .flk_in("r", &["iso", "Nix0S"])
        .ended(1)
        .said("error: there is no host Nix0S in this repository")
        .said("hint: it has: NixOS, a-host-with-dashes, broken, syntax");
}

#[test]
fn a_syntax_error_has_file_line_and_column() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    let run = bench
        .flk_in("r", &["iso", "syntax"])
        .ended(1)
        .said("error: syntax does not evaluate")
        .said("caused by: syntax error, unexpected '=', expecting ';'")
        .said("at hosts/syntax.nix:3:5")
        .said("3|   b = 2;");
    assert!(!run.stderr.contains("/nix/store"), "{}", run.stderr);
}

#[test]
fn dry_run_says_what_would_be_downloaded_and_built() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    let run = bench.flk_in("r", &["iso", "NixOS", "--dry-run"]).ended(0);
    assert_eq!(
        run.stdout,
        "would download 1 file, 171 kB\n   171 kB  htop_1_amd64.deb\nwould build 1 derivation\n  image.json\n"
    );
    let run = bench
        .flk_in("r", &["iso", "NixOS", "--dry-run", "--json"])
        .ended(0);
    let plan: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(plan["downloadSize"], 171_496);
    assert_eq!(plan["download"][0]["path"], "pool/h/htop_1_amd64.deb");
    assert_eq!(plan["build"].as_array().unwrap().len(), 1);
    assert!(!bench.at("r/result").exists());
}

#[test]
fn uncommitted_and_untracked_files_are_told() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    bench.git("r", &["commit", "--quiet", "-m", "x"]);
    let run = bench.flk_in("r", &["iso", "NixOS", "--dry-run"]).ended(0);
    assert!(!run.stderr.contains("note:"), "{}", run.stderr);
    bench.write("r/salt", "changed");
    bench.write("r/hosts/new.nix", "{ }");
    bench
        .flk_in("r", &["iso", "NixOS", "--dry-run"])
        .ended(0)
        .said("note: with uncommitted changes in salt")
        .said("note: left out, because git does not track it: hosts/new.nix");
}

#[test]
fn the_input_flk_is_locked_and_the_rest_of_the_lock_kept() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    let flake = SMALL_FLAKE
        .replace(
            "outputs =",
            "inputs.flk.url = \"flk\"; inputs.nixpkgs.url = \"path:./n\";\n  outputs =",
        )
        .replace("{ self }:", "{ self, flk, nixpkgs }:");
    bench.write("r/flake.nix", &flake);
    bench.write(
        "r/flake.lock",
        r#"{ "nodes": {
            "nixpkgs": { "flake": false, "locked": { "type": "path", "path": "/nowhere",
              "narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "lastModified": 5 },
              "original": { "type": "path", "path": "./n" } },
            "root": { "inputs": { "nixpkgs": "nixpkgs" } } }, "root": "root", "version": 7 }"#,
    );
    bench.git("r", &["add", "flake.lock"]);
    // Whether Nix then gets nixpkgs is not the point: the lock is written before.
    bench.flk_in("r", &["hosts"]).said("note: wrote flake.lock");
    let lock: serde_json::Value = serde_json::from_str(&bench.read("r/flake.lock")).unwrap();
    assert_eq!(lock["nodes"]["nixpkgs"]["locked"]["path"], "/nowhere");
    let locked = &lock["nodes"]["flk"]["locked"];
    assert_eq!(locked["type"], "path");
    assert!(locked["path"].as_str().unwrap().ends_with("-source"));
    assert!(locked["narHash"].as_str().unwrap().starts_with("sha256-"));
    assert_eq!(lock["nodes"]["flk"]["original"]["id"], "flk");
    let before = bench.read("r/flake.lock");
    bench.flk_in("r", &["hosts"]);
    assert_eq!(bench.read("r/flake.lock"), before);
}

#[test]
fn update_locks_the_inputs_of_a_nixpkgs_repository() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    bench.write("n/version", "1");
    let inputs = format!(
        "inputs.flk.url = \"flk\"; inputs.nixpkgs = {{ url = \"path:{}\"; flake = false; }};\n  outputs =",
        bench.at("n").display()
    );
    let flake = SMALL_FLAKE
        .replace("outputs =", &inputs)
        .replace("{ self }:", "{ self, flk, nixpkgs }:")
        .replace(
            "config.networking.hostName = name;",
            "config.networking.hostName = builtins.readFile \"${nixpkgs}/version\";",
        );
    bench.write("r/flake.nix", &flake);
    let host = |bench: &Workbench| {
        let run = bench.flk_in("r", &["hosts", "--json"]).ended(0);
        let hosts: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        hosts[0]["hostName"].as_str().map(str::to_owned)
    };
    bench
        .flk_in("r", &["update"])
        .ended(0)
        .said("flake.lock: the inputs are locked anew");
    bench.git("r", &["add", "flake.lock"]);
    let lock: serde_json::Value = serde_json::from_str(&bench.read("r/flake.lock")).unwrap();
    assert_eq!(lock["nodes"]["flk"]["original"]["type"], "indirect");
    assert_eq!(host(&bench).as_deref(), Some("1"));
    bench.write("n/version", "2");
    assert_ne!(host(&bench).as_deref(), Some("2"), "the lock holds");
    bench.flk_in("r", &["update"]).ended(0);
    assert_eq!(host(&bench).as_deref(), Some("2"));
}

/// A flake with nothing of flk's that Nix has not locked yet: the ISO is to carry a lock, by which the live machine finds the inputs.
#[test]
fn a_flake_without_a_lock_is_locked() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    bench.write("near/flake.nix", "{ outputs = { self }: { }; }\n");
    bench.write("near/name", "near");
    let flake = SMALL_FLAKE
        .replace(
            "outputs =",
            &format!(
                "inputs.near.url = \"path:{}\";\n  outputs =",
                bench.at("near").display()
            ),
        )
        .replace("{ self }:", "{ self, near }:")
        .replace(
            "config.networking.hostName = name;",
            "config.networking.hostName = builtins.readFile \"${near}/name\";",
        );
    bench.write("r/flake.nix", &flake);
    let run = bench
        .flk_in("r", &["hosts"])
        .ended(0)
        .said("note: wrote flake.lock");
    assert!(run.stdout.contains("NixOS (near)"), "{}", run.stdout);
    let lock = bench.read("r/flake.lock");
    assert!(lock.contains("\"near\""), "{lock}");
    // As Nix does it: known to git, so that it is a part of the flake, and not staged.
    assert_eq!(bench.git("r", &["ls-files", "flake.lock"]), "flake.lock\n");

    let run = bench.flk_in("r", &["hosts"]).ended(0);
    assert!(!run.stderr.contains("flake.lock;"), "{}", run.stderr);
    assert_eq!(bench.read("r/flake.lock"), lock);
}

#[test]
fn an_untracked_lock_does_not_stand_in_the_way() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    // flk.lock says that this is the built-in channel; its flake does not use it, so no archive is asked.
    let flake = SMALL_FLAKE
        .replace("outputs =", "inputs.flk.url = \"flk\";\n  outputs =")
        .replace("{ self }:", "{ self, flk }:")
        .replace(
            "config.networking.hostName = name;",
            "config.networking.hostName = baseNameOf \"${flk}/flake.nix\";",
        );
    bench.write("r/flake.nix", &flake);
    bench.write("r/flk.lock", r#"{ "version": 1, "channel": "debian", "suite": "trixie", "architecture": "amd64", "archives": [] }"#);
    bench.git("r", &["add", "flk.lock"]);
    let run = bench
        .flk_in("r", &["hosts"])
        .ended(0)
        .said("note: git does not track flake.lock yet: `git add flake.lock`");
    assert!(run.stdout.contains("NixOS (flake.nix)"), "{}", run.stdout);
    assert!(
        bench.git("r", &["ls-files", "flake.lock"]).is_empty(),
        "nothing is staged silently"
    );
}

#[test]
fn a_pin_that_git_does_not_track_is_an_error() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    tracked(&bench);
    bench.write("r/flk.lock", "{}");
    bench
        .flk_in("r", &["hosts"])
        .ended(1)
        .said("error: git does not track flk.lock")
        .said("add flk.lock");
}

#[test]
fn without_nix_it_says_how_to_get_it() {
    let bench = Workbench::new().with_only(&["git"]);
    repository(&bench);
    if std::path::Path::new("/nix/var/nix/profiles/default/bin/nix").exists() {
        workbench::skipped("Nix is where the official installer puts it");
        return;
    }
    bench
        .flk_in("r", &["hosts"])
        .ended(1)
        .said("error: there is no Nix on this machine")
        .said("hint: on Debian and Ubuntu: `apt install nix-bin`");
}

#[test]
fn nix_too_old_says_which_was_found() {
    let bench = Workbench::new()
        .with_only(&["git"])
        .with_script("nix", "echo 'nix (Nix) 2.3.16'");
    repository(&bench);
    bench
        .flk_in("r", &["iso", "NixOS"])
        .ended(1)
        .said("error: Nix 2.3 at ")
        .said("is too old: flk needs 2.8 or newer")
        .said("hint: Debian 12 and newer");
}

#[test]
fn without_its_companions_flk_names_them() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    repository(&bench);
    std::fs::remove_file(bench.at("../bin/flk-init")).unwrap();
    bench
        .flk_in("r", &["hosts"])
        .ended(1)
        .said("error: flk-init is missing: it belongs beside ");
}

#[test]
fn a_system_without_a_builder_says_how_to_get_one() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write(
        "r/flake.nix",
        r#"{
          outputs = { self }:
            let foreign = derivation { name = "image.json"; builder = "/bin/sh"; system = "aarch64-linux"; };
            in { nixosConfigurations.board = {
              config.system.build.toplevel = foreign;
              extendModules = _: { config.system.build.flkImage = foreign; };
            }; };
        }"#,
    );
    bench
        .flk(&["iso", "--flake", "r#board", "--builders", ""])
        .ended(1)
        .said("cannot build board")
        .said("'aarch64-linux'")
        .said("hint: this machine builds nothing for aarch64-linux: give one that does with --builders");
}

/// Flakes that are no repositories of hosts, hosts that are none, and a nixpkgs that cannot make live systems.
#[test]
fn what_is_no_host_is_told_as_what_it_is() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write(
        "n/flake.nix",
        "{ outputs = { self }: { packages = { }; }; }\n",
    );
    bench
        .flk(&["iso", "box", "--flake", "n"])
        .ended(1)
        .said("has no hosts: its flake.nix gives no `nixosConfigurations`")
        .said("hint: nixosConfigurations = flk.lib.mkHosts");
    bench
        .flk(&["hosts", "--flake", "n"])
        .ended(1)
        .said("has no hosts: its flake.nix gives no `nixosConfigurations`");

    bench.write(
        "r/flake.nix",
        r#"{
          outputs = { self }:
            let
              toplevel = derivation { name = "toplevel"; builder = "/none"; system = "x86_64-linux"; };
              host = { config.system.build = { inherit toplevel; }; pkgs.lib = { }; };
              live = path: host // {
                extendModules = { modules }: builtins.seq (map (module:
                  if builtins.isFunction module && builtins.functionArgs module ? modulesPath then (module { modulesPath = path; }).imports else [ ]) modules)
                  { config.system.build.flkImage = builtins.deepSeq (map (module:
                    if builtins.isFunction module && builtins.functionArgs module ? modulesPath then (module { modulesPath = path; }).imports else [ ]) modules) toplevel; };
              };
            in { nixosConfigurations = {
              text = "a text";
              function = { lib, ... }: { };
              empty = { config = { }; };
              old = host;
              trimmed = live ./.;
              own = host // { extendModules = _: import ./own.nix; };
            }; };
        }"#,
    );
    bench.write(
        "r/own.nix",
        "let\n  port = \"22\";\nin\n{ config.system.build.flkImage = { drvPath = 1 + port; outPath = \"\"; }; }\n",
    );
    for (host, expected) in [
        (
            "text",
            &["nixosConfigurations.text is no NixOS configuration, but a string"][..],
        ),
        (
            "function",
            &[
                "nixosConfigurations.function is no NixOS configuration, but a lambda",
                "hint: it has to be what `nixpkgs.lib.nixosSystem` or `flk.lib.mkHosts` gives",
            ],
        ),
        (
            "empty",
            &["but a set without `config.system.build.toplevel`"],
        ),
        (
            "old",
            &[
                "the host old cannot be extended: its nixpkgs is older than 21.11",
                "give its hosts by `flk.lib.mkHosts`",
            ],
        ),
        (
            "trimmed",
            &[
                "the nixpkgs of the host trimmed has no nixos/modules/installer/cd-dvd/iso-image.nix",
                "it is too old or was trimmed",
            ],
        ),
        // As Nix says it, with the user's file, line and text.
        (
            "own",
            &[
                "error: own does not evaluate",
                "at own.nix:4:",
                "4| { config.system.build.flkImage",
            ],
        ),
    ] {
        let run = bench.flk(&["iso", host, "--flake", "r"]).ended(1);
        for text in expected {
            assert!(
                run.stderr.contains(text),
                "{host}: {text:?} is not in:\n{}",
                run.stderr
            );
        }
        assert!(!run.stderr.contains("/nix/store"), "{host}: {}", run.stderr);
    }
    assert!(!bench.at("result").exists(), "nothing was made");
}

#[test]
fn directories_that_flk_cannot_write_to_are_found_at_the_start() {
    if !nix_is_here() || !is_root() {
        return;
    }
    let bench = Workbench::new();
    repository(&bench);
    let cache = bench.home(".cache/flk");
    for folder in ["", "roots"] {
        let script = format!(
            "mkdir -p '{0}'; mount -t tmpfs -o ro none '{0}'; exec \"$0\" \"$@\"",
            cache.join(folder).display()
        );
        for arguments in [
            &["hosts", "--flake", "r"][..],
            &["iso", "NixOS", "--flake", "r"],
        ] {
            bench
                .flk_apart("", &script, arguments)
                .ended(1)
                .said("error: cannot write to ")
                .said("caused by: Read-only file system")
                .said("XDG_CACHE_HOME=DIR");
        }
    }
    bench.flk(&["hosts", "--flake", "r"]).ended(0);
}

#[test]
fn under_sudo_what_flk_makes_is_the_callers() {
    use std::os::unix::fs::MetadataExt as _;
    if !nix_is_here() || !is_root() {
        return;
    }
    const CALLER: u32 = 65534;
    let bench = Workbench::new()
        .variable("SUDO_UID", "65534")
        .variable("SUDO_GID", "65534");
    repository(&bench);
    let home = bench.home("");
    std::os::unix::fs::chown(&home, Some(CALLER), Some(CALLER)).unwrap();
    bench.flk(&["hosts", "--flake", "r"]).ended(0);
    let mut folders = vec![bench.home(".cache")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            assert_eq!(metadata.uid(), CALLER, "{}", path.display());
            seen += 1;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 1, "flk has made nothing");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        workbench::skipped("only root can mount and give files away");
    }
    is_root
}
