//! What two file system tables (fstab(5)) ask of a running system. New entries are not here: they come with `local-fs.target` and `swap.target`.

use std::collections::{BTreeMap, BTreeSet};

/// Units for mount points and devices of swap whose entry changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MountChanges {
    /// The entry is gone.
    pub unmount: BTreeSet<String>,
    /// Another device or type.
    pub mount_anew: BTreeSet<String>,
    /// Other options.
    pub remount: BTreeSet<String>,
    /// Another device or type of what cannot be unmounted.
    pub leave: BTreeSet<String>,
    /// Devices of swap whose entry is gone, as it had them.
    pub swap_off: BTreeSet<String>,
}

/// On what the running system itself lies.
const KEPT: [&str; 9] = [
    "/",
    "/nix",
    "/nix/store",
    "/var",
    "/var/lib",
    "/var/log",
    "/usr",
    "/etc",
    "/run",
];

#[derive(PartialEq, Eq)]
struct Entry {
    device: String,
    kind: String,
    options: String,
}

/// Compares them.
pub fn compare(old: &str, new: &str) -> MountChanges {
    let (old_mounts, old_swap) = parse(old);
    let (new_mounts, new_swap) = parse(new);
    let mut changes = MountChanges {
        swap_off: &old_swap - &new_swap,
        ..MountChanges::default()
    };
    for (place, old) in &old_mounts {
        let unit = unit_of(place);
        let is_kept = KEPT.contains(&place.as_str());
        let to = match new_mounts.get(place) {
            Some(new) if new == old => continue,
            Some(new) if (&new.device, &new.kind) == (&old.device, &old.kind) => {
                &mut changes.remount
            }
            _ if is_kept => &mut changes.leave,
            Some(_) => &mut changes.mount_anew,
            None => &mut changes.unmount,
        };
        to.insert(unit);
    }
    changes
}

fn parse(fstab: &str) -> (BTreeMap<String, Entry>, BTreeSet<String>) {
    let (mut mounts, mut swap) = (BTreeMap::new(), BTreeSet::new());
    for line in fstab
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let mut fields = line
            .split_whitespace()
            .map(|field| String::from_utf8_lossy(&flk_mounts::unescape(field)).into_owned());
        let (Some(device), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let options = fields.next().unwrap_or_default();
        if kind == "swap" {
            swap.insert(device);
        } else {
            mounts.insert(
                place,
                Entry {
                    device,
                    kind,
                    options,
                },
            );
        }
    }
    (mounts, swap)
}

/// The mount unit for a place (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
pub fn unit_of(place: &str) -> String {
    let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-.mount".to_owned();
    }
    let mut name = String::new();
    for (index, byte) in parts.join("/").bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                name.push(char::from(byte));
            }
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    name.push_str(".mount");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_compared_by_their_place() {
        let old = "# by flk\n/dev/a / ext4 defaults 0 1\n/dev/b /boot vfat defaults 0 2\n/dev/c /data\\040x ext4 rw 0 0\n/dev/d /old ext4 rw\n/dev/s none swap defaults 0 0\n/dev/t none swap\n";
        assert_eq!(compare(old, old), MountChanges::default());
        let new = "/dev/z / ext4 defaults 0 1\n/dev/b /boot vfat umask=0077 0 2\n/dev/y /data\\040x ext4 rw 0 0\n/dev/n /new ext4 rw\n/dev/t none swap pri=1\n";
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            compare(old, new),
            MountChanges {
                unmount: set(&["old.mount"]),
                mount_anew: set(&["data\\x20x.mount"]),
                remount: set(&["boot.mount"]),
                leave: set(&["-.mount"]),
                swap_off: set(&["/dev/s"]),
            }
        );
        // A root that is not in the table any more is still the root.
        assert_eq!(compare(old, "").leave, set(&["-.mount"]));
    }

    #[test]
    fn places_have_units() {
        for (place, expected) in [
            ("/", "-.mount"),
            ("/boot", "boot.mount"),
            ("/nix/store/", "nix-store.mount"),
            ("/a-b/c.d", "a\\x2db-c.d.mount"),
            ("/.x", "\\x2ex.mount"),
            ("/ü", "\\xc3\\xbc.mount"),
        ] {
            assert_eq!(unit_of(place), expected);
        }
    }
}
