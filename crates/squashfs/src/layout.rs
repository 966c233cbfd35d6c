//! From a tree to tables: inode numbers, link counts, inodes, directory listings with their indices, ids, attributes (kernel 3.3 to 3.8, format 4 to 6).
//!
//! Numbers are given from the root down, a folder's entries one after the other, so that the differences in listings are small. Inodes are written from
//! the leaves up: a folder's own files, its listing, the folder itself. The directory table is kept in memory, compressed, until the inode table is out.

mod listing;
mod xattrs;

use std::collections::HashMap;
use std::io::Write;

use crate::codec::{Codec, Compressor};
use crate::error::{Error, Result};
use crate::format::{
    DIRECTORY_EXTRA, Flags, InodeBody, InodeHeader, InodeRef, NO_FRAGMENT, NO_TABLE, NO_XATTRS,
    Superblock, put32,
};
use crate::metadata::{MetadataWriter, Output, write_table};
use crate::run::{ContentId, PlacedRun};
use crate::tree::{Kind, NodeId, Tree};
use listing::Listing;
use xattrs::XattrTable;

/// What the tables need besides the tree.
pub(crate) struct Image<'a> {
    pub(crate) runs: &'a [PlacedRun],
    pub(crate) codec: Codec,
    pub(crate) block_size: u32,
    pub(crate) mtime: u32,
    pub(crate) exportable: bool,
    /// Those that are known before.
    pub(crate) flags: Flags,
}

/// Writes all tables where `out` is, and gives back the superblock for them.
pub(crate) fn write_tables<W: Write>(
    tree: &Tree<ContentId>,
    image: &Image<'_>,
    out: &mut Output<W>,
) -> Result<Superblock> {
    let numbering = Numbering::of(tree)?;
    let inode_table = out.position;
    let mut directories = Output::new(Vec::new());
    let mut tables = Tables {
        tree,
        image,
        numbering: &numbering,
        inodes: MetadataWriter::new(out, image.compressor()?),
        listings: MetadataWriter::new(&mut directories, image.compressor()?),
        references: vec![UNWRITTEN; tree.len()],
        ids: Ids::default(),
        xattrs: XattrTable::default(),
    };
    let root = tables.write()?;
    let Tables {
        inodes,
        listings,
        references,
        ids,
        xattrs,
        ..
    } = tables;
    inodes.finish()?;
    let compressor = listings.finish()?;
    let directory_table = out.position;
    out.write(&directories.inner)?;
    drop(directories);

    let mut fragments = Vec::new();
    for entry in image.runs.iter().flat_map(PlacedRun::fragments) {
        entry.put(&mut fragments);
    }
    let fragment_count = u32::try_from(fragments.len() / crate::format::FRAGMENT_ENTRY_LEN)
        .map_err(|_| Error::TooMany {
            what: "fragments",
            limit: u32::MAX.into(),
        })?;
    let (fragment_table, mut compressor) = write_table(out, compressor, &fragments)?;
    let mut export_table = NO_TABLE;
    if image.exportable {
        let mut entries = vec![0; numbering.count as usize * 8];
        for (reference, number) in references.iter().zip(&numbering.numbers) {
            if let Some(at) = number.checked_sub(1) {
                let at = at as usize * 8;
                entries[at..at + 8].copy_from_slice(&reference.0.to_le_bytes());
            }
        }
        (export_table, compressor) = write_table(out, compressor, &entries)?;
    }
    let mut entries = Vec::new();
    for id in &ids.list {
        put32(&mut entries, *id);
    }
    let (id_table, compressor) = write_table(out, compressor, &entries)?;
    let xattr_table = xattrs.write(out, compressor, image.compressor()?)?;

    let mut flags = image.flags;
    if image.exportable {
        flags = flags | Flags::EXPORTABLE;
    }
    if xattr_table == NO_TABLE {
        flags = flags | Flags::NO_XATTRS;
    }
    Ok(Superblock {
        inode_count: numbering.count,
        mtime: image.mtime,
        block_size: image.block_size,
        fragment_count,
        codec: image.codec.id(),
        flags,
        id_count: ids.list.len() as u16,
        root,
        bytes_used: out.position,
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        export_table,
    })
}

impl Image<'_> {
    fn compressor(&self) -> Result<Compressor> {
        Compressor::new(self.codec, self.block_size)
    }
}

