//! Images as they are read: flk's own parts, others' images by xorriso, and damaged ones.

mod workbench;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flk_stick::{Error, extract, inspect};
use workbench::{image, noise};

/// Store paths of a small host: the system refers to a program and a text, the program to a library.
const SYSTEM: &str = "00000000000000000000000000000000-system";
const PROGRAM: &str = "11111111111111111111111111111111-program";
const LIBRARY: &str = "22222222222222222222222222222222-library";

fn have(program: &str) -> bool {
    let is_here = Command::new(program).arg("-version").output().is_ok();
    assert!(
        is_here || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "there is no {program}, and in CI nothing is skipped"
    );
    if !is_here {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no {program}");
    }
    is_here
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

/// An image as another program makes it: a store of mksquashfs in an ISO of xorriso.
fn others(folder: &Path, program: &[u8], name: &str) -> PathBuf {
    let put = |path: String, bytes: &[u8]| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let _ = fs::remove_dir_all(folder.join("store"));
    put(format!("store/{SYSTEM}/name"), b"system");
    let keys = "etc/ssh/authorized_keys.d";
    put(
        format!("store/{SYSTEM}/real/{keys}/nixos"),
        b"# mine\nssh-ed25519 AAAA me\n",
    );
    let etc = folder.join(format!("store/{SYSTEM}/etc"));
    std::os::unix::fs::symlink(format!("/nix/store/{SYSTEM}/real/etc"), etc).unwrap();
    put(format!("store/{PROGRAM}/bin/program"), program);
    put(format!("store/{LIBRARY}/lib"), &noise(2, 400_000));
    put(format!("store/{LIBRARY}/same"), &noise(2, 400_000));
    let mut registration = String::new();
    for (path, references) in [
        (SYSTEM, vec![PROGRAM]),
        (PROGRAM, vec![LIBRARY, PROGRAM]),
        (LIBRARY, vec![]),
    ] {
        registration.push_str(&format!(
            "/nix/store/{path}\nsha256:{}\n400000\n\n{}\n",
            "ab".repeat(32),
            references.len()
        ));
        for reference in references {
            registration.push_str(&format!("/nix/store/{reference}\n"));
        }
    }
    put(
        "store/nix-path-registration".into(),
        registration.as_bytes(),
    );
    put(
        "iso/boot/grub.cfg".into(),
        format!("linux /vmlinuz init=/nix/store/{SYSTEM}/init quiet\n").as_bytes(),
    );
    let store = folder.join("store");
    let squashfs = folder.join("iso/nix-store.squashfs");
    let _ = fs::remove_file(&squashfs);
    run(
        "mksquashfs",
        &[
            store.to_str().unwrap(),
            squashfs.to_str().unwrap(),
            "-noappend",
            "-quiet",
            "-no-progress",
            "-comp",
            "zstd",
        ],
    );
    let iso = folder.join(name);
    let tree = folder.join("iso");
    run(
        "xorriso",
        &[
            "-as",
            "mkisofs",
            "-quiet",
            "-R",
            "-V",
            "OTHERS",
            "-o",
            iso.to_str().unwrap(),
            tree.to_str().unwrap(),
        ],
    );
    iso
}

#[test]
fn an_image_says_how_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let found = inspect(&image(dir.path(), 1)).unwrap();
    assert_eq!(found.volume_id, "flk-Sample");
    assert_eq!(found.boot.len(), 1);
    assert_eq!(found.boot[0].file.as_deref(), Some("/boot/efi.img"));
    let esp = found
        .partitions
        .iter()
        .find(|one| one.table == "GPT")
        .unwrap();
    assert_eq!(esp.length, 1 << 20);
    assert!(found.store.is_none() && found.build.is_none() && !found.has_private_key);
    assert_eq!(found.files[0], ("/c".to_owned(), (2 << 20) + 5000));
}

