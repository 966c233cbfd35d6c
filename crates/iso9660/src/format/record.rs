//! Directory records (ECMA-119, 9.1) and path table records (9.4).
//!
//! Not supported: interleaving (9.1.7, 9.1.8) and other volumes of a set (9.1.9), whose records are not followed.

use super::{both16, both32, field, le32};

/// 9.1.6: the record is of a folder.
pub const FOLDER: u8 = 0x02;
/// The record is of an associated file, which is not the file itself.
pub const ASSOCIATED: u8 = 0x04;
/// The file goes on in the next record.
pub const NOT_LAST: u8 = 0x80;

/// 7.6.2: the identifier of a folder itself.
pub const THIS: &[u8] = b"\0";
/// The identifier of its parent.
pub const PARENT: &[u8] = b"\x01";

/// 9.1.1: a record's length has one byte, and is even.
pub const MAX_LENGTH: usize = 254;
/// Of the record in a volume descriptor.
pub const LENGTH_OF_ROOT: usize = 34;
/// Before the identifier.
const FIXED: usize = 33;

/// A directory record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// 9.1.2: blocks of the extended attribute record, which come before the data.
    pub attribute_blocks: u8,
    /// 9.1.3: the extent's first block.
    pub block: u32,
    /// 9.1.4: the data's length in bytes.
    pub length: u32,
    /// 9.1.5.
    pub time: [u8; 7],
    /// 9.1.6.
    pub flags: u8,
    /// 9.1.7: blocks; 0 when the file is not interleaved.
    pub unit: u8,
    /// 9.1.11.
    pub identifier: Vec<u8>,
    /// 9.1.13.
    pub system_use: Vec<u8>,
}

impl Record {
    /// The length of a record with an identifier and a system use area of these lengths.
    pub fn length(identifier: usize, system_use: usize) -> usize {
        let used = FIXED + identifier;
        (used + used % 2 + system_use).next_multiple_of(2)
    }

    /// How long the system use area can be beside an identifier.
    pub fn room(identifier: usize) -> usize {
        let used = FIXED + identifier;
        MAX_LENGTH.saturating_sub(used + used % 2)
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = Record::length(self.identifier.len(), self.system_use.len());
        debug_assert!(length <= MAX_LENGTH);
        out.push(length as u8);
        out.push(self.attribute_blocks);
        out.extend(both32(self.block));
        out.extend(both32(self.length));
        out.extend(self.time);
        out.push(self.flags);
        out.extend([self.unit, 0]);
        out.extend(both16(1)); // volume sequence number
        out.push(self.identifier.len() as u8);
        out.extend(&self.identifier);
        if (out.len() - start) % 2 == 1 {
            out.push(0);
        }
        out.extend(&self.system_use);
        out.resize(start + length, 0);
    }

    /// From the bytes that begin with it; `None` when they hold none.
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        let length = usize::from(*bytes.first()?);
        let bytes = bytes.get(..length)?;
        let name_length = usize::from(*bytes.get(FIXED - 1)?);
        let identifier = bytes.get(FIXED..FIXED + name_length)?;
        let used = FIXED + name_length;
        let system_use = bytes.get(used + used % 2..).unwrap_or_default();
        Some(Record {
            attribute_blocks: bytes[1],
            block: le32(bytes, 2),
            length: le32(bytes, 10),
            time: field(bytes, 18),
            flags: bytes[25],
            unit: bytes[26],
            identifier: identifier.to_vec(),
            system_use: system_use.to_vec(),
        })
    }

    /// Whether it is of a folder.
    pub fn is_folder(&self) -> bool {
        self.flags & FOLDER != 0
    }
}

/// Which of the two path tables (8.4.14, 8.4.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The L table.
    LittleEndian,
    /// The M table.
    BigEndian,
}

/// The length of a path table record (9.4).
pub fn path_length(identifier: usize) -> usize {
    (8 + identifier).next_multiple_of(2)
}

/// Appends a path table record: a folder's block, and its parent's place in the table, counted from one.
pub fn encode_path(out: &mut Vec<u8>, order: Order, identifier: &[u8], block: u32, parent: u16) {
    let start = out.len();
    out.push(identifier.len() as u8);
    out.push(0); // no extended attribute record
    match order {
        Order::LittleEndian => {
            out.extend(block.to_le_bytes());
            out.extend(parent.to_le_bytes());
        }
        Order::BigEndian => {
            out.extend(block.to_be_bytes());
            out.extend(parent.to_be_bytes());
        }
    }
    out.extend(identifier);
    out.resize(start + path_length(identifier.len()), 0);
}
