//! Any tree is read as it was written; the same tree gives the same bytes; a damaged image is an error, not a panic.

mod workbench;

use std::io::Cursor;

use flk_iso9660::{
    Attributes, Content, Error, Image, Layout, Names, Node, Options, Special, Time, Tree, begin,
    dump,
};
use proptest::prelude::*;
use workbench::{attributes, bootable, image, noise, read_back, sample};

/// Every path with all that is there.
fn shape(tree: &Tree) -> Vec<(Vec<u8>, Attributes, String)> {
    let mut found = vec![(Vec::new(), tree.root.attributes, "root".into())];
    let mut open = vec![(Vec::new(), &tree.root)];
    while let Some((path, folder)) = open.pop() {
        for (name, node) in &folder.entries {
            let path = [&path[..], b"/", name].concat();
            let what = match node {
                Node::Folder(folder) => {
                    open.push((path.clone(), folder));
                    "folder".into()
                }
                Node::File { content, .. } => format!("{:?}", tree.content(*content)),
                Node::Link { target, .. } => format!("{target:?}"),
                Node::Special { special, .. } => format!("{special:?}"),
            };
            found.push((path, *node.attributes(), what));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// All that a reader can be asked, with every kind of names.
fn look_at(bytes: &[u8]) {
    for names in [Names::RockRidge, Names::Joliet, Names::Plain] {
        let Ok(mut image) = Image::open_as(Cursor::new(bytes), names) else {
            continue;
        };
        let _ = dump(&mut image);
        let _ = image.boot_images();
        let _ = image.disk_tables();
        let _ = image.find(b"/many/a name that is longer than thirty characters 7.txt");
    }
    let _ = read_back(bytes);
}

fn small() -> Tree {
    let mut tree = Tree::new(attributes(0o755));
    for path in [
        &b"/boot/efi.img"[..],
        b"/isolinux/isolinux.bin",
        b"/a/b/c/d",
        b"/e",
    ] {
        let content = Content::bytes(noise(1, 3000));
        tree.insert_file(path, attributes(0o444), content).unwrap();
    }
    for name in [vec![b'l'; 255], b"/s".to_vec()] {
        let link = Node::Link {
            attributes: attributes(0o777),
            target: b"/some/where/".repeat(100),
        };
        tree.insert(&name, link).unwrap();
    }
    tree
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no part of names", |byte| *byte != 0 && *byte != b'/');
    prop_oneof![
        3 => "[a-zA-Z0-9._ -]{1,12}".prop_map(String::into_bytes),
        2 => "\\PC{1,20}".prop_map(|name| name.replace('/', "_").into_bytes()),
        1 => prop::collection::vec(byte, 1..256),
    ]
    .prop_map(|mut name| {
        name.truncate(255);
        name
    })
    .prop_filter("folders themselves", |name| name != b"." && name != b"..")
}

fn own_attributes() -> impl Strategy<Value = Attributes> {
    let time = -2_208_988_800_i64..=5_869_583_999;
    (0_u32..0o10000, any::<u32>(), any::<u32>(), time).prop_map(|(mode, uid, gid, time)| {
        Attributes {
            mode,
            uid,
            gid,
            time: Time(time),
        }
    })
}

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>),
    Folder,
    Link(Vec<u8>),
    Special(Special),
}

fn what() -> impl Strategy<Value = What> {
    let target = prop::collection::vec(1_u8..=255, 1..700);
    let slashes = prop::collection::vec(
        prop_oneof![Just("/"), Just("."), Just("a"), Just("//"), Just("..")],
        1..12,
    );
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..5000).prop_map(What::File),
        2 => Just(What::Folder),
        1 => target.prop_map(What::Link),
        1 => slashes.prop_map(|parts| What::Link(parts.concat().into_bytes())),
        1 => prop_oneof![
            Just(Special::Fifo),
            Just(Special::Socket),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Special::Character(major, minor)),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Special::Block(major, minor)),
        ].prop_map(What::Special),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let path = prop::collection::vec(name(), 1..5);
    let nodes = prop::collection::vec((path, own_attributes(), what()), 0..30);
    (own_attributes(), nodes).prop_map(|(root, nodes)| {
        let mut tree = Tree::new(root);
        for (path, attributes, what) in nodes {
            let node = match what {
                What::Folder => Node::Folder(flk_iso9660::Folder {
                    attributes,
                    entries: Default::default(),
                }),
                What::File(bytes) => Node::File {
                    attributes,
                    content: tree.add(Content::bytes(bytes)),
                },
                What::Link(target) => Node::Link { attributes, target },
                What::Special(special) => Node::Special {
                    attributes,
                    special,
                },
            };
            // A path that is taken stays as it is.
            let _ = tree.insert(&path.join(&b'/'), node);
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_as_it_was_written(tree in tree(), joliet: bool) {
        let mut options = Options::new("X");
        options.joliet = joliet;
        let bytes = image(&tree, &options);
        prop_assert!(bytes == image(&tree.clone(), &options));
        prop_assert_eq!(shape(&read_back(&bytes).unwrap()), shape(&tree));
        if joliet {
            let mut names = Image::open_as(Cursor::new(&bytes[..]), Names::Joliet).unwrap();
            let mut walk = names.walk();
            let mut count = 0;
            while walk.next(&mut names).unwrap().is_some() {
                count += 1;
            }
            prop_assert_eq!(count, shape(&tree).len() - 1);
        }
    }

    #[test]
    fn a_damaged_image_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        length in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = SMALL.with(Clone::clone);
        // What is behind it cannot be damaged so that it shows.
        let metadata = metadata(&bootable());
        for (at, value) in changes {
            bytes[at.index(metadata)] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(metadata));
        }
        look_at(&bytes);
    }
}

