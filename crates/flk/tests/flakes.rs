//! Flakes in the shapes that real ones have (the workspace's `tests/flakes`), evaluated on the built-in channel, and the ways to name one.
//!
//! `cargo xtask options` checks what NixOS's own modules have (`tests/flakes/README.md`).

mod workbench;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use workbench::{Workbench, built, copy_folder, skipped, with_mirror};

/// A bench with every flake as a git repository of its own, pinned; none where that cannot be.
fn flakes() -> Option<Workbench> {
    let bench = with_mirror("pinned")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flakes");
    for entry in fs::read_dir(source).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        // What has no flake is hosts_without_a_flake.rs's.
        if !entry.path().is_dir() || name == "alone" {
            continue;
        }
        copy_folder(&entry.path(), &bench.at(&name));
        let flake = if name == "sub" { "sub/machines" } else { &name };
        for file in ["flk.lock", "flake.lock"] {
            bench.write(
                &format!("{flake}/{file}"),
                &bench.read(&format!("pinned/{file}")),
            );
        }
        bench.git(&name, &["init", "--quiet"]);
        bench.git(&name, &["add", "."]);
        bench.git(&name, &["commit", "--quiet", "-m", "all"]);
    }
    Some(bench)
}

/// One bench for all: what flk puts into the store for it is put there once.
#[test]
fn flakes_of_every_shape_evaluate() {
    let Some(bench) = flakes() else { return };

    for (flake, expected) in [
        ("parts", "parts  debian  x86_64-linux  evaluates\n"),
        (
            "folder",
            "a-host-with-dashes  debian  x86_64-linux  evaluates\n",
        ),
        ("devos", "NixOS  debian  x86_64-linux  evaluates\n"),
        // Their host names are made of what each layout has, so they say that it was all read.
        (
            "devos-of-march",
            "box (pkgs-pkgs-overlays)  debian  x86_64-linux  evaluates\n",
        ),
        (
            "digga",
            "box (by-channels)     debian  x86_64-linux  evaluates\n\
             single (by-channels)  debian  x86_64-linux  evaluates\n",
        ),
        ("sub/machines", "below  debian  x86_64-linux  evaluates\n"),
        (
            "sub?dir=machines",
            "below  debian  x86_64-linux  evaluates\n",
        ),
    ] {
        let run = bench.flk(&["hosts", "--flake", flake]).ended(0);
        assert_eq!(run.stdout, expected, "{flake}");
    }

    // One of two hosts is none, and one of two systems cannot be: the other is not lost.
    let run = bench.flk(&["hosts", "--flake", "plain"]).ended(0);
    let plain = run.stdout.lines().find(|line| line.starts_with("plain "));
    let words = plain.map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        words,
        Some(vec!["plain", "debian", "x86_64-linux", "evaluates"]),
        "{}",
        run.stdout
    );
    let run = bench.flk(&["hosts", "--flake", "systems"]).ended(0);
    assert!(
        run.stdout
            .contains("pc      debian  x86_64-linux  evaluates"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("has packages for x86_64-linux, not for aarch64-linux"),
        "{}",
        run.stdout
    );

    ways_to_name_a_flake(&bench);
    this_machine_becomes_a_host(&bench);
    errors_say_what_is_wrong(&bench);
    options_reach_nix(&bench);
    live_systems_leave_profiles_out(&bench);
    live_systems_have_assertions_of_their_own(&bench);
    secrets_are_no_hindrance(&bench);
    newer_options_are_no_hindrance(&bench);
    live_firewalls_let_in_ssh_and_mdns_alone(&bench);
    specialisations_are_in_the_menus(&bench);
    carried_repositories_need_no_network(&bench);
}

/// Their keys are not at hand, live or here, and nobody asks for them.
fn secrets_are_no_hindrance(bench: &Workbench) {
    for host in ["gnupg", "key-file"] {
        bench
            .flk(&["iso", host, "--flake", "secrets", "--dry-run"])
            .ended(0);
    }
}

/// What a host has of newer NixOS's does not keep its live system from evaluating: NixOS refuses most of it there.
fn newer_options_are_no_hindrance(bench: &Workbench) {
    let arguments = ["iso", "image", "--flake", "newer", "--no-keys", "--dry-run"];
    bench.flk(&arguments).ended(0);
}

