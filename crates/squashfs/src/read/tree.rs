//! A whole image as a [`Tree`], for whoever wants to compare or repack it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{DirectoryInode, FileInode, Image, Inode, InodeKind, ReadAt};
use crate::error::{Error, Result};
use crate::format::InodeRef;
use crate::tree::{Attributes, Kind, Node, NodeId, Tree, Xattrs};

impl<R: ReadAt> Image<R> {
    /// All of the image but its files' content. An inode with several names is one node.
    ///
    /// Fails where there are more than `most` entries: a small image can claim very many.
    pub fn tree(&self, most: usize) -> Result<Tree<FileInode>> {
        let mut sets = HashMap::new();
        let root = self.root()?;
        let mut tree = Tree::new(self.attributes(&root, &mut sets)?);
        let mut known: HashMap<InodeRef, NodeId> = HashMap::new();
        known.insert(root.reference, Tree::<FileInode>::ROOT);
        let mut open: Vec<(NodeId, DirectoryInode)> = Vec::new();
        if let InodeKind::Directory(directory) = root.kind {
            open.push((Tree::<FileInode>::ROOT, directory));
        }
        let mut count = 0;
        while let Some((parent, directory)) = open.pop() {
            for entry in self.entries(&directory) {
                let entry = entry?;
                count += 1;
                if count > most {
                    return Err(Error::TooMany {
                        what: "entries in this image",
                        limit: most as u64,
                    });
                }
                if let Some(id) = known.get(&entry.inode) {
                    if matches!(tree.node(*id).kind, Kind::Directory(_)) {
                        return Err(Error::damaged(
                            directory.listing.block,
                            "a folder has two names, or contains itself",
                        ));
                    }
                    tree.link(parent, &entry.name, *id)?;
                    continue;
                }
                let inode = self.inode(entry.inode)?;
                let attributes = self.attributes(&inode, &mut sets)?;
                let mut opened = None;
                let kind = match inode.kind {
                    InodeKind::Directory(directory) => {
                        opened = Some(directory);
                        Kind::directory()
                    }
                    InodeKind::File(file) => Kind::File(file),
                    InodeKind::Symlink(target) => Kind::Symlink(target.into()),
                    InodeKind::BlockDevice(device) => Kind::BlockDevice(device),
                    InodeKind::CharDevice(device) => Kind::CharDevice(device),
                    InodeKind::Fifo => Kind::Fifo,
                    InodeKind::Socket => Kind::Socket,
                };
                let id = tree.insert(parent, &entry.name, Node { attributes, kind })?;
                known.insert(entry.inode, id);
                open.extend(opened.map(|directory| (id, directory)));
            }
        }
        Ok(tree)
    }

    fn attributes(
        &self,
        inode: &Inode,
        sets: &mut HashMap<u32, Arc<Xattrs>>,
    ) -> Result<Attributes> {
        let xattrs = match inode.xattrs {
            None => None,
            Some(index) => Some(match sets.get(&index) {
                Some(set) => Arc::clone(set),
                None => {
                    let set = Arc::new(self.xattrs(inode)?);
                    sets.insert(index, Arc::clone(&set));
                    set
                }
            }),
        };
        Ok(Attributes {
            permissions: inode.permissions,
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
            xattrs,
        })
    }
}
