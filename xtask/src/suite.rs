//! Every test there is, and one closing line for all of them.

use crate::{Error, Result, as_from_a_shell, cargo_command, fuzz, lanes, root, say, setup};
use std::{
    io::{BufRead, BufReader, Read},
    ops::AddAssign,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

/// Where the built-in channel's library has its tests: an expression that gives the list of its failures.
const NIX_TESTS: &str = "nix/debian/lib/tests";

/// The package of the tests with whole machines.
const MACHINE_TESTS: &str = "flk-tests";
/// Those that take longest, the longest first: begun last, one of them would have this machine to itself for minutes at the end.
const LONGEST: [&str; 6] = [
    "installs_by_the_page",
    "survives_kills_and_bad_disks",
    "installs_other_hosts",
    "knows_a_machine_from_live_to_installed",
    "survives_power_cuts",
    "boots_four_ways",
];
/// The fuzz targets that are run each time, of what anybody on a link can send and say; and for how many seconds each.
const FUZZED: [&str; 3] = ["mdns", "zone", "exchange"];
const SECONDS: u32 = 60;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Sets up and runs everything; `quick` leaves out the machines.
pub(crate) fn run(quick: bool) -> Result<()> {
    let start = Instant::now();
    let mut total = Count::default();
    if quick {
        setup::packages()?;
    } else {
        setup::run()?;
    }
    total += nix_tests()?;
    // Most of these tests take one processor; the other one is for fuzzing.
    total += thread::scope(|scope| {
        let fuzzed = (!quick).then(|| scope.spawn(fuzzing));
        let tested = cargo_test(&[
            "test",
            "--workspace",
            "--exclude",
            MACHINE_TESTS,
            "--no-fail-fast",
        ]);
        let fuzzed = fuzzed.map_or(Ok(Count::default()), |fuzzed| fuzzed.join());
        let mut count = tested?;
        count += fuzzed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>(count)
    })?;
    if !quick {
        total += machine_tests()?;
    }
    say(format_args!(
        "in {} minutes:",
        start.elapsed().as_secs().div_ceil(60)
    ));
    say(format_args!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    ));
    if total.failed == 0 {
        Ok(())
    } else {
        Err(Error::Tests)
    }
}