/// Inode numbers (from 1) and link counts, by node; folders so that each comes after its parent.
struct Numbering {
    numbers: Vec<u32>,
    links: Vec<u32>,
    /// Number of the folder above, for folders.
    parents: Vec<u32>,
    directories: Vec<NodeId>,
    count: u32,
}

impl Numbering {
    fn of(tree: &Tree<ContentId>) -> Result<Numbering> {
        let mut this = Numbering {
            numbers: vec![0; tree.len()],
            links: vec![0; tree.len()],
            parents: vec![0; tree.len()],
            directories: Vec::new(),
            count: u32::try_from(tree.len())
                .ok()
                .filter(|count| *count < u32::MAX)
                .ok_or(Error::TooMany {
                    what: "inodes",
                    limit: u64::from(u32::MAX) - 1,
                })?,
        };
        let root = Tree::<ContentId>::ROOT;
        let mut next = 1;
        this.numbers[root.index()] = next;
        this.links[root.index()] = 2;
        // The root has no parent; the number after the last is what stands there.
        this.parents[root.index()] = this.count + 1;
        let mut open = vec![root];
        while let Some(directory) = open.pop() {
            this.directories.push(directory);
            let first_child = open.len();
            for (_, id) in tree.entries(directory) {
                let at = id.index();
                if this.numbers[at] == 0 {
                    next += 1;
                    this.numbers[at] = next;
                }
                this.links[at] += 1;
                if matches!(tree.node(id).kind, Kind::Directory(_)) {
                    this.links[at] += 1;
                    this.links[directory.index()] += 1;
                    this.parents[at] = this.numbers[directory.index()];
                    open.push(id);
                }
            }
            open[first_child..].reverse();
        }
        Ok(this)
    }
}

/// Owners and groups by index, in the order of their first use.
#[derive(Default)]
struct Ids {
    indices: HashMap<u32, u16>,
    list: Vec<u32>,
}

impl Ids {
    fn index(&mut self, id: u32) -> Result<u16> {
        if let Some(index) = self.indices.get(&id) {
            return Ok(*index);
        }
        // The superblock counts them in 16 bits.
        let index = u16::try_from(self.list.len())
            .ok()
            .filter(|index| *index < u16::MAX)
            .ok_or(Error::TooMany {
                what: "different owners and groups",
                limit: u16::MAX.into(),
            })?;
        self.indices.insert(id, index);
        self.list.push(id);
        Ok(index)
    }
}

/// An inode that is not written yet. No reference is that large.
const UNWRITTEN: InodeRef = InodeRef(u64::MAX);

struct Tables<'a, 'o, W> {
    tree: &'a Tree<ContentId>,
    image: &'a Image<'a>,
    numbering: &'a Numbering,
    inodes: MetadataWriter<'o, W>,
    listings: MetadataWriter<'o, Vec<u8>>,
    references: Vec<InodeRef>,
    ids: Ids,
    xattrs: XattrTable<'a>,
}

