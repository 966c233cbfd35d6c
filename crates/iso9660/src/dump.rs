//! Tells in text what a reader sees: descriptors, ways to boot, and every entry. For goldens and for people.

use std::fmt::Write as _;
use std::io::{Read, Seek};

use crate::error::Error;
use crate::format::gpt::{Header, Partition};
use crate::format::time::Time;
use crate::read::{Entry, Image, Kind};

/// One line for each thing. Names have what is no printable ASCII escaped.
///
/// # Errors
/// Those of the reader: [`Error::Damaged`], [`Error::Unsupported`], [`Error::Read`].
pub fn dump<R: Read + Seek>(image: &mut Image<R>) -> Result<String, Error> {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let volume = image.volume();
    let _ = writeln!(
        out,
        "volume {:?} application {:?} blocks {} of {} created {} names {:?} joliet {}",
        image.volume_id(),
        image.application_id(),
        volume.blocks,
        volume.block_size,
        time(volume.created),
        image.names(),
        image.joliet().map_or("none".into(), |joliet| format!(
            "{:?}",
            joliet.text(&joliet.volume)
        )),
    );
    for boot in image.boot_images()? {
        let entry = boot.entry;
        let _ = writeln!(
            out,
            "boot {:?} bootable {} emulation {} sectors {} block {} info {:?}",
            entry.platform, entry.bootable, entry.emulation, entry.sectors, entry.block, boot.info
        );
    }
    if let Some(tables) = image.disk_tables()? {
        let mbr = &tables.mbr;
        let _ = writeln!(
            out,
            "mbr signature {:08x} starts {:?}",
            mbr.signature,
            mbr.image_sector()
        );
        for (index, partition) in mbr.partitions.iter().enumerate() {
            if let Some(partition) = partition {
                let _ = writeln!(
                    out,
                    "mbr {} active {} type {:02x} start {} sectors {}",
                    index + 1,
                    partition.active,
                    partition.kind,
                    partition.start,
                    partition.sectors
                );
            }
        }
        for (which, table) in [("gpt", &tables.primary), ("backup", &tables.backup)] {
            if let Some((header, partitions)) = table {
                gpt(&mut out, which, header, partitions);
            }
        }
    }
    line(&mut out, b"/", &image.root().clone());
    let mut walk = image.walk();
    while let Some((path, entry)) = walk.next(image)? {
        line(&mut out, path, &entry);
    }
    Ok(out)
}

fn gpt(out: &mut String, which: &str, header: &Header, partitions: &[Partition]) {
    let _ = writeln!(
        out,
        "{which} guid {:?} at {} other {} entries {} at {}",
        header.guid, header.here, header.other, header.count, header.entries_at
    );
    for partition in partitions {
        let _ = writeln!(
            out,
            "{which} partition {:?} type {:?} guid {:?} sectors {} to {}",
            partition.name, partition.kind, partition.guid, partition.first, partition.last
        );
    }
}

fn line(out: &mut String, path: &[u8], entry: &Entry) {
    let (letter, more) = match &entry.kind {
        Kind::File => ('-', extents(entry)),
        Kind::Folder => ('d', extents(entry)),
        Kind::Link(target) => ('l', format!("-> {}", target.escape_ascii())),
        Kind::Fifo => ('p', String::new()),
        Kind::Socket => ('s', String::new()),
        Kind::Character(major, minor) => ('c', format!("{major}:{minor}")),
        Kind::Block(major, minor) => ('b', format!("{major}:{minor}")),
    };
    let text = format!(
        "{letter}{:04o} {}:{} {} {} {} {more}",
        entry.mode,
        entry.uid,
        entry.gid,
        entry.links,
        time(entry.time),
        path.escape_ascii(),
    );
    let _ = writeln!(out, "{}", text.trim_end());
}

fn extents(entry: &Entry) -> String {
    let extents = entry.extents.iter();
    let texts: Vec<String> = extents
        .map(|extent| format!("{}+{}", extent.offset, extent.length))
        .collect();
    texts.join(" ")
}

fn time(time: Option<Time>) -> String {
    time.map_or("-".into(), Time::text)
}
