//! Images that break the format: no panic, no endless loop, no memory for what is only claimed, whatever bytes are changed.
//!
//! The same mutations each time; `fuzz/` looks further.

mod fixture;

use std::io::Read;

use fixture::*;
use flk_squashfs::{Codec, Device, Image, Kind, SUPERBLOCK_LEN, Section, Tree, dump};

/// A small tree that has every kind of inode in both forms, fragments, blocks, holes, an index and attributes.
fn small_tree() -> Tree<Vec<u8>> {
    let mut tree = Tree::new(folder().attributes);
    let set: flk_squashfs::Xattrs = [(b"user.name".to_vec(), b"value".to_vec())].into();
    let set = Some(std::sync::Arc::new(set));
    let device = Device { major: 8, minor: 1 };
    let kinds = [
        Kind::File(text(1, 9000)),
        Kind::File(vec![0; 5000]),
        Kind::File(b"tail".to_vec()),
        Kind::Symlink((*b"target").into()),
        Kind::BlockDevice(device),
        Kind::CharDevice(device),
        Kind::Fifo,
        Kind::Socket,
        Kind::directory(),
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut plain = node(kind, 0o644);
        tree.insert(ROOT, format!("plain {number}").as_bytes(), plain.clone())
            .unwrap();
        plain.attributes.xattrs = set.clone();
        tree.insert(ROOT, format!("with {number}").as_bytes(), plain)
            .unwrap();
    }
    let many = tree.insert(ROOT, b"many", folder()).unwrap();
    let target = tree.find([&b"plain 2"[..]]).unwrap();
    for number in 0..45 {
        let name = format!("{number:0220}");
        tree.link(many, name.as_bytes(), target).unwrap();
    }
    tree
}

/// Does all that can be done with an image. Whether it fails is of no interest.
fn exercise(bytes: &[u8]) {
    let Ok(image) = Image::open(bytes) else {
        return;
    };
    let _ = image.verify();
    let _ = dump(&image, 1000, &mut String::new());
    let _ = image.find([&b"many"[..], b"5"]);
    let _ = image.codec_options();
    let _ = image.inode_by_number(1);
    if let Ok(tree) = image.tree(1000) {
        let _ = tree.try_map(|file| {
            let mut content = Vec::new();
            let file = image.open_file(&file);
            file.take(1 << 20).read_to_end(&mut content)
        });
    }
}

/// Each byte of an image that is not compressed, where every structure can be reached, is changed in several ways.
#[test]
fn no_changed_byte_is_too_much() {
    let bytes = pack(&small_tree(), options(Codec::None, 4096));
    Image::open(bytes.as_slice()).unwrap().verify().unwrap();
    let used = Image::open(bytes.as_slice())
        .unwrap()
        .superblock()
        .bytes_used as usize;
    let tables = Image::open(bytes.as_slice())
        .unwrap()
        .superblock()
        .inode_table as usize;
    let mut changed = bytes.clone();
    for at in (0..SUPERBLOCK_LEN).chain(tables..used) {
        // Names are long, and one byte of them is like the other.
        if bytes[at] == b'0' && at % 64 != 0 {
            continue;
        }
        for value in [[0, 0xff][at % 2], bytes[at] ^ 1] {
            changed[at] = value;
            exercise(&changed);
        }
        changed[at] = bytes[at];
    }
}

#[test]
fn no_cut_image_is_too_much() {
    for codec in CODECS {
        let bytes = pack(&small_tree(), options(codec, 4096));
        let used = Image::open(bytes.as_slice())
            .unwrap()
            .superblock()
            .bytes_used as usize;
        for length in (0..used).step_by(7) {
            exercise(&bytes[..length]);
            assert!(
                Image::open(&bytes[..length]).is_err(),
                "{codec}, {length} of {used} bytes"
            );
        }
    }
}

