//! A folder with `hosts/` and no `flake.nix` (the workspace's `tests/flakes/alone`): its channel, its lock, and that nothing else is written into it.

mod workbench;

use std::{fs, path::Path};

use workbench::{Workbench, built, copy_folder, nix_is_here, with_mirror};

/// A nixpkgs as small as one can be: what `lib.mkHosts` asks of it.
const NIXPKGS: &str = r#"{
  outputs =
    { self }:
    {
      lib = let lib = import ./lib; in lib // {
        nixosSystem =
          { modules, specialArgs, ... }:
          lib.evalModules {
            inherit specialArgs;
            modules = modules ++ [
              (
                { config, lib, ... }:
                {
                  options.networking.hostName = lib.mkOption { type = lib.types.str; };
                  options.system.build = lib.mkOption { type = lib.types.lazyAttrsOf lib.types.raw; };
                  config.system.build.toplevel = derivation {
                    name = "toplevel-${config.networking.hostName}";
                    builder = "/none";
                    system = "x86_64-linux";
                  };
                }
              )
            ];
          };
      };
    };
}
"#;

fn alone(bench: &Workbench, name: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flakes/alone");
    copy_folder(&source, &bench.at(name));
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn hosts_alone_are_a_repository_of_the_built_in_channel() {
    let Some(bench) = with_mirror("pinned") else {
        return;
    };
    alone(&bench, "r");
    bench.git("r", &["init", "--quiet"]);
    bench.git("r", &["add", "."]);
    bench.git("r", &["commit", "--quiet", "-m", "hosts"]);
    bench.write("r/hosts/untracked.nix", "{ }\n");

    // Nothing says a channel: the built-in one, pinned at once, also from a folder below.
    let run = bench.flk_in("r/hosts", &["hosts"]).ended(0);
    assert_eq!(
        run.stdout,
        "lonely (alone)  debian  x86_64-linux  evaluates\n"
    );
    let run = run
        .said("note: wrote ")
        .said("flk.lock: the packages as the mirror has them now")
        .said("left out, because git does not track it: hosts/untracked.nix (");
    assert!(!run.stderr.contains("flk.lock,"), "{}", run.stderr);
    assert_eq!(
        bench.git("r", &["status", "--porcelain"]),
        "?? flk.lock\n?? hosts/untracked.nix\n"
    );
    bench.flk(&["update", "--flake", "r"]).ended(0);

    // The ISO carries the folder as it is, with its lock.
    let run = bench
        .flk(&["iso", "lonely", "--flake", "r", "--dry-run", "--json"])
        .ended(0);
    let carried = bench.carried_repository(&run.stdout);
    assert_eq!(
        files(&carried),
        ["flk.lock", "hosts", "profiles"],
        "{}",
        carried.display()
    );
    assert_eq!(files(&carried.join("hosts")), ["lonely.nix"]);

    // Where it says so, it is that channel, and an error is told with the user's file.
    bench.write("r/flk.toml", "channel = \"debian\"\n");
    let again = bench
        .flk(&["iso", "lonely", "--flake", "r", "--dry-run", "--json"])
        .ended(0);
    let carried = bench.carried_repository(&again.stdout);
    assert!(carried.join("flk.toml").exists());

    // A text that refers to nothing leaves /usr as it is, live and installed.
    let host = bench.read("r/hosts/lonely.nix");
    let text = "environment.etc.\"text\".text = \"\";";
    bench.write(
        "r/hosts/lonely.nix",
        &host.replacen("imports", &format!("{text} imports"), 1),
    );
    let changed = bench
        .flk(&["iso", "lonely", "--flake", "r", "--dry-run", "--json"])
        .ended(0);
    let usr = built(&again.stdout, "-system-path.drv");
    assert_eq!(usr.len(), 2, "{}", again.stdout);
    assert_eq!(built(&changed.stdout, "-system-path.drv"), usr);
    assert!(!built(&changed.stdout, "-etc-text.drv").is_empty());

    bench.write(
        "r/hosts/lonely.nix",
        "{\n  networking.hostNam = \"x\";\n}\n",
    );
    bench
        .flk(&["iso", "lonely", "--flake", "r", "--dry-run"])
        .ended(1)
        .said("networking.hostNam")
        .said("hosts/lonely.nix:2");
    bench
        .flk(&["iso", "nobody", "--flake", "r"])
        .ended(1)
        .said("there is no host nobody in this repository")
        .said("it has: lonely");
}

#[test]
fn a_nixpkgs_is_locked_beside_the_hosts() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write("nixpkgs/flake.nix", NIXPKGS);
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix/debian/lib");
    copy_folder(&lib, &bench.at("nixpkgs/lib"));
    bench.write("r/hosts/box.nix", "{ }\n");

    let run = bench
        .flk_in("r", &["hosts", "--channel", "../nixpkgs"])
        .ended(0);
    assert_eq!(run.stdout, "box  nixpkgs  -  evaluates\n");
    run.said("flake.lock: the nixpkgs as it is now");
    assert_eq!(files(&bench.at("r")), ["flake.lock", "hosts"]);
    let lock: serde_json::Value = serde_json::from_str(&bench.read("r/flake.lock")).unwrap();
    let nodes = lock["nodes"].as_object().unwrap();
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["nixpkgs", "root"]);

    // The lock remembers the channel; `update` finds nothing newer, and then something.
    let run = bench.flk_in("r", &["hosts"]).ended(0);
    assert_eq!(run.stdout, "box  nixpkgs  -  evaluates\n");
    assert!(!run.stderr.contains("wrote"), "{}", run.stderr);
    bench
        .flk_in("r", &["update"])
        .ended(0)
        .said("what is locked is the newest");
    bench.write("nixpkgs/new", "");
    bench
        .flk_in("r", &["update", "nixpkgs"])
        .ended(0)
        .said("flake.lock: the nixpkgs as it is now");
    assert_ne!(lock.to_string(), bench.read("r/flake.lock"));
    bench
        .flk_in("r", &["update", "other"])
        .ended(1)
        .said("has no flake.nix, and so no input other");

    // For one run another one, of which nothing stays.
    let kept = bench.read("r/flake.lock");
    bench.write("r/flk.toml", "channel = \"../nixpkgs\"\n");
    bench.write("no-nixpkgs/flake.nix", "{ outputs = _: { }; }\n");
    bench
        .flk_in("r", &["iso", "box", "--channel", "../no-nixpkgs"])
        .ended(1)
        .said("the channel is no nixpkgs: it has no `lib.nixosSystem'");
    assert_eq!(bench.read("r/flake.lock"), kept);
    bench
        .flk_in("r", &["update", "--channel", "../no-nixpkgs"])
        .ended(1)
        .said("flk.toml");
    assert_eq!(files(&bench.at("r")), ["flake.lock", "flk.toml", "hosts"]);

    // Live, the folder beside is missing: the lock and the store have it.
    fs::rename(bench.at("nixpkgs"), bench.at("elsewhere")).unwrap();
    let run = bench.flk_in("r", &["hosts"]).ended(0);
    assert_eq!(run.stdout, "box  nixpkgs  -  evaluates\n");
    assert_eq!(bench.read("r/flake.lock"), kept);
    bench.write("r/flk.toml", "channel = \"../other\"\n");
    bench
        .flk_in("r", &["hosts"])
        .ended(1)
        .said("there is no folder ");
}

