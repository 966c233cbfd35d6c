//! Reading all of an image, to see that it is whole, and that what it says twice it says alike.

use std::collections::{HashMap, HashSet};

use super::directory::EntryKind;
use super::{Chunk, DirectoryInode, Image, Inode, InodeKind, ReadAt};
use crate::error::{Error, Result};
use crate::format::InodeRef;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Inodes.
    pub inodes: u64,
    /// Folders among them.
    pub directories: u64,
    /// Names.
    pub entries: u64,
    /// Unpacked bytes of files, holes included.
    pub bytes: u64,
}

/// What is known of an inode that has several names.
struct Seen {
    expected: u32,
    found: u32,
}

impl<R: ReadAt> Image<R> {
    /// Reads everything that the root leads to: inodes, listings, indices, attributes, all content. Fails at the first fault.
    ///
    /// Besides what every read checks: inode numbers are different and in range, entries agree with their inodes in number and type, `..` with the
    /// folder above, link counts with the names that there are, indices with listings, the export table with the inodes. Memory grows with the number
    /// of inodes.
    pub fn verify(&self) -> Result<Report> {
        let mut verifier = Verifier {
            image: self,
            report: Report::default(),
            folders: HashSet::new(),
            linked: HashMap::new(),
            numbers: HashSet::new(),
        };
        verifier.run()?;
        Ok(verifier.report)
    }
}

struct Verifier<'i, R> {
    image: &'i Image<R>,
    report: Report,
    folders: HashSet<InodeRef>,
    linked: HashMap<InodeRef, Seen>,
    numbers: HashSet<u32>,
}

impl<R: ReadAt> Verifier<'_, R> {
    fn run(&mut self) -> Result<()> {
        let root = self.image.root()?;
        let mut open = vec![root];
        while let Some(folder) = open.pop() {
            let InodeKind::Directory(directory) = &folder.kind else {
                continue;
            };
            if !self.folders.insert(folder.reference) {
                return Err(self.fault(&folder, "a folder has two names, or contains itself"));
            }
            self.count(&folder)?;
            self.report.directories += 1;
            self.image.xattrs(&folder)?;
            let mut links = 2u32;
            for entry in self.image.entries(directory) {
                let entry = entry?;
                self.report.entries += 1;
                let inode = self.image.inode(entry.inode)?;
                if inode.number != entry.number {
                    return Err(
                        self.fault(&inode, "an entry gives an inode another number than it has")
                    );
                }
                if EntryKind::of(&inode.kind) != entry.kind {
                    return Err(
                        self.fault(&inode, "an entry gives an inode another type than it has")
                    );
                }
                if let InodeKind::Directory(child) = &inode.kind {
                    if child.parent != folder.number {
                        return Err(
                            self.fault(&inode, "a folder's parent is not the one that it is in")
                        );
                    }
                    links = links.saturating_add(1);
                    open.push(inode);
                } else {
                    self.leaf(&inode)?;
                }
            }
            // Some writers do not count folders' links; those that do must be right.
            if folder.link_count != links && folder.link_count > 2 {
                return Err(self.fault(&folder, "a folder's link count is not that of its folders"));
            }
            self.index(&folder, directory)?;
        }
        for seen in self.linked.values() {
            if seen.found != seen.expected {
                return Err(Error::damaged(
                    self.image.superblock().inode_table,
                    "an inode has more or fewer names than its link count says",
                ));
            }
        }
        Ok(())
    }

    fn leaf(&mut self, inode: &Inode) -> Result<()> {
        if inode.link_count > 1 {
            let seen = self.linked.entry(inode.reference).or_insert(Seen {
                expected: inode.link_count,
                found: 0,
            });
            seen.found += 1;
            if seen.found > 1 {
                return Ok(());
            }
        }
        self.count(inode)?;
        self.image.xattrs(inode)?;
        if let InodeKind::File(file) = &inode.kind {
            let mut reader = self.image.open_file(file);
            let mut read = 0;
            while let Some(chunk) = reader.next_chunk()? {
                read += match chunk {
                    Chunk::Data(bytes) => bytes.len() as u64,
                    Chunk::Hole(length) => length,
                };
            }
            self.report.bytes = self.report.bytes.saturating_add(read);
        }
        Ok(())
    }

    /// An inode that is seen for the first time.
    fn count(&mut self, inode: &Inode) -> Result<()> {
        let superblock = self.image.superblock();
        if inode.number == 0 || inode.number > superblock.inode_count {
            return Err(self.fault(inode, "an inode's number is more than there are inodes"));
        }
        if !self.numbers.insert(inode.number) {
            return Err(self.fault(inode, "two inodes have one number"));
        }
        if let Some(reference) = self.image.inode_by_number(inode.number)?
            && reference != inode.reference
        {
            return Err(self.fault(inode, "the export table leads to another inode"));
        }
        self.report.inodes += 1;
        Ok(())
    }

    fn index(&self, folder: &Inode, directory: &DirectoryInode) -> Result<()> {
        for point in self.image.index(directory)? {
            let rest = directory.length - point.skipped;
            let first = super::Entries::new(self.image, point.place, rest).next();
            if first
                .transpose()?
                .is_none_or(|entry| entry.name != point.name)
            {
                return Err(self.fault(folder, "a folder's index leads to another name"));
            }
        }
        Ok(())
    }

    fn fault(&self, inode: &Inode, reason: &'static str) -> Error {
        let table = self.image.superblock().inode_table;
        Error::damaged(table + inode.reference.block(), reason)
    }
}
