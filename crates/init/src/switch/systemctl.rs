//! systemd, by its own `systemctl`: it waits for the jobs that it asks for, and its output for programs is JSON or `KEY=VALUE`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::diff::LoadedUnit;
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

const PROGRAM: &str = "/usr/bin/systemctl";

/// The units that systemd has in memory, without those that are inactive.
pub(super) fn loaded_units() -> Result<Vec<LoadedUnit>> {
    let output = run(&["list-units", "--output=json"], &BTreeSet::new())?;
    let output = succeeded("list-units", output)?;
    serde_json::from_slice(&output.stdout).map_err(|source| InitError::Document {
        path: format!("{PROGRAM} list-units").into(),
        source,
    })
}

/// The control groups of units that have one.
pub(super) fn control_groups(units: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
    if units.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = run(&["show", "--property=Id", "--property=ControlGroup"], units)?;
    let output = succeeded("show", output)?;
    Ok(groups(&String::from_utf8_lossy(&output.stdout)))
}

/// Asks for a job for each unit and waits for all of them. Says what systemd says of those that fail, and whether there were any.
pub(super) fn job(verb: &str, units: &BTreeSet<String>, log: &Log) -> Result<bool> {
    if units.is_empty() {
        return Ok(true);
    }
    let output = run(&[verb], units)?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        log.error(&format!("systemctl {verb}: {line}"));
    }
    Ok(output.status.success())
}

/// Has systemd read its units anew, or begin anew itself.
pub(super) fn reload(reexecute: bool) -> Result<()> {
    let none = BTreeSet::new();
    if reexecute {
        // The connection ends with the old process.
        let _ = run(&["daemon-reexec"], &none)?;
    }
    let mut attempts = 0;
    loop {
        let output = run(&["daemon-reload"], &none)?;
        attempts += 1;
        if output.status.success() || attempts == 20 {
            return succeeded("daemon-reload", output).map(drop);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Forgets which units failed.
pub(super) fn reset_failed() -> Result<()> {
    succeeded("reset-failed", run(&["reset-failed"], &BTreeSet::new())?).map(drop)
}

/// Has the users' own systemd read their units anew (systemd(1), "SIGNALS").
pub(super) fn reload_users(units: &BTreeSet<String>) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let output = run(&["kill", "--kill-whom=main", "--signal=SIGHUP"], units)?;
    succeeded("kill", output).map(drop)
}

fn run(arguments: &[&str], units: &BTreeSet<String>) -> Result<Output> {
    Command::new(PROGRAM)
        .args(arguments)
        .args(["--no-pager", "--no-ask-password", "--"])
        .args(units)
        .env("LC_ALL", "C")
        .env_remove("SYSTEMD_LOG_LEVEL")
        .stdin(Stdio::null())
        .output()
        .at("run", Path::new(PROGRAM))
}

fn succeeded(verb: &str, output: Output) -> Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    Err(InitError::Program {
        program: format!("{PROGRAM} {verb}"),
        status: format!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        ),
    })
}

/// Blocks of properties, an empty line between them.
fn groups(text: &str) -> BTreeMap<String, String> {
    text.split("\n\n")
        .filter_map(|block| {
            let value = |key: &str| {
                block
                    .lines()
                    .filter_map(|line| line.split_once('='))
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| value.to_owned())
            };
            Some((value("Id")?, value("ControlGroup")?))
        })
        .filter(|(_, group)| !group.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_says_is_understood() {
        let text = "ControlGroup=/system.slice/a\\x2db.service\nId=a\\x2db.service\n\nControlGroup=\nId=b.service\n\nId=c@x=y.service\nControlGroup=/c\n";
        let expected = [
            ("a\\x2db.service", "/system.slice/a\\x2db.service"),
            ("c@x=y.service", "/c"),
        ];
        let expected = expected.map(|(name, group)| (name.to_owned(), group.to_owned()));
        assert_eq!(groups(text), expected.into());
        let units: Vec<LoadedUnit> = serde_json::from_str(
            r#"[{"unit":"a.service","load":"loaded","active":"active","sub":"running","description":"A"}]"#,
        )
        .unwrap();
        assert!(units[0].is_up());
    }
}
