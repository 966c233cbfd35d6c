//! The store image, by squashfs-tools' `mksquashfs` (4.5 or newer).
//!
//! Reproducible: entries sorted by name (mksquashfs does), owners, times and the file system's own time fixed, no extended
//! attributes, hard links of an optimised store ignored.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::manifest::Compression;
use crate::progress::Meter;
use crate::tool::{Failure, Tool};

pub(crate) const TOOL: Tool = Tool {
    program: "mksquashfs",
    package: "squashfs-tools",
};

/// Nix's own time for files in the store.
const TIME: &str = "1";

/// Packs `sources` as the entries of the root into the file `out`.
pub(crate) fn pack(
    sources: &[PathBuf],
    compression: &Compression,
    threads: Option<NonZeroUsize>,
    out: &Path,
    mut meter: Meter<'_>,
) -> Result<(), Failure> {
    let mut command = TOOL.command();
    command.args(sources).arg(out);
    command.args(["-keep-as-directory", "-noappend", "-no-recovery"]);
    command.args(["-all-root", "-root-mode", "0755", "-no-xattrs"]);
    command.args(["-no-hardlinks", "-reproducible"]);
    command.args(["-mkfs-time", TIME, "-all-time", TIME, "-progress"]);
    command.args(["-b", &compression.block_size.to_string()]);
    command.args(codec(compression));
    if let Some(threads) = threads {
        command.args(["-processors", &threads.to_string()]);
    }
    TOOL.run(&mut command, |line| match progress(line) {
        Some((part, whole)) => {
            meter.fraction(part as f64, whole as f64);
            true
        }
        None => false,
    })?;
    meter.finish();
    Ok(())
}

fn codec(compression: &Compression) -> Vec<String> {
    let codec = compression.codec.as_str();
    if codec == "none" {
        return ["-noI", "-noD", "-noF", "-noX"].map(String::from).to_vec();
    }
    let mut arguments = vec!["-comp".to_string(), codec.to_string()];
    if let Some(level) = compression.level {
        arguments.extend(["-Xcompression-level".to_string(), level.to_string()]);
    }
    arguments
}

/// `[=====/    ] 2400/62648   3%`: blocks done, blocks found so far.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix('[')?.rsplit_once(']')?;
    let counts = counts.trim().strip_suffix('%')?;
    let (counts, _percent) = counts.rsplit_once(' ')?;
    let (part, whole) = counts.trim().split_once('/')?;
    Some((part.trim().parse().ok()?, whole.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_bar() {
        assert_eq!(
            progress("[==/                       ]  2400/62648   3%"),
            Some((2400, 62648))
        );
        assert_eq!(
            progress("[=========================|] 2849/2849 100%"),
            Some((2849, 2849))
        );
        assert_eq!(
            progress("[/                        ]     0/35601   0%"),
            Some((0, 35601))
        );
        assert_eq!(progress("Parallel mksquashfs: Using 2 processors"), None);
    }
}
