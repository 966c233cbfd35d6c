//! How an image boots: El Torito's catalogue, MBR and GPT.

use std::io::{Read, Seek};

use super::Image;
use crate::error::Error;
use crate::format::el_torito::{self, BootEntry};
use crate::format::gpt::{Header, Partition};
use crate::format::mbr::Mbr;
use crate::format::{BLOCK, DISK_SECTOR};

/// Bytes of a catalogue that are read.
const MOST_CATALOGUE: u64 = 16 * BLOCK as u64;
/// Bytes of a GPT's entries that are read.
const MOST_ENTRIES: u64 = 1 << 20;

/// An image that El Torito boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootImage {
    /// What the catalogue says.
    pub entry: BootEntry,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// The boot information table in it: first block and length in bytes of what it is of.
    pub info: Option<(u32, u32)>,
}

/// What makes of an image a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskTables {
    /// The first sector.
    pub mbr: Mbr,
    /// The GPT of the second, with its partitions; `None` also when a sum is wrong.
    pub primary: Option<(Header, Vec<Partition>)>,
    /// The one in the last sector.
    pub backup: Option<(Header, Vec<Partition>)>,
}

impl<R: Read + Seek> Image<R> {
    /// What El Torito boots, in the catalogue's order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Read`].
    pub fn boot_images(&mut self) -> Result<Vec<BootImage>, Error> {
        let Some(block) = self.catalogue else {
            return Ok(Vec::new());
        };
        let offset = u64::from(block) * BLOCK as u64;
        let length = self.length().saturating_sub(offset).min(MOST_CATALOGUE);
        let mut catalogue = vec![0; length as usize];
        self.input.read_at(offset, &mut catalogue)?;
        let Some(entries) = el_torito::decode(&catalogue) else {
            return Err(Error::Damaged {
                offset,
                what: "the boot catalogue is not valid",
            });
        };
        let mut images = Vec::with_capacity(entries.len());
        for entry in entries {
            let offset = u64::from(entry.block) * BLOCK as u64;
            let mut start = [0; 64];
            self.input.read_at(offset, &mut start)?;
            let info = el_torito::info(&start).filter(|(block, _)| *block == entry.block);
            images.push(BootImage {
                entry,
                offset,
                info,
            });
        }
        Ok(images)
    }

    /// MBR and GPT; `None` when there is no MBR.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn disk_tables(&mut self) -> Result<Option<DiskTables>, Error> {
        let mut sector = [0; DISK_SECTOR as usize];
        self.input.read_at(0, &mut sector)?;
        let Some(mbr) = Mbr::decode(&sector) else {
            return Ok(None);
        };
        let last = (self.length() / DISK_SECTOR).saturating_sub(1);
        Ok(Some(DiskTables {
            mbr,
            primary: self.gpt(1)?,
            backup: self.gpt(last)?,
        }))
    }

    fn gpt(&mut self, sector: u64) -> Result<Option<(Header, Vec<Partition>)>, Error> {
        let mut bytes = [0; DISK_SECTOR as usize];
        self.input.read_at(sector * DISK_SECTOR, &mut bytes)?;
        let Some(header) = Header::decode(&bytes) else {
            return Ok(None);
        };
        let length = header.entries_length();
        let Some(at) = header.entries_at.checked_mul(DISK_SECTOR) else {
            return Ok(None);
        };
        if header.here != sector || length > MOST_ENTRIES || self.input.check(at, length).is_err() {
            return Ok(None);
        }
        let mut entries = vec![0; length as usize];
        self.input.read_at(at, &mut entries)?;
        Ok(header
            .partitions(&entries)
            .map(|partitions| (header, partitions)))
    }
}
