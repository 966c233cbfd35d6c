//! The GUID partition table of an image on a larger disk (UEFI 2.10, 5.2.3 and 5.3): its copy belongs at the disk's end, and both headers say where the
//! other is. Partitions and everything else stay as they are.

use flk_iso9660::format::gpt::Header;

/// Bytes of the sectors that an image's table counts in.
const SECTOR: u64 = 512;
/// 5.3.2: offsets in a header.
const LENGTH: usize = 12;
const SUM: usize = 16;
const HERE: usize = 24;
const OTHER: usize = 32;
const LAST_USABLE: usize = 48;
const ENTRIES_AT: usize = 72;
/// 5.2.3: a protective MBR's partitions, their length in bytes, the type, and where their sectors are said.
const PARTITIONS: usize = 446;
const PARTITION: usize = 16;
const PROTECTIVE: u8 = 0xee;
/// Entries beyond this many bytes are no table.
const MOST_ENTRIES: u64 = 1 << 20;

/// Bytes that a disk has otherwise than its image.
pub(crate) type Patch = (u64, Vec<u8>);

/// What a disk of `size` bytes with an image of this beginning has otherwise; nothing if the image has no valid table, or fills the disk.
pub(crate) fn fitted(head: &[u8], size: u64) -> Vec<Patch> {
    let sector = SECTOR as usize;
    let Some(primary) = head.get(sector..2 * sector) else {
        return Vec::new();
    };
    let Some(header) = Header::decode(primary).filter(|header| header.here == 1) else {
        return Vec::new();
    };
    let length = header.entries_length();
    let entries = usize::try_from(header.entries_at.saturating_mul(SECTOR))
        .ok()
        .filter(|_| length <= MOST_ENTRIES)
        .and_then(|start| head.get(start..start + length as usize));
    let last = size / SECTOR - 1;
    if header.other == last {
        return Vec::new();
    }
    let copy_at = last.checked_sub(length.div_ceil(SECTOR));
    let (Some(entries), Some(copy_at)) = (entries, copy_at.filter(|at| *at > 1)) else {
        return Vec::new();
    };
    let mut primary = primary.to_vec();
    put(&mut primary, OTHER, last);
    put(&mut primary, LAST_USABLE, copy_at - 1);
    let mut copy = primary.clone();
    put(&mut copy, HERE, last);
    put(&mut copy, OTHER, 1);
    put(&mut copy, ENTRIES_AT, copy_at);
    seal(&mut primary);
    seal(&mut copy);
    let mut patches = vec![
        (SECTOR, primary),
        (copy_at * SECTOR, entries.to_vec()),
        (last * SECTOR, copy),
    ];
    patches.extend(protective(head, last));
    patches
}

/// The sector count of the partition that keeps others off a disk with a GPT: all of it.
fn protective(head: &[u8], last: u64) -> Option<Patch> {
    let at = (0..4)
        .map(|index| PARTITIONS + index * PARTITION)
        .find(|at| head[at + 4] == PROTECTIVE && head[at + 8..at + 12] == 1_u32.to_le_bytes())?;
    let sectors = u32::try_from(last).unwrap_or(u32::MAX);
    Some((at as u64 + 12, sectors.to_le_bytes().to_vec()))
}

fn put(header: &mut [u8], at: usize, value: u64) {
    header[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn seal(header: &mut [u8]) {
    let mut length = [0; 4];
    length.copy_from_slice(&header[LENGTH..LENGTH + 4]);
    let length = (u32::from_le_bytes(length) as usize).min(header.len());
    header[SUM..SUM + 4].fill(0);
    let sum = crc32fast::hash(&header[..length]);
    header[SUM..SUM + 4].copy_from_slice(&sum.to_le_bytes());
}
