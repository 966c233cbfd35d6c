//! The files, folders and links of a store path, as few bytes: for the cache, and until the image's tables are written.
//!
//! They come in the order of the NAR. Each is a number, of which the lowest two bits say what it is and the others how many folders end before it; its
//! name with its length; of a file the number of its content, as the difference to the first that no file had yet; of a link its target with its length.
//! Numbers are in groups of seven bits, the lowest first (LEB128); the sign of a difference is its lowest bit.

use std::sync::Arc;

use flk_squashfs::{name_fault, target_fault};
use integer_encoding::VarInt;

const FOLDER: u64 = 0;
const FILE: u64 = 1;
const EXECUTABLE: u64 = 2;
const LINK: u64 = 3;

/// What a store path is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathNodes {
    bytes: Arc<[u8]>,
    count: u32,
}

/// A file, folder or link of a store path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathNode<'n> {
    /// How many folders it is in; none for the first, which is the store path itself.
    pub(crate) depth: usize,
    /// Empty for the first.
    pub(crate) name: &'n [u8],
    pub(crate) kind: PathKind<'n>,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind<'n> {
    Folder,
    File {
        executable: bool,
        /// Its place among the run's contents.
        content: u32,
    },
    Link(&'n [u8]),
}

impl PathNodes {
    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// As they are kept.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was kept, of a run of so many contents; nothing where it cannot be of a store path.
    pub(crate) fn read(bytes: &[u8], contents: usize) -> Option<PathNodes> {
        let mut nodes = Nodes::of(bytes);
        let mut count = 0u32;
        // The last name in each of the folders that are open: names come in the order of the NAR.
        let mut names: Vec<&[u8]> = Vec::new();
        for node in &mut nodes {
            let is_sound = match node.kind {
                PathKind::File { content, .. } => (content as usize) < contents,
                PathKind::Folder => true,
                PathKind::Link(target) => target_fault(target).is_none(),
            };
            let is_named = match count {
                0 => node.name.is_empty(),
                _ => name_fault(node.name).is_none(),
            };
            if !is_sound || !is_named {
                return None;
            }
            names.truncate(node.depth);
            if let Some(above) = node.depth.checked_sub(1) {
                match names.get_mut(above) {
                    Some(last) if *last < node.name => *last = node.name,
                    Some(_) => return None,
                    None => names.push(node.name),
                }
            }
            count = count.checked_add(1)?;
        }
        (count > 0 && nodes.rest.is_empty()).then(|| PathNodes {
            bytes: bytes.into(),
            count,
        })
    }

    /// Each after the folder that it is in.
    pub(crate) fn iter(&self) -> Nodes<'_> {
        Nodes::of(&self.bytes)
    }

    /// Those from a place on.
    pub(super) fn from(&self, place: Place) -> Nodes<'_> {
        Nodes {
            rest: self.bytes.get(place.offset..).unwrap_or_default(),
            is_first: place.offset == 0,
            open: place.depth,
            unused: place.unused,
        }
    }

    /// Where the nodes have arrived, which must be these.
    pub(super) fn place(&self, nodes: &Nodes<'_>) -> Place {
        Place {
            offset: self.bytes.len() - nodes.rest.len(),
            depth: nodes.open,
            unused: nodes.unused,
        }
    }
}

/// A place between two nodes.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    offset: usize,
    /// How many folders are open.
    pub(super) depth: usize,
    unused: u32,
}

/// Store paths' nodes, as they are walked.
#[derive(Default)]
pub(crate) struct PathWalk {
    bytes: Vec<u8>,
    count: u32,
    /// Folders that have ended since the last node.
    ended: u64,
    /// The first content that no file has.
    unused: u32,
}

impl PathWalk {
    /// How many nodes there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// A node in the folder that was begun last and has not ended.
    pub(crate) fn add(&mut self, name: &[u8], kind: PathKind<'_>) {
        let tag = match kind {
            PathKind::Folder => FOLDER,
            PathKind::File { executable, .. } => match executable {
                false => FILE,
                true => EXECUTABLE,
            },
            PathKind::Link(_) => LINK,
        };
        let ended = std::mem::take(&mut self.ended);
        put(&mut self.bytes, ended << 2 | tag);
        put_text(&mut self.bytes, name);
        match kind {
            PathKind::Folder => {}
            PathKind::File { content, .. } => {
                let difference = i64::from(content) - i64::from(self.unused);
                put(&mut self.bytes, difference);
                self.unused = self.unused.max(content.saturating_add(1));
            }
            PathKind::Link(target) => put_text(&mut self.bytes, target),
        }
        self.count += 1;
    }

    /// The folder that was begun last ends.
    pub(crate) fn end_folder(&mut self) {
        self.ended += 1;
    }

    pub(crate) fn finish(self) -> PathNodes {
        PathNodes {
            bytes: self.bytes.into(),
            count: self.count,
        }
    }
}

/// Goes through nodes, up to the end or what is none.
pub(crate) struct Nodes<'n> {
    rest: &'n [u8],
    is_first: bool,
    /// Folders that have begun and not ended.
    open: usize,
    unused: u32,
}

