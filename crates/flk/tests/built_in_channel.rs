//! `flk iso` and `flk hosts` on the built-in channel, up to what is built: real indices from the machine's mirror, real evaluation.
//!
//! Whole ISOs are made and booted in the workspace's `tests/`.

mod workbench;

use workbench::{KEY, Workbench, nix_is_here, with_mirror};

/// A repository as `flk init` makes it, or none where that cannot be.
fn repository() -> Option<Workbench> {
    let bench = with_mirror("r")?;
    bench.git("r", &["commit", "--quiet", "-m", "init"]);
    Some(bench)
}

/// Adds a host to the repository, for git too.
fn host(bench: &Workbench, name: &str, text: &str) {
    bench.write(&format!("r/hosts/{name}.nix"), text);
    bench.git("r", &["add", "."]);
}

#[test]
fn a_fresh_repository_is_whole() {
    let Some(bench) = repository() else { return };
    for file in ["flake.lock", "flk.lock"] {
        assert_eq!(bench.git("r", &["ls-files", file]).trim(), file);
    }
    let run = bench.flk_in("r", &["hosts"]).ended(0);
    assert_eq!(run.stdout, "NixOS  debian  x86_64-linux  evaluates\n");
    assert_eq!(bench.git("r", &["status", "--porcelain"]), "");
}

