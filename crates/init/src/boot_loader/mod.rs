//! The boot loader of the built-in channel: the boot menu, with an entry for each generation of the system profile.
//!
//! What to install is in `<toplevel>/bootloader.json` (ARCHITECTURE.md), what the entries start is in each generation's `boot.json` (the Boot Specification,
//! `org.nixos.bootspec.v1`), which names its specialisations as well. Kernels and initrds are copied under names made of their content, each file is written beside its place and renamed, entries come
//! after the files that they name, and what no entry names any more is removed last: a machine that is cut off at any point boots.
//!
//! Not supported: GRUB by UEFI, Secure Boot on an installed host, other machines than x86-64.

mod document;
mod files;
mod firmware;
mod generation;
mod grub;
mod systemd_boot;

use std::path::Path;

use crate::error::Result;
use crate::log::Log;

pub use document::{BootLoader, DOCUMENT, Kind};
pub use generation::Generation;

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
