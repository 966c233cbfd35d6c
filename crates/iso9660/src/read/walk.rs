//! All entries of an image, folders before what is in them.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::Image;
use super::entry::{Entry, Kind};
use super::folder::Entries;
use crate::error::Error;

/// Folders in folders; twice what a path of Linux can have.
const MOST_DEPTH: usize = 4096;

/// A walk under way. Ask it for the [`Walk::next`]; between two entries the image can be read.
#[derive(Debug)]
pub struct Walk {
    /// The folders that are open, each with the length of its path.
    open: Vec<(Entries, usize)>,
    path: Vec<u8>,
    /// Where the folders lie that have been entered.
    entered: HashSet<u64>,
    /// Bytes of folders that can still come: they do not overlap, so all are not more than the image.
    left: u64,
    /// The folder that was given last, and is to be entered.
    next: Option<Entry>,
}

impl<R: Read + Seek> Image<R> {
    /// All entries below the root.
    pub fn walk(&self) -> Walk {
        Walk {
            open: Vec::new(),
            path: Vec::new(),
            entered: HashSet::new(),
            left: self.length(),
            next: Some(self.root.clone()),
        }
    }
}

impl Walk {
    /// The next entry and its path, which begins with `/`.
    ///
    /// # Errors
    /// [`Error::Damaged`], also when a folder is in itself or two lie over each other; [`Error::Unsupported`],
    /// [`Error::Read`].
    pub fn next<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
    ) -> Result<Option<(&[u8], Entry)>, Error> {
        if let Some(folder) = self.next.take() {
            self.enter(image, &folder)?;
        }
        while let Some((entries, length)) = self.open.last_mut() {
            self.path.truncate(*length);
            let Some(entry) = entries.next(image)? else {
                self.open.pop();
                continue;
            };
            self.path.push(b'/');
            self.path.extend(&entry.name);
            if entry.kind == Kind::Folder {
                self.next = Some(entry.clone());
            }
            return Ok(Some((&self.path, entry)));
        }
        Ok(None)
    }

    fn enter<R: Read + Seek>(&mut self, image: &Image<R>, folder: &Entry) -> Result<(), Error> {
        let offset = folder.offset();
        let damaged = |what| Err(Error::Damaged { offset, what });
        let entries = image.entries(folder)?;
        if !self.entered.insert(offset) {
            return damaged("a folder is in itself, or in two places");
        }
        let Some(left) = self.left.checked_sub(folder.length()) else {
            return damaged("folders lie over each other");
        };
        self.left = left;
        if self.open.len() == MOST_DEPTH {
            return damaged("folders are nested deeper than 4096 levels");
        }
        self.open.push((entries, self.path.len()));
        Ok(())
    }
}
