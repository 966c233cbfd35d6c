//! The system that this machine runs: whether another one can take its place, and that it does.

use std::{fs, path::Path};

use flk_install::{Action, Generation, Profile};

use crate::{
    error::{Context, Failure, Result},
    interruption,
    session::Session,
    ui,
};

/// Links to the toplevels that are active, and were booted.
pub(crate) const CURRENT: &str = "/run/current-system";
pub(crate) const BOOTED: &str = "/run/booted-system";
/// Where a live machine has its medium's store, on any channel.
const MEDIUM_STORE: &str = "/nix/.ro-store";
/// What `statfs` calls a tmpfs.
const TMPFS: i64 = 0x0102_1994;

/// Switching to another system goes on without its terminal, which it may well take away.
pub(crate) const SESSION: Session = Session {
    name: "switch",
    noun: "switch of this machine's system",
    how_to_see: "`flk switch --attach` shows it",
};

/// Refuses where no other system can be activated: on a live machine, on another distribution.
pub(crate) fn check() -> Result<()> {
    let root = rustix::fs::statfs("/").context(|| "cannot look at /".to_owned())?;
    // The types of its fields differ between platforms.
    #[allow(clippy::useless_conversion)]
    let is_tmpfs = i64::from(root.f_type) == TMPFS;
    if is_tmpfs && Path::new(MEDIUM_STORE).exists() {
        return Err(Failure::new(
            "this is a live machine: what is activated here is gone with the next boot",
        )
        .hint(
            "`flk install HOST` installs a host onto its disk; switch on the installed machine",
        ));
    }
    if !Path::new(CURRENT).exists() {
        return Err(Failure::new(format!(
            "this machine does not run a host of flk or NixOS: there is no {CURRENT}"
        ))
        .hint("`flk iso HOST` makes a medium from which a host is installed"));
    }
    Ok(())
}

/// The system profile of this machine.
pub(crate) fn profile() -> Profile {
    Profile::in_root(Path::new("/"))
}

/// Whether a link leads to that toplevel.
pub(crate) fn leads_to(link: &str, toplevel: &Path) -> bool {
    fs::read_link(link).is_ok_and(|to| to == toplevel)
}

/// Runs a toplevel's `switch-to-configuration`, and shows what it says.
pub(crate) fn activate(toplevel: &Path, action: Action) -> Result<()> {
    ui::note(format_args!("{action}: {}", toplevel.display()));
    let status = interruption::not_during("the activation is not cut off halfway", || {
        flk_install::activate(toplevel, action, &mut |line| ui::note(line))
    })?;
    if status.success() {
        return Ok(());
    }
    let said = match status.code() {
        // The same on either channel.
        Some(2) => "some steps of the activation failed: they are named above".to_owned(),
        Some(4) => "some units failed: they are named above".to_owned(),
        _ => format!("switch-to-configuration {action} failed ({status}): it says above why"),
    };
    Err(Failure::new(said))
}

/// A generation for people: `generation 3 (Debian by flk …)`.
pub(crate) fn described(generation: &Generation) -> String {
    let number = generation.number;
    match generation.label.as_str() {
        "" => format!("generation {number}"),
        label => format!("generation {number} ({label})"),
    }
}
