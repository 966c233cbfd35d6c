//! The disks of this machine, as the kernel shows them in sysfs (Documentation/ABI/stable/sysfs-block) and udev remembers them (`/run/udev/data`).

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result};

/// Bytes of the sectors that sysfs counts in, whatever the device's own are.
const SECTOR: u64 = 512;

/// How a device is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// USB.
    Usb,
    /// An SD card's or eMMC's own controller.
    Mmc,
    /// SATA, SCSI, IDE.
    Scsi,
    /// NVMe.
    Nvme,
    /// A virtual machine's.
    Virtio,
    /// A file in a device's place.
    Loop,
    /// Another one.
    Other,
}

impl std::fmt::Display for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Bus::Usb => "USB",
            Bus::Mmc => "SD/MMC",
            Bus::Scsi => "SATA/SCSI",
            Bus::Nvme => "NVMe",
            Bus::Virtio => "virtio",
            Bus::Loop => "loop",
            Bus::Other => "other",
        })
    }
}

/// What is on a disk or partition, as udev has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// The disk's or partition's name, such as `sdb1`.
    pub name: String,
    /// The file system or other format, such as `vfat` or `crypto_LUKS`.
    pub format: String,
    /// Its label, or empty.
    pub label: String,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its node, such as `/dev/sdb`.
    pub path: PathBuf,
    /// Its name, such as `sdb`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of a sector.
    pub sector: u64,
    /// How it is connected.
    pub bus: Bus,
    /// Who made it, or empty.
    pub vendor: String,
    /// What it calls itself, or empty.
    pub model: String,
    /// Its serial number, or empty.
    pub serial: String,
    /// The kernel's number of this very insertion, from Linux 5.15 on.
    pub sequence: Option<u64>,
    /// Its medium can be taken out, as the device says.
    pub is_removable: bool,
    /// It cannot be written to.
    pub is_read_only: bool,
    /// What is on it.
    pub content: Vec<Content>,
    /// Device numbers of itself and its partitions, `major:minor`.
    #[serde(skip)]
    pub(crate) numbers: Vec<String>,
    /// Nodes of itself and its partitions.
    #[serde(skip)]
    pub(crate) nodes: Vec<PathBuf>,
    /// Its place among the machine's devices.
    #[serde(skip)]
    pub(crate) place: PathBuf,
}

impl Device {
    /// Whether it is a stick, a card, or stands for one.
    pub fn is_stick(&self) -> bool {
        self.is_removable || matches!(self.bus, Bus::Usb | Bus::Loop)
    }

    /// Vendor and model, as far as they are known.
    pub fn title(&self) -> String {
        let title = format!("{} {}", self.vendor, self.model);
        match title.trim() {
            "" => "(no name)".to_owned(),
            title => title.to_owned(),
        }
    }
}

/// The disks that an image can be meant for: removable, or connected by USB or as cards, with a medium in them.
///
/// # Errors
/// [`Error::Io`] when sysfs cannot be read.
pub fn devices() -> Result<Vec<Device>> {
    let mut devices = Machine::this().disks()?;
    devices.retain(|device| device.is_stick() && device.bus != Bus::Loop && device.size > 0);
    Ok(devices)
}

/// Where the kernel and udev say what there is.
pub(crate) struct Machine {
    pub(crate) sys: PathBuf,
    pub(crate) udev: PathBuf,
}

impl Machine {
    pub(crate) fn this() -> Machine {
        Machine {
            sys: "/sys".into(),
            udev: "/run/udev/data".into(),
        }
    }

