//! The GUID partition table: UEFI 2.10, 5.3.
//!
//! Sectors are of 512 bytes. The primary table lies in the system area: header in sector 1, 128 entries in sectors 2 to
//! 33. Not supported: tables for sectors of 4096 bytes, which would need the place where ISO 9660 has its descriptors.

use super::{Block, DISK_SECTOR, SYSTEM_AREA, field, le32, le64, put};

/// 5.3.2: `EFI PART`.
const SIGNATURE: [u8; 8] = *b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER_LENGTH: usize = 92;
/// How many entries there is room for: the least that UEFI allows.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Disk sectors of the entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / DISK_SECTOR;
/// Disk sectors of the backup at the disk's end: entries, then header.
pub const BACKUP_SECTORS: u64 = ENTRY_SECTORS + 1;
const SECTOR: usize = DISK_SECTOR as usize;

/// A GUID, its bytes as they lie on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

/// 5.3.3: an EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
pub const ESP: Guid = Guid([
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
]);

impl Guid {
    /// Of 16 bytes that are as good as random, such as a digest's; six bits are set as RFC 9562, 5.8 has them.
    pub fn of_digest(mut bytes: [u8; 16]) -> Guid {
        bytes[7] = bytes[7] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Guid(bytes)
    }

    /// Another one that follows from it.
    pub fn child(self, number: u8) -> Guid {
        let mut bytes = self.0;
        bytes[15] ^= number;
        Guid(bytes)
    }
}

impl std::fmt::Debug for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        write!(
            f,
            "{d:02X}{c:02X}{b:02X}{a:02X}-{g:02X}{e:02X}-{i:02X}{h:02X}-"
        )?;
        for (index, byte) in rest.iter().enumerate() {
            let dash = if index == 2 { "-" } else { "" };
            write!(f, "{dash}{byte:02X}")?;
        }
        Ok(())
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Its own.
    pub guid: Guid,
    /// Its first disk sector.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// At most 36 UTF-16 units.
    pub name: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpt {
    /// The disk's.
    pub guid: Guid,
    /// The disk's sectors.
    pub sectors: u64,
    /// In order.
    pub partitions: Vec<Partition>,
}

impl Gpt {
    /// For the beginning of the disk: what follows the MBR.
    pub fn primary(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut out = self.header(1, self.sectors - 1, 2, &entries);
        out.extend(entries);
        out
    }

    /// For the end of the disk.
    pub fn backup(&self) -> Vec<u8> {
        let mut out = self.entries();
        let first = self.sectors - BACKUP_SECTORS;
        let header = self.header(self.sectors - 1, 1, first, &out);
        out.extend(header);
        out
    }

    fn header(&self, here: u64, other: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let mut out = vec![0; SECTOR];
        put(&mut out, 0, &SIGNATURE);
        put(&mut out, 8, &REVISION.to_le_bytes());
        put(&mut out, 12, &(HEADER_LENGTH as u32).to_le_bytes());
        put(&mut out, 24, &here.to_le_bytes());
        put(&mut out, 32, &other.to_le_bytes());
        put(&mut out, 40, &SYSTEM_AREA.disk_sector().to_le_bytes());
        let last_usable = self.sectors - BACKUP_SECTORS - 1;
        put(&mut out, 48, &last_usable.to_le_bytes());
        put(&mut out, 56, &self.guid.0);
        put(&mut out, 72, &entries_at.to_le_bytes());
        put(&mut out, 80, &(ENTRIES as u32).to_le_bytes());
        put(&mut out, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut out, 88, &crc32fast::hash(entries).to_le_bytes());
        let sum = crc32fast::hash(&out[..HEADER_LENGTH]);
        put(&mut out, 16, &sum.to_le_bytes());
        out
    }

    fn entries(&self) -> Vec<u8> {
        let mut out = vec![0; ENTRIES * ENTRY];
        for (partition, out) in self.partitions.iter().zip(out.chunks_exact_mut(ENTRY)) {
            put(out, 0, &partition.kind.0);
            put(out, 16, &partition.guid.0);
            put(out, 32, &partition.first.to_le_bytes());
            put(out, 40, &partition.last.to_le_bytes());
            for (index, unit) in partition.name.encode_utf16().take(36).enumerate() {
                put(out, 56 + index * 2, &unit.to_le_bytes());
            }
        }
        out
    }
}

/// Where a header says that it and its entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The disk's.
    pub guid: Guid,
    /// Its own sector.
    pub here: u64,
    /// The other header's.
    pub other: u64,
    /// The first sector of the entries.
    pub entries_at: u64,
    /// How many there are.
    pub count: u32,
    /// Bytes of each.
    pub entry_length: u32,
    /// CRC-32 of all.
    pub entries_sum: u32,
}

impl Header {
    /// From a sector; `None` when it is no header, or its sum is wrong.
    pub fn decode(sector: &[u8]) -> Option<Header> {
        let header = sector.get(..HEADER_LENGTH)?;
        let length = le32(header, 12) as usize;
        if header[..8] != SIGNATURE || length < HEADER_LENGTH || length > sector.len() {
            return None;
        }
        let mut summed = sector[..length].to_vec();
        summed[16..20].fill(0);
        if crc32fast::hash(&summed) != le32(header, 16) {
            return None;
        }
        Some(Header {
            guid: Guid(field(header, 56)),
            here: le64(header, 24),
            other: le64(header, 32),
            entries_at: le64(header, 72),
            count: le32(header, 80),
            entry_length: le32(header, 84),
            entries_sum: le32(header, 88),
        })
    }

    /// Bytes of all entries.
    pub fn entries_length(&self) -> u64 {
        u64::from(self.count) * u64::from(self.entry_length)
    }

    /// The partitions among the entries' bytes; `None` when their sum is wrong.
    pub fn partitions(&self, entries: &[u8]) -> Option<Vec<Partition>> {
        let length = self.entry_length as usize;
        if length < ENTRY || crc32fast::hash(entries) != self.entries_sum {
            return None;
        }
        let partition = |bytes: &[u8]| {
            let units: Vec<u16> = (0..36)
                .map(|unit| super::le16(bytes, 56 + unit * 2))
                .collect();
            let end = units.iter().position(|unit| *unit == 0).unwrap_or(36);
            Partition {
                kind: Guid(field(bytes, 0)),
                guid: Guid(field(bytes, 16)),
                first: le64(bytes, 32),
                last: le64(bytes, 40),
                name: String::from_utf16_lossy(&units[..end]),
            }
        };
        let used = |bytes: &&[u8]| bytes[..16].iter().any(|byte| *byte != 0);
        Some(
            entries
                .chunks_exact(length)
                .filter(used)
                .map(partition)
                .collect(),
        )
    }
}

/// How many blocks of an image's end the backup needs.
pub fn backup_blocks() -> u64 {
    super::blocks(BACKUP_SECTORS * DISK_SECTOR)
}

/// A partition of the blocks of a file.
pub fn partition_of(kind: Guid, guid: Guid, name: &str, block: Block, length: u64) -> Partition {
    let first = block.disk_sector();
    Partition {
        kind,
        guid,
        first,
        last: first + length.div_ceil(DISK_SECTOR).max(1) - 1,
        name: name.into(),
    }
}
