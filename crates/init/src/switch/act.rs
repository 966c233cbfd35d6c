//! A switch, carried out: what the changes say, around the activation.
//!
//! What is still to be done is kept in [`PENDING`], so that a switch that was cut off is completed by the next one.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Outcome;
use super::diff::{self, Changes, LoadedUnit};
use super::system_units::SystemUnits;
use super::systemctl;
use crate::atomic_file::{self, Ownership};
use crate::error::{IoContext, Result};
use crate::log::Log;
use crate::stage2;

const PENDING: &str = "/run/flk/switch.json";
/// Where activation scripts ask for more, under NixOS's names.
const WISHES: [(&str, Wish); 2] = [
    ("/run/nixos/activation-restart-list", Wish::Restart),
    ("/run/nixos/activation-reload-list", Wish::Reload),
];
const TMPFILES: &str = "/usr/bin/systemd-tmpfiles";
const SWAPOFF: &str = "/usr/sbin/swapoff";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Restart,
    Reload,
}

/// Switches a running system. `loaded` is what runs before.
///
/// # Errors
/// systemd does not answer, or `/usr` or `/etc` cannot be replaced. What could not be done is done by the next switch.
pub(super) fn act(
    toplevel: &Path,
    new: &SystemUnits,
    loaded: &[LoadedUnit],
    mut changes: Changes,
    reexecute: bool,
    log: &Log,
) -> Result<Outcome> {
    take_over(new, &mut changes)?;
    keep(&changes)?;
    say("stopping", &changes.stop, log);
    let mut succeeded = systemctl::job("stop", &changes.stop, log)?;
    for device in &changes.swap_off {
        log.info(&format!("giving up the swap on {device}"));
        succeeded &= run(Command::new(SWAPOFF).arg(device), log);
    }
    say("NOT restarting, though changed,", &changes.skip, log);

    log.info(&format!("activating {}", toplevel.display()));
    let problems = stage2::activate(toplevel, log)?;
    obey(new, loaded, &mut changes, log)?;
    keep(&changes)?;

    if reexecute {
        log.info("systemd begins anew");
    }
    systemctl::reload(reexecute)?;
    systemctl::reset_failed()?;
    let users = loaded.iter().filter(|unit| unit.is_up());
    let users = users.map(|unit| unit.name.clone());
    let users: BTreeSet<String> = users.filter(|name| name.starts_with("user@")).collect();
    if let Err(error) = systemctl::reload_users(&users) {
        log.failure(&error);
    }
    // Codes 65 and 73 are about single lines, which its own service takes for success as well.
    let mut tmpfiles = Command::new(TMPFILES);
    tmpfiles.args(["--create", "--remove", "--exclude-prefix=/dev"]);
    run(&mut tmpfiles, log);

    start_what_stopped(&mut changes)?;
    say("reloading", &changes.reload, log);
    succeeded &= systemctl::job("reload", &changes.reload, log)?;
    say("restarting", &changes.restart, log);
    succeeded &= systemctl::job("restart", &changes.restart, log)?;
    say("starting", &changes.start, log);
    let start = &changes.start | &changes.targets;
    succeeded &= systemctl::job("start", &start, log)?;
    forget()?;

    // What fails right after its start is seen as well.
    std::thread::sleep(Duration::from_millis(500));
    let now = systemctl::loaded_units()?;
    report(loaded, &now, log);
    let failed: Vec<&str> = failed(&now).collect();
    if !failed.is_empty() {
        log.error(&format!(
            "warning: these units failed: {}",
            failed.join(", ")
        ));
        log.notice(&format!(
            "hint: systemctl status --full {}",
            failed.join(" ")
        ));
    }
    Ok(if !succeeded || !failed.is_empty() {
        Outcome::UnitsFailed
    } else if problems > 0 {
        Outcome::Incomplete(problems)
    } else {
        Outcome::Done
    })
}

