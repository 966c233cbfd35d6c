//! Step 3, users and groups: the configuration's, then the packages' own, then those of the configuration's that had to wait for a package's group.

use std::path::Path;
use std::process::{Command, Stdio};

use super::PATH;
use crate::accounts::{Database, Ids, Lock, Stage, merge};
use crate::config::Stage2;
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

const SYSUSERS: &str = "/usr/bin/systemd-sysusers";

/// Brings the files up to date. Gives what a person should know.
pub(super) fn update(configuration: &Stage2, etc: &Path, log: &Log) -> Result<Vec<String>> {
    merge_once(configuration, etc, Stage::BeforePackages)?;
    if let Err(error) = run_sysusers(log) {
        log.failure(&error);
    }
    merge_once(configuration, etc, Stage::AfterPackages)
}

fn merge_once(configuration: &Stage2, etc: &Path, stage: Stage) -> Result<Vec<String>> {
    let remembered = configuration.state_directory.join("ids.json");
    let _lock = Lock::take(etc)?;
    let merged = merge(
        configuration,
        Database::read(etc)?,
        Ids::read(&remembered)?,
        stage,
    );
    // What is remembered is written first: a number that nobody uses does no harm, a number given twice does.
    merged.ids.write(&remembered)?;
    merged.database.write(etc)?;
    Ok(merged.warnings)
}

fn run_sysusers(log: &Log) -> Result<()> {
    if !Path::new(SYSUSERS).exists() {
        log.info("this system has no systemd-sysusers");
        return Ok(());
    }
    let mut command = Command::new(SYSUSERS);
    let output = command
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .at("execute", SYSUSERS)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let made = said
            .lines()
            .filter(|line| line.starts_with("Creating"))
            .count();
        log.info(&format!("systemd-sysusers made {made} users and groups"));
        return Ok(());
    }
    said.lines()
        .for_each(|line| log.error(&format!("systemd-sysusers: {line}")));
    Err(InitError::Program {
        program: SYSUSERS.to_owned(),
        status: output.status.to_string(),
    })
}