/// Several bytes at a time, in images of every codec, and whole words that are likely to be a count or an offset.
#[test]
fn no_mutation_is_too_much() {
    for (seed, codec) in CODECS.into_iter().enumerate() {
        let bytes = pack(&small_tree(), options(codec, 4096));
        let numbers = noise(seed as u64 + 1, 8 * 6 * 200);
        let numbers: Vec<_> = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| u64::from_le_bytes(*b))
            .collect();
        for round in numbers.chunks(6) {
            let mut changed = bytes.clone();
            for number in round {
                let at = (number >> 16) as usize % (changed.len() - 4);
                match number % 3 {
                    0 => changed[at] = (number >> 8) as u8,
                    1 => changed[at..at + 4].fill(0xff),
                    _ => changed[at..at + 4]
                        .copy_from_slice(&((number >> 40) as u32 % 9000).to_le_bytes()),
                }
            }
            exercise(&changed);
        }
    }
}

/// A changed byte of content is found, by the codec or the length; of the tables, by `verify`.
#[test]
fn damage_is_said_with_its_place() {
    let bytes = pack(&small_tree(), options(Codec::Zstd(3), 4096));
    let image = Image::open(bytes.as_slice()).unwrap();
    let root = image.superblock().inode_table as usize;
    let mut changed = bytes.clone();
    changed[root + 2..root + 10].fill(0xaa);
    let error = Image::open(changed).unwrap().verify().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the squashfs is damaged at offset {root:#x}: a block cannot be decompressed")
    );
}

#[test]
fn folders_that_contain_themselves_come_to_an_end() {
    let mut tree = Tree::new(folder().attributes);
    let a = tree.insert(ROOT, b"a", folder()).unwrap();
    tree.insert(a, b"b", folder()).unwrap();
    let bytes = pack(&tree, options(Codec::None, 4096));
    let image = Image::open(bytes.as_slice()).unwrap();
    let a = image.find([&b"a"[..]]).unwrap().unwrap();
    let b = image.find([&b"a"[..], b"b"]).unwrap().unwrap();
    // The entry of `b` leads to `a` instead.
    let listing = image.superblock().directory_table as usize + 2;
    let offset = b.inode_offset().to_le_bytes();
    let at = (listing..bytes.len())
        .find(|at| bytes[at + 12..at + 14] == offset)
        .unwrap();
    let mut changed = bytes.clone();
    changed[at + 12..at + 14].copy_from_slice(&a.inode_offset().to_le_bytes());
    let image = Image::open(changed).unwrap();
    assert!(image.verify().is_err());
    assert!(
        image
            .tree(100)
            .unwrap_err()
            .to_string()
            .contains("contains itself")
    );
    let mut text = String::new();
    dump(&image, 50, &mut text).unwrap();
    assert!(text.ends_with("…\n"), "{text}");
}

trait InodeOffset {
    fn inode_offset(&self) -> u16;
}

impl InodeOffset for flk_squashfs::Inode {
    fn inode_offset(&self) -> u16 {
        self.reference.offset()
    }
}

#[test]
fn an_image_in_something_larger_is_read() {
    let bytes = pack(&small_tree(), options(Codec::Lz4, 4096));
    let mut larger = vec![7; 12_345];
    larger.extend_from_slice(&bytes);
    larger.extend_from_slice(&[7; 100]);
    let section = Section {
        inner: larger,
        start: 12_345,
        length: bytes.len() as u64,
    };
    Image::open(section).unwrap().verify().unwrap();
}

#[test]
fn what_is_dumped_is_what_is_there() {
    let mut tree = Tree::new(folder().attributes);
    let file_id = tree.insert(ROOT, b"file", file(noise(1, 5000))).unwrap();
    tree.link(ROOT, b"again", file_id).unwrap();
    tree.insert(ROOT, b"hole", file(vec![0; 8192])).unwrap();
    let mut attributed = file(b"x");
    attributed.attributes.xattrs = Some(std::sync::Arc::new(
        [(b"user.a".to_vec(), b"b\n".to_vec())].into(),
    ));
    tree.insert(ROOT, b"\xff", attributed).unwrap();
    let sub = tree.insert(ROOT, b"sub", folder()).unwrap();
    tree.insert(
        sub,
        b"link",
        node(Kind::Symlink((*b"../file").into()), 0o777),
    )
    .unwrap();
    let bytes = pack(&tree, options(Codec::None, 4096));
    let mut text = String::new();
    dump(&Image::open(bytes).unwrap(), 100, &mut text).unwrap();
    assert_eq!(text, include_str!("goldens/dump.txt"));
}
