//! How a configuration names a device, and what that means.

use std::fmt;
use std::path::PathBuf;

/// A device as `fileSystems.<name>.device` or `root=` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// A file system with this label.
    Label(String),
    /// A file system with this UUID.
    Uuid(String),
    /// A partition with this name.
    PartLabel(String),
    /// A partition with this UUID.
    PartUuid(String),
    /// A device node.
    Node(PathBuf),
    /// A file or folder in the new root.
    InRoot(PathBuf),
    /// No device: `tmpfs`, `overlay`, `none`.
    Nothing(String),
}

impl DeviceName {
    /// Reads a name. Anything that is neither a path nor `KEY=value` is no device.
    pub fn parse(text: &str) -> Self {
        type Make = fn(String) -> DeviceName;
        const FORMS: [(&str, &str, Make); 4] = [
            ("/dev/disk/by-label/", "LABEL=", DeviceName::Label),
            ("/dev/disk/by-uuid/", "UUID=", DeviceName::Uuid),
            (
                "/dev/disk/by-partlabel/",
                "PARTLABEL=",
                DeviceName::PartLabel,
            ),
            ("/dev/disk/by-partuuid/", "PARTUUID=", DeviceName::PartUuid),
        ];
        for (folder, key, make) in FORMS {
            if let Some(name) = text.strip_prefix(folder) {
                return make(decode(name));
            }
            if let Some(value) = text.strip_prefix(key) {
                return make(value.trim_matches('"').to_owned());
            }
        }
        if text == "/dev" || text.starts_with("/dev/") {
            Self::Node(text.into())
        } else if text.starts_with('/') {
            Self::InRoot(text.into())
        } else {
            Self::Nothing(text.to_owned())
        }
    }

    /// What to say about a name that stage 1 cannot resolve by itself, because only udev or a device mapper makes it.
    pub fn advice(&self) -> Option<&'static str> {
        let Self::Node(path) = self else { return None };
        let foreign = [
            "/dev/disk/by-id",
            "/dev/disk/by-path",
            "/dev/disk/by-diskseq",
        ]
        .iter()
        .any(|folder| path.starts_with(folder));
        if foreign {
            Some(
                "only udev makes such names: use /dev/disk/by-uuid, by-label, by-partuuid or by-partlabel",
            )
        } else if path.starts_with("/dev/mapper") {
            Some("encrypted and LVM devices are not opened by this stage 1")
        } else {
            None
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(out, "the file system with label {label}"),
            Self::Uuid(uuid) => write!(out, "the file system with UUID {uuid}"),
            Self::PartLabel(label) => write!(out, "the partition with name {label}"),
            Self::PartUuid(uuid) => write!(out, "the partition with UUID {uuid}"),
            Self::Node(path) | Self::InRoot(path) => write!(out, "{}", path.display()),
            Self::Nothing(name) => out.write_str(name),
        }
    }
}

/// Undoes udev's encoding of names in `/dev/disk`: `\x20` is a blank (systemd, `encode_devnode_name`).
fn decode(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest
            .get(at + 2..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = &rest[at + 2..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        for (text, expected) in [
            (
                "/dev/disk/by-label/flk-NixOS",
                DeviceName::Label("flk-NixOS".into()),
            ),
            (
                "/dev/disk/by-label/my\\x20disk\\x2f\\xc3\\xa4",
                DeviceName::Label("my disk/ä".into()),
            ),
            (
                "/dev/disk/by-label/a\\xzz\\x4",
                DeviceName::Label("a\\xzz\\x4".into()),
            ),
            ("LABEL=a b", DeviceName::Label("a b".into())),
            ("UUID=\"1A2B-3C4D\"", DeviceName::Uuid("1A2B-3C4D".into())),
            ("/dev/disk/by-uuid/x", DeviceName::Uuid("x".into())),
            ("PARTLABEL=root", DeviceName::PartLabel("root".into())),
            ("/dev/disk/by-partuuid/y", DeviceName::PartUuid("y".into())),
            ("/dev/vda1", DeviceName::Node("/dev/vda1".into())),
            (
                "/iso/nix-store.squashfs",
                DeviceName::InRoot("/iso/nix-store.squashfs".into()),
            ),
            ("tmpfs", DeviceName::Nothing("tmpfs".into())),
        ] {
            assert_eq!(DeviceName::parse(text), expected, "{text}");
        }
        assert!(DeviceName::parse("/dev/mapper/root").advice().is_some());
        assert!(
            DeviceName::parse("/dev/disk/by-id/ata-x")
                .advice()
                .is_some()
        );
        assert!(DeviceName::parse("/dev/sda1").advice().is_none());
    }
}
