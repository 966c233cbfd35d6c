//! The cache of packed store paths changes how fast an ISO is made, and never a byte of it.

mod fixture;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use fixture::{Fixture, noise, store_name};
use flk_image::{Cache, Error, Keep, Written};

const LIMIT: u64 = 1 << 30;

/// A store path with what matters to packing: large and small files, equal ones, holes, links, an odd name.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    let system = store_name('s', "system");
    fixture.put(&format!("{system}/large"), &noise(1_200_000));
    fixture.put(&format!("{system}/large-again"), &noise(1_200_000));
    fixture.put(&format!("{system}/zeros"), &vec![0; 1_200_000]);
    fixture.put(&format!("{system}/folder/empty"), b"");
    for number in 0..50 {
        let text = format!("{number}\n").repeat(1000);
        fixture.put(&format!("{system}/folder/{number}"), text.as_bytes());
    }
    fixture.rehash();
    fixture
}

fn write(fixture: &mut Fixture, name: &str) -> (Written, Vec<u8>) {
    let iso = fixture.dir.path().join(name);
    let written = fixture.write(&iso).unwrap();
    (written, fs::read(&iso).unwrap())
}

/// The entries' files, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().len() == 64)
        .collect();
    entries.sort();
    entries
}

fn assert_same(a: &[u8], b: &[u8], what: &str) {
    let differ = a.iter().zip(b).position(|(a, b)| a != b);
    assert!(
        a.len() == b.len() && differ.is_none(),
        "{what}: {} and {} bytes, differ at {differ:?}",
        a.len(),
        b.len()
    );
}

#[test]
fn the_bytes_are_the_same_cold_warm_half_filled_and_without() {
    let mut fixture = fixture();
    let (_, without) = write(&mut fixture, "without.iso");
    let folder = fixture.with_cache(LIMIT);
    let (cold, bytes) = write(&mut fixture, "cold.iso");
    assert_same(&bytes, &without, "cold");
    assert_eq!((cold.hits.found, cold.hits.missed), (0, 3));
    assert_eq!(cold.not_kept, None);
    assert_eq!(entries(&folder).len(), 3);

    for threads in [1, 2, 8] {
        fixture.options.threads = NonZeroUsize::new(threads);
        let (warm, bytes) = write(&mut fixture, &format!("warm-{threads}.iso"));
        assert_same(&bytes, &without, "warm");
        assert_eq!((warm.hits.found, warm.hits.missed), (3, 0));
    }
    // Each path missing in turn.
    for entry in entries(&folder) {
        fs::remove_file(&entry).unwrap();
        let name = format!("half-{}.iso", entry.file_name().unwrap().to_str().unwrap());
        let (half, bytes) = write(&mut fixture, &name);
        assert_same(&bytes, &without, "half filled");
        assert_eq!((half.hits.found, half.hits.missed), (2, 1));
        assert!(entry.exists());
    }
    for threads in [1, 8] {
        fixture.options.threads = NonZeroUsize::new(threads);
        fixture.options.cache = None;
        let (_, bytes) = write(&mut fixture, &format!("threads-{threads}.iso"));
        assert_same(&bytes, &without, "threads");
    }
}

#[test]
fn what_is_in_it_is_not_read_in_the_store() {
    let mut fixture = fixture();
    fixture.with_cache(LIMIT);
    let (_, first) = write(&mut fixture, "first.iso");
    fs::remove_dir_all(
        fixture
            .options
            .store
            .join(store_name('s', "system"))
            .join("folder"),
    )
    .unwrap();
    let text = store_name('v', "text");
    fs::remove_file(fixture.options.store.join(&text)).unwrap();
    let (warm, again) = write(&mut fixture, "again.iso");
    assert_eq!(warm.hits.missed, 0);
    assert_same(&again, &first, "from the cache alone");
}

#[test]
fn damage_is_noticed_and_mended() {
    let mut fixture = fixture();
    let folder = fixture.with_cache(LIMIT);
    let (_, good) = write(&mut fixture, "good.iso");
    let whole: Vec<_> = entries(&folder)
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    type Damage = fn(&[u8], &Path, &[u8]);
    let damages: [(&str, Damage); 7] = [
        ("first byte", |bytes, path, _| flip(bytes, path, 0)),
        ("middle", |bytes, path, _| {
            flip(bytes, path, bytes.len() / 2)
        }),
        ("last byte", |bytes, path, _| {
            flip(bytes, path, bytes.len() - 1)
        }),
        ("cut", |bytes, path, _| {
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap()
        }),
        ("empty", |_, path, _| fs::write(path, "").unwrap()),
        ("another's", |_, path, other| {
            fs::write(path, other).unwrap()
        }),
        ("a link", |_, path, _| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        for (number, (bytes, path)) in whole.iter().enumerate() {
            let other = &whole[(number + 1) % whole.len()].0;
            damage(bytes, path, other);
        }
        let (written, bytes) = write(&mut fixture, "again.iso");
        assert_same(&bytes, &good, what);
        assert_eq!(written.hits.found, 0, "{what}");
        for (bytes, path) in &whole {
            assert_same(&fs::read(path).unwrap(), bytes, what);
        }
        fs::remove_file(fixture.dir.path().join("again.iso")).unwrap();
    }
}

fn flip(bytes: &[u8], path: &Path, at: usize) {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn another_compression_is_another_entry() {
    let mut fixture = fixture();
    let folder = fixture.with_cache(LIMIT);
    write(&mut fixture, "a.iso");
    fixture.manifest.compression.level = Some(4);
    assert_eq!(write(&mut fixture, "b.iso").0.hits.found, 0);
    fixture.manifest.compression.block_size = 1 << 17;
    assert_eq!(write(&mut fixture, "c.iso").0.hits.found, 0);
    fixture.manifest.compression.codec = "xz".into();
    fixture.manifest.compression.level = None;
    assert_eq!(write(&mut fixture, "d.iso").0.hits.found, 0);
    assert_eq!(entries(&folder).len(), 12);
}

#[test]
fn two_builds_at_once_do_not_disturb_each_other() {
    let mut fixture = fixture();
    let (_, expected) = write(&mut fixture, "expected.iso");
    let folder = fixture.with_cache(LIMIT);
    let together = Barrier::new(4);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (fixture, together, expected) = (&fixture, &together, &expected);
            scope.spawn(move || {
                let iso = fixture.dir.path().join(format!("{number}.iso"));
                together.wait();
                let written = fixture.write(&iso).unwrap();
                assert_eq!(written.not_kept, None);
                assert_same(&fs::read(&iso).unwrap(), expected, "at once");
            });
        }
    });
    assert_eq!(entries(&folder).len(), 3);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("packed");
    Cache::open(&folder, LIMIT).unwrap();
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(&folder, LIMIT).unwrap_err();
    assert!(matches!(error, Error::Cache { .. }), "{error}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    // Only root can give a folder away; and only then is there another user's.
    if std::os::unix::fs::chown(&folder, Some(65_534), None).is_ok() {
        let error = Cache::open(&folder, LIMIT).unwrap_err().to_string();
        assert!(error.contains("it is of user 65534"), "{error}");
    }
}

