//! Inode numbers and link counts. A folder's entries are numbered one after the other when it is visited, folders are visited each before its
//! entries: what is below a folder has numbers that follow each other, so a [`Subtree`](crate::Subtree) can be numbered when the rest is.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graft::Grafts;
use crate::run::ContentId;
use crate::tree::{Kind, NodeId, Tree};

/// Where a tree's root is in the image.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The root's number.
    pub(super) number: u32,
    /// The number of the folder above.
    pub(super) parent: u32,
    /// The last number that was given before what is in the root gets its own.
    pub(super) last: u32,
}

/// Inode numbers (from 1) and link counts, by node; folders so that each comes after its parent.
pub(super) struct Numbering {
    pub(super) numbers: Vec<u32>,
    pub(super) links: Vec<u32>,
    /// Number of the folder above, for folders.
    pub(super) parents: Vec<u32>,
    pub(super) directories: Vec<NodeId>,
    /// Where what is grafted begins.
    pub(super) grafts: BTreeMap<NodeId, Place>,
}

/// How many inodes an image has.
pub(super) fn count(tree: &Tree<ContentId>, grafts: &Grafts<'_>) -> Result<u32> {
    let mut count = tree.len() as u64;
    for (id, subtree) in grafts {
        let is_empty_folder = tree.get(*id).is_some_and(
            |node| matches!(&node.kind, Kind::Directory(entries) if entries.is_empty()),
        );
        if !is_empty_folder || subtree.inodes() == 0 {
            return Err(refused(
                tree,
                *id,
                "what stands for a folder's content stands for an empty folder, and counts it",
            ));
        }
        count += u64::from(subtree.inodes()) - 1;
    }
    u32::try_from(count)
        .ok()
        .filter(|count| *count < u32::MAX)
        .ok_or(Error::TooMany {
            what: "inodes",
            limit: u64::from(u32::MAX) - 1,
        })
}

impl Numbering {
    /// `grafts` are checked by [`count`].
    pub(super) fn of(tree: &Tree<ContentId>, grafts: &Grafts<'_>, place: Place) -> Numbering {
        let mut this = Numbering {
            numbers: vec![0; tree.len()],
            links: vec![0; tree.len()],
            parents: vec![0; tree.len()],
            directories: Vec::new(),
            grafts: BTreeMap::new(),
        };
        let root = Tree::<ContentId>::ROOT;
        let mut last = place.last;
        this.numbers[root.index()] = place.number;
        this.links[root.index()] = 2;
        this.parents[root.index()] = place.parent;
        let mut open = vec![root];
        while let Some(directory) = open.pop() {
            this.directories.push(directory);
            if let Some(subtree) = grafts.get(&directory) {
                let place = Place {
                    number: this.numbers[directory.index()],
                    parent: this.parents[directory.index()],
                    last,
                };
                this.grafts.insert(directory, place);
                last += subtree.inodes() - 1;
                continue;
            }
            let first_child = open.len();
            for (_, id) in tree.entries(directory) {
                let at = id.index();
                if this.numbers[at] == 0 {
                    last += 1;
                    this.numbers[at] = last;
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
        this
    }
}

/// An error about a folder that something is grafted into.
pub(super) fn refused(tree: &Tree<ContentId>, id: NodeId, reason: &'static str) -> Error {
    Error::Tree {
        path: String::from_utf8_lossy(&tree.path(id)).into_owned(),
        reason,
    }
}
