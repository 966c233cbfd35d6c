//! What is wrong in a repository is an error that says what, where and what to do, and leaves with exit code 1.

use flk_tests::{Bench, BenchError, Fixture, Need};

/// A host file that is wrong, and what has to be said of it.
struct Bad {
    name: &'static str,
    file: &'static str,
    said: &'static [&'static str],
}

const HOSTS: &[Bad] = &[
    Bad {
        name: "syntax",
        file: "{\n  imports = [ ./NixOS.nix ];\n  time.timeZone = \"UTC\"\n  networking.hostName = \"a\";\n}\n",
        said: &["syntax error", "at hosts/syntax.nix:4:23"],
    },
    Bad {
        // Both of them at once, each with its place.
        name: "unknown",
        file: "{\n  imports = [ ./NixOS.nix ];\n  services.opnssh.enable = true;\n  networking.hostNames = [ ];\n}\n",
        said: &[
            "services.opnssh",
            "networking.hostNames",
            "hosts/unknown.nix:3",
            "hosts/unknown.nix:4",
            "nixpkgs",
        ],
    },
    Bad {
        name: "type",
        file: "{\n  imports = [ ./NixOS.nix ];\n  networking.firewall.enable = \"yes\";\n}\n",
        said: &["networking.firewall.enable", "hosts/type.nix", "boolean"],
    },
    Bad {
        name: "conflict",
        file: "{\n  imports = [ ./NixOS.nix ];\n  time.timeZone = \"Europe/Berlin\";\n}\n",
        said: &[
            "time.timeZone",
            "hosts/conflict.nix",
            "hosts/default.nix",
            "Europe/Berlin",
        ],
    },
    Bad {
        name: "key-file",
        file: "{\n  imports = [ ./NixOS.nix ];\n  users.users.nixos.openssh.authorizedKeys.keyFiles = [ ../keys/nobody.pub ];\n}\n",
        said: &["keys/nobody.pub"],
    },
    Bad {
        name: "package",
        file: "{ pkgs, ... }:\n{\n  imports = [ ./NixOS.nix ];\n  environment.systemPackages = [ pkgs.htopp ];\n}\n",
        said: &["htopp", "htop"],
    },
    Bad {
        name: "keyless",
        file: "{ lib, ... }:\n{\n  imports = [ ./NixOS.nix ];\n  users.users.nixos.openssh.authorizedKeys = {\n    \
               keys = lib.mkForce [ ];\n    keyFiles = lib.mkForce [ ];\n  };\n}\n",
        said: &["users.users.nixos.openssh.authorizedKeys", "--no-keys"],
    },
];

#[test]
fn refuses_bad_input() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("refuses_bad_input", &[Need::BUILDS])? else {
        return Ok(());
    };
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let fixture = Fixture::shared(&bench)?.copy(folder.path())?;
    for bad in HOSTS {
        fixture.put(&format!("hosts/{}.nix", bad.name), bad.file)?;
    }
    let flk = |arguments: &[&str]| fixture.flk.run(&fixture.repository, arguments);
    let mut wrong = Vec::new();
    for bad in HOSTS {
        let output = flk(&["iso", bad.name])?;
        let missing: Vec<&&str> = bad
            .said
            .iter()
            .filter(|said| !output.stderr.contains(**said))
            .collect();
        let is_error = output.code == Some(1)
            && output
                .stderr
                .lines()
                .any(|line| line.starts_with("error: "));
        if !is_error || !missing.is_empty() || output.stderr.contains("panicked") {
            wrong.push(format!(
                "{}: exit {:?}, not said: {missing:?}\n{}",
                bad.name, output.code, output.stderr
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    // A host that is not there: the others are named.
    let output = flk(&["iso", "NixOs"])?;
    assert_eq!(output.code, Some(1));
    for said in [
        "error: there is no host NixOs",
        "hint:",
        "NixOS",
        "key-file",
    ] {
        assert!(
            output.stderr.contains(said),
            "{said} is not in\n{}",
            output.stderr
        );
    }

    // No keys, on purpose.
    let output = flk(&["iso", "keyless", "--no-keys", "--dry-run"])?;
    assert_eq!(output.code, Some(0), "{}", output.all());

    // One bad host does not take the others from the list; its line says why.
    let list = flk(&["hosts"])?.success()?.stdout;
    let line = |name: &str| {
        list.lines()
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_default()
    };
    assert!(line("NixOS").ends_with("evaluates"), "{list}");
    assert!(
        line("unknown").contains("fails:") && line("unknown").contains("services.opnssh"),
        "{list}"
    );
    assert_eq!(line("default"), "", "{list}");

    // Wrong usage is something else than a failure.
    assert_eq!(flk(&["iso"])?.code, Some(2));
    assert_eq!(flk(&["iso", "NixOS", "--compress"])?.code, Some(2));
    assert!(
        !fixture.repository.join("result/iso").exists(),
        "something was built"
    );
    Ok(())
}
