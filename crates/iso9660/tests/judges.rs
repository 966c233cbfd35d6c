//! What others see in this crate's images: xorriso, sgdisk, 7-zip, isoinfo, and the crate gptman.

mod workbench;

use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use flk_iso9660::{Content, Folder, Node, Options, Special, Tree, begin};
use workbench::{TIME, attributes, bootable, dev, have, image, noise, output, sample};

/// Compares a folder on disk with one of a tree.
fn compare(tree: &Tree, folder: &Folder, on_disk: &Path) {
    let mut names: Vec<_> = fs::read_dir(on_disk)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    names.sort();
    assert_eq!(
        names,
        folder.entries.keys().cloned().collect::<Vec<_>>(),
        "{on_disk:?}"
    );
    for (name, node) in &folder.entries {
        let path = on_disk.join(std::ffi::OsStr::from_bytes(name));
        let metadata = fs::symlink_metadata(&path).unwrap();
        let wanted = node.attributes();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (wanted.uid, wanted.gid),
            "{path:?}"
        );
        if !metadata.is_symlink() {
            assert_eq!(metadata.mtime(), wanted.time.0, "{path:?}");
            assert_eq!(metadata.mode() & 0o7777, wanted.mode, "{path:?}");
        }
        match node {
            Node::Folder(folder) => compare(tree, folder, &path),
            Node::File { content, .. } => {
                let content = tree.content(*content).unwrap();
                assert!(
                    *content == Content::bytes(fs::read(&path).unwrap()),
                    "{path:?}"
                );
            }
            Node::Link { target, .. } => {
                // xorriso writes fewer slashes where there are several.
                let found = fs::read_link(&path).unwrap();
                let squeezed = |text: &[u8]| {
                    let text = String::from_utf8_lossy(text).replace("//", "/");
                    text.trim_end_matches('/').to_string()
                };
                assert_eq!(
                    squeezed(found.as_os_str().as_bytes()),
                    squeezed(target),
                    "{path:?}"
                );
            }
            Node::Special { special, .. } => {
                let kind = metadata.file_type();
                match special {
                    Special::Fifo => assert!(kind.is_fifo()),
                    Special::Socket => assert!(kind.is_socket()),
                    Special::Character(..) => assert!(kind.is_char_device()),
                    Special::Block(..) => assert!(kind.is_block_device()),
                }
            }
        }
    }
}

