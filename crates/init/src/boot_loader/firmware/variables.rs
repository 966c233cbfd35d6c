//! The firmware's variables as files: efivarfs (the kernel's `Documentation/filesystems/efivarfs.rst`). A file is four bytes of attributes and the value.
//!
//! Files may be immutable, against `rm -rf`, and a value must be written by one call. Not supported: deleting variables, authenticated ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags, statfs};

use crate::error::{IoContext, Result};

/// `EFI_GLOBAL_VARIABLE`, UEFI 2.10, 3.3.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// `NON_VOLATILE`, `BOOTSERVICE_ACCESS` and `RUNTIME_ACCESS`, UEFI 2.10, 8.2.
const ATTRIBUTES: u32 = 0x7;
const PLACE: &str = "/sys/firmware/efi/efivars";
/// `EFIVARFS_MAGIC`, statfs(2).
const MAGIC: u64 = 0xde5e_81e4;

/// The global variables.
#[derive(Debug)]
pub(super) struct Variables {
    folder: PathBuf,
}

impl Variables {
    /// Those of this machine; none if it was not booted by UEFI, or nobody mounted them.
    pub(super) fn open() -> Option<Self> {
        let kind = statfs(PLACE).ok()?.f_type as u64;
        (kind == MAGIC).then(|| Self::at(Path::new(PLACE)))
    }

    /// Those in a folder.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The names of all variables that begin so.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).at("read", &self.folder)? {
            let name = entry.at("read", &self.folder)?.file_name();
            let name = name.to_str().and_then(|name| {
                let name = name.strip_suffix(GLOBAL)?.strip_suffix('-')?;
                name.starts_with(prefix).then(|| name.to_owned())
            });
            names.extend(name);
        }
        names.sort();
        Ok(names)
    }

    /// A variable's value, if there is such a variable.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(content) => Ok(content.get(size_of_val(&ATTRIBUTES)..).map(<[u8]>::to_vec)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }

    /// Writes a variable, unless it has this value: the memory behind it wears.
    pub(super) fn write(&self, name: &str, value: &[u8]) -> Result<()> {
        if self
            .read(name)
            .is_ok_and(|there| there.as_deref() == Some(value))
        {
            return Ok(());
        }
        let path = self.path(name);
        let is_new = !path.exists();
        if !is_new {
            make_mutable(&path);
        }
        let mut content = ATTRIBUTES.to_le_bytes().to_vec();
        content.extend(value);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .and_then(|mut file| write_once(&mut file, &content));
        if written.is_err() && is_new {
            // The empty file would be listed as a variable until the next start.
            let _ = fs::remove_file(&path);
        }
        written.at("write", &path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{GLOBAL}"))
    }
}

fn write_once(file: &mut File, content: &[u8]) -> io::Result<()> {
    let count = file.write(content)?;
    if count == content.len() {
        Ok(())
    } else {
        Err(ErrorKind::WriteZero.into())
    }
}

/// Should that fail, writing will say so.
fn make_mutable(path: &Path) {
    if let Ok(file) = File::open(path)
        && let Ok(flags) = ioctl_getflags(&file)
        && flags.contains(IFlags::IMMUTABLE)
    {
        let _ = ioctl_setflags(&file, flags - IFlags::IMMUTABLE);
    }
}
