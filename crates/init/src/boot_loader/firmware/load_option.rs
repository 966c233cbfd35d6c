//! Load options, the content of `Boot####` variables (UEFI 2.10, 3.1.3), with the two device path nodes by which a file on a partition is named: hard drive
//! (10.3.5.1) and file path (10.3.5.4).
//!
//! Other nodes are passed over: firmware may write the whole way to the disk before them. Not supported: making anything but the short form (3.1.2, a path
//! that begins with the partition), optional data.

/// `LOAD_OPTION_ACTIVE`, 3.1.3.
const ACTIVE: u32 = 1;
/// Device path types and subtypes, 10.3.5 and 10.3.1.
const MEDIA: u8 = 4;
const HARD_DRIVE: u8 = 1;
const FILE_PATH: u8 = 4;
const END: u8 = 0x7f;
const END_ENTIRE: u8 = 0xff;
/// A node's type, subtype and length.
const HEADER: usize = 4;

/// By what the firmware knows a partition again: format and signature (10.3.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// The partition's GUID, as it lies on the disk.
    Gpt([u8; 16]),
    /// The disk's signature.
    Mbr([u8; 4]),
}

/// A partition, as a device path has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HardDrive {
    /// Its number, from 1.
    pub(super) number: u32,
    /// Its first block.
    pub(super) start: u64,
    /// Its length in blocks.
    pub(super) length: u64,
    /// What it is known by.
    pub(super) signature: Signature,
}

impl Signature {
    /// From `PARTUUID` as Linux writes it: a GUID, or `12345678-01` of an MBR.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let bytes: Option<Vec<u8>> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok())
            .collect();
        let bytes = bytes?;
        match (text.len(), bytes.len()) {
            // The first three fields are little endian on the disk (appendix A).
            (36, 16) => {
                let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
                Some(Self::Gpt(order.map(|at| bytes[at])))
            }
            (11..=12, 5) if text.as_bytes()[8] == b'-' => {
                Some(Self::Mbr([bytes[3], bytes[2], bytes[1], bytes[0]]))
            }
            _ => None,
        }
    }

    fn format(self) -> u8 {
        match self {
            Self::Mbr(_) => 1,
            Self::Gpt(_) => 2,
        }
    }

    fn bytes(self) -> [u8; 16] {
        match self {
            Self::Gpt(guid) => guid,
            Self::Mbr(signature) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&signature);
                bytes
            }
        }
    }
}

/// An active load option for a program on a partition. `path` has backslashes and begins with one.
pub(super) fn encode(description: &str, drive: &HardDrive, path: &str) -> Vec<u8> {
    let mut hard_drive = drive.number.to_le_bytes().to_vec();
    hard_drive.extend(drive.start.to_le_bytes());
    hard_drive.extend(drive.length.to_le_bytes());
    hard_drive.extend(drive.signature.bytes());
    // Format of the table and type of the signature have the same numbers.
    hard_drive.extend([drive.signature.format(), drive.signature.format()]);
    let mut list = node(MEDIA, HARD_DRIVE, &hard_drive);
    list.extend(node(MEDIA, FILE_PATH, &utf16(path)));
    list.extend(node(END, END_ENTIRE, &[]));

    let mut option = ACTIVE.to_le_bytes().to_vec();
    option.extend(u16::try_from(list.len()).unwrap_or(u16::MAX).to_le_bytes());
    option.extend(utf16(description));
    option.extend(list);
    option
}

/// Whether a load option, of whoever's making, starts this program on this partition.
pub(super) fn starts(option: &[u8], signature: Signature, path: &str) -> bool {
    let Some(list) = file_path_list(option) else {
        return false;
    };
    let (mut on_partition, mut is_program) = (false, false);
    for (kind, subtype, data) in nodes(list) {
        match (kind, subtype) {
            (MEDIA, HARD_DRIVE) => {
                on_partition = data.get(20..36) == Some(&signature.bytes())
                    && data.get(37) == Some(&signature.format());
            }
            (MEDIA, FILE_PATH) => is_program = is_path(data, path),
            (END, _) => break,
            _ => {}
        }
    }
    on_partition && is_program
}

