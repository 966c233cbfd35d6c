//! Parts of a tree that are made only when their tables are written, one after the other: so that an image of millions of inodes need not have them all
//! in memory as nodes.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::run::ContentId;
use crate::tree::{NodeId, Tree};

/// A folder with all that is in it, in whatever form takes little memory.
///
/// What is in it has no other name outside of it.
pub trait Subtree {
    /// How many inodes there are, the folder itself counted.
    fn inodes(&self) -> u32;

    /// The folder, as the root of a tree: its attributes are those that count. Folders in it may be grafts again.
    fn expand<'g>(self: Box<Self>) -> Result<(Tree<ContentId>, Grafts<'g>)>
    where
        Self: 'g;
}

/// What stands for empty folders of a tree.
pub type Grafts<'g> = BTreeMap<NodeId, Box<dyn Subtree + 'g>>;
