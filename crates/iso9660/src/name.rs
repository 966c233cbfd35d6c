//! Names for those who know neither Rock Ridge nor Joliet (ECMA-119, 7.5 and 7.6), and for Joliet.
//!
//! An identifier is as much of the name as the format allows; where two would be the same, the later gets a number.

use std::collections::{HashMap, HashSet};

/// 10.1 level 2 and 3: characters of a file's name and extension together.
const FILE: usize = 30;
/// 7.6.3: characters of a folder's name.
const FOLDER: usize = 31;
/// Of an extension, so that it does not crowd out the name.
const EXTENSION: usize = 12;
/// UTF-16 units of a Joliet name: beyond the specification's 64, as `mkisofs -joliet-long` has it.
const JOLIET: usize = 103;
/// 7.5.1: separator 2 and version number.
const VERSION: &str = ";1";

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// The primary volume descriptor's.
    Primary,
    /// Joliet's.
    Joliet,
}

/// The identifier of a name in a folder, and what decides on its place among the others (9.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identifier {
    stem: Vec<u16>,
    extension: Vec<u16>,
}

/// The names of one folder that are taken.
pub(crate) struct Names {
    alphabet: Alphabet,
    taken: HashSet<Identifier>,
    /// The number that was given last to an identifier that was taken.
    numbers: HashMap<Identifier, u32>,
}

impl Names {
    pub(crate) fn new(alphabet: Alphabet) -> Names {
        Names {
            alphabet,
            taken: HashSet::new(),
            numbers: HashMap::new(),
        }
    }

    /// An identifier that no other name has.
    pub(crate) fn take(&mut self, name: &[u8], is_folder: bool) -> Identifier {
        let wanted = self.wanted(name, is_folder);
        if self.taken.insert(wanted.clone()) {
            return wanted;
        }
        let most = match (self.alphabet, is_folder) {
            (Alphabet::Primary, true) => FOLDER,
            (Alphabet::Primary, false) => FILE,
            (Alphabet::Joliet, _) => JOLIET - usize::from(!wanted.extension.is_empty()),
        };
        let mut number = self.numbers.get(&wanted).copied().unwrap_or_default();
        loop {
            number += 1;
            let digits: Vec<u16> = format!("_{number}").encode_utf16().collect();
            let mut other = wanted.clone();
            let room = most - other.extension.len() - digits.len();
            cut(&mut other.stem, room);
            other.stem.extend(digits);
            if self.taken.insert(other.clone()) {
                self.numbers.insert(wanted, number);
                return other;
            }
        }
    }

    fn wanted(&self, name: &[u8], is_folder: bool) -> Identifier {
        let (stem, extension) = match name.iter().rposition(|byte| *byte == b'.') {
            Some(at) if at > 0 && !is_folder => (&name[..at], &name[at + 1..]),
            _ => (name, &name[..0]),
        };
        match self.alphabet {
            Alphabet::Primary => {
                let mut stem = d_characters(stem);
                let mut extension = d_characters(extension);
                cut(&mut extension, EXTENSION);
                let most = if is_folder { FOLDER } else { FILE };
                cut(&mut stem, most - extension.len());
                Identifier { stem, extension }
            }
            Alphabet::Joliet => {
                let is_all = stem.len() == name.len() || extension.is_empty();
                let mut stem = joliet_characters(if is_all { name } else { stem });
                let mut extension = joliet_characters(extension);
                cut(&mut extension, JOLIET / 2);
                let dot = usize::from(!extension.is_empty());
                cut(&mut stem, JOLIET - dot - extension.len());
                Identifier { stem, extension }
            }
        }
    }
}

impl Identifier {
    /// As it lies in a record.
    pub(crate) fn encode(&self, alphabet: Alphabet, is_folder: bool) -> Vec<u8> {
        let mut units = self.stem.clone();
        // The primary's files always have a separator 1, Joliet's only where there is an extension.
        let dot = match alphabet {
            Alphabet::Primary => !is_folder,
            Alphabet::Joliet => !self.extension.is_empty(),
        };
        if dot {
            units.push(b'.'.into());
        }
        units.extend(&self.extension);
        if !is_folder {
            units.extend(VERSION.encode_utf16());
        }
        match alphabet {
            Alphabet::Primary => units.iter().map(|unit| *unit as u8).collect(),
            Alphabet::Joliet => units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        }
    }
}

