//! `fat`: a file system for firmware that boots by UEFI, as small as its files allow.
//!
//! FAT12, 16 or 32 as the size demands (Microsoft's FAT specification 3.5). Times are FAT's first, 1980-01-01; the volume id
//! is a digest of label and files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fat {
    files: Vec<File>,
    label: String,
    #[serde(default)]
    minimum_size: u64,
}

#[derive(Deserialize)]
struct File {
    source: PathBuf,
    target: String,
}

/// The time of everything in a volume.
#[derive(Debug)]
struct FirstDay;

static FIRST_DAY: FirstDay = FirstDay;

impl fatfs::TimeProvider for FirstDay {
    fn get_current_date(&self) -> fatfs::Date {
        fatfs::Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        fatfs::DateTime {
            date: self.get_current_date(),
            time: fatfs::Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// Sizes are multiples of this, in bytes.
const STEP: u64 = 64 * 1024;
/// For the boot sector, the tables and the root folder of a small volume.
const OVERHEAD: u64 = 64 * 1024;
/// What a file or folder may waste at its end: the largest cluster of volumes below 256 MiB.
const CLUSTER: u64 = 4096;

pub(crate) fn fat(parameters: &Fat, build: Build<'_>) -> Result<()> {
    let fault = |reason: String| Error::Parameters {
        command: "fat",
        reason,
    };
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for file in &parameters.files {
        let target = folder::normalize(Path::new(file.target.trim_start_matches('/')))
            .filter(|target| !target.as_os_str().is_empty())
            .ok_or_else(|| fault(format!("`{}` is no path in a volume", file.target)))?;
        add(&mut files, &file.source, &target)?;
    }
    let label = label(&parameters.label).ok_or_else(|| {
        fault(format!(
            "the label `{}` is not 1 to 11 ASCII characters",
            parameters.label
        ))
    })?;
    let id = volume_id(&label, &files);
    let content: u64 = files
        .values()
        .map(|content| (content.len() as u64).next_multiple_of(CLUSTER) + CLUSTER)
        .sum();
    let mut size = (content + OVERHEAD)
        .max(parameters.minimum_size)
        .next_multiple_of(STEP);
    // The estimate is good but for many small files: then a few steps more.
    for _ in 0..16 {
        if let Some(image) = make(size, label, id, &files).map_err(Error::io("make", build.out))? {
            return folder::write(build.out, image);
        }
        size = (size + size / 8).next_multiple_of(STEP);
    }
    Err(fault(format!("{size} bytes are not enough for the files")))
}

fn add(files: &mut BTreeMap<PathBuf, Vec<u8>>, source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        for name in folder::list(source)? {
            add(files, &source.join(&name), &target.join(&name))?;
        }
        return Ok(());
    }
    let content = fs::read(source).map_err(Error::io("read", source))?;
    files.insert(target.to_owned(), content);
    Ok(())
}

/// Eleven characters, padded with spaces.
fn label(text: &str) -> Option<[u8; 11]> {
    let mut label = [b' '; 11];
    let is_fit =
        (1..=11).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_fit {
        return None;
    }
    label[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
    Some(label)
}

fn volume_id(label: &[u8; 11], files: &BTreeMap<PathBuf, Vec<u8>>) -> u32 {
    let mut digest = Sha256::new();
    digest.update(label);
    for (path, content) in files {
        let path = path.as_os_str().as_encoded_bytes();
        digest.update((path.len() as u64).to_le_bytes());
        digest.update(path);
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(content);
    }
    let digest = digest.finalize();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The volume, or `None` when the files do not fit.
fn make(
    size: u64,
    label: [u8; 11],
    id: u32,
    files: &BTreeMap<PathBuf, Vec<u8>>,
) -> std::io::Result<Option<Vec<u8>>> {
    let length = usize::try_from(size).map_err(std::io::Error::other)?;
    let mut disk = Cursor::new(vec![0; length]);
    let options = fatfs::FormatVolumeOptions::new()
        .volume_id(id)
        .volume_label(label);
    fatfs::format_volume(&mut disk, options)?;
    {
        let volume =
            fatfs::FileSystem::new(&mut disk, fatfs::FsOptions::new().time_provider(&FIRST_DAY))?;
        let free = u64::from(volume.stats()?.free_clusters()) * u64::from(volume.cluster_size());
        let cluster = u64::from(volume.cluster_size());
        let needed: u64 = files
            .iter()
            .map(|(path, content)| {
                let folders = path.components().count() as u64;
                (content.len() as u64).next_multiple_of(cluster) + folders * cluster
            })
            .sum();
        if needed > free {
            return Ok(None);
        }
        for (path, content) in files {
            let mut folder = volume.root_dir();
            for name in path.parent().into_iter().flatten() {
                folder = folder.create_dir(&name.to_string_lossy())?;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut file = folder.create_file(&name)?;
            file.write_all(content)?;
            file.flush()?;
        }
        volume.unmount()?;
    }
    Ok(Some(disk.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn run(folder: &Path, name: &str, minimum: u64) -> Vec<u8> {
        let out = folder.join(name);
        let parameters = Fat {
            files: vec![
                File {
                    source: folder.join("loader"),
                    target: "/EFI/BOOT/BOOTX64.EFI".to_owned(),
                },
                File {
                    source: folder.join("entries"),
                    target: "loader/entries".to_owned(),
                },
            ],
            label: "flk-boot".to_owned(),
            minimum_size: minimum,
        };
        fat(
            &parameters,
            Build {
                out: &out,
                warn: &|line| panic!("{line}"),
            },
        )
        .unwrap();
        fs::read(out).unwrap()
    }

    #[test]
    fn files_are_read_back_from_each_kind_of_volume() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let content: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        fs::write(folder.join("loader"), &content).unwrap();
        fs::create_dir(folder.join("entries")).unwrap();
        fs::write(folder.join("entries/long name of an entry.conf"), "title").unwrap();
        for (minimum, kind) in [
            (0, fatfs::FatType::Fat12),
            (16 << 20, fatfs::FatType::Fat16),
            (513 << 20, fatfs::FatType::Fat32),
        ] {
            let image = run(folder, "image", minimum);
            assert!(image.len() as u64 >= minimum);
            let mut disk = Cursor::new(image.clone());
            let volume = fatfs::FileSystem::new(&mut disk, fatfs::FsOptions::new()).unwrap();
            assert_eq!(volume.fat_type(), kind);
            assert_eq!(volume.volume_label(), "FLK-BOOT");
            for entry in volume.root_dir().iter() {
                let entry = entry.unwrap();
                if entry.is_dir() {
                    let date = entry.modified().date;
                    assert_eq!((date.year, date.month, date.day), (1980, 1, 1));
                }
            }
            let mut read = Vec::new();
            volume
                .root_dir()
                .open_file("efi/boot/bootx64.efi")
                .unwrap()
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == content);
            assert!(
                volume
                    .root_dir()
                    .open_file("loader/entries/long name of an entry.conf")
                    .is_ok()
            );
            drop(volume);
            if kind != fatfs::FatType::Fat32 {
                assert!(image == run(folder, "again", minimum));
            }
        }
    }
}
