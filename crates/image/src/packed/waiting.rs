//! A folder of a store path, until its tables are written. One with very many files comes in parts, so that they are never all
//! nodes of a tree; but the entries of one folder are.

use std::ops::RangeInclusive;

use flk_squashfs::{ContentId, Grafts, RunId, Subtree, Tree};

use super::nodes::Place;
use super::{FOLDER, PathKind, PathNodes, attributes, inode};

/// A tree of more inodes is made in parts.
const MANY: u32 = 1 << 14;
/// Of how many inodes the parts are: one of fewer takes no less memory than its inodes do.
const PART: RangeInclusive<u32> = 8..=MANY;

/// A folder with all that is in it.
pub(super) struct Waiting {
    nodes: PathNodes,
    run: RunId,
    /// Behind the folder itself.
    place: Place,
    inodes: u32,
}

impl Waiting {
    /// A store path that is a folder.
    pub(super) fn of(nodes: PathNodes, run: RunId) -> Waiting {
        let mut behind = nodes.iter();
        behind.next();
        Waiting {
            place: nodes.place(&behind),
            inodes: nodes.count(),
            nodes,
            run,
        }
    }

    /// How many inodes the folders in it have, each itself counted.
    fn folders(&self) -> Vec<u32> {
        let (mut counts, mut open) = (Vec::new(), Vec::new());
        let within = self.nodes.from(self.place).zip(1..self.inodes);
        for (node, number) in within {
            for (folder, first) in open.drain(node.depth - self.place.depth..) {
                counts[folder] = number - first;
            }
            if node.kind == PathKind::Folder {
                open.push((counts.len(), number));
                counts.push(0);
            }
        }
        for (folder, first) in open {
            counts[folder] = self.inodes - first;
        }
        counts
    }
}

impl Subtree for Waiting {
    fn inodes(&self) -> u32 {
        self.inodes
    }