#[test]
fn it_keeps_itself_small_and_is_pruned() {
    let mut fixture = fixture();
    let folder = fixture.with_cache(LIMIT);
    write(&mut fixture, "a.iso");
    let cache = fixture.options.cache.clone().unwrap();
    let before = cache.summary().unwrap();
    assert_eq!(before.entries, 3);
    assert_eq!(cache.statistics().images, 1);
    assert_eq!(cache.statistics().last.missed, 3);

    // What was not used for longest goes first.
    let paths = entries(&folder);
    for (age, path) in [30, 20, 10].into_iter().zip(&paths) {
        let used = SystemTime::now() - Duration::from_secs(age * 86_400);
        fs::File::open(path).unwrap().set_modified(used).unwrap();
    }
    let since = SystemTime::now() - Duration::from_secs(25 * 86_400);
    assert_eq!(cache.prune(Keep::Since(since)).unwrap().entries, 1);
    assert_eq!(entries(&folder), paths[1..]);
    let last = fs::metadata(&paths[2]).unwrap().len();
    assert_eq!(cache.prune(Keep::Bytes(last)).unwrap().entries, 1);
    assert_eq!(entries(&folder), paths[2..]);

    // A limit that not everything fits in.
    fixture.options.cache = Some(Cache::open(&folder, before.bytes - 1).unwrap());
    let (written, _) = write(&mut fixture, "b.iso");
    assert!(written.pruned.entries >= 1, "{written:?}");
    assert!(cache.summary().unwrap().bytes < before.bytes);

    // What killed runs have left is no entry, and goes.
    fs::write(folder.join(".new-1-1"), "half").unwrap();
    cache.prune(Keep::Bytes(0)).unwrap();
    assert_eq!(cache.summary().unwrap().entries, 0);
    assert!(!folder.join(".new-1-1").exists());
}

#[test]
fn a_path_that_is_not_what_nix_says_is_not_packed_nor_kept() {
    let mut fixture = fixture();
    let folder = fixture.with_cache(LIMIT);
    let path = fixture
        .options
        .store
        .join(store_name('s', "system"))
        .join("large");
    let mut bytes = noise(1_200_000);
    bytes[1_100_000] ^= 1;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();
    let iso = fixture.dir.path().join("x.iso");
    let error = fixture.write(&iso).unwrap_err();
    let Error::Corrupt { path, .. } = &error else {
        panic!("{error}");
    };
    assert!(path.ends_with("-system"), "{error}");
    assert!(!iso.exists());
    assert!(entries(&folder).len() < 3);
}

/// The other process of the test below; does nothing unless that test starts it.
#[test]
fn a_run_with_a_cache_that_is_killed() {
    let Some(folder) = std::env::var_os("FLK_TEST_KILLED_CACHE") else {
        return;
    };
    let mut fixture = fixture();
    fixture.options.cache = Some(Cache::open(Path::new(&folder), LIMIT).unwrap());
    // The fixture takes most of the time; the parent waits for this.
    fs::write(Path::new(&folder).with_extension("begun"), "").unwrap();
    write(&mut fixture, "x.iso");
}

#[test]
fn a_killed_run_leaves_a_cache_that_is_of_use_or_nothing() {
    let mut fixture = fixture();
    let (_, expected) = write(&mut fixture, "expected.iso");
    for milliseconds in [0, 20, 60, 120, 240, 480] {
        let folder = fixture.with_cache(LIMIT);
        let begun = folder.with_extension("begun");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_run_with_a_cache_that_is_killed"])
            .env("FLK_TEST_KILLED_CACHE", &folder)
            .env("TMPDIR", fixture.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !begun.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it did not begin");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let (written, bytes) = write(&mut fixture, &format!("{milliseconds}.iso"));
        assert_same(&bytes, &expected, "after a kill");
        assert_eq!(written.hits.found + written.hits.missed, 3);
        // Opening it again removes what the killed run had begun to write.
        Cache::open(&folder, LIMIT).unwrap();
        assert!(
            names(&folder).iter().all(|name| !name.starts_with(".new-")),
            "{:?}",
            names(&folder)
        );
        fs::remove_dir_all(&folder).unwrap();
        fs::remove_file(&begun).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}
