//! `<toplevel>/bin/switch-to-configuration` of the built-in channel: `switch`, `test`, `boot` and `dry-activate`, as NixOS's does them.
//!
//! `switch` makes the system the one that is booted and the one that runs; `boot` and `test` do half of that each; `dry-activate` says what `test` would do.
//! What is decided ([`diff`]) is kept apart from what is done (`act`). It ends what it began also when the terminal or the connection that it was started
//! from is lost. Not supported: specialisations, `nixos-activation` of users, machines of `systemd-nspawn`.

mod act;
pub mod compare;
pub mod diff;
pub mod mounts;
mod processes;
pub mod system_units;
mod systemctl;
pub mod unit_file;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::io::Errno;

use self::diff::Changes;
use self::system_units::SystemUnits;
use crate::boot_loader;
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;
use crate::mount::create_folder;
use crate::stage2;

/// The system that runs.
const CURRENT: &str = "/run/current-system";
const BOOTED: &str = "/run/booted-system";
const STATE: &str = "/run/flk";
/// Set in the environment of the process that has left its terminal.
const DETACHED: &str = "FLK_SWITCH_DETACHED";

/// How a switch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// So many steps of the activation failed and were said; units are as they should be.
    Incomplete(usize),
    /// Units failed, and were said.
    UnitsFailed,
}

impl Outcome {
    /// As NixOS has it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Incomplete(_) => 2,
            Self::UnitsFailed => 4,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Switch,
    Test,
    Boot,
    DryActivate,
}

impl Action {
    fn parse(text: Option<&str>) -> Result<Self> {
        Ok(match text {
            Some("switch") => Self::Switch,
            Some("test") => Self::Test,
            Some("boot") => Self::Boot,
            Some("dry-activate") => Self::DryActivate,
            other => {
                return Err(InitError::Action {
                    action: other.unwrap_or_default().to_owned(),
                });
            }
        })
    }
}

/// Runs `switch-to-configuration` with these arguments, and says what there is to say. `program` is how it was called: `<toplevel>/bin/switch-to-configuration`.
pub fn main(program: &Path, arguments: &[OsString], log: &Log) -> ExitCode {
    let action = arguments.first().and_then(|action| action.to_str());
    let code = Action::parse(action).and_then(|action| match action {
        Action::Switch | Action::Test => match leave_terminal(program, arguments)? {
            Some(code) => Ok(code),
            None => run(program, action, log).map(Outcome::exit_code),
        },
        _ => run(program, action, log).map(Outcome::exit_code),
    });
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log.failure(&error);
            // NixOS's for a system that a running one cannot turn into.
            ExitCode::from(if matches!(error, InitError::OtherChannel { .. }) {
                100
            } else {
                1
            })
        }
    }
}

fn run(program: &Path, action: Action, log: &Log) -> Result<Outcome> {
    let toplevel = toplevel(program)?;
    // Another's activation under way would be undone half.
    let _lock = match action {
        Action::Boot | Action::DryActivate => None,
        _ => Some(lock()?),
    };
    if matches!(action, Action::Switch | Action::Boot) {
        boot_loader::install(Path::new("/"), &toplevel, log)?;
    }
    if action == Action::Boot {
        return Ok(Outcome::Done);
    }
    if !Path::new("/run/systemd/system").exists()
        || !Path::new(CURRENT).join(stage2::DOCUMENT).exists()
    {
        return Err(InitError::OtherChannel {
            path: CURRENT.into(),
        });
    }
    let old = SystemUnits::of(&fs::canonicalize(CURRENT).at("find the system", CURRENT)?);
    let new = SystemUnits::of(&toplevel);
    let loaded = systemctl::loaded_units()?;
    let services: BTreeSet<String> = loaded
        .iter()
        .filter(|unit| {
            unit.is_up() && unit.name.ends_with(".service") && !diff::is_held(&unit.name)
        })
        .map(|unit| unit.name.clone())
        .collect();
    let groups = systemctl::control_groups(&services)?;
    let outdated = processes::outdated(&old, &new, &groups);
    let changes = diff::diff(&old, &new, &loaded, &outdated);
    let reexecute = is_new_systemd(&old, &new);
    say_what_waits(&toplevel, log);
    if action == Action::DryActivate {
        foretell(&changes, reexecute, log);
        return Ok(Outcome::Done);
    }
    act::act(&toplevel, &new, &loaded, changes, reexecute, log)
}

