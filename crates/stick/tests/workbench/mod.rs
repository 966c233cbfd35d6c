//! Images and disks for the tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flk_iso9660::format::{gpt::Header, mbr::Mbr};
use flk_stick::Disk;
use flk_tests::sample_iso;

/// A sample ISO, `folder/NUMBER.iso`.
pub(crate) fn image(folder: &Path, number: u64) -> PathBuf {
    let path = folder.join(format!("{number}.iso"));
    sample_iso(&path, number).unwrap();
    path
}

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Writes of this byte are lost.
    Drops(u64),
    /// This byte is stored with another bit.
    Flips(u64),
    /// What is written to the first is written to the second.
    Misplaces(u64, u64),
    /// It has only so many bytes, and begins again after them.
    Wraps(u64),
    /// After so many writes it is pulled out; of the last one, a half arrives.
    Gone(usize),
}

/// A disk in memory.
pub(crate) struct Memory {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) fault: Fault,
    pub(crate) writes: Mutex<usize>,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>, fault: Fault) -> Memory {
        Memory {
            bytes: Mutex::new(bytes),
            fault,
            writes: Mutex::new(0),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    fn place(&self, offset: u64) -> u64 {
        match self.fault {
            Fault::Wraps(capacity) => offset % capacity,
            _ => offset,
        }
    }
}

impl Disk for Memory {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = self.place(offset) as usize;
        bytes.copy_from_slice(&self.bytes.lock().unwrap()[start..start + bytes.len()]);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut writes = self.writes.lock().unwrap();
        let mut disk = self.bytes.lock().unwrap();
        let has = |at: u64| (offset..offset + bytes.len() as u64).contains(&at);
        let (mut start, mut bytes) = (self.place(offset) as usize, bytes.to_vec());
        match self.fault {
            Fault::Drops(at) if has(at) => return Ok(()),
            Fault::Flips(at) if has(at) => bytes[(at - offset) as usize] ^= 0x10,
            Fault::Misplaces(at, to) if has(at) => start = to as usize,
            Fault::Gone(most) if *writes > most => return Err(io::ErrorKind::NotConnected.into()),
            Fault::Gone(most) if *writes == most => {
                *writes += 1;
                let half = bytes.len() / 2;
                disk[start..start + half].copy_from_slice(&bytes[..half]);
                return Err(io::ErrorKind::NotConnected.into());
            }
            _ => {}
        }
        *writes += 1;
        disk[start..start + bytes.len()].copy_from_slice(&bytes);
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        match self.fault {
            Fault::Gone(most) if *self.writes.lock().unwrap() > most => {
                Err(io::ErrorKind::NotConnected.into())
            }
            _ => Ok(()),
        }
    }
}

/// Whether any firmware could start something from a disk: by its MBR, by its GPT or the GPT's copy, or as a CD.
pub(crate) fn starts(disk: &[u8]) -> bool {
    Mbr::decode(&disk[..512]).is_some()
        || Header::decode(&disk[512..1024]).is_some()
        || Header::decode(&disk[disk.len() - 512..]).is_some()
        || &disk[32769..32774] == b"CD001"
}
