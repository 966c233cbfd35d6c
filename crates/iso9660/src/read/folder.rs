//! The entries of a folder, one after the other: its memory is one sector's.

use std::io::{Read, Seek};

use super::entry::{Entry, Extent, Kind};
use super::{Image, Names};
use crate::error::Error;
use crate::format::BLOCK;
use crate::format::record::{self, Record};
use crate::name;

/// Extents of one file: 16 TiB.
const MOST_EXTENTS: usize = 4096;

/// A folder that is being read.
#[derive(Clone, Debug)]
pub struct Entries {
    /// The next byte, and the first that is no longer of the folder.
    at: u64,
    end: u64,
    /// The sector that `at` is in, from `sector_at`.
    sector: Vec<u8>,
    sector_at: u64,
}

impl<R: Read + Seek> Image<R> {
    /// The entries of a folder.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it does not lie within the image, or is no folder.
    pub fn entries(&self, folder: &Entry) -> Result<Entries, Error> {
        let [extent] = folder.extents[..] else {
            return Err(Error::Damaged {
                offset: folder.offset(),
                what: "a folder has not exactly one extent",
            });
        };
        if folder.kind != Kind::Folder {
            return Err(Error::Damaged {
                offset: extent.offset,
                what: "this is no folder",
            });
        }
        self.input.check(extent.offset, extent.length.into())?;
        Ok(Entries {
            at: extent.offset,
            end: extent.offset + u64::from(extent.length),
            sector: Vec::new(),
            sector_at: 0,
        })
    }
}

impl Entries {
    /// The next entry.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unsupported`], [`Error::Read`].
    pub fn next<R: Read + Seek>(&mut self, image: &mut Image<R>) -> Result<Option<Entry>, Error> {
        while let Some((at, record)) = self.record(image)? {
            let skipped = record.identifier == record::THIS
                || record.identifier == record::PARENT
                || record.flags & record::ASSOCIATED != 0;
            if skipped {
                continue;
            }
            if record.unit != 0 {
                return Err(Error::Unsupported {
                    offset: at,
                    what: "an interleaved file",
                });
            }
            let mut entry = Entry::of(&record, Vec::new(), image.block_size);
            self.other_extents(image, &record, &mut entry)?;
            match image.names {
                Names::Plain => entry.name = name::plain(&record.identifier).to_vec(),
                Names::Joliet => {
                    let name = name::of_ucs2(&record.identifier);
                    entry.name = name::plain(name.as_bytes()).to_vec();
                }
                Names::RockRidge => {
                    let found = image.system_use(&record, at, false)?;
                    if found.is_relocated {
                        continue;
                    }
                    entry.name = match &found.name {
                        Some(name) => name.clone(),
                        None => name::plain(&record.identifier).to_vec(),
                    };
                    if let Some(block) = found.child {
                        let at = u64::from(block) * image.block_size;
                        entry.kind = Kind::Folder;
                        entry.extents = vec![moved(image, at)?];
                    }
                    found.describe(&mut entry);
                }
            }
            let is_name = !matches!(&entry.name[..], b"" | b"." | b"..");
            if !is_name || entry.name.iter().any(|byte| matches!(byte, b'/' | 0)) {
                return Err(Error::Damaged {
                    offset: at,
                    what: "a name is empty, leads elsewhere, or has a slash or a NUL in it",
                });
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }

    /// The records of a file's other extents, which follow its first one.
    fn other_extents<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
        first: &Record,
        entry: &mut Entry,
    ) -> Result<(), Error> {
        let mut flags = first.flags;
        while flags & record::NOT_LAST != 0 {
            let damaged = |offset, what| Err(Error::Damaged { offset, what });
            let Some((at, record)) = self.record(image)? else {
                return damaged(self.at, "a file's last extent is missing");
            };
            if record.identifier != first.identifier || record.is_folder() != first.is_folder() {
                return damaged(at, "between a file's extents is one of another file");
            }
            if entry.extents.len() == MOST_EXTENTS {
                return damaged(at, "a file has more than 4096 extents");
            }
            flags = record.flags;
            entry.extents.push(Extent {
                offset: image.place_of(&record),
                length: record.length,
            });
        }
        Ok(())
    }

    /// The next record, and where it lies.
    fn record<R: Read + Seek>(
        &mut self,
        image: &mut Image<R>,
    ) -> Result<Option<(u64, Record)>, Error> {
        let block = BLOCK as u64;
        while self.at < self.end {
            let sector_at = self.at - self.at % block;
            if self.sector.is_empty() || sector_at != self.sector_at {
                let length = (self.end - sector_at).min(block);
                self.sector.resize(length as usize, 0);
                image.input.read_at(sector_at, &mut self.sector)?;
                self.sector_at = sector_at;
            }
            let rest = &self.sector[(self.at - sector_at) as usize..];
            if rest[0] == 0 {
                // 6.8.1.1: what is left of the sector is zeros.
                self.at = sector_at + block;
                continue;
            }
            let at = self.at;
            let Some(record) = Record::decode(rest) else {
                return Err(Error::Damaged {
                    offset: at,
                    what: "a directory record is too short, or crosses a sector",
                });
            };
            self.at += u64::from(rest[0]);
            return Ok(Some((at, record)));
        }
        Ok(None)
    }
}

/// The extent of a folder that was moved, from its record of itself.
fn moved<R: Read + Seek>(image: &mut Image<R>, at: u64) -> Result<Extent, Error> {
    let own = image.record_at(at)?;
    match own {
        Some(own) if own.identifier == record::THIS && own.is_folder() => Ok(Extent {
            offset: at,
            length: own.length,
        }),
        _ => Err(Error::Damaged {
            offset: at,
            what: "a relocated folder is not where its link leads",
        }),
    }
}
