//! `/flk/digests`: an ISO's digests, by which a copy of it is known to be whole (ARCHITECTURE.md).
//!
//! A BLAKE3 digest for each 32 KiB of the ISO, and one over those, the header and the build id. What the file itself takes of the ISO
//! counts as zeros. Damage is found by them, and where it is; not forgery, for whoever forges an ISO forges its digests.
//!
//! | offset | bytes | what (numbers are little-endian) |
//! |---|---|---|
//! | 0 | 16 | `flk digests 1`, zeros |
//! | 16 | 16 | the build id |
//! | 32 | 8 | the ISO's length |
//! | 40 | 8 | where the file is on the ISO: a multiple of 32 KiB |
//! | 48 | 8 | the file's length: a multiple of 32 KiB |
//! | 56 | 8 | how many digests there are: one for each 32 KiB of the ISO |
//! | 64 | 32 | the root: BLAKE3 (derive_key, context `flk digests 1 root`) over bytes 0 to 63 and all digests |
//! | 96 | 32 each | the digests; then zeros up to the file's length |

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::{BuildId, Error};

/// What a digest is of, in bytes.
pub const BLOCK: u64 = 32 << 10;
/// The place on the ISO.
pub const PLACE: &str = "/flk/digests";
const MAGIC: [u8; 16] = *b"flk digests 1\0\0\0";
const CONTEXT: &str = "flk digests 1 root";
const HEADER: usize = 64;
const DIGEST: usize = 32;
/// How many blocks a thread takes at a time.
const PIECE: u64 = 32;
/// An ISO of more blocks than this (64 TiB) is none that flk made.
const BLOCKS_MAX: u64 = 1 << 31;

/// The digests of an ISO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Whose.
    pub build: BuildId,
    /// The ISO's length in bytes.
    pub length: u64,
    /// Where the digests' own file is on the ISO, in bytes.
    pub own_offset: u64,
    /// That file's length in bytes.
    pub own_length: u64,
    /// For each [`BLOCK`] of the ISO.
    pub blocks: Vec<[u8; DIGEST]>,
}

/// How long the file is on an ISO that has so many bytes without it.
pub(crate) fn room(others: u64) -> u64 {
    let mut room = BLOCK;
    while room < file_length(others + room) {
        room += BLOCK;
    }
    room
}

/// For an ISO of so many bytes.
fn file_length(iso: u64) -> u64 {
    let digests = iso.div_ceil(BLOCK) * DIGEST as u64;
    (HEADER + DIGEST) as u64 + digests
}

impl Digests {
    /// Of a finished ISO of `length` bytes whose digests are to be at `own`: offset and length.
    pub(crate) fn of(
        iso: &File,
        build: &BuildId,
        length: u64,
        own: (u64, u64),
        threads: NonZeroUsize,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Digests> {
        let mut digests = Digests {
            build: build.clone(),
            length,
            own_offset: own.0,
            own_length: own.1,
            blocks: Vec::new(),
        };
        digests.blocks = digests.compute(iso, threads, progress)?;
        Ok(digests)
    }

    /// The digests that `iso` has now.
    fn compute(
        &self,
        iso: &File,
        threads: NonZeroUsize,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Vec<[u8; DIGEST]>> {
        let count = self.length.div_ceil(BLOCK);
        let next = AtomicU64::new(0);
        let blocks = Mutex::new(vec![[0; DIGEST]; count as usize]);
        let work = |tell: Option<&mut dyn FnMut(u64)>| -> io::Result<()> {
            let mut tell = tell;
            let mut buffer = vec![0; (PIECE * BLOCK) as usize];
            let mut piece = Vec::new();
            loop {
                let first = next.fetch_add(PIECE, Ordering::Relaxed);
                if first >= count {
                    return Ok(());
                }
                let start = first * BLOCK;
                let bytes = (self.length - start).min(PIECE * BLOCK) as usize;
                iso.read_exact_at(&mut buffer[..bytes], start)?;
                piece.clear();
                for (number, block) in buffer[..bytes].chunks(BLOCK as usize).enumerate() {
                    let at = start + number as u64 * BLOCK;
                    piece.push(match self.is_own(at) {
                        true => *blake3::hash(&vec![0; block.len()]).as_bytes(),
                        false => *blake3::hash(block).as_bytes(),
                    });
                }
                let mut all = blocks.lock().unwrap_or_else(|e| e.into_inner());
                all[first as usize..][..piece.len()].copy_from_slice(&piece);
                drop(all);
                if let Some(tell) = &mut tell {
                    tell((first * BLOCK).min(self.length));
                }
            }
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads.get())
                .map(|_| scope.spawn(|| work(None)))
                .collect();
            let mut result = work(Some(progress));
            for other in others {
                let ended = other
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread ended unexpectedly")));
                result = result.and(ended);
            }
            result
        })?;
        Ok(blocks.into_inner().unwrap_or_else(|e| e.into_inner()))
    }

