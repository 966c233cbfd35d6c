//! System use entries: SUSP 1.12 (IEEE P1281), section 5, and Rock Ridge, RRIP 1.12 (IEEE P1282), section 4.
//!
//! Written: `SP ER CE PX PN SL NM TF`. Read besides: `CL PL RE` (relocated folders), `ST`, `PX` of RRIP 1.10.
//! Not supported: `SF` (sparse files) and zisofs' `ZF`, whose files are read as they are stored.

use super::time::Time;
use super::{both32, le32};

/// RRIP 4.3: how this crate's images, and those of others, say that they have Rock Ridge.
pub const EXTENSIONS: [&[u8]; 3] = [b"IEEE_P1282", b"IEEE_1282", b"RRIP_1991A"];
const DESCRIPTOR: &[u8] =
    b"THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS.";
const SOURCE: &[u8] = b"PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION.";

/// The length of a `CE` entry (SUSP 5.1).
pub const CE_LENGTH: usize = 28;
/// An entry's length has one byte.
const MAX_LENGTH: usize = 255;
/// What is before an entry's data: signature, length, version.
const HEADER: usize = 4;

/// RRIP 4.1.3 and 4.1.4: flags of `SL` components and `NM`: it goes on in the next.
pub const CONTINUE: u8 = 0x01;
/// It is `.`.
pub const CURRENT: u8 = 0x02;
/// It is `..`.
pub const PARENT: u8 = 0x04;
/// The component is `/`.
pub const ROOT: u8 = 0x08;

/// RRIP 4.1.6: flags of `TF`.
const MODIFY: u8 = 0x02;
const ACCESS: u8 = 0x04;
const ATTRIBUTES: u8 = 0x08;
const LONG_FORM: u8 = 0x80;

/// What `PX` tells (RRIP 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posix {
    /// With the type of the file, as `st_mode`.
    pub mode: u32,
    /// Links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The file's serial number; absent before RRIP 1.12.
    pub serial: Option<u32>,
}

/// SUSP 5.3: the first entry of all; no bytes are skipped.
pub fn sp() -> Vec<u8> {
    entry(b"SP", &[0xbe, 0xef, 0])
}

/// SUSP 5.5, RRIP 4.3: the extension is Rock Ridge.
pub fn er() -> Vec<u8> {
    let lengths = [EXTENSIONS[0], DESCRIPTOR, SOURCE].map(|text| text.len() as u8);
    let mut data = lengths.to_vec();
    data.push(1); // extension version
    data.extend([EXTENSIONS[0], DESCRIPTOR, SOURCE].concat());
    entry(b"ER", &data)
}

/// SUSP 5.1: the area goes on elsewhere.
pub fn ce(block: u32, offset: u32, length: u32) -> Vec<u8> {
    entry(
        b"CE",
        &[both32(block), both32(offset), both32(length)].concat(),
    )
}

/// RRIP 4.1.1.
pub fn px(posix: &Posix) -> Vec<u8> {
    let serial = posix.serial.unwrap_or_default();
    let fields = [posix.mode, posix.links, posix.uid, posix.gid, serial];
    entry(b"PX", &fields.map(both32).concat())
}

/// RRIP 4.1.2: a device's numbers.
pub fn pn(major: u32, minor: u32) -> Vec<u8> {
    entry(b"PN", &[both32(major), both32(minor)].concat())
}

/// RRIP 4.1.6: one time for modification, access and change of attributes.
pub fn tf(time: Time) -> Vec<u8> {
    let mut data = vec![MODIFY | ACCESS | ATTRIBUTES];
    for _ in 0..3 {
        data.extend(time.record());
    }
    entry(b"TF", &data)
}

/// RRIP 4.1.4: a name, in as many entries as it needs.
pub fn nm(name: &[u8]) -> Vec<Vec<u8>> {
    let room = MAX_LENGTH - HEADER - 1;
    let last = name.len().div_ceil(room).saturating_sub(1);
    let chunks = name.chunks(room).enumerate();
    chunks
        .map(|(index, chunk)| {
            let flags = if index == last { 0 } else { CONTINUE };
            entry(b"NM", &[&[flags], chunk].concat())
        })
        .collect()
}

/// RRIP 4.1.3: a link's target, in as many entries as it needs. Nothing of it is lost: `a//b/` has two empty components.
pub fn sl(target: &[u8]) -> Vec<Vec<u8>> {
    let mut components = Vec::new();
    let relative = match target.strip_prefix(b"/") {
        Some(rest) => {
            components.push((ROOT, &b""[..]));
            rest
        }
        None => target,
    };
    if !relative.is_empty() {
        for part in relative.split(|byte| *byte == b'/') {
            components.push(match part {
                b"." => (CURRENT, &b""[..]),
                b".." => (PARENT, &b""[..]),
                _ => (0, part),
            });
        }
    }
    // A component of flags, length and text; one that is too long for its entry is cut.
    let room = MAX_LENGTH - HEADER - 1;
    let mut areas: Vec<Vec<u8>> = vec![Vec::new()];
    for (flags, mut text) in components {
        loop {
            let mut area = areas.pop().unwrap_or_default();
            if area.len() + 2 + usize::from(!text.is_empty()) > room {
                areas.push(area);
                area = Vec::new();
            }
            let fits = text.len().min(room - area.len() - 2);
            let (now, rest) = text.split_at(fits);
            let goes_on = if rest.is_empty() { 0 } else { CONTINUE };
            area.extend([flags | goes_on, now.len() as u8]);
            area.extend(now);
            areas.push(area);
            text = rest;
            if rest.is_empty() {
                break;
            }
        }
    }
    let last = areas.len() - 1;
    let areas = areas.into_iter().enumerate();
    areas
        .map(|(index, area)| {
            let flags = if index == last { 0 } else { CONTINUE };
            entry(b"SL", &[&[flags], &area[..]].concat())
        })
        .collect()
}

fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let length = HEADER + data.len();
    debug_assert!(length <= MAX_LENGTH);
    let mut out = Vec::with_capacity(length);
    out.extend(signature);
    out.extend([length as u8, 1]);
    out.extend(data);
    out
}

/// Shares entries out: the first part for a record with so much `room`, the others for continuation areas of at most
/// one block. Every part but the last leaves room for the `CE` entry that leads to the next.
pub fn share(entries: Vec<Vec<u8>>, room: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut left: usize = entries.iter().map(Vec::len).sum();
    let mut part = Vec::new();
    let mut room = room;
    for entry in entries {
        let all_fits = part.len() + left <= room;
        if !all_fits && part.len() + entry.len() + CE_LENGTH > room {
            parts.push(std::mem::take(&mut part));
            room = super::BLOCK;
        }
        left -= entry.len();
        part.extend(entry);
    }
    parts.push(part);
    parts
}

/// An entry as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Two letters.
    pub signature: [u8; 2],
    /// What follows its header.
    pub data: &'a [u8],
}

/// The entries of an area, up to its end, to `ST`, or to what is no entry.
pub fn entries(mut area: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    std::iter::from_fn(move || {
        let &[a, b, length, _] = area.first_chunk::<HEADER>()?;
        let length = usize::from(length);
        if length < HEADER || [a, b] == *b"ST" {
            return None;
        }
        let data = area.get(HEADER..length)?;
        area = &area[length..];
        Some(Entry {
            signature: [a, b],
            data,
        })
    })
}

impl Entry<'_> {
    /// `SP`: how many bytes are skipped in every other system use area.
    pub fn skip(&self) -> Option<usize> {
        let is_it = self.signature == *b"SP" && self.data.starts_with(&[0xbe, 0xef]);
        is_it.then(|| usize::from(self.data.get(2).copied().unwrap_or_default()))
    }

    /// `ER`: whether it says that there is Rock Ridge.
    pub fn is_rock_ridge(&self) -> bool {
        let id = self.data.get(4..).unwrap_or_default();
        self.signature == *b"ER" && EXTENSIONS.iter().any(|extension| id.starts_with(extension))
    }

    /// `CE`: block, offset and length of the continuation.
    pub fn continuation(&self) -> Option<(u32, u32, u32)> {
        let is_it = self.signature == *b"CE" && self.data.len() >= 24;
        is_it.then(|| (le32(self.data, 0), le32(self.data, 8), le32(self.data, 16)))
    }

    /// `PX`.
    pub fn posix(&self) -> Option<Posix> {
        if self.signature != *b"PX" || self.data.len() < 32 {
            return None;
        }
        let number = |at| le32(self.data, at);
        Some(Posix {
            mode: number(0),
            links: number(8),
            uid: number(16),
            gid: number(24),
            serial: (self.data.len() >= 40).then(|| number(32)),
        })
    }

    /// `TF`: the time of modification.
    pub fn modified(&self) -> Option<Time> {
        let flags = *self.data.first()?;
        if self.signature != *b"TF" || flags & MODIFY == 0 {
            return None;
        }
        // Only the time of creation (0x01) comes before it.
        let before = usize::from(flags & 1);
        if flags & LONG_FORM != 0 {
            let at = 1 + before * 17;
            let bytes = self.data.get(at..at + 17)?;
            Time::of_descriptor(super::field(bytes, 0))
        } else {
            let at = 1 + before * 7;
            let bytes = self.data.get(at..at + 7)?;
            Time::of_record(super::field(bytes, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_leave_room_for_the_way_to_the_next() {
        for (lengths, room, expected) in [
            (&[44, 26, 10][..], 100, &[80][..]),
            (&[44, 26, 30], 100, &[100]),
            (&[44, 26, 31], 100, &[70, 31]),
            (&[44, 26, 2, 30], 100, &[72, 30]),
            (&[44, 40, 17], 100, &[44, 57]),
            (&[0; 0], 100, &[0]),
            (&[255; 9], 188, &[0, 1785, 510]),
        ] {
            let entries = lengths.iter().map(|length| vec![7; *length]).collect();
            let parts: Vec<usize> = share(entries, room).iter().map(Vec::len).collect();
            assert_eq!(parts, expected, "{lengths:?}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(nm(&[b'x'; 250]).len(), 1);
        let two = nm(&[b'x'; 251]);
        assert_eq!((two.len(), two[0][4], two[1][4]), (2, CONTINUE, 0));
        assert_eq!(sl(b"/"), [b"SL\x07\x01\0\x08\0"]);
        assert_eq!(sl(b"../a"), [b"SL\x0a\x01\0\x04\0\0\x01a"]);
        let long = sl(&[b'y'; 300]);
        assert_eq!(long.len(), 2);
        assert_eq!(long[0][..7], [b'S', b'L', 255, 1, CONTINUE, CONTINUE, 248]);
        assert_eq!(long[1][..7], [b'S', b'L', 59, 1, 0, 0, 52]);
    }

    #[test]
    fn an_area_that_is_none_has_no_entries() {
        for area in [
            &b""[..],
            b"PX",
            b"PX\x03\x01",
            b"PX\xff\x01abc",
            b"ST\x04\x01PX\x04\x01",
        ] {
            assert_eq!(entries(area).count(), 0, "{area:?}");
        }
        assert_eq!(entries(b"PX\x04\x01RE\x04\x01\0").count(), 2);
    }
}