/// 7.4.1: capitals, digits, `_`.
fn d_characters(name: &[u8]) -> Vec<u16> {
    // What is no ASCII is one `_` a character, not one a byte.
    let starts = name.iter().filter(|byte| **byte & 0xc0 != 0x80);
    starts
        .map(|byte| match byte.to_ascii_uppercase() {
            byte if byte.is_ascii_alphanumeric() => byte.into(),
            _ => b'_'.into(),
        })
        .collect()
}

/// Joliet: all but control characters and `* / : ; ? \`, and no dot at the end, which readers leave out.
fn joliet_characters(name: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(name);
    let allowed = text.chars().map(|character| match character {
        '*' | '/' | ':' | ';' | '?' | '\\' | char::REPLACEMENT_CHARACTER => '_',
        character if character.is_control() => '_',
        character => character,
    });
    let mut units: Vec<u16> = allowed.collect::<String>().encode_utf16().collect();
    if let Some(last) = units.last_mut().filter(|last| **last == b'.'.into()) {
        *last = b'_'.into();
    }
    units
}

/// Shortens, and leaves no half of a character.
fn cut(units: &mut Vec<u16>, most: usize) {
    if units.len() > most {
        units.truncate(most);
        if units
            .last()
            .is_some_and(|unit| (0xd800..0xdc00).contains(unit))
        {
            units.pop();
        }
    }
}

/// A text of Joliet; what is no UTF-16 is replaced.
pub(crate) fn of_ucs2(bytes: &[u8]) -> String {
    let units = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
    char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A name without version and without a separator at its end.
pub(crate) fn plain(identifier: &[u8]) -> &[u8] {
    let mut name = identifier;
    if let Some(at) = name.iter().rposition(|byte| *byte == b';') {
        let version = &name[at + 1..];
        if !version.is_empty() && version.iter().all(u8::is_ascii_digit) {
            name = &name[..at];
        }
    }
    match name {
        [rest @ .., b'.'] if !rest.is_empty() => rest,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(alphabet: Alphabet, names: &[(&[u8], bool)]) -> Vec<String> {
        let mut taken = Names::new(alphabet);
        let encoded = names.iter().map(|(name, is_folder)| {
            let identifier = taken.take(name, *is_folder);
            let bytes = identifier.encode(alphabet, *is_folder);
            match alphabet {
                Alphabet::Primary => String::from_utf8(bytes).unwrap(),
                Alphabet::Joliet => of_ucs2(&bytes),
            }
        });
        encoded.collect()
    }

    #[test]
    fn the_primarys_names_are_of_its_characters_and_unique() {
        let long = [b'x'; 200];
        assert_eq!(
            all(
                Alphabet::Primary,
                &[
                    (b"bzImage", false),
                    (b"nix-store.squashfs", false),
                    (b"NIX_STORE.squashfs", false),
                    (b".disk", true),
                    (b"a.b", true),
                    (b".profile", false),
                    ("größe.txt".as_bytes(), false),
                    (b"\xff\xfe", false),
                    (&long, false),
                    (&long, true),
                    (&long, false),
                ]
            ),
            [
                "BZIMAGE.;1",
                "NIX_STORE.SQUASHFS;1",
                "NIX_STORE_1.SQUASHFS;1",
                "_DISK",
                "A_B",
                "_PROFILE.;1",
                "GR__E.TXT;1",
                "__.;1",
                &format!("{}.;1", "X".repeat(30)),
                &"X".repeat(31),
                &format!("{}_1.;1", "X".repeat(28)),
            ]
        );
    }

    #[test]
    fn joliets_names_are_nearly_the_names() {
        let long = format!("{}😀.txt", "y".repeat(98));
        assert_eq!(
            all(
                Alphabet::Joliet,
                &[
                    (b"bzImage", false),
                    (b"a:b", true),
                    (b"a*b", true),
                    ("größe 😀.tar.gz".as_bytes(), false),
                    (b"\xff", false),
                    (b"...", false),
                    (b".a.", true),
                    (long.as_bytes(), false),
                ]
            ),
            [
                "bzImage;1",
                "a_b",
                "a_b_1",
                "größe 😀.tar.gz;1",
                "_;1",
                ".._;1",
                ".a_",
                &format!("{}.txt;1", "y".repeat(98)),
            ]
        );
    }

    #[test]
    fn versions_and_empty_extensions_are_no_part_of_a_name() {
        for (identifier, name) in [
            ("A.;1", "A"),
            ("A.B;12", "A.B"),
            ("A", "A"),
            ("a;b", "a;b"),
            ("A;", "A;"),
            (".", "."),
        ] {
            assert_eq!(plain(identifier.as_bytes()), name.as_bytes());
        }
    }
}
