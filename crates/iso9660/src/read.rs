//! Reads images, also those of others: ECMA-119 with names of Rock Ridge, of Joliet, or its own.
//!
//! Nothing that an image says is believed: every place is checked against its length, folders that lie in each other or
//! lead back are an error, and memory is bounded by constants, not by what is in the image. Relocated folders (RRIP
//! 4.1.5) are shown where they belong, files of several extents as one.
//!
//! Not supported: interleaved files, multiple volumes, raw sectors of 2352 bytes, El Torito's emulated media; files that
//! zisofs has compressed are read as they are stored.

mod disk;
mod entry;
mod file;
mod folder;
mod input;
mod system_use;
mod walk;

use std::io::{Read, Seek};

pub use disk::{BootImage, DiskTables};
pub use entry::{Entry, Extent, Kind};
pub use file::FileReader;
pub use folder::Entries;
pub use walk::Walk;

use crate::error::Error;
use crate::format::record::Record;
use crate::format::volume::{self, Volume};
use crate::format::{BLOCK, SYSTEM_AREA};
use input::Input;

/// 6.7.1: how far a set of descriptors is followed.
const MOST_DESCRIPTORS: u32 = 64;
/// What [`Image::folder`] gives at most.
const MOST_ENTRIES: usize = 1 << 20;

/// Which names, and what comes with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Rock Ridge: long names, modes, owners, links, devices.
    RockRidge,
    /// Joliet: long names.
    Joliet,
    /// ECMA-119's own, without version.
    Plain,
}

/// An image that is read.
#[derive(Debug)]
pub struct Image<R> {
    input: Input<R>,
    primary: Volume,
    joliet: Option<Volume>,
    catalogue: Option<u32>,
    names: Names,
    /// SUSP 5.3: bytes at the beginning of each system use area that are others'.
    skip: usize,
    block_size: u64,
    root: Entry,
}

impl<R: Read + Seek> Image<R> {
    /// With Rock Ridge's names if there are any, else Joliet's, else its own.
    ///
    /// # Errors
    /// [`Error::NotAnImage`], [`Error::Damaged`], [`Error::Unsupported`], [`Error::Read`].
    pub fn open(input: R) -> Result<Image<R>, Error> {
        let mut image = Image::open_plain(input)?;
        if !image.use_names(Names::RockRidge)? {
            image.use_names(Names::Joliet)?;
        }
        Ok(image)
    }

    /// With names of one's choice.
    ///
    /// # Errors
    /// As [`Image::open`]; [`Error::NotAnImage`] when it has no such names.
    pub fn open_as(input: R, names: Names) -> Result<Image<R>, Error> {
        let mut image = Image::open_plain(input)?;
        if !image.use_names(names)? {
            return Err(Error::NotAnImage {
                reason: "it has not the names that were asked for",
            });
        }
        Ok(image)
    }

    fn open_plain(input: R) -> Result<Image<R>, Error> {
        let mut input = Input::new(input)?;
        let (mut primary, mut joliet, mut catalogue) = (None, None, None);
        for number in 0..MOST_DESCRIPTORS {
            let at = SYSTEM_AREA.offset() + u64::from(number) * BLOCK as u64;
            let mut sector = [0; BLOCK];
            if at + BLOCK as u64 > input.length() {
                break;
            }
            input.read_at(at, &mut sector)?;
            match volume::kind(&sector) {
                None | Some(volume::TERMINATOR) => break,
                Some(volume::BOOT_RECORD) => {
                    catalogue = catalogue.or(volume::boot_catalogue(&sector));
                }
                Some(volume::PRIMARY) => primary = primary.or(Volume::decode(&sector)),
                Some(volume::SUPPLEMENTARY) => {
                    let found = Volume::decode(&sector).filter(Volume::is_joliet);
                    joliet = joliet.or(found);
                }
                Some(_) => {}
            }
        }
        let Some(primary) = primary else {
            return Err(Error::NotAnImage {
                reason: "there is no primary volume descriptor",
            });
        };
        if ![512, 1024, 2048].contains(&primary.block_size) {
            return Err(Error::NotAnImage {
                reason: "its blocks have neither 512 nor 1024 nor 2048 bytes",
            });
        }
        let block_size = u64::from(primary.block_size);
        let root = Entry::root(&primary.root, block_size);
        Ok(Image {
            input,
            root,
            primary,
            joliet,
            catalogue,
            names: Names::Plain,
            skip: 0,
            block_size,
        })
    }

