//! What is to be in an image: folders, files, links and special files, with owners, modes, times and extended attributes as the caller says.
//!
//! A [`Tree`] is generic over what stands for a file's content: [`ContentId`](crate::ContentId) for content that a [`Writer`](crate::Writer) has taken, a
//! [`Source`] for content that [`write`](crate::write()) is to read, or whatever a reader makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::{NAME_LEN, TARGET_LEN, XATTR_PREFIXES};

/// Extended attributes by full name (`user.comment`).
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What every inode has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permissions with setuid, setgid and sticky bit: the mode's low twelve bits.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change, seconds since 1970.
    pub mtime: u32,
    /// Extended attributes; share them between inodes that have the same.
    pub xattrs: Option<Arc<Xattrs>>,
}

/// A device's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Twelve bits.
    pub major: u32,
    /// Twenty bits.
    pub minor: u32,
}

impl Device {
    /// As Linux packs them into 32 bits.
    pub(crate) fn number(self) -> u32 {
        (self.minor & 0xff) | (self.major << 8) | ((self.minor & !0xff) << 12)
    }

    pub(crate) fn from_number(number: u32) -> Device {
        Device {
            major: (number >> 8) & 0xfff,
            minor: (number & 0xff) | ((number >> 12) & 0xf_ff00),
        }
    }
}

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<F> {
    /// A folder, by names.
    Directory(BTreeMap<Box<[u8]>, NodeId>),
    /// A file.
    File(F),
    /// A symbolic link.
    Symlink(Box<[u8]>),
    /// A block device.
    BlockDevice(Device),
    /// A character device.
    CharDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl<F> Kind<F> {
    /// An empty folder.
    pub fn directory() -> Kind<F> {
        Kind::Directory(BTreeMap::new())
    }
}

/// An inode of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<F> {
    /// Owner, mode, time.
    pub attributes: Attributes,
    /// What it is.
    pub kind: Kind<F>,
}

/// An inode's place in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A tree of folders and what is in them. Inodes are in the order in which they were added.
#[derive(Debug, Clone)]
pub struct Tree<F> {
    nodes: Vec<Node<F>>,
}

impl<F> Tree<F> {
    /// The root folder.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree with nothing in its root.
    pub fn new(root: Attributes) -> Tree<F> {
        Tree {
            nodes: vec![Node {
                attributes: root,
                kind: Kind::directory(),
            }],
        }
    }

