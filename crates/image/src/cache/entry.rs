//! An entry of the cache: a file with a store path's packed bytes, its description, and a trailer.
//!
//! The bytes come first, so that a file system that shares blocks between files can share them with an image. Numbers are
//! little-endian; files and folders are as [`PathNodes`] has them. The trailer: magic, length of the bytes, length of the description, key, and the BLAKE3 digest of all before it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use flk_squashfs::{BlockWord, Content, Fragment, Run, Tail};

use crate::packed::{PackedPath, PathNodes};

/// Changed with the shape of entries, and with whatever else decides on the bytes but is not in a [key](super::Key).
pub(super) const FORMAT: &str = "flk packed 2";
const MAGIC: [u8; 16] = *b"flk packed 2\0\0\0\0";
const TRAILER: u64 = 16 + 8 + 8 + 32 + 32;
/// How much is read at a time.
const PIECE: usize = 1 << 18;

/// Writes an entry: the packed bytes, which lie in `image` at `offset`, description and trailer.
pub(super) fn write(
    out: &File,
    key: &[u8; 32],
    packed: &PackedPath,
    image: &File,
    offset: u64,
) -> io::Result<()> {
    let mut out = Digesting {
        out,
        hasher: blake3::Hasher::new(),
    };
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < packed.run.length {
        let length = (packed.run.length - at).min(PIECE as u64) as usize;
        image.read_exact_at(&mut buffer[..length], offset + at)?;
        out.write_all(&buffer[..length])?;
        at += length as u64;
    }
    let description = describe(packed);
    out.write_all(&description)?;
    out.write_all(&MAGIC)?;
    out.write_all(&packed.run.length.to_le_bytes())?;
    out.write_all(&(description.len() as u64).to_le_bytes())?;
    out.write_all(key)?;
    let digest = out.hasher.finalize();
    let mut file = out.out;
    file.write_all(digest.as_bytes())
}

struct Digesting<'f> {
    out: &'f File,
    hasher: blake3::Hasher,
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an entry and checks all of it; nothing where it is not whole, not of this key, or of no use with this block size.
pub(super) fn read(
    file: &mut File,
    key: &[u8; 32],
    block_size: u32,
) -> io::Result<Option<PackedPath>> {
    let length = file.metadata()?.len();
    let Some(body) = length.checked_sub(TRAILER) else {
        return Ok(None);
    };
    let mut trailer = [0; TRAILER as usize];
    file.read_exact_at(&mut trailer, body)?;
    let mut fields = Fields(&trailer);
    let header = (|| {
        let magic = fields.take(MAGIC.len())? == MAGIC;
        let packed = fields.u64()?;
        let description = fields.u64()?;
        let ours = fields.take(32)? == key;
        let fits = packed.checked_add(description) == Some(body);
        (magic && ours && fits).then_some((packed, fields.take(32)?))
    })();
    let Some((packed, digest)) = header else {
        return Ok(None);
    };
    let mut hasher = blake3::Hasher::new();
    file.rewind()?;
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < packed {
        let count = (packed - at).min(PIECE as u64) as usize;
        file.read_exact(&mut buffer[..count])?;
        hasher.update(&buffer[..count]);
        at += count as u64;
    }
    let mut description = Vec::new();
    file.take(body - packed).read_to_end(&mut description)?;
    hasher.update(&description);
    hasher.update(&trailer[..trailer.len() - 32]);
    if hasher.finalize().as_bytes() != digest {
        return Ok(None);
    }
    let Some(found) = understand(&description, packed) else {
        return Ok(None);
    };
    Ok(found.run.check(block_size).is_ok().then_some(found))
}

fn describe(packed: &PackedPath) -> Vec<u8> {
    let mut out = Vec::new();
    let put32 = |out: &mut Vec<u8>, value: u32| out.extend_from_slice(&value.to_le_bytes());
    let put64 = |out: &mut Vec<u8>, value: u64| out.extend_from_slice(&value.to_le_bytes());
    put64(&mut out, packed.nodes.bytes().len() as u64);
    out.extend_from_slice(packed.nodes.bytes());
    put32(&mut out, packed.run.contents.len() as u32);
    for content in &packed.run.contents {
        put64(&mut out, content.size);
        put64(&mut out, content.start);
        put32(&mut out, content.blocks.len() as u32);
        for word in &content.blocks {
            put32(&mut out, word.0);
        }
        out.push(content.tail.is_some().into());
        if let Some(tail) = content.tail {
            put32(&mut out, tail.fragment);
            put32(&mut out, tail.offset);
        }
    }
    put32(&mut out, packed.run.fragments.len() as u32);
    for fragment in &packed.run.fragments {
        put64(&mut out, fragment.start);
        put32(&mut out, fragment.word.0);
    }
    out
}

