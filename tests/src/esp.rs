//! An EFI system partition in a disk image, read from outside: which systems it would boot (the UAPI group's Boot Loader
//! Specification, entries of type 1), as far as the file system lets one read it.
//!
//! Read by the crate `fatfs`, since an operator's kernel may not know FAT. Not supported: unified kernel images.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
};

/// What the firmware starts.
const LOADERS: [&str; 2] = ["EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"];
const ENTRIES: &str = "loader/entries";

/// An entry of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// Its file's name.
    pub name: String,
    /// The toplevel that it starts: `init=` without `/init`.
    pub toplevel: String,
    /// The kernel's content; `None`: it cannot be read.
    pub kernel: Option<Vec<u8>>,
    /// The initrd's content, likewise.
    pub initrd: Option<Vec<u8>>,
}

/// What of an EFI system partition a firmware would see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Esp {
    /// Whether there is a boot loader that can be read at all.
    pub has_loader: bool,
    /// The entries that can be read, and name kernel and toplevel.
    pub entries: Vec<BootEntry>,
}

impl Esp {
    /// Reads the partition of `length` bytes at `offset` of a disk. What cannot be read is not there.
    pub fn read(disk: &File, offset: u64, length: u64) -> Self {
        let partition = Partition {
            disk,
            offset,
            length,
            position: 0,
        };
        let Ok(files) = fatfs::FileSystem::new(partition, fatfs::FsOptions::new()) else {
            return Esp::default();
        };
        let root = files.root_dir();
        let read = |path: &str| {
            let mut bytes = Vec::new();
            let mut file = root.open_file(path.trim_start_matches('/')).ok()?;
            file.read_to_end(&mut bytes).ok()?;
            (!bytes.is_empty()).then_some(bytes)
        };
        let names: Vec<String> = root
            .open_dir(ENTRIES)
            .map(|folder| {
                folder
                    .iter()
                    .flatten()
                    .map(|file| file.file_name())
                    .collect()
            })
            .unwrap_or_default();
        let entries = names
            .into_iter()
            .filter(|name| name.ends_with(".conf"))
            .filter_map(|name| {
                let text = read(&format!("{ENTRIES}/{name}"))?;
                entry(name, &String::from_utf8_lossy(&text), &read)
            })
            .collect();
        Esp {
            has_loader: LOADERS.iter().any(|path| read(path).is_some()),
            entries,
        }
    }
}

fn entry(name: String, text: &str, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<BootEntry> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            (name == key).then(|| value.trim())
        })
    };
    let init = value("options")?
        .split_whitespace()
        .find_map(|word| word.strip_prefix("init="))?;
    Some(BootEntry {
        name,
        toplevel: init.strip_suffix("/init")?.to_owned(),
        kernel: read(value("linux")?),
        initrd: value("initrd").and_then(read),
    })
}

/// A part of a disk that is only read: what is written to it is refused.
struct Partition<'d> {
    disk: &'d File,
    offset: u64,
    length: u64,
    position: u64,
}

impl Read for Partition<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self
            .disk
            .read_at(&mut buffer[..wanted], self.offset + self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Partition<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Partition<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_its_system() {
        let text = "title NixOS\nversion 1\nlinux /EFI/flk/k.efi\ninitrd /EFI/flk/i.efi\n\
            options init=/nix/store/x-system/init quiet\n";
        let read = |path: &str| (path == "/EFI/flk/k.efi").then(|| b"kernel".to_vec());
        let found = entry("a.conf".into(), text, &read).unwrap();
        assert_eq!(found.toplevel, "/nix/store/x-system");
        assert_eq!(found.kernel.as_deref(), Some(&b"kernel"[..]));
        assert_eq!(found.initrd, None);
        for cut in [10, 30, 60, 90] {
            assert_eq!(entry("a.conf".into(), &text[..cut], &read), None, "{cut}");
        }
    }

    #[test]
    fn a_file_system_is_read_at_its_place() {
        const AT: u64 = 1 << 20;
        const LENGTH: u64 = 8 << 20;
        let folder = tempfile::tempdir().unwrap();
        let alone = folder.path().join("fat");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&alone)
            .unwrap();
        file.set_len(LENGTH).unwrap();
        fatfs::format_volume(&file, fatfs::FormatVolumeOptions::new()).unwrap();
        let files = fatfs::FileSystem::new(&file, fatfs::FsOptions::new()).unwrap();
        let root = files.root_dir();
        root.create_dir("EFI").unwrap();
        root.create_dir("EFI/BOOT").unwrap();
        root.create_file("EFI/BOOT/BOOTX64.EFI")
            .unwrap()
            .write_all(b"loader")
            .unwrap();
        drop(root);
        files.unmount().unwrap();
        let disk = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.path().join("disk"))
            .unwrap();
        disk.write_all_at(&std::fs::read(&alone).unwrap(), AT)
            .unwrap();
        let esp = Esp::read(&disk, AT, LENGTH);
        assert!(esp.has_loader && esp.entries.is_empty());
        assert_eq!(Esp::read(&disk, 0, LENGTH), Esp::default());
    }
}