fn toplevel(program: &Path) -> Result<PathBuf> {
    let found = program
        .parent()
        .and_then(Path::parent)
        .filter(|toplevel| toplevel.join(boot_loader::DOCUMENT).exists())
        .ok_or_else(|| InitError::Missing {
            what: "the system's boot loader settings",
            path: program.with_file_name("../bootloader.json"),
            hint: "call it as /nix/var/nix/profiles/system/bin/switch-to-configuration",
        })?;
    fs::canonicalize(found).at("find the system", found)
}

/// One at a time. The lock goes with the process.
fn lock() -> Result<File> {
    create_folder(Path::new(STATE), 0o755)?;
    let path = Path::new(STATE).join("switch.lock");
    let file = File::create(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(InitError::Busy { path }),
        Err(TryLockError::Error(error)) => Err(error).at("lock", &path),
    }
}

/// Makes the process one that no terminal's end reaches. One that leads a group cannot: another does the work then, and its exit code is given.
fn leave_terminal(program: &Path, arguments: &[OsString]) -> Result<Option<u8>> {
    match rustix::process::setsid() {
        Ok(_) => return Ok(None),
        Err(Errno::PERM) if std::env::var_os(DETACHED).is_none() => {}
        Err(_) => return Ok(None),
    }
    let own = Path::new("/proc/self/exe");
    let status = Command::new(own)
        .arg0(program)
        .args(arguments)
        .env(DETACHED, "1")
        .status()
        .at("execute", own)?;
    Ok(Some(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}

/// Whether systemd itself, or its own settings, are others.
fn is_new_systemd(old: &SystemUnits, new: &SystemUnits) -> bool {
    const PROGRAM: &str = "/usr/lib/systemd/systemd";
    const SETTINGS: [&str; 2] = [
        "/etc/systemd/system.conf",
        "/etc/systemd/system.conf.d/flk.conf",
    ];
    let running = fs::read_link("/proc/1/exe").ok();
    running != new.locate(PROGRAM)
        || SETTINGS
            .iter()
            .any(|file| old.locate(file) != new.locate(file))
}

/// A kernel is exchanged by a restart alone.
fn say_what_waits(toplevel: &Path, log: &Log) {
    let waits: Vec<&str> = ["kernel", "initrd", "kernel-modules"]
        .into_iter()
        .filter(|part| {
            let place = |top: &Path| fs::canonicalize(top.join(part)).ok();
            place(Path::new(BOOTED)).is_some_and(|booted| Some(booted) != place(toplevel))
        })
        .collect();
    if !waits.is_empty() {
        log.info(&format!(
            "with the next start of the machine: another {}",
            waits.join(", ")
        ));
    }
}

fn foretell(changes: &Changes, reexecute: bool, log: &Log) {
    act::say("would stop", &changes.stop, log);
    act::say("would give up the swap on", &changes.swap_off, log);
    act::say("would NOT restart, though changed,", &changes.skip, log);
    log.info("would activate the system");
    if reexecute {
        log.info("would have systemd begin anew");
    }
    act::say("would reload", &changes.reload, log);
    act::say("would restart", &changes.restart, log);
    act::say("would start", &changes.start, log);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_nixos_names() {
        assert_eq!(
            Action::parse(Some("dry-activate")).unwrap(),
            Action::DryActivate
        );
        for wrong in [None, Some(""), Some("Switch"), Some("check")] {
            assert!(Action::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Outcome::UnitsFailed.exit_code(), 4);
    }

    #[test]
    fn a_program_outside_of_a_system_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/switch-to-configuration");
        assert!(matches!(toplevel(&program), Err(InitError::Missing { .. })));
        fs::write(folder.path().join(boot_loader::DOCUMENT), "{}").unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        assert_eq!(
            toplevel(&program).unwrap(),
            fs::canonicalize(folder.path()).unwrap()
        );
    }
}
