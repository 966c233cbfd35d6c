//! What is written is read again; the same tree gives the same bytes; runs can be moved from image to image.

mod fixture;

use std::io::{Cursor, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use fixture::*;
use flk_squashfs::{Attributes, Codec, Device, Fragments, Image, Kind, Node, NodeId, Tree, Writer};
use proptest::prelude::*;

#[test]
fn every_codec_is_read_again() {
    for codec in CODECS {
        for fragments in [Fragments::Never, Fragments::SmallFiles, Fragments::Tails] {
            let mut options = options(codec, 4096);
            options.fragments = fragments;
            let packed = tree(4096, true);
            let bytes = pack(&packed, options);
            let image = Image::open(bytes).unwrap();
            let report = image.verify().unwrap();
            assert_eq!(report.inodes, packed.len() as u64);
            assert_same(&packed, &unpack(&image));
        }
    }
}

/// Of the fixture's image. They may change when a codec's version does, and then each codec's for itself; the one without a codec may not.
const DIGESTS: [&str; 5] = [
    "none 26ddcc39a1d92ffb",
    "gzip:6 18c9171874c50b19",
    "xz db10c67eec22c3ae",
    "lz4 4fc2a6c646576098",
    "zstd:3 7d54399c8dded606",
];

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let digest = |codec, threads| {
        let mut options = options(codec, 16 << 10);
        options.threads = NonZeroUsize::new(threads).unwrap();
        let bytes = pack(&tree(16 << 10, true), options);
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    };
    let mut digests = Vec::new();
    for codec in CODECS {
        let one = digest(codec, 1);
        for threads in [2, 5] {
            assert_eq!(
                digest(codec, threads),
                one,
                "{codec} with {threads} threads"
            );
        }
        digests.push(format!("{codec} {one}"));
    }
    assert_eq!(digests, DIGESTS);
}

#[test]
fn equal_files_are_stored_once() {
    let content = noise(7, 100_000);
    let mut twice = Tree::new(folder().attributes);
    twice.insert(ROOT, b"a", file(content.clone())).unwrap();
    let once = pack(&twice, options(Codec::Zstd(1), 4096)).len();
    twice.insert(ROOT, b"b", file(content.clone())).unwrap();
    twice.insert(ROOT, b"c", file(noise(8, 100_000))).unwrap();
    let deduped = pack(&twice, options(Codec::Zstd(1), 4096)).len();
    assert!(deduped < once + 101_000, "{once}, {deduped}");
    let mut options = options(Codec::Zstd(1), 4096);
    options.dedupe = false;
    let all = pack(&twice, options).len();
    assert!(all > deduped + 90_000, "{deduped}, {all}");
}

