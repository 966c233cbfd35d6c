//! Tests: logs of `nix-store --log-format internal-json --realise` as Nix 2.8, 2.26 and 2.34 wrote them (`tests/logs`), read alike.

use crate::{BuildFailure, EvaluationFailure, Event, log::LogReader, realise::build_failure};

macro_rules! logs {
    ($name:literal) => {
        [
            (
                "2.8",
                include_str!(concat!("../tests/logs/2.8/", $name, ".log")),
            ),
            (
                "2.26",
                include_str!(concat!("../tests/logs/2.26/", $name, ".log")),
            ),
            (
                "2.34",
                include_str!(concat!("../tests/logs/2.34/", $name, ".log")),
            ),
        ]
    };
}

fn read(log: &str) -> (LogReader, Vec<Event>) {
    let mut reader = LogReader::default();
    let events = log.lines().flat_map(|line| reader.line(line)).collect();
    (reader, events)
}

fn failure(log: &str) -> BuildFailure {
    build_failure(&read(log).0, log)
}

/// `/nix/store/<hash>-name` → `name`.
fn name(path: &str) -> &str {
    path.split_once('-').map_or(path, |(_, name)| name)
}

#[test]
fn builds_are_told_with_their_number_and_words() {
    for (version, log) in logs!("build") {
        let (_, events) = read(log);
        let building: Vec<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Building {
                    derivation,
                    machine: None,
                } => Some(name(derivation)),
                _ => None,
            })
            .collect();
        assert_eq!(building, ["inner.drv", "outer.drv"], "{version}");
        let lines: Vec<(&str, &str)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Log { derivation, line } => Some((name(derivation), line.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(
            lines,
            [("inner.drv", "made"), ("outer.drv", "outer")],
            "{version}"
        );
        let last = events.iter().rev().find_map(|event| match event {
            Event::Builds { done, expected } => Some((*done, *expected)),
            _ => None,
        });
        // Nix 2.34 counts one of them twice among those that it expects.
        let expected = if version == "2.34" { 3 } else { 2 };
        assert_eq!(last, Some((2, expected)), "{version}");
        let is_quiet = !events
            .iter()
            .any(|event| matches!(event, Event::Warning(_)));
        assert!(is_quiet, "{version}: {events:?}");
    }
}

#[test]
fn failures_are_told_with_their_last_words() {
    for (version, log) in logs!("failure") {
        let failure = failure(log);
        let derivation = failure.derivation.as_deref().unwrap_or_default();
        assert_eq!(name(derivation), "failing.drv", "{version}");
        assert_eq!(
            failure.reason, "its builder failed with exit code 3",
            "{version}"
        );
        assert_eq!(
            failure.log,
            ["one", "two", "cannot find the thing"],
            "{version}"
        );
        let command = failure.log_command().unwrap_or_default();
        assert!(
            command.ends_with(&format!(" log {derivation}")),
            "{version}"
        );
    }
}

#[test]
fn what_no_machine_has_is_told() {
    for (version, log) in logs!("foreign") {
        let failure = failure(log);
        let lacking = failure.lacks().unwrap();
        assert_eq!(lacking.system, Some("aarch64-linux"), "{version}");
        assert_eq!(lacking.features, [""; 0], "{version}");
    }
    for (version, log) in logs!("features") {
        let failure = failure(log);
        assert_eq!(failure.lacks().unwrap().features, ["there"], "{version}");
        assert!(failure.unreachable.is_empty(), "{version}");
    }
    for (version, log) in logs!("unreachable") {
        let failure = failure(log);
        assert_eq!(
            failure.unreachable,
            ["ssh-ng://nobody"],
            "{version}: {failure}"
        );
        assert!(failure.lacks().is_some(), "{version}: {failure}");
    }
}

#[test]
fn downloads_are_told_with_their_size() {
    for (logs, scheme) in [
        (logs!("fetch-http"), "http://127.0.0.1"),
        (logs!("fetch-folder"), "file://"),
    ] {
        for (version, log) in logs {
            let (_, events) = read(log);
            let fetching = events.iter().find_map(|event| match event {
                Event::Fetching { path, from } => Some((name(path), from.starts_with(scheme))),
                _ => None,
            });
            assert_eq!(fetching, Some(("outer", true)), "{version} {scheme}");
            let last = events.iter().rev().find_map(|event| match event {
                Event::Download { done, expected } => Some((*done, *expected)),
                _ => None,
            });
            let (done, expected) = last.unwrap_or_default();
            // 300 KiB that cannot be compressed.
            assert!(
                done > 300_000 && done <= expected,
                "{version} {scheme}: {last:?}"
            );
        }
    }
}

#[test]
fn other_contents_than_promised_are_told() {
    for (version, log) in logs!("hash") {
        let failure = failure(log);
        let derivation = failure.derivation.as_deref().unwrap_or_default();
        assert_eq!(name(derivation), "fixed.drv", "{version}");
        for said in ["hash mismatch", "specified:", "got:"] {
            assert!(
                failure.reason.contains(said),
                "{version}: {}",
                failure.reason
            );
        }
    }
}

#[test]
fn errors_of_evaluation_are_told_with_their_place() {
    for (version, log) in logs!("evaluation") {
        let failure = EvaluationFailure::parse(&read(log).0.error_text());
        assert_eq!(failure.message, "attribute 'nothing' missing", "{version}");
        let line = failure.position.map(|position| position.line);
        assert_eq!(line, Some(26), "{version}: {}", failure.full);
    }
}
