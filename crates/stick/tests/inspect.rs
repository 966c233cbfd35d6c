//! Images as they are read: flk's own parts, others' images by xorriso, and damaged ones.

mod workbench;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flk_stick::{Error, extract, extract_folder, inspect};
use flk_tests::{Need, can_prove, noise};
use workbench::image;

/// What makes images of others.
const TOOLS: &[Need] = &[Need::Program("xorriso"), Need::Program("mksquashfs")];
/// Bytes of memory, its own program and stacks included, in which any image can be looked at.
const MOST_MEMORY: u64 = 256 << 20;
/// Says where the images are, to the process that has no more memory than that.
const LIMITED: &str = "FLK_TEST_IMAGES";

/// Store paths of a small host: the system refers to a program and a text, the program to a library.
const SYSTEM: &str = "00000000000000000000000000000000-system";
const PROGRAM: &str = "11111111111111111111111111111111-program";
const LIBRARY: &str = "22222222222222222222222222222222-library";

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
    if !can_prove("reading stores", &[TOOLS]) {
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

    let to = dir.path().join("extracted");
    assert_eq!(
        extract_folder(&iso, "/boot", &to).unwrap(),
        None,
        "no store"
    );
    let file = format!("{program}/bin/program");
    assert_eq!(extract_folder(&iso, &file, &to).unwrap(), None, "no folder");
    let extracted = extract_folder(&iso, &program, &to).unwrap().unwrap();
    assert_eq!(extracted.bytes, 300_000);
    assert_eq!(fs::read(to.join("bin/program")).unwrap(), noise(1, 300_000));
    assert!(extract_folder(&iso, &program, &to).is_err(), "it is there");

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
fn images_of_others_show_what_they_have() {
    let needs: &[Need] = &[
        Need::Program("grub-mkrescue"),
        Need::Program("mformat"),
        Need::File("/usr/lib/grub/x86_64-efi"),
    ];
    if !can_prove("images of others", &[TOOLS, needs]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("boot/grub")).unwrap();
    fs::write(tree.join("boot/grub/grub.cfg"), "menuentry none {\n}\n").unwrap();
    fs::write(tree.join("data"), noise(1, 200_000)).unwrap();
    let tree = tree.to_str().unwrap();

    // A rescue disk of GRUB: El Torito for UEFI, MBR, GPT and an Apple partition map, and HFS+ over the same files.
    let rescue = dir.path().join("rescue.iso");
    run(
        "grub-mkrescue",
        &[
            "-d",
            "/usr/lib/grub/x86_64-efi",
            "-o",
            rescue.to_str().unwrap(),
            tree,
        ],
    );
    let found = inspect(&rescue).unwrap();
    assert_eq!((&found.build, &found.live_toplevel), (&None, &None));
    assert!(
        found.created.is_some_and(|time| time > 1_700_000_000),
        "{found:?}"
    );
    let boots: Vec<_> = found
        .boot
        .iter()
        .map(|boot| boot.platform.as_str())
        .collect();
    assert_eq!(boots, ["UEFI"]);
    assert_eq!(found.boot[0].file.as_deref(), Some("/efi.img"));
    let has = |table: &str| found.partitions.iter().any(|one| one.table == table);
    assert!(has("GPT") && has("MBR"), "{:?}", found.partitions);
    assert!(found.files.contains(&("/data".to_owned(), 200_000)));

    // Debian's way: an EFI partition that is no file of the ISO, appended to it.
    let efi = dir.path().join("efi.img");
    fs::write(&efi, noise(2, 1 << 20)).unwrap();
    let hybrid = dir.path().join("hybrid.iso");
    run(
        "xorriso",
        &[
            "-as",
            "mkisofs",
            "-quiet",
            "-R",
            "-J",
            "-V",
            "HYBRID",
            "-o",
            hybrid.to_str().unwrap(),
            "-append_partition",
            "2",
            "0xef",
            efi.to_str().unwrap(),
            "-appended_part_as_gpt",
            "-eltorito-alt-boot",
            "-e",
            "--interval:appended_partition_2:all::",
            "-no-emul-boot",
            tree,
        ],
    );
    let found = inspect(&hybrid).unwrap();
    assert_eq!(found.volume_id, "HYBRID");
    assert_eq!(found.boot.len(), 1);
    assert_eq!(found.boot[0].file, None);
    let appended = found
        .partitions
        .iter()
        .find(|one| one.offset == found.boot[0].offset && one.length == 1 << 20);
    assert!(
        appended.is_some(),
        "{:?} {:?}",
        found.boot,
        found.partitions
    );
    assert!(
        found
            .files
            .contains(&("/boot/grub/grub.cfg".to_owned(), 19))
    );
    assert!(found.store.is_none() && !found.has_private_key);
}

/// The images, and a process of their own that has so much memory and no more.
#[test]
fn damaged_images_are_errors_or_sound_answers() {
    if let Some(folder) = std::env::var_os(LIMITED) {
        return damaged(Path::new(&folder));
    }
    if !can_prove("damaged images", &[TOOLS, &[Need::Program("prlimit")]]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    others(dir.path(), &noise(1, 30_000), "whole.iso");
    image(dir.path(), 1);
    let output = Command::new("prlimit")
        .arg(format!("--as={MOST_MEMORY}"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "damaged_images_are_errors_or_sound_answers"])
        .args(["--test-threads=1", "--nocapture"])
        .env(LIMITED, dir.path())
        // What the C library sets aside for threads counts, used or not.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}{}",
        said,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

fn damaged(dir: &Path) {
    let whole = fs::read(dir.join("whole.iso")).unwrap();
    let own = fs::read(dir.join("1.iso")).unwrap();
    let path = dir.join("damaged.iso");
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