    /// Puts a new inode into a folder. A folder to be put in must be empty.
    ///
    /// Fails where the name is taken or cannot be one, `parent` is no folder, or the inode cannot be in a squashfs.
    pub fn insert(&mut self, parent: NodeId, name: &[u8], node: Node<F>) -> Result<NodeId> {
        check_attributes(name, &node.attributes)?;
        let reason = match &node.kind {
            Kind::Directory(entries) if !entries.is_empty() => {
                Some("a folder is put in empty, and then filled")
            }
            Kind::Symlink(target) => target_fault(target),
            Kind::BlockDevice(device) | Kind::CharDevice(device)
                if device.major > 0xfff || device.minor > 0xf_ffff =>
            {
                Some("a device's major number has twelve bits, its minor number twenty")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(refused(name, reason));
        }
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| Error::TooMany {
            what: "inodes",
            limit: u32::MAX.into(),
        })?);
        self.enter(parent, name, id)?;
        self.nodes.push(node);
        Ok(id)
    }

    /// Gives an inode that is no folder one more name.
    ///
    /// Fails where the name is taken or cannot be one, `parent` is no folder, or `target` is one.
    pub fn link(&mut self, parent: NodeId, name: &[u8], target: NodeId) -> Result<()> {
        if matches!(self.node(target).kind, Kind::Directory(_)) {
            return Err(refused(name, "a folder has one name only"));
        }
        self.enter(parent, name, target)
    }

    fn enter(&mut self, parent: NodeId, name: &[u8], id: NodeId) -> Result<()> {
        if let Some(reason) = name_fault(name) {
            return Err(refused(name, reason));
        }
        let Kind::Directory(entries) = &mut self.nodes[parent.index()].kind else {
            return Err(refused(name, "what it is to be put into is no folder"));
        };
        match entries.entry(name.into()) {
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(refused(name, "its folder has an entry of this name"))
            }
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(id);
                Ok(())
            }
        }
    }

    /// An inode. The id must be of this tree.
    pub fn node(&self, id: NodeId) -> &Node<F> {
        &self.nodes[id.index()]
    }

    /// An inode, if the id can be of this tree.
    pub(crate) fn get(&self, id: NodeId) -> Option<&Node<F>> {
        self.nodes.get(id.index())
    }

    /// A folder's path from the root, for messages: it is looked for.
    pub(crate) fn path(&self, folder: NodeId) -> Vec<u8> {
        let (mut names, mut at) = (Vec::new(), folder);
        while let Some((parent, name)) = (0..self.nodes.len() as u32).map(NodeId).find_map(|id| {
            let mut entries = self.entries(id);
            Some((id, entries.find(|entry| entry.1 == at)?.0))
        }) {
            names.push(name);
            at = parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The entries of a folder in the order of their names; nothing for what is no folder.
    pub fn entries(&self, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let entries = match &self.node(id).kind {
            Kind::Directory(entries) => Some(entries),
            _ => None,
        };
        entries
            .into_iter()
            .flatten()
            .map(|(name, id)| (&**name, *id))
    }

    /// What a path of names leads to, symbolic links not followed.
    pub fn find<'p>(&self, path: impl IntoIterator<Item = &'p [u8]>) -> Option<NodeId> {
        let mut at = Self::ROOT;
        for name in path {
            let Kind::Directory(entries) = &self.node(at).kind else {
                return None;
            };
            at = *entries.get(name)?;
        }
        Some(at)
    }

    /// How many inodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// The same tree with each file's content exchanged, in the order in which the files were added.
    pub fn try_map<G, E>(self, mut f: impl FnMut(F) -> Result<G, E>) -> Result<Tree<G>, E> {
        let nodes = self.nodes.into_iter().map(|node| {
            Ok(Node {
                attributes: node.attributes,
                kind: match node.kind {
                    Kind::File(content) => Kind::File(f(content)?),
                    Kind::Directory(entries) => Kind::Directory(entries),
                    Kind::Symlink(target) => Kind::Symlink(target),
                    Kind::BlockDevice(device) => Kind::BlockDevice(device),
                    Kind::CharDevice(device) => Kind::CharDevice(device),
                    Kind::Fifo => Kind::Fifo,
                    Kind::Socket => Kind::Socket,
                },
            })
        });
        Ok(Tree {
            nodes: nodes.collect::<Result<_, E>>()?,
        })
    }
}

/// Why a name cannot be one.
pub fn name_fault(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." {
        Some("this is no name")
    } else if name.len() > NAME_LEN {
        Some("its name is longer than 255 bytes")
    } else if name.contains(&b'/') || name.contains(&0) {
        Some("its name has a slash or a zero byte")
    } else {
        None
    }
}

/// Why a symbolic link cannot lead there.
pub fn target_fault(target: &[u8]) -> Option<&'static str> {
    if target.is_empty() {
        Some("its target is empty")
    } else if target.len() > TARGET_LEN {
        Some("its target is longer than 65,535 bytes")
    } else {
        None
    }
}

fn check_attributes(name: &[u8], attributes: &Attributes) -> Result<()> {
    if attributes.permissions > 0o7777 {
        return Err(refused(name, "its permissions have more than twelve bits"));
    }
    for (attribute, value) in attributes.xattrs.iter().flat_map(|all| all.iter()) {
        let has_prefix = XATTR_PREFIXES.iter().any(|prefix| {
            attribute.len() > prefix.len() && attribute.starts_with(prefix.as_bytes())
        });
        if !has_prefix {
            return Err(refused(
                name,
                "it has an extended attribute that is not in `user.`, `trusted.` or `security.`",
            ));
        }
        if attribute.len() > NAME_LEN || value.len() > 1 << 16 {
            return Err(refused(
                name,
                "an extended attribute's name has at most 255 bytes, its value 65,536",
            ));
        }
    }
    Ok(())
}