thread_local! {
    static SMALL: Vec<u8> = image(&small(), &bootable());
}

/// Bytes before the contents.
fn metadata(options: &Options) -> usize {
    Layout::of(&small(), options).unwrap().files_at().offset() as usize
}

#[test]
fn any_byte_of_the_metadata_may_be_wrong() {
    let mut options = bootable();
    // Nothing needs a megabyte of its own.
    options.boot.disk = None;
    let mut bytes = image(&small(), &options);
    let metadata = metadata(&options);
    let used: Vec<usize> = (16 * 2048..metadata).filter(|at| bytes[*at] != 0).collect();
    for at in used.into_iter().step_by(3) {
        let before = bytes[at];
        for value in [0xff, before.wrapping_add(1)] {
            bytes[at] = value;
            look_at(&bytes);
        }
        bytes[at] = before;
    }
    look_at(&bytes[..metadata]);
}

#[test]
fn the_longest_link_and_many_names_are_read_again() {
    let mut tree = Tree::new(attributes(0o755));
    let component = [b'c'; 255];
    let mut target = component.to_vec();
    while target.len() + 256 < 4096 {
        target.push(b'/');
        target.extend(component);
    }
    for length in [target.len(), 4000, 2048, 248, 249, 250] {
        let link = Node::Link {
            attributes: attributes(0o777),
            target: target[..length].to_vec(),
        };
        tree.insert(format!("/{length}").as_bytes(), link).unwrap();
    }
    // More than 65,536 of them, which differ where short names have no room.
    let content = tree.add(Content::bytes("one content"));
    for number in 0..70_000 {
        let file = Node::File {
            attributes: attributes(0o444),
            content,
        };
        let path = format!("/many/a name of more than thirty characters, {number}");
        tree.insert(path.as_bytes(), file).unwrap();
    }
    let bytes = image(&tree, &Options::new("X"));
    let read = read_back(&bytes).unwrap();
    assert!(shape(&read) == shape(&tree));
}

#[test]
fn folders_that_lead_back_are_found() {
    let mut tree = Tree::new(attributes(0o755));
    tree.insert_file(b"/a/b/c", attributes(0o444), Content::bytes("x"))
        .unwrap();
    let mut bytes = image(&tree, &Options::new("X"));
    let mut opened = Image::open(Cursor::new(&bytes)).unwrap();
    let a = opened.find(b"/a").unwrap().unwrap().extents[0].offset;
    let b = opened.find(b"/a/b").unwrap().unwrap().extents[0].offset;
    // The record of b in a, made to lead to a: its block number is where b's is.
    let needle = ((b / 2048) as u32).to_le_bytes();
    let records = &mut bytes[a as usize..][..2048];
    let at = records
        .windows(4)
        .position(|window| window == needle)
        .unwrap();
    records[at..at + 4].copy_from_slice(&((a / 2048) as u32).to_le_bytes());
    let mut opened = Image::open(Cursor::new(&bytes)).unwrap();
    let error = dump(&mut opened).unwrap_err();
    assert!(
        matches!(error, Error::Damaged { offset, what } if offset == a && what.contains("in itself")),
        "{error}"
    );
}

