//! `flk write` onto a file that stands for a stick: what is asked, what is refused, and what is said. Real devices are the crate flk-stick's to show.

mod workbench;

use std::fs::{self, File};

use flk_tests::sample_iso;
use workbench::Workbench;

const BUILD: &str = "00000000000000000000000000000001";

/// An image that only its tables make one, and a stick of 16 MB.
fn bench() -> Workbench {
    let bench = Workbench::new().with_only(&["script"]);
    sample_iso(&bench.at("Sample.iso"), 1).unwrap();
    let stick = File::create(bench.at("stick")).unwrap();
    stick.set_len(16 << 20).unwrap();
    bench
}

fn stick(bench: &Workbench) -> Vec<u8> {
    fs::read(bench.at("stick")).unwrap()
}

#[test]
fn nothing_is_overwritten_that_nobody_confirmed() {
    let bench = bench();
    let before = stick(&bench);
    let write: &[&str] = &["write", "Sample.iso", "stick"];
    bench
        .flk(write)
        .ended(1)
        .said("nobody is there to confirm that it is to be overwritten")
        .said("hint: say --yes");
    // On a terminal everything is on standard output.
    let run = bench.flk_on_terminal(".", write, "yes\n").ended(1);
    let said = "that is not its name; nothing was written";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    bench
        .flk(&["write", "Sample.iso", "stick", "--dry-run"])
        .ended(0)
        .said(&format!("build {BUILD}"));
    assert!(stick(&bench) == before);
    let run = bench.flk_on_terminal(".", write, "stick\n").ended(0);
    for said in ["To go on, type stick:", "all read back"] {
        assert!(run.stdout.contains(said), "{}", run.stdout);
    }
    assert!(stick(&bench) != before);
}

#[test]
fn a_second_time_nothing_is_written() {
    let bench = bench();
    bench
        .flk(&["write", "Sample.iso", "stick", "--yes"])
        .ended(0)
        .said("start the machine with it: it answers as Sample.local and at fe80::47, and `flk discover` finds it");
    let run = bench
        .flk(&["write", "Sample.iso", "stick", "--yes", "--json"])
        .ended(0)
        .said("has it already, every byte");
    let said: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["build"], BUILD);
    assert_eq!(said["written"], 0);
    assert_eq!(said["verified"], true);
    assert_eq!(said["target"]["kind"], "file");
    assert_eq!(said["found"]["found"], "other");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = bench();
    let before = stick(&bench);
    bench
        .flk(&["write", "stick", "Sample.iso", "--yes"])
        .ended(1)
        .said("stick is no image that could start a machine: it has no boot sector")
        .said("hint: `flk iso HOST` makes one");
    bench
        .flk(&["write", "Sample.iso", "nowhere", "--yes"])
        .ended(1)
        .said("error: cannot find nowhere");
    bench
        .flk(&["write", "./none.iso", "stick", "--yes"])
        .ended(1)
        .said("error: cannot open ./none.iso");
    File::create(bench.at("small"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    bench
        .flk(&["write", "Sample.iso", "small", "--yes"])
        .ended(1)
        .said("small has 1048576 bytes, and the image ");
    bench
        .flk(&["write", "Sample.iso", "stick", "--flake", ".", "--yes"])
        .ended(1)
        .said("Sample.iso is a file; --flake and --channel are for a host")
        .said("hint: leave them out, or name the host: flk write HOST --flake REF");
    bench.flk(&["write"]).ended(2);
    assert!(stick(&bench) == before);
}
