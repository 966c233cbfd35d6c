//! File systems made by their own tools are recognised, and `blkid(8)` is the judge of type, label and UUID.
//!
//! A tool that is missing is named and passed over; in CI (`CI=true`) it is a failure.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use flk_init::probe::{probe, read_partition};

/// What to run on an image of so many MiB, and the type that comes of it.
const IMAGES: [(&str, u64, &[&str]); 15] = [
    (
        "ext4",
        8,
        &["mkfs.ext4", "-q", "-F", "-L", "my root", "IMAGE"],
    ),
    ("ext3", 8, &["mkfs.ext3", "-q", "-F", "IMAGE"]),
    (
        "ext2",
        8,
        &["mkfs.ext2", "-q", "-F", "-L", "sixteen-letters.", "IMAGE"],
    ),
    (
        "vfat",
        1,
        &["mkfs.vfat", "-F", "12", "-n", "TWELVE", "IMAGE"],
    ),
    (
        "vfat",
        16,
        &["mkfs.vfat", "-F", "16", "-i", "1a2b3c4d", "IMAGE"],
    ),
    (
        "vfat",
        64,
        &["mkfs.vfat", "-F", "32", "-n", "EFI SYSTEM", "IMAGE"],
    ),
    ("btrfs", 128, &["mkfs.btrfs", "-q", "-L", "pool", "IMAGE"]),
    ("xfs", 320, &["mkfs.xfs", "-q", "-L", "data", "IMAGE"]),
    ("f2fs", 64, &["mkfs.f2fs", "-q", "-l", "flash ä", "IMAGE"]),
    (
        "erofs",
        0,
        &[
            "mkfs.erofs",
            "-U",
            "c12a7328-f81f-41d2-ba4b-00a0c93ec93b",
            "IMAGE",
            "FOLDER",
        ],
    ),
    (
        "squashfs",
        0,
        &[
            "mksquashfs",
            "FOLDER",
            "IMAGE",
            "-noappend",
            "-quiet",
            "-no-progress",
        ],
    ),
    (
        "iso9660",
        0,
        &[
            "xorriso",
            "-as",
            "mkisofs",
            "-quiet",
            "-V",
            "flk-NixOS",
            "-R",
            "-o",
            "IMAGE",
            "FOLDER",
        ],
    ),
    ("swap", 8, &["mkswap", "-L", "swap space", "IMAGE"]),
    (
        "crypto_LUKS",
        32,
        &[
            "cryptsetup",
            "luksFormat",
            "--batch-mode",
            "--type",
            "luks2",
            "--label",
            "secret",
            "--pbkdf-force-iterations",
            "4",
            "--pbkdf-memory",
            "32",
            "IMAGE",
            "FOLDER/file",
        ],
    ),
    (
        "crypto_LUKS",
        32,
        &[
            "cryptsetup",
            "luksFormat",
            "--batch-mode",
            "--type",
            "luks1",
            "--pbkdf-force-iterations",
            "1000",
            "IMAGE",
            "FOLDER/file",
        ],
    ),
];

/// Whether the tool is there. Loud when it is not.
fn has(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{tool} is missing"
        );
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: {tool} is missing");
    }
    found
}

fn run(arguments: &[&str], image: &Path, folder: &Path) {
    let replace = |argument: &&str| {
        argument
            .replace("IMAGE", &image.display().to_string())
            .replace("FOLDER", &folder.display().to_string())
    };
    let output = Command::new(arguments[0])
        .args(arguments[1..].iter().map(replace))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What `blkid` says under a key.
fn judged(image: &Path, key: &str) -> Option<String> {
    let output = Command::new("blkid")
        .args(["-p", "-o", "value", "-s", key])
        .arg(image)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.trim_end_matches('\n').to_owned()).filter(|text| !text.is_empty())
}

#[test]
fn every_file_system_is_recognised_as_blkid_does() {
    if !has("blkid") {
        return;
    }
    for (fs_type, size, arguments) in IMAGES {
        if !has(arguments[0]) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        std::fs::create_dir(&content).unwrap();
        std::fs::write(content.join("file"), "something").unwrap();
        let image = folder.path().join("image");
        if size > 0 {
            File::create(&image).unwrap().set_len(size << 20).unwrap();
        }
        run(arguments, &image, &content);
        let found = probe(&File::open(&image).unwrap())
            .unwrap()
            .unwrap_or_else(|| panic!("{arguments:?} is not recognised"));
        assert_eq!(found.fs_type, fs_type, "{arguments:?}");
        assert_eq!(
            judged(&image, "TYPE").as_deref(),
            Some(fs_type),
            "{arguments:?}"
        );
        assert_eq!(
            found.label,
            judged(&image, "LABEL"),
            "label of {arguments:?}"
        );
        assert_eq!(found.uuid, judged(&image, "UUID"), "UUID of {arguments:?}");
    }
}

#[test]
fn partitions_have_the_names_that_sgdisk_gave() {
    if !has("sgdisk") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let guid = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    let second = format!("2:{guid}");
    run(
        &[
            "sgdisk",
            "-n1:2048:+1M",
            "-c1:EFI",
            "-n2:0:+1M",
            "-c2:my röot",
            "-u",
            &second,
            "IMAGE",
        ],
        &image,
        folder.path(),
    );
    let disk = File::open(&image).unwrap();
    let partition = read_partition(&disk, 512, 2).unwrap();
    assert_eq!(partition.label.as_deref(), Some("my röot"));
    assert_eq!(
        partition.uuid.as_deref(),
        Some(guid.to_lowercase().as_str())
    );
    assert_eq!(
        read_partition(&disk, 512, 1).unwrap().label.as_deref(),
        Some("EFI")
    );
    assert_eq!(
        read_partition(&disk, 512, 3).and_then(|partition| partition.label),
        None
    );
}
