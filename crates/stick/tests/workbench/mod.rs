//! Images and disks for the tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flk_iso9660::format::{gpt::Header, mbr::Mbr};
use flk_iso9660::{Attributes, Content, Disk as DiskBoot, EfiBoot, Guid, Options, Time, Tree};
use flk_stick::Disk;

/// Bytes that do not compress and do not repeat.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An image of about 6 MB that starts a machine by UEFI, as far as its tables say; of two with other numbers, 100 kB differ.
pub(crate) fn image(folder: &Path, number: u64) -> PathBuf {
    let at = |mode| Attributes::root(mode, Time(1));
    let mut tree = Tree::new(at(0o755));
    for (path, bytes) in [
        ("/boot/efi.img", noise(1, 1 << 20)),
        ("/a", noise(2, 2 << 20)),
        ("/b", noise(100 + number, 100_000)),
        ("/c", noise(3, (2 << 20) + 5000)),
    ] {
        tree.insert_file(path.as_bytes(), at(0o444), Content::bytes(bytes))
            .unwrap();
    }
    let mut options = Options::new("flk-Sample");
    options.application_id = format!("FLK BUILD={number:032x} KEY=00");
    options.boot.efi = Some(EfiBoot {
        image: b"/boot/efi.img".to_vec(),
    });
    options.boot.disk = Some(DiskBoot {
        guid: Guid::of_digest([7; 16]),
        code: None,
    });
    let path = folder.join(format!("{number}.iso"));
    flk_iso9660::write(&tree, &options, &mut File::create(&path).unwrap()).unwrap();
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
