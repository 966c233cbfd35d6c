//! What is mounted where: `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where.
    pub(crate) point: PathBuf,
    /// The type, such as `ext4`.
    pub(crate) fs_type: String,
    /// The device, or what the file system says in its place.
    pub(crate) source: String,
    /// Whether this mount or its file system is read-only.
    pub(crate) read_only: bool,
}

/// All mounts of this process, in the order in which they were made: of two at one place the later one is seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the table.
    pub(crate) fn read() -> Result<Mounts> {
        let table = Path::new(TABLE);
        let text = fs::read_to_string(table).map_err(Error::io("read", table))?;
        Ok(Mounts::parse(&text))
    }

    pub(crate) fn parse(text: &str) -> Mounts {
        Mounts(text.lines().filter_map(parse_line).collect())
    }

    /// What is mounted at this place, which has no links in it.
    pub(crate) fn at(&self, point: &Path) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.point == point)
    }

    /// The mount in which a path lies, or would lie.
    pub(crate) fn holding(&self, path: &Path) -> Option<&Mount> {
        path.ancestors().find_map(|ancestor| self.at(ancestor))
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Mount> {
    let (own, super_block) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let mut super_block = super_block.split(' ');
    let (fs_type, source) = (super_block.next()?, super_block.next()?);
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(Mount {
        point: PathBuf::from(std::ffi::OsString::from_vec(unescape(own.get(4)?))),
        fs_type: fs_type.to_owned(),
        source: String::from_utf8_lossy(&unescape(source)).into_owned(),
        read_only: is_read_only(own.get(5)?) || super_block.next().is_some_and(is_read_only),
    })
}

/// Blanks and backslashes are three octal digits, here and in fstab(5).
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let octal = bytes
            .get(index + 1..index + 4)
            .filter(|_| bytes[index] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                index += 4;
            }
            None => {
                out.push(bytes[index]);
                index += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_proc() {
        let mounts = Mounts::parse(
            "21 1 0:20 / / rw,relatime - tmpfs tmpfs rw,mode=755\n\
             36 21 254:2 / /mnt rw,relatime shared:9 - ext4 /dev/vda2 rw\n\
             37 36 254:1 / /mnt/boot rw - vfat /dev/vda1 ro,fmask=0022\n\
             38 21 8:1 / /with\\040blank ro - iso9660 /dev/sr0 ro\n\
             39 21 8:1 / /mnt rw - xfs /dev/vdb rw\n",
        );
        let at = |path: &str| {
            mounts
                .at(Path::new(path))
                .map(|mount| mount.fs_type.as_str())
        };
        assert_eq!(at("/mnt"), Some("xfs"), "the later one is seen");
        assert_eq!(at("/mnt/boot"), Some("vfat"));
        assert_eq!(at("/mnt/nix"), None);
        assert_eq!(at("/with blank"), Some("iso9660"));
        assert!(mounts.at(Path::new("/mnt/boot")).unwrap().read_only);
        assert!(!mounts.at(Path::new("/mnt")).unwrap().read_only);
        let holding = |path: &str| mounts.holding(Path::new(path)).unwrap().point.clone();
        assert_eq!(holding("/mnt/boot/EFI"), Path::new("/mnt/boot"));
        assert_eq!(holding("/home"), Path::new("/"));
    }
}
