//! What is on a block device: the file system's type, label and UUID, from its superblock.
//!
//! Types and spellings are those of `blkid(8)`, so that what an administrator reads there can be written into a host file.
//! Where a device carries traces of several file systems, the order of `PROBES` decides.
//!
//! Not supported: file systems that no `fileSystems` of a small machine has (ZFS, bcachefs, UFS …), Joliet names, big-endian swap, byte-swapped XFS logs.

mod fat;
mod linux;
mod table;

pub use table::{Partition, read_partition};

use std::io;
use std::os::unix::fs::FileExt;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The type, as `mount -t` takes it; `crypto_LUKS`, `LVM2_member`, `linux_raid_member` and `swap` cannot be mounted.
    pub fs_type: &'static str,
    /// The label, where it has one.
    pub label: Option<String>,
    /// The UUID or what stands for it, as `blkid` writes it.
    pub uuid: Option<String>,
}

impl Identity {
    /// Whether files can lie on it.
    pub fn is_mountable(&self) -> bool {
        !matches!(
            self.fs_type,
            "crypto_LUKS" | "LVM2_member" | "linux_raid_member" | "swap" | "jbd"
        )
    }
}

/// Something that can be read at an offset: a device, or bytes in memory.
pub trait ReadAt {
    /// Fills as much of the buffer as there is from an offset on; returns how much that was.
    ///
    /// # Errors
    /// The device cannot be read there.
    fn read_at_most(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for std::fs::File {
    fn read_at_most(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl ReadAt for &[u8] {
    fn read_at_most(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..))
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Everything but FAT's and exFAT's root folder lies in here: the last is btrfs, at 64 KiB.
const WINDOW: usize = 0x11000;

/// The first bytes of a device, read once, and the device for what lies further in.
struct Source<'a> {
    window: Vec<u8>,
    device: &'a dyn ReadAt,
}

impl Source<'_> {
    /// A field of the window; none where the device is too short.
    fn bytes(&self, offset: usize, length: usize) -> Option<&[u8]> {
        self.window.get(offset..offset.checked_add(length)?)
    }

    fn is(&self, offset: usize, magic: &[u8]) -> bool {
        self.bytes(offset, magic.len()) == Some(magic)
    }

    fn u16(&self, offset: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(offset, 2)?.try_into().ok()?))
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(offset, 4)?.try_into().ok()?))
    }

    /// As much of a stretch anywhere on the device as can be read.
    fn far(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        let count = self.device.read_at_most(&mut buffer, offset).unwrap_or(0);
        buffer.truncate(count);
        buffer
    }
}

