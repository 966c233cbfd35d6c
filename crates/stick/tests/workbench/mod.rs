//! Images and disks for the tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flk_image::{DIGEST_BLOCK, Digests};
use flk_iso9660::format::{gpt::Header, mbr::Mbr};
use flk_iso9660::{
    Attributes, Content, Disk as DiskTables, EfiBoot, Guid, Options as IsoOptions, Time, Tree,
};
use flk_stick::Disk;
use flk_tests::{noise, sample_iso};

/// A sample ISO, `folder/NUMBER.iso`.
pub(crate) fn image(folder: &Path, number: u64) -> PathBuf {
    let path = folder.join(format!("{number}.iso"));
    sample_iso(&path, number).unwrap();
    path
}

/// A sample ISO with digests, as flk's have them.
pub(crate) fn image_with_digests(folder: &Path) -> PathBuf {
    let path = folder.join("digests.iso");
    // Their file begins at a multiple of their blocks.
    for sectors in 1..=DIGEST_BLOCK as usize / 2048 {
        let mut tree = Tree::new(at(0o755));
        for (name, bytes) in [
            ("/boot/efi.img", noise(1, 1 << 20)),
            ("/a", noise(2, 2 << 20)),
            ("/flk/a", noise(3, sectors * 2048)),
            ("/flk/digests", vec![0; DIGEST_BLOCK as usize]),
            ("/z", noise(4, (2 << 20) + 5000)),
        ] {
            tree.insert_file(name.as_bytes(), at(0o444), Content::bytes(bytes))
                .unwrap();
        }
        let mut options = IsoOptions::new("SAMPLE");
        options.boot.efi = Some(EfiBoot {
            image: b"/boot/efi.img".to_vec(),
        });
        options.boot.disk = Some(DiskTables {
            guid: Guid::of_digest([7; 16]),
            code: None,
        });
        let mut file = File::create(&path).unwrap();
        flk_iso9660::write(&tree, &options, &mut file).unwrap();
        let mut iso = flk_iso9660::Image::open(File::open(&path).unwrap()).unwrap();
        let entry = iso.find(b"/flk/digests").unwrap().unwrap();
        let own_offset = entry.extents[0].offset;
        if !own_offset.is_multiple_of(DIGEST_BLOCK) {
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let digest = |block: &[u8]| *blake3::hash(block).as_bytes();
        let digests = Digests {
            build: "00112233445566778899aabbccddeeff".parse().unwrap(),
            length: bytes.len() as u64,
            own_offset,
            own_length: DIGEST_BLOCK,
            blocks: bytes.chunks(DIGEST_BLOCK as usize).map(digest).collect(),
        };
        let own = digests.to_bytes();
        bytes[own_offset as usize..][..own.len()].copy_from_slice(&own);
        std::fs::write(&path, bytes).unwrap();
        return path;
    }
    panic!("no file began at a multiple of {DIGEST_BLOCK}");
}

fn at(mode: u32) -> Attributes {
    Attributes::root(mode, Time(1))
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