#[test]
fn channels_that_are_none_are_told() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write("r/hosts/box.nix", "{ }\n");
    bench.write("r/flk.toml", "# mine\nchanel = \"debian\"\n");
    bench
        .flk(&["hosts", "--flake", "r"])
        .ended(1)
        .said("r/flk.toml:2:1: there is nothing of the name `chanel` in flk.toml")
        .said("hint: it has: channel = \"debian\"");
    bench.write("r/flk.toml", "channel = \"stable\"\n");
    bench
        .flk(&["hosts", "--flake", "r"])
        .ended(1)
        .said("there is no channel stable")
        .said("hint: so says ");
    fs::remove_file(bench.at("r/flk.toml")).unwrap();
    bench
        .flk(&["hosts", "--flake", "r", "--channel", "./nowhere"])
        .ended(1)
        .said("there is no folder ");
    bench.write(
        "f/flake.nix",
        "{ outputs = _: { nixosConfigurations = { }; }; }\n",
    );
    bench
        .flk(&["hosts", "--flake", "f", "--channel", "nixpkgs"])
        .ended(1)
        .said("has a flake.nix, whose inputs say where its packages come from");
    // Only the word, without a host.
    bench.write("w/flk.toml", "");
    bench
        .flk(&["iso", "box", "--flake", "w"])
        .ended(1)
        .said("has no hosts/NAME.nix");
    // All of a home folder would go onto the ISO, flk's secret with it.
    fs::create_dir(bench.home("hosts")).unwrap();
    fs::write(bench.home("hosts/box.nix"), "{ }\n").unwrap();
    fs::write(bench.home("flk.lock"), "{ }\n").unwrap();
    bench
        .flk(&["hosts", "--flake", "../home"])
        .ended(1)
        .said("has more in it than hosts")
        .said("hint: give the hosts a folder of their own");
}

