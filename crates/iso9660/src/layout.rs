//! Where everything lies: tree and options → every extent's place. Nothing is read or written here.
//!
//! From the beginning: the system area (MBR, GPT), volume descriptors, path tables, boot catalogue, the primary folders,
//! Joliet's, continuation areas; then the contents in the order in which they were added, those that are streamed last;
//! then the backup GPT.
//!
//! Names of two kinds make two hierarchies of folders, which share the contents. The order within a folder is that of
//! ECMA-119, 9.3, and folders lie in the order of the path tables (6.9.1).

use std::collections::BTreeMap;

use crate::error::Error;
use crate::format::record::{self, Record};
use crate::format::{self, BLOCK, Block, MAX_EXTENT, SYSTEM_AREA, gpt, susp};
use crate::name::{Alphabet, Names};
use crate::options::{EfiBoot, MAX_PATCHED, Options, TAIL};
use crate::rock_ridge::{self, Inode};
use crate::tree::{Attributes, ContentId, Folder, Node, Tree};

/// Where a content lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its first block; zero when it is empty.
    pub block: Block,
    /// Its length in bytes.
    pub length: u64,
}

/// Where everything lies.
#[derive(Debug)]
pub struct Layout<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) options: &'t Options,
    pub(crate) primary: Hierarchy<'t>,
    pub(crate) joliet: Option<Hierarchy<'t>>,
    pub(crate) catalogue: Option<Block>,
    /// The continuation areas: first block and bytes.
    pub(crate) continuation: (Block, u64),
    pub(crate) bios: Option<ContentId>,
    pub(crate) efi: Option<ContentId>,
    places: Vec<Place>,
    files_at: Block,
    blocks: u32,
}

/// The folders of one kind of names.
#[derive(Debug)]
pub(crate) struct Hierarchy<'t> {
    pub(crate) alphabet: Alphabet,
    /// In the order of the path tables; the first is the root.
    pub(crate) folders: Vec<Laid<'t>>,
    pub(crate) path_table: u64,
    pub(crate) table_l: Block,
    pub(crate) table_m: Block,
}

/// A folder in its place.
#[derive(Debug)]
pub(crate) struct Laid<'t> {
    pub(crate) attributes: &'t Attributes,
    pub(crate) identifier: Vec<u8>,
    pub(crate) parent: usize,
    pub(crate) inode: Inode,
    pub(crate) entries: Vec<Named<'t>>,
    /// Where the system use area of its record of itself goes on.
    pub(crate) continued: Vec<u64>,
    pub(crate) block: Block,
    pub(crate) length: u32,
}

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct Named<'t> {
    pub(crate) identifier: Vec<u8>,
    pub(crate) name: &'t [u8],
    pub(crate) node: &'t Node,
    /// Its place among the folders, if it is one.
    pub(crate) folder: Option<usize>,
    pub(crate) inode: Inode,
    /// Where in the continuation areas its system use area goes on.
    pub(crate) continued: Vec<u64>,
}

