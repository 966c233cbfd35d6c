//! All that is before the files' contents and behind them, made from a layout in which every place is known.

use crate::Error;
use crate::format::el_torito::{self, BootEntry, Platform};
use crate::format::gpt::{self, Gpt};
use crate::format::mbr::Mbr;
use crate::format::record::{self, Order, Record};
use crate::format::volume::{self, Volume};
use crate::format::{BLOCK, Block, DISK_SECTOR, put, susp};
use crate::layout::{Hierarchy, Laid, Layout, extents, packed};
use crate::name::Alphabet;
use crate::tree::Node;

/// Gets bytes in the order of the image; each call begins at a block.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// Everything up to the contents, in order and without gaps, but for zeros at the end.
pub(crate) fn head(layout: &Layout<'_>, sink: Sink<'_>) -> Result<(), Error> {
    sink(&system_area(layout))?;
    sink(&descriptor(layout, &layout.primary).encode())?;
    if let Some(catalogue) = layout.catalogue {
        sink(&volume::boot_record(catalogue.0))?;
    }
    if let Some(joliet) = &layout.joliet {
        sink(&descriptor(layout, joliet).encode())?;
    }
    sink(&volume::terminator())?;
    let hierarchies = || std::iter::once(&layout.primary).chain(&layout.joliet);
    for hierarchy in hierarchies() {
        for order in [Order::LittleEndian, Order::BigEndian] {
            sink(&path_table(hierarchy, order))?;
        }
    }
    if layout.catalogue.is_some() {
        sink(&el_torito::encode(&boot_entries(layout)))?;
    }
    let mut continuation = vec![0; layout.continuation.1 as usize];
    for hierarchy in hierarchies() {
        for number in 0..hierarchy.folders.len() {
            sink(&folder(layout, hierarchy, number, &mut continuation))?;
        }
    }
    continuation.resize(continuation.len().next_multiple_of(BLOCK), 0);
    sink(&continuation)
}

/// What the image ends with, up to its last byte.
pub(crate) fn tail(layout: &Layout<'_>) -> Vec<u8> {
    match gpt(layout) {
        Some(gpt) => gpt.backup(),
        None => Vec::new(),
    }
}

fn system_area(layout: &Layout<'_>) -> Vec<u8> {
    let mut area = vec![0; crate::format::SYSTEM_AREA.offset() as usize];
    let Some(disk) = &layout.options.boot.disk else {
        return area;
    };
    let [a, b, c, d, ..] = disk.guid.0;
    let signature = u32::from_le_bytes([a, b, c, d]);
    let gpt = gpt(layout);
    let mut mbr = Mbr::new(signature, disk_sectors(layout), gpt.is_some());
    if let (Some(code), Some(image)) = (&disk.code, layout.bios) {
        let block = layout.place(image).unwrap_or_default().block;
        mbr.set_code(&code.bytes, code.kind, block);
    }
    put(&mut area, 0, &mbr.encode());
    if let Some(gpt) = gpt {
        put(&mut area, DISK_SECTOR as usize, &gpt.primary());
    }
    area
}

fn gpt(layout: &Layout<'_>) -> Option<Gpt> {
    // Both are there exactly when the layout has room for the table.
    let disk = layout.options.boot.disk.as_ref()?;
    let place = layout.place(layout.efi?)?;
    let guid = disk.guid.child(1);
    let esp = gpt::partition_of(gpt::ESP, guid, "EFI system", place.block, place.length);
    Some(Gpt {
        guid: disk.guid,
        sectors: disk_sectors(layout),
        partitions: vec![esp],
    })
}

fn disk_sectors(layout: &Layout<'_>) -> u64 {
    Block(layout.blocks()).disk_sector()
}

fn boot_entries(layout: &Layout<'_>) -> Vec<BootEntry> {
    let boot = &layout.options.boot;
    let entry = |platform, content, sectors| {
        let place = layout.place(content).unwrap_or_default();
        BootEntry {
            platform,
            bootable: true,
            emulation: 0,
            segment: 0,
            sectors,
            block: place.block.0,
        }
    };
    let mut entries = Vec::new();
    if let (Some(bios), Some(content)) = (&boot.bios, layout.bios) {
        entries.push(entry(Platform::Bios, content, bios.load_sectors));
    }
    if let Some(content) = layout.efi {
        let length = layout.place(content).unwrap_or_default().length;
        // UEFI 2.10, 13.3.2.1: zero is up to the end of the medium, for what 16 bits cannot tell.
        let sectors = u16::try_from(length.div_ceil(DISK_SECTOR)).unwrap_or(0);
        entries.push(entry(Platform::Efi, content, sectors));
    }
    entries
}

