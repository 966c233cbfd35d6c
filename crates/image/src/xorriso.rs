//! The ISO, by `xorriso` (1.5 or newer) in its mkisofs mode.
//!
//! ECMA-119 level 3 with Rock Ridge and Joliet, El Torito for BIOS and UEFI, MBR and GPT so that it boots from a stick.
//! Reproducible: all times fixed, the disk's GUID from the build id, and a place of its own for each file, because xorriso
//! would otherwise lay files out by their inode numbers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::contents::Node;
use crate::layout::{Layout, STORE_IMAGE, normal};
use crate::manifest::{Boot, Manifest};
use crate::progress::Meter;
use crate::scratch::Scratch;
use crate::stamp::Stamp;
use crate::tool::{Failure, Tool};
use crate::{BuildId, Error};

pub(crate) const TOOL: Tool = Tool {
    program: "xorriso",
    package: "xorriso",
};

/// The second second of 1970, as all files in the store have it.
const TIME: &str = "1970010100000100";

/// Writes the ISO of `layout` into the file `out`; `scratch` takes the lists that xorriso reads.
pub(crate) fn wrap(
    manifest: &Manifest,
    layout: &Layout,
    stamp: &Stamp,
    scratch: &Scratch,
    out: &Path,
    mut meter: Meter<'_>,
) -> Result<(), Failure> {
    let lists = Lists::write(layout, scratch).map_err(|error| Failure {
        error,
        no_space: false,
    })?;
    let boot = boot_arguments(&manifest.boot, layout, &stamp.build).map_err(|error| Failure {
        error,
        no_space: false,
    })?;
    let mut command = TOOL.command();
    command.args([
        "-no_rc",
        "-abort_on",
        "FAILURE",
        "-return_with",
        "SORRY",
        "32",
    ]);
    // One fsync follows at the end, by the caller.
    command.args(["-stdio_sync", "off", "-pacifier", "interval=0.2"]);
    command.args(["-as", "mkisofs", "-o"]).arg(out);
    command.args(["-iso-level", "3", "-full-iso9660-filenames", "-D"]);
    command.args(["-joliet", "-joliet-long"]);
    command.args(["-volid", &manifest.volume_id, "-appid", &stamp.text()]);
    command.args([&format!("--modification-date={TIME}")]);
    command.args(["--set_all_file_dates", TIME]);
    command.args(["-uid", "0", "-gid", "0"]);
    command.args(["-dir-mode", "0755", "-file-mode", "0444"]);
    command.args(boot);
    command.arg("--sort-weight-list").arg(&lists.weights);
    command
        .args(["-graft-points", "-path-list"])
        .arg(&lists.paths);
    command.args(["--", "-options_from_file"]).arg(&lists.modes);
    TOOL.run(&mut command, |line| match progress(line) {
        Some(percent) => {
            meter.fraction(percent, 100.0);
            true
        }
        None => line.contains(": UPDATE :") || line.contains(": NOTE :"),
    })?;
    meter.finish();
    Ok(())
}

/// The files that xorriso reads its lists from.
struct Lists {
    /// `place=source`, a line for each file, link and folder.
    paths: std::path::PathBuf,
    /// `weight place`: the heaviest file comes first.
    weights: std::path::PathBuf,
    /// Commands that set the modes that differ from `-file-mode`.
    modes: std::path::PathBuf,
}

impl Lists {
    fn write(layout: &Layout, scratch: &Scratch) -> Result<Lists, Error> {
        let empty = scratch.file("empty");
        fs::create_dir(&empty).map_err(Error::io("create", &empty))?;
        let sources = layout.sources();
        let (mut paths, mut weights, mut modes) = (String::new(), String::new(), String::new());
        // The store image is last, so that what a boot loader reads is at the beginning.
        let mut weight = layout.nodes.len() as i64;
        for (target, node) in &layout.nodes {
            let source = sources.get(target.as_str()).copied().unwrap_or(&empty);
            let source = source
                .to_str()
                .filter(|source| !source.contains('\n'))
                .ok_or_else(|| Error::Unsupported {
                    path: source.into(),
                    reason: "its path is not UTF-8, or has a line break",
                })?;
            // Writing to a String cannot fail.
            let _ = writeln!(paths, "{}={}", escaped(target), escaped(source));
            if let Node::File { mode, .. } = node {
                let own = if target == STORE_IMAGE { 0 } else { weight };
                let _ = writeln!(weights, "{own} {target}");
                weight -= 1;
                if *mode != 0o444 {
                    let _ = writeln!(modes, "-chmod 0{mode:o} {} --", quoted(target));
                }
            }
        }
        let file = |name: &str, text: String| {
            let path = scratch.file(name);
            match fs::write(&path, text) {
                Ok(()) => Ok(path),
                Err(error) => Err(Error::io("write", path)(error)),
            }
        };
        Ok(Lists {
            paths: file("paths", paths)?,
            weights: file("weights", weights)?,
            modes: file("modes", modes)?,
        })
    }
}

/// Both sides of a graft point: `\` and `=` are escaped.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace('=', "\\=")
}

/// A word of a command line in a file: xorriso knows no escapes, but strings of either quote that follow each other.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\"'\"'"))
}

/// El Torito, MBR and GPT.
fn boot_arguments(boot: &Boot, layout: &Layout, build: &BuildId) -> Result<Vec<String>, Error> {
    let relative = |image: &str| normal(image).map(|place| place[1..].to_string());
    let mut arguments = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| word.to_string()));
    let mut hybrid = false;
    if let Some(bios) = &boot.bios {
        add(&["-eltorito-boot", &relative(&bios.image)?]);
        add(&["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
        if let Some(Node::File { source, .. }) = &layout.mbr {
            hybrid = true;
            add(&["-isohybrid-mbr", &source.to_string_lossy()]);
        }
    }
    if let Some(efi) = &boot.efi {
        if boot.bios.is_some() {
            add(&["-eltorito-alt-boot"]);
        }
        add(&["-e", &relative(&efi.image)?, "-no-emul-boot"]);
        if hybrid {
            add(&["-isohybrid-gpt-basdat"]);
        } else {
            add(&["-efi-boot-part", "--efi-boot-image"]);
        }
    }
    if boot.bios.is_some() || boot.efi.is_some() {
        add(&["-eltorito-catalog", "boot.cat"]);
        add(&["--gpt_disk_guid", build.as_str()]);
    }
    Ok(arguments)
}

/// `xorriso : UPDATE :  12.34% done, estimate finish …`
fn progress(line: &str) -> Option<f64> {
    let (before, _) = line.split_once("% done")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_pacifier() {
        let line = "xorriso : UPDATE :  12.34% done, estimate finish Thu Jan 01 00:00:05 1970";
        assert_eq!(progress(line), Some(12.34));
        assert_eq!(progress("xorriso : UPDATE :     1200 files added"), None);
    }

    #[test]
    fn names_survive_the_lists() {
        assert_eq!(escaped(r"/a=b\c"), r"/a\=b\\c");
        assert_eq!(quoted("/it's"), "'/it'\"'\"'s'");
    }
}