/// The first device path of an option, with what follows it in the list.
fn file_path_list(option: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_le_bytes(option.get(4..6)?.try_into().ok()?));
    let text = option.get(6..)?;
    let end = text.chunks_exact(2).position(|unit| unit == [0, 0])?;
    text.get((end + 1) * 2..)?.get(..length)
}

/// Type, subtype and data of each node, as far as the lengths are right.
fn nodes(mut list: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_le_bytes(list.get(2..HEADER)?.try_into().ok()?));
        let data = list.get(HEADER..length)?;
        let (kind, subtype) = (list[0], list[1]);
        list = &list[length..];
        Some((kind, subtype, data))
    })
}

/// FAT knows no case.
fn is_path(data: &[u8], path: &str) -> bool {
    let units: Vec<u16> = data
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16(&units).is_ok_and(|there| there.eq_ignore_ascii_case(path))
}

fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + data.len()).unwrap_or(u16::MAX);
    let mut node = vec![kind, subtype];
    node.extend(length.to_le_bytes());
    node.extend(data);
    node
}

/// Ends with a zero.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "\\EFI\\x.efi";

    fn drive() -> HardDrive {
        HardDrive {
            number: 1,
            start: 0x800,
            length: 0x10_0000,
            signature: Signature::parse("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").unwrap(),
        }
    }

    #[test]
    fn an_option_is_laid_out_as_the_specification_has_it() {
        let option = encode("L", &drive(), PATH);
        let expected = [
            // Attributes, length of the list, description.
            &[1, 0, 0, 0, 72, 0, b'L', 0, 0, 0][..],
            // Hard drive: header, number, start, length.
            &[4, 1, 42, 0, 1, 0, 0, 0],
            &[0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0],
            &[0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11],
            &[0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b, 2, 2],
            // File path.
            &[4, 4, 26, 0],
            b"\\\0E\0F\0I\0\\\0x\0.\0e\0f\0i\0\0\0",
            &[0x7f, 0xff, 4, 0],
        ]
        .concat();
        assert_eq!(option, expected);
    }

    #[test]
    fn options_are_known_again_whoever_wrote_them() {
        let gpt = drive().signature;
        let mbr = Signature::parse("12345678-01").unwrap();
        assert_eq!(mbr, Signature::Mbr([0x78, 0x56, 0x34, 0x12]));
        let option = encode("Linux", &drive(), PATH);
        // The firmware's long form: a node of the bus before ours.
        let mut long = option[..18].to_vec();
        long.extend(node(1, 1, &[0; 2]));
        long.extend(&option[18..]);
        long[4] += 6;
        let on_mbr = HardDrive {
            signature: mbr,
            ..drive()
        };
        for (option, signature, path, expected) in [
            (&option, gpt, PATH, true),
            (&option, gpt, "\\efi\\X.EFI", true),
            (&option, gpt, "\\EFI\\y.efi", false),
            (&option, mbr, PATH, false),
            (&long, gpt, PATH, true),
            (&encode("", &on_mbr, PATH), mbr, PATH, true),
            (&Vec::new(), gpt, PATH, false),
        ] {
            assert_eq!(starts(option, signature, path), expected, "{option:02x?}");
        }
    }

    #[test]
    fn what_the_firmware_left_broken_is_no_option_and_no_panic() {
        let option = encode("Linux", &drive(), PATH);
        for length in 0..option.len() - HEADER {
            assert!(!starts(&option[..length], drive().signature, PATH));
        }
        for at in 0..option.len() {
            for value in [0, 1, 3, 0xff] {
                let mut broken = option.clone();
                broken[at] = value;
                starts(&broken, drive().signature, PATH);
            }
        }
        for text in [
            "",
            "zz345678-01",
            "1234",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec9",
        ] {
            assert_eq!(Signature::parse(text), None, "{text}");
        }
    }
}