/// What a switch that was cut off left to do.
fn take_over(new: &SystemUnits, changes: &mut Changes) -> Result<()> {
    let text = match fs::read(PENDING) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.at("read", PENDING)?,
    };
    // One that was cut off while it wrote is as good as none.
    if let Ok(left) = serde_json::from_slice::<Changes>(&text) {
        // It may have been on its way to another system than this one.
        let is_there = |name: &String| {
            [".mount", ".swap"].iter().any(|kind| name.ends_with(kind)) || new.find(name).is_some()
        };
        let there = |units: BTreeSet<String>| units.into_iter().filter(is_there);
        changes.start.extend(there(left.start));
        changes.restart.extend(there(left.restart));
        changes.reload.extend(there(left.reload));
        changes.reload = &changes.reload - &changes.restart;
    }
    Ok(())
}

fn keep(changes: &Changes) -> Result<()> {
    let text = serde_json::to_vec(changes).map_err(std::io::Error::from);
    let text = text.at("write", PENDING)?;
    atomic_file::write(Path::new(PENDING), &text, Ownership::root(0o600)).map(drop)
}

fn forget() -> Result<()> {
    fs::remove_file(PENDING).at("remove", PENDING)
}

/// Units that the activation script wants restarted or reloaded.
fn obey(new: &SystemUnits, loaded: &[LoadedUnit], changes: &mut Changes, log: &Log) -> Result<()> {
    for (path, wish) in WISHES {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.at("read", path)?,
        };
        let units: BTreeSet<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        if wish == Wish::Restart {
            diff::asked_for(new, loaded, &units, changes);
        } else {
            let is_up =
                |name: &String| loaded.iter().any(|unit| unit.name == *name && unit.is_up());
            let units: BTreeSet<String> = units.into_iter().filter(is_up).collect();
            changes
                .reload
                .extend(&(&units - &changes.restart) - &changes.stop);
        }
        log.info(&format!(
            "the activation asked for {}",
            text.trim().replace('\n', ", ")
        ));
        fs::remove_file(path).at("remove", path)?;
    }
    Ok(())
}

/// A unit that went down with another cannot be reloaded.
fn start_what_stopped(changes: &mut Changes) -> Result<()> {
    if changes.reload.is_empty() {
        return Ok(());
    }
    let now = systemctl::loaded_units()?;
    let is_up = |name: &&String| now.iter().any(|unit| unit.name == **name && unit.is_up());
    let up: BTreeSet<String> = changes.reload.iter().filter(is_up).cloned().collect();
    changes.start.extend(&changes.reload - &up);
    changes.reload = up;
    Ok(())
}

/// Failed, or failing over and over.
fn failed(units: &[LoadedUnit]) -> impl Iterator<Item = &str> {
    units
        .iter()
        .filter(|unit| unit.active == "failed" || unit.sub == "auto-restart")
        .map(|unit| unit.name.as_str())
}

fn report(before: &[LoadedUnit], now: &[LoadedUnit], log: &Log) {
    let was_up: BTreeSet<&str> = before
        .iter()
        .filter(|unit| unit.is_up())
        .map(|unit| unit.name.as_str())
        .collect();
    let is_news = |unit: &&LoadedUnit| {
        unit.active == "active"
            && !was_up.contains(unit.name.as_str())
            && ![".scope", ".device", ".slice"]
                .iter()
                .any(|kind| unit.name.ends_with(kind))
    };
    let news: BTreeSet<String> = now
        .iter()
        .filter(is_news)
        .map(|unit| unit.name.clone())
        .collect();
    say("new:", &news, log);
}

/// Says it, where there is something to say.
pub(super) fn say(what: &str, units: &BTreeSet<String>, log: &Log) {
    if !units.is_empty() {
        let names: Vec<&str> = units.iter().map(String::as_str).collect();
        log.info(&format!("{what} {}", names.join(", ")));
    }
}

/// Runs a program that the rest does not depend on.
fn run(command: &mut Command, log: &Log) -> bool {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) if matches!(output.status.code(), Some(0 | 65 | 73)) => true,
        Ok(output) => {
            log.error(&format!(
                "{name}: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            ));
            false
        }
        Err(error) => {
            log.error(&format!("{name}: {error}"));
            false
        }
    }
}
