//! The block devices that the kernel shows under `/sys/class/block`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::probe::{Partition, read_partition};

/// In what sysfs counts, whatever the disk's own blocks are.
pub const SECTOR: u64 = 512;
const FOLDER: &str = "/sys/class/block";

/// One block device: a disk, a CD drive or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// The kernel's name, as `sda1`.
    pub name: String,
    /// Its size in bytes; a drive without a medium has 0.
    pub bytes: u64,
    /// The number that changes with every medium, where the kernel gives one.
    pub sequence: Option<u64>,
    /// For a partition: its number and the disk's name.
    pub partition: Option<(u32, String)>,
    /// What the partition table says of it.
    pub table: Partition,
}

impl BlockDevice {
    /// Its device node.
    pub fn node(&self) -> PathBuf {
        // A slash in a name is an exclamation mark in sysfs.
        Path::new("/dev").join(self.name.replace('!', "/"))
    }
}

/// The devices that can carry a medium or a root, whole disks before their partitions, each by name.
pub fn list() -> Vec<BlockDevice> {
    let folder = Path::new(FOLDER);
    let names = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut devices: Vec<BlockDevice> = names
        .filter(|name| is_of_interest(name))
        .filter_map(|name| read(folder, &name))
        .collect();
    devices.sort_by(|a, b| {
        (a.partition.is_some(), a.name.len(), &a.name).cmp(&(
            b.partition.is_some(),
            b.name.len(),
            &b.name,
        ))
    });
    devices
}

/// The device with this number, as `stat` gives it for what is mounted from it.
pub fn by_number(number: u64) -> Option<BlockDevice> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    read(Path::new(FOLDER), link.file_name()?.to_str()?)
}

/// Memory disks, loop devices and floppy drives are not looked at; opening a floppy drive takes seconds.
fn is_of_interest(name: &str) -> bool {
    const OTHERS: [&str; 5] = ["loop", "ram", "zram", "fd", "nbd"];
    !OTHERS.iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn read(folder: &Path, name: &str) -> Option<BlockDevice> {
    let directory = folder.join(name);
    let number = |file: &str| {
        std::fs::read_to_string(directory.join(file))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let sectors = number("size")?;
    let event = std::fs::read_to_string(directory.join("uevent")).ok()?;
    let event: BTreeMap<&str, &str> = event
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let partition = number("partition").and_then(|partition| {
        let parent = std::fs::canonicalize(&directory)
            .ok()?
            .parent()?
            .file_name()?
            .to_str()?
            .to_owned();
        Some((u32::try_from(partition).ok()?, parent))
    });
    let mut table = Partition {
        label: event
            .get("PARTNAME")
            .filter(|name| !name.is_empty())
            .map(|&name| name.to_owned()),
        uuid: event.get("PARTUUID").map(|&uuid| uuid.to_owned()),
    };
    // Older kernels do not give the UUID: then the table is read.
    if table.uuid.is_none()
        && let Some((number, disk)) = &partition
        && let Some(read) = read_table(folder, disk, *number)
    {
        table = Partition {
            label: table.label.or(read.label),
            uuid: read.uuid,
        };
    }
    let sequence = event.get("DISKSEQ").and_then(|text| text.parse().ok());
    Some(BlockDevice {
        name: name.to_owned(),
        bytes: sectors * SECTOR,
        sequence,
        partition,
        table,
    })
}

fn read_table(folder: &Path, disk: &str, number: u32) -> Option<Partition> {
    let size = std::fs::read_to_string(folder.join(disk).join("queue/logical_block_size")).ok()?;
    let device = File::open(Path::new("/dev").join(disk.replace('!', "/"))).ok()?;
    read_partition(&device, size.trim().parse().ok()?, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_without_a_medium_are_left_out() {
        for (name, expected) in [
            ("sda", true),
            ("sr0", true),
            ("loop0", false),
            ("zram0", false),
            ("fd0", false),
            ("nvme0n1p2", true),
            ("fdisk", true),
        ] {
            assert_eq!(is_of_interest(name), expected, "{name}");
        }
    }
}