    fn expand<'g>(self: Box<Self>) -> Result<(Tree<ContentId>, Grafts<'g>), flk_squashfs::Error>
    where
        Self: 'g,
    {
        let mut tree = Tree::new(attributes(FOLDER));
        let mut grafts = Grafts::new();
        let counts = match self.inodes > MANY {
            true => self.folders(),
            false => Vec::new(),
        };
        let mut counts = counts.into_iter();
        let mut open = vec![Tree::<ContentId>::ROOT];
        let mut nodes = self.nodes.from(self.place);
        let mut left = self.inodes - 1;
        while let Some(node) = nodes.next().filter(|_| left > 0) {
            left -= 1;
            open.truncate(node.depth - self.place.depth + 1);
            let folder = open.last().copied().unwrap_or(Tree::<ContentId>::ROOT);
            let id = tree.insert(folder, node.name, inode(node.kind, self.run))?;
            if node.kind != PathKind::Folder {
                continue;
            }
            open.push(id);
            let Some(inodes) = counts.next().filter(|count| PART.contains(count)) else {
                continue;
            };
            let part = Waiting {
                nodes: self.nodes.clone(),
                run: self.run,
                place: self.nodes.place(&nodes),
                inodes,
            };
            grafts.insert(id, Box::new(part));
            left -= inodes - 1;
            for node in nodes.by_ref().take(inodes as usize - 1) {
                if node.kind == PathKind::Folder {
                    counts.next();
                }
            }
        }
        Ok((tree, grafts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::PathWalk;
    use flk_squashfs::{Codec, Image, Kind, NodeId, Options, Writer};

    /// A store path of so many folders, each with another number of folders and files, and files beside them.
    fn path(folders: u32) -> PathNodes {
        let mut walk = PathWalk::default();
        let mut content = 0;
        let mut file = |walk: &mut PathWalk, name: String| {
            let executable = content % 3 == 0;
            let kind = PathKind::File {
                executable,
                content,
            };
            walk.add(name.as_bytes(), kind);
            content += 1;
        };
        walk.add(b"", PathKind::Folder);
        for folder in 0..folders {
            walk.add(format!("{folder:04}").as_bytes(), PathKind::Folder);
            file(&mut walk, "a".into());
            for sub in 0..folder % 40 {
                walk.add(format!("sub {sub:02}").as_bytes(), PathKind::Folder);
                for number in 0..sub {
                    file(&mut walk, format!("{number:02}"));
                }
                walk.end_folder();
            }
            walk.add(b"to", PathKind::Link(b"a"));
            walk.end_folder();
            file(&mut walk, format!("{folder:04} beside"));
        }
        // One that is too large to be a part itself, and has parts.
        walk.add(b"large", PathKind::Folder);
        walk.add(b"-part", PathKind::Folder);
        for number in 0..20 {
            file(&mut walk, format!("{number:02}"));
        }
        walk.end_folder();
        for number in 0..if folders > 100 { 20_000 } else { 20 } {
            file(&mut walk, format!("{number:05}"));
        }
        walk.end_folder();
        walk.add(b"last", PathKind::Folder);
        walk.finish()
    }

    /// What is in a folder and in what is grafted below it, as depths, names and kinds.
    fn list(
        (tree, grafts): (&Tree<ContentId>, &mut Grafts<'static>),
        folder: NodeId,
        depth: usize,
        out: &mut Vec<(usize, Vec<u8>, Kind<ContentId>)>,
    ) {
        for (name, id) in tree.entries(folder) {
            let kind = match &tree.node(id).kind {
                Kind::Directory(_) => Kind::directory(),
                kind => kind.clone(),
            };
            out.push((depth, name.to_vec(), kind));
            let Some(part) = grafts.remove(&id) else {
                list((tree, grafts), id, depth + 1, out);
                continue;
            };
            let (begin, inodes) = (out.len(), part.inodes());
            let (tree, mut grafts) = part.expand().unwrap();
            assert!(inodes <= MANY && grafts.is_empty());
            list((&tree, &mut grafts), Tree::<()>::ROOT, depth + 1, out);
            assert_eq!(out.len() - begin, inodes as usize - 1);
        }
    }

    #[test]
    fn parts_make_the_whole() {
        let image = Vec::new();
        let mut writer = Writer::new(image, Options::new(Codec::None)).unwrap();
        let run = writer.begin_run().unwrap();
        for (folders, parts) in [(40, false), (120, true)] {
            let nodes = path(folders);
            let expected: Vec<_> = nodes
                .iter()
                .skip(1)
                .map(|node| (node.depth, node.name.to_vec(), inode(node.kind, run).kind))
                .collect();
            let waiting = Box::new(Waiting::of(nodes.clone(), run));
            let (tree, mut grafts) = waiting.expand().unwrap();
            assert_eq!(grafts.is_empty(), !parts);
            if parts {
                // What is in no part: small folders, and files in large ones.
                assert!(tree.len() < 21_000, "{}", tree.len());
                assert!(nodes.count() > 40_000, "{}", nodes.count());
            }
            let mut found = Vec::new();
            list((&tree, &mut grafts), Tree::<()>::ROOT, 1, &mut found);
            assert!(grafts.is_empty());
            assert!(found == expected);
        }
    }

    /// As the writer has it: every inode has its number.
    #[test]
    fn an_image_has_all_parts() {
        let mut writer = Writer::new(Vec::new(), Options::new(Codec::Lz4)).unwrap();
        let nodes = path(120);
        let run = writer.begin_run().unwrap();
        for node in nodes.iter() {
            if let PathKind::File { content, .. } = node.kind {
                let packed = writer.pack(&content.to_string().into_bytes()).unwrap();
                assert_eq!(packed.index(), content);
            }
        }
        let mut tree = Tree::new(attributes(FOLDER));
        let mut grafts = Grafts::new();
        super::super::enter(&mut tree, &mut grafts, b"path", nodes.clone(), run).unwrap();
        let (mut bytes, superblock) = writer.finish_grafted(&tree, grafts).unwrap();
        bytes[..96].copy_from_slice(&superblock.to_bytes());
        let image = Image::open(bytes).unwrap();
        let report = image.verify().unwrap();
        assert_eq!(report.inodes, u64::from(nodes.count()) + 1);
        let read = image.tree(1 << 20).unwrap();
        assert_eq!(read.len() as u32, nodes.count() + 1);
        for path in ["0119/sub 38/37", "large/-part/19", "large/19999", "last"] {
            let names = std::iter::once("path").chain(path.split('/'));
            assert!(read.find(names.map(str::as_bytes)).is_some(), "{path}");
        }
    }
}