/// What a cache does: runs are packed into one image, and copied into another.
#[test]
fn runs_are_moved_without_unpacking() {
    let files = [
        text(1, 20_000),
        text(2, 100),
        vec![0; 9000],
        noise(3, 5000),
        Vec::new(),
    ];
    let other = text(4, 30_000);
    let attributes = |_| folder().attributes;
    let mut options = options(Codec::Zstd(5), 4096);
    options.run_alignment = 4096;

    let mut first = Writer::new(Cursor::new(Vec::new()), options.clone()).unwrap();
    let mut tree = Tree::new(attributes(()));
    let node = |kind| Node {
        attributes: attributes(()),
        kind,
    };
    let run = first.begin_run().unwrap();
    for (number, content) in files.iter().enumerate() {
        let id = first.pack(content).unwrap();
        assert_eq!((id.run(), id.index()), (run, number as u32));
        let name = format!("{number}");
        tree.insert(ROOT, name.as_bytes(), node(Kind::File(id)))
            .unwrap();
    }
    let second_run = first.begin_run().unwrap();
    let id = first.pack(&other).unwrap();
    // Equal files are looked for in their own run only: a run must not lean on another.
    let again = first.pack(&files[0]).unwrap();
    assert_eq!(again.run(), second_run);
    tree.insert(ROOT, b"other", node(Kind::File(id))).unwrap();
    tree.insert(ROOT, b"zero", node(Kind::File(again))).unwrap();
    first.flush().unwrap();
    let mut runs = Vec::new();
    while let Some((id, range, run)) = first.next_packed() {
        assert_eq!(range.start % 4096, 0);
        runs.push((id, range, run.clone()));
    }
    assert_eq!(runs.len(), 2);
    let (out, superblock) = first.finish(&tree).unwrap();
    let mut cold = out.into_inner();
    cold[..96].copy_from_slice(&superblock.to_bytes());

    // Warm: the first run is copied, the second packed.
    let mut warm = Writer::new(Cursor::new(Vec::new()), options.clone()).unwrap();
    let (_, range, run) = runs[0].clone();
    let part = &cold[range.start as usize..range.end as usize];
    let copied = warm.append(run, |out| out.write_all(part)).unwrap();
    assert_eq!(copied, runs[0].0);
    warm.begin_run().unwrap();
    warm.pack(&other).unwrap();
    warm.pack(&files[0]).unwrap();
    let (out, superblock) = warm.finish(&tree).unwrap();
    let mut bytes = out.into_inner();
    bytes[..96].copy_from_slice(&superblock.to_bytes());
    assert!(
        bytes == cold,
        "a copied run gives other bytes than a packed one"
    );

    // The other way round: everything moves, and is still what it was.
    let mut moved = Writer::new(Cursor::new(Vec::new()), options).unwrap();
    let mut ids = std::collections::HashMap::new();
    for (id, range, run) in runs.into_iter().rev() {
        let part = cold[range.start as usize..range.end as usize].to_vec();
        let new = moved.append(run, move |out| out.write_all(&part)).unwrap();
        ids.insert(id, new);
    }
    let tree = tree
        .try_map(|id| Ok::<_, ()>(ids[&id.run()].content(id.index())))
        .unwrap();
    let (out, superblock) = moved.finish(&tree).unwrap();
    let mut bytes = out.into_inner();
    bytes[..96].copy_from_slice(&superblock.to_bytes());
    let image = Image::open(bytes).unwrap();
    image.verify().unwrap();
    let read = unpack(&image);
    for (name, content) in [
        (&b"0"[..], &files[0]),
        (b"1", &files[1]),
        (b"2", &files[2]),
        (b"3", &files[3]),
        (b"4", &files[4]),
        (b"other", &other),
        (b"zero", &files[0]),
    ] {
        let id = read.find([name]).unwrap();
        assert!(
            read.node(id).kind == Kind::File(content.clone()),
            "{name:?}"
        );
    }
}

#[test]
fn a_run_that_contradicts_itself_is_not_taken() {
    let mut writer = Writer::new(Vec::new(), options(Codec::Lz4, 4096)).unwrap();
    let run = flk_squashfs::Run {
        length: 1,
        contents: vec![flk_squashfs::Content {
            size: 5000,
            ..Default::default()
        }],
        fragments: Vec::new(),
    };
    let error = writer.append(run, |_| Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a packed run cannot be used: a file has more or fewer blocks than its size needs"
    );
}

#[test]
fn a_file_that_changes_or_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone");
    let mut writer = Writer::new(Vec::new(), options(Codec::Lz4, 4096)).unwrap();
    let error = writer.pack(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}, which is to be packed", path.display())
    );

    struct Liar(u64);
    impl flk_squashfs::Source for Liar {
        fn length(&self) -> std::io::Result<u64> {
            Ok(self.0)
        }
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
            Ok(Box::new(&[1; 10_000][..]))
        }
        fn name(&self) -> std::borrow::Cow<'_, str> {
            "liar".into()
        }
    }
    for (length, found) in [
        (9_999, 10_000),
        (10_001, 10_000),
        (8192, 8193),
        (20_000, 10_000),
    ] {
        let error = writer.pack(&Liar(length)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "liar changed while it was packed: it was {length} bytes long, and then {found}; pack it when nothing writes to it"
            )
        );
    }
}

