//! `initrd`: what the kernel unpacks before there is a root. `flk-init`, its configuration, and the modules that it may load.
//!
//! A cpio archive, compressed with zstd; early archives (microcode) go in front of it uncompressed, as the kernel's
//! `arch/x86/microcode` documentation asks for.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::module::{Modules, uncompressed};
use super::newc::{self, Archive, Item};
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initrd {
    init: PathBuf,
    kernel_modules: Option<PathBuf>,
    #[serde(default)]
    modules: Vec<String>,
    /// Names that not every kernel has.
    #[serde(default)]
    modules_if_present: Vec<String>,
    stage1: serde_json::Value,
    #[serde(default)]
    extra_files: Vec<ExtraFile>,
    #[serde(default)]
    prepend: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ExtraFile {
    source: PathBuf,
    target: String,
}

/// A good half of what the highest level gains, in a tenth of its time.
const LEVEL: i32 = 9;

pub(crate) fn initrd(parameters: &Initrd, build: Build<'_>) -> Result<()> {
    let mut archive = Archive::default();
    archive.insert(
        Path::new("init"),
        Item::File {
            content: fs::read(&parameters.init).map_err(Error::io("read", &parameters.init))?,
            executable: true,
        },
    );
    for name in ["dev", "proc", "run", "sys", "tmp"] {
        archive.insert(Path::new(name), Item::Folder);
    }
    let stage1 = format!("{:#}\n", parameters.stage1);
    archive.insert(Path::new("etc/flk/stage1.json"), file(stage1.into_bytes()));
    if let Some(modules) = &parameters.kernel_modules {
        add_modules(&mut archive, modules, parameters)?;
    }
    for extra in &parameters.extra_files {
        let target = folder::normalize(Path::new(extra.target.trim_start_matches('/')))
            .filter(|target| !target.as_os_str().is_empty())
            .ok_or_else(|| Error::Parameters {
                command: "initrd",
                reason: format!("the target `{}` is no path in an archive", extra.target),
            })?;
        add_tree(&mut archive, &extra.source, &target)?;
    }

    let mut bytes = Vec::new();
    for path in &parameters.prepend {
        bytes.extend(fs::read(path).map_err(Error::io("read", path))?);
        let length = bytes.len();
        newc::pad(&mut bytes, length).map_err(Error::io("write", build.out))?;
    }
    let mut encoder = zstd::Encoder::new(bytes, LEVEL).map_err(Error::io("compress", build.out))?;
    archive
        .write(&mut encoder)
        .map_err(Error::io("compress", build.out))?;
    let bytes = encoder.finish().map_err(Error::io("compress", build.out))?;
    folder::write(build.out, bytes)
}

fn file(content: Vec<u8>) -> Item {
    Item::File {
        content,
        executable: false,
    }
}

/// Adds the modules of every kernel in the folder, which in practice is one.
fn add_modules(archive: &mut Archive, modules: &Path, parameters: &Initrd) -> Result<()> {
    let root = modules.join("lib/modules");
    for version in folder::list(&root)? {
        let source = root.join(&version);
        let target = Path::new("lib/modules").join(&version);
        let tables = Modules::read(&source)?;
        if let Some(name) = parameters.modules.iter().find(|name| !tables.has(name)) {
            return Err(tables.missing(name));
        }
        let names = parameters
            .modules
            .iter()
            .chain(&parameters.modules_if_present)
            .map(String::as_str);
        let chosen = tables.closure(names);
        for name in &chosen {
            if let Some(path) = tables.path(name) {
                let content = read_module(&source.join(path))?;
                archive.insert(&target.join(uncompressed(path)), file(content));
            }
        }
        for (name, text) in tables.tables(&chosen)? {
            archive.insert(&target.join(name), file(text.into_bytes()));
        }
    }
    Ok(())
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let file = fs::File::open(path).map_err(Error::io("open", path))?;
    let mut content = Vec::new();
    let mut reader: Box<dyn Read> = match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).map_err(Error::io("decompress", path))?),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(file)),
        _ => Box::new(file),
    };
    reader
        .read_to_end(&mut content)
        .map_err(Error::io("decompress", path))?;
    Ok(content)
}

/// Adds a file, or a folder with all below it. Relative links in a folder stay links, others are followed.
fn add_tree(archive: &mut Archive, source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        archive.insert(target, Item::Folder);
        for name in folder::list(source)? {
            let (below, target) = (source.join(&name), target.join(&name));
            match fs::read_link(&below) {
                Ok(text) if text.is_relative() => {
                    archive.insert(&target, Item::Link(text));
                }
                _ => add_tree(archive, &below, &target)?,
            }
        }
        return Ok(());
    }
    let item = Item::File {
        content: fs::read(source).map_err(Error::io("read", source))?,
        executable: folder::is_executable(source)?,
    };
    archive.insert(target, item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::module::tests::tables;
    use super::*;
    use std::io::Write;

    fn fixture(folder: &Path) -> serde_json::Value {
        let root = folder.join("modules/lib/modules/6.12");
        tables(&root);
        for path in [
            "kernel/fs/isofs/isofs.ko.xz",
            "kernel/drivers/cdrom/cdrom.ko.xz",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut encoder = liblzma::write::XzEncoder::new(fs::File::create(path).unwrap(), 1);
            encoder.write_all(b"\x7fELF").unwrap();
            encoder.finish().unwrap();
        }
        fs::write(folder.join("init"), "init").unwrap();
        fs::write(folder.join("early"), "early").unwrap();
        serde_json::json!({
            "init": folder.join("init"),
            "kernelModules": folder.join("modules"),
            "modules": ["isofs", "ext4"],
            "modulesIfPresent": ["not-there"],
            "stage1": { "version": 1 },
            "prepend": [folder.join("early")],
            "extraFiles": [{ "source": folder.join("init"), "target": "/bin/x" }],
        })
    }

    fn run(parameters: &serde_json::Value, out: &Path) -> Result<Vec<u8>> {
        let parameters = serde_json::from_value(parameters.clone()).unwrap();
        initrd(
            &parameters,
            Build {
                out,
                warn: &|line| panic!("{line}"),
            },
        )?;
        Ok(fs::read(out).unwrap())
    }

    #[test]
    fn modules_come_uncompressed_with_their_needs() {
        let folder = tempfile::tempdir().unwrap();
        let parameters = fixture(folder.path());
        let bytes = run(&parameters, &folder.path().join("one")).unwrap();
        assert_eq!(&bytes[..8], b"early\0\0\0");
        let archive = zstd::decode_all(&bytes[8..]).unwrap();
        let text = String::from_utf8_lossy(&archive);
        for expected in [
            "lib/modules/6.12/kernel/fs/isofs/isofs.ko\0",
            "lib/modules/6.12/kernel/drivers/cdrom/cdrom.ko\0",
            "lib/modules/6.12/modules.dep\0",
            "etc/flk/stage1.json\0",
            "bin/x\0",
        ] {
            assert!(text.contains(expected), "{expected}");
        }
        assert!(!text.contains("isofs.ko.xz") && !text.contains("btrfs"));
        let again = run(&parameters, &folder.path().join("two")).unwrap();
        assert_eq!(bytes, again);
    }

    #[test]
    fn a_module_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut parameters = fixture(folder.path());
        parameters["modules"] = serde_json::json!(["isofz"]);
        let error = run(&parameters, &folder.path().join("out")).unwrap_err();
        assert!(error.to_string().contains("near names: isofs"), "{error}");
    }
}
