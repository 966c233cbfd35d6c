//! The two documents that Nix leaves for the boot: `stage1.json` and `stage2.json`, both version 1.
//!
//! ARCHITECTURE.md, "A system on the built-in channel". Fields that are not known here are passed over; another version is refused.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{InitError, IoContext, Result};

/// The version of both documents.
pub const VERSION: u32 = 1;

/// `/etc/flk/stage1.json` in the initrd.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage1 {
    /// The host's name, for messages.
    #[serde(default)]
    pub host_name: String,
    /// Modules to load before any other.
    #[serde(default)]
    pub kernel_modules: Vec<String>,
    /// What to mount, in this order.
    pub file_systems: Vec<FileSystem>,
}

/// One file system that stage 1 mounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    /// Where, as seen in the new root.
    pub mount_point: PathBuf,
    /// A device, a path in the new root, or the type's name for one without a device.
    pub device: String,
    /// The type, or `auto`.
    #[serde(default = "auto")]
    pub fs_type: String,
    /// The options, as in `fstab`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Whether this is the live medium: what `copytoram` and `findiso=` are about.
    #[serde(default)]
    pub medium: bool,
    /// Whether it is checked before it is mounted.
    #[serde(default)]
    pub check: bool,
}

fn auto() -> String {
    "auto".to_owned()
}

/// `<toplevel>/stage2.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage2 {
    /// The host's name; empty leaves it to the network.
    #[serde(default)]
    pub host_name: String,
    /// Whether `passwd` and friends may be changed by hand.
    #[serde(default = "yes")]
    pub mutable_users: bool,
    /// Where state lies: the writable layer of `/etc`, `ids.json`.
    #[serde(default = "state_directory")]
    pub state_directory: PathBuf,
    /// The declared users.
    #[serde(default)]
    pub users: Vec<User>,
    /// The declared groups.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Programs that carry privileges.
    #[serde(default)]
    pub wrappers: Vec<Wrapper>,
    /// A script to run at the end.
    #[serde(default)]
    pub activation: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

fn state_directory() -> PathBuf {
    PathBuf::from("/var/lib/flk")
}

/// A declared user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The login name.
    pub name: String,
    /// The number; null: the next free one.
    #[serde(default)]
    pub uid: Option<u32>,
    /// The primary group, by name.
    pub group: String,
    /// More groups that it belongs to.
    #[serde(default)]
    pub extra_groups: Vec<String>,
    /// The home folder.
    pub home: PathBuf,
    /// Whether to make that folder.
    #[serde(default)]
    pub create_home: bool,
    /// The mode of a new home folder, octal.
    #[serde(default = "home_mode")]
    pub home_mode: String,
    /// The login shell.
    pub shell: String,
    /// The full name.
    #[serde(default)]
    pub description: String,
    /// The password's hash: always when `mutableUsers` is false, else when the user is made.
    #[serde(default)]
    pub hashed_password: Option<String>,
    /// The password's hash for when the user is made.
    #[serde(default)]
    pub initial_hashed_password: Option<String>,
    /// Whether a free number is taken from the system's range, and no subordinate ids are given.
    #[serde(default)]
    pub is_system_user: bool,
}

fn home_mode() -> String {
    "0700".to_owned()
}

/// A declared group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The number; null: the next free one.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Users that belong to it.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A program in `/run/wrappers/bin`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wrapper {
    /// Its name there.
    pub name: String,
    /// The program to copy.
    pub source: PathBuf,
    /// The owner, by name.
    #[serde(default = "root")]
    pub owner: String,
    /// The group, by name.
    #[serde(default = "root")]
    pub group: String,
    /// The mode, octal.
    #[serde(default = "wrapper_mode")]
    pub mode: String,
    /// Capabilities, as `cap_net_raw+ep`.
    #[serde(default)]
    pub capabilities: Option<String>,
}

fn root() -> String {
    "root".to_owned()
}

fn wrapper_mode() -> String {
    "0755".to_owned()
}

/// Reads a document and checks its version.
///
/// # Errors
/// The file cannot be read, is not JSON of the expected shape, or is of another version.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse(&std::fs::read(path).at("read", path)?, path)
}

/// The same on bytes; `path` is for messages.
///
/// # Errors
/// As for [`read`], without the reading.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let document = |source| InitError::Document {
        path: path.to_owned(),
        source,
    };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(document)?;
    if version != VERSION {
        return Err(InitError::Version {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    serde_json::from_slice(bytes).map_err(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_the_contract_are_read() {
        let stage1: Stage1 = parse(
            br#"{ "version": 1, "hostName": "NixOS", "kernelModules": ["overlay"],
                  "fileSystems": [ { "mountPoint": "/iso", "device": "/dev/disk/by-label/flk-NixOS", "fsType": "iso9660", "options": ["ro"], "medium": true } ] }"#,
            Path::new("stage1.json"),
        )
        .unwrap();
        assert!(stage1.file_systems[0].medium);
        let stage2: Stage2 = parse(
            br#"{ "version": 1, "hostName": "NixOS", "mutableUsers": true, "stateDirectory": "/var/lib/flk",
                  "users": [ { "name": "nixos", "uid": 1000, "group": "users", "extraGroups": ["wheel"], "home": "/home/nixos", "createHome": true,
                               "shell": "/bin/bash", "description": "", "hashedPassword": null, "initialHashedPassword": null, "isSystemUser": false } ],
                  "groups": [ { "name": "wheel", "gid": 1, "members": ["nixos"] } ],
                  "wrappers": [ { "name": "sudo", "source": "/usr/bin/sudo", "owner": "root", "group": "root", "mode": "4755" } ],
                  "activation": "/nix/store/x-activation-script" }"#,
            Path::new("stage2.json"),
        )
        .unwrap();
        assert_eq!(stage2.users[0].home_mode, "0700");
        assert_eq!(stage2.wrappers[0].capabilities, None);
    }

    #[test]
    fn another_version_and_a_broken_document_are_refused() {
        let of = |bytes: &[u8]| {
            parse::<Stage1>(bytes, Path::new("s.json"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            of(br#"{"version":2}"#),
            "s.json is of version 2, and this flk-init reads version 1"
        );
        assert_eq!(of(br#"{"version":1}"#), "s.json is not a valid document");
        assert_eq!(of(b"{"), "s.json is not a valid document");
    }
}
