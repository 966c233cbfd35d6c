//! What a file is that is no image itself, but has one in it, or was meant to be one: by its first bytes.
//!
//! Nothing is unpacked: an image is read at places of its own choice, several times.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Error;

/// A format: the bytes that it begins with, where they are, what it is called, and what makes an image of it.
struct Format {
    offset: u64,
    magic: &'static [u8],
    name: &'static str,
    hint: &'static str,
}

const fn format(
    offset: u64,
    magic: &'static [u8],
    name: &'static str,
    hint: &'static str,
) -> Format {
    Format {
        offset,
        magic,
        name,
        hint,
    }
}

const CONVERT: &str = "`qemu-img convert -O raw FILE IMAGE` makes a raw image of it";
const AGAIN: &str = "the download went wrong: download it again";

const FORMATS: &[Format] = &[
    format(
        0,
        b"\xfd7zXZ\0",
        "compressed by xz",
        "unpack it first: `xz -dk FILE`",
    ),
    format(
        0,
        b"\x1f\x8b",
        "compressed by gzip",
        "unpack it first: `gzip -dk FILE`",
    ),
    format(
        0,
        b"\x28\xb5\x2f\xfd",
        "compressed by zstd",
        "unpack it first: `zstd -d FILE`",
    ),
    format(
        0,
        b"BZh",
        "compressed by bzip2",
        "unpack it first: `bzip2 -dk FILE`",
    ),
    format(
        0,
        b"\x04\x22\x4d\x18",
        "compressed by lz4",
        "unpack it first: `lz4 -d FILE`",
    ),
    format(
        0,
        b"\x02\x21\x4c\x18",
        "compressed by lz4",
        "unpack it first: `lz4 -d FILE`",
    ),
    format(
        0,
        b"LZIP",
        "compressed by lzip",
        "unpack it first: `lzip -dk FILE`",
    ),
    format(
        0,
        b"\x5d\0\0",
        "compressed by lzma",
        "unpack it first: `xz -dk --format=lzma FILE`",
    ),
    format(
        0,
        b"PK\x03\x04",
        "a zip archive",
        "unpack it first: `unzip FILE`",
    ),
    format(
        0,
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive",
        "unpack it first: `7z x FILE`",
    ),
    format(
        0,
        b"Rar!\x1a\x07",
        "a rar archive",
        "unpack it first: `unrar x FILE`",
    ),
    format(
        257,
        b"ustar",
        "a tar archive",
        "unpack it first: `tar xf FILE`",
    ),
    format(0, b"QFI\xfb", "a disk of QEMU (qcow2)", CONVERT),
    format(0, b"KDMV", "a disk of VMware (vmdk)", CONVERT),
    format(0, b"vhdxfile", "a disk of Hyper-V (vhdx)", CONVERT),
    format(
        64,
        b"\x7f\x10\xda\xbe",
        "a disk of VirtualBox (vdi)",
        CONVERT,
    ),
    format(0, b"koly", "an Apple disk image", "write an ISO instead"),
    format(
        0,
        b"hsqs",
        "a squashfs, and not a whole image",
        "write an ISO instead",
    ),
    format(
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "`git lfs pull` fetches the file",
    ),
    format(0, b"<!DOCTYPE", "a page of a web site", AGAIN),
    format(0, b"<!doctype", "a page of a web site", AGAIN),
    format(0, b"<html", "a page of a web site", AGAIN),
    format(
        0,
        b"-----BEGIN PGP",
        "an OpenPGP signature",
        "write the file that it is of",
    ),
];

/// Bytes that are looked at.
const LENGTH: usize = 512;

/// The refusal of a file that is of such a format.
pub(crate) fn refuse(file: &File, path: &std::path::Path) -> Option<Error> {
    let mut first = [0; LENGTH];
    let mut length = 0;
    while let Ok(read @ 1..) = file.read_at(&mut first[length..], length as u64) {
        length += read;
    }
    let format = find(&first[..length])?;
    Some(Error::Container {
        path: path.to_owned(),
        format: format.name,
        hint: format.hint.replace("FILE", &quoted(path)),
    })
}

fn find(first: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| {
        first
            .get(format.offset as usize..)
            .is_some_and(|rest| rest.starts_with(format.magic))
    })
}

/// For a shell.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    #[test]
    fn what_the_programs_write_is_recognised() {
        for (program, arguments, name) in [
            ("xz", &["-c"][..], "compressed by xz"),
            ("gzip", &["-c"], "compressed by gzip"),
            ("zstd", &["-c", "-q"], "compressed by zstd"),
            ("bzip2", &["-c"], "compressed by bzip2"),
            ("lz4", &["-c"], "compressed by lz4"),
            ("lzip", &["-c"], "compressed by lzip"),
            ("xz", &["-c", "--format=lzma"], "compressed by lzma"),
        ] {
            let child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            // Those that this machine has; the table of magics below has all.
            let Ok(mut child) = child else { continue };
            child.stdin.take().unwrap().write_all(&[7; 9999]).unwrap();
            let output = child.wait_with_output().unwrap();
            let found = find(&output.stdout).map(|format| format.name);
            assert_eq!(found, Some(name), "{program}");
        }
    }

    #[test]
    fn every_format_is_refused_by_its_name_and_an_image_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for format in FORMATS {
            let path = dir.path().join("an image.iso");
            let mut bytes = vec![0; 4096];
            bytes[format.offset as usize..][..format.magic.len()].copy_from_slice(format.magic);
            std::fs::write(&path, bytes).unwrap();
            let error = refuse(&File::open(&path).unwrap(), &path).unwrap();
            assert!(error.to_string().contains(format.name), "{error}");
            assert!(
                !error.hint().unwrap_or_default().contains("FILE"),
                "{error:?}"
            );
        }
        // ISOs of isohybrid begin with machine code, others with zeros, disks with a jump.
        for first in [&b""[..], &[0; 512], b"\x33\xed\xfa\x8e", b"\xeb\x63\x90"] {
            assert!(find(first).is_none(), "{first:?}");
        }
        assert_eq!(quoted(Path::new("a b's.xz")), "'a b'\\''s.xz'");
    }
}
