//! `<toplevel>/bootloader.json`, version 1.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config;
use crate::error::Result;

/// Its name in the toplevel.
pub const DOCUMENT: &str = "bootloader.json";

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// systemd-boot, by UEFI.
    SystemdBoot,
    /// GRUB, by BIOS.
    Grub,
    /// Somebody else boots the host.
    None,
}

/// The settings of `boot.loader`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootLoader {
    /// Which one.
    pub kind: Kind,
    /// Seconds that the menu waits; none: for ever.
    pub timeout: Option<u32>,
    /// Generations in the menu; none: all.
    pub configuration_limit: Option<usize>,
    /// Where the EFI system partition is mounted.
    pub efi_sys_mount_point: PathBuf,
    /// Whether the firmware's boot entries may be written.
    #[serde(default)]
    pub can_touch_efi_variables: bool,
    /// Set with [`Kind::SystemdBoot`].
    pub systemd_boot: Option<SystemdBoot>,
    /// Set with [`Kind::Grub`].
    pub grub: Option<Grub>,
}

/// Of systemd-boot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemdBoot {
    /// The EFI program, in the store.
    pub program: PathBuf,
    /// Whether the kernel's arguments can be edited.
    pub editor: bool,
    /// The console's resolution.
    pub console_mode: String,
}

/// Of GRUB.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grub {
    /// The disks whose boot sectors it goes to.
    pub devices: Vec<PathBuf>,
    /// Raw paths of `grub2-common`, `grub-pc-bin` and all that they need.
    pub packages: Vec<PathBuf>,
    /// Lines of `grub.cfg`.
    pub extra_config: String,
}

impl BootLoader {
    /// Reads it.
    ///
    /// # Errors
    /// [`InitError::Io`](crate::InitError::Io), [`InitError::Document`](crate::InitError::Document), [`InitError::Version`](crate::InitError::Version).
    pub fn read(path: &Path) -> Result<Self> {
        config::read(path)
    }
}