/// The texts of the menus are in their derivations.
fn specialisations_are_in_the_menus(bench: &Workbench) {
    let run = bench
        .flk(&["iso", "varied", "--flake", "systems", "--dry-run", "--json"])
        .ended(0);
    let text = |name: &str| fs::read_to_string(&built(&run.stdout, name)[0]).unwrap();
    let grub = text("-grub.cfg.drv");
    let titles: Vec<&str> = grub
        .split("menuentry ")
        .skip(1)
        .map(|entry| entry.split(" --id ").nth(1).unwrap())
        .map(|entry| entry.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "live",
            "live-loud",
            "live-named",
            "copytoram",
            "check",
            "nomodeset",
            "firmware"
        ]
    );
    let isolinux = text("-isolinux.cfg.drv");
    for label in [" of 100 $ (loud)", " of 100 $ by name"] {
        assert!(isolinux.contains(label), "{label}: {isolinux}");
        // Quoted for GRUB, and that once more by JSON and by the derivation's own quotes.
        let quoted: String = label
            .chars()
            .map(|c| match c {
                c if c.is_alphanumeric() => c.to_string(),
                c => format!(r#"\\\\{c}"#),
            })
            .collect();
        assert!(grub.contains(&quoted), "{quoted}: {grub}");
    }
}

fn ways_to_name_a_flake(bench: &Workbench) {
    let plan = |arguments: &[&str]| {
        let mut all = vec!["iso", "--dry-run", "--json"];
        all.extend(arguments);
        bench.flk(&all).ended(0).stdout
    };
    let expected = plan(&["a-host-with-dashes", "--flake", "folder"]);
    assert!(expected.contains("image.json"), "{expected}");
    assert_eq!(plan(&["--flake", "folder#a-host-with-dashes"]), expected);
    assert_eq!(
        plan(&["--flake=folder#nixosConfigurations.a-host-with-dashes"]),
        expected
    );
    bench
        .flk(&["iso", "other", "--flake", "folder#a-host-with-dashes"])
        .ended(2)
        .said("--flake names the host a-host-with-dashes, and HOST is other");

    // A commit, as Nix fetches it, has not what the working tree has.
    let url = format!("git+file://{}", bench.at("folder").display());
    bench.write("folder/hosts/default.nix", "{ }\n");
    bench.write("folder/hosts/untracked.nix", "{ }\n");
    let run = bench.flk(&["hosts", "--flake", "folder"]).ended(0);
    run.said("with uncommitted changes in hosts/default.nix")
        .said("git does not track it: hosts/untracked.nix");
    let branch = bench.git("folder", &["branch", "--show-current"]);
    let run = bench
        .flk(&["hosts", "--flake", &format!("{url}?ref={}", branch.trim())])
        .ended(0);
    assert_eq!(
        run.stdout,
        "a-host-with-dashes  debian  x86_64-linux  evaluates\n"
    );
    bench.git("folder", &["checkout", "--quiet", "."]);

    // A name in the user's own registry, without a network.
    bench.write(
        "../home/.config/nix/registry.json",
        &format!(
            r#"{{"version":2,"flakes":[{{"from":{{"type":"indirect","id":"mine"}},"to":{{"type":"git","url":"file://{}"}}}}]}}"#,
            bench.at("devos").display()
        ),
    );
    let run = bench.flk(&["hosts", "--flake", "mine"]).ended(0);
    assert_eq!(run.stdout, "NixOS  debian  x86_64-linux  evaluates\n");
}

/// The machine of the test becomes a host like any other.
fn this_machine_becomes_a_host(bench: &Workbench) {
    bench
        .flk_in("devos", &["up"])
        .ended(0)
        .said("wrote hosts/up-");
    bench
        .flk_in("devos", &["up"])
        .ended(1)
        .said("is there already")
        .said("--force writes it anew");
    let listed = bench.git("devos", &["ls-files", "hosts"]);
    let file = listed.lines().find(|file| file.contains("up-")).unwrap();
    let text = bench.read(&format!("devos/{file}"));
    assert!(text.contains("[ hardware ] ++ suites.base"), "{text}");
    let name = file
        .strip_prefix("hosts/")
        .unwrap()
        .strip_suffix(".nix")
        .unwrap();
    let run = bench.flk(&["hosts", "--json", "--flake", "devos"]).ended(0);
    let hosts: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(hosts[1]["name"], name);
    assert_eq!(
        format!("up-{}", hosts[1]["hostName"].as_str().unwrap()),
        name
    );
    bench.git("devos", &["rm", "--quiet", "-f", file]);
}