#[test]
fn hosts_come_in_many_shapes() {
    let Some(bench) = repository() else { return };
    host(&bench, "plain", "{ imports = [ ./NixOS.nix ]; }");
    host(
        &bench,
        "a-b-c",
        "{ pkgs, lib, ... }: { imports = [ ./NixOS.nix ]; networking.hostName = lib.mkForce \"abc\"; environment.systemPackages = [ pkgs.htop ]; }",
    );
    let run = bench.flk_in("r", &["hosts", "--json"]).ended(0);
    let hosts: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let names: Vec<&str> = hosts
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["hostName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["NixOS", "abc", "plain"], "default.nix is no host");
}

#[test]
fn dry_run_makes_nothing() {
    let Some(bench) = repository() else { return };
    let run = bench
        .flk_in("r", &["iso", "NixOS", "--dry-run", "--json"])
        .ended(0);
    let plan: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    for field in ["download", "downloadSize", "build", "fetch", "fetchSize"] {
        assert!(!plan[field].is_null(), "{field}");
    }
    assert!(!bench.at("r/result").exists());
}

#[test]
fn bad_input_is_named() {
    let Some(bench) = repository() else { return };
    for (name, text, expected) in [
        (
            "syntax",
            "{\n  imports = [ ./NixOS.nix ];\n  a = 1\n  b = 2;\n}\n",
            &["syntax error", "at hosts/syntax.nix:4:5"][..],
        ),
        (
            "unknown",
            "{\n  imports = [ ./NixOS.nix ];\n  services.foo.enable = true;\n  networking.bar = 3;\n}\n",
            &[
                "services.foo.enable (hosts/unknown.nix:3)",
                "networking.bar (hosts/unknown.nix:4)",
            ],
        ),
        (
            "type",
            "{ imports = [ ./NixOS.nix ]; networking.firewall.enable = \"yes\"; }",
            &["networking.firewall.enable", "boolean", "hosts/type.nix"],
        ),
        (
            "my_host",
            "{ imports = [ ./NixOS.nix ]; }",
            &[
                "hosts/my_host.nix: ",
                "my_host.local would not exist; rename it to hosts/my-host.nix",
            ],
        ),
        (
            "underscore",
            "{ imports = [ ./NixOS.nix ]; networking.hostName = \"my_host\"; }",
            &[
                "networking.hostName",
                "one DNS label",
                "without an underscore",
                "hosts/underscore.nix",
            ],
        ),
        (
            "domain",
            "{ imports = [ ./NixOS.nix ]; networking.hostName = \"web.example.org\"; }",
            &["networking.hostName", "one DNS label", "hosts/domain.nix"],
        ),
        (
            "key",
            "{ imports = [ ./NixOS.nix ]; users.users.nixos.openssh.authorizedKeys.keyFiles = [ ../keys/none.pub ]; }",
            &["keys/none.pub"],
        ),
        (
            "package",
            "{ pkgs, ... }: { imports = [ ./NixOS.nix ]; environment.systemPackages = [ pkgs.htopp ]; }",
            &["htopp", "htop", "hosts/package.nix"],
        ),
        (
            "nobody",
            "{ lib, ... }: { imports = [ ./NixOS.nix ]; users.users.nixos.openssh.authorizedKeys.keyFiles = lib.mkForce [ ]; }",
            &["no key at all", "--no-keys"],
        ),
    ] {
        host(&bench, name, text);
        let run = bench
            .flk_in("r", &["iso", name])
            .ended(1)
            .said(&format!("error: {name} does not evaluate\ncaused by: "));
        for text in expected {
            assert!(
                run.stderr.contains(text),
                "{name}: {text:?} is not in:\n{}",
                run.stderr
            );
        }
        for noise in ["/nix/store", "show-trace'", "caused by: error:"] {
            assert!(!run.stderr.contains(noise), "{name}: {}", run.stderr);
        }
    }
    bench
        .flk_in("r", &["iso", "nobody", "--no-keys", "--dry-run"])
        .ended(0);
    bench.flk_in("r", &["iso", "NixOs"]).ended(1).said(
        "hint: it has: NixOS, domain, key, my_host, nobody, package, syntax, type, underscore, unknown",
    );
}

#[test]
fn keys_that_let_nobody_in_are_named_before_anything_is_built() {
    let Some(bench) = repository() else { return };
    let option = "users.users.nixos.openssh.authorizedKeys";
    let with = |definition: &str| {
        format!(
            "{{ lib, ... }}: {{\n  imports = [ ./NixOS.nix ];\n  {option} = {{\n    {definition}\n  }};\n}}\n"
        )
    };
    bench.write(
        "r/keys/lfs.pub",
        "version https://git-lfs.github.com/spec/v1\n",
    );
    bench.write("r/keys/none.pub", "# nobody\n\n");
    bench.write(
        "r/keys/secret",
        "\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n",
    );
    for (name, definition, expected) in [
        (
            "empty",
            "keyFiles = lib.mkForce [ ];\n    keys = [ \"\" ];",
            vec![format!("hosts/empty.nix:5 ({option}.keys): it is empty")],
        ),
        (
            "garbled",
            "keys = [ \"ssh-ed25519 AAAA... you@host\" ];",
            vec![format!("hosts/garbled.nix:4 ({option}.keys): the key is truncated or garbled")],
        ),
        (
            "files",
            "keyFiles = [ ../keys/lfs.pub ../keys/none.pub ];",
            vec![
                "keys/lfs.pub:1: it is a pointer of Git LFS".to_owned(),
                "keys/none.pub:1: it is only a comment".to_owned(),
            ],
        ),
        (
            "leak",
            "keyFiles = [ ../keys/secret ];",
            vec![
                "error: leak: a private ssh key is given where a public one belongs:\n    keys/secret:2"
                    .to_owned(),
                "it must be replaced".to_owned(),
            ],
        ),
        (
            "forced",
            "keyFiles = lib.mkForce [ ];\n    keys = [ ''command=\"borg serve\" ${builtins.readFile ../keys/you.pub}'' ];",
            vec!["nobody could log in to the live machine of forced".to_owned()],
        ),
    ] {
        host(&bench, name, &with(definition));
        let run = bench.flk_in("r", &["iso", name, "--dry-run"]).ended(1);
        for text in expected {
            assert!(
                run.stderr.contains(&text),
                "{name}: {text:?} is not in:\n{}",
                run.stderr
            );
        }
        assert!(!run.stderr.contains("/nix/store/s"), "{}", run.stderr);
        assert!(!run.stderr.contains("b3Bl"), "{}", run.stderr);
    }
}

#[test]
fn a_missing_pin_is_made_by_update() {
    let Some(bench) = repository() else { return };
    bench.git("r", &["rm", "--quiet", "flk.lock"]);
    bench
        .flk_in("r", &["iso", "NixOS"])
        .ended(1)
        .said("has no flk.lock")
        .said("hint: `flk update` makes it");
    bench
        .flk_in("r", &["update"])
        .ended(0)
        .said("this repository uses the built-in channel, but has no flk.lock yet")
        .said("wrote flk.lock:")
        .said("note: git does not track flk.lock yet");
    bench
        .flk_in("r", &["update"])
        .ended(0)
        .said("nothing has changed: the mirror has what is pinned");
}

#[test]
fn update_tells_what_has_changed() {
    let Some(bench) = repository() else { return };
    let lock = bench.read("r/flk.lock");
    let mut json: serde_json::Value = serde_json::from_str(&lock).unwrap();
    // As if the pin had been made before there were updates.
    json["archives"].as_array_mut().unwrap().truncate(2);
    bench.write("r/flk.lock", &serde_json::to_string_pretty(&json).unwrap());
    let run = bench.flk_in("r", &["update"]).ended(0).said("packages: ");
    assert_eq!(bench.read("r/flk.lock"), lock, "{}", run.stderr);
}

#[test]
fn a_mirror_that_is_not_there_leaves_the_pin_to_update() {
    if !nix_is_here() {
        return;
    }
    // The discard port: nobody listens there.
    let bench = Workbench::new().variable("FLK_DEBIAN_MIRROR", "http://127.0.0.1:9/debian");
    bench.write("you.pub", KEY);
    bench
        .flk(&["init", "r", "--key", "you.pub"])
        .ended(0)
        .said("warning: the archive is not pinned yet")
        .said("note: `flk update` in the repository does it");
    assert!(bench.at("r/hosts/NixOS.nix").exists());
    assert!(!bench.at("r/flk.lock").exists());
}

#[test]
fn a_pinned_index_that_is_gone_says_update() {
    let Some(bench) = repository() else { return };
    let lock = bench.read("r/flk.lock");
    let mut json: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let index = &mut json["archives"][0]["index"];
    let gone = "0".repeat(64);
    index["path"] = format!("dists/trixie/main/binary-amd64/by-hash/SHA256/{gone}").into();
    index["sha256"] = gone.into();
    bench.write("r/flk.lock", &serde_json::to_string_pretty(&json).unwrap());
    bench
        .flk_in("r", &["iso", "NixOS"])
        .ended(1)
        .said("gone from the mirror")
        .said("flk update");
}

#[test]
fn without_git_a_folder_works_as_well() {
    let Some(bench) = repository() else { return };
    std::fs::remove_dir_all(bench.at("r/.git")).unwrap();
    // What Nix would otherwise copy into the store with each call.
    bench.write("r/result/iso/NixOS.iso", "a former ISO");
    let run = bench.flk_in("r", &["hosts"]).ended(0);
    assert_eq!(run.stdout, "NixOS  debian  x86_64-linux  evaluates\n");
    bench.write("r/hosts/bad.nix", "{ x = }");
    bench
        .flk_in("r/hosts", &["iso", "bad"])
        .ended(1)
        .said("at hosts/bad.nix:1:7");
}
