//! Writing cpio archives for the kernel: the "new ASCII" form, cpio(5) and the kernel's `driver-api/early-userspace/
//! buffer-format`. Everything is root's and of the time 1; nothing else than files, folders and links is written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What an archive has at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A folder of mode 0755.
    Folder,
    /// A file of mode 0755 or 0644.
    File { content: Vec<u8>, executable: bool },
    /// A link with this text.
    Link(PathBuf),
}

/// An archive in memory, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    items: BTreeMap<PathBuf, Item>,
}

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

impl Archive {
    /// Puts an item at a path (relative, without `..`), and folders above it. Gives the item that was there before.
    pub(crate) fn insert(&mut self, path: &Path, item: Item) -> Option<Item> {
        for parent in path.ancestors().skip(1) {
            if !parent.as_os_str().is_empty() {
                self.items.entry(parent.to_owned()).or_insert(Item::Folder);
            }
        }
        self.items.insert(path.to_owned(), item)
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When `output` refuses, or a file has 4 GiB or more.
    pub(crate) fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        for (number, (path, item)) in self.items.iter().enumerate() {
            let (mode, links, content): (u32, u32, &[u8]) = match item {
                Item::Folder => (FOLDER, 2, &[]),
                Item::File {
                    content,
                    executable,
                } => (if *executable { PROGRAM } else { FILE }, 1, content),
                Item::Link(text) => (LINK, 1, text.as_os_str().as_encoded_bytes()),
            };
            let inode = u32::try_from(number + 1).map_err(io::Error::other)?;
            let name = path.as_os_str().as_encoded_bytes();
            write_member(output, [inode, mode, links, 1], name, content)?;
        }
        write_member(output, [0, 0, 1, 0], b"TRAILER!!!", &[])
    }
}

/// Writes one member; `numbers` are inode, mode, number of links and time.
fn write_member(
    output: &mut dyn Write,
    numbers: [u32; 4],
    name: &[u8],
    content: &[u8],
) -> io::Result<()> {
    let [inode, mode, links, time] = numbers;
    let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
    let size = u32::try_from(content.len()).map_err(io::Error::other)?;
    let (owner, group, device, check) = (0, 0, 0, 0);
    write!(output, "070701")?;
    for number in [
        inode, mode, owner, group, links, time, size, device, device, device, device, name_size,
        check,
    ] {
        write!(output, "{number:08X}")?;
    }
    output.write_all(name)?;
    output.write_all(&[0])?;
    pad(output, 110 + name.len() + 1)?;
    output.write_all(content)?;
    pad(output, content.len())
}

/// Zeros up to the next multiple of four.
pub(crate) fn pad(output: &mut dyn Write, written: usize) -> io::Result<()> {
    output.write_all(&[0; 3][..written.next_multiple_of(4) - written])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_and_aligned() {
        let mut archive = Archive::default();
        archive.insert(Path::new("init"), Item::Link("bin/x".into()));
        archive.insert(
            Path::new("bin/x"),
            Item::File {
                content: b"12345".to_vec(),
                executable: true,
            },
        );
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        let header = |inode: &str, mode: &str, links: &str, time: &str, size: &str, name: &str| {
            let zeros = "00000000";
            format!(
                "070701{inode:0>8}{mode:0>8}{zeros}{zeros}{links:0>8}{time:0>8}{size:0>8}{zeros}{zeros}{zeros}{zeros}{name:0>8}{zeros}"
            )
        };
        let expected = [
            header("1", "41ED", "2", "1", "0", "4"),
            "bin\0\0\0".to_owned(),
            header("2", "81ED", "1", "1", "5", "6"),
            "bin/x\0".to_owned(),
            "12345\0\0\0".to_owned(),
            header("3", "A1FF", "1", "1", "5", "5"),
            "init\0\0".to_owned(),
            "bin/x\0\0\0".to_owned(),
            header("0", "0", "1", "0", "0", "B"),
            "TRAILER!!!\0\0\0\0".to_owned(),
        ]
        .concat();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