/// Nothing where it is no description; every count is checked against what is there.
fn understand(description: &[u8], length: u64) -> Option<PackedPath> {
    let mut fields = Fields(description);
    let nodes = usize::try_from(fields.u64()?).ok()?;
    let nodes = fields.take(nodes)?;
    let mut run = Run {
        length,
        ..Run::default()
    };
    for _ in 0..fields.u32()? {
        let (size, start) = (fields.u64()?, fields.u64()?);
        let mut blocks = Vec::new();
        for _ in 0..fields.u32()? {
            blocks.push(BlockWord(fields.u32()?));
        }
        let tail = match fields.take(1)?[0] {
            0 => None,
            _ => Some(Tail {
                fragment: fields.u32()?,
                offset: fields.u32()?,
            }),
        };
        run.contents.push(Content {
            size,
            start,
            blocks,
            tail,
        });
    }
    for _ in 0..fields.u32()? {
        run.fragments.push(Fragment {
            start: fields.u64()?,
            word: BlockWord(fields.u32()?),
        });
    }
    let nodes = PathNodes::read(nodes, run.contents.len())?;
    fields.0.is_empty().then_some(PackedPath { nodes, run })
}

/// What is left of a description.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::{PathKind, PathWalk};

    const KEY: [u8; 32] = [7; 32];
    const BLOCK: u32 = 4096;

    fn nodes(contents: [u32; 2]) -> PathNodes {
        let mut walk = PathWalk::default();
        let [a, small] = contents.map(|content| PathKind::File {
            executable: content == 0,
            content,
        });
        walk.add(b"", PathKind::Folder);
        walk.add(b"a\xff", a);
        walk.add(b"sub", PathKind::Folder);
        walk.add(b"link", PathKind::Link(b"../a"));
        walk.add(b"small", small);
        walk.finish()
    }

    fn example() -> PackedPath {
        PackedPath {
            nodes: nodes([0, 1]),
            run: Run {
                length: 300,
                contents: vec![
                    Content {
                        size: 8192,
                        start: 0,
                        blocks: vec![BlockWord(100), BlockWord(100)],
                        tail: None,
                    },
                    Content {
                        size: 10,
                        start: 0,
                        blocks: Vec::new(),
                        tail: Some(Tail {
                            fragment: 0,
                            offset: 0,
                        }),
                    },
                ],
                fragments: vec![Fragment {
                    start: 200,
                    word: BlockWord(100),
                }],
            },
        }
    }

    fn written() -> Vec<u8> {
        let mut image = tempfile::tempfile().unwrap();
        image.write_all(&[9; 1000]).unwrap();
        let mut out = tempfile::tempfile().unwrap();
        write(&out, &KEY, &example(), &image, 500).unwrap();
        let mut bytes = Vec::new();
        out.rewind().unwrap();
        out.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn reread(bytes: &[u8], key: &[u8; 32]) -> Option<PackedPath> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(&mut file, key, BLOCK).unwrap()
    }

    #[test]
    fn is_read_as_it_was_written() {
        let bytes = written();
        assert_eq!(bytes[..300], [9; 300]);
        assert_eq!(reread(&bytes, &KEY), Some(example()));
        assert_eq!(reread(&bytes, &[8; 32]), None);
    }

    #[test]
    fn one_changed_byte_or_a_cut_is_noticed_wherever_it_is() {
        let whole = written();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            assert_eq!(reread(&bytes, &KEY), None, "byte {at}");
            assert_eq!(reread(&whole[..at], &KEY), None, "cut at {at}");
        }
        assert_eq!(reread(&[&whole[..], b"x"].concat(), &KEY), None);
    }

    #[test]
    fn a_description_that_contradicts_itself_is_none() {
        let faults: [fn(&mut PackedPath); 3] = [
            |p| p.nodes = nodes([0, 2]),
            |p| p.nodes = PathWalk::default().finish(),
            |p| drop(p.run.contents.pop()),
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut packed = example();
            fault(&mut packed);
            assert_eq!(understand(&describe(&packed), 300), None, "fault {number}");
        }
        let sound = describe(&example());
        assert_eq!(understand(&sound, 300), Some(example()));
        for at in 0..sound.len() {
            assert_eq!(understand(&sound[..at], 300), None, "cut at {at}");
        }
    }
}
