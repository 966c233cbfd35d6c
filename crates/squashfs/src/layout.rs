//! From a tree to tables: inode numbers, link counts, inodes, directory listings with their indices, ids, attributes (kernel 3.3 to 3.8, format 4 to 6).
//!
//! Numbers are given from the root down, a folder's entries one after the other, so that the differences in listings are small. Inodes are written from
//! the leaves up: a folder's own files, its listing, the folder itself. So all that is below a folder is written in one go, and a [`Subtree`] is a tree
//! only while it is. The directory table is kept in memory, compressed, until the inode table is out.
//!
//! [`Subtree`]: crate::Subtree

mod listing;
mod numbering;
mod xattrs;

use std::collections::HashMap;
use std::io::Write;

use crate::codec::{Codec, Compressor};
use crate::error::{Error, Result};
use crate::format::{
    DIRECTORY_EXTRA, Flags, InodeBody, InodeHeader, InodeRef, NO_FRAGMENT, NO_TABLE, NO_XATTRS,
    Superblock, put32,
};
use crate::graft::Grafts;
use crate::metadata::{MetadataWriter, Output, write_table};
use crate::run::{ContentId, Contents, PlacedRun};
use crate::tree::{Kind, NodeId, Tree};
use listing::Listing;
use numbering::{Numbering, Place, refused};
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
    grafts: Grafts<'_>,
    image: &Image<'_>,
    out: &mut Output<W>,
) -> Result<Superblock> {
    let inode_count = numbering::count(tree, &grafts)?;
    let inode_table = out.position;
    let mut directories = Output::new(Vec::new());
    let mut tables = Tables {
        image,
        contents: Contents::new(image.runs),
        inodes: MetadataWriter::new(out, image.compressor()?),
        listings: MetadataWriter::new(&mut directories, image.compressor()?),
        export: match image.exportable {
            true => vec![0; inode_count as usize * EXPORT_ENTRY_LEN],
            false => Vec::new(),
        },
        ids: Ids::default(),
        xattrs: XattrTable::default(),
    };
    let place = Place {
        number: 1,
        // The root has no parent; the number after the last is what stands there.
        parent: inode_count + 1,
        last: 1,
    };
    let root = tables.write(tree, grafts, place)?;
    let Tables {
        inodes,
        listings,
        export,
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
        (export_table, compressor) = write_table(out, compressor, &export)?;
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
        inode_count,
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
/// Bytes that an inode takes in the export table.
const EXPORT_ENTRY_LEN: usize = 8;

struct Tables<'a, 'o, W> {
    image: &'a Image<'a>,
    contents: Contents<'a>,
    inodes: MetadataWriter<'o, W>,
    listings: MetadataWriter<'o, Vec<u8>>,
    /// The export table, if there is to be one.
    export: Vec<u8>,
    ids: Ids,
    xattrs: XattrTable,
}

/// A tree whose inodes are being written.
struct Part<'t> {
    tree: &'t Tree<ContentId>,
    numbering: Numbering,
    references: Vec<InodeRef>,
}

impl<W: Write> Tables<'_, '_, W> {
    /// Writes inodes and listings of a tree. Gives back where its root lies.
    fn write(
        &mut self,
        tree: &Tree<ContentId>,
        mut grafts: Grafts<'_>,
        place: Place,
    ) -> Result<InodeRef> {
        let mut numbering = Numbering::of(tree, &grafts, place);
        let directories = std::mem::take(&mut numbering.directories);
        let mut part = Part {
            tree,
            numbering,
            references: vec![UNWRITTEN; tree.len()],
        };
        let mut root = InodeRef(0);
        for directory in directories.into_iter().rev() {
            let grafted = part.numbering.grafts.get(&directory);
            root = match grafted.zip(grafts.remove(&directory)) {
                None => self.write_folder(&mut part, directory)?,
                Some((place, subtree)) => {
                    let inodes = subtree.inodes();
                    let (subtree, within) = subtree.expand()?;
                    if numbering::count(&subtree, &within)? != inodes {
                        let reason = "it has more or fewer inodes than was said";
                        return Err(refused(tree, directory, reason));
                    }
                    let reference = self.write(&subtree, within, *place)?;
                    part.references[directory.index()] = reference;
                    reference
                }
            };
        }
        Ok(root)
    }

    /// Writes a folder whose folders are written.
    fn write_folder(&mut self, part: &mut Part<'_>, id: NodeId) -> Result<InodeRef> {
        for (_, entry) in part.tree.entries(id) {
            let is_directory = matches!(part.tree.node(entry).kind, Kind::Directory(_));
            if !is_directory && part.references[entry.index()] == UNWRITTEN {
                self.write_leaf(part, entry)?;
            }
        }
        self.write_directory(part, id)
    }

    fn write_leaf(&mut self, part: &mut Part<'_>, id: NodeId) -> Result<()> {
        let node = part.tree.node(id);
        let link_count = part.numbering.links[id.index()];
        let xattrs = self.xattrs(part, id)?;
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
        self.put(part, id, &body, &after)?;
        Ok(())
    }

    fn file(
        &mut self,
        id: ContentId,
        link_count: u32,
        xattrs: u32,
        block_list: &mut Vec<u8>,
    ) -> Result<InodeBody> {
        let Some((placed, content)) = self.contents.get(id) else {
            return Err(Error::Run {
                reason: "a file's content is in none of this image's runs",
            });
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

    fn write_directory(&mut self, part: &mut Part<'_>, id: NodeId) -> Result<InodeRef> {
        let xattrs = self.xattrs(part, id)?;
        let mut listing = Listing::new(&mut self.listings);
        for (name, entry) in part.tree.entries(id) {
            // Entries were written before: the order of `directories` is that of leaves first.
            listing.push(listing::Entry {
                name,
                reference: part.references[entry.index()],
                number: part.numbering.numbers[entry.index()],
                basic_type: basic_type(&part.tree.node(entry).kind),
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
            link_count: part.numbering.links[id.index()],
            parent: part.numbering.parents[id.index()],
            index_count: listing.index_count,
            xattrs,
        };
        self.put(part, id, &body, &listing.index)
    }

    fn put(
        &mut self,
        part: &mut Part<'_>,
        id: NodeId,
        body: &InodeBody,
        after: &[u8],
    ) -> Result<InodeRef> {
        let attributes = &part.tree.node(id).attributes;
        let number = part.numbering.numbers[id.index()];
        let header = InodeHeader {
            permissions: attributes.permissions,
            uid_index: self.ids.index(attributes.uid)?,
            gid_index: self.ids.index(attributes.gid)?,
            mtime: attributes.mtime,
            number,
        };
        let (block, offset) = self.inodes.position();
        let reference = InodeRef::new(narrow(block, "bytes in the inode table")?.into(), offset);
        let mut bytes = Vec::with_capacity(64 + after.len());
        body.put(&header, &mut bytes);
        bytes.extend_from_slice(after);
        self.inodes.write(&bytes)?;
        part.references[id.index()] = reference;
        if self.image.exportable {
            let at = (number as usize - 1) * EXPORT_ENTRY_LEN;
            self.export[at..at + EXPORT_ENTRY_LEN].copy_from_slice(&reference.0.to_le_bytes());
        }
        Ok(reference)
    }

    fn xattrs(&mut self, part: &Part<'_>, id: NodeId) -> Result<u32> {
        match &part.tree.node(id).attributes.xattrs {
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