#[test]
fn a_streamed_file_is_as_if_it_had_been_there() {
    for length in [0, 1, 2048, 5000, 1 << 20] {
        let bytes = noise(7, length);
        let build = |content: Content| {
            let mut tree = sample();
            let id = tree
                .insert_file(b"/nix-store", attributes(0o444), content)
                .unwrap();
            (tree, id)
        };
        let (known, id) = build(Content::bytes(bytes.clone()).aligned(1 << 16));
        let expected = image(&known, &bootable());
        let (streamed, again) = build(Content::streamed(1 << 20).aligned(1 << 16));
        assert_eq!(id, again);
        let mut out = Cursor::new(Vec::new());
        let options = bootable();
        let mut writing = begin(&streamed, &options, &mut out).unwrap();
        let next = writing.next().unwrap();
        assert_eq!((next.content, next.most), (id, 1 << 20));
        if length > 0 {
            out.set_position(next.offset);
            std::io::Write::write_all(&mut out, &bytes).unwrap();
        }
        writing.done(length as u64, &mut out).unwrap();
        assert_eq!(writing.next(), None);
        let written = writing.finish(&mut out).unwrap();
        assert_eq!(written.place(id).unwrap().length, length as u64);
        let got = out.into_inner();
        let differs = got.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!((differs, got.len()), (None, expected.len()), "{length}");
    }
}

#[test]
fn what_is_streamed_keeps_its_promises() {
    let mut tree = small();
    tree.insert_file(b"/x", attributes(0o444), Content::streamed(9))
        .unwrap();
    let options = Options::new("X");
    let mut out = Cursor::new(Vec::new());
    let mut writing = begin(&tree, &options, &mut out).unwrap();
    assert!(matches!(
        writing.done(10, &mut out),
        Err(Error::Streamed { index: 0, .. })
    ));
    writing.done(9, &mut out).unwrap();
    assert!(matches!(
        writing.done(0, &mut out),
        Err(Error::Streamed { index: 1, .. })
    ));
    writing.finish(&mut out).unwrap();
    let error = flk_iso9660::write(&tree, &options, &mut out).unwrap_err();
    assert!(matches!(error, Error::Streamed { index: 0, .. }));
}

#[test]
fn room_for_metadata_leaves_contents_where_they_are() {
    let mut options = bootable();
    options.metadata_room = 1 << 18;
    let place = |tree: &Tree| {
        let mut image = Image::open(Cursor::new(image(tree, &options))).unwrap();
        image.find(b"/e").unwrap().unwrap().extents[0]
    };
    let before = place(&small());
    let mut more = small();
    for number in 0..100 {
        let link = Node::Link {
            attributes: attributes(0o777),
            target: b"x".to_vec(),
        };
        more.insert(format!("/links/{number}").as_bytes(), link)
            .unwrap();
    }
    assert_eq!(place(&more), before);
}

#[test]
fn what_cannot_be_on_an_image_is_told() {
    let plain = attributes(0o444);
    let late = Attributes {
        time: Time(5_869_584_000),
        ..plain
    };
    for (name, attributes, target) in [
        (vec![b'x'; 256], plain, &b"t"[..]),
        (b"a\0b".to_vec(), plain, b"t"),
        (b"..".to_vec(), plain, b"t"),
        (b"late".to_vec(), late, b"t"),
        (b"nowhere".to_vec(), plain, b""),
        (b"nul".to_vec(), plain, b"\0"),
    ] {
        let mut tree = small();
        let target = target.to_vec();
        let path = [b"/a/b/", &name[..]].concat();
        tree.insert(&path, Node::Link { attributes, target })
            .unwrap();
        let error = Layout::of(&tree, &Options::new("X")).unwrap_err();
        let expected = String::from_utf8_lossy(&path).into_owned();
        assert!(
            matches!(&error, Error::Node { path, .. } if *path == expected),
            "{error}"
        );
    }
    for (volume_id, time) in [("x".repeat(33), 0), ("ü".into(), 0), ("X".into(), i64::MAX)] {
        let mut options = Options::new(volume_id);
        options.time = Time(time);
        let error = Layout::of(&small(), &options).unwrap_err();
        assert!(matches!(error, Error::Option { .. }), "{error}");
    }
    for path in ["/nothing", "/a", "/empty"] {
        let mut tree = small();
        tree.insert_file(b"/empty", plain, Content::bytes(""))
            .unwrap();
        let mut options = bootable();
        options.boot.efi = Some(flk_iso9660::EfiBoot { image: path.into() });
        let error = Layout::of(&tree, &options).unwrap_err();
        assert!(matches!(error, Error::BootImage { .. }), "{error}");
    }
}
