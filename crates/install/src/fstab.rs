//! What the host mounts, by its own `etc/fstab` (fstab(5)), whatever the channel.

use std::path::PathBuf;

use flk_mounts::unescape;

/// One line that names a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it is written: `/dev/disk/by-label/nixos`, `LABEL=nixos`.
    pub(crate) device: String,
    /// Where it goes; `none` for swap.
    pub(crate) mount_point: String,
    /// The type.
    pub(crate) fs_type: String,
    /// Whether the host comes up without it.
    pub(crate) may_be_missing: bool,
}

impl Entry {
    /// What a host mounts; `None` for what has no device (tmpfs), network file systems and swap files.
    pub(crate) fn new(
        device: &str,
        mount_point: &str,
        fs_type: &str,
        options: &[&str],
    ) -> Option<Entry> {
        let is_device = device.starts_with("/dev/")
            || ["LABEL=", "UUID=", "PARTLABEL=", "PARTUUID="]
                .iter()
                .any(|tag| device.starts_with(tag));
        is_device.then(|| Entry {
            device: device.to_owned(),
            mount_point: mount_point.to_owned(),
            fs_type: fs_type.to_owned(),
            may_be_missing: options.contains(&"nofail") || options.contains(&"noauto"),
        })
    }

    /// Where the device's node is to be found.
    pub(crate) fn node(&self) -> PathBuf {
        let by = |kind: &str, value: &str| {
            PathBuf::from(format!("/dev/disk/by-{kind}/{}", value.trim_matches('"')))
        };
        for (tag, kind) in [
            ("LABEL=", "label"),
            ("UUID=", "uuid"),
            ("PARTLABEL=", "partlabel"),
            ("PARTUUID=", "partuuid"),
        ] {
            if let Some(value) = self.device.strip_prefix(tag) {
                return by(kind, value);
            }
        }
        PathBuf::from(&self.device)
    }
}

/// The entries with a device; those without one (tmpfs), network file systems and swap files are left out.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, mount_point, fs_type, options, ..] = fields[..] else {
            continue;
        };
        let text = |field: &str| String::from_utf8_lossy(&unescape(field)).into_owned();
        let options: Vec<&str> = options.split(',').collect();
        entries.extend(Entry::new(
            &text(device),
            &text(mount_point),
            fs_type,
            &options,
        ));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_nothing_else() {
        let entries = parse(
            "# comment\n\
             /dev/disk/by-label/nixos / ext4 defaults 0 1\n\
             LABEL=my\\040data /data xfs nofail,noatime 0 2\n\
             tmpfs /tmp tmpfs mode=1777 0 0\n\
             server:/export /net nfs defaults 0 0\n\
             /swapfile none swap defaults 0 0\n\
             UUID=\"1-2\" none swap defaults 0 0\n",
        );
        let nodes: Vec<String> = entries
            .iter()
            .map(|entry| entry.node().to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            nodes,
            [
                "/dev/disk/by-label/nixos",
                "/dev/disk/by-label/my data",
                "/dev/disk/by-uuid/1-2"
            ]
        );
        assert_eq!(
            entries
                .iter()
                .map(|entry| entry.may_be_missing)
                .collect::<Vec<_>>(),
            [false, true, false]
        );
    }
}