impl<'a, W: Write> Tables<'a, '_, W> {
    /// Writes inodes and listings. Gives back where the root lies.
    fn write(&mut self) -> Result<InodeRef> {
        let mut root = InodeRef(0);
        for directory in self.numbering.directories.iter().rev() {
            for (_, id) in self.tree.entries(*directory) {
                let is_directory = matches!(self.tree.node(id).kind, Kind::Directory(_));
                if !is_directory && self.references[id.index()] == UNWRITTEN {
                    self.write_leaf(id)?;
                }
            }
            root = self.write_directory(*directory)?;
        }
        Ok(root)
    }

    fn write_leaf(&mut self, id: NodeId) -> Result<()> {
        let node = self.tree.node(id);
        let link_count = self.numbering.links[id.index()];
        let xattrs = self.xattrs(id)?;
        let (mut after, mut after_target) = (Vec::new(), None);
        let body = match &node.kind {
            Kind::File(content) => self.file(*content, link_count, xattrs, &mut after)?,
            Kind::Symlink(target) => {
                after.extend_from_slice(target);
                after_target = (xattrs != NO_XATTRS).then_some(xattrs);
                InodeBody::Symlink {
                    link_count,
                    target_len: target.len() as u32,
                    xattrs,
                    extended: xattrs != NO_XATTRS,
                }
            }
            Kind::BlockDevice(device) | Kind::CharDevice(device) => InodeBody::Device {
                character: matches!(node.kind, Kind::CharDevice(_)),
                link_count,
                number: device.number(),
                xattrs,
            },
            Kind::Fifo | Kind::Socket | Kind::Directory(_) => InodeBody::Ipc {
                socket: matches!(node.kind, Kind::Socket),
                link_count,
                xattrs,
            },
        };
        if let Some(xattrs) = after_target {
            put32(&mut after, xattrs);
        }
        self.put(id, &body, &after)?;
        Ok(())
    }

    fn file(
        &self,
        id: ContentId,
        link_count: u32,
        xattrs: u32,
        block_list: &mut Vec<u8>,
    ) -> Result<InodeBody> {
        let missing = Error::Run {
            reason: "a file's content is in none of this image's runs",
        };
        let Some(placed) = self.image.runs.get(id.run.0 as usize) else {
            return Err(missing);
        };
        let Some(content) = placed.run.contents.get(id.index as usize) else {
            return Err(missing);
        };
        let block_size = u64::from(self.image.block_size);
        let mut sparse = 0;
        for (number, word) in content.blocks.iter().enumerate() {
            put32(block_list, word.0);
            if word.is_hole() {
                sparse += block_size.min(content.size - number as u64 * block_size);
            }
        }
        let has_blocks = content.blocks.iter().any(|word| !word.is_hole());
        Ok(InodeBody::File {
            start: if has_blocks {
                placed.start + content.start
            } else {
                0
            },
            size: content.size,
            sparse,
            link_count,
            fragment: content
                .tail
                .map_or(NO_FRAGMENT, |tail| placed.first_fragment + tail.fragment),
            fragment_offset: content.tail.map_or(0, |tail| tail.offset),
            xattrs,
        })
    }

    fn write_directory(&mut self, id: NodeId) -> Result<InodeRef> {
        let xattrs = self.xattrs(id)?;
        let mut listing = Listing::new(&mut self.listings);
        for (name, entry) in self.tree.entries(id) {
            // Entries were written before: the order of `directories` is that of leaves first.
            listing.push(listing::Entry {
                name,
                reference: self.references[entry.index()],
                number: self.numbering.numbers[entry.index()],
                basic_type: basic_type(&self.tree.node(entry).kind),
            })?;
        }
        let listing = listing.finish()?;
        let body = InodeBody::Directory {
            block: narrow(listing.block, "bytes in the directory table")?,
            offset: listing.offset,
            size: u32::try_from(listing.length)
                .ok()
                .and_then(|length| length.checked_add(DIRECTORY_EXTRA))
                .ok_or(Error::TooMany {
                    what: "bytes of names in one folder",
                    limit: u32::MAX.into(),
                })?,
            link_count: self.numbering.links[id.index()],
            parent: self.numbering.parents[id.index()],
            index_count: listing.index_count,
            xattrs,
        };
        self.put(id, &body, &listing.index)
    }

    fn put(&mut self, id: NodeId, body: &InodeBody, after: &[u8]) -> Result<InodeRef> {
        let attributes = &self.tree.node(id).attributes;
        let header = InodeHeader {
            permissions: attributes.permissions,
            uid_index: self.ids.index(attributes.uid)?,
            gid_index: self.ids.index(attributes.gid)?,
            mtime: attributes.mtime,
            number: self.numbering.numbers[id.index()],
        };
        let (block, offset) = self.inodes.position();
        let reference = InodeRef::new(narrow(block, "bytes in the inode table")?.into(), offset);
        let mut bytes = Vec::with_capacity(64 + after.len());
        body.put(&header, &mut bytes);
        bytes.extend_from_slice(after);
        self.inodes.write(&bytes)?;
        self.references[id.index()] = reference;
        Ok(reference)
    }

    fn xattrs(&mut self, id: NodeId) -> Result<u32> {
        match &self.tree.node(id).attributes.xattrs {
            Some(xattrs) if !xattrs.is_empty() => self.xattrs.index(xattrs),
            _ => Ok(NO_XATTRS),
        }
    }
}

/// Directories' entries give the type of the basic inode.
fn basic_type<F>(kind: &Kind<F>) -> u16 {
    match kind {
        Kind::Directory(_) => 1,
        Kind::File(_) => 2,
        Kind::Symlink(_) => 3,
        Kind::BlockDevice(_) => 4,
        Kind::CharDevice(_) => 5,
        Kind::Fifo => 6,
        Kind::Socket => 7,
    }
}

fn narrow(value: u64, what: &'static str) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::TooMany {
        what,
        limit: u32::MAX.into(),
    })
}
