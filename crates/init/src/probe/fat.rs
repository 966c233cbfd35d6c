//! The file systems of firmware and of other systems: FAT (Microsoft's "FAT: General Overview of On-Disk Format", 1.03), exFAT (Microsoft's
//! specification, sections 3 and 7), NTFS (its boot sector only: the label is not read).

use super::{Identity, Source, text, text_utf16};

/// `BPB_*` and `BS_*` of the boot sector; the label from the root folder's volume entry, else from the boot sector.
pub(super) fn fat(source: &Source<'_>) -> Option<Identity> {
    if !source.is(510, &[0x55, 0xaa]) {
        return None;
    }
    let bytes_per_sector = u64::from(source.u16(11)?);
    let sectors_per_cluster = u64::from(source.bytes(13, 1)?[0]);
    let reserved = u64::from(source.u16(14)?);
    let tables = u64::from(source.bytes(16, 1)?[0]);
    let media = source.bytes(21, 1)?[0];
    let plausible = matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096)
        && sectors_per_cluster.is_power_of_two()
        && reserved > 0
        && (1..=2).contains(&tables)
        && (media == 0xf0 || media >= 0xf8);
    if !plausible {
        return None;
    }
    let root_entries = u64::from(source.u16(17)?);
    let short_table = u64::from(source.u16(22)?);
    let is_fat32 = short_table == 0;
    let table = if is_fat32 {
        u64::from(source.u32(36)?)
    } else {
        short_table
    };
    if table == 0 || is_fat32 != (root_entries == 0) {
        return None;
    }
    let data = (reserved + tables * table) * bytes_per_sector;
    let (extension, root, root_length) = if is_fat32 {
        let cluster = u64::from(source.u32(44)?).checked_sub(2)?;
        let length = sectors_per_cluster * bytes_per_sector;
        (66, data + cluster * length, length)
    } else {
        (38, data, root_entries * 32)
    };
    let in_root = volume_entry(&source.far(root, usize::try_from(root_length.min(1 << 19)).ok()?));
    let has_extension = source.bytes(extension, 1)?[0] == 0x29;
    let in_sector = if has_extension {
        text(source.bytes(extension + 5, 11)?).filter(|label| label != "NO NAME")
    } else {
        None
    };
    let serial = if has_extension {
        source.u32(extension + 1)?
    } else {
        0
    };
    let uuid = (serial != 0).then(|| short_serial(serial));
    Some(Identity {
        fs_type: "vfat",
        label: in_root.or(in_sector),
        uuid,
    })
}

/// The entry with `ATTR_VOLUME_ID` alone, of a folder's bytes. A first byte of 0x05 stands for 0xe5.
fn volume_entry(folder: &[u8]) -> Option<String> {
    for entry in folder.chunks_exact(32) {
        let attributes = entry[11];
        match entry[0] {
            0 => return None,
            0xe5 => {}
            first
                if attributes & 0x08 != 0
                    && attributes & 0x3f != 0x0f
                    && attributes & 0x10 == 0 =>
            {
                let mut name = entry[..11].to_vec();
                if first == 0x05 {
                    name[0] = 0xe5;
                }
                return text(&name);
            }
            _ => {}
        }
    }
    None
}

/// exFAT, 3.1 (boot sector) and 7.3 (volume label entry).
pub(super) fn exfat(source: &Source<'_>) -> Option<Identity> {
    if !source.is(3, b"EXFAT   ") || !source.is(510, &[0x55, 0xaa]) {
        return None;
    }
    let sector_shift = u32::from(source.bytes(108, 1)?[0]);
    let cluster_shift = sector_shift + u32::from(source.bytes(109, 1)?[0]);
    if !(9..=12).contains(&sector_shift) || cluster_shift > 25 {
        return None;
    }
    let heap = u64::from(source.u32(88)?) << sector_shift;
    let root = u64::from(source.u32(96)?).checked_sub(2)?;
    let folder = source.far(heap + (root << cluster_shift), 1 << cluster_shift.min(16));
    let label = folder
        .chunks_exact(32)
        .take_while(|entry| entry[0] != 0)
        .find(|entry| entry[0] == 0x83);
    let label =
        label.and_then(|entry| text_utf16(&entry[2..2 + 2 * usize::from(entry[1]).min(11)]));
    Some(Identity {
        fs_type: "exfat",
        label,
        uuid: Some(short_serial(source.u32(100)?)),
    })
}

/// The NTFS boot sector. The type is the kernel's own driver's.
pub(super) fn ntfs(source: &Source<'_>) -> Option<Identity> {
    if !source.is(3, b"NTFS    ") || !source.is(510, &[0x55, 0xaa]) {
        return None;
    }
    let serial = u64::from_le_bytes(source.bytes(72, 8)?.try_into().ok()?);
    Some(Identity {
        fs_type: "ntfs3",
        label: None,
        uuid: Some(format!("{serial:016X}")),
    })
}

/// `1A2B-3C4D`.
fn short_serial(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
}
