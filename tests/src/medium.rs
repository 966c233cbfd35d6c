//! What is on an ISO, as flk's own reader has it, in the form in which `find` says what is in a folder: so that others can be asked.

use std::{fs::File, io::BufReader, path::Path};

use flk_iso9660::{Image, Kind};

use crate::BenchError;

/// A shell's command that lists the folder in which it runs, as [`listing`] lists an ISO; in the order of the lines.
pub const FIND: &str = r"find . -mindepth 1 \( -type f -printf '%P f %m %s %T@ %l\n' \) -o \( -type l -printf '%P l %m - %T@ %l\n' \) -o -printf '%P %y %m - %T@ %l\n' | sed 's/[.]0* \([^ ]*\)$/ \1/' | LC_ALL=C sort";

/// Everything on an ISO: path, type as `find` has it, mode, a file's length, time, a link's target.
///
/// # Errors
/// [`BenchError::Understand`] when flk cannot read it.
pub fn listing(iso: &Path) -> Result<Vec<String>, BenchError> {
    let file = File::open(iso).map_err(BenchError::file(iso))?;
    let unreadable = |error: flk_iso9660::Error| BenchError::Understand {
        what: iso.display().to_string(),
        text: error.to_string(),
    };
    let mut image = Image::open(BufReader::new(file)).map_err(unreadable)?;
    let mut walk = image.walk();
    let mut lines = Vec::new();
    while let Some((path, entry)) = walk.next(&mut image).map_err(unreadable)? {
        let path = String::from_utf8_lossy(&path[1..]).into_owned();
        let length = entry.length().to_string();
        let (kind, length, target) = match &entry.kind {
            Kind::File => ('f', length.as_str(), ""),
            Kind::Folder => ('d', "-", ""),
            Kind::Link(target) => ('l', "-", std::str::from_utf8(target).unwrap_or("?")),
            _ => ('?', "-", ""),
        };
        let time = entry.time.map_or(0, |time| time.0);
        lines.push(format!(
            "{path} {kind} {:o} {length} {time} {target}",
            entry.mode
        ));
    }
    lines.sort();
    Ok(lines)
}