fn errors_say_what_is_wrong(bench: &Workbench) {
    bench
        .flk(&["iso", "no-system", "--flake", "plain"])
        .ended(1)
        .said("nixosConfigurations.no-system is no NixOS configuration, but a set without `config.system.build.toplevel`");
    bench
        .flk(&["iso", "nobody", "--flake", "plain"])
        .ended(1)
        .said("there is no host nobody in this repository")
        .said("it has: declared, hibernates, left-out, mistyped, no-system, plain, rented");
    bench
        .flk(&["iso", "board", "--flake", "systems"])
        .ended(1)
        .said("has packages for x86_64-linux, not for aarch64-linux");
}

fn options_reach_nix(bench: &Workbench) {
    bench
        .flk(&[
            "iso",
            "parts",
            "--flake",
            "parts",
            "--dry-run",
            "--option",
            "no-such-setting",
            "1",
        ])
        .ended(0);
    bench
        .flk(&[
            "iso",
            "parts",
            "--flake",
            "parts",
            "--store",
            "ssh://nobody",
        ])
        .ended(2)
        .said("flk reads what Nix makes from this machine's /nix/store");
    // Another flake in the input's place: this one is none.
    bench
        .flk(&[
            "hosts",
            "--flake",
            "parts",
            "--override-input",
            "flk",
            "/nowhere-at-all",
        ])
        .ended(1)
        .said("/nowhere-at-all");
}

/// An assertion that only the host can meet: the error names the module, which the host's module or the flake's outputs can leave out.
fn live_systems_have_assertions_of_their_own(bench: &Workbench) {
    let dry_run = |host| bench.flk(&["iso", host, "--flake", "plain", "--dry-run"]);
    dry_run("hibernates")
        .ended(1)
        .said("the live system of hibernates does not meet assertions that the host meets")
        .said("- hibernation needs swap")
        .said("flk.hibernates.live.disable = [ ./hibernation.nix ];");
    for host in ["left-out", "declared"] {
        dry_run(host).ended(0);
    }
    dry_run("mistyped")
        .ended(1)
        .said("the output flk.mistyped.live of flake.nix has an unknown option disabled")
        .said("allowNoKeys, devShell, disable");
    // Where only root has a key, it is the login user's.
    dry_run("rented").ended(0);
}

fn live_systems_leave_profiles_out(bench: &Workbench) {
    let parts = "system: { server = system.config.systemd.services ? server; \
        core = system.config.environment.etc.core.text; \
        tools = builtins.any (package: builtins.match \"htop.*\" (package.name or \"\") != null) system.config.environment.systemPackages; \
        marker = system.config.environment.etc ? marker; }";
    let systems = of_host_and_live_system(bench, "devos", "NixOS", parts);
    assert_eq!(
        systems,
        serde_json::json!([
            { "server": true, "core": "in every system", "tools": true, "marker": true },
            { "server": false, "core": "in every system", "tools": true, "marker": false },
        ])
    );
}

/// What else the host opens (`newer/modules/firewall.nix`), on all links or on one, is closed on its live system.
fn live_firewalls_let_in_ssh_and_mdns_alone(bench: &Workbench) {
    let parts = "system: { inherit (system.config.networking.firewall) allowedTCPPorts allowedUDPPorts \
        allowedTCPPortRanges allowedUDPPortRanges trustedInterfaces; \
        interfaces = builtins.attrNames system.config.networking.firewall.interfaces; }";
    let systems = of_host_and_live_system(bench, "newer", "image", parts);
    assert_eq!(
        systems,
        serde_json::json!([
            {
                "allowedTCPPorts": [80],
                "allowedUDPPorts": [53],
                "allowedTCPPortRanges": [{ "from": 1714, "to": 1764 }],
                "allowedUDPPortRanges": [{ "from": 60000, "to": 61000 }],
                "trustedInterfaces": ["eth0"],
                "interfaces": ["eth1"],
            },
            {
                "allowedTCPPorts": [22],
                "allowedUDPPorts": [5353],
                "allowedTCPPortRanges": [],
                "allowedUDPPortRanges": [],
                "trustedInterfaces": [],
                "interfaces": [],
            },
        ])
    );
}

