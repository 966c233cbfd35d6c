//! `flk switch`, `flk rollback` and `flk generations` with systems whose `switch-to-configuration` only says what it is told.
//!
//! In mounts of the test's own over `/run` and the profiles: needs root and Nix. Whole machines are switched in the workspace's `tests/`.

mod workbench;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use workbench::{Run, Workbench, nix_is_here, skipped, stored::Stored};

/// Says what it is told, and does what makes a system the current one. `broken` is a unit that does not start.
const SWITCH: &str = r#"#!/bin/sh
self=$(dirname "$(dirname "$0")")
echo "told to $1"
case $1 in switch | test) ln -sfn "$self" /run/current-system ;; esac
if [ -e "$self/broken" ]; then echo 'these units failed: broken.service' >&2; exit 4; fi
"#;

/// `PLACE` is the bench. The machine is called `one`.
const APART: &str = r#"
mount --bind PLACE/run /run
mount --bind PLACE/profiles /nix/var/nix/profiles
hostname one
exec "$0" "$@"
"#;

/// A machine that runs `one`, of a repository that has `two` and `bad` as well.
struct Machine {
    bench: Workbench,
    systems: [Stored; 3],
}

impl Machine {
    /// `None`: something is missing here.
    fn new() -> Option<Self> {
        if !nix_is_here() || !is_able() {
            return None;
        }
        let bench = Workbench::new();
        let names = ["one", "two", "bad"];
        let systems = names.map(|name| {
            let folder = bench.at(name);
            fs::create_dir_all(folder.join("bin")).unwrap();
            let program = folder.join("bin/switch-to-configuration");
            fs::write(&program, SWITCH).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            fs::write(folder.join("nixos-version"), format!("25.05.{name}\n")).unwrap();
            if name == "bad" {
                fs::write(folder.join("broken"), "").unwrap();
            }
            Stored::add(&folder, &format!("system-switches-{name}"))
        });
        let hosts: String = names
            .iter()
            .zip(&systems)
            .map(|(name, system)| format!("{name} = {};\n", system.host))
            .collect();
        let flake =
            format!("{{ outputs = {{ self }}: {{ nixosConfigurations = {{ {hosts} }}; }}; }}");
        bench.write("r/flake.nix", &flake);
        for folder in ["run", "profiles"] {
            fs::create_dir(bench.at(folder)).unwrap();
        }
        for link in ["current-system", "booted-system"] {
            std::os::unix::fs::symlink(&systems[0].path, bench.at("run").join(link)).unwrap();
        }
        Some(Self { bench, systems })
    }

    fn flk(&self, arguments: &[&str]) -> Run {
        let script = APART.replace("PLACE", &self.bench.at("").display().to_string());
        self.bench.flk_apart("r", &script, arguments)
    }

    /// The default generation's number, and the systems of all by their places in `systems`.
    fn profile(&self) -> (u64, Vec<usize>) {
        let link = |name: &str| fs::read_link(self.bench.at("profiles").join(name)).ok();
        let default = link("system").unwrap().display().to_string();
        let number = default.strip_prefix("system-").unwrap();
        let number = number.strip_suffix("-link").unwrap().parse().unwrap();
        let systems = (1..)
            .map_while(|number| link(&format!("system-{number}-link")))
            .map(|to| {
                let is_it = |system: &Stored| to.as_os_str() == system.path.as_str();
                self.systems.iter().position(is_it).unwrap()
            })
            .collect();
        (number, systems)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its links keep the systems in the store.
        let _ = fs::remove_dir_all(self.bench.home(".cache"));
    }
}

fn is_able() -> bool {
    let able = rustix::process::geteuid().is_root()
        && Command::new("unshare")
            .args(["--mount", "--uts", "true"])
            .status()
            .is_ok_and(|status| status.success());
    if !able {
        let in_ci = std::env::var_os("CI").is_some();
        assert!(!in_ci, "in CI nothing is skipped: mounts of one's own");
        skipped("this user cannot have mounts of its own");
    }
    able
}

