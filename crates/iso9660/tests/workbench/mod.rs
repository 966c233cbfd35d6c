//! A tree with a bit of everything, and the judges.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(unreachable_pub, missing_docs, reason = "a part of test binaries")]

use std::io::{Cursor, Read, Write as _};
use std::path::Path;
use std::process::Command;

use flk_iso9660::{
    Attributes, BiosBoot, BootCode, Content, Disk, EfiBoot, Guid, Image, Kind, Node, Options,
    Special, Time, Tree, write,
};

/// 2001-02-03T04:05:06Z.
pub const TIME: Time = Time(981_173_106);

/// Bytes that follow from a seed (a xorshift generator's).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn attributes(mode: u32) -> Attributes {
    Attributes::root(mode, TIME)
}

/// Names, links and devices of all kinds, and files to boot.
pub fn sample() -> Tree {
    let mut tree = Tree::new(attributes(0o755));
    let file = |tree: &mut Tree, path: &[u8], mode, bytes: Vec<u8>| {
        let content = Content::bytes(bytes);
        tree.insert_file(path, attributes(mode), content).unwrap();
    };
    file(
        &mut tree,
        b"/isolinux/isolinux.bin",
        0o444,
        noise(1, 24_577),
    );
    file(&mut tree, b"/boot/efi.img", 0o444, noise(2, 1_474_560));
    file(&mut tree, b"/empty", 0o600, Vec::new());
    file(
        &mut tree,
        b"/it's a \"name\"=\\ of [odd] *?",
        0o4755,
        noise(3, 2048),
    );
    file(
        &mut tree,
        "/größe/日本語 😀.txt".as_bytes(),
        0o444,
        noise(4, 2049),
    );
    file(&mut tree, b"/\xff\xfe not UTF-8", 0o444, noise(5, 1));
    file(
        &mut tree,
        &[b"/", &[b'n'; 255][..]].concat(),
        0o444,
        noise(6, 10),
    );
    file(&mut tree, &b"/deep".repeat(40), 0o444, b"deep\n".to_vec());
    for number in 0..300 {
        let path = format!("/many/a name that is longer than thirty characters {number}.txt");
        file(&mut tree, path.as_bytes(), 0o444, vec![b'x'; number]);
    }
    // xorriso takes no targets of more than 1023 bytes.
    let long_target = "a component of some length/".repeat(28) + &"c".repeat(255);
    for (path, target) in [
        ("/link", "boot/efi.img"),
        ("/links/absolute", "/nix/store"),
        ("/links/root", "/"),
        ("/links/up", "../../.././x/.."),
        ("/links/odd", "//a//b/"),
        ("/links/long", &long_target),
    ] {
        let link = Node::Link {
            attributes: attributes(0o777),
            target: target.as_bytes().to_vec(),
        };
        tree.insert(path.as_bytes(), link).unwrap();
    }
    for (path, special) in [
        ("/special/fifo", Special::Fifo),
        ("/special/socket", Special::Socket),
        ("/special/null", Special::Character(1, 3)),
        ("/special/disk", Special::Block(259, 1_048_575)),
    ] {
        let attributes = Attributes {
            uid: 1000,
            gid: 100,
            ..attributes(0o640)
        };
        let node = Node::Special {
            attributes,
            special,
        };
        tree.insert(path.as_bytes(), node).unwrap();
    }
    tree
}

/// Boots by BIOS and UEFI, from CD and disk.
pub fn bootable() -> Options {
    let mut options = Options::new("flk-Sample");
    options.application_id = "FLK BUILD=00112233445566778899AABBCCDDEEFF".into();
    options.time = TIME;
    options.boot.bios = Some(BiosBoot::isolinux(*b"/isolinux/isolinux.bin"));
    options.boot.efi = Some(EfiBoot {
        image: b"/boot/efi.img".to_vec(),
    });
    options.boot.disk = Some(Disk {
        guid: Guid::of_digest(*b"0123456789abcdef"),
        code: Some(BootCode::new(noise(9, 432))),
    });
    options
}

/// The image of a tree.
pub fn image(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let written = write(tree, options, &mut out).unwrap();
    let bytes = out.into_inner();
    assert_eq!(written.length, bytes.len() as u64);
    bytes
}

/// The tree that an image has, with contents in memory; all of them are numbered in the order of the walk.
pub fn read_back(bytes: &[u8]) -> Result<Tree, flk_iso9660::Error> {
    let mut image = Image::open(Cursor::new(bytes))?;
    let at = |entry: &flk_iso9660::Entry| Attributes {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        time: entry.time.unwrap_or(Time(0)),
    };
    let mut tree = Tree::new(at(image.root()));
    let mut walk = image.walk();
    while let Some((path, entry)) = walk.next(&mut image)? {
        let path = path.to_vec();
        let attributes = at(&entry);
        let special = |special| Node::Special {
            attributes,
            special,
        };
        let node = match &entry.kind {
            Kind::Folder => Node::Folder(flk_iso9660::Folder {
                attributes,
                entries: Default::default(),
            }),
            Kind::File => {
                let mut bytes = Vec::new();
                let mut file = image.file(&entry)?.take(64 << 20);
                if file.read_to_end(&mut bytes).is_err() {
                    continue;
                }
                let content = tree.add(Content::bytes(bytes));
                Node::File {
                    attributes,
                    content,
                }
            }
            Kind::Link(target) => Node::Link {
                attributes,
                target: target.clone(),
            },
            Kind::Fifo => special(Special::Fifo),
            Kind::Socket => special(Special::Socket),
            Kind::Character(major, minor) => special(Special::Character(*major, *minor)),
            Kind::Block(major, minor) => special(Special::Block(*major, *minor)),
        };
        // A damaged image can have a name twice.
        let _ = tree.insert(&path, node);
    }
    Ok(tree)
}

/// Whether all these programs are there. Loud when one is not; in CI that is a failure.
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let there = Command::new(program).arg("--version").output().is_ok();
        assert!(
            there || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{program} is to be installed in CI, where nothing is skipped"
        );
        if !there {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
        }
        there
    })
}

/// What a program prints, both streams.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {all}");
    all
}

/// xorriso's name of a file.
pub fn dev(path: &Path) -> String {
    format!("stdio:{}", path.display())
}