#[test]
fn xorriso_extracts_the_tree_that_was_written() {
    if !have(&["xorriso"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    let mut tree = sample();
    // Only root can make devices, and xorriso leaves sockets out.
    tree.root.entries.remove(&b"special"[..]);
    fs::write(&iso, image(&tree, &Options::new("X"))).unwrap();
    let to = dir.path().join("tree");
    output(
        "xorriso",
        &[
            "-no_rc",
            "-osirrox",
            "on",
            "-indev",
            &dev(&iso),
            "-extract",
            "/",
            to.to_str().unwrap(),
        ],
    );
    compare(&tree, &tree.root, &to);
    assert_eq!(fs::metadata(to).unwrap().mtime(), TIME.0);
}

#[test]
fn xorriso_sees_both_ways_to_boot_from_both_kinds_of_medium() {
    if !have(&["xorriso"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    fs::write(&iso, image(&sample(), &bootable())).unwrap();
    let report = output(
        "xorriso",
        &[
            "-no_rc",
            "-indev",
            &dev(&iso),
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
            "-pvd_info",
        ],
    );
    for expected in [
        "Volume id    : 'flk-Sample'",
        "El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4 ",
        "El Torito boot img :   2  UEFI  y   none  0x0000  0x00   2880         512",
        "El Torito img path :   1  /isolinux/isolinux.bin",
        "El Torito img opts :   1  boot-info-table",
        "El Torito img path :   2  /boot/efi.img",
        "System area summary: MBR cyl-align-off GPT",
        "MBR partition      :   1   0x80  0x00            0            1",
        "MBR partition      :   2   0x00  0xee            1",
        "GPT partition path :   1  /boot/efi.img",
        "GPT type GUID      :   1  28732ac11ff8d211ba4b00a0c93ec93b",
        "GPT start and size :   1  2048  2880",
        "App Id       : FLK BUILD=00112233445566778899AABBCCDDEEFF",
        "Creation Time: 2001020304050600",
    ] {
        assert!(
            report.contains(expected),
            "{expected} is missing in\n{report}"
        );
    }
    for wrong in ["GPT backup", "overlap", "damaged", "SORRY", "WARNING"] {
        assert!(!report.contains(wrong), "{wrong} is in\n{report}");
    }
}

#[test]
fn sgdisk_and_gptman_find_no_fault_with_the_table() {
    let bytes = image(&sample(), &bootable());
    let table = gptman::GPT::read_from(&mut Cursor::new(&bytes), 512).unwrap();
    assert_eq!(table.header.backup_lba, bytes.len() as u64 / 512 - 1);
    let esp = &table[1];
    assert_eq!(esp.partition_name.as_str(), "EFI system");
    let place = esp.starting_lba as usize * 512;
    assert!(bytes[place..][..1_474_560] == noise(2, 1_474_560));
    // The backup is as good.
    let mut without = bytes.clone();
    without[512..1024].fill(0);
    let backup = gptman::GPT::read_from(&mut Cursor::new(&without), 512).unwrap();
    assert_eq!(backup[1], *esp);

    if !have(&["sgdisk"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    fs::write(&iso, &bytes).unwrap();
    let report = output("sgdisk", &["-v", "-p", iso.to_str().unwrap()]);
    assert!(report.contains("No problems found"), "{report}");
    for wrong in ["overlap", "hybrid", "begin on a", "backup"] {
        assert!(!report.contains(wrong), "{wrong} is in\n{report}");
    }
}

#[test]
fn seven_zip_reads_the_names_for_windows() {
    if !have(&["7z"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    let mut tree = Tree::new(attributes(0o755));
    for path in ["/größe/日本語.txt", "/a name with spaces/b", "/README"] {
        let content = Content::bytes(path);
        tree.insert_file(path.as_bytes(), attributes(0o444), content)
            .unwrap();
    }
    fs::write(&iso, image(&tree, &Options::new("X"))).unwrap();
    let to = dir.path().join("tree");
    let out = format!("-o{}", to.display());
    output("7z", &["x", "-tiso", &out, iso.to_str().unwrap()]);
    for path in ["größe/日本語.txt", "a name with spaces/b", "README"] {
        let found = fs::read_to_string(to.join(path)).unwrap();
        assert_eq!(found, format!("/{path}"));
    }
    let test = output("7z", &["t", "-tiso", iso.to_str().unwrap()]);
    assert!(test.contains("Everything is Ok"), "{test}");
}

#[test]
fn a_file_of_many_gigabytes_is_the_same_for_xorriso() {
    if !have(&["xorriso"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    let mut tree = Tree::new(attributes(0o755));
    let most = 20 << 30;
    let content = Content::streamed(most).aligned(1 << 20);
    tree.insert_file(b"/store", attributes(0o444), content)
        .unwrap();
    tree.insert_file(b"/a", attributes(0o444), Content::bytes("a"))
        .unwrap();
    let mut options = bootable();
    options.boot = Default::default();
    let mut file = File::create_new(&iso).unwrap();
    let mut writing = begin(&tree, &options, &mut file).unwrap();
    let place = writing.next().unwrap();
    assert_eq!((place.offset % (1 << 20), place.most), (0, most));
    // Holes, with something at the ends of the extents.
    let length = 9 * (1 << 30) + 12_345;
    let marks = [
        0,
        (1 << 32) - 2050,
        (1 << 32) + 7,
        (2 << 32) - 4099,
        length - 6,
    ];
    for mark in marks {
        file.seek(SeekFrom::Start(place.offset + mark)).unwrap();
        std::io::Write::write_all(&mut file, b"marked").unwrap();
    }
    writing.done(length, &mut file).unwrap();
    let written = writing.finish(&mut file).unwrap();
    assert_eq!(fs::metadata(&iso).unwrap().len(), written.length);

    let listing = output(
        "xorriso",
        &[
            "-no_rc",
            "-indev",
            &dev(&iso),
            "-find",
            "/",
            "-exec",
            "report_lba",
            "--",
        ],
    );
    // Three extents: two of 4 GiB - 2 KiB, and the rest.
    let extents: Vec<&str> = listing
        .lines()
        .filter(|line| line.ends_with("'/store'"))
        .collect();
    assert_eq!(extents.len(), 3, "{listing}");
    let to = dir.path().join("part");
    output(
        "xorriso",
        &[
            "-no_rc",
            "-osirrox",
            "on",
            "-indev",
            &dev(&iso),
            "-extract_cut",
            "/store",
            &format!("{}", (1_u64 << 32) - 4096),
            "8192",
            to.to_str().unwrap(),
        ],
    );
    let part = fs::read(&to).unwrap();
    assert_eq!(part[2046..2052], *b"marked");
    assert_eq!(part[4103..4109], *b"marked");

    let mut image = flk_iso9660::Image::open(File::open(&iso).unwrap()).unwrap();
    let store = image.find(b"/store").unwrap().unwrap();
    assert_eq!((store.length(), store.extents.len()), (length, 3));
    assert_eq!(image.find(b"a").unwrap().unwrap().length(), 1);
}

#[test]
fn isovfy_finds_no_errors_and_isoinfo_lists_the_same() {
    if !have(&["isovfy", "isoinfo"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("x.iso");
    let mut tree = sample();
    // isovfy has room for names and targets of some hundred bytes, and crashes.
    tree.root.entries.retain(|name, _| name.len() < 100);
    tree.root.entries.remove(&b"links"[..]);
    fs::write(&iso, image(&tree, &bootable())).unwrap();
    let iso = iso.to_str().unwrap();
    let verdict = output("isovfy", &[iso]);
    assert!(verdict.contains("No errors found"), "{verdict}");

    let about = output("isoinfo", &["-d", "-i", iso]);
    for expected in [
        "Volume id: flk-Sample",
        "Joliet with UCS level 3 found",
        "Rock Ridge signatures version 1 found",
        "Nsect 4",
    ] {
        assert!(
            about.contains(expected),
            "{expected} is missing in\n{about}"
        );
    }
    let listed = output("isoinfo", &["-R", "-f", "-i", iso]);
    for number in 0..300 {
        let path = format!("/many/a name that is longer than thirty characters {number}.txt");
        assert!(listed.lines().any(|line| line == path), "{path}");
    }
    let places = output("isoinfo", &["-R", "-l", "-i", iso]);
    assert!(
        places.contains("1474560 Feb  3 2001 [    512 00]  efi.img"),
        "{places}"
    );
}