impl<'n> Nodes<'n> {
    fn of(bytes: &'n [u8]) -> Nodes<'n> {
        Nodes {
            rest: bytes,
            is_first: true,
            open: 0,
            unused: 0,
        }
    }

    fn node(&mut self) -> Option<PathNode<'n>> {
        let head: u64 = get(&mut self.rest)?;
        let ended = usize::try_from(head >> 2).ok()?;
        // All but the first are in a folder.
        let depth = self.open.checked_sub(ended)?;
        if (depth == 0) != self.is_first {
            return None;
        }
        self.is_first = false;
        self.open = depth;
        let name = get_text(&mut self.rest)?;
        let kind = match head & 3 {
            FOLDER => {
                self.open += 1;
                PathKind::Folder
            }
            LINK => PathKind::Link(get_text(&mut self.rest)?),
            tag => {
                let difference: i64 = get(&mut self.rest)?;
                let content = i64::from(self.unused).checked_add(difference)?;
                let content = u32::try_from(content).ok()?;
                self.unused = self.unused.max(content.saturating_add(1));
                PathKind::File {
                    executable: tag == EXECUTABLE,
                    content,
                }
            }
        };
        Some(PathNode { depth, name, kind })
    }
}

impl<'n> Iterator for Nodes<'n> {
    type Item = PathNode<'n>;

    fn next(&mut self) -> Option<PathNode<'n>> {
        let before = self.rest;
        let node = self.node();
        if node.is_none() {
            self.rest = before;
        }
        node
    }
}

fn put<V: VarInt>(out: &mut Vec<u8>, value: V) {
    let mut bytes = [0; 10];
    let length = value.encode_var(&mut bytes);
    out.extend_from_slice(&bytes[..length]);
}

fn get<V: VarInt>(from: &mut &[u8]) -> Option<V> {
    let (value, length) = V::decode_var(from)?;
    *from = from.get(length..)?;
    Some(value)
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put(out, text.len());
    out.extend_from_slice(text);
}

fn get_text<'b>(from: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length: usize = get(from)?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: u32) -> PathKind<'static> {
        PathKind::File {
            executable: content % 2 == 1,
            content,
        }
    }

    fn example() -> Vec<PathNode<'static>> {
        let node = |depth, name: &'static [u8], kind| PathNode { depth, name, kind };
        vec![
            node(0, b"", PathKind::Folder),
            node(1, b"again", file(0)),
            node(1, b"a\xff", file(0)),
            node(1, b"empty", PathKind::Folder),
            node(1, b"sub", PathKind::Folder),
            node(2, b"link", PathKind::Link(b"../a")),
            node(2, b"sub", PathKind::Folder),
            node(3, &[b'n'; 255], file(1)),
            node(1, b"x", file(70_000)),
            node(1, b"z", file(2)),
        ]
    }

    fn nodes(all: &[PathNode<'_>]) -> PathNodes {
        let mut walk = PathWalk::default();
        let mut open = 0;
        for node in all {
            while open > node.depth {
                walk.end_folder();
                open -= 1;
            }
            walk.add(node.name, node.kind);
            if node.kind == PathKind::Folder {
                open += 1;
            }
        }
        walk.finish()
    }

    #[test]
    fn what_is_kept_is_what_was() {
        for all in [
            &example()[..],
            &example()[..1],
            &[PathNode {
                depth: 0,
                name: b"",
                kind: file(0),
            }],
        ] {
            let nodes = nodes(all);
            assert_eq!(nodes.count() as usize, all.len());
            assert_eq!(nodes.iter().collect::<Vec<_>>(), all);
            assert_eq!(PathNodes::read(nodes.bytes(), 70_001), Some(nodes));
        }
    }

    #[test]
    fn what_is_of_no_store_path_is_not_read() {
        let sound = nodes(&example());
        assert_eq!(PathNodes::read(sound.bytes(), 70_000), None, "a content");
        let mut begins = vec![0];
        for count in 1..example().len() {
            begins.push(nodes(&example()[..count]).bytes().len());
        }
        for at in 0..sound.bytes().len() {
            let read = PathNodes::read(&sound.bytes()[..at], 70_001);
            // Where one ends, so may the whole.
            assert_eq!(
                read.is_some(),
                at > 0 && begins.contains(&at),
                "cut at {at}"
            );
        }
        for (bytes, what) in [
            (&b""[..], "nothing"),
            (&[4, 0], "more folders end than have begun"),
            (&[0, 0, 4, 1, b'x'], "it is beside the first"),
            (&[3, 0, 1, b'x', 0, 1, b'y'], "it is in a link"),
            (&[0, 1, b'x'], "the first has a name"),
            (&[0, 0, 0, 0], "another has none"),
            (&[1, 0, 1], "a content before the first"),
            (&[0x80; 20], "a number without an end"),
        ] {
            assert_eq!(PathNodes::read(bytes, 9), None, "{what}");
        }
        let folder = example()[0];
        let named = |name| PathNode {
            depth: 1,
            name,
            kind: file(0),
        };
        for name in [&b"."[..], b"..", b"a/b", b"a\0b", &[b'n'; 256]] {
            let bytes = nodes(&[folder, named(name)]);
            assert_eq!(PathNodes::read(bytes.bytes(), 9), None, "{name:?}");
        }
        for name in [&b"b"[..], b"c"] {
            let bytes = nodes(&[folder, named(name), named(b"b")]);
            assert_eq!(PathNodes::read(bytes.bytes(), 9), None, "b after {name:?}");
        }
        let link = PathNode {
            kind: PathKind::Link(b""),
            ..named(b"link")
        };
        assert_eq!(PathNodes::read(nodes(&[folder, link]).bytes(), 9), None);
    }

    /// What bounds the memory that an image takes, with the names' own bytes.
    #[test]
    fn a_file_takes_four_bytes_and_its_name() {
        let mut walk = PathWalk::default();
        walk.add(b"", PathKind::Folder);
        for content in 0..100_000 {
            walk.add(b"a name", file(content));
        }
        assert!(walk.finish().bytes().len() <= 100_000 * (4 + 6));
    }
}
