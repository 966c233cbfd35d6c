//! `flk iso --all`: what can be made is made, what they share is packed once, and what failed is told.

mod workbench;

use std::fs;

use serde_json::Value;
use workbench::{Workbench, nix_is_here};

/// Hosts of one shared store path and one of their own; two want their ISO called the same.
const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      run = name: script: further: derivation ({
        inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ]; salt = "@SALT@";
      } // further);
      shared = run "shared" "echo $salt >$out" { };
      host = name: fileName: top: {
        config.system.build.toplevel = top;
        extendModules = _: {
          config.system.build.flkImage = run "image.json" "printf %s \"$text\" >$out" {
            text = builtins.toJSON {
              version = 1; host = name; system = "x86_64-linux"; channel = "nixpkgs"; volumeId = "V"; inherit fileName;
              liveToplevel = top; hostToplevel = top; storeRoots = [ top shared ]; contents = [ ];
              compression = { codec = "zstd"; level = 1; blockSize = 131072; };
              boot = { bios = null; efi = null; };
            };
          };
        };
      };
      own = name: run name "echo $salt ${name} >$out" { };
    in
    {
      nixosConfigurations = {
        a = host "a" "nixos.iso" (own "a");
        b = host "b" "nixos.iso" (own "b");
        c = host "c" "c.iso" (own "c");
        fails = host "fails" "fails.iso" (run "fails" "echo no such thing; exit 3" { });
        throws = host "throws" "throws.iso" (throw "this host is broken");
      };
    };
}
"#;

#[test]
fn every_host_that_can_be_made_is_made() {
    if !nix_is_here() {
        return;
    }
    let bench = Workbench::new();
    let salt = format!("{:?}", std::time::SystemTime::now()).replace('"', "");
    bench.write("r/flake.nix", &FLAKE.replace("@SALT@", &salt));
    let all = [
        "iso",
        "--all",
        "--flake",
        "r",
        "--no-host-key",
        "--option",
        "sandbox",
        "false",
        "--substituters",
        "",
    ];
    let with_json = [&all[..], &["--json"]].concat();

    let run = bench.flk(&with_json).ended(1);
    for said in [
        "error: throws does not evaluate\ncaused by: this host is broken",
        "error: cannot build fails\n",
        "    > no such thing\n",
        "error: 2 of 5 hosts failed: fails, throws\n",
    ] {
        assert!(run.stderr.contains(said), "{said}\n{}", run.stderr);
    }
    let list: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let file = |index: usize| {
        let path = list[index]["path"].as_str().unwrap_or_default();
        path.rsplit('/').next().unwrap().to_owned()
    };
    let hosts: Vec<&str> = (0..5).map(|n| list[n]["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["a", "b", "c", "fails", "throws"]);
    // The second of a name goes by its host's.
    assert_eq!([file(0), file(1), file(2)], ["nixos.iso", "b.iso", "c.iso"]);
    assert_eq!(list[4]["error"], "this host is broken");
    let reason = list[3]["error"].as_str().unwrap();
    assert!(
        reason.ends_with("-fails.drv failed to build: its builder failed with exit code 3"),
        "{reason}"
    );
    // What they share was packed for the first of them.
    let packed = |index: usize, kind: &str| list[index]["packed"][kind].as_u64().unwrap();
    assert_eq!((packed(0, "fromCache"), packed(0, "new")), (0, 2));
    for index in [1, 2] {
        assert_eq!(
            (packed(index, "fromCache"), packed(index, "new")),
            (1, 1),
            "{list}"
        );
    }

    let run = bench.flk(&all).ended(1);
    let size = fs::metadata(bench.at("result/iso/c.iso")).unwrap().len();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    let size = format!("{:.1} MB", size as f64 / 1e6);
    assert!(
        lines[2].starts_with("c       is up to date") && lines[2].ends_with("result/iso/c.iso"),
        "{size}: {}",
        lines[2]
    );
    assert_eq!(lines[4], "throws  fails: this host is broken");
    assert!(lines[2].contains(&size), "{size}: {}", lines[2]);
}

#[test]
fn all_and_one_are_no_command() {
    let bench = Workbench::new();
    bench.flk(&["iso", "a", "--all"]).ended(2);
    bench.flk(&["iso", "--all", "--out", "x.iso"]).ended(2);
    bench.flk(&["iso", "--all", "--flake", "r#a"]).ended(2);
    bench.flk(&["iso"]).ended(2).said("<HOST>");
}
