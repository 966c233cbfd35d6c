//! The boot catalogue: El Torito 1.0, section 2; UEFI 2.10, 13.3.2.1 for EFI entries; and the boot information table
//! that isolinux and GRUB want in their image (mkisofs' `-boot-info-table`).
//!
//! Not supported: emulation of floppies and disks, and selection criteria, which are read as numbers only.

use super::{BLOCK, Block, field, le16, le32, put};

/// Bytes of an entry.
pub const ENTRY: usize = 32;
/// Validation entry and header (figures 2 and 4).
const VALIDATION: u8 = 0x01;
const HEADER: u8 = 0x90;
const LAST_HEADER: u8 = 0x91;
const EXTENSION: u8 = 0x44;
const BOOTABLE: u8 = 0x88;
/// Boot information table: from byte 8 to 63 of the image, the sum begins behind it.
const INFO: usize = 8;
const INFO_END: usize = 64;
/// GRUB's `cdboot` and `diskboot` in one image: where the latter has the first disk sector that it loads.
const GRUB_INFO: usize = 2548;
/// `diskboot` loads what follows it: the sixth disk sector of the image.
const GRUB_FIRST: u64 = 5;

/// Figure 2: platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// PC BIOS, 0.
    Bios,
    /// UEFI, 0xef.
    Efi,
    /// Power PC, Mac, or what comes.
    Other(u8),
}

impl Platform {
    fn number(self) -> u8 {
        match self {
            Platform::Bios => 0,
            Platform::Efi => 0xef,
            Platform::Other(number) => number,
        }
    }

    fn of(number: u8) -> Platform {
        match number {
            0 => Platform::Bios,
            0xef => Platform::Efi,
            number => Platform::Other(number),
        }
    }
}

/// An image that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// Whose it is.
    pub platform: Platform,
    /// Whether it may be booted.
    pub bootable: bool,
    /// Media type, of which 0 is no emulation.
    pub emulation: u8,
    /// Where it is loaded, 0 for the usual 0x7c0.
    pub segment: u16,
    /// How much is loaded, in sectors of 512 bytes. UEFI: 0 and 1 are up to the medium's end.
    pub sectors: u16,
    /// The image's first block.
    pub block: u32,
}

/// A catalogue of one block, with at least one entry; the first is the default, each other has a section of its own.
pub fn encode(entries: &[BootEntry]) -> [u8; BLOCK] {
    let mut out = [0; BLOCK];
    out[0] = VALIDATION;
    out[1] = entries.first().map_or(0, |entry| entry.platform.number());
    out[30] = 0x55;
    out[31] = 0xaa;
    let sum = (0..ENTRY / 2).fold(0_u16, |sum, word| sum.wrapping_add(le16(&out, word * 2)));
    put(&mut out, 28, &sum.wrapping_neg().to_le_bytes());
    let mut at = ENTRY;
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            let last = index == entries.len() - 1;
            out[at] = if last { LAST_HEADER } else { HEADER };
            out[at + 1] = entry.platform.number();
            put(&mut out, at + 2, &1_u16.to_le_bytes());
            at += ENTRY;
        }
        out[at] = if entry.bootable { BOOTABLE } else { 0 };
        out[at + 1] = entry.emulation;
        put(&mut out, at + 2, &entry.segment.to_le_bytes());
        put(&mut out, at + 6, &entry.sectors.to_le_bytes());
        put(&mut out, at + 8, &entry.block.to_le_bytes());
        at += ENTRY;
    }
    out
}

/// The entries of a catalogue; `None` when its validation entry is not valid.
pub fn decode(catalogue: &[u8]) -> Option<Vec<BootEntry>> {
    let mut slots = catalogue.chunks_exact(ENTRY);
    let validation = slots.next()?;
    let sum = (0..ENTRY / 2).fold(0_u16, |sum, word| {
        sum.wrapping_add(le16(validation, word * 2))
    });
    if validation[0] != VALIDATION || validation[30..] != [0x55, 0xaa] || sum != 0 {
        return None;
    }
    let entry = |platform, slot: &[u8]| BootEntry {
        platform: Platform::of(platform),
        bootable: slot[0] == BOOTABLE,
        emulation: slot[1] & 0x0f,
        segment: le16(slot, 2),
        sectors: le16(slot, 6),
        block: le32(slot, 8),
    };
    let mut found = vec![entry(validation[1], slots.next()?)];
    while let Some(header) = slots.next() {
        if header[0] != HEADER && header[0] != LAST_HEADER {
            break;
        }
        let mut left = le16(header, 2);
        while left > 0
            && let Some(slot) = slots.next()
        {
            if slot[0] != EXTENSION {
                found.push(entry(header[1], slot));
                left -= 1;
            }
        }
        if header[0] == LAST_HEADER {
            break;
        }
    }
    Some(found)
}

/// Writes the boot information table into an image that will lie at `block`; an image that is too short has no room.
#[must_use]
pub fn patch_info(image: &mut [u8], block: Block) -> bool {
    if image.len() < INFO_END {
        return false;
    }
    let mut sum = 0_u32;
    for word in image[INFO_END..].chunks(4) {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        sum = sum.wrapping_add(u32::from_le_bytes(bytes));
    }
    let length = image.len() as u32;
    image[INFO..INFO_END].fill(0);
    for (index, value) in [super::SYSTEM_AREA.0, block.0, length, sum]
        .iter()
        .enumerate()
    {
        put(image, INFO + index * 4, &value.to_le_bytes());
    }
    true
}

/// Writes into GRUB's image where on a disk its second half lies (mkrescue's `--grub2-boot-info`).
#[must_use]
pub fn patch_grub_info(image: &mut [u8], block: Block) -> bool {
    if image.len() < GRUB_INFO + 8 {
        return false;
    }
    let sector = block.disk_sector() + GRUB_FIRST;
    put(image, GRUB_INFO, &sector.to_le_bytes());
    true
}

/// Block and length in a boot information table, if there is one.
pub fn info(image: &[u8]) -> Option<(u32, u32)> {
    let table: [u8; 16] = field(image.get(..INFO_END)?, INFO);
    (le32(&table, 0) == super::SYSTEM_AREA.0).then(|| (le32(&table, 4), le32(&table, 8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_read_as_it_was_written() {
        let entry = |platform, block| BootEntry {
            platform,
            bootable: true,
            emulation: 0,
            segment: 0,
            sectors: 4,
            block,
        };
        let entries = [
            entry(Platform::Bios, 40),
            entry(Platform::Efi, 512),
            entry(Platform::Other(2), 9),
        ];
        for count in 1..=3 {
            let catalogue = encode(&entries[..count]);
            assert_eq!(decode(&catalogue).as_deref(), Some(&entries[..count]));
        }
        let mut broken = encode(&entries);
        broken[4] ^= 1;
        assert_eq!(decode(&broken), None);
        assert_eq!(decode(&[]), None);
    }

    #[test]
    fn the_sum_is_of_what_follows_the_table() {
        let mut image = vec![0xff; 70];
        assert!(patch_info(&mut image, Block(33)));
        assert_eq!(info(&image), Some((33, 70)));
        assert_eq!(le32(&image, 20), 0xffff_ffff_u32.wrapping_add(0xffff));
        assert!(!patch_info(&mut [0; 63], Block(33)));
        assert!(!patch_grub_info(&mut image, Block(33)));
    }
}
