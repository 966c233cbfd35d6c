//! What is on the medium: structures and named constants, with the sections that they come from.
//!
//! | module | specification |
//! |---|---|
//! | [`volume`] | ECMA-119 (4th edition), section 8: volume descriptors; Joliet: supplementary ones |
//! | [`record`] | ECMA-119, sections 9.1 and 9.4: directory and path table records |
//! | [`susp`] | SUSP 1.12 (IEEE P1281) and RRIP 1.12 (IEEE P1282): Rock Ridge |
//! | [`el_torito`] | El Torito 1.0; UEFI 2.10, 13.3.2: the boot catalogue |
//! | [`mbr`], [`gpt`] | UEFI 2.10, section 5: what makes of the image a disk |
//! | [`time`] | ECMA-119, 8.4.26.1 and 9.1.5 |
//!
//! Not supported: multiple volumes, partitions inside of a volume, interleaved files, extended attribute records (they
//! are skipped).

pub mod el_torito;
pub mod gpt;
pub mod mbr;
pub mod record;
pub mod susp;
pub mod time;
pub mod volume;

/// Bytes of a logical sector (6.1.2), and of a logical block as this crate writes it (6.2.2).
pub const BLOCK: usize = 2048;
/// The sectors before the volume descriptors, which belong to the system (6.2.1).
pub const SYSTEM_AREA: Block = Block(16);
/// Bytes of a disk's sector: of MBR, GPT and El Torito's load sizes.
pub const DISK_SECTOR: u64 = 512;
/// The most that one extent can hold: its length has 32 bits (9.1.4), and each but a file's last is of whole blocks.
pub const MAX_EXTENT: u64 = 0xffff_ffff / BLOCK as u64 * BLOCK as u64;

/// A logical block's number, from the beginning of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block(pub u32);

impl Block {
    /// Its place in bytes.
    pub fn offset(self) -> u64 {
        u64::from(self.0) * BLOCK as u64
    }

    /// The first disk sector of it.
    pub fn disk_sector(self) -> u64 {
        self.offset() / DISK_SECTOR
    }
}

/// How many blocks so many bytes need.
pub fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK as u64)
}

/// 7.3.3: 32 bits, little-endian and then big-endian.
pub(crate) fn both32(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&value.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// 7.2.3: 16 bits, likewise.
pub(crate) fn both16(value: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&value.to_le_bytes());
    bytes[2..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// The little-endian 32 bits at a place; zero where the bytes end before.
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// The little-endian 16 bits at a place; zero where the bytes end before.
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => u16::from_le_bytes([a, b]),
        _ => 0,
    }
}

/// The little-endian 64 bits at a place; zero where the bytes end before.
pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

/// Puts bytes at a place of a structure.
pub(crate) fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The bytes of a field, as an array; zeros where the structure ends before.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        field.copy_from_slice(found);
    }
    field
}
