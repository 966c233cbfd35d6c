//! The bytes of an image are what they were when this was written: a change of them is to be meant.

mod workbench;

use std::io::Cursor;

use flk_iso9660::{Attributes, Content, Image, Names, Node, Time, Tree, dump};
use workbench::{bootable, image, noise};

fn tree() -> Tree {
    let at = |mode| Attributes::root(mode, Time(1));
    let mut tree = Tree::new(at(0o755));
    for (path, mode, bytes) in [
        (&b"/isolinux/isolinux.bin"[..], 0o444, noise(1, 4096)),
        (b"/boot/efi.img", 0o444, noise(2, 10_000)),
        (b"/flk/key", 0o600, b"secret\n".to_vec()),
        (b"/\xff and \"more\"", 0o555, Vec::new()),
    ] {
        tree.insert_file(path, at(mode), Content::bytes(bytes))
            .unwrap();
    }
    let link = Node::Link {
        attributes: at(0o777),
        target: b"../boot/efi.img".to_vec(),
    };
    tree.insert(b"/flk/link", link).unwrap();
    tree
}

#[test]
fn a_small_image_has_these_bytes() {
    let mut options = bootable();
    options.time = Time(1);
    let bytes = image(&tree(), &options);
    let mut opened = Image::open(Cursor::new(&bytes)).unwrap();
    let text = dump(&mut opened).unwrap();
    assert_eq!(text, EXPECTED);
    assert_eq!(crc32fast::hash(&bytes), 0x48ef_759b, "{text}");

    let mut plain = Image::open_as(Cursor::new(&bytes), Names::Plain).unwrap();
    let mut names = Vec::new();
    let mut walk = plain.walk();
    while let Some((path, _)) = walk.next(&mut plain).unwrap() {
        names.push(String::from_utf8(path.to_vec()).unwrap());
    }
    let expected = [
        "/BOOT",
        "/BOOT/EFI.IMG",
        "/FLK",
        "/FLK/KEY",
        "/FLK/LINK",
        "/ISOLINUX",
        "/ISOLINUX/ISOLINUX.BIN",
        "/__AND__MORE_",
    ];
    assert_eq!(names, expected);
}

const EXPECTED: &str = r#"volume "flk-Sample" application "FLK BUILD=00112233445566778899AABBCCDDEEFF" blocks 528 of 2048 created 1970-01-01T00:00:01Z names RockRidge joliet "flk-Sample"
boot Bios bootable true emulation 0 sectors 4 block 34 info Some((34, 4096))
boot Efi bootable true emulation 0 sectors 20 block 512 info None
mbr signature 33323130 starts Some(136)
mbr 1 active true type 00 start 0 sectors 1
mbr 2 active false type ee start 1 sectors 2111
gpt guid 33323130-3534-8736-B839-616263646566 at 1 other 2111 entries 128 at 2
gpt partition "EFI system" type C12A7328-F81F-11D2-BA4B-00A0C93EC93B guid 33323130-3534-8736-B839-616263646567 sectors 2048 to 2067
backup guid 33323130-3534-8736-B839-616263646566 at 2111 other 1 entries 128 at 2079
backup partition "EFI system" type C12A7328-F81F-11D2-BA4B-00A0C93EC93B guid 33323130-3534-8736-B839-616263646567 sectors 2048 to 2067
d0755 0:0 5 1970-01-01T00:00:01Z / 51200+2048
d0755 0:0 2 1970-01-01T00:00:01Z /boot 53248+2048
-0444 0:0 1 1970-01-01T00:00:01Z /boot/efi.img 1048576+10000
d0755 0:0 2 1970-01-01T00:00:01Z /flk 55296+2048
-0600 0:0 1 1970-01-01T00:00:01Z /flk/key 1058816+7
l0777 0:0 1 1970-01-01T00:00:01Z /flk/link -> ../boot/efi.img
d0755 0:0 2 1970-01-01T00:00:01Z /isolinux 57344+2048
-0444 0:0 1 1970-01-01T00:00:01Z /isolinux/isolinux.bin 69632+4096
-0555 0:0 1 1970-01-01T00:00:01Z /\xff and \"more\" 0+0
"#;
