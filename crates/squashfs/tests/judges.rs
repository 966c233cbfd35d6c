//! What is written is judged by others: squashfs-tools' `unsquashfs`, and the kernel by mounting it. What others write is read: `mksquashfs`'s images.
//!
//! A tool that is missing is named and passed over; in CI (`CI=true`) it is a failure. Mounting needs root and a loop device.

mod fixture;

use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use fixture::*;
use flk_squashfs::{Codec, Fragments, Image, Kind, Options, Tree};

/// Every codec at a small block size and the largest, and each way of using fragments.
fn variants() -> Vec<Options> {
    let mut all: Vec<_> = CODECS.map(|codec| options(codec, 4096)).into();
    all.push(options(Codec::Zstd(1), 1 << 20));
    for fragments in [Fragments::Never, Fragments::Tails] {
        let mut options = options(Codec::Zstd(1), 16 << 10);
        options.fragments = fragments;
        options.exportable = false;
        options.dedupe = fragments == Fragments::Tails;
        all.push(options);
    }
    all
}

#[test]
fn unsquashfs_extracts_what_was_packed() {
    if !has("unsquashfs") {
        return;
    }
    for options in variants() {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("image");
        let packed = tree(options.block_size as usize, is_root());
        std::fs::write(&image, pack(&packed, options.clone())).unwrap();
        let listing = run(Command::new("unsquashfs").arg("-ll").arg(&image)).stdout;
        let lines = listing.split(|byte| *byte == b'\n').count();
        assert!(
            lines > packed.len(),
            "{lines} lines, {} inodes",
            packed.len()
        );
        let out = scratch.path().join("out");
        run_unsquashfs(&image, &out);
        let mut extracted = tree_of(&out);
        if !is_root() {
            extracted = as_root(extracted);
        }
        assert_same(&packed, &extracted);
    }
}

/// What we extract is what `unsquashfs` would: everything that was packed, by any number of threads.
#[test]
fn what_is_extracted_is_what_was_packed() {
    for (options, threads) in variants().into_iter().zip((1..4).cycle()) {
        let scratch = tempfile::tempdir().unwrap();
        let out = scratch.path().join("out");
        let mut packed = tree(options.block_size as usize, is_root());
        let has_parts = options.codec == Codec::Zstd(1);
        if has_parts {
            // One with its end in a fragment, and one that ends in a hole.
            let large = [text(4, 9 << 20), vec![0; 9 << 20], text(5, 4100)].concat();
            packed.insert(ROOT, b"parts", file(large)).unwrap();
            let hole = [text(6, 5 << 20), vec![0; 9 << 20]].concat();
            packed.insert(ROOT, b"parts, hole", file(hole)).unwrap();
        }
        let image = Image::open(pack(&packed, options)).unwrap();
        let threads = NonZeroUsize::new(threads).unwrap();
        let extracted = image
            .extract(&image.root().unwrap(), &out, threads)
            .unwrap();
        assert_eq!(extracted.attributes_left_out, 0);
        let mut found = tree_of(&out);
        if !is_root() {
            found = as_root(found);
        }
        assert_same(&packed, &found);
        let is_sparse = |name: &str| {
            let metadata = std::fs::metadata(out.join(name)).unwrap();
            metadata.blocks() * 512 <= metadata.len() - (8 << 20)
        };
        assert!(!has_parts || is_sparse("parts") && is_sparse("parts, hole"));
    }
}

#[test]
fn a_failed_extraction_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    let mut bytes = pack(&tree(4096, false), options(Codec::Zstd(1), 4096));
    let threads = NonZeroUsize::new(2).unwrap();
    let extract = |bytes: &[u8], out: &Path| {
        let image = Image::open(bytes).unwrap();
        image.extract(&image.root().unwrap(), out, threads)
    };
    // The first data block is none of zstd's any more.
    let magic = 0xFD2F_B528_u32.to_le_bytes();
    let frame = bytes.windows(4).position(|window| window == magic);
    bytes[frame.unwrap()] ^= 1;
    let error = extract(&bytes, &out).unwrap_err();
    assert!(
        matches!(error, flk_squashfs::Error::Damaged { .. }),
        "{error}"
    );
    assert!(out.symlink_metadata().is_err());
    // What was there before is left alone.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine"), "mine").unwrap();
    let error = extract(&bytes, &out).unwrap_err();
    assert!(error.to_string().contains("out"), "{error}");
    assert!(out.join("mine").exists());
}

