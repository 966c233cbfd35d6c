//! How much room will be taken by store paths that are not there yet. Nobody knows before they are built, so it is an estimate, meant to be too much
//! rather than too little:
//!
//! - what unpacks Debian's packages takes [`UNPACKED`] times their size, a file to [`FILE`] bytes of that, and [`SMALL`] besides;
//! - anything else takes what the largest path of the same name takes in the store of this machine (another host's `system-path`, `etc`, `initrd-…`);
//! - where there is none, [`SMALL`]: texts, units, folders of links.
//!
//! What a build takes while it runs is not counted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root::Room;
use crate::{Error, Result};

const STORE: &str = "/nix/store";
/// Bytes in the store for a byte of a package: xz makes binaries a third to a fourth, texts less.
const UNPACKED: u64 = 5;
/// Bytes of a file, on average: packages of many small files (documentation, locales, scripts) have about so much.
const FILE: u64 = 8192;
const SMALL: Room = Room {
    bytes: 1 << 20,
    inodes: 64,
};

/// A store path that will be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its place.
    pub path: String,
    /// The size of the packages that it unpacks, in bytes.
    pub packages: u64,
}

/// The room that store paths will take.
///
/// # Errors
/// [`Error::Io`] when this machine's store cannot be read.
pub fn estimate(expected: &[Expected]) -> Result<Room> {
    let names = if expected.is_empty() {
        Vec::new()
    } else {
        names_in(Path::new(STORE))?
    };
    let mut room = Room::default();
    for path in expected {
        room.add(SMALL);
        if path.packages > 0 {
            let bytes = UNPACKED * path.packages;
            room.add(Room {
                bytes,
                inodes: bytes / FILE,
            });
            continue;
        }
        for place in namesakes(&names, &path.path) {
            let namesake = Room::taken_by(&place)?;
            room.bytes = room.bytes.max(namesake.bytes);
            room.inodes = room.inodes.max(namesake.inodes);
        }
    }
    Ok(room)
}

/// The size of a file in a store path that may not be there yet: its own, or a namesake's.
pub(crate) fn size_of(file: &Path) -> Option<u64> {
    if let Ok(metadata) = fs::metadata(file) {
        return Some(metadata.len());
    }
    let below = file.strip_prefix(STORE).ok()?;
    let mut parts = below.components();
    let top = Path::new(STORE).join(parts.next()?);
    namesakes(&names_in(Path::new(STORE)).ok()?, top.to_str()?)
        .filter_map(|place| fs::metadata(place.join(parts.as_path())).ok())
        .filter(fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .max()
}

fn names_in(store: &Path) -> Result<Vec<String>> {
    fs::read_dir(store)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        })
        .map_err(Error::io("read", store))
}

/// The places of paths with the same name; the hash before it is another.
fn namesakes<'n>(names: &'n [String], path: &str) -> impl Iterator<Item = PathBuf> + use<'n> {
    let name = path
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once('-'))
        .map(|(_, name)| name.to_owned());
    names
        .iter()
        .filter(move |there| {
            there
                .split_once('-')
                .is_some_and(|(_, there)| Some(there) == name.as_deref())
        })
        .map(|there| Path::new(STORE).join(there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_count_by_their_size() {
        let expected = Expected {
            path: "/nix/store/00000000000000000000000000000000-flk-no-such-name-deb".to_owned(),
            packages: 100_000,
        };
        let room = estimate(std::slice::from_ref(&expected)).unwrap();
        assert_eq!(room.bytes, SMALL.bytes + 500_000);
        assert_eq!(room.inodes, SMALL.inodes + 500_000 / FILE);
        let unknown = Expected {
            packages: 0,
            ..expected
        };
        assert_eq!(estimate(&[unknown]).unwrap(), SMALL);
        assert_eq!(estimate(&[]).unwrap(), Room::default());
    }

    #[test]
    fn namesakes_differ_by_their_hash_alone() {
        let names = ["a-etc", "b-etc", "c-etc-hosts", "d-my-etc", "etc"].map(str::to_owned);
        let found: Vec<_> = namesakes(&names, "/nix/store/x-etc").collect();
        assert_eq!(
            found,
            [Path::new("/nix/store/a-etc"), Path::new("/nix/store/b-etc")]
        );
    }
}
