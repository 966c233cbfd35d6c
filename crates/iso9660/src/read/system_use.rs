//! What the system use area of a record says, with its continuations: SUSP 1.12, RRIP 1.12.

use std::io::{Read, Seek};

use super::Image;
use super::entry::{Entry, Kind};
use crate::error::Error;
use crate::format::le32;
use crate::format::record::Record;
use crate::format::susp::{self, Posix};
use crate::format::time::Time;
use crate::rock_ridge as types;

/// Continuations of one area; the kernel follows 32.
const MOST_CONTINUATIONS: usize = 64;
/// Bytes of one continuation.
const MOST_CONTINUED: u32 = 1 << 16;
const MOST_NAME: usize = 1024;
const MOST_TARGET: usize = 1 << 16;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) is_rock_ridge: bool,
    pub(super) posix: Option<Posix>,
    pub(super) name: Option<Vec<u8>>,
    /// `CL`: the block of the folder that was moved elsewhere.
    pub(super) child: Option<u32>,
    /// `RE`: a folder that was moved here.
    pub(super) is_relocated: bool,
    target: Option<Vec<u8>>,
    /// Whether something separates the target's last component from the next.
    separated: bool,
    device: (u32, u32),
    modified: Option<Time>,
}

/// SUSP 5.3: how many bytes are skipped in all areas but the root's; `None` when there is no SUSP.
pub(super) fn skip(root: &[u8]) -> Option<usize> {
    // On CD-ROM XA the area begins with 14 bytes of its own.
    let areas = [Some(root), root.get(14..)];
    let mut first = areas
        .into_iter()
        .flatten()
        .filter_map(|area| susp::entries(area).next());
    first.find_map(|entry| entry.skip())
}

impl<R: Read + Seek> Image<R> {
    /// Of the record that lies at a place; the root's own skips nothing.
    pub(super) fn system_use(
        &mut self,
        record: &Record,
        at: u64,
        is_root: bool,
    ) -> Result<Found, Error> {
        let damaged = |what| Error::Damaged { offset: at, what };
        let mut found = Found::default();
        let mut skip = if is_root { 0 } else { self.skip };
        if is_root
            && susp::entries(&record.system_use)
                .next()
                .is_none_or(|first| first.skip().is_none())
        {
            skip = 14;
        }
        let mut area = record.system_use.get(skip..).unwrap_or_default().to_vec();
        for _ in 0..MOST_CONTINUATIONS {
            let mut continuation = None;
            for entry in susp::entries(&area) {
                continuation = continuation.or(entry.continuation());
                found.take(&entry).map_err(damaged)?;
            }
            let Some((block, offset, length)) = continuation else {
                return Ok(found);
            };
            if length > MOST_CONTINUED {
                return Err(damaged("a continuation area is longer than 64 KiB"));
            }
            area = vec![0; length as usize];
            let at = u64::from(block) * self.block_size + u64::from(offset);
            self.input.read_at(at, &mut area)?;
        }
        Err(damaged("a system use area goes on and on"))
    }
}

impl Found {
    fn take(&mut self, entry: &susp::Entry<'_>) -> Result<(), &'static str> {
        let data = entry.data;
        match &entry.signature {
            b"ER" => self.is_rock_ridge |= entry.is_rock_ridge(),
            b"PX" => self.posix = self.posix.or(entry.posix()),
            b"TF" => self.modified = self.modified.or(entry.modified()),
            b"PN" => self.device = (le32(data, 0), le32(data, 8)),
            b"CL" => self.child = Some(le32(data, 0)),
            b"RE" => self.is_relocated = true,
            b"NM" => {
                let Some((flags, text)) = data.split_first() else {
                    return Ok(());
                };
                if flags & (susp::CURRENT | susp::PARENT) == 0 {
                    let name = self.name.get_or_insert_default();
                    name.extend(text);
                    if name.len() > MOST_NAME {
                        return Err("a name has more than 1024 bytes");
                    }
                }
            }
            b"SL" => return self.take_target(data.get(1..).unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    /// The components of an `SL` entry.
    fn take_target(&mut self, mut components: &[u8]) -> Result<(), &'static str> {
        let target = self.target.get_or_insert_default();
        while let [flags, length, rest @ ..] = components {
            let Some(text) = rest.get(..usize::from(*length)) else {
                return Err("a link's component is longer than its entry");
            };
            components = &rest[usize::from(*length)..];
            if self.separated {
                target.push(b'/');
            }
            match flags & (susp::CURRENT | susp::PARENT | susp::ROOT) {
                susp::CURRENT => target.push(b'.'),
                susp::PARENT => target.extend(b".."),
                susp::ROOT => target.push(b'/'),
                _ => target.extend(text),
            }
            // The root is a separator itself, and a component that goes on needs none.
            self.separated = flags & (susp::CONTINUE | susp::ROOT) == 0;
            if target.len() > MOST_TARGET {
                return Err("a link's target has more than 64 KiB");
            }
        }
        Ok(())
    }

    /// Puts what it says over what ECMA-119 says.
    pub(super) fn describe(self, entry: &mut Entry) {
        if let Some(modified) = self.modified {
            entry.time = Some(modified);
        }
        let Some(posix) = self.posix else { return };
        entry.mode = posix.mode & 0o7777;
        entry.uid = posix.uid;
        entry.gid = posix.gid;
        entry.links = posix.links;
        if entry.kind == Kind::Folder {
            return;
        }
        let (major, minor) = self.device;
        entry.kind = match posix.mode & types::TYPE {
            types::LINK => Kind::Link(self.target.unwrap_or_default()),
            types::FIFO => Kind::Fifo,
            types::SOCKET => Kind::Socket,
            types::CHARACTER_DEVICE => Kind::Character(major, minor),
            types::BLOCK_DEVICE => Kind::Block(major, minor),
            _ => Kind::File,
        };
        if entry.kind != Kind::File {
            entry.extents.clear();
        }
    }
}