/// A tree that somebody else extracted, with root as owner.
fn as_root(tree: Tree<Vec<u8>>) -> Tree<Vec<u8>> {
    let image = pack(&tree, options(Codec::None, 4096));
    let mut again = Tree::new(folder().attributes);
    let read = unpack(&Image::open(image).unwrap());
    let mut open = vec![(ROOT, ROOT)];
    let mut known = std::collections::HashMap::new();
    while let Some((from, to)) = open.pop() {
        for (name, id) in read.entries(from) {
            if let Some(target) = known.get(&id) {
                again.link(to, name, *target).unwrap();
                continue;
            }
            let mut node = read.node(id).clone();
            node.attributes.uid = 0;
            node.attributes.gid = 0;
            if let Kind::Directory(_) = node.kind {
                node.kind = Kind::directory();
                let new = again.insert(to, name, node).unwrap();
                open.push((id, new));
            } else {
                known.insert(id, again.insert(to, name, node).unwrap());
            }
        }
    }
    again
}

#[test]
fn unsquashfs_reads_the_codecs_options() {
    if !has("unsquashfs") {
        return;
    }
    for (codec, expected) in [
        (Codec::Gzip(3), "compression-level 3"),
        (Codec::Xz, "Dictionary size 131072"),
        (Codec::Lz4, "Compression lz4"),
        (Codec::Zstd(7), "compression-level 7"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("image");
        std::fs::write(&image, pack(&tree(4096, false), Options::new(codec))).unwrap();
        let output = run(Command::new("unsquashfs").arg("-s").arg(&image)).stdout;
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains(expected), "{codec}: {output}");
    }
}

/// Mounts `image` and gives the folder to `f`. `false` where this machine cannot.
fn mounted(image: &Path, f: impl FnOnce(&Path)) -> bool {
    if !is_root() {
        skip("mounting needs root");
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("mount")
        .args(["-t", "squashfs", "-o", "loop,ro"])
        .arg(image)
        .arg(folder.path())
        .output()
        .unwrap();
    if !output.status.success() {
        let kernel = std::fs::read_to_string("/proc/filesystems").unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !kernel.contains("squashfs") || !Path::new("/dev/loop-control").exists(),
            "the kernel refuses {}: {message}",
            image.display()
        );
        skip(&format!("this machine mounts no squashfs: {message}"));
        return false;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(folder.path())));
    run(Command::new("umount").arg(folder.path()));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    true
}

#[test]
fn the_kernel_mounts_what_was_packed() {
    for options in variants() {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("image");
        let packed = tree(options.block_size as usize, true);
        let bytes = pack(&packed, options);
        std::fs::write(&image, &bytes).unwrap();
        let went = mounted(&image, |folder| {
            assert_same(&packed, &tree_of(folder));
            link_counts(folder, &Image::open(bytes.as_slice()).unwrap());
        });
        if !went {
            return;
        }
    }
}

/// The kernel shows the link counts that the image has.
fn link_counts(folder: &Path, image: &Image<&[u8]>) {
    use std::os::unix::fs::MetadataExt;
    for path in ["", "many", "deep", "deep/d", "large", "small"] {
        let names = path.split('/').filter(|name| !name.is_empty());
        let inode = image.find(names.map(str::as_bytes)).unwrap().unwrap();
        let metadata = folder.join(path).symlink_metadata().unwrap();
        assert_eq!(metadata.nlink(), u64::from(inode.link_count), "{path}");
        assert_eq!(metadata.ino(), u64::from(inode.number), "{path}");
    }
}

/// Names in one folder, which has more than a listing's first blocks, and makes more inodes than 16 bits or 20 count.
const MANY: u32 = 1_050_000;

