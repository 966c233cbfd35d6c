//! What is mounted where: the kernel's table `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
//!
//! Not supported: propagation, and the table's other numbers.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Where the kernel has the table of this process.
pub const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its file system's device number, `major:minor`; one without a device, and btrfs, have numbers of their own.
    pub number: String,
    /// What of the file system is mounted: `/`, or a folder in it.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// The type, such as `ext4`.
    pub fs_type: String,
    /// The device, or what the file system says in its place.
    pub source: String,
    /// Whether this mount or its file system is read-only.
    pub is_read_only: bool,
}

/// All mounts of this process, in the order in which they were made: of two at one place the later one is seen.
///
/// # Errors
/// When there is no `/proc`.
pub fn read() -> io::Result<Vec<Mount>> {
    let text = fs::read(Path::new(TABLE))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// The mounts of a table; lines that are of another form are passed over.
pub fn parse(table: &str) -> Vec<Mount> {
    table.lines().filter_map(line).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn line(line: &str) -> Option<Mount> {
    let (own, super_block) = line.split_once(" - ")?;
    let own: Vec<&str> = own.split(' ').collect();
    let mut super_block = super_block.split(' ');
    let (fs_type, source) = (super_block.next()?, super_block.next()?);
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    let path = |text: &str| PathBuf::from(OsString::from_vec(unescape(text)));
    Some(Mount {
        number: own.get(2)?.to_string(),
        root: path(own.get(3)?),
        point: path(own.get(4)?),
        fs_type: fs_type.to_owned(),
        source: String::from_utf8_lossy(&unescape(source)).into_owned(),
        is_read_only: is_read_only(own.get(5)?) || super_block.next().is_some_and(is_read_only),
    })
}

/// Blanks and backslashes are three octal digits; here, in /proc/swaps and in fstab(5).
pub fn unescape(text: &str) -> Vec<u8> {
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
        let mounts = parse(
            "21 1 0:20 / / rw,relatime - tmpfs tmpfs rw,mode=755\n\
             36 21 254:2 /sub /mnt rw,relatime shared:9 master:1 - ext4 /dev/vda2 rw\n\
             no mount\n\
             38 21 8:1 / /with\\040blank ro - iso9660 /dev/my\\134disk ro\n\
             39 21 0:30 / /none rw - tmpfs  rw\n\
             40 21 254:1 / /mnt/boot rw - vfat /dev/vda1 ro,fmask=0022\n",
        );
        let points: Vec<_> = mounts
            .iter()
            .map(|mount| mount.point.to_str().unwrap())
            .collect();
        assert_eq!(points, ["/", "/mnt", "/with blank", "/none", "/mnt/boot"]);
        let [_, sub, blank, none, boot] = &mounts[..] else {
            panic!("{mounts:?}")
        };
        assert_eq!(
            (sub.number.as_str(), sub.root.as_path()),
            ("254:2", Path::new("/sub"))
        );
        assert_eq!(
            (blank.source.as_str(), blank.fs_type.as_str()),
            ("/dev/my\\disk", "iso9660")
        );
        let read_only: Vec<_> = mounts.iter().map(|mount| mount.is_read_only).collect();
        assert_eq!(read_only, [false, false, true, false, true]);
        assert_eq!(none.source, "");
        assert_eq!(boot.source, "/dev/vda1");
    }

    #[test]
    fn this_machine_has_a_root() {
        let mounts = read().unwrap();
        assert!(
            mounts.iter().any(|mount| mount.point == Path::new("/")),
            "{mounts:?}"
        );
    }

    #[test]
    fn octal_digits_are_a_byte() {
        for (text, expected) in [
            ("", ""),
            ("a\\040b", "a b"),
            ("\\", "\\"),
            ("\\9", "\\9"),
            ("\\04", "\\04"),
            ("\\134\\134", "\\\\"),
        ] {
            assert_eq!(unescape(text), expected.as_bytes(), "{text}");
        }
    }
}
