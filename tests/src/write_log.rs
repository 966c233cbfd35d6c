//! A disk's writes and flushes in the order in which they were done, as QEMU's `blklogwrites` logs them, and their replay.
//!
//! The format is device-mapper's: the kernel's Documentation/admin-guide/device-mapper/log-writes.rst and
//! drivers/md/dm-log-writes.c, version 1. A sector with the super block (magic, version, number of entries, size of a sector), then
//! for each entry a sector with its header (where, how many sectors, flags, length of a mark) and the data. Little-endian.
//!
//! Not supported: the text of marks, which QEMU does not write.

use crate::BenchError;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// `WRITE_LOG_MAGIC`.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1 << 0;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;
/// What is copied at once.
const CHUNK: usize = 1 << 20;

/// One write or flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// How much is written there; 0 for a flush alone, and for what is discarded: its content stays as it is.
    pub length: u64,
    /// Whether all that was written before is on the disk from here on.
    pub is_flush: bool,
    /// Whether its own data are on the disk as soon as it is over.
    pub is_durable: bool,
    /// Where its data are in the log.
    data: u64,
}

/// A log.
#[derive(Debug)]
pub struct WriteLog {
    file: File,
    path: PathBuf,
    entries: Vec<Entry>,
}

impl WriteLog {
    /// Reads the headers of all entries.
    ///
    /// # Errors
    /// When it cannot be read, or is no log of this version.
    pub fn open(path: &Path) -> Result<Self, BenchError> {
        let file = File::open(path).map_err(BenchError::file(path))?;
        let wrong = |text: String| BenchError::Understand {
            what: format!("the log {}", path.display()),
            text,
        };
        let length = file.metadata().map_err(BenchError::file(path))?.len();
        let words = |at: u64| -> Result<[u64; 4], BenchError> {
            let mut bytes = [0; 32];
            file.read_exact_at(&mut bytes, at)
                .map_err(BenchError::file(path))?;
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            Ok(words)
        };
        let [magic, version, count, sector] = words(0)?;
        // The size of a sector is 32 bits.
        let sector = sector & u64::from(u32::MAX);
        if (magic, version) != (MAGIC, VERSION) {
            return Err(wrong(format!("magic {magic:#x}, version {version}")));
        }
        if !sector.is_power_of_two() || !(512..=65536).contains(&sector) {
            return Err(wrong(format!("sectors of {sector} bytes")));
        }
        let mut entries = Vec::new();
        let mut at = sector;
        for index in 0..count {
            let [place, sectors, flags, _] = words(at)?;
            at += sector;
            let is_write = flags & (DISCARD | MARK) == 0;
            let taken = if is_write { sectors * sector } else { 0 };
            if at + taken > length {
                return Err(wrong(format!(
                    "entry {index} of {count} goes beyond its end"
                )));
            }
            entries.push(Entry {
                offset: place * sector,
                length: taken,
                is_flush: flags & FLUSH != 0,
                is_durable: flags & FUA != 0,
                data: at,
            });
            at += taken;
        }
        Ok(WriteLog {
            file,
            path: path.into(),
            entries,
        })
    }

    /// All entries, the earliest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Does to `disk` what the entry of this index did.
    ///
    /// # Errors
    /// When log or disk cannot be read or written.
    pub fn apply(&self, index: usize, disk: &File) -> Result<(), BenchError> {
        self.apply_first(index, u64::MAX, disk)
    }

    /// Does to `disk` what the entry of this index did, up to so many bytes of it.
    ///
    /// # Errors
    /// As [`WriteLog::apply`].
    pub fn apply_first(&self, index: usize, bytes: u64, disk: &File) -> Result<(), BenchError> {
        let mut entry = self.entries[index];
        entry.length = entry.length.min(bytes);
        let mut buffer = vec![0; CHUNK.min(usize::try_from(entry.length).unwrap_or(CHUNK))];
        let mut done = 0;
        while done < entry.length {
            let left = usize::try_from(entry.length - done).unwrap_or(usize::MAX);
            let chunk = &mut buffer[..left.min(CHUNK)];
            self.file
                .read_exact_at(chunk, entry.data + done)
                .map_err(BenchError::file(&self.path))?;
            disk.write_all_at(chunk, entry.offset + done)
                .map_err(BenchError::file("the disk to replay on"))?;
            done += chunk.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: [u64; 4]) -> Vec<u8> {
        let mut sector: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        sector.resize(512, 0);
        sector
    }

    /// A log of a write of two sectors, a flush, a discard, and a durable write over the first.
    fn log(count: u64) -> Vec<u8> {
        [
            words([MAGIC, VERSION, count, 512]),
            words([3, 2, 0, 0]),
            vec![1; 1024],
            words([0, 0, FLUSH, 0]),
            words([3, 1, DISCARD, 0]),
            words([3, 1, FUA, 0]),
            vec![2; 512],
        ]
        .concat()
    }

    fn open(bytes: &[u8]) -> Result<WriteLog, BenchError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, bytes).unwrap();
        WriteLog::open(&path)
    }

    #[test]
    fn entries_are_read_and_replayed() {
        let log = open(&log(4)).unwrap();
        let seen: Vec<_> = log
            .entries()
            .iter()
            .map(|entry| (entry.offset, entry.length, entry.is_flush, entry.is_durable))
            .collect();
        assert_eq!(
            seen,
            [
                (1536, 1024, false, false),
                (0, 0, true, false),
                (1536, 0, false, false),
                (1536, 512, false, true),
            ]
        );
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(4096).unwrap();
        for index in 0..3 {
            log.apply(index, &disk).unwrap();
        }
        let at = |offset| {
            let mut byte = [0];
            disk.read_exact_at(&mut byte, offset).unwrap();
            byte[0]
        };
        assert_eq!([1535, 1536, 2559, 2560].map(at), [0, 1, 1, 0]);
        log.apply_first(3, 100, &disk).unwrap();
        assert_eq!([1535, 1536, 1636].map(at), [0, 2, 1]);
        log.apply(3, &disk).unwrap();
        assert_eq!([1536, 2047, 2048].map(at), [2, 2, 1]);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        let good = log(4);
        let mut other = good.clone();
        other[8] = 2;
        let mut odd = good.clone();
        odd[25] = 3;
        for bytes in [&good[..good.len() - 1], &other, &odd, &good[..16]] {
            assert!(open(bytes).is_err());
        }
    }
}
