//! Files of the boot partition. It may be FAT, which has no links, and loses what is written in place when the power goes: files are written beside their
//! place, synced and renamed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{IoContext, Result};

/// What a file is called until it is whole.
const TEMPORARY: &str = "flk-new.tmp";

/// A folder of files under names made of their content, and those of them that are named by an entry.
pub(super) struct Kernels {
    folder: PathBuf,
    extension: &'static str,
    named: BTreeSet<String>,
}

impl Kernels {
    /// The folder is made where it is missing.
    pub(super) fn new(folder: PathBuf, extension: &'static str) -> Result<Self> {
        fs::create_dir_all(&folder).at("create", &folder)?;
        Ok(Self {
            folder,
            extension,
            named: BTreeSet::new(),
        })
    }

    /// Copies a file there, unless it is there, and gives its name. `kind` is its first word.
    pub(super) fn keep(&mut self, source: &Path, kind: &str) -> Result<String> {
        let (digest, length) = digest(source)?;
        let name = format!("{kind}-{digest}{}", self.extension);
        let target = self.folder.join(&name);
        // One that the power cut, or a worn card, has spoilt is replaced.
        let is_there = self.named.contains(&name)
            || fs::metadata(&target).is_ok_and(|metadata| metadata.len() == length)
                && self::digest(&target).is_ok_and(|(there, _)| there == digest);
        if !is_there {
            let mut from = File::open(source).at("open", source)?;
            replace(&target, |to| std::io::copy(&mut from, to).map(drop))?;
        }
        self.named.insert(name.clone());
        Ok(name)
    }

    /// Removes the files that nothing names any more.
    pub(super) fn remove_others(&self) -> Result<()> {
        remove_others(&self.folder, |name| {
            (name.starts_with("kernel-") || name.starts_with("initrd-"))
                && !self.named.contains(name)
        })
    }
}

/// Removes files of a folder, and what was left half written in it.
pub(super) fn remove_others(folder: &Path, is_old: impl Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(folder).at("read", folder)? {
        let name = entry.at("read", folder)?.file_name();
        let name = name.to_string_lossy();
        if is_old(&name) || name == TEMPORARY {
            let path = folder.join(name.as_ref());
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

/// Writes a file, unless it is there with this content.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    replace(path, |file| file.write_all(content))
}

/// Everything on the file system of this folder is on disk afterwards.
pub(super) fn sync(folder: &Path) -> Result<()> {
    let file = File::open(folder).at("open", folder)?;
    rustix::fs::syncfs(&file).at("sync", folder)
}

fn replace(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let new = path.with_file_name(TEMPORARY);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).at("remove", &new)?,
        _ => {}
    }
    let written = File::create(&new)
        .and_then(|mut file| {
            fill(&mut file)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.at("write", path)
}

/// The first half of a file's SHA-256 in hexadecimal, and its length.
fn digest(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path).at("open", path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer).at("read", path)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        hasher.update(&buffer[..read]);
    }
    let digest = hasher.finalize();
    let digits = digest[..16].iter().map(|byte| format!("{byte:02x}"));
    Ok((digits.collect(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_is_kept_once_and_spoilt_content_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("vmlinuz");
        fs::write(&source, "kernel").unwrap();
        let folder = dir.path().join("EFI/flk");
        let mut kernels = Kernels::new(folder.clone(), ".efi").unwrap();
        let name = kernels.keep(&source, "kernel").unwrap();
        assert!(
            name.starts_with("kernel-") && name.ends_with(".efi"),
            "{name}"
        );
        assert_eq!(kernels.keep(&source, "kernel").unwrap(), name);

        fs::write(folder.join(&name), "KERNEL").unwrap();
        fs::write(folder.join("initrd-old.efi"), "").unwrap();
        fs::write(folder.join(TEMPORARY), "").unwrap();
        fs::write(folder.join("somebody's"), "").unwrap();
        let mut kernels = Kernels::new(folder.clone(), ".efi").unwrap();
        assert_eq!(kernels.keep(&source, "kernel").unwrap(), name);
        assert_eq!(fs::read_to_string(folder.join(&name)).unwrap(), "kernel");
        kernels.remove_others().unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [name, "somebody's".to_owned()]);
    }
}