#[test]
fn a_store_is_weighed_and_its_references_followed() {
    if !have("xorriso") || !have("mksquashfs") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let iso = others(dir.path(), &noise(1, 300_000), "one.iso");
    let found = inspect(&iso).unwrap();
    assert_eq!(found.volume_id, "OTHERS");
    assert_eq!(found.build, None);
    assert_eq!(
        found.live_toplevel.as_deref(),
        Some(&*format!("/nix/store/{SYSTEM}"))
    );
    assert_eq!(
        found.authorized_keys,
        [("nixos".to_owned(), "ssh-ed25519 AAAA me".to_owned())]
    );
    let store = found.store.as_ref().unwrap();
    assert_eq!(
        (store.codec.as_str(), store.block_size, store.paths.len()),
        ("zstd", 131_072, 3)
    );
    let packed = |name: &str| {
        let path = format!("/nix/store/{name}");
        store
            .paths
            .iter()
            .find(|one| one.path == path)
            .unwrap()
            .packed
    };
    // Noise does not get smaller; the second of two equal files takes nothing.
    assert!(
        (300_000..301_000).contains(&packed(PROGRAM)),
        "{}",
        packed(PROGRAM)
    );
    assert!(
        (400_000..401_000).contains(&packed(LIBRARY)),
        "{}",
        packed(LIBRARY)
    );
    assert!(packed(SYSTEM) < 1000);
    let [system, program, library] =
        [SYSTEM, PROGRAM, LIBRARY].map(|name| format!("/nix/store/{name}"));
    let roots: BTreeSet<&str> = found.roots();
    assert_eq!(
        store.why(&roots, &library).unwrap(),
        [&system, &program, &library]
    );
    assert_eq!(store.why(&roots, "/nix/store/none"), None);

    let mut bytes = Vec::new();
    assert_eq!(
        extract(&iso, &format!("{program}/bin/program"), &mut bytes).unwrap(),
        300_000
    );
    assert_eq!(bytes, noise(1, 300_000));
    bytes.clear();
    extract(&iso, "/boot/grub.cfg", &mut bytes).unwrap();
    assert!(bytes.starts_with(b"linux /vmlinuz init="));
    for missing in ["/boot", "/none", "/nix/store/none", "/nix/store/../etc"] {
        let error = extract(&iso, missing, &mut Vec::new()).unwrap_err();
        assert!(
            matches!(error, Error::NotOnImage { .. }),
            "{missing}: {error}"
        );
    }

    let old = inspect(&iso).unwrap();
    let other = others(dir.path(), &noise(1, 300_000), "two.iso");
    let same = old
        .store
        .as_ref()
        .unwrap()
        .difference(inspect(&other).unwrap().store.as_ref().unwrap());
    assert!(same.added.is_empty() && same.removed.is_empty() && same.changed.is_empty());
}

#[test]
fn damaged_images_are_errors_or_sound_answers() {
    if !have("xorriso") || !have("mksquashfs") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(others(dir.path(), &noise(1, 30_000), "one.iso")).unwrap();
    let own = fs::read(image(dir.path(), 1)).unwrap();
    let path = dir.path().join("damaged.iso");
    // The store's superblock says where it ends (bytes 40 to 47); its tables are the last of it.
    let store = whole.windows(4).position(|bytes| bytes == b"hsqs").unwrap();
    let used = u32::from_le_bytes(whole[store + 40..store + 44].try_into().unwrap()) as usize;
    let (mut errors, mut answers) = (0, 0);
    for seed in 0..1000_u64 {
        let base = if seed % 16 == 0 { &own } else { &whole };
        let mut bytes = base.clone();
        let numbers = noise(seed + 1, 64);
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&numbers[at * 8..at * 8 + 8]);
            u64::from_le_bytes(eight) as usize
        };
        // Mostly where the tables are.
        for change in 0..1 + seed as usize % 3 {
            let place = number(2 * change) % bytes.len();
            let place = match seed % 4 {
                0 => 0x8000 + place % 0x1000,
                1 if seed % 16 != 0 => store + place % 96,
                2 if seed % 16 != 0 => store + used - 1 - place % 1500,
                _ => place,
            };
            bytes[place] = number(2 * change + 1) as u8;
        }
        if seed % 50 == 0 {
            bytes.truncate(number(7) % bytes.len());
        }
        fs::write(&path, &bytes).unwrap();
        match inspect(&path) {
            Ok(found) => {
                answers += 1;
                assert!(found.size <= bytes.len() as u64);
            }
            Err(Error::Iso { .. } | Error::Squashfs { .. }) => errors += 1,
            Err(error) => panic!("{seed}: {error}"),
        }
    }
    assert!(errors > 20 && answers > 20, "{errors} {answers}");
}
