//! What goes wrong is said, keeps the previous ISO, and leaves nothing behind.

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixture::{Fixture, noise, skip, store_name};
use flk_image::{Cache, Error, stamp};

#[test]
fn what_cannot_be_is_said_before_anything_is_written() {
    let refuse = |change: &dyn Fn(&mut Fixture), expected: &str| {
        let mut fixture = Fixture::new();
        change(&mut fixture);
        let out = fixture.dir.path().join("out");
        let message = fixture.write(&out.join("x.iso")).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!out.exists());
    };
    refuse(
        &|f| f.manifest.contents[1].target = "/boot/bzImage".into(),
        "two things are to be put at /boot/bzImage",
    );
    refuse(
        &|f| f.manifest.contents[1].target = "/flk/key".into(),
        "at /flk on the ISO",
    );
    refuse(
        &|f| f.manifest.contents[1].target = "/nix-store.squashfs".into(),
        "at /nix-store.squashfs on the ISO",
    );
    refuse(
        &|f| f.manifest.contents[1].source = "/etc/passwd".into(),
        "/etc/passwd is not a path in /nix/store",
    );
    refuse(
        &|f| f.manifest.boot.efi.as_mut().unwrap().image = "/boot/none.img".into(),
        "/boot/none.img is not among the files of `contents`",
    );
    refuse(
        &|f| f.manifest.contents[1].source += ".missing",
        "cannot read",
    );
}

#[test]
fn a_failure_keeps_the_previous_iso_and_leaves_nothing() {
    let mut fixture = Fixture::new();
    let out = fixture.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("x.iso"), "previous").unwrap();
    fixture.closure.paths[0].path = format!("/nix/store/{}", store_name('z', "missing"));
    let error = fixture.write(&out.join("x.iso")).unwrap_err();
    assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
    assert!(
        error.to_string().contains(&store_name('z', "missing")),
        "{error}"
    );
    assert_eq!(fs::read(out.join("x.iso")).unwrap(), b"previous");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// The other process of the test below; does nothing unless that test starts it.
#[test]
fn a_run_that_is_killed() {
    let Some(iso) = std::env::var_os("FLK_TEST_KILLED_ISO") else {
        return;
    };
    let mut fixture = Fixture::new();
    fixture.put(&store_name('v', "text"), &noise(40_000_000));
    fixture.rehash();
    fixture.manifest.compression.level = Some(22);
    fixture.write(Path::new(&iso)).unwrap();
}

#[test]
fn a_killed_run_keeps_the_previous_iso_and_the_next_one_removes_its_debris() {
    let fixture = Fixture::new();
    let out = fixture.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let iso = out.join("x.iso");
    fs::write(&iso, "previous").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_run_that_is_killed"])
        .env("FLK_TEST_KILLED_ISO", &iso)
        .env("TMPDIR", fixture.dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let half = out.join(".x.iso.flk/iso");
    while !half.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it was too fast to be killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(matches!(fixture.write(&iso), Err(Error::Busy { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(half.exists());
    assert_eq!(fs::read(&iso).unwrap(), b"previous");
    fixture.write(&iso).unwrap();
    assert!(stamp(&iso).unwrap().is_some());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// A file system of a given size, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: PathBuf, megabytes: u32) -> Option<Tmpfs> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Tmpfs(at)),
            _ => {
                skip("a tmpfs cannot be mounted here (root is needed)");
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_with_what_is_needed_and_the_previous_iso_is_kept() {
    // Too small at first sight; for the store image; for the last blocks, which are of the second GPT.
    for (nar_size, noise_size, megabytes) in [
        (60_000_000, 5_000, 8),
        (10_000, 24_000_000, 20),
        (10_000, 14_600_000 + 54 * 32_768, 20),
    ] {
        let mut fixture = Fixture::new();
        fixture.closure.paths[0].nar_size = nar_size;
        fixture.put(&store_name('v', "text"), &noise(noise_size));
        fixture.rehash();
        let Some(disk) = Tmpfs::mount(fixture.dir.path().join("disk"), megabytes) else {
            return;
        };
        let iso = disk.0.join("x.iso");
        fs::write(&iso, "previous").unwrap();
        let error = fixture.write(&iso).unwrap_err();
        let Error::NoSpace { path, free, needed } = &error else {
            panic!("{error}");
        };
        assert_eq!(path, &disk.0);
        assert!(needed > free, "{error}");
        assert_eq!(fs::read(&iso).unwrap(), b"previous");
        assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1);
    }
}

#[test]
fn a_full_disk_below_the_cache_is_said_and_the_iso_is_made_all_the_same() {
    let mut fixture = Fixture::new();
    let plain = fixture.dir.path().join("plain.iso");
    fixture.write(&plain).unwrap();
    let Some(disk) = Tmpfs::mount(fixture.dir.path().join("disk"), 1) else {
        return;
    };
    let folder = disk.0.join("packed");
    fixture.options.cache = Some(Cache::open(&folder, 1 << 30).unwrap());
    let iso = fixture.dir.path().join("x.iso");
    let written = fixture.write(&iso).unwrap();
    let why = written.not_kept.unwrap();
    assert!(why.contains("No space left on device"), "{why}");
    assert!(why.contains(folder.to_str().unwrap()), "{why}");
    assert!(fs::read(&iso).unwrap() == fs::read(&plain).unwrap());
    let names = fs::read_dir(&folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| name == "statistics.json"));
}
