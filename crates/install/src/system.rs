//! What a toplevel says of the host: its file systems, its boot loader, where its state lies.
//!
//! `etc/fstab` is there on any channel; `bootloader.json` and `stage2.json` (ARCHITECTURE.md) on the built-in one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fstab::{self, Entry};
use crate::{Error, Result};

/// The version of `bootloader.json` that this crate reads.
const VERSION: u32 = 1;

/// Which boot loader the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderKind {
    /// systemd-boot, by UEFI.
    SystemdBoot,
    /// GRUB, by BIOS.
    Grub,
    /// None: somebody else boots the host.
    None,
    /// The toplevel does not say; its `switch-to-configuration` knows.
    #[serde(skip_deserializing)]
    Unknown,
}

impl std::fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LoaderKind::SystemdBoot => "systemd-boot (UEFI)",
            LoaderKind::Grub => "GRUB (BIOS)",
            LoaderKind::None => "none",
            LoaderKind::Unknown => "the system's own",
        })
    }
}

/// The part of `bootloader.json` that a plan needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BootLoader {
    version: u32,
    kind: LoaderKind,
    efi_sys_mount_point: PathBuf,
    grub: Option<Grub>,
}

#[derive(Deserialize)]
struct Grub {
    devices: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage2 {
    state_directory: PathBuf,
}

#[derive(Deserialize)]
struct BootDocument {
    #[serde(rename = "org.nixos.bootspec.v1")]
    spec: BootSpec,
}

#[derive(Deserialize)]
struct BootSpec {
    label: String,
    kernel: PathBuf,
    initrd: Option<PathBuf>,
}

/// A host's system, as far as its installation depends on it.
#[derive(Clone, Debug)]
pub struct System {
    /// Its store path.
    pub toplevel: String,
    /// Its name for people.
    pub label: String,
    /// Its boot loader.
    pub loader: LoaderKind,
    /// Where the EFI system partition is mounted, on a host that boots by UEFI.
    pub esp: Option<PathBuf>,
    /// The disks whose boot sectors GRUB goes to, on the built-in channel.
    pub(crate) grub_devices: Vec<PathBuf>,
    /// Kernel and initrd, store paths or below them, as far as they are known.
    pub(crate) boot_files: Vec<PathBuf>,
    /// What it mounts.
    pub(crate) file_systems: Vec<Entry>,
    /// Where files that go to `/etc` by hand lie: `/etc` itself, or the overlay's upper layer on the built-in channel.
    pub(crate) etc: PathBuf,
    /// The built-in channel's; else NixOS.
    pub(crate) is_built_in: bool,
}

impl System {
    /// Whether it is of the built-in channel.
    pub fn is_built_in(&self) -> bool {
        self.is_built_in
    }

    /// Reads a toplevel in the store of this machine.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Document`].
    pub fn read(toplevel: &str) -> Result<System> {
        let folder = Path::new(toplevel);
        let fstab = folder.join("etc/fstab");
        let text = fs::read_to_string(&fstab).map_err(Error::io("read", &fstab))?;
        let file_systems = fstab::parse(&text);
        let stage2: Option<Stage2> = document(&folder.join("stage2.json"))?;
        let boot: Option<BootDocument> = document(&folder.join("boot.json"))?;
        let path = folder.join("bootloader.json");
        let (loader, esp, grub) = match document::<BootLoader>(&path)? {
            Some(loader) if loader.version != VERSION => {
                return Err(Error::Document {
                    path,
                    reason: format!(
                        "its version is {}, this flk knows {VERSION}",
                        loader.version
                    ),
                });
            }
            Some(loader) => (
                loader.kind,
                (loader.kind == LoaderKind::SystemdBoot).then_some(loader.efi_sys_mount_point),
                loader.grub,
            ),
            // NixOS: a FAT file system at one of the usual places is the EFI system partition.
            None => (LoaderKind::Unknown, fat_boot(&file_systems), None),
        };
        let is_built_in = stage2.is_some();
        let etc = stage2.map_or_else(
            || PathBuf::from("/etc"),
            |stage2| stage2.state_directory.join("etc/upper"),
        );
        let (label, boot_files) = match boot {
            Some(boot) => (
                boot.spec.label,
                [Some(boot.spec.kernel), boot.spec.initrd]
                    .into_iter()
                    .flatten()
                    .collect(),
            ),
            None => (String::new(), Vec::new()),
        };
        Ok(System {
            toplevel: toplevel.to_owned(),
            label,
            loader,
            esp,
            grub_devices: grub.map_or_else(Vec::new, |grub| grub.devices),
            boot_files,
            file_systems,
            etc,
            is_built_in,
        })
    }
}

fn fat_boot(file_systems: &[Entry]) -> Option<PathBuf> {
    file_systems
        .iter()
        .find(|entry| {
            entry.fs_type == "vfat"
                && ["/boot", "/efi", "/boot/efi"].contains(&entry.mount_point.as_str())
        })
        .map(|entry| PathBuf::from(&entry.mount_point))
}

/// A JSON document, if it is there.
fn document<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("read", path))?,
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Error::Document {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toplevel(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    const FSTAB: &str = "/dev/disk/by-label/nixos / ext4 defaults 0 1\n/dev/disk/by-label/boot /boot vfat defaults 0 2\n";

    #[test]
    fn the_built_in_channels_own_documents_are_read() {
        let dir = toplevel(&[
            ("etc/fstab", FSTAB),
            (
                "stage2.json",
                r#"{"version":1,"stateDirectory":"/var/lib/flk"}"#,
            ),
            (
                "bootloader.json",
                r#"{"version":1,"kind":"systemd-boot","efiSysMountPoint":"/efi","timeout":5}"#,
            ),
            (
                "boot.json",
                r#"{"org.nixos.bootspec.v1":{"label":"flk","kernel":"/nix/store/k/vmlinuz","initrd":"/nix/store/i"}}"#,
            ),
        ]);
        let system = System::read(dir.path().to_str().unwrap()).unwrap();
        assert_eq!(system.loader, LoaderKind::SystemdBoot);
        assert_eq!(system.esp.as_deref(), Some(Path::new("/efi")));
        assert_eq!(system.etc, Path::new("/var/lib/flk/etc/upper"));
        assert_eq!(system.boot_files.len(), 2);
        assert!(system.is_built_in);
    }

    #[test]
    fn nixos_has_only_its_fstab() {
        let dir = toplevel(&[("etc/fstab", FSTAB)]);
        let system = System::read(dir.path().to_str().unwrap()).unwrap();
        assert_eq!(system.loader, LoaderKind::Unknown);
        assert_eq!(system.esp.as_deref(), Some(Path::new("/boot")));
        assert_eq!(system.etc, Path::new("/etc"));
        assert!(!system.is_built_in);
    }

    #[test]
    fn another_version_is_refused() {
        let dir = toplevel(&[
            ("etc/fstab", FSTAB),
            (
                "bootloader.json",
                r#"{"version":2,"kind":"grub","efiSysMountPoint":"/boot"}"#,
            ),
        ]);
        let error = System::read(dir.path().to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("version is 2"), "{error}");
    }
}
