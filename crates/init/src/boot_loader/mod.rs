//! `<toplevel>/bin/switch-to-configuration boot` of the built-in channel: the boot menu, with an entry for each generation of the system profile.
//!
//! What to install is in `<toplevel>/bootloader.json` (ARCHITECTURE.md), what the entries start is in each generation's `boot.json` (the Boot Specification,
//! `org.nixos.bootspec.v1`). Kernels and initrds are copied under names made of their content, each file is written beside its place and renamed, entries come
//! after the files that they name, and what no entry names any more is removed last: a machine that is cut off at any point boots.
//!
//! Not supported: GRUB by UEFI, Secure Boot on an installed host, specialisations, other machines than x86-64.

mod document;
mod files;
mod firmware;
mod generation;
mod grub;
mod systemd_boot;

use std::path::Path;

use crate::error::{InitError, Result};
use crate::log::Log;

pub use document::{BootLoader, DOCUMENT, Kind};
pub use generation::Generation;

/// Runs `switch-to-configuration` with these arguments. `program` is how it was called: `<toplevel>/bin/switch-to-configuration`.
///
/// # Errors
/// [`InitError::Switch`] for another action than `boot`; those of [`install`].
pub fn switch(program: &Path, action: Option<&str>, log: &Log) -> Result<usize> {
    if action != Some("boot") {
        return Err(InitError::Switch {
            action: action.unwrap_or_default().to_owned(),
        });
    }
    let toplevel = program
        .parent()
        .and_then(Path::parent)
        .filter(|toplevel| toplevel.join(DOCUMENT).exists())
        .ok_or_else(|| InitError::Missing {
            what: "the system's boot loader settings",
            path: program.with_file_name("../bootloader.json"),
            hint: "call it as /nix/var/nix/profiles/system/bin/switch-to-configuration",
        })?;
    install(Path::new("/"), toplevel, log)?;
    Ok(0)
}

/// Installs the boot loader of a toplevel. `root` is where the host's `/` is.
///
/// # Errors
/// A file that cannot be written, a boot partition that is none, `grub-install`'s own failure. The old menu is then in place.
pub fn install(root: &Path, toplevel: &Path, log: &Log) -> Result<()> {
    let settings = BootLoader::read(&toplevel.join(DOCUMENT))?;
    if settings.kind == Kind::None {
        log.info("no boot loader is to be installed");
        return Ok(());
    }
    let mut generations = generation::all(root)?;
    if let Some(limit) = settings.configuration_limit {
        generation::limit(&mut generations, limit);
    }
    match settings.kind {
        Kind::SystemdBoot => systemd_boot::install(root, &settings, &generations, log),
        Kind::Grub => grub::install(root, &settings, &generations, log),
        Kind::None => Ok(()),
    }
}
