//! A plain folder becomes a squashfs that `unsquashfs` unpacks to the same folder.

#[allow(unused, reason = "a part of what the tests share")]
mod fixture;

use std::fs::{self, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use fixture::{have, noise, skip};
use flk_image::{Compression, pack_folder};

fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("small"), "small\n").unwrap();
    fs::write(folder.join("large"), noise(700_000)).unwrap();
    fs::write(folder.join("zeros"), vec![0; 400_000]).unwrap();
    fs::hard_link(folder.join("large"), folder.join("deep/er/linked")).unwrap();
    symlink("../nowhere", folder.join("deep/link")).unwrap();
    for (name, mode) in [("small", 0o4755), ("empty", 0o600), ("deep/er", 0o1777)] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = fs::File::open(folder.join("large")).unwrap();
    file.set_times(FileTimes::new().set_modified(then)).unwrap();
}

/// What `find` says of all files, without what file systems do differently.
fn listing(folder: &Path) -> String {
    let output = Command::new("find")
        .current_dir(folder)
        .args([".", "-printf", "%P %y %m %U %G %l %n "])
        .args([
            "(",
            "-type",
            "d",
            "-printf",
            "\\n",
            ")",
            "-o",
            "-printf",
            "%s %Ts\\n",
        ])
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn every_codec_is_unpacked_to_the_same_folder() {
    if !have(&["unsquashfs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fill(&folder);
    for (text, block_size) in [
        ("zstd:3", 1 << 17),
        ("xz", 1 << 20),
        ("lz4", 4096),
        ("gzip", 65_536),
        ("none", 1 << 17),
    ] {
        let compression = Compression::parse(text, block_size).unwrap();
        let image = dir.path().join(format!("{text}.squashfs"));
        let length = pack_folder(&folder, &compression, None, &image, &mut |_| {}).unwrap();
        assert_eq!(length, fs::metadata(&image).unwrap().len());
        let to = dir.path().join(format!("{text}.out"));
        let output = Command::new("unsquashfs")
            .arg("-d")
            .arg(&to)
            .arg(&image)
            .output()
            .unwrap();
        if !output.status.success() && fs::metadata("/proc/self").unwrap().uid() != 0 {
            skip("unsquashfs needs root for owners");
            return;
        }
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(listing(&to), listing(&folder), "{text}");
        for name in ["large", "zeros", "small", "deep/er/linked"] {
            assert!(
                fs::read(to.join(name)).unwrap() == fs::read(folder.join(name)).unwrap(),
                "{text}: {name}"
            );
        }
        // The same folder gives the same bytes.
        let again = dir.path().join("again.squashfs");
        pack_folder(
            &folder,
            &compression,
            std::num::NonZeroUsize::new(1),
            &again,
            &mut |_| {},
        )
        .unwrap();
        assert!(
            fs::read(&image).unwrap() == fs::read(&again).unwrap(),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let compression = Compression::parse("lz4", 4096).unwrap();
    let out = dir.path().join("out");
    for path in [file, dir.path().join("missing")] {
        assert!(pack_folder(&path, &compression, None, &out, &mut |_| {}).is_err());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
