//! Verbs that must run as root, started by another user: which program they run themselves by, with what, and when they do not.
//!
//! The other user is one of a user namespace without a map: the kernel still knows who owns the files, but flk's process has no rights of root's, and
//! `geteuid` gives the overflow user. The programs are stand-ins that write down how they were called.

mod workbench;

use std::process::Command;

use workbench::{Run, Workbench, skipped};

/// A stand-in for sudo, doas or run0: `works` says whether it does without a question. Called in earnest, it writes its arguments into `called`.
fn script(works: bool) -> String {
    format!(
        "case \"$1 $2\" in '-n true' | '--no-ask-password true') exit {} ;; esac\n\
         {{ printf '%s\\n' \"$0\" \"$@\"; env; }} >called\nexit 7",
        u8::from(!works)
    )
}

fn bench() -> Option<Workbench> {
    let able = Command::new("unshare")
        .args(["--user", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !able {
        assert!(std::env::var_os("CI").is_none(), "CI has user namespaces");
        skipped("this user cannot have a user namespace");
        return None;
    }
    let programs = ["sh", "env", "setsid", "unshare", "script"];
    Some(Workbench::new().with_only(&programs))
}

fn flk(bench: &Workbench, arguments: &[&str]) -> Run {
    let script = "exec setsid -w unshare --user \"$0\" \"$@\"";
    bench.flk_by("", script, arguments)
}

/// How the stand-in was called: its name and arguments without those of env(1) that are paths of this machine.
fn called(bench: &Workbench) -> Vec<String> {
    bench
        .read("called")
        .lines()
        .take_while(|line| !line.contains("=/") || line.starts_with("PATH="))
        .filter(|line| !line.starts_with("PATH="))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_installation_runs_itself_by_what_there_is() {
    for (name, options) in [
        ("sudo", "--preserve-env=FLK_RUN_DIR,http_proxy,NO_COLOR"),
        ("doas", ""),
        ("run0", "--setenv=http_proxy"),
    ] {
        let Some(bench) = bench() else { return };
        let bench = bench
            .variable("http_proxy", "http://me:secret@proxy:3128")
            .variable("NO_COLOR", "1")
            .variable("SECRET", "1")
            .with_script(name, &script(true));
        let run = flk(&bench, &["install", "My Host", "--impure"]).ended(7);
        assert_eq!(
            run.stderr,
            format!(
                "note: flk install must run as root: running `{name} flk install 'My Host' --impure`\n"
            )
        );
        let text = bench.read("called");
        let words: Vec<&str> = text.lines().collect();
        assert!(words[0].ends_with(name), "{text}");
        assert!(options.is_empty() || words.contains(&options), "{text}");
        // By its own path, whatever root's PATH has.
        let at = words.iter().position(|word| *word == "install").unwrap();
        assert!(words[at - 1].starts_with('/'), "{text}");
        assert!(words[at - 1].ends_with("/bin/flk"), "{text}");
        assert_eq!(words[at..at + 3], ["install", "My Host", "--impure"]);
        let arguments = words[..at].join("\n");
        assert!(arguments.contains(&format!("FLK_AS_ROOT={name}")), "{text}");
        // What everybody sees has no password in it, and root gets nothing that flk does not read.
        assert!(!arguments.contains("secret"), "{text}");
        assert!(!arguments.contains("SECRET"), "{text}");
        assert!(!arguments.contains("HOME="), "{text}");
        assert_eq!(arguments.contains("SUDO_UID="), name != "sudo", "{text}");
    }
}

#[test]
fn the_first_that_works_without_a_question_is_taken() {
    let Some(bench) = bench() else { return };
    let bench = bench
        .with_script("sudo", &script(false))
        .with_script("run0", &script(true));
    flk(&bench, &["install", "NixOS"])
        .ended(7)
        .said("running `run0 flk install NixOS`");
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let Some(bench) = bench() else { return };
    flk(&bench, &["install", "NixOS"])
        .ended(1)
        .said("error: flk install must run as root\nhint: run it with `sudo`");
    let bench = bench.with_script("sudo", &script(false));
    for arguments in [["install", "NixOS"], ["install", "--attach"]] {
        flk(&bench, &arguments).ended(1).said(
            "error: flk install must run as root\nhint: run it with `sudo`; there is no terminal",
        );
    }
    assert!(!bench.at("called").exists());
    let bench = bench
        .with_script("sudo", &script(true))
        .variable("FLK_AS_ROOT", "sudo");
    flk(&bench, &["install", "NixOS"])
        .ended(1)
        .said("error: flk install must run as root\nhint: log in as root");
}

#[test]
fn on_a_terminal_sudo_may_ask() {
    let Some(bench) = bench() else { return };
    let bench = bench.with_script("sudo", &script(false));
    let line = "exec script -q -e -c \"unshare --user $0 $*\" /dev/null";
    let run = bench.flk_by("", line, &["install", "NixOS"]).ended(7);
    assert!(
        run.stdout.contains("running `sudo flk install NixOS`"),
        "{}",
        run.stdout
    );
    assert!(called(&bench).iter().any(|word| word == "env"));
}

#[test]
fn to_look_at_something_nobody_has_to_be_root() {
    let Some(bench) = bench() else { return };
    let bench = bench.with_script("sudo", &script(true));
    bench.write("r/hosts/NixOS.nix", "{ }\n");
    // It comes as far as its work, without Nix.
    let run = flk(&bench, &["install", "NixOS", "--dry-run", "--flake", "r"]).ended(1);
    assert!(!run.stderr.contains("root"), "{}", run.stderr);
    flk(&bench, &["generations", "--json"]).ended(0);
    assert!(!bench.at("called").exists());
}

#[test]
fn a_device_is_read_and_written_as_root() {
    let Some(bench) = bench() else { return };
    let bench = bench.with_script("sudo", &script(true));
    // One that nobody may open; no driver has it.
    let stick = bench.at("stick");
    let made = Command::new("mknod")
        .args(["-m", "0"])
        .arg(&stick)
        .args(["b", "7", "999999"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        skipped("this user cannot make device nodes");
        return;
    }
    flk_tests::sample_iso(&bench.at("Sample.iso"), 1).unwrap();
    for (arguments, expected) in [
        (vec!["verify", "stick"], vec!["verify", "stick"]),
        (
            vec!["write", "Sample.iso", "stick", "--yes", "--no-verify"],
            vec!["write", "--yes", "--no-verify", "--", "Sample.iso", "stick"],
        ),
        (
            vec!["write", "--dry-run", "Sample.iso", "stick"],
            vec!["write", "--dry-run", "--", "Sample.iso", "stick"],
        ),
    ] {
        flk(&bench, &arguments).ended(7);
        let text = bench.read("called");
        let words: Vec<&str> = text.lines().collect();
        let at = words.iter().position(|word| *word == expected[0]).unwrap();
        assert_eq!(words[at..at + expected.len()], expected);
    }
}
