//! The master boot record: UEFI 2.10, 5.2; and the boot code that starts an ISO from a disk.
//!
//! With a GPT the record is a protective one (5.2.3). BIOSes that start no disk without an active partition get one
//! that is nowhere: type 0, one sector, at sector 0, as grub-mkrescue has it. UEFI wants the protective partition itself
//! not to be active.

use super::{Block, DISK_SECTOR, field, le32, le64, put};

/// Types of partitions.
pub const UNUSED: u8 = 0;
/// 5.2.2: what isohybrid calls an image without a GPT ("hidden NTFS").
pub const ISOHYBRID: u8 = 0x17;
/// 5.2.3: the rest of the disk is GPT's.
pub const PROTECTIVE: u8 = 0xee;

const ACTIVE: u8 = 0x80;
/// Where both kinds of boot code have 64 bits for the boot image's disk sector; their code ends before it.
const IMAGE_SECTOR: usize = 432;
const SIGNATURE: usize = 440;
const PARTITIONS: usize = 446;
const PARTITION: usize = 16;
/// The most that boot code can have.
pub const MAX_CODE: usize = 512;
/// GRUB's `boot_hybrid.img` starts `diskboot`, behind the four sectors of `cdboot`.
const GRUB_FIRST: u64 = 4;

/// Which boot code it is: they want different sectors of the boot image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// Of syslinux: `isohdpfx.bin` and its like. It starts the image at its first sector.
    Isolinux,
    /// Of GRUB: `boot_hybrid.img`.
    Grub,
}

impl CodeKind {
    /// What boot code seems to be: GRUB's has its name in it.
    pub fn of(code: &[u8]) -> CodeKind {
        if code.windows(4).any(|window| window == b"GRUB") {
            CodeKind::Grub
        } else {
            CodeKind::Isolinux
        }
    }
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whether a BIOS starts it.
    pub active: bool,
    /// Its type.
    pub kind: u8,
    /// Its first disk sector.
    pub start: u32,
    /// Its length in disk sectors.
    pub sectors: u32,
}

/// A master boot record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mbr {
    /// What is before the disk's signature.
    pub code: [u8; SIGNATURE],
    /// The disk's signature.
    pub signature: u32,
    /// In their four places.
    pub partitions: [Option<Partition>; 4],
}

impl Mbr {
    /// For a disk of so many sectors that has a GPT, or is one partition.
    pub fn new(signature: u32, sectors: u64, with_gpt: bool) -> Mbr {
        let capped = |sectors: u64| u32::try_from(sectors).unwrap_or(u32::MAX);
        let partition = |active, kind, start, sectors| {
            Some(Partition {
                active,
                kind,
                start,
                sectors,
            })
        };
        let partitions = if with_gpt {
            [
                partition(true, UNUSED, 0, 1),
                partition(false, PROTECTIVE, 1, capped(sectors.saturating_sub(1))),
                None,
                None,
            ]
        } else {
            let all = partition(true, ISOHYBRID, 0, capped(sectors));
            [all, None, None, None]
        };
        Mbr {
            code: [0; SIGNATURE],
            signature,
            partitions,
        }
    }

    /// Puts boot code into it, at most [`MAX_CODE`] bytes, that starts the boot image at `image`.
    pub fn set_code(&mut self, code: &[u8], kind: CodeKind, image: Block) {
        let used = code.len().min(IMAGE_SECTOR);
        self.code = [0; SIGNATURE];
        self.code[..used].copy_from_slice(&code[..used]);
        let first = match kind {
            CodeKind::Isolinux => 0,
            CodeKind::Grub => GRUB_FIRST,
        };
        let sector = image.disk_sector() + first;
        put(&mut self.code, IMAGE_SECTOR, &sector.to_le_bytes());
    }

    /// The disk sector that the boot code starts, if there is code.
    pub fn image_sector(&self) -> Option<u64> {
        let has_code = self.code[..IMAGE_SECTOR].iter().any(|byte| *byte != 0);
        has_code.then(|| le64(&self.code, IMAGE_SECTOR))
    }

    /// As it is written.
    pub fn encode(&self) -> [u8; DISK_SECTOR as usize] {
        let mut out = [0; DISK_SECTOR as usize];
        put(&mut out, 0, &self.code);
        put(&mut out, SIGNATURE, &self.signature.to_le_bytes());
        for (index, partition) in self.partitions.iter().enumerate() {
            let Some(partition) = partition else { continue };
            let at = PARTITIONS + index * PARTITION;
            out[at] = if partition.active { ACTIVE } else { 0 };
            put(&mut out, at + 1, &chs(partition.start.into()));
            out[at + 4] = partition.kind;
            let last = u64::from(partition.start) + u64::from(partition.sectors.max(1)) - 1;
            put(&mut out, at + 5, &chs(last));
            put(&mut out, at + 8, &partition.start.to_le_bytes());
            put(&mut out, at + 12, &partition.sectors.to_le_bytes());
        }
        put(&mut out, 510, &[0x55, 0xaa]);
        out
    }

    /// From the first sector of a disk; `None` when it is no boot record.
    pub fn decode(sector: &[u8]) -> Option<Mbr> {
        if sector.get(510..512)? != [0x55, 0xaa] {
            return None;
        }
        let partitions = [0, 1, 2, 3].map(|index| {
            let bytes: [u8; PARTITION] = field(sector, PARTITIONS + index * PARTITION);
            (bytes != [0; PARTITION]).then(|| Partition {
                active: bytes[0] == ACTIVE,
                kind: bytes[4],
                start: le32(&bytes, 8),
                sectors: le32(&bytes, 12),
            })
        });
        Some(Mbr {
            code: field(sector, 0),
            signature: le32(sector, SIGNATURE),
            partitions,
        })
    }
}

/// Cylinder, head and sector of a disk sector, for 255 heads of 63 sectors; the last place there is when it is beyond.
fn chs(sector: u64) -> [u8; 3] {
    const HEADS: u64 = 255;
    const SECTORS: u64 = 63;
    let cylinder = sector / (HEADS * SECTORS);
    if cylinder > 1023 {
        return [0xff; 3];
    }
    let head = sector / SECTORS % HEADS;
    let sector = sector % SECTORS + 1;
    [
        head as u8,
        sector as u8 | ((cylinder >> 8) as u8) << 6,
        cylinder as u8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for with_gpt in [true, false] {
            let mut mbr = Mbr::new(0x1234_5678, 500_000, with_gpt);
            assert_eq!(mbr.image_sector(), None);
            mbr.set_code(&[7; 432], CodeKind::Isolinux, Block(100));
            assert_eq!(Mbr::decode(&mbr.encode()), Some(mbr.clone()));
            assert_eq!(mbr.image_sector(), Some(400));
            mbr.set_code(b"xGRUB \0Geom", CodeKind::of(b"xGRUB \0Geom"), Block(100));
            assert_eq!(mbr.image_sector(), Some(404));
        }
        assert_eq!(Mbr::decode(&[0; 512]), None);
    }

    #[test]
    fn the_protective_partition_begins_where_uefi_wants_it() {
        let out = Mbr::new(1, u64::MAX, true).encode();
        assert_eq!(
            out[462..478],
            [
                0, 0, 2, 0, 0xee, 255, 255, 255, 1, 0, 0, 0, 255, 255, 255, 255
            ]
        );
        assert_eq!(chs(63), [1, 1, 0]);
        assert_eq!(chs(16_450_559), [254, 255, 255]);
        assert_eq!(chs(16_450_560), [0xff; 3]);
    }
}
