//! Whose a disk is that is in use without a trace in the kernel's tables: pools of several disks hold their members open for themselves alone, and of those
//! only the first, or none, is said to be mounted.
//!
//! ZFS (On-Disk Specification, 1.2 and 1.3: the uberblocks of the first label) and btrfs (its superblock at 64 KiB). Everything else that holds disks
//! (device-mapper, md, bcache) is in sysfs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where a ZFS label has its uberblocks, how long they are, and what each begins with, in the byte order of the machine that made it.
const UBERBLOCKS: u64 = 128 << 10;
const UBERBLOCKS_LENGTH: usize = 128 << 10;
const UBERBLOCK_LEAST: usize = 1 << 10;
const UBERBLOCK: u64 = 0x00ba_b10c;
/// Where btrfs has its magic number.
const BTRFS_AT: u64 = (64 << 10) + 64;
const BTRFS: &[u8; 8] = b"_BHRfS_M";

/// What pools disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// ZFS.
    Zfs,
    /// Btrfs, with several disks.
    Btrfs,
}

/// The pool that a disk or partition has been a member of, by its label alone.
pub(crate) fn pool(path: &Path) -> Option<Pool> {
    let file = File::open(path).ok()?;
    let mut magic = [0; BTRFS.len()];
    if file.read_exact_at(&mut magic, BTRFS_AT).is_ok() && magic == *BTRFS {
        return Some(Pool::Btrfs);
    }
    let mut uberblocks = vec![0; UBERBLOCKS_LENGTH];
    file.read_exact_at(&mut uberblocks, UBERBLOCKS).ok()?;
    uberblocks
        .chunks(UBERBLOCK_LEAST)
        .any(|block| {
            block.starts_with(&UBERBLOCK.to_le_bytes())
                || block.starts_with(&UBERBLOCK.to_be_bytes())
        })
        .then_some(Pool::Zfs)
}