    fn disks(&self) -> Result<Vec<Device>> {
        let folder = self.sys.join("block");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect()
            })
            .map_err(Error::io("read", &folder))?;
        names.sort();
        names.iter().map(|name| self.disk(name)).collect()
    }

    /// The disk with this device number.
    ///
    /// # Errors
    /// [`Error::Partition`] when it is only a part of one.
    pub(crate) fn at(&self, path: &Path, number: (u32, u32)) -> Result<Device> {
        let link = self
            .sys
            .join(format!("dev/block/{}:{}", number.0, number.1));
        let place = fs::canonicalize(&link).map_err(Error::io("find", &link))?;
        if place.join("partition").exists() {
            let disk = place.parent().and_then(Path::file_name).unwrap_or_default();
            return Err(Error::Partition {
                path: path.to_owned(),
                disk: Path::new("/dev").join(disk),
            });
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        self.disk(&name)
    }

    fn disk(&self, name: &str) -> Result<Device> {
        let folder = self.sys.join("block").join(name);
        let place = fs::canonicalize(&folder).map_err(Error::io("find", &folder))?;
        let number = |name: &str| text(&place, name).parse().unwrap_or(0);
        let properties = self.properties(&text(&place, "dev"));
        // Where udev is silent, the kernel knows what the device itself has answered.
        let word = |udev: &str, kernel: &str| {
            let known = property(&properties, udev).map(|value| value.replace('_', " "));
            known.unwrap_or_else(|| text(&place, kernel))
        };
        let mut device = Device {
            path: node(name),
            name: name.to_owned(),
            size: number("size") * SECTOR,
            sector: number("queue/logical_block_size").max(SECTOR),
            bus: bus(name, &place),
            vendor: word("ID_VENDOR", "device/vendor"),
            model: word("ID_MODEL", "device/model"),
            serial: property(&properties, "ID_SERIAL_SHORT")
                .map_or_else(|| text(&place, "device/serial"), str::to_owned),
            sequence: text(&place, "diskseq").parse().ok(),
            is_removable: number("removable") == 1,
            is_read_only: number("ro") == 1,
            content: Vec::new(),
            numbers: Vec::new(),
            nodes: Vec::new(),
            place,
        };
        self.look_at(&mut device);
        Ok(device)
    }

    /// The device numbers and contents of a disk and its partitions.
    fn look_at(&self, device: &mut Device) {
        let mut folders = vec![device.place.clone()];
        if let Ok(entries) = fs::read_dir(&device.place) {
            let entries = entries.flatten().map(|entry| entry.path());
            folders.extend(entries.filter(|folder| folder.join("partition").exists()));
        }
        folders[1..].sort();
        for folder in folders {
            let number = text(&folder, "dev");
            let properties = self.properties(&number);
            let value = |name| property(&properties, name).unwrap_or_default().to_owned();
            device.numbers.push(number);
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            device.nodes.push(node(&name));
            let (format, label) = (value("ID_FS_TYPE"), value("ID_FS_LABEL"));
            if !format.is_empty() || !label.is_empty() {
                device.content.push(Content {
                    name: name.into_owned(),
                    format,
                    label,
                });
            }
        }
    }

    /// What udev knows of a block device.
    fn properties(&self, number: &str) -> String {
        fs::read_to_string(self.udev.join(format!("b{number}"))).unwrap_or_default()
    }
}

/// The node of a device. In sysfs a slash is an exclamation mark: `cciss!c0d0`.
fn node(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

/// A line `E:NAME=VALUE`.
fn property<'a>(properties: &'a str, name: &str) -> Option<&'a str> {
    let value = properties.lines().find_map(|line| {
        let (known, value) = line.strip_prefix("E:")?.split_once('=')?;
        (known == name).then_some(value)
    })?;
    (!value.is_empty()).then_some(value)
}

/// A file of sysfs, without what surrounds its value; empty if there is none.
pub(crate) fn text(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    text.trim().to_owned()
}