/// A folder whose index the kernel must use, and a file with more than 4 GiB of which most is a hole.
#[test]
fn the_kernel_finds_its_way_in_what_is_large() {
    struct Sparse;
    impl flk_squashfs::Source for Sparse {
        fn length(&self) -> std::io::Result<u64> {
            Ok((5 << 30) + 4)
        }
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
            use std::io::Read;
            Ok(Box::new(
                std::io::repeat(0).take(5 << 30).chain(&b"tail"[..]),
            ))
        }
        fn name(&self) -> std::borrow::Cow<'_, str> {
            "sparse".into()
        }
    }
    let mut tree: Tree<Box<dyn flk_squashfs::Source>> = Tree::new(folder().attributes);
    let boxed = |content: Vec<u8>| Box::new(content) as Box<dyn flk_squashfs::Source>;
    let root = Tree::<Box<dyn flk_squashfs::Source>>::ROOT;
    let attributes = folder().attributes;
    let directory = flk_squashfs::Node {
        attributes: attributes.clone(),
        kind: Kind::directory(),
    };
    let many = tree.insert(root, b"many", directory).unwrap();
    for number in 0..MANY {
        let node = flk_squashfs::Node {
            attributes: attributes.clone(),
            kind: Kind::File(boxed(Vec::new())),
        };
        tree.insert(many, format!("{number:07}").as_bytes(), node)
            .unwrap();
    }
    let node = flk_squashfs::Node {
        attributes,
        kind: Kind::File(Box::new(Sparse) as Box<dyn flk_squashfs::Source>),
    };
    tree.insert(root, b"sparse", node).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("image");
    let mut out = std::fs::File::create(&path).unwrap();
    let mut options = options(Codec::Zstd(1), 1 << 20);
    options.dedupe = false;
    flk_squashfs::write(tree, options, &mut out).unwrap();

    let image = Image::open(std::fs::File::open(&path).unwrap()).unwrap();
    let report = image.verify().unwrap();
    assert_eq!(report.inodes, u64::from(MANY) + 3);
    assert_eq!(report.bytes, (5 << 30) + 4);
    for name in [&b"0000000"[..], b"0123456", b"1049999"] {
        assert!(image.find([b"many", name]).unwrap().is_some());
    }
    assert!(image.find([&b"many"[..], b"01234567"]).unwrap().is_none());
    assert!(image.superblock().bytes_used < 16 << 20);
    if has("unsquashfs") {
        let listing = run(Command::new("unsquashfs").arg("-l").arg(&path)).stdout;
        let lines = listing.split(|byte| *byte == b'\n');
        let names = lines.filter(|line| line.starts_with(b"squashfs-root/many/"));
        assert_eq!(names.count(), MANY as usize);
    }
    mounted(&path, |folder| {
        for number in (0..MANY).step_by(9973).chain([MANY - 1]) {
            let file = folder.join(format!("many/{number:07}"));
            assert!(file.symlink_metadata().is_ok(), "{}", file.display());
        }
        assert!(folder.join("many/01234567").symlink_metadata().is_err());
        let names = folder.join("many").read_dir().unwrap().count();
        assert_eq!(names, MANY as usize);
        use std::os::unix::fs::{FileExt, MetadataExt};
        let sparse = std::fs::File::open(folder.join("sparse")).unwrap();
        assert_eq!(sparse.metadata().unwrap().len(), (5 << 30) + 4);
        assert!(sparse.metadata().unwrap().blocks() < 10_000);
        let mut tail = [0; 8];
        sparse.read_exact_at(&mut tail, (5 << 30) - 4).unwrap();
        assert_eq!(&tail, b"\0\0\0\0tail");
    });
}

/// Puts a tree onto the disk for `mksquashfs`: by `unsquashfs`, which gives it all attributes.
fn lay_out(tree: &Tree<Vec<u8>>, scratch: &Path) -> std::path::PathBuf {
    let (image, out) = (scratch.join("laid-out"), scratch.join("tree"));
    std::fs::write(&image, pack(tree, options(Codec::Lz4, 4096))).unwrap();
    run(Command::new("unsquashfs")
        .args(["-no-progress", "-d"])
        .arg(&out)
        .arg(&image));
    out
}

