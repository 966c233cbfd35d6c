//! Volume descriptors (ECMA-119, section 8), and the supplementary one of Joliet (Joliet specification, "SVD").
//!
//! Not supported: volume partition descriptors (8.6), which are skipped, and enhanced descriptors (8.5 with version 2).

use super::record::{self, Record};
use super::time::Time;
use super::{BLOCK, both16, both32, field, le16, le32, put};

/// 8.1.2: standard identifier.
pub const IDENTIFIER: [u8; 5] = *b"CD001";
/// 8.1.3: descriptor version.
pub const VERSION: u8 = 1;
/// 8.1.1: types of descriptors.
pub const BOOT_RECORD: u8 = 0;
/// The primary volume descriptor (8.4).
pub const PRIMARY: u8 = 1;
/// A supplementary volume descriptor (8.5).
pub const SUPPLEMENTARY: u8 = 2;
/// The set's end (8.3).
pub const TERMINATOR: u8 = 255;
/// El Torito, figure 7: boot system identifier.
pub const EL_TORITO: &[u8; 23] = b"EL TORITO SPECIFICATION";
/// Joliet: escape sequences of UCS-2 levels 1 to 3 (ISO/IEC 2022).
pub const JOLIET_ESCAPES: [&[u8; 3]; 3] = [b"%/@", b"%/C", b"%/E"];

const ESCAPES: usize = 88;
const ROOT: usize = 156;
const FILE_STRUCTURE_VERSION: usize = 881;

/// A primary or supplementary volume descriptor. Texts are padded as they lie there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// [`PRIMARY`] or [`SUPPLEMENTARY`].
    pub kind: u8,
    /// 8.5.6; zeros in a primary one.
    pub escapes: [u8; 32],
    /// 8.4.5.
    pub system: [u8; 32],
    /// 8.4.6.
    pub volume: [u8; 32],
    /// 8.4.8: logical blocks of the volume.
    pub blocks: u32,
    /// 8.4.12: bytes of a logical block.
    pub block_size: u16,
    /// 8.4.13: bytes.
    pub path_table_length: u32,
    /// 8.4.14: block of the little-endian path table.
    pub path_table_l: u32,
    /// 8.4.16: block of the big-endian path table.
    pub path_table_m: u32,
    /// 8.4.18.
    pub root: Record,
    /// 8.4.19.
    pub volume_set: [u8; 128],
    /// 8.4.20.
    pub publisher: [u8; 128],
    /// 8.4.21.
    pub preparer: [u8; 128],
    /// 8.4.22.
    pub application: [u8; 128],
    /// 8.4.26.
    pub created: Option<Time>,
    /// 8.4.27.
    pub modified: Option<Time>,
}

impl Volume {
    /// As it is written.
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut out = header(self.kind);
        put(&mut out, 8, &self.system);
        put(&mut out, 40, &self.volume);
        put(&mut out, 80, &both32(self.blocks));
        put(&mut out, ESCAPES, &self.escapes);
        put(&mut out, 120, &both16(1)); // volume set size
        put(&mut out, 124, &both16(1)); // volume sequence number
        put(&mut out, 128, &both16(self.block_size));
        put(&mut out, 132, &both32(self.path_table_length));
        put(&mut out, 140, &self.path_table_l.to_le_bytes());
        put(&mut out, 148, &self.path_table_m.to_be_bytes());
        let mut root = Vec::new();
        self.root.encode(&mut root);
        put(&mut out, ROOT, &root);
        put(&mut out, 190, &self.volume_set);
        put(&mut out, 318, &self.publisher);
        put(&mut out, 446, &self.preparer);
        put(&mut out, 574, &self.application);
        // 702 to 812: copyright, abstract and bibliographic files: none.
        let none = padding(self.kind);
        for at in 702..813 {
            out[at] = none[(at - 702) % 2];
        }
        let unspecified = *b"0000000000000000\0";
        put(
            &mut out,
            813,
            &self.created.map_or(unspecified, Time::descriptor),
        );
        put(
            &mut out,
            830,
            &self.modified.map_or(unspecified, Time::descriptor),
        );
        put(&mut out, 847, &unspecified); // expiration
        put(&mut out, 864, &unspecified); // effective
        out[FILE_STRUCTURE_VERSION] = 1;
        out
    }

    /// From a sector; `None` when it is another kind of descriptor, or none.
    pub fn decode(sector: &[u8; BLOCK]) -> Option<Volume> {
        let kind = kind(sector)?;
        if kind != PRIMARY && kind != SUPPLEMENTARY {
            return None;
        }
        let root = Record::decode(&sector[ROOT..ROOT + record::LENGTH_OF_ROOT])?;
        Some(Volume {
            kind,
            escapes: field(sector, ESCAPES),
            system: field(sector, 8),
            volume: field(sector, 40),
            blocks: le32(sector, 80),
            block_size: le16(sector, 128),
            path_table_length: le32(sector, 132),
            path_table_l: le32(sector, 140),
            path_table_m: u32::from_be_bytes(field(sector, 148)),
            root,
            volume_set: field(sector, 190),
            publisher: field(sector, 318),
            preparer: field(sector, 446),
            application: field(sector, 574),
            created: Time::of_descriptor(field(sector, 813)),
            modified: Time::of_descriptor(field(sector, 830)),
        })
    }

    /// Whether it is a Joliet one.
    pub fn is_joliet(&self) -> bool {
        self.kind == SUPPLEMENTARY
            && JOLIET_ESCAPES
                .iter()
                .any(|escape| self.escapes.starts_with(&escape[..]))
    }

    /// A text of it without its padding.
    pub fn text(&self, field: &[u8]) -> String {
        let text = if self.is_joliet() {
            super::super::name::of_ucs2(field)
        } else {
            String::from_utf8_lossy(field).into_owned()
        };
        text.trim_end_matches([' ', '\0']).to_string()
    }
}

/// What pads texts in a descriptor, by even and odd places.
pub(crate) fn padding(kind: u8) -> [u8; 2] {
    if kind == SUPPLEMENTARY {
        [0, b' ']
    } else {
        *b"  "
    }
}

/// The type of a sector that is a volume descriptor.
pub fn kind(sector: &[u8; BLOCK]) -> Option<u8> {
    (sector[1..6] == IDENTIFIER).then_some(sector[0])
}

/// The boot record volume descriptor (8.2) that leads to El Torito's catalogue (El Torito, figure 7).
pub fn boot_record(catalogue: u32) -> [u8; BLOCK] {
    let mut out = header(BOOT_RECORD);
    put(&mut out, 7, EL_TORITO);
    put(&mut out, 71, &catalogue.to_le_bytes());
    out
}

/// The block of the boot catalogue, if a sector is a boot record of El Torito.
pub fn boot_catalogue(sector: &[u8; BLOCK]) -> Option<u32> {
    let is_it = kind(sector) == Some(BOOT_RECORD) && sector[7..30] == EL_TORITO[..];
    is_it.then(|| le32(sector, 71))
}

/// The set's terminator (8.3).
pub fn terminator() -> [u8; BLOCK] {
    header(TERMINATOR)
}

fn header(kind: u8) -> [u8; BLOCK] {
    let mut out = [0; BLOCK];
    out[0] = kind;
    put(&mut out, 1, &IDENTIFIER);
    out[6] = VERSION;
    out
}