/// How a device is connected, by the devices above it.
fn bus(name: &str, place: &Path) -> Bus {
    if name.starts_with("loop") {
        return Bus::Loop;
    }
    for folder in place.ancestors() {
        let Ok(subsystem) = fs::canonicalize(folder.join("subsystem")) else {
            continue;
        };
        match subsystem.file_name().and_then(|name| name.to_str()) {
            Some("usb") => return Bus::Usb,
            Some("mmc") => return Bus::Mmc,
            Some("nvme") => return Bus::Nvme,
            Some("virtio") => return Bus::Virtio,
            _ => {}
        }
    }
    match name.starts_with("sd") {
        true => Bus::Scsi,
        false => Bus::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A machine with a stick of one partition, and a built-in disk.
    fn machine(dir: &Path) -> Machine {
        let put = |path: &str, text: &str| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for folder in ["sys/bus/usb", "sys/block", "sys/dev/block"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let stick = "sys/devices/usb1/1-1/host0/block/sdb";
        for (name, text) in [
            ("dev", "8:16\n"),
            ("size", "15633408\n"),
            ("removable", "1\n"),
            ("ro", "0\n"),
            ("diskseq", "7\n"),
            ("queue/logical_block_size", "512\n"),
            ("device/vendor", "SanDisk \n"),
            ("device/model", "Ultra           \n"),
            ("sdb1/dev", "8:17\n"),
            ("sdb1/partition", "1\n"),
        ] {
            put(&format!("{stick}/{name}"), text);
        }
        symlink(
            dir.join("sys/bus/usb"),
            dir.join("sys/devices/usb1/1-1/subsystem"),
        )
        .unwrap();
        let disk = "sys/devices/pci0/ata1/block/sda";
        for (name, text) in [("dev", "8:0\n"), ("size", "100\n"), ("removable", "0\n")] {
            put(&format!("{disk}/{name}"), text);
        }
        for (name, place) in [("sdb", stick), ("sda", disk)] {
            symlink(dir.join(place), dir.join("sys/block").join(name)).unwrap();
        }
        for (number, place) in [
            ("8:16", stick.to_owned()),
            ("8:17", format!("{stick}/sdb1")),
        ] {
            symlink(dir.join(place), dir.join("sys/dev/block").join(number)).unwrap();
        }
        put(
            "udev/b8:16",
            "S:disk/by-id/x\nE:ID_SERIAL_SHORT=4C530001\nE:ID_MODEL=Ultra_Fit\n",
        );
        put("udev/b8:17", "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=PHOTOS\n");
        Machine {
            sys: dir.join("sys"),
            udev: dir.join("udev"),
        }
    }

    #[test]
    fn a_stick_is_known_by_what_kernel_and_udev_say() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine(dir.path());
        let disks = machine.disks().unwrap();
        assert_eq!(disks.len(), 2);
        let stick = &disks[1];
        assert_eq!(stick.path, Path::new("/dev/sdb"));
        assert_eq!((stick.size, stick.sector), (15_633_408 * 512, 512));
        assert_eq!((stick.bus, stick.is_removable), (Bus::Usb, true));
        assert_eq!(stick.title(), "SanDisk Ultra Fit");
        assert_eq!(stick.serial, "4C530001");
        assert_eq!(stick.sequence, Some(7));
        assert_eq!(stick.numbers, ["8:16", "8:17"]);
        assert_eq!(stick.nodes, [Path::new("/dev/sdb"), Path::new("/dev/sdb1")]);
        let photos = Content {
            name: "sdb1".into(),
            format: "vfat".into(),
            label: "PHOTOS".into(),
        };
        assert_eq!(stick.content, [photos]);
        assert!(stick.is_stick());
        assert!(!disks[0].is_stick());
        assert_eq!(disks[0].bus, Bus::Scsi);
        assert_eq!(disks[0].title(), "(no name)");
    }

    #[test]
    fn a_partition_is_refused_with_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine(dir.path());
        let path = Path::new("/dev/disk/by-label/PHOTOS");
        let error = machine.at(path, (8, 17)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/dev/disk/by-label/PHOTOS is a partition; the image is for the whole disk /dev/sdb"
        );
        assert_eq!(machine.at(path, (8, 16)).unwrap().name, "sdb");
    }
}