impl<'t> Layout<'t> {
    /// With each streamed content as long as it can be.
    ///
    /// # Errors
    /// [`Error::Node`], [`Error::Option`], [`Error::BootImage`], [`Error::TooMany`].
    pub fn of(tree: &'t Tree, options: &'t Options) -> Result<Layout<'t>, Error> {
        Layout::settled(tree, options, &BTreeMap::new(), None)
    }

    /// With what is known of streamed contents, and the contents beginning where they begin already.
    pub(crate) fn settled(
        tree: &'t Tree,
        options: &'t Options,
        lengths: &BTreeMap<ContentId, u64>,
        files_at: Option<Block>,
    ) -> Result<Layout<'t>, Error> {
        options.check()?;
        let bios = options.boot.bios.as_ref().map(|bios| &bios.image);
        let bios = bios.map(|path| boot_image(tree, path)).transpose()?;
        let efi = options.boot.efi.as_ref().map(|efi| &efi.image);
        let efi = efi.map(|path| boot_image(tree, path)).transpose()?;

        let length_of = |id: usize| {
            let settled = lengths.get(&ContentId(id)).copied();
            settled.unwrap_or_else(|| tree.contents[id].length())
        };
        let mut places: Vec<Place> = (0..tree.contents.len())
            .map(|id| Place {
                block: Block(0),
                length: length_of(id),
            })
            .collect();
        let mut continuation = 0;
        let mut primary = Hierarchy::of(tree, Alphabet::Primary, &places, &mut continuation)?;
        let mut joliet = match options.joliet {
            true => Some(Hierarchy::of(tree, Alphabet::Joliet, &places, &mut 0)?),
            false => None,
        };

        let mut cursor = Cursor(u64::from(SYSTEM_AREA.0));
        // Primary and terminator, boot record, Joliet's.
        let boots = bios.is_some() || efi.is_some();
        cursor.take(2 + u64::from(boots) + u64::from(joliet.is_some()))?;
        primary.place_tables(&mut cursor)?;
        if let Some(joliet) = &mut joliet {
            joliet.place_tables(&mut cursor)?;
        }
        let catalogue = boots.then(|| cursor.take(1)).transpose()?;
        primary.place_folders(&mut cursor)?;
        if let Some(joliet) = &mut joliet {
            joliet.place_folders(&mut cursor)?;
        }
        let continuation = (cursor.take(format::blocks(continuation))?, continuation);
        cursor.0 = cursor.0.max(format::blocks(options.metadata_room));
        if let Some(block) = files_at {
            cursor.0 = cursor.0.max(block.0.into());
        }
        let files_at = cursor.take(0)?;

        let known = (0..places.len()).filter(|id| !tree.contents[*id].is_streamed());
        let streamed = (0..places.len()).filter(|id| tree.contents[*id].is_streamed());
        for id in known.chain(streamed) {
            let is_partition = options.boot.has_gpt() && efi == Some(ContentId(id));
            let least = if is_partition { EfiBoot::ALIGNMENT } else { 0 };
            let alignment = tree.contents[id].alignment.max(least);
            if !alignment.is_power_of_two() || alignment < BLOCK as u64 {
                return Err(Error::Option {
                    option: "alignment",
                    reason: format!("{alignment} is no power of two of at least {BLOCK} bytes"),
                });
            }
            if places[id].length > 0 {
                cursor.align(alignment / BLOCK as u64);
                places[id].block = cursor.take(format::blocks(places[id].length))?;
            }
        }
        if options.boot.has_gpt() {
            cursor.take(gpt::backup_blocks())?;
        }
        cursor.align(TAIL);
        let blocks = cursor.take(0)?.0;
        Ok(Layout {
            tree,
            options,
            primary,
            joliet,
            catalogue,
            continuation,
            bios,
            efi,
            places,
            files_at,
            blocks,
        })
    }

    /// Where a content lies.
    pub fn place(&self, content: ContentId) -> Option<Place> {
        self.places.get(content.0).copied()
    }

    /// Where the contents begin: what is before is made of the tree's names and the options.
    pub fn files_at(&self) -> Block {
        self.files_at
    }

    /// The image's length in bytes.
    pub fn length(&self) -> u64 {
        Block(self.blocks).offset()
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.blocks
    }
}

/// The extents of a content; one that is empty has an empty one.
pub(crate) fn extents(place: Place) -> impl Iterator<Item = (Block, u32)> {
    let count = place.length.div_ceil(MAX_EXTENT).max(1);
    (0..count).map(move |index| {
        let before = index * MAX_EXTENT;
        let length = (place.length - before).min(MAX_EXTENT);
        let block = place.block.0 + (before / BLOCK as u64) as u32;
        (Block(block), length as u32)
    })
}

fn boot_image(tree: &Tree, path: &[u8]) -> Result<ContentId, Error> {
    let fail = |reason| {
        Err(Error::BootImage {
            path: String::from_utf8_lossy(path).into_owned(),
            reason,
        })
    };
    let Some(Node::File { content, .. }) = tree.get(path) else {
        return fail("it is not among the files of the image");
    };
    let Some(bytes) = tree.contents.get(content.0) else {
        return fail("its content is of another tree");
    };
    if bytes.is_streamed() {
        return fail("it is streamed, so its place is not known in time");
    }
    match bytes.length() {
        0 => fail("it is empty"),
        length if length > MAX_PATCHED => fail("it is longer than 64 MiB"),
        _ => Ok(*content),
    }
}