#[test]
fn the_machine_becomes_what_is_asked_for_and_goes_back() {
    let Some(machine) = Machine::new() else {
        return;
    };

    // The host's name is the machine's. Twice the same is one generation.
    for _ in 0..2 {
        machine
            .flk(&["switch"])
            .ended(0)
            .said("told to switch")
            .said("one is active, as generation 1 (");
        assert_eq!(machine.profile(), (1, vec![0]));
    }
    let run = machine.flk(&["switch", "two", "--boot", "--json"]).ended(0);
    assert!(run.stderr.contains("told to boot"), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("two is generation 2, from the next boot on"),
        "{}",
        run.stderr
    );
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["toplevel"], machine.systems[1].path.as_str());
    assert_eq!(
        (&json["host"], &json["generation"], &json["action"]),
        (&"two".into(), &2.into(), &"boot".into())
    );

    let run = machine.flk(&["generations"]).ended(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with("   1  20") && lines[0].ends_with("  25.05.one  current, booted"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("   2  20") && lines[1].ends_with("  25.05.two  default"),
        "{lines:?}"
    );
    let run = machine.flk(&["generations", "--json"]).ended(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json[1]["number"], &json[1]["default"], &json[1]["current"]),
        (&2.into(), &true.into(), &false.into())
    );

    // Neither of these makes a generation.
    machine
        .flk(&["switch", "one", "--dry-run"])
        .ended(0)
        .said("told to dry-activate")
        .said("one is built; nothing was activated");
    machine
        .flk(&["switch", "bad", "--test"])
        .ended(1)
        .said("told to test\nthese units failed: broken.service\nerror: some units failed")
        .said("hint: the next boot undoes what was activated");
    assert_eq!(machine.profile(), (2, vec![0, 1]));

    machine.flk(&["switch", "bad"]).ended(1).said(
        "hint: bad is generation 3, and will be booted; `flk rollback` goes back to generation 2",
    );
    assert_eq!(machine.profile(), (3, vec![0, 1, 2]));
    machine
        .flk(&["rollback"])
        .ended(0)
        .said("told to switch")
        .said("generation 2 (25.05.two) is active");
    assert_eq!(machine.profile().0, 2);
    machine
        .flk(&["rollback", "1", "--boot"])
        .ended(0)
        .said("told to boot")
        .said("generation 1 (25.05.one) will be booted from now on");
    assert_eq!(machine.profile().0, 1);
    machine
        .flk(&["rollback"])
        .ended(1)
        .said("error: there is no generation before 1\nhint: `flk generations` lists them");
    machine
        .flk(&["rollback", "9"])
        .ended(1)
        .said("error: there is no generation 9");
    machine
        .flk(&["switch", "three"])
        .ended(1)
        .said("error: there is no host three in this repository\nhint: it has: bad, one, two");
    machine
        .flk(&["switch", "--attach"])
        .ended(1)
        .said("error: there is no host three in this repository");
    // Nothing of the failures is left, and the next generation comes after the last.
    assert_eq!(machine.profile(), (1, vec![0, 1, 2]));
    machine
        .flk(&["switch", "two"])
        .ended(0)
        .said("generation 4 (");
    assert_eq!(machine.profile(), (4, vec![0, 1, 2, 1]));
}

/// flk is one static program, so an empty root is enough.
#[test]
fn a_live_machine_is_not_switched() {
    if !is_able() {
        return;
    }
    let bench = Workbench::new();
    let root = bench.at("root");
    fs::create_dir(&root).unwrap();
    let script = r#"
        mount -t tmpfs tmpfs ROOT
        mkdir -p ROOT/nix/.ro-store ROOT/bin
        cp "$0" ROOT/bin/flk
        exec chroot ROOT /bin/flk "$@"
    "#
    .replace("ROOT", &root.display().to_string());
    for arguments in [
        &["switch"][..],
        &["switch", "box", "--dry-run"],
        &["rollback"],
    ] {
        bench
            .flk_apart("", &script, arguments)
            .ended(1)
            .said("error: this is a live machine: what is activated here is gone with the next boot\nhint: `flk install HOST`");
    }
}