fn refused(name: &[u8], reason: &'static str) -> Error {
    Error::Tree {
        path: String::from_utf8_lossy(name).into_owned(),
        reason,
    }
}

/// Content of a file that is to be packed. It may be read twice: once to see whether an equal file was packed before.
pub trait Source {
    /// How many bytes there are.
    fn length(&self) -> io::Result<u64>;

    /// Reads from the beginning.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;

    /// What to call it in messages.
    fn name(&self) -> Cow<'_, str>;
}

impl Source for Path {
    fn length(&self) -> io::Result<u64> {
        Ok(self.symlink_metadata()?.len())
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self)?))
    }

    fn name(&self) -> Cow<'_, str> {
        self.to_string_lossy()
    }
}

impl Source for PathBuf {
    fn length(&self) -> io::Result<u64> {
        self.as_path().length()
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Source::open(self.as_path())
    }

    fn name(&self) -> Cow<'_, str> {
        self.to_string_lossy()
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.as_slice()))
    }

    fn name(&self) -> Cow<'_, str> {
        "bytes in memory".into()
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        (**self).open()
    }

    fn name(&self) -> Cow<'_, str> {
        (**self).name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Node<Vec<u8>> {
        Node {
            attributes: Attributes::default(),
            kind: Kind::File(Vec::new()),
        }
    }

    fn directory() -> Node<Vec<u8>> {
        Node {
            attributes: Attributes::default(),
            kind: Kind::directory(),
        }
    }

    #[test]
    fn entries_are_found_by_path_and_come_in_order() {
        let mut tree = Tree::new(Attributes::default());
        let b = tree.insert(Tree::<()>::ROOT, b"b", directory()).unwrap();
        let file = tree.insert(b, b"file", file()).unwrap();
        tree.link(Tree::<()>::ROOT, b"a", file).unwrap();
        let names: Vec<_> = tree.entries(Tree::<()>::ROOT).collect();
        assert_eq!(names, [(&b"a"[..], file), (&b"b"[..], b)]);
        assert_eq!(tree.find([&b"b"[..], b"file"]), Some(file));
        assert_eq!(tree.find([&b"a"[..], b"file"]), None);
        assert_eq!(tree.find([]), Some(Tree::<()>::ROOT));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut tree = Tree::new(Attributes::default());
        let root = Tree::<()>::ROOT;
        let long = vec![b'x'; 256];
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &long] {
            assert!(tree.insert(root, name, file()).is_err(), "{name:?}");
        }
        let a = tree.insert(root, b"a", file()).unwrap();
        assert_eq!(
            tree.insert(root, b"a", file()).unwrap_err().to_string(),
            "a cannot be in a squashfs: its folder has an entry of this name"
        );
        assert!(tree.insert(a, b"b", file()).is_err());
        assert!(tree.link(root, b"again", root).is_err());
        let mut odd = file();
        odd.attributes.xattrs = Some(Arc::new([(b"system.x".to_vec(), Vec::new())].into()));
        assert!(tree.insert(root, b"odd", odd).is_err());
        let device = Device {
            major: 4096,
            minor: 0,
        };
        let kind = Kind::CharDevice(device);
        assert!(tree.insert(root, b"c", Node { kind, ..file() }).is_err());
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn device_numbers_are_packed_as_linux_does() {
        for (major, minor, number) in [
            (1, 3, 0x103),
            (8, 0x1_2345, 0x1230_0845),
            (0xfff, 0xf_ffff, u32::MAX),
        ] {
            let device = Device { major, minor };
            assert_eq!(device.number(), number);
            assert_eq!(Device::from_number(number), device);
        }
    }
}
