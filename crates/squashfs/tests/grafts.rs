//! A tree of which parts are made while their tables are written gives the image of the whole tree.

mod fixture;

use std::collections::HashMap;
use std::io::Cursor;

use fixture::*;
use flk_squashfs::{
    Attributes, Codec, ContentId, Error, Grafts, Image, Kind, Node, NodeId, Options, Result,
    Subtree, Tree, Writer,
};

/// A tree that says that it has so many inodes.
struct Kept {
    inodes: u32,
    tree: Tree<ContentId>,
    grafts: Grafts<'static>,
}

impl Kept {
    fn of(tree: Tree<ContentId>) -> Box<Kept> {
        Box::new(Kept {
            inodes: tree.len() as u32,
            tree,
            grafts: Grafts::new(),
        })
    }
}

impl Subtree for Kept {
    fn inodes(&self) -> u32 {
        self.inodes
    }

    fn expand<'g>(self: Box<Self>) -> Result<(Tree<ContentId>, Grafts<'g>)>
    where
        Self: 'g,
    {
        Ok((self.tree, self.grafts))
    }
}

type Place<'p> = &'p [&'p [u8]];

/// Where there are parts: between other entries, within folders, and next to each other.
const PLACES: [Place<'_>; 4] = [
    &[b"b"],
    &[b"d", b"deep", b"grafted"],
    &[b"d", b"deep", b"next"],
    &[b"z"],
];

/// The parts: one with everything, its attributes odd; small ones; one without anything.
fn parts() -> [Tree<Vec<u8>>; 4] {
    let mut odd = tree(4096, true);
    odd.link(ROOT, b"again", odd.find([&b"small"[..]]).unwrap())
        .unwrap();
    let mut small = Tree::new(Attributes {
        permissions: 0o1777,
        uid: 77,
        ..folder().attributes
    });
    let sub = small.insert(ROOT, b"sub", folder()).unwrap();
    let linked = small.insert(sub, b"file", file(b"a file")).unwrap();
    small.insert(sub, b"sub", folder()).unwrap();
    small.link(ROOT, b"file", linked).unwrap();
    let empty = Tree::new(Attributes {
        permissions: 0o700,
        ..folder().attributes
    });
    [small.clone(), odd, small, empty]
}

/// What is around them: files before, between and behind, one of them with two names, and folders.
fn around() -> Tree<Vec<u8>> {
    let mut tree = Tree::new(folder().attributes);
    let mut add = |parent, name: &[u8], node| tree.insert(parent, name, node).unwrap();
    add(ROOT, b"a", file(text(1, 5000)));
    add(ROOT, b"c", folder());
    let middle = add(ROOT, b"d", folder());
    let deep = add(middle, b"deep", folder());
    let linked = add(deep, b"f", file(b"two names"));
    add(deep, b"o", folder());
    tree.link(ROOT, b"e", linked).unwrap();
    tree
}

/// Copies a tree into a folder of another, which gets the attributes of its root.
fn copy<F: Clone>(from: &Tree<F>, to: &mut Tree<F>, place: Place<'_>) {
    let (name, folders) = place.split_last().unwrap();
    let parent = to.find(folders.iter().copied()).unwrap();
    let root = to.insert(parent, name, from.node(ROOT).clone_empty());
    let mut known = HashMap::from([(ROOT, root.unwrap())]);
    let mut open = vec![ROOT];
    while let Some(folder) = open.pop() {
        for (name, id) in from.entries(folder) {
            let at = known[&folder];
            if let Some(known) = known.get(&id) {
                to.link(at, name, *known).unwrap();
                continue;
            }
            let copied = to.insert(at, name, from.node(id).clone_empty()).unwrap();
            known.insert(id, copied);
            open.push(id);
        }
    }
}

trait CloneEmpty {
    /// The same node; of a folder, one without entries.
    fn clone_empty(&self) -> Self;
}

impl<F: Clone> CloneEmpty for Node<F> {
    fn clone_empty(&self) -> Node<F> {
        let mut node = self.clone();
        if let Kind::Directory(entries) = &mut node.kind {
            entries.clear();
        }
        node
    }
}

/// Packs everything, each part in a run of its own.
#[allow(clippy::type_complexity, reason = "what a test needs of one image")]
fn packed(
    options: &Options,
) -> (
    Writer<'static, Cursor<Vec<u8>>>,
    Tree<ContentId>,
    [Tree<ContentId>; 4],
) {
    let mut writer = Writer::new(Cursor::new(Vec::new()), options.clone()).unwrap();
    let around = around().try_map(|source| writer.pack(&source)).unwrap();
    let parts = parts().map(|part| {
        writer.begin_run().unwrap();
        part.try_map(|source| writer.pack(&source)).unwrap()
    });
    (writer, around, parts)
}

fn finished(result: Result<(Cursor<Vec<u8>>, flk_squashfs::Superblock)>) -> Vec<u8> {
    let (out, superblock) = result.unwrap();
    let mut bytes = out.into_inner();
    bytes[..96].copy_from_slice(&superblock.to_bytes());
    bytes
}

/// Puts a folder in, which something else stands for: its own attributes are of no account.
fn stand_in(tree: &mut Tree<ContentId>, place: Place<'_>) -> NodeId {
    let (name, folders) = place.split_last().unwrap();
    let parent = tree.find(folders.iter().copied()).unwrap();
    let node = Node {
        attributes: Attributes::default(),
        kind: Kind::directory(),
    };
    tree.insert(parent, name, node).unwrap()
}

#[test]
fn the_image_is_that_of_the_whole_tree() {
    for (codec, exportable) in [(Codec::None, true), (Codec::Zstd(3), false)] {
        let mut options = options(codec, 4096);
        options.exportable = exportable;
        let (writer, mut whole, parts) = packed(&options);
        for (part, place) in parts.iter().zip(PLACES) {
            copy(part, &mut whole, place);
        }
        let expected = finished(writer.finish(&whole));

        let (writer, mut tree, parts) = packed(&options);
        let mut grafts = Grafts::new();
        for (part, place) in parts.into_iter().zip(PLACES) {
            grafts.insert(stand_in(&mut tree, place), Kept::of(part));
        }
        let bytes = finished(writer.finish_grafted(&tree, grafts));
        assert!(bytes == expected, "{codec}, {exportable}");

        let mut wanted = around();
        for (part, place) in crate::parts().iter().zip(PLACES) {
            copy(part, &mut wanted, place);
        }
        let image = Image::open(bytes).unwrap();
        image.verify().unwrap();
        assert_same(&wanted, &unpack(&image));
    }
}

#[test]
fn grafts_may_have_grafts() {
    let options = options(Codec::Zstd(3), 4096);
    let within: Place<'_> = &[b"sub", b"more"];
    let (writer, mut whole, [small, odd, ..]) = packed(&options);
    let mut both = small;
    copy(&odd, &mut both, within);
    copy(&both, &mut whole, PLACES[0]);
    let expected = finished(writer.finish(&whole));

    let (writer, mut tree, [mut small, odd, ..]) = packed(&options);
    let inner = stand_in(&mut small, within);
    let mut outer = Kept::of(small);
    outer.inodes += odd.len() as u32 - 1;
    outer.grafts.insert(inner, Kept::of(odd));
    let mut grafts = Grafts::new();
    grafts.insert(stand_in(&mut tree, PLACES[0]), outer);
    assert!(finished(writer.finish_grafted(&tree, grafts)) == expected);
}

/// The root itself may be what is made last.
#[test]
fn a_whole_image_can_be_grafted() {
    let options = options(Codec::Lz4, 4096);
    let (writer, _, [_, all, ..]) = packed(&options);
    let expected = finished(writer.finish(&all));
    let (writer, ..) = packed(&options);
    let grafts = Grafts::from([(ROOT, Kept::of(all) as Box<dyn Subtree>)]);
    let tree = Tree::new(Attributes::default());
    assert!(finished(writer.finish_grafted(&tree, grafts)) == expected);
}

#[test]
fn what_cannot_be_grafted_is_refused() {
    let options = options(Codec::None, 4096);
    let fault = |place: Place<'_>, inodes: u32| -> Error {
        let (writer, mut tree, [_, _, small, _]) = packed(&options);
        let found = tree.find(place.iter().copied());
        let id = found.unwrap_or_else(|| stand_in(&mut tree, place));
        let mut small = Kept::of(small);
        small.inodes = inodes;
        let grafts = Grafts::from([(id, small as Box<dyn Subtree>)]);
        writer.finish_grafted(&tree, grafts).err().unwrap()
    };
    let not_empty = "what stands for a folder's content stands for an empty folder, and counts it";
    let other = "it has more or fewer inodes than was said";
    for (place, inodes, reason) in [
        (&[&b"d"[..], b"deep"][..], 4, not_empty),
        (&[b"new"], 0, not_empty),
        (&[b"d", b"deep", b"o"], 3, other),
        (&[b"d", b"new"], 5, other),
    ] {
        let path = String::from_utf8(place.join(&b'/')).unwrap();
        assert_eq!(
            fault(place, inodes).to_string(),
            format!("{path} cannot be in a squashfs: {reason}")
        );
    }
    // A file stands for itself.
    let error = fault(&[b"a"], 4).to_string();
    assert!(error.ends_with(not_empty), "{error}");
    let error = fault(&[b"new"], u32::MAX).to_string();
    assert_eq!(error, "too many inodes for a squashfs: at most 4294967294");
}