/// What a host file may be called, each in a folder with a good host beside it, which evaluates whatever the other is.
#[test]
fn names_of_host_files_are_checked_before_anything_is_built() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    bench.write("nixpkgs/flake.nix", NIXPKGS);
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix/debian/lib");
    copy_folder(&lib, &bench.at("nixpkgs/lib"));
    bench.write("r/flk.toml", "channel = \"../nixpkgs\"\n");
    bench.write("r/hosts/good.nix", "{ }\n");
    let named = "{ networking.hostName = \"other\"; }\n";
    let refused: &[(&str, &str, &str)] = &[
        ("file server", "{ }\n", "rename it to hosts/file-server.nix"),
        (
            "file server two",
            named,
            "rename it to hosts/file-server-two.nix",
        ),
        ("büro", named, "rename it to hosts/buero.nix"),
        ("-x", named, "rename it to hosts/x.nix"),
        ("a\"b$(c)", named, "rename it to hosts/a-b-c.nix"),
        (
            "my_host",
            "{ }\n",
            "systemd drops the underscore, so my_host.local would not exist; rename it to hosts/my-host.nix, or set networking.hostName in it",
        ),
        (
            "web.example.org",
            "{ }\n",
            "rename it to hosts/web.nix (with networking.domain = \"example.org\"",
        ),
        ("localhost", "{ }\n", "not a valid host name"),
        ("Good", named, "`Good' and `good' are one name to DNS"),
    ];
    for (name, text, _) in refused {
        bench.write(&format!("r/hosts/{name}.nix"), text);
    }
    for name in ["my_other", "mail.example.org"] {
        let text = named.replace("other", "named");
        bench.write(&format!("r/hosts/{name}.nix"), &text);
    }
    // None of these is a host: a name of nothing, an editor's lock and what else is hidden.
    bench.write("r/hosts/.nix", "broken");
    bench.write("r/hosts/.hidden.nix", "broken");
    std::os::unix::fs::symlink("you@box.1:2", bench.at("r/hosts/.#good.nix")).unwrap();

    let listed = bench.flk_in("r", &["hosts", "--json"]).ended(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let listed = listed.as_array().unwrap();
    let error = |name: &str| {
        let host = listed.iter().find(|host| host["name"] == name);
        let host = host.unwrap_or_else(|| panic!("{name} is not in {listed:?}"));
        host["error"].as_str().unwrap_or_default().to_owned()
    };
    for (name, _, expected) in refused {
        let error = error(name);
        let file = format!("hosts/{name}.nix: ");
        assert!(error.contains(&file), "{name}: {error}");
        assert!(error.contains(expected), "{name}: {error}");
    }
    assert!(error("good").contains("`good' and `Good' are one name"));
    for name in ["my_other", "mail.example.org"] {
        assert_eq!(error(name), "");
    }
    assert_eq!(listed.len(), refused.len() + 3);

    fs::remove_file(bench.at("r/hosts/Good.nix")).unwrap();
    for further in [&["--dry-run"][..], &[]] {
        let mut arguments = vec!["iso", "file server"];
        arguments.extend(further);
        bench
            .flk_in("r", &arguments)
            .ended(1)
            .said("error: file server does not evaluate\ncaused by: hosts/file server.nix: ");
    }
    // With nothing but hidden files, the folder is not a repository.
    bench.write("empty/hosts/.nix", "");
    bench
        .flk_in("empty", &["hosts"])
        .ended(1)
        .said("no hosts/NAME.nix");
}

/// A flake's own hosts have any name; an ISO is made only of those whose name is valid in all that follows from it.
#[test]
fn names_of_a_flakes_own_hosts_are_checked_for_an_iso() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    let host = "{ config.networking.hostName = \"x\"; config.system.build.toplevel = derivation { name = \"x\"; system = \"x86_64-linux\"; builder = \"/none\"; }; pkgs.system = \"x86_64-linux\"; extendModules = _: { }; }";
    bench.write(
        "r/flake.nix",
        &format!("{{ outputs = _: {{ nixosConfigurations.\"a b\" = {host}; }}; }}\n"),
    );
    bench.flk(&["hosts", "--flake", "r"]).ended(0);
    bench
        .flk(&["iso", "a b", "--flake", "r", "--dry-run"])
        .ended(1)
        .said("nixosConfigurations.\"a b\": `a b' is not a valid host name: one has letters (A to Z), digits and hyphens; rename it to a-b");
}
