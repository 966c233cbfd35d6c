//! A partition's name and UUID from the disk's table: GPT (UEFI 2.10, 5.3) or MBR (UEFI 2.10, 5.2.1).
//!
//! Not supported: the names of logical partitions in an extended one (their UUID is made as the kernel makes it, from the disk's signature), the GPT's
//! copy at the disk's end.

use super::{ReadAt, text_utf16, uuid};

/// What a partition table says of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// `PARTLABEL`, where the table has names.
    pub label: Option<String>,
    /// `PARTUUID`.
    pub uuid: Option<String>,
}

/// Reads the entry of a partition (counted from 1) from the whole disk. None where the disk has no table or no such entry.
pub fn read_partition(disk: &dyn ReadAt, sector_size: u64, number: u32) -> Option<Partition> {
    read_gpt(disk, sector_size, number).or_else(|| read_mbr(disk, number))
}

fn read_gpt(disk: &dyn ReadAt, sector_size: u64, number: u32) -> Option<Partition> {
    let header = read(disk, sector_size, 92)?;
    if &header[..8] != b"EFI PART" {
        return None;
    }
    let field = |at: usize| Some(u32::from_le_bytes(header[at..at + 4].try_into().ok()?));
    let entries = u64::from_le_bytes(header[72..80].try_into().ok()?);
    let (count, size) = (field(80)?, u64::from(field(84)?));
    let index = number.checked_sub(1).filter(|&index| index < count)?;
    let offset = entries
        .checked_mul(sector_size)?
        .checked_add(u64::from(index).checked_mul(size)?)?;
    let entry = read(disk, offset, 128)?;
    if entry[..16].iter().all(|&byte| byte == 0) {
        return None;
    }
    Some(Partition {
        label: text_utf16(&entry[56..128]),
        uuid: uuid(&mixed_endian(&entry[16..32])),
    })
}

/// A GUID's first three fields are little endian on disk (UEFI 2.10, appendix A).
fn mixed_endian(guid: &[u8]) -> Vec<u8> {
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        .iter()
        .map(|&at| guid[at])
        .collect()
}

fn read_mbr(disk: &dyn ReadAt, number: u32) -> Option<Partition> {
    let sector = read(disk, 0, 512)?;
    if sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let signature = u32::from_le_bytes(sector[440..444].try_into().ok()?);
    (signature != 0).then(|| Partition {
        label: None,
        uuid: Some(format!("{signature:08x}-{number:02x}")),
    })
}

fn read(disk: &dyn ReadAt, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; length];
    (disk.read_at_most(&mut buffer, offset).ok()? == length).then_some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbr_names_its_partitions_by_the_signature() {
        let mut disk = vec![0; 1024];
        disk[440..444].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
        assert_eq!(read_partition(&disk.as_slice(), 512, 2), None);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(
            read_partition(&disk.as_slice(), 512, 2)
                .unwrap()
                .uuid
                .as_deref(),
            Some("12345678-02")
        );
    }

    #[test]
    fn a_guid_is_written_as_everybody_writes_it() {
        let esp = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
            0xc9, 0x3b,
        ];
        assert_eq!(
            uuid(&mixed_endian(&esp)).unwrap(),
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
        );
    }
}
