//! The boot entry that a UEFI firmware keeps for systemd-boot: a variable `Boot####`, and its place at the front of `BootOrder` (UEFI 2.10, 3.1).
//!
//! An entry for the same program on the same partition is used again, whoever wrote it; all others stay as they are. Not supported: removing entries whose
//! partition is gone, `BootNext`, an ESP on a RAID array.

mod load_option;
mod variables;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use load_option::{HardDrive, Signature};
use variables::Variables;

use crate::block::{self, BlockDevice};
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

/// As `bootctl` has it, so that each knows the other's entry again.
const DESCRIPTION: &str = "Linux Boot Manager";
const ORDER: &str = "BootOrder";
const PREFIX: &str = "Boot";

/// Has the firmware start a program of the EFI system partition that is mounted at `esp`. `path` has backslashes.
///
/// A firmware that refuses is no failure: the program also lies where any firmware looks by itself.
pub(super) fn register(esp: &Path, path: &str, log: &Log) {
    let Some(variables) = Variables::open() else {
        log.info("this machine was not started by UEFI, or shows no variables: the firmware gets no boot entry");
        return;
    };
    match find(esp).and_then(|drive| settle(&variables, &drive, path)) {
        Ok(name) => log.info(&format!(
            "the firmware starts {DESCRIPTION} first, by {name}"
        )),
        Err(error) => {
            log.notice("warning: the firmware does not take a boot entry; it may start the disk all the same, by \\EFI\\BOOT\\BOOTX64.EFI");
            log.failure(&error);
        }
    }
}

/// Brings entry and order up to date. Gives the entry's name.
fn settle(variables: &Variables, drive: &HardDrive, path: &str) -> Result<String> {
    let option = load_option::encode(DESCRIPTION, drive, path);
    let mut taken = Vec::new();
    let mut own = None;
    for name in variables.names(PREFIX)? {
        let Some(number) = number(&name) else {
            continue;
        };
        taken.push(number);
        // One that cannot be read is somebody else's.
        if own.is_none()
            && let Ok(Some(there)) = variables.read(&name)
            && load_option::starts(&there, drive.signature, path)
        {
            own = Some(number);
        }
    }
    let number = match own {
        Some(number) => number,
        None => (0..=u16::MAX)
            .find(|number| !taken.contains(number))
            .ok_or_else(|| InitError::Missing {
                what: "a free number for a boot entry",
                path: "/sys/firmware/efi/efivars".into(),
                hint: "remove entries with efibootmgr(8)",
            })?,
    };
    let name = format!("{PREFIX}{number:04X}");
    variables.write(&name, &option)?;
    let order = variables.read(ORDER)?.unwrap_or_default();
    variables.write(ORDER, &first(&order, number))?;
    Ok(name)
}

/// `Boot0001` → 1; the specification wants capitals.
fn number(name: &str) -> Option<u16> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// An order with this entry before all others.
fn first(order: &[u8], number: u16) -> Vec<u8> {
    let own = number.to_le_bytes();
    let others = order.chunks_exact(2).filter(|entry| **entry != own);
    [&own[..]]
        .into_iter()
        .chain(others)
        .flatten()
        .copied()
        .collect()
}

/// The partition that is mounted at `esp`, in blocks of its disk.
fn find(esp: &Path) -> Result<HardDrive> {
    let missing = |what| InitError::Missing {
        what,
        path: esp.to_owned(),
        hint: "mount a partition of a disk with a GPT there",
    };
    let device = fs::metadata(esp).at("look at", esp)?.dev();
    let Some(BlockDevice {
        name,
        bytes,
        partition: Some((number, disk)),
        table,
        ..
    }) = block::by_number(device)
    else {
        return Err(missing("the partition of a disk"));
    };
    let signature = table.uuid.as_deref().and_then(Signature::parse);
    let signature = signature.ok_or_else(|| missing("the partition's unique GUID"))?;
    let read = |path: String| -> Result<u64> {
        let text = fs::read_to_string(&path).at("read", &path)?;
        text.trim()
            .parse()
            .map_err(|_| missing("the partition's place on its disk"))
    };
    let block = read(format!("/sys/class/block/{disk}/queue/logical_block_size"))?.max(1);
    let start = read(format!("/sys/class/block/{name}/start"))? * block::SECTOR;
    Ok(HardDrive {
        number,
        start: start / block,
        length: bytes / block,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "\\EFI\\systemd\\systemd-bootx64.efi";

    fn drive(guid: &str) -> HardDrive {
        HardDrive {
            number: 1,
            start: 2048,
            length: 1 << 20,
            signature: Signature::parse(guid).unwrap(),
        }
    }

    #[test]
    fn an_entry_is_made_once_and_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let variables = Variables::at(folder.path());
        variables.write("Boot0000", &[1, 2, 3]).unwrap();
        variables.write("Boot0002", &[]).unwrap();
        variables.write("BootOrder", &[2, 0, 0, 0]).unwrap();
        variables.write("BootCurrent", &[2, 0]).unwrap();
        let ours = drive("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        for _ in 0..2 {
            assert_eq!(settle(&variables, &ours, PATH).unwrap(), "Boot0001");
            assert_eq!(
                variables.read("BootOrder").unwrap().unwrap(),
                [1, 0, 2, 0, 0, 0]
            );
        }
        assert_eq!(variables.read("Boot0000").unwrap().unwrap(), [1, 2, 3]);
        // Somebody put another first, switched ours off, and moved the partition.
        variables.write("BootOrder", &[0, 0, 1, 0, 2, 0]).unwrap();
        let mut off = variables.read("Boot0001").unwrap().unwrap();
        off[0] = 0;
        variables.write("Boot0001", &off).unwrap();
        let moved = HardDrive {
            start: 4096,
            ..ours
        };
        assert_eq!(settle(&variables, &moved, PATH).unwrap(), "Boot0001");
        assert_eq!(
            variables.read("Boot0001").unwrap().unwrap(),
            load_option::encode(DESCRIPTION, &moved, PATH)
        );
        assert_eq!(
            variables.read("BootOrder").unwrap().unwrap(),
            [1, 0, 0, 0, 2, 0]
        );
        // Another disk gets an entry of its own.
        let other = drive("00000000-0000-0000-0000-00a0c93ec93b");
        assert_eq!(settle(&variables, &other, PATH).unwrap(), "Boot0003");
    }

    #[test]
    fn only_entries_have_numbers() {
        for (name, expected) in [
            ("Boot000A", Some(10)),
            ("Boot+001", None),
            ("BootOrder", None),
            ("Boot00001", None),
            ("BootNext", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }

    #[test]
    fn a_value_is_there_with_its_attributes() {
        let folder = tempfile::tempdir().unwrap();
        let variables = Variables::at(folder.path());
        assert_eq!(variables.read("Boot0000").unwrap(), None);
        variables.write("Boot0000", &[9]).unwrap();
        let file = folder
            .path()
            .join("Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        assert_eq!(fs::read(file).unwrap(), [7, 0, 0, 0, 9]);
        assert_eq!(variables.names("Boot").unwrap(), ["Boot0000"]);
    }
}