impl<'t> Hierarchy<'t> {
    fn of(
        tree: &'t Tree,
        alphabet: Alphabet,
        places: &[Place],
        continuation: &mut u64,
    ) -> Result<Hierarchy<'t>, Error> {
        let mut sources = vec![(&tree.root, 0, vec![0], 1)];
        let mut folders: Vec<Laid<'t>> = Vec::new();
        let mut path_table = 0;
        let mut serial = 1;
        let mut next = 0;
        while next < sources.len() {
            let (folder, parent, ref identifier, own_serial) = sources[next];
            let identifier = identifier.clone();
            path_table += record::path_length(identifier.len()) as u64;
            let fail = |name: &[u8], reason| {
                Err(Error::Node {
                    path: path_of(&folders, parent, next, name),
                    reason,
                })
            };
            let mut names = Names::new(alphabet);
            let mut named = Vec::with_capacity(folder.entries.len());
            let mut sub_folders = 0;
            for (name, node) in &folder.entries {
                if let Some(reason) = fault(name, node, places) {
                    return fail(name, reason);
                }
                let is_folder = matches!(node, Node::Folder(_));
                sub_folders += u32::from(is_folder);
                named.push((names.take(name, is_folder), name, node, is_folder));
            }
            named.sort_by(|a, b| a.0.cmp(&b.0));

            let mut laid = Laid {
                attributes: &folder.attributes,
                identifier,
                parent,
                inode: Inode {
                    serial: own_serial,
                    links: 2 + sub_folders,
                },
                entries: Vec::with_capacity(named.len()),
                continued: Vec::new(),
                block: Block(0),
                length: 0,
            };
            if !folder.attributes.time.is_representable() {
                return fail(b"", "its time is not between the years 1900 and 2155");
            }
            for (identifier, name, node, is_folder) in named {
                serial += 1;
                let links = match node {
                    Node::Folder(folder) => 2 + sub_folders_of(folder),
                    _ => 1,
                };
                let identifier = identifier.encode(alphabet, is_folder);
                let mut entry = Named {
                    identifier,
                    name,
                    node,
                    folder: None,
                    inode: Inode { serial, links },
                    continued: Vec::new(),
                };
                if let Node::Folder(sub_folder) = node {
                    entry.folder = Some(sources.len());
                    sources.push((sub_folder, next, entry.identifier.clone(), serial));
                }
                laid.entries.push(entry);
            }
            laid.measure(alphabet, next == 0, places, continuation)?;
            folders.push(laid);
            next += 1;
        }
        // Path tables number parents with 16 bits.
        limit("folders", folders.len() as u64, u16::MAX.into())?;
        limit("bytes of path tables", path_table, u32::MAX.into())?;
        Ok(Hierarchy {
            alphabet,
            folders,
            path_table,
            table_l: Block(0),
            table_m: Block(0),
        })
    }

    fn place_tables(&mut self, cursor: &mut Cursor) -> Result<(), Error> {
        self.table_l = cursor.take(format::blocks(self.path_table))?;
        self.table_m = cursor.take(format::blocks(self.path_table))?;
        Ok(())
    }

    fn place_folders(&mut self, cursor: &mut Cursor) -> Result<(), Error> {
        for folder in &mut self.folders {
            folder.block = cursor.take(format::blocks(folder.length.into()))?;
        }
        Ok(())
    }
}

impl Laid<'_> {
    /// Its length, and places in the continuation areas for what its records have no room for.
    fn measure(
        &mut self,
        alphabet: Alphabet,
        is_root: bool,
        places: &[Place],
        continuation: &mut u64,
    ) -> Result<(), Error> {
        let rock_ridge = alphabet == Alphabet::Primary;
        let mut used = 0_u64;
        let mut add = |identifier: usize, parts: &[Vec<u8>], count: u64| {
            let more = if parts.len() > 1 { susp::CE_LENGTH } else { 0 };
            let system_use = parts.first().map_or(0, |part| part.len() + more);
            let length = Record::length(identifier, system_use);
            for _ in 0..count {
                used = packed(used, length) + length as u64;
            }
        };
        let own = match rock_ridge {
            true => self.own_parts(is_root),
            false => vec![Vec::new()],
        };
        add(1, &own, 1);
        self.continued = allot(&own, continuation);
        let parent = match rock_ridge {
            true => self.own_parts(false),
            false => vec![Vec::new()],
        };
        add(1, &parent, 1);
        for entry in &mut self.entries {
            let parts = match rock_ridge {
                true => entry.parts(),
                false => vec![Vec::new()],
            };
            let count = match entry.node {
                Node::File { content, .. } => extents(places[content.0]).count() as u64,
                _ => 1,
            };
            add(entry.identifier.len(), &parts, count);
            entry.continued = allot(&parts, continuation);
        }
        let length = format::blocks(used) * BLOCK as u64;
        limit("bytes of one folder", length, u32::MAX.into())?;
        self.length = length as u32;
        Ok(())
    }

    /// The parts of the system use area of a folder's record of itself.
    pub(crate) fn own_parts(&self, is_root: bool) -> Vec<Vec<u8>> {
        let entries = rock_ridge::own_entries(self.attributes, self.inode, is_root);
        susp::share(entries, Record::room(1))
    }
}

