//! The system use entries of a node: RRIP 1.12.

use crate::format::susp::{self, Posix};
use crate::tree::{Attributes, Node, Special};

/// `st_mode`'s types.
pub(crate) const TYPE: u32 = 0o170_000;
pub(crate) const SOCKET: u32 = 0o140_000;
pub(crate) const LINK: u32 = 0o120_000;
pub(crate) const FILE: u32 = 0o100_000;
pub(crate) const BLOCK_DEVICE: u32 = 0o060_000;
pub(crate) const FOLDER: u32 = 0o040_000;
pub(crate) const CHARACTER_DEVICE: u32 = 0o020_000;
pub(crate) const FIFO: u32 = 0o010_000;

/// Serial number and links of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) serial: u32,
    pub(crate) links: u32,
}

/// Of a node by its name.
pub(crate) fn entries(name: &[u8], node: &Node, inode: Inode) -> Vec<Vec<u8>> {
    let kind = match node {
        Node::Folder(_) => FOLDER,
        Node::File { .. } => FILE,
        Node::Link { .. } => LINK,
        Node::Special { special, .. } => match special {
            Special::Fifo => FIFO,
            Special::Socket => SOCKET,
            Special::Character(..) => CHARACTER_DEVICE,
            Special::Block(..) => BLOCK_DEVICE,
        },
    };
    let mut entries = attributes(kind, node.attributes(), inode);
    if let Node::Special {
        special: Special::Character(major, minor) | Special::Block(major, minor),
        ..
    } = node
    {
        entries.push(susp::pn(*major, *minor));
    }
    entries.extend(susp::nm(name));
    if let Node::Link { target, .. } = node {
        entries.extend(susp::sl(target));
    }
    entries
}

/// Of a folder's record of itself, or of its parent.
pub(crate) fn own_entries(of: &Attributes, inode: Inode, is_root: bool) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    if is_root {
        entries.push(susp::sp());
    }
    entries.extend(attributes(FOLDER, of, inode));
    if is_root {
        entries.push(susp::er());
    }
    entries
}

fn attributes(kind: u32, of: &Attributes, inode: Inode) -> Vec<Vec<u8>> {
    let posix = Posix {
        mode: kind | of.mode & 0o7777,
        links: inode.links,
        uid: of.uid,
        gid: of.gid,
        serial: Some(inode.serial),
    };
    vec![susp::px(&posix), susp::tf(of.time)]
}