/// What a function of an evaluated system, a Nix expression, gives for a host of a flake and for its live system.
fn of_host_and_live_system(
    bench: &Workbench,
    flake: &str,
    host: &str,
    function: &str,
) -> serde_json::Value {
    let lock = bench.read(&format!("{flake}/flake.lock"));
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let flk = lock["nodes"]["flk"]["locked"]["path"].as_str().unwrap();
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes", "eval"])
        .args(["--impure", "--json", "--no-write-lock-file"])
        .arg(format!("{}#nixosConfigurations.{host}", bench.at(flake).display()))
        .arg("--apply")
        .arg(format!(
            "host: map ({function}) [ host ((import {flk}/nix/extend.nix {{ flk = \"{flk}\"; name = \"{host}\"; }}).extend host) ]"
        ))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// `/iso/devos` on a machine without a network: its hosts evaluate by what the ISO's store has, the sources of inputs' inputs among it.
fn carried_repositories_need_no_network(bench: &Workbench) {
    let path = |name: &str| format!("path:{}", bench.at(name).display());
    bench.write(
        "deep/flake.nix",
        "{ outputs = { self }: { module.networking.domain = \"deep.example\"; }; }\n",
    );
    bench.write(
        "near/flake.nix",
        &format!(
            "{{ inputs.deep.url = \"{}\"; outputs = {{ self, deep }}: {{ inherit (deep) module; }}; }}\n",
            path("deep")
        ),
    );
    bench.write(
        "carried/flake.nix",
        &format!(
            "{{ inputs.flk.url = \"flk\"; inputs.near.url = \"{}\"; outputs = {{ self, flk, near }}: \
             {{ nixosConfigurations = flk.lib.mkHosts {{ inherit self; modules = [ near.module ]; }}; }}; }}\n",
            path("near")
        ),
    );
    for host in ["one", "two"] {
        bench.write(
            &format!("carried/hosts/{host}.nix"),
            "{ boot.loader.systemd-boot.enable = true; fileSystems.\"/\" = { device = \"/dev/vda\"; fsType = \"ext4\"; }; }\n",
        );
    }
    bench.write("carried/flk.lock", &bench.read("pinned/flk.lock"));
    bench.git("carried", &["init", "--quiet"]);
    bench.git("carried", &["add", "."]);
    let arguments = ["iso", "one", "--flake", "carried", "--no-keys"];
    let plan = bench
        .flk(&[&arguments[..], &["--dry-run", "--json"]].concat())
        .ended(0)
        .stdout;

    let roots = bench.store_roots(&plan);
    let has = |text: &str| {
        let source = |root: &PathBuf| fs::read_to_string(root.join("flake.nix"));
        roots
            .iter()
            .any(|root| source(root).is_ok_and(|flake| flake.contains(text)))
    };
    assert!(has("inherit (deep) module"), "{roots:?}");
    assert!(has("module.networking.domain"), "{roots:?}");

    // What is not built yet is no source.
    let sources: Vec<&PathBuf> = roots.iter().filter(|root| root.exists()).collect();
    if !rustix::process::geteuid().is_root() || nix_is_in_its_store() {
        skipped("a store of one's own at /nix needs root, and a Nix that is not in there");
        return;
    }
    copy_folder(&bench.carried_repository(&plan), &bench.at("devos"));
    let copied = nix()
        .args(["copy", "--no-check-sigs", "--to"])
        .arg(bench.at("only"))
        .args(sources)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{text}");
    for input in ["near", "deep"] {
        fs::remove_dir_all(bench.at(input)).unwrap();
    }
    fs::create_dir(bench.at("nobody")).unwrap();
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "--net", "sh", "-euc"]);
    apart
        .arg("mount --bind only/nix /nix; exec \"$@\"")
        .arg("sh");
    let nix = nix();
    apart.arg(nix.get_program()).args(nix.get_args());
    let evaluated = apart
        .args(["eval", "--json", "--apply"])
        .arg("builtins.mapAttrs (_: host: builtins.seq host.config.system.build.toplevel.drvPath host.config.networking.domain)")
        .arg(format!("{}#nixosConfigurations", path("devos")))
        .current_dir(bench.at(""))
        .env("HOME", bench.at("nobody"))
        .env_remove("XDG_CACHE_HOME")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&evaluated.stderr);
    let domains: serde_json::Value =
        serde_json::from_slice(&evaluated.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        domains,
        serde_json::json!({ "NixOS": "deep.example", "one": "deep.example", "two": "deep.example" })
    );
}

/// Nix with nowhere to download from.
fn nix() -> Command {
    let mut command = Command::new("nix");
    command
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["--option", "substituters", ""])
        .args(["--option", "build-users-group", ""]);
    command
}

fn nix_is_in_its_store() -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("nix"))
        .find_map(|program| program.canonicalize().ok())
        .is_some_and(|program| program.starts_with("/nix"))
}
