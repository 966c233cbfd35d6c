//! What this crate's reader sees in the images of others.

mod workbench;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flk_iso9660::{Image, Kind, Names, dump};
use workbench::{have, noise, output};

/// A folder with names and depths that ECMA-119 does not have.
fn folder(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    let deep = tree.join("1/2/3/4/5/6/7/8/9/10");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("deep file"), "deep\n").unwrap();
    fs::write(tree.join("größe und 日本.txt"), noise(1, 5000)).unwrap();
    fs::write(tree.join("n".repeat(250)), "long").unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    symlink("../a/./b//c", tree.join("1/link")).unwrap();
    symlink("some/where/".repeat(60) + "else", tree.join("1/long-link")).unwrap();
    for number in 0..200 {
        fs::write(
            tree.join(format!("1/2/file-number-{number}")),
            vec![7; number],
        )
        .unwrap();
    }
    tree
}

fn walk(image: &mut Image<File>) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut walk = image.walk();
    while let Some((path, entry)) = walk.next(image).unwrap() {
        let path = String::from_utf8_lossy(path).into_owned();
        let length = if entry.kind == Kind::File {
            entry.length()
        } else {
            0
        };
        found.push((path, length));
    }
    found.sort();
    found
}

fn on_disk(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let path = entry.path();
            let relative = path.strip_prefix(folder).unwrap();
            let length = if metadata.is_file() {
                metadata.len()
            } else {
                0
            };
            found.push((format!("/{}", relative.display()), length));
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn xorrisos_images_are_read_with_relocated_folders_and_without() {
    if !have(&["xorriso"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = folder(dir.path());
    for (name, more) in [
        ("relocated", &["-R"][..]),
        ("deep", &["-R", "-D", "-J", "-joliet-long"]),
        ("minimal", &["-R", "-iso-level", "1"]),
    ] {
        let iso = dir.path().join(name);
        let base = [
            "-no_rc",
            "-as",
            "mkisofs",
            "-quiet",
            "-V",
            "OF_XORRISO",
            "-o",
        ];
        let arguments = [
            &base,
            &[iso.to_str().unwrap()][..],
            more,
            &[tree.to_str().unwrap()],
        ];
        output("xorriso", &arguments.concat());
        let mut image = Image::open(File::open(&iso).unwrap()).unwrap();
        assert_eq!(image.names(), Names::RockRidge);
        assert_eq!(image.volume_id(), "OF_XORRISO");
        let mut found = walk(&mut image);
        // The folder in which relocated folders lie.
        found.retain(|(path, _)| path != "/rr_moved");
        assert_eq!(found, on_disk(&tree), "{name}");

        let file = image
            .find("/größe und 日本.txt".as_bytes())
            .unwrap()
            .unwrap();
        let mut bytes = Vec::new();
        image.file(&file).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes == noise(1, 5000));
        let link = image.find(b"/1/long-link").unwrap().unwrap();
        assert_eq!(
            link.kind,
            Kind::Link([&b"some/where/".repeat(60)[..], b"else"].concat())
        );
        let text = dump(&mut image).unwrap();
        assert!(
            text.contains(" /1/2/3/4/5/6/7/8/9/10/deep\\x20file ") || text.contains("/deep file ")
        );
    }
    let iso = dir.path().join("deep");
    let mut joliet = Image::open_as(File::open(&iso).unwrap(), Names::Joliet).unwrap();
    let found = walk(&mut joliet);
    assert!(
        found.contains(&("/größe und 日本.txt".into(), 5000)),
        "{found:?}"
    );
    let mut plain = Image::open_as(File::open(&iso).unwrap(), Names::Plain).unwrap();
    assert!(walk(&mut plain).contains(&("/EMPTY".into(), 0)));
}

#[test]
fn xorrisos_boot_entries_and_tables_are_read() {
    if !have(&["xorriso"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("bios"), noise(1, 8192)).unwrap();
    fs::write(tree.join("efi"), noise(2, 65_536)).unwrap();
    let mbr = dir.path().join("mbr");
    fs::write(&mbr, noise(3, 432)).unwrap();
    let iso = dir.path().join("iso");
    let base = [
        "-no_rc",
        "-as",
        "mkisofs",
        "-quiet",
        "-R",
        "-b",
        "bios",
        "-no-emul-boot",
    ];
    let bios = [
        "-boot-load-size",
        "4",
        "-boot-info-table",
        "-isohybrid-mbr",
        mbr.to_str().unwrap(),
    ];
    let efi = [
        "-eltorito-alt-boot",
        "-e",
        "efi",
        "-no-emul-boot",
        "-isohybrid-gpt-basdat",
    ];
    let rest = ["-o", iso.to_str().unwrap(), tree.to_str().unwrap()];
    output("xorriso", &[&base[..], &bios, &efi, &rest].concat());

    let mut image = Image::open(File::open(&iso).unwrap()).unwrap();
    let boot = image.boot_images().unwrap();
    let bios = image.find(b"/bios").unwrap().unwrap();
    let efi = image.find(b"/efi").unwrap().unwrap();
    assert_eq!(boot.len(), 2);
    assert_eq!(boot[0].offset, bios.extents[0].offset);
    assert_eq!(boot[0].info, Some((boot[0].entry.block, 8192)));
    assert_eq!(boot[1].offset, efi.extents[0].offset);
    assert_eq!(boot[1].entry.sectors, 128);
    let tables = image.disk_tables().unwrap().unwrap();
    assert_eq!(
        tables.mbr.image_sector(),
        Some(bios.extents[0].offset / 512)
    );
    let (_, partitions) = tables.primary.unwrap();
    assert!(
        partitions
            .iter()
            .any(|partition| partition.first * 512 == efi.extents[0].offset)
    );
    assert_eq!(tables.backup.unwrap().1, partitions);
}

#[test]
fn genisoimages_images_are_read() {
    if !have(&["genisoimage"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = folder(dir.path());
    let iso = dir.path().join("iso");
    for more in [
        &["-R"][..],
        &["-R", "-D", "-J"],
        &["-R", "-D", "-J", "-joliet-long"],
    ] {
        let base = [
            "-quiet",
            "-input-charset",
            "utf-8",
            "-o",
            iso.to_str().unwrap(),
        ];
        output(
            "genisoimage",
            &[&base, more, &[tree.to_str().unwrap()]].concat(),
        );
        let mut image = Image::open(File::open(&iso).unwrap()).unwrap();
        assert_eq!(image.names(), Names::RockRidge);
        let mut found = walk(&mut image);
        found.retain(|(path, _)| path != "/rr_moved");
        assert_eq!(found, on_disk(&tree), "{more:?}");
        let link = image.find(b"/1/link").unwrap().unwrap();
        assert!(matches!(link.kind, Kind::Link(_)));
    }
}