fn descriptor(layout: &Layout<'_>, hierarchy: &Hierarchy<'_>) -> Volume {
    let options = layout.options;
    let is_joliet = hierarchy.alphabet == Alphabet::Joliet;
    let kind = if is_joliet {
        volume::SUPPLEMENTARY
    } else {
        volume::PRIMARY
    };
    let mut escapes = [0; 32];
    if is_joliet {
        put(&mut escapes, 0, volume::JOLIET_ESCAPES[2]);
    }
    let root = &hierarchy.folders[0];
    Volume {
        kind,
        escapes,
        system: padded(kind, &options.system_id),
        volume: padded(kind, &options.volume_id),
        blocks: layout.blocks(),
        block_size: BLOCK as u16,
        path_table_length: hierarchy.path_table as u32,
        path_table_l: hierarchy.table_l.0,
        path_table_m: hierarchy.table_m.0,
        root: Record {
            identifier: record::THIS.to_vec(),
            ..record_of(root)
        },
        volume_set: padded(kind, ""),
        publisher: padded(kind, &options.publisher_id),
        preparer: padded(kind, &options.preparer_id),
        application: padded(kind, &options.application_id),
        created: Some(options.time),
        modified: Some(options.time),
    }
}

/// A text of ASCII in a descriptor, cut to its field.
fn padded<const N: usize>(kind: u8, text: &str) -> [u8; N] {
    let mut field = [0; N];
    let padding = volume::padding(kind);
    for (index, byte) in field.iter_mut().enumerate() {
        *byte = padding[index % 2];
    }
    if kind == volume::SUPPLEMENTARY {
        for (pair, byte) in field.chunks_exact_mut(2).zip(text.bytes()) {
            pair.copy_from_slice(&[0, byte]);
        }
    } else {
        for (place, byte) in field.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
    }
    field
}

fn path_table(hierarchy: &Hierarchy<'_>, order: Order) -> Vec<u8> {
    let mut table = Vec::with_capacity(hierarchy.path_table as usize);
    for folder in &hierarchy.folders {
        // The layout has made sure that there are not more than 65,535.
        let parent = (folder.parent + 1) as u16;
        record::encode_path(
            &mut table,
            order,
            &folder.identifier,
            folder.block.0,
            parent,
        );
    }
    table.resize(table.len().next_multiple_of(BLOCK), 0);
    table
}

/// A folder's record, without its identifier.
fn record_of(folder: &Laid<'_>) -> Record {
    Record {
        block: folder.block.0,
        length: folder.length,
        time: folder.attributes.time.record(),
        flags: record::FOLDER,
        ..Record::default()
    }
}

/// A folder's records; what they have no room for goes to its place in the continuation areas.
fn folder(
    layout: &Layout<'_>,
    hierarchy: &Hierarchy<'_>,
    number: usize,
    continuation: &mut [u8],
) -> Vec<u8> {
    let rock_ridge = hierarchy.alphabet == Alphabet::Primary;
    let this = &hierarchy.folders[number];
    let parent = &hierarchy.folders[this.parent];
    let mut out = Vec::with_capacity(this.length as usize);
    let mut join = |parts: Vec<Vec<u8>>, continued: &[u64]| -> Vec<u8> {
        if rock_ridge {
            joined(layout.continuation.0, parts, continued, continuation)
        } else {
            Vec::new()
        }
    };
    let own = Record {
        identifier: record::THIS.to_vec(),
        system_use: join(this.own_parts(number == 0), &this.continued),
        ..record_of(this)
    };
    append(&mut out, &own);
    let above = Record {
        identifier: record::PARENT.to_vec(),
        system_use: join(parent.own_parts(false), &[]),
        ..record_of(parent)
    };
    append(&mut out, &above);
    for entry in &this.entries {
        let base = Record {
            identifier: entry.identifier.clone(),
            time: entry.node.attributes().time.record(),
            system_use: match rock_ridge {
                true => join(entry.parts(), &entry.continued),
                false => Vec::new(),
            },
            ..Record::default()
        };
        match (entry.folder, entry.node) {
            (Some(folder), _) => {
                let folder = &hierarchy.folders[folder];
                let record = Record {
                    identifier: base.identifier,
                    system_use: base.system_use,
                    ..record_of(folder)
                };
                append(&mut out, &record);
            }
            (None, Node::File { content, .. }) => {
                let place = layout.place(*content).unwrap_or_default();
                let mut left = extents(place).peekable();
                while let Some((block, length)) = left.next() {
                    let flags = if left.peek().is_some() {
                        record::NOT_LAST
                    } else {
                        0
                    };
                    let record = Record {
                        block: block.0,
                        length,
                        flags,
                        ..base.clone()
                    };
                    append(&mut out, &record);
                }
            }
            (None, _) => append(&mut out, &base),
        }
    }
    out.resize(this.length as usize, 0);
    out
}

fn append(out: &mut Vec<u8>, record: &Record) {
    let length = Record::length(record.identifier.len(), record.system_use.len());
    out.resize(packed(out.len() as u64, length) as usize, 0);
    record.encode(out);
}

/// Writes all parts but the first to their places, each with the way to the next; gives the first.
fn joined(area: Block, parts: Vec<Vec<u8>>, continued: &[u64], continuation: &mut [u8]) -> Vec<u8> {
    let mut parts = parts;
    // From the last to the first, since each is to know the length of the next.
    let mut next_length = 0;
    for index in (0..parts.len()).rev() {
        if let Some(at) = continued.get(index) {
            let block = area.0 + (at / BLOCK as u64) as u32;
            let offset = (at % BLOCK as u64) as u32;
            parts[index].extend(susp::ce(block, offset, next_length));
        }
        next_length = parts[index].len() as u32;
        if index > 0 {
            put(continuation, continued[index - 1] as usize, &parts[index]);
        }
    }
    parts.into_iter().next().unwrap_or_default()
}
