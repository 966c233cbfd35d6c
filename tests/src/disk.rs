//! Disk images: sparse files, blank or with an ext4 file system, and what the file systems' own checkers say of them.

use crate::{BenchError, run};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// Bytes of a disk as large as the tests' hosts need, several generations included; it is sparse.
pub const DISK: u64 = 6 << 30;

/// Makes a blank disk of so many bytes.
///
/// # Errors
/// When the file cannot be made.
pub fn blank_disk(path: PathBuf, bytes: u64) -> Result<PathBuf, BenchError> {
    File::create(&path)
        .and_then(|file| file.set_len(bytes))
        .map_err(BenchError::file(&path))?;
    Ok(path)
}

/// Makes a file system of so many bytes, as the user's page has it but for `options` of `mkfs.ext4`.
///
/// # Errors
/// When `mkfs.ext4` fails.
pub fn ext4_disk(path: PathBuf, bytes: u64, options: &[&str]) -> Result<PathBuf, BenchError> {
    let path = blank_disk(path, bytes)?;
    run(Command::new("mkfs.ext4")
        .args(["-q", "-L", "nixos"])
        .args(options)
        .arg(&path))?
    .success()?;
    Ok(path)
}

/// That nothing is wrong with an ext4 file system that nobody has mounted: `e2fsck -f -n`.
///
/// # Errors
/// [`BenchError::Command`] with its findings.
pub fn check_ext4(device: impl AsRef<OsStr>) -> Result<(), BenchError> {
    run(Command::new("e2fsck")
        .args(["-f", "-n"])
        .arg(device.as_ref()))?
    .success()
    .map(drop)
}

/// Where the partitions of a disk are that was made ready outside the machine: one for UEFI's boot files, one for the root.
#[derive(Debug, Clone, Copy)]
pub struct Partitions;

impl Partitions {
    /// Where the boot partition begins, in bytes.
    pub const BOOT_AT: u64 = 1 << 20;
    /// How long it is.
    pub const BOOT_LENGTH: u64 = 256 << 20;
    /// Where the root begins.
    pub const ROOT_AT: u64 = Self::BOOT_AT + Self::BOOT_LENGTH;
    /// How long it is; the backup of the partition table follows.
    pub const ROOT_LENGTH: u64 = 3 << 30;

    /// Makes a disk with both, formatted as the user's page has it.
    ///
    /// # Errors
    /// When a program for it fails.
    pub fn make(path: PathBuf) -> Result<PathBuf, BenchError> {
        let end = Self::ROOT_AT + Self::ROOT_LENGTH;
        let path = blank_disk(path, end + (1 << 20))?;
        let sectors = |at: u64, length: u64| format!("{}:{}", at / 512, (at + length) / 512 - 1);
        run(Command::new("sgdisk")
            .arg(format!(
                "--new=1:{}",
                sectors(Self::BOOT_AT, Self::BOOT_LENGTH)
            ))
            .arg("--typecode=1:ef00")
            .arg(format!(
                "--new=2:{}",
                sectors(Self::ROOT_AT, Self::ROOT_LENGTH)
            ))
            .arg(&path))?
        .success()?;
        run(Command::new("mkfs.vfat")
            // FAT32, whose clusters are small on a partition of this size.
            .args(["-F", "32", "-s", "1", "-n", "boot", "--offset"])
            .arg((Self::BOOT_AT / 512).to_string())
            .arg(&path)
            .arg((Self::BOOT_LENGTH / 1024).to_string()))?
        .success()?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-L", "nixos", "-E"])
            .arg(format!("offset={}", Self::ROOT_AT))
            .arg(&path)
            .arg(format!("{}k", Self::ROOT_LENGTH / 1024)))?
        .success()?;
        Ok(path)
    }

    /// That nothing is wrong with either file system of a disk that nobody has mounted.
    ///
    /// # Errors
    /// [`BenchError::Command`] with the findings of `e2fsck` or `fsck.vfat`.
    pub fn check(disk: &Path) -> Result<(), BenchError> {
        check_ext4(Self::root_of(disk))?;
        let boot = disk.with_extension("boot");
        let mut copy = OsString::from("of=");
        copy.push(&boot);
        let mut from = OsString::from("if=");
        from.push(disk);
        run(Command::new("dd")
            .args(["bs=1M", "status=none"])
            .arg(format!("skip={}", Self::BOOT_AT >> 20))
            .arg(format!("count={}", Self::BOOT_LENGTH >> 20))
            .args([from, copy]))?
        .success()?;
        run(Command::new("fsck.vfat").arg("-n").arg(&boot))?
            .success()
            .map(drop)
    }

    /// The root's file system in a disk, as the programs of e2fsprogs name it.
    pub fn root_of(disk: &Path) -> OsString {
        let mut name = disk.as_os_str().to_owned();
        name.push(format!("?offset={}", Self::ROOT_AT));
        name
    }
}