    fn is_own(&self, at: u64) -> bool {
        (self.own_offset..self.own_offset + self.own_length).contains(&at)
    }

    /// As they are on the ISO.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend_from_slice(&self.root());
        for digest in &self.blocks {
            bytes.extend_from_slice(digest);
        }
        bytes.resize(self.own_length as usize, 0);
        bytes
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        // A build id is 32 hexadecimal digits.
        let digit =
            |at: usize| u8::from_str_radix(&self.build.as_str()[at..at + 2], 16).unwrap_or(0);
        bytes.extend((0..32).step_by(2).map(digit));
        let count = self.blocks.len() as u64;
        for number in [self.length, self.own_offset, self.own_length, count] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// The digest over all of them, the build id and the ISO's length.
    pub fn root(&self) -> [u8; DIGEST] {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.header());
        for digest in &self.blocks {
            hasher.update(digest);
        }
        *hasher.finalize().as_bytes()
    }

    /// Reads what [`Digests::to_bytes`] has written.
    ///
    /// # Errors
    /// [`Error::Digests`] when it is not that, or its root is not that of its digests.
    pub fn from_bytes(bytes: &[u8]) -> Result<Digests, Error> {
        let fail = |reason| Err(Error::Digests { reason });
        let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
            return fail("they are cut short");
        };
        if header[..16] != MAGIC {
            return fail("they are of no version that this flk knows");
        }
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&header[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let (length, count) = (number(32), number(56));
        let build: String = header[16..32].iter().map(|b| format!("{b:02x}")).collect();
        let build = match BuildId::try_from(build) {
            Ok(build) => build,
            Err(_) => return fail("they have no build id"),
        };
        if count > BLOCKS_MAX || count != length.div_ceil(BLOCK) {
            return fail("they are not as many as the ISO has blocks");
        }
        let Some((root, rest)) = rest.split_at_checked(DIGEST) else {
            return fail("they are cut short");
        };
        let Some(rest) = rest.get(..count as usize * DIGEST) else {
            return fail("they are cut short");
        };
        let blocks = rest.as_chunks::<DIGEST>().0.to_vec();
        let digests = Digests {
            build,
            length,
            own_offset: number(40),
            own_length: number(48),
            blocks,
        };
        let own_end = digests.own_offset.checked_add(digests.own_length);
        if own_end.is_none_or(|end| end > length) {
            return fail("they are outside of the ISO");
        }
        if digests.root() != root {
            return fail("they are damaged");
        }
        Ok(digests)
    }

    /// Reads those of an ISO, or of a device that begins with one.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Iso`]; [`Error::Digests`] when it has none, or they are damaged.
    pub fn read(iso: &Path) -> Result<Digests, Error> {
        Digests::find(iso)?.ok_or(Error::Digests {
            reason: "there are none: it was not made by this flk, or by an older one",
        })
    }

    /// Reads those of an ISO that has any.
    ///
    /// # Errors
    /// Those of [`Digests::read`], but for an ISO that has none.
    pub fn find(iso: &Path) -> Result<Option<Digests>, Error> {
        let file = File::open(iso).map_err(Error::io("open", iso))?;
        let mut image = flk_iso9660::Image::open(file).map_err(Error::iso)?;
        let found = image.find(PLACE.as_bytes()).map_err(Error::iso)?;
        let Some(entry) = found else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        image
            .file(&entry)
            .map_err(Error::iso)?
            .take(HEADER as u64 + (BLOCKS_MAX + 1) * DIGEST as u64)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read the digests of", iso))?;
        Digests::from_bytes(&bytes).map(Some)
    }

    /// The first block of an ISO that is not as it was, among those that `bytes`, which lie at `offset` on it, have whole: its offset.
    pub fn first_damaged(&self, bytes: &[u8], offset: u64) -> Option<u64> {
        let mut at = offset.next_multiple_of(BLOCK);
        while at < self.length {
            let end = (at + BLOCK).min(self.length);
            let here = bytes.get((at - offset) as usize..(end - offset) as usize)?;
            // Its own blocks count as zeros: their root says whether they are whole.
            if !self.is_own(at) && !self.is_block((at / BLOCK) as usize, here) {
                return Some(at);
            }
            at += BLOCK;
        }
        None
    }

    /// Whether this is what the ISO has in a block, by its number.
    pub fn is_block(&self, number: usize, bytes: &[u8]) -> bool {
        self.blocks.get(number) == Some(blake3::hash(bytes).as_bytes())
    }

    /// Which blocks of an ISO are not as they were: their offsets in bytes, in order. Nothing is damaged where there are none.
    ///
    /// # Errors
    /// What reading gives, `UnexpectedEof` where it is too short.
    pub fn damaged(
        &self,
        iso: &File,
        threads: NonZeroUsize,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Vec<u64>> {
        let now = self.compute(iso, threads, progress)?;
        let pairs = self.blocks.iter().zip(&now).enumerate();
        Ok(pairs
            .filter(|(_, (then, now))| then != now)
            .map(|(number, _)| number as u64 * BLOCK)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    fn example() -> (File, Digests) {
        let file = tempfile::tempfile().unwrap();
        let length = 70 * BLOCK + 2048;
        let bytes: Vec<u8> = (0..length).map(|at| (at / 99) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let build = "00112233445566778899aabbccddeeff".parse().unwrap();
        let own = (65 * BLOCK, room(65 * BLOCK));
        let digests = Digests::of(&file, &build, length, own, TWO, &mut |_| {}).unwrap();
        file.write_all_at(&digests.to_bytes(), own.0).unwrap();
        (file, digests)
    }

    #[test]
    fn a_flipped_byte_is_found_wherever_it_is() {
        let (file, digests) = example();
        let none: [u64; 0] = [];
        assert_eq!(digests.damaged(&file, TWO, &mut |_| {}).unwrap(), none);
        for at in [0, 1, BLOCK - 1, BLOCK, 64 * BLOCK + 5, digests.length - 1] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            let damaged = digests
                .damaged(&file, NonZeroUsize::MIN, &mut |_| {})
                .unwrap();
            assert_eq!(damaged, [at / BLOCK * BLOCK]);
            file.write_all_at(&byte, at).unwrap();
        }
        file.set_len(digests.length - 1).unwrap();
        let cut = digests.damaged(&file, TWO, &mut |_| {}).unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn bytes_are_checked_as_far_as_they_are_whole_blocks() {
        let (file, digests) = example();
        let mut all = vec![0; digests.length as usize];
        file.read_exact_at(&mut all, 0).unwrap();
        for (start, end) in [(0, all.len()), (1, all.len()), (40_000, 200_000), (5, 6)] {
            assert_eq!(digests.first_damaged(&all[start..end], start as u64), None);
        }
        let last = digests.length / BLOCK * BLOCK;
        for at in [0, BLOCK - 1, 3 * BLOCK, last, digests.length - 1] {
            all[at as usize] ^= 1;
            let block = at / BLOCK * BLOCK;
            assert_eq!(digests.first_damaged(&all, 0), Some(block), "{at}");
            let from = block as usize;
            assert_eq!(
                digests.first_damaged(&all[from..], block),
                Some(block),
                "{at}"
            );
            // A block of which a byte is missing cannot be told.
            assert_eq!(
                digests.first_damaged(&all[from + 1..], block + 1),
                None,
                "{at}"
            );
            all[at as usize] ^= 1;
        }
    }

    #[test]
    fn damaged_digests_are_told_from_a_damaged_iso() {
        let (_, digests) = example();
        let bytes = digests.to_bytes();
        assert_eq!(bytes.len() as u64, digests.own_length);
        assert_eq!(Digests::from_bytes(&bytes).unwrap(), digests);
        let used = HEADER + DIGEST * (1 + digests.blocks.len());
        for at in 0..used {
            let mut bytes = bytes.clone();
            bytes[at] ^= 4;
            assert!(Digests::from_bytes(&bytes).is_err(), "byte {at}");
            assert!(Digests::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn there_is_room_for_all() {
        for others in [0, 1, BLOCK, 400 << 20, 8 << 30] {
            let room = room(others);
            assert!(file_length(others + room) <= room && room.is_multiple_of(BLOCK));
        }
    }
}
