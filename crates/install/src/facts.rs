//! What the evaluation says of a host before anything of it is built: `nix/facts.nix`, version 1 (ARCHITECTURE.md).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fstab::Entry;
use crate::system::LoaderKind;
use crate::{Error, Result, System};

/// The version of the facts that this crate reads.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    version: u32,
    label: String,
    state_directory: Option<PathBuf>,
    file_systems: Vec<FileSystem>,
    swap_devices: Vec<Swap>,
    boot_loader: BootLoader,
    boot_files: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileSystem {
    device: Option<String>,
    mount_point: String,
    fs_type: String,
    options: Vec<String>,
}

#[derive(Deserialize)]
struct Swap {
    device: String,
    options: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BootLoader {
    kind: Kind,
    efi_sys_mount_point: Option<PathBuf>,
    devices: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    SystemdBoot,
    Grub,
    None,
    Unknown,
}

impl System {
    /// A system that is not built yet, by what its evaluation says.
    ///
    /// # Errors
    /// [`Error::Facts`].
    pub fn from_facts(toplevel: &str, facts: &serde_json::Value) -> Result<System> {
        let wrong = |reason: String| Error::Facts { reason };
        let facts = Facts::deserialize(facts).map_err(|error| wrong(error.to_string()))?;
        if facts.version != VERSION {
            return Err(wrong(format!(
                "their version is {}, this flk knows {VERSION}",
                facts.version
            )));
        }
        let entry = |device: &str, mount_point: &str, fs_type: &str, options: &[String]| {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            Entry::new(device, mount_point, fs_type, &options)
        };
        let mounted = facts.file_systems.iter().filter_map(|fs| {
            let device = fs.device.as_deref()?;
            entry(device, &fs.mount_point, &fs.fs_type, &fs.options)
        });
        let swaps = facts
            .swap_devices
            .iter()
            .filter_map(|swap| entry(&swap.device, "none", "swap", &swap.options));
        Ok(System {
            toplevel: toplevel.to_owned(),
            label: facts.label,
            loader: match facts.boot_loader.kind {
                Kind::SystemdBoot => LoaderKind::SystemdBoot,
                Kind::Grub => LoaderKind::Grub,
                Kind::None => LoaderKind::None,
                Kind::Unknown => LoaderKind::Unknown,
            },
            esp: facts.boot_loader.efi_sys_mount_point,
            grub_devices: facts.boot_loader.devices,
            boot_files: facts.boot_files,
            file_systems: mounted.chain(swaps).collect(),
            is_built_in: facts.state_directory.is_some(),
            etc: facts.state_directory.map_or_else(
                || Path::new("/etc").to_owned(),
                |state| state.join("etc/upper"),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_say_what_the_files_of_a_toplevel_would() {
        let facts = json!({
            "version": 1, "label": "flk 25", "stateDirectory": "/var/lib/flk",
            "fileSystems": [
                { "device": "/dev/disk/by-label/nixos", "mountPoint": "/", "fsType": "ext4", "options": ["defaults"] },
                { "device": null, "mountPoint": "/tmp", "fsType": "tmpfs", "options": [] },
                { "device": "LABEL=my data", "mountPoint": "/data", "fsType": "xfs", "options": ["nofail"] },
            ],
            "swapDevices": [ { "device": "/dev/disk/by-label/swap", "options": ["defaults"] }, { "device": "/swapfile", "options": [] } ],
            "bootLoader": { "kind": "systemd-boot", "efiSysMountPoint": "/efi", "devices": [] },
            "bootFiles": ["/nix/store/k/vmlinuz", "/nix/store/i"],
        });
        let system = System::from_facts("/nix/store/t", &facts).unwrap();
        assert_eq!(system.loader, LoaderKind::SystemdBoot);
        assert_eq!(system.esp.as_deref(), Some(Path::new("/efi")));
        assert_eq!(system.etc, Path::new("/var/lib/flk/etc/upper"));
        assert!(system.is_built_in);
        let devices: Vec<_> = system
            .file_systems
            .iter()
            .map(|entry| (entry.node(), entry.may_be_missing))
            .collect();
        assert_eq!(
            devices,
            [
                (PathBuf::from("/dev/disk/by-label/nixos"), false),
                (PathBuf::from("/dev/disk/by-label/my data"), true),
                (PathBuf::from("/dev/disk/by-label/swap"), false),
            ]
        );

        let mut other = facts.clone();
        other["stateDirectory"] = json!(null);
        let system = System::from_facts("/nix/store/t", &other).unwrap();
        assert_eq!(system.etc, Path::new("/etc"));
        other["version"] = json!(2);
        let error = System::from_facts("/nix/store/t", &other).unwrap_err();
        assert!(error.to_string().contains("version is 2"), "{error}");
        let error = System::from_facts("/nix/store/t", &json!({ "version": 1 })).unwrap_err();
        assert!(error.to_string().contains("missing field"), "{error}");
    }
}