    /// Turns to names; `false` when there are none of that kind.
    fn use_names(&mut self, names: Names) -> Result<bool, Error> {
        match names {
            Names::Plain => {}
            Names::Joliet => {
                let Some(joliet) = &self.joliet else {
                    return Ok(false);
                };
                self.root = Entry::root(&joliet.root, self.block_size);
            }
            Names::RockRidge => {
                let at = self.place_of(&self.primary.root);
                let Some(own) = self.record_at(at)? else {
                    return Ok(false);
                };
                let Some(skip) = system_use::skip(&own.system_use) else {
                    return Ok(false);
                };
                self.skip = skip;
                let found = self.system_use(&own, at, true)?;
                if !found.is_rock_ridge && found.posix.is_none() {
                    return Ok(false);
                }
                let root = self.primary.root.clone();
                self.root = Entry::root(&root, self.block_size);
                found.describe(&mut self.root);
            }
        }
        self.names = names;
        Ok(true)
    }

    /// The names that are used.
    pub fn names(&self) -> Names {
        self.names
    }

    /// The primary volume descriptor.
    pub fn volume(&self) -> &Volume {
        &self.primary
    }

    /// The volume's name.
    pub fn volume_id(&self) -> String {
        self.primary.text(&self.primary.volume)
    }

    /// The application's identifier.
    pub fn application_id(&self) -> String {
        self.primary.text(&self.primary.application)
    }

    /// The supplementary volume descriptor of Joliet.
    pub fn joliet(&self) -> Option<&Volume> {
        self.joliet.as_ref()
    }

    /// The length of what is read, in bytes.
    pub fn length(&self) -> u64 {
        self.input.length()
    }

    /// The root folder.
    pub fn root(&self) -> &Entry {
        &self.root
    }

    /// The entries of a folder, in their order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unsupported`] also when there are more than 1,048,576: use [`Image::entries`];
    /// [`Error::Read`].
    pub fn folder(&mut self, folder: &Entry) -> Result<Vec<Entry>, Error> {
        let mut entries = self.entries(folder)?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next(self)? {
            if found.len() == MOST_ENTRIES {
                return Err(Error::Unsupported {
                    offset: folder.offset(),
                    what: "a folder of more than 1,048,576 entries",
                });
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// What lies at a path of `/`-separated names.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn find(&mut self, path: &[u8]) -> Result<Option<Entry>, Error> {
        let mut entry = self.root.clone();
        for name in path.split(|byte| *byte == b'/') {
            if name.is_empty() {
                continue;
            }
            if entry.kind != Kind::Folder {
                return Ok(None);
            }
            let mut entries = self.entries(&entry)?;
            loop {
                match entries.next(self)? {
                    None => return Ok(None),
                    Some(found) if found.name == name => {
                        entry = found;
                        break;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(Some(entry))
    }

    /// Where a record's data begins, in bytes.
    fn place_of(&self, record: &Record) -> u64 {
        entry::place_of(record, self.block_size)
    }

    /// The record at a place.
    fn record_at(&mut self, at: u64) -> Result<Option<Record>, Error> {
        let mut bytes = [0; 256];
        let there = self.input.length().saturating_sub(at).min(256) as usize;
        self.input.read_at(at, &mut bytes[..there])?;
        Ok(Record::decode(&bytes[..there]))
    }
}
