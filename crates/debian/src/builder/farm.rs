//! A tree of folders and links, put together in memory and written at once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::folder;
use crate::error::Result;

/// What is at one place of a farm.
#[derive(Debug, Clone)]
pub(crate) enum Node<L> {
    /// A folder.
    Folder(BTreeMap<OsString, Node<L>>),
    /// A link, or whatever else `L` stands for.
    Leaf(L),
}

/// Why a leaf cannot be put where it should go.
#[derive(Debug)]
pub(crate) enum Taken<'a, L> {
    /// There is a leaf already.
    Leaf(&'a mut L),
    /// There is a folder already.
    Folder,
    /// Something on the way to it is no folder: this much of the path.
    Way(PathBuf),
}

/// A tree whose leaves are `L`.
#[derive(Debug, Clone)]
pub(crate) struct Farm<L> {
    root: BTreeMap<OsString, Node<L>>,
}

impl<L> Farm<L> {
    /// An empty tree.
    pub(crate) fn new() -> Self {
        Self {
            root: BTreeMap::new(),
        }
    }

    /// What is at `path`.
    pub(crate) fn get(&self, path: &Path) -> Option<&Node<L>> {
        let mut folder = &self.root;
        let mut components = path.iter().peekable();
        while let Some(name) = components.next() {
            let node = folder.get(name)?;
            if components.peek().is_none() {
                return Some(node);
            }
            match node {
                Node::Folder(below) => folder = below,
                Node::Leaf(_) => return None,
            }
        }
        None
    }

    /// Makes a folder and those above it.
    ///
    /// # Errors
    /// The path of the leaf that is in the way.
    pub(crate) fn folder(
        &mut self,
        path: &Path,
    ) -> std::result::Result<&mut BTreeMap<OsString, Node<L>>, PathBuf> {
        let mut folder = &mut self.root;
        let mut here = PathBuf::new();
        for name in path {
            here.push(name);
            let node = folder
                .entry(name.to_owned())
                .or_insert_with(|| Node::Folder(BTreeMap::new()));
            match node {
                Node::Folder(below) => folder = below,
                Node::Leaf(_) => return Err(here),
            }
        }
        Ok(folder)
    }

    /// Puts a leaf at a free place.
    ///
    /// # Errors
    /// What is there instead.
    pub(crate) fn insert(&mut self, path: &Path, leaf: L) -> std::result::Result<(), Taken<'_, L>> {
        let (parent, name) = split(path);
        match self.folder(parent) {
            Err(way) => Err(Taken::Way(way)),
            Ok(folder) => match folder.entry(name.to_owned()) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(Node::Leaf(leaf));
                    Ok(())
                }
                std::collections::btree_map::Entry::Occupied(entry) => match entry.into_mut() {
                    Node::Leaf(there) => Err(Taken::Leaf(there)),
                    Node::Folder(_) => Err(Taken::Folder),
                },
            },
        }
    }

    /// Puts a leaf at `path`, whatever is there or on the way.
    pub(crate) fn replace(&mut self, path: &Path, leaf: L) {
        let (parent, name) = split(path);
        while let Err(way) = self.folder(parent) {
            self.remove(&way);
        }
        if let Ok(folder) = self.folder(parent) {
            folder.insert(name.to_owned(), Node::Leaf(leaf));
        }
    }

    /// Takes away what is at `path`.
    pub(crate) fn remove(&mut self, path: &Path) {
        let (parent, name) = split(path);
        if let Ok(folder) = self.folder(parent) {
            folder.remove(name);
        }
    }

    /// The same tree with other leaves.
    pub(crate) fn map<M>(&self, change: &dyn Fn(&L) -> M) -> Farm<M> {
        Farm {
            root: map_folder(&self.root, change),
        }
    }

    /// Writes the tree: its folders, and each leaf by `write`, which gets the leaf and the path it goes to.
    pub(crate) fn write(
        &self,
        out: &Path,
        write: &mut dyn FnMut(&L, &Path) -> Result<()>,
    ) -> Result<()> {
        write_folder(&self.root, out, write)
    }
}

fn map_folder<L, M>(
    nodes: &BTreeMap<OsString, Node<L>>,
    change: &dyn Fn(&L) -> M,
) -> BTreeMap<OsString, Node<M>> {
    nodes
        .iter()
        .map(|(name, node)| {
            let node = match node {
                Node::Folder(below) => Node::Folder(map_folder(below, change)),
                Node::Leaf(leaf) => Node::Leaf(change(leaf)),
            };
            (name.clone(), node)
        })
        .collect()
}

fn write_folder<L>(
    nodes: &BTreeMap<OsString, Node<L>>,
    out: &Path,
    write: &mut dyn FnMut(&L, &Path) -> Result<()>,
) -> Result<()> {
    folder::create(out)?;
    for (name, node) in nodes {
        let path = out.join(name);
        match node {
            Node::Folder(below) => write_folder(below, &path, write)?,
            Node::Leaf(leaf) => write(leaf, &path)?,
        }
    }
    Ok(())
}

fn split(path: &Path) -> (&Path, &OsStr) {
    (
        path.parent().unwrap_or(Path::new("")),
        path.file_name().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_do_not_overwrite_unless_told() {
        let mut farm = Farm::new();
        farm.insert(Path::new("bin/a"), 1).unwrap();
        assert!(matches!(
            farm.insert(Path::new("bin/a"), 2),
            Err(Taken::Leaf(1))
        ));
        assert!(matches!(
            farm.insert(Path::new("bin"), 2),
            Err(Taken::Folder)
        ));
        match farm.insert(Path::new("bin/a/b"), 2) {
            Err(Taken::Way(way)) => assert_eq!(way, Path::new("bin/a")),
            other => panic!("{other:?}"),
        }
        farm.replace(Path::new("bin/a/b"), 3);
        assert!(matches!(
            farm.get(Path::new("bin/a/b")),
            Some(Node::Leaf(3))
        ));
    }
}
