//! `microcode`: the early archive from which the kernel updates processors before anything else, the kernel's
//! `arch/x86/microcode` documentation. Both vendors' files are the packages' own, one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::newc::{Archive, Item};
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct Microcode {
    packages: Vec<PathBuf>,
}

/// Folder of the files, in a package; name of the file, in the archive.
const VENDORS: [(&str, &str); 2] = [
    ("amd-ucode", "AuthenticAMD.bin"),
    ("intel-ucode", "GenuineIntel.bin"),
];

pub(crate) fn microcode(parameters: &Microcode, build: Build<'_>) -> Result<()> {
    let mut archive = Archive::default();
    let mut has_any = false;
    for (source, target) in VENDORS {
        let mut content = Vec::new();
        for package in &parameters.packages {
            let source = package.join("usr/lib/firmware").join(source);
            for name in folder::list_if_present(&source)? {
                let path = source.join(&name);
                if is_microcode(&name.to_string_lossy()) {
                    content.extend(fs::read(&path).map_err(Error::io("read", &path))?);
                }
            }
        }
        if !content.is_empty() {
            has_any = true;
            archive.insert(
                &Path::new("kernel/x86/microcode").join(target),
                Item::File {
                    content,
                    executable: false,
                },
            );
        }
    }
    if !has_any {
        return Err(Error::Parameters {
            command: "microcode",
            reason: "none of the packages has a file in usr/lib/firmware/{amd,intel}-ucode"
                .to_owned(),
        });
    }
    let mut bytes = Vec::new();
    archive
        .write(&mut bytes)
        .map_err(Error::io("write", build.out))?;
    folder::write(build.out, bytes)
}

/// Intel's `06-8e-09`, AMD's `microcode_amd_fam17h.bin`; not signatures, licences and notes.
fn is_microcode(name: &str) -> bool {
    let is_intel = name.len() >= 8
        && name[..8].split('-').count() == 3
        && name[..8]
            .split('-')
            .all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && !name.ends_with(".txt");
    is_intel || (name.starts_with("microcode_amd") && name.ends_with(".bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_microcode_is_taken() {
        for name in [
            "06-8e-09",
            "06-55-04.initramfs",
            "microcode_amd_fam17h.bin",
            "microcode_amd.bin",
        ] {
            assert!(is_microcode(name), "{name}");
        }
        for name in [
            "microcode_amd.bin.asc",
            "README",
            "releasenote.md",
            "LICENSE.amd-ucode",
        ] {
            assert!(!is_microcode(name), "{name}");
        }
    }

    #[test]
    fn both_vendors_are_in_one_archive() {
        let folder = tempfile::tempdir().unwrap();
        let firmware = folder.path().join("usr/lib/firmware");
        for (name, content) in [
            ("intel-ucode/06-01-02", "b"),
            ("intel-ucode/06-01-01", "a"),
            ("amd-ucode/microcode_amd.bin", "c"),
        ] {
            let path = firmware.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let out = folder.path().join("out");
        let parameters = Microcode {
            packages: vec![folder.path().to_owned()],
        };
        microcode(
            &parameters,
            Build {
                out: &out,
                warn: &|line| panic!("{line}"),
            },
        )
        .unwrap();
        let text = fs::read_to_string(&out).unwrap();
        assert!(text.contains("kernel/x86/microcode/GenuineIntel.bin\0ab\0\0"));
        assert!(text.contains("kernel/x86/microcode/AuthenticAMD.bin\0c\0\0\0"));
    }
}