/// Containers first; then what is identified near the start; ISO 9660 after them, for an image written over a disk replaces all that lies before its
/// sector 16, while a file system made over an old image may leave it there. Swap last.
const PROBES: [fn(&Source<'_>) -> Option<Identity>; 14] = [
    linux::luks,
    linux::lvm,
    linux::raid,
    linux::squashfs,
    linux::erofs,
    linux::xfs,
    linux::btrfs,
    linux::ext,
    linux::f2fs,
    fat::exfat,
    fat::ntfs,
    iso9660,
    fat::fat,
    linux::swap,
];

/// Says what is on a device; none where nothing is recognised.
///
/// # Errors
/// The device's first sectors cannot be read.
pub fn probe(device: &dyn ReadAt) -> io::Result<Option<Identity>> {
    let mut window = vec![0; WINDOW];
    let count = device.read_at_most(&mut window, 0)?;
    window.truncate(count);
    let source = Source { window, device };
    Ok(PROBES.iter().find_map(|probe| probe(&source)))
}

/// ECMA-119, 8.4: the primary volume descriptor; the label is its volume identifier (8.4.7), the UUID its modification time (8.4.27), or,
/// without one, that of creation (8.4.26).
fn iso9660(source: &Source<'_>) -> Option<Identity> {
    const SECTOR: usize = 2048;
    let descriptors = (16..32).map(|sector| sector * SECTOR);
    for start in descriptors {
        if !source.is(start + 1, b"CD001") {
            return None;
        }
        match source.bytes(start, 1)?[0] {
            1 => {
                let label = text(source.bytes(start + 40, 32)?);
                let date = |offset| source.bytes(start + offset, 16).and_then(iso9660_date);
                return Some(Identity {
                    fs_type: "iso9660",
                    label,
                    uuid: date(830).or_else(|| date(813)),
                });
            }
            255 => return None,
            _ => {}
        }
    }
    None
}

/// `2026112221300000` → `2026-11-22-21-30-00-00` (ECMA-119, 8.4.26.1).
fn iso9660_date(digits: &[u8]) -> Option<String> {
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|&digit| digit == b'0') {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    let mut parts = vec![&digits[..4]];
    parts.extend((4..16).step_by(2).map(|at| &digits[at..at + 2]));
    Some(parts.join("-"))
}

/// A text field: up to its first zero byte, without blanks at the end; none where nothing is left.
fn text(field: &[u8]) -> Option<String> {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    let text = String::from_utf8_lossy(&field[..end]);
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The same in UTF-16, little endian.
fn text_utf16(field: &[u8]) -> Option<String> {
    let units = field
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    let text = String::from_utf16_lossy(&units);
    (!text.is_empty()).then_some(text)
}

/// Sixteen bytes as 8-4-4-4-12 digits, in this order; none where all are zero.
fn uuid(bytes: &[u8]) -> Option<String> {
    if bytes.len() != 16 || bytes.iter().all(|&byte| byte == 0) {
        return None;
    }
    let mut digits = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            digits.push('-');
        }
        digits.push_str(&format!("{byte:02x}"));
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A device of zeros with something written here and there.
    fn device(pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; WINDOW];
        for (offset, piece) in pieces {
            bytes[*offset..offset + piece.len()].copy_from_slice(piece);
        }
        bytes
    }

    fn of(pieces: &[(usize, &[u8])]) -> Option<(&'static str, Option<String>, Option<String>)> {
        probe(&device(pieces).as_slice())
            .unwrap()
            .map(|found| (found.fs_type, found.label, found.uuid))
    }

    #[test]
    fn an_iso_is_known_by_its_volume_id() {
        let descriptor: &[(usize, &[u8])] = &[
            (32768, b"\x01CD001\x01"),
            (32768 + 40, b"flk-NixOS                       "),
            (32768 + 813, b"2026112221300000"),
            (32768 + 830, b"0000000000000000"),
        ];
        let expected = Some((
            "iso9660",
            Some("flk-NixOS".to_owned()),
            Some("2026-11-22-21-30-00-00".to_owned()),
        ));
        assert_eq!(of(descriptor), expected);
        // A boot record may come first.
        let moved: Vec<(usize, &[u8])> = descriptor
            .iter()
            .map(|&(at, bytes)| (at + 2048, bytes))
            .collect();
        assert_eq!(
            of(&[&[(32768, &b"\x00CD001"[..])], &moved[..]].concat()),
            expected
        );
        assert_eq!(of(&[(32768, b"\xffCD001")]), None);
    }

    #[test]
    fn an_old_image_under_a_file_system_does_not_count() {
        let found = of(&[
            (1024 + 56, &[0x53, 0xef]),
            (1024 + 120, b"root"),
            (32768, b"\x01CD001\x01"),
            (32768 + 40, b"OLD "),
        ]);
        assert_eq!(found, Some(("ext2", Some("root".to_owned()), None)));
    }

    #[test]
    fn nothing_is_found_on_nothing() {
        assert_eq!(probe(&[].as_slice()).unwrap(), None);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(0, &[0xff; WINDOW])]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            length in 0..WINDOW + 4096,
            pieces in proptest::collection::vec((0..WINDOW, proptest::collection::vec(any::<u8>(), 1..64)), 0..8),
            magic in 0..MAGICS.len(),
        ) {
            let mut bytes = vec![0xa5; length];
            let (at, text) = MAGICS[magic];
            for (offset, piece) in pieces.iter().map(|(at, piece)| (*at, piece.as_slice())).chain([(at, text)]) {
                if let Some(place) = bytes.get_mut(offset..offset + piece.len()) {
                    place.copy_from_slice(piece);
                }
            }
            let _ = probe(&bytes.as_slice());
            let _ = read_partition(&bytes.as_slice(), 512, 1);
        }
    }

    /// So that random bytes come further than the first comparison.
    const MAGICS: [(usize, &[u8]); 16] = [
        (510, b"\x55\xaa"),
        (3, b"EXFAT   "),
        (3, b"NTFS    "),
        (512, b"EFI PART"),
        (0, b"XFSB"),
        (0, b"hsqs"),
        (0, b"LUKS\xba\xbe\0\x02"),
        (512, b"LABELONE"),
        (1024 + 56, b"\x53\xef"),
        (1024, b"\x10\x20\xf5\xf2"),
        (1024, b"\xe2\xe1\xf5\xe0"),
        (4086, b"SWAPSPACE2"),
        (4096, b"\xfc\x4e\x2b\xa9"),
        (32769, b"CD001"),
        (65600, b"_BHRfS_M"),
        (11, b"\x00\x02\x01\x01\x00\x02\x40\x00\x40\x00\xf8\x01\x00"),
    ];
}
