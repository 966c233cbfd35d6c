//! An image as text: what was seen, one thing a line, for goldens and for people. Everything is shown as the image says it, not as it should be.
//!
//! The superblock, the codec's options, ids, fragments, then every entry from the root down, in the order of the listings:
//! path, kind, mode, owner, links, time, inode number, and what depends on the kind. Names are escaped where they are not printable ASCII.

use std::fmt::{self, Write};

use crate::error::Result;
use crate::format::{BlockWord, Flags};
use crate::read::{FileInode, Image, Inode, InodeKind, ReadAt};

/// Entries are shown up to this depth, so that folders that contain themselves come to an end.
const DEPTH: usize = 256;

/// Writes what `image` holds, at most `most` entries of it. File content is not unpacked.
///
/// The first fault of the image is the result; what was written until then is right.
pub fn dump<R: ReadAt>(image: &Image<R>, most: usize, out: &mut impl Write) -> Result<()> {
    let mut lines = Lines(out);
    superblock(image, &mut lines)?;
    for index in 0..image.superblock().fragment_count {
        if index as usize == most {
            break;
        }
        let entry = image.fragment_entry(index)?;
        lines.put(format_args!(
            "fragment {index}: at {:#x}, {}",
            entry.start,
            word(entry.word)
        ));
    }
    let mut left = most;
    let mut open = vec![(Vec::new(), image.root()?, 0)];
    while let Some((path, inode, depth)) = open.pop() {
        entry(image, &path, &inode, &mut lines)?;
        let InodeKind::Directory(directory) = &inode.kind else {
            continue;
        };
        let first = open.len();
        for child in image.entries(directory) {
            let child = child?;
            if left == 0 || depth == DEPTH {
                lines.put(format_args!("…"));
                break;
            }
            left -= 1;
            let mut path = path.clone();
            path.push(b'/');
            path.extend_from_slice(&child.name);
            open.push((path, image.inode(child.inode)?, depth + 1));
        }
        open[first..].reverse();
    }
    Ok(())
}

struct Lines<'o, W>(&'o mut W);

impl<W: Write> Lines<'_, W> {
    /// Writing to a string does not fail, and for other writers the text is cut short.
    fn put(&mut self, line: fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(line);
        let _ = self.0.write_char('\n');
    }
}

fn superblock<R: ReadAt, W: Write>(image: &Image<R>, lines: &mut Lines<'_, W>) -> Result<()> {
    let superblock = image.superblock();
    lines.put(format_args!(
        "squashfs 4.0, {}, blocks of {}, made at {}",
        superblock.codec.name(),
        superblock.block_size,
        superblock.mtime
    ));
    lines.put(format_args!(
        "{} inodes, {} fragments, {} ids, {} bytes",
        superblock.inode_count,
        superblock.fragment_count,
        superblock.id_count,
        superblock.bytes_used
    ));
    let mut flags = String::new();
    for (flag, name) in [
        (Flags::STORED_INODES, "stored-inodes"),
        (Flags::STORED_DATA, "stored-data"),
        (Flags::STORED_FRAGMENTS, "stored-fragments"),
        (Flags::NO_FRAGMENTS, "no-fragments"),
        (Flags::ALWAYS_FRAGMENTS, "always-fragments"),
        (Flags::DUPLICATES, "duplicates"),
        (Flags::EXPORTABLE, "exportable"),
        (Flags::STORED_XATTRS, "stored-xattrs"),
        (Flags::NO_XATTRS, "no-xattrs"),
        (Flags::CODEC_OPTIONS, "codec-options"),
        (Flags::STORED_IDS, "stored-ids"),
    ] {
        if superblock.flags.contains(flag) {
            flags.push(' ');
            flags.push_str(name);
        }
    }
    lines.put(format_args!("flags{flags}"));
    for (name, at) in [
        ("inode table", superblock.inode_table),
        ("directory table", superblock.directory_table),
        ("fragment table", superblock.fragment_table),
        ("export table", superblock.export_table),
        ("id table", superblock.id_table),
        ("xattr table", superblock.xattr_table),
    ] {
        if at != crate::format::NO_TABLE {
            lines.put(format_args!("{name} at {at:#x}"));
        }
    }
    let mut options = String::new();
    for byte in image.codec_options()? {
        let _ = write!(options, " {byte:02x}");
    }
    if !options.is_empty() {
        lines.put(format_args!("codec options{options}"));
    }
    lines.put(format_args!("ids {:?}", image.ids()));
    Ok(())
}

fn entry<R: ReadAt, W: Write>(
    image: &Image<R>,
    path: &[u8],
    inode: &Inode,
    lines: &mut Lines<'_, W>,
) -> Result<()> {
    let detail = match &inode.kind {
        InodeKind::Directory(directory) => match directory.index_count {
            0 => "folder".to_owned(),
            count => format!("folder, index of {count}"),
        },
        InodeKind::File(content) => format!("file {}", file(image, content)?),
        InodeKind::Symlink(target) => format!("link to {}", target.escape_ascii()),
        InodeKind::BlockDevice(device) => {
            format!("block device {}:{}", device.major, device.minor)
        }
        InodeKind::CharDevice(device) => {
            format!("character device {}:{}", device.major, device.minor)
        }
        InodeKind::Fifo => "fifo".to_owned(),
        InodeKind::Socket => "socket".to_owned(),
    };
    lines.put(format_args!(
        "{} #{} {:04o} {}:{} links {} time {} {detail}",
        if path.is_empty() { b"/" } else { path }.escape_ascii(),
        inode.number,
        inode.permissions,
        inode.uid,
        inode.gid,
        inode.link_count,
        inode.mtime,
    ));
    for (name, value) in image.xattrs(inode)? {
        lines.put(format_args!(
            "  {} = {}",
            name.escape_ascii(),
            value.escape_ascii()
        ));
    }
    Ok(())
}

/// Size and blocks; many blocks are counted rather than listed.
fn file<R: ReadAt>(image: &Image<R>, file: &FileInode) -> Result<String> {
    const LISTED: u64 = 8;
    let mut text = format!("{} bytes", file.size);
    if file.block_count > 0 {
        let _ = write!(text, " at {:#x}:", file.start);
        let mut words = image.open_file(file);
        for number in 0..file.block_count.min(LISTED) {
            if let Some(block) = words.next_word()? {
                let separator = if number == 0 { "" } else { "," };
                let _ = write!(text, "{separator} {}", word(block));
            }
        }
        if file.block_count > LISTED {
            let _ = write!(text, " and {} blocks more", file.block_count - LISTED);
        }
    }
    if let Some(tail) = file.tail {
        let _ = write!(text, ", fragment {} from {}", tail.fragment, tail.offset);
    }
    Ok(text)
}

fn word(word: BlockWord) -> String {
    if word.is_hole() {
        return "hole".to_owned();
    }
    let how = if word.is_compressed() {
        "packed"
    } else {
        "stored"
    };
    format!("{} {how}", word.length())
}
