//! Ctrl-C, and `kill`: Nix ends with flk, and nothing is left behind.

mod workbench;

use std::{
    fs,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use workbench::{SMALL_FLAKE, Workbench};

/// A Nix that answers until it is to evaluate, and then ends only when it is asked to: in order, and says so. It is ready to be asked once its process
/// id is in a file.
const ENDLESS: &str = "trap 'kill $!; wait; echo in order > \"$HOME/ended\"; exit 1' INT; \
                       echo $$ > \"$HOME/pids\"; sleep 1000 & wait";
/// One that does not listen, with a child that does not, either.
const STUBBORN: &str = "trap '' INT; sleep 1000 & echo $$ $! > \"$HOME/pids\"; wait; sleep 1000";

fn nix(end: &str) -> String {
    ANSWERS.replace("END", end)
}

const ANSWERS: &str = r#"
case "$*" in
    --version) echo 'nix (Nix) 2.8.0' ;;
    *show-config*) echo '{}' ;;
    *--impure*) echo '{"inputs":{},"arguments":["self"]}' ;;
    *add-path*) echo "$HOME" ;;
    *hash*path*) echo sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= ;;
    *) END ;;
esac"#;

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what} never happens"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Interrupts flk while Nix evaluates; gives whether Nix ended in order.
fn interrupt(end: &str, signal: Signal) -> bool {
    let bench = Workbench::new().with_script("nix", &nix(end));
    let bench = bench.with_script("nix-store", "exit 0");
    bench.write("r/flake.nix", SMALL_FLAKE);
    let mut flk = bench.start_flk_in("r", &["hosts"]);
    let pids = bench.home("pids");
    until("the evaluation", || {
        fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n'))
    });
    kill_process(Pid::from_child(&flk), signal).unwrap();
    until("the end of flk", || flk.try_wait().unwrap().is_some());
    assert_eq!(flk.wait().unwrap().code(), Some(1), "{signal:?}");
    let mut stderr = String::new();
    let mut pipe = flk.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    assert!(stderr.ends_with("error: interrupted\n"), "{stderr}");
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        let process = PathBuf::from(format!("/proc/{pid}"));
        until("the end of Nix", || !is_alive(&process));
    }
    let scratch = fs::read_dir(bench.home(".cache/flk/scratch")).unwrap();
    assert_eq!(scratch.count(), 0, "intermediate files are left");
    bench.home("ended").exists()
}

#[test]
fn an_interruption_ends_flk_and_nix() {
    for signal in [Signal::INT, Signal::TERM] {
        assert!(interrupt(ENDLESS, signal));
    }
}

#[test]
fn nix_that_does_not_listen_is_ended_all_the_same() {
    assert!(!interrupt(STUBBORN, Signal::INT));
}

/// It runs: a zombie that nobody waits for does not.
fn is_alive(process: &std::path::Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let bench = Workbench::new().with_script("nix", &nix(ENDLESS));
    let bench = bench.with_script("nix-store", "exit 0");
    bench.write("r/flake.nix", SMALL_FLAKE);
    // No process has that id.
    let left = bench.home(".cache/flk/scratch/4194305-channel-x/source");
    fs::create_dir_all(&left).unwrap();
    let mut flk = bench.start_flk_in("r", &["hosts"]);
    let pids = bench.home("pids");
    until("the evaluation", || pids.exists());
    assert!(!left.exists());
    kill_process(Pid::from_child(&flk), Signal::INT).unwrap();
    flk.wait().unwrap();
}