/// The tests with whole machines, as many at a time as they share this one among them (`flk_tests::Bench`).
fn machine_tests() -> Result<Count> {
    let count = Mutex::new(Count::default());
    let mut programs = lanes::programs(MACHINE_TESTS)?;
    programs.sort_by_key(|program| turn(program));
    lanes::run(&programs, &root().join("tests"), &|program, ran| {
        let mut one = Count::default();
        for line in ran.output.lines() {
            one += counted(line);
        }
        // A test that skips itself passes in the harness's eyes.
        one.passed = one.passed.saturating_sub(one.skipped);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        say(ran.output.trim_end());
        if !ran.is_success && one.failed == 0 {
            say(format_args!("FAILED {}", program.display()));
            one.failed = 1;
        }
        *count += one;
    })?;
    Ok(count.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// When a program of the machines' tests has its turn: the lower, the earlier.
fn turn(program: &Path) -> usize {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // Cargo puts a digest behind the name.
    let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
    LONGEST
        .iter()
        .position(|long| *long == name)
        .unwrap_or(LONGEST.len())
}

/// Each target counts as a test.
fn fuzzing() -> Count {
    let outcome = fuzz::run(&FUZZED.map(String::from), SECONDS);
    if let Err(error) = &outcome {
        say(format_args!("FAILED {error}"));
    }
    Count {
        passed: outcome.as_ref().map_or(0, |passed| *passed),
        failed: usize::from(outcome.is_err()),
        skipped: 0,
    }
}

/// The channel's library, by Nix itself.
fn nix_tests() -> Result<Count> {
    if !root().join(NIX_TESTS).join("default.nix").exists() {
        return Err(Error::Failed(format!(
            "{NIX_TESTS} is not there; the channel's library without its tests"
        )));
    }
    say(format_args!(
        "$ nix-instantiate --eval --strict --json {NIX_TESTS}"
    ));
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--show-trace", NIX_TESTS])
        .current_dir(root())
        .output()
        .map_err(|source| Error::Start {
            program: "nix-instantiate".into(),
            source,
        })?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
    let Some(json) = json.filter(|_| output.status.success()) else {
        say(String::from_utf8_lossy(&output.stderr).trim());
        return Ok(Count {
            failed: 1,
            ..Count::default()
        });
    };
    let (count, lines) = nix_count(&json);
    lines.iter().for_each(say);
    Ok(count)
}

/// The list counts as one test that passes if it is empty; else each failure in it counts, and is told in a line.
fn nix_count(json: &serde_json::Value) -> (Count, Vec<String>) {
    let Some(failures) = json.as_array() else {
        let line = format!("FAILED {NIX_TESTS} gives no list: {json}");
        return (
            Count {
                failed: 1,
                ..Count::default()
            },
            vec![line],
        );
    };
    let lines = failures
        .iter()
        .map(|failure| format!("FAILED {failure}"))
        .collect();
    (
        Count {
            passed: usize::from(failures.is_empty()),
            failed: failures.len(),
            skipped: 0,
        },
        lines,
    )
}

/// `cargo test …`, its output passed on and counted.
fn cargo_test(arguments: &[&str]) -> Result<Count> {
    say(format_args!("$ cargo {}", arguments.join(" ")));
    let mut command = cargo_command();
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    as_from_a_shell(&mut command);
    let mut child = command.spawn().map_err(|source| Error::Start {
        program: "cargo".into(),
        source,
    })?;
    let count = Mutex::new(Count::default());
    thread::scope(|scope| {
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            scope.spawn(|| {
                for line in BufReader::new(stream)
                    .split(b'\n')
                    .map_while(std::result::Result::ok)
                {
                    let line = String::from_utf8_lossy(&line);
                    say(&line);
                    if let Ok(mut count) = count.lock() {
                        *count += counted(&line);
                    }
                }
            });
        }
    });
    let status = child.wait().map_err(|source| Error::Start {
        program: "cargo".into(),
        source,
    })?;
    let mut count = count.into_inner().unwrap_or_default();
    // A test that skips itself passes in the harness's eyes.
    count.passed = count.passed.saturating_sub(count.skipped);
    if !status.success() && count.failed == 0 {
        say(format_args!(
            "FAILED cargo {}: {status}",
            arguments.join(" ")
        ));
        count.failed = 1;
    }
    Ok(count)
}

/// What one line of output adds: a closing line of the harness, or a test's word that it skips itself.
fn counted(line: &str) -> Count {
    if line.contains("SKIPPED") {
        return Count {
            skipped: 1,
            ..Count::default()
        };
    }
    let Some(numbers) = line
        .strip_prefix("test result: ")
        .and_then(|rest| rest.split_once(". "))
    else {
        return Count::default();
    };
    let mut count = Count::default();
    for part in numbers.1.split("; ") {
        match part.split_once(' ') {
            Some((number, "passed")) => count.passed = number.parse().unwrap_or(0),
            Some((number, "failed")) => count.failed = number.parse().unwrap_or(0),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            counted(line),
            Count {
                passed: 12,
                failed: 3,
                skipped: 0
            }
        );
        assert_eq!(counted("test a::b ... ok"), Count::default());
    }

    #[test]
    fn a_skipped_test_is_counted() {
        assert_eq!(counted("SKIPPED boots: this machine lacks root").skipped, 1);
    }

    #[test]
    fn nix_is_counted() {
        let count = |json| nix_count(&json).0;
        assert_eq!(
            count(serde_json::json!([])),
            Count {
                passed: 1,
                failed: 0,
                skipped: 0
            }
        );
        assert_eq!(
            count(serde_json::json!([{ "name": "a" }, { "name": "b" }])).failed,
            2
        );
        assert_eq!(count(serde_json::json!({})).failed, 1);
    }

    #[test]
    fn the_longest_have_the_first_turns() {
        for (place, name) in LONGEST.iter().enumerate() {
            let source = root().join("tests/tests").join(format!("{name}.rs"));
            assert!(source.exists(), "{name}");
            assert_eq!(turn(Path::new(&format!("/x/{name}-0a1b"))), place);
        }
        assert_eq!(turn(Path::new("/x/others-0a1b")), LONGEST.len());
    }
}