impl Named<'_> {
    /// The parts of its system use area: the first in its record, the others in continuation areas.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let entries = rock_ridge::entries(self.name, self.node, self.inode);
        susp::share(entries, Record::room(self.identifier.len()))
    }
}

/// Where a record of this length goes after `used` bytes: records do not cross sectors (6.8.1.1).
pub(crate) fn packed(used: u64, length: usize) -> u64 {
    let block = BLOCK as u64;
    if used % block + length as u64 > block {
        used.next_multiple_of(block)
    } else {
        used
    }
}

/// Places for all parts but the first; a part does not cross blocks.
fn allot(parts: &[Vec<u8>], continuation: &mut u64) -> Vec<u64> {
    let mut places = Vec::new();
    for (index, part) in parts.iter().enumerate().skip(1) {
        let more = if index + 1 < parts.len() {
            susp::CE_LENGTH
        } else {
            0
        };
        let length = part.len() + more;
        let at = packed(*continuation, length);
        places.push(at);
        *continuation = at + length as u64;
    }
    places
}

fn sub_folders_of(folder: &Folder) -> u32 {
    let nodes = folder.entries.values();
    nodes.filter(|node| matches!(node, Node::Folder(_))).count() as u32
}

/// The path of a name in the folder of this number, whose parent is laid already.
fn path_of(folders: &[Laid<'_>], parent: usize, number: usize, name: &[u8]) -> String {
    let mut parts = vec![name];
    let (mut parent, mut number) = (parent, number);
    while number > 0 {
        let entries = folders[parent].entries.iter();
        let found = entries
            .filter(|entry| entry.folder == Some(number))
            .map(|entry| entry.name);
        parts.extend(found);
        number = parent;
        parent = folders[parent].parent;
    }
    parts.reverse();
    format!("/{}", String::from_utf8_lossy(&parts.join(&b'/')))
}

/// Why a node cannot be on an image.
fn fault(name: &[u8], node: &Node, places: &[Place]) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." {
        return Some("this is not the name of anything");
    }
    if name.len() > 255 {
        return Some("its name has more than 255 bytes");
    }
    if name.iter().any(|byte| *byte == b'/' || *byte == 0) {
        return Some("its name has a slash or a NUL in it");
    }
    if !node.attributes().time.is_representable() {
        return Some("its time is not between the years 1900 and 2155");
    }
    match node {
        Node::File { content, .. } if content.0 >= places.len() => {
            Some("its content is of another tree")
        }
        Node::Link { target, .. } if target.is_empty() => Some("the link leads nowhere"),
        Node::Link { target, .. } if target.len() > 4095 || target.contains(&0) => {
            Some("the link's target has more than 4095 bytes, or a NUL in it")
        }
        _ => None,
    }
}

fn limit(what: &'static str, count: u64, limit: u64) -> Result<(), Error> {
    if count > limit {
        return Err(Error::TooMany { what, count, limit });
    }
    Ok(())
}

/// The next free block.
struct Cursor(u64);

impl Cursor {
    fn take(&mut self, blocks: u64) -> Result<Block, Error> {
        let block = self.0;
        self.0 = self.0.saturating_add(blocks);
        limit("blocks of 2048 bytes", self.0, u32::MAX.into())?;
        Ok(Block(block as u32))
    }

    fn align(&mut self, blocks: u64) {
        self.0 = self.0.next_multiple_of(blocks);
    }
}