#[test]
fn a_full_disk_is_told() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for room in [10, 1000, 30_000] {
        let result = Writer::new(Full(room), options(Codec::None, 4096)).and_then(|mut writer| {
            let id = writer.pack(&noise(1, 20_000))?;
            let mut tree = Tree::new(folder().attributes);
            for number in 0..1000 {
                let node = Node {
                    attributes: folder().attributes,
                    kind: Kind::File(id),
                };
                let name = format!("{number}");
                tree.insert(ROOT, name.as_bytes(), node)?;
            }
            writer.finish(&tree).map(|_| ())
        });
        let error = result.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot write the squashfs image at offset"),
            "{error}"
        );
    }
}

/// What a step of the property adds to a tree.
#[derive(Debug, Clone)]
struct Step {
    parent: usize,
    name: Vec<u8>,
    kind: Kind<Vec<u8>>,
    attributes: Attributes,
    link: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![
        4 => "[a-z]{1,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(1u8..=255, 1..=255),
    ];
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        (any::<u64>(), 0usize..20_000).prop_map(|(seed, length)| text(seed, length)),
        (any::<u64>(), 0usize..9000).prop_map(|(seed, length)| noise(seed, length)),
        (0usize..20_000).prop_map(|length| vec![0; length]),
        (0usize..4).prop_map(|blocks| text(1, blocks * 4096)),
    ];
    let device = || (0u32..4096, 0u32..1 << 20).prop_map(|(major, minor)| Device { major, minor });
    let kind = prop_oneof![
        4 => Just(Kind::directory()),
        8 => content.prop_map(Kind::File),
        2 => prop::collection::vec(1u8..=255, 1..300).prop_map(|target| Kind::Symlink(target.into())),
        1 => device().prop_map(Kind::BlockDevice),
        1 => device().prop_map(Kind::CharDevice),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
    ];
    let xattrs = prop::collection::btree_map(
        "(user|trusted|security)\\.[a-z]{1,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
        1..4,
    );
    let attributes = (
        0u16..=0o7777,
        any::<u32>(),
        0u32..5,
        any::<u32>(),
        prop::option::weighted(0.2, xattrs),
    )
        .prop_map(|(permissions, uid, gid, mtime, xattrs)| Attributes {
            permissions,
            uid,
            gid,
            mtime,
            xattrs: xattrs.map(Arc::new),
        });
    (
        any::<usize>(),
        name,
        kind,
        attributes,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(parent, name, kind, attributes, link)| Step {
            parent,
            name,
            kind,
            attributes,
            link,
        })
}

/// Steps that a tree refuses (a name that is taken, a slash) are left out.
fn build(steps: Vec<Step>) -> Tree<Vec<u8>> {
    let mut tree = Tree::new(folder().attributes);
    let mut folders = vec![ROOT];
    let mut others: Vec<NodeId> = Vec::new();
    for step in steps {
        let parent = folders[step.parent % folders.len()];
        if step.link && !others.is_empty() {
            let target = others[step.parent % others.len()];
            let _ = tree.link(parent, &step.name, target);
            continue;
        }
        let is_folder = matches!(step.kind, Kind::Directory(_));
        let node = Node {
            attributes: step.attributes,
            kind: step.kind,
        };
        if let Ok(id) = tree.insert(parent, &step.name, node) {
            if is_folder {
                folders.push(id)
            } else {
                others.push(id)
            }
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_as_it_was_written(
        steps in prop::collection::vec(step(), 0..60),
        codec in prop::sample::select(CODECS.to_vec()),
        block_size in prop::sample::select(vec![4096u32, 8192, 1 << 17]),
        fragments in prop::sample::select(vec![Fragments::Never, Fragments::SmallFiles, Fragments::Tails]),
    ) {
        let tree = build(steps);
        let mut options = options(codec, block_size);
        options.fragments = fragments;
        let image = Image::open(pack(&tree, options)).unwrap();
        let report = image.verify().unwrap();
        prop_assert_eq!(report.inodes, tree.len() as u64);
        assert_same(&tree, &unpack(&image));
    }
}