#[test]
fn what_mksquashfs_packs_is_read() {
    if !has("mksquashfs") || !has("unsquashfs") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = lay_out(&tree(8192, is_root()), scratch.path());
    let laid_out = tree_of(&folder);
    for arguments in [
        "-comp gzip",
        "-comp gzip -Xcompression-level 1 -Xwindow-size 9 -b 4096",
        "-comp xz",
        "-comp xz -Xbcj x86,arm -b 1M",
        "-comp lz4",
        "-comp lz4 -Xhc -b 4096",
        "-comp zstd",
        "-comp zstd -Xcompression-level 22 -b 1M -tailends",
        "-comp zstd -b 8192 -no-fragments -no-exports -no-duplicates",
        "-comp gzip -noI -noD -noF -noX -noId",
        "-comp gzip -noI -noX",
    ] {
        let image = scratch.path().join("image");
        run(Command::new("mksquashfs")
            .arg(&folder)
            .arg(&image)
            .args(["-noappend", "-quiet", "-no-progress"])
            .args(arguments.split(' ')));
        let image = Image::open(std::fs::File::open(&image).unwrap()).unwrap();
        assert_same(&laid_out, &unpack(&image));
        let report = image.verify().unwrap();
        assert_eq!(report.inodes, laid_out.len() as u64, "{arguments}");
        for name in [&b"file 0000"[..], b"file 0999", b"another name of large"] {
            let found = image.find([b"many", name]).unwrap();
            assert!(found.is_some(), "{arguments}");
        }
    }
    let image = scratch.path().join("image");
    run(Command::new("mksquashfs").arg(&folder).arg(&image).args([
        "-noappend",
        "-quiet",
        "-no-progress",
        "-comp",
        "lzo",
    ]));
    let error = Image::open(std::fs::File::open(&image).unwrap())
        .err()
        .unwrap();
    assert!(error.to_string().contains("lzo"), "{error}");
}

/// Content that lies beyond 4 GiB of the image; what is before it is a hole in the image's file.
#[test]
fn content_beyond_4_gib_is_found() {
    use std::io::{Seek, SeekFrom, Write};
    let content = noise(5, 4096);
    let run = flk_squashfs::Run {
        length: 5 << 30,
        contents: vec![flk_squashfs::Content {
            size: 4096,
            start: (5 << 30) - 4096,
            blocks: vec![flk_squashfs::BlockWord(4096 | 1 << 24)],
            tail: None,
        }],
        fragments: Vec::new(),
    };
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("image");
    let out = std::fs::File::create(&path).unwrap();
    let mut writer = flk_squashfs::Writer::new(out, options(Codec::Lz4, 4096)).unwrap();
    let far = writer
        .append(run, |out| {
            out.seek(SeekFrom::Current((5 << 30) - 4096))?;
            out.write_all(&content)
        })
        .unwrap();
    writer.begin_run().unwrap();
    let small = writer.pack(&b"a fragment beyond 4 GiB".to_vec()).unwrap();
    let mut tree = Tree::new(folder().attributes);
    let attributes = file(b"").attributes;
    for (name, id) in [(&b"far"[..], far.content(0)), (b"small", small)] {
        let node = flk_squashfs::Node {
            attributes: attributes.clone(),
            kind: Kind::File(id),
        };
        tree.insert(Tree::<flk_squashfs::ContentId>::ROOT, name, node)
            .unwrap();
    }
    let (mut out, superblock) = writer.finish(&tree).unwrap();
    out.rewind().unwrap();
    out.write_all(&superblock.to_bytes()).unwrap();

    let mut expected = Tree::new(folder().attributes);
    expected
        .insert(ROOT, b"far", file(content.clone()))
        .unwrap();
    let small = file(b"a fragment beyond 4 GiB");
    expected.insert(ROOT, b"small", small).unwrap();
    let image = Image::open(std::fs::File::open(&path).unwrap()).unwrap();
    image.verify().unwrap();
    assert_same(&expected, &unpack(&image));
    if has("unsquashfs") {
        let out = scratch.path().join("out");
        run_unsquashfs(&path, &out);
        assert_eq!(std::fs::read(out.join("far")).unwrap(), content);
    }
    mounted(&path, |folder| assert_same(&expected, &tree_of(folder)));
}

fn run_unsquashfs(image: &Path, out: &Path) {
    run(Command::new("unsquashfs")
        .args(["-no-progress", "-strict-errors", "-d"])
        .arg(out)
        .arg(image));
}
