//! What an image is made of: folders, files, links and devices, with the attributes that the caller gives.
//!
//! The tree has no connection to a tree on a disk: owners, modes and times are what it says, and contents come from
//! files, from memory, or are streamed into their place while the image is written. Files with one content share it.
//!
//! Not supported: hard links, extended attributes, access control lists.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::format::time::Time;
use crate::{Error, format};

/// Mode, owner and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The lower twelve bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Of modification; access and change get the same.
    pub time: Time,
}

impl Attributes {
    /// Root's, at a time.
    pub fn root(mode: u32, time: Time) -> Attributes {
        Attributes {
            mode,
            uid: 0,
            gid: 0,
            time,
        }
    }
}

/// A folder, by the names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its own.
    pub attributes: Attributes,
    /// Names have 1 to 255 bytes, none of them `/` or NUL, and are not `.` or `..`. Of a name with more than
    /// [`Folder::LINUX_NAME`] bytes Linux shows the first 250.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

impl Folder {
    /// The longest name that Linux reads whole (`fs/isofs/rock.c`, seen with 6.12), in bytes.
    pub const LINUX_NAME: usize = 253;
}

/// What can have a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder(Folder),
    /// A regular file.
    File {
        /// Its own.
        attributes: Attributes,
        /// Of [`Tree::add`].
        content: ContentId,
    },
    /// A symbolic link.
    Link {
        /// Its own; the mode of links is 0777.
        attributes: Attributes,
        /// Where it leads, at least one byte, none of them NUL.
        target: Vec<u8>,
    },
    /// A device, fifo or socket.
    Special {
        /// Its own.
        attributes: Attributes,
        /// Which.
        special: Special,
    },
}

impl Node {
    /// Its attributes.
    pub fn attributes(&self) -> &Attributes {
        match self {
            Node::Folder(folder) => &folder.attributes,
            Node::File { attributes, .. }
            | Node::Link { attributes, .. }
            | Node::Special { attributes, .. } => attributes,
        }
    }
}

/// Neither file nor folder nor link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device of major and minor number.
    Character(u32, u32),
    /// A block device of major and minor number.
    Block(u32, u32),
}

/// Names a content of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub(crate) usize);

/// The bytes of a file, or of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Where they come from.
    pub source: Source,
    /// They begin at a multiple of this, which is a power of two and at least [`format::BLOCK`].
    pub alignment: u64,
}

/// Where bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that has this length.
    File {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// Memory.
    Bytes(Vec<u8>),
    /// The caller, by [`crate::begin`]: such contents come after all others, in their order.
    Streamed {
        /// The most bytes that it can have: room for its directory records is kept.
        most: u64,
    },
}

impl Content {
    /// From memory, at any block.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Content {
        Content {
            source: Source::Bytes(bytes.into()),
            alignment: format::BLOCK as u64,
        }
    }

    /// From a file, at any block.
    pub fn file(path: impl Into<PathBuf>, length: u64) -> Content {
        Content {
            source: Source::File {
                path: path.into(),
                length,
            },
            alignment: format::BLOCK as u64,
        }
    }

    /// From the caller, at any block.
    pub fn streamed(most: u64) -> Content {
        Content {
            source: Source::Streamed { most },
            alignment: format::BLOCK as u64,
        }
    }

    /// At a multiple of so many bytes.
    #[must_use]
    pub fn aligned(mut self, alignment: u64) -> Content {
        self.alignment = alignment;
        self
    }

    /// Its length in bytes, or the most that it can be.
    pub(crate) fn length(&self) -> u64 {
        match &self.source {
            Source::File { length, .. } => *length,
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Streamed { most } => *most,
        }
    }

    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self.source, Source::Streamed { .. })
    }
}

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The root folder.
    pub root: Folder,
    pub(crate) contents: Vec<Content>,
}

impl Tree {
    /// An empty tree.
    pub fn new(attributes: Attributes) -> Tree {
        Tree {
            root: Folder {
                attributes,
                entries: BTreeMap::new(),
            },
            contents: Vec::new(),
        }
    }

    /// Adds a content. On the image they lie in the order in which they were added, those that are streamed at the end.
    pub fn add(&mut self, content: Content) -> ContentId {
        self.contents.push(content);
        ContentId(self.contents.len() - 1)
    }

    /// A content that was added.
    pub fn content(&self, id: ContentId) -> Option<&Content> {
        self.contents.get(id.0)
    }

    /// Puts a node at a path of `/`-separated names; folders on the way that are missing get the root's attributes.
    ///
    /// # Errors
    /// [`Error::Node`] when something is there already, or something that is no folder is on the way.
    pub fn insert(&mut self, path: &[u8], node: Node) -> Result<(), Error> {
        let fail = |reason| Error::Node {
            path: String::from_utf8_lossy(path).into_owned(),
            reason,
        };
        let attributes = self.root.attributes;
        let mut parts = names(path).collect::<Vec<_>>();
        let name = parts.pop().ok_or_else(|| fail("it is the root"))?;
        let mut folder = &mut self.root;
        for part in parts {
            let next = folder.entries.entry(part.to_vec()).or_insert_with(|| {
                Node::Folder(Folder {
                    attributes,
                    entries: BTreeMap::new(),
                })
            });
            folder = match next {
                Node::Folder(folder) => folder,
                _ => return Err(fail("what is above it is no folder")),
            };
        }
        match folder.entries.entry(name.to_vec()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(node);
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(fail("something is there already"))
            }
        }
    }

    /// Adds a file with a content of its own.
    ///
    /// # Errors
    /// As [`Tree::insert`].
    pub fn insert_file(
        &mut self,
        path: &[u8],
        attributes: Attributes,
        content: Content,
    ) -> Result<ContentId, Error> {
        let content = self.add(content);
        self.insert(
            path,
            Node::File {
                attributes,
                content,
            },
        )?;
        Ok(content)
    }

    /// The node at a path; not the root.
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        let mut parts = names(path);
        let mut node = self.root.entries.get(parts.next()?)?;
        for part in parts {
            let Node::Folder(folder) = node else {
                return None;
            };
            node = folder.entries.get(part)?;
        }
        Some(node)
    }
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_makes_its_folders_and_is_taken_once() {
        let root = Attributes::root(0o755, Time(1));
        let mut tree = Tree::new(root);
        let file = Attributes::root(0o444, Time(1));
        let content = tree
            .insert_file(b"/a/b/c", file, Content::bytes("x"))
            .unwrap();
        assert_eq!(
            tree.get(b"a//b/c/"),
            Some(&Node::File {
                attributes: file,
                content
            })
        );
        assert!(matches!(tree.get(b"/a/b"), Some(Node::Folder(_))));
        assert_eq!(tree.get(b"/a/b/c/d"), None);
        assert_eq!(tree.get(b"/"), None);
        for path in [&b"/a/b/c"[..], b"/a/b/c/d", b"/a", b"/"] {
            let again = Node::Link {
                attributes: file,
                target: b"t".to_vec(),
            };
            assert!(matches!(tree.insert(path, again), Err(Error::Node { .. })));
        }
    }
}
