//! Images on disks that do what they are told, and on disks that do not.

mod workbench;

use std::path::Path;

use flk_image::{DIGEST_BLOCK, Digests};
use flk_stick::{Error, Image, Options, Phase, Progress, Written, write_to};
use flk_tests::noise;
use workbench::{Fault, Memory, image, image_with_digests, starts};

/// Bytes of the disks.
const SIZE: usize = 16 << 20;

fn write(disk: &Memory, image: &Image, options: Options) -> Result<Written, Error> {
    let size = disk.bytes.lock().unwrap().len() as u64;
    write_to((disk, Path::new("disk"), size), image, options, &mut |_| {
        true
    })
}

/// Two images, and a disk that has the first.
fn images(folder: &Path) -> (Image, Image, Vec<u8>) {
    let [first, second] = [1, 2].map(|number| Image::open(&image(folder, number)).unwrap());
    let disk = Memory::new(noise(9, SIZE), Fault::None);
    write(&disk, &first, Options::default()).unwrap();
    (first, second, disk.bytes())
}

#[test]
fn a_disk_has_the_image_and_nothing_old_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _, disk) = images(dir.path());
    let bytes = std::fs::read(first.path()).unwrap();
    // But for the table: it says where its copy is, and the protective partition how large the disk.
    assert_eq!(disk[1024..bytes.len()], bytes[1024..]);
    assert_eq!(disk[..440], bytes[..440]);
    assert!(
        disk[SIZE - (1 << 20)..SIZE - 33 * 512]
            .iter()
            .all(|byte| *byte == 0)
    );
    assert!(starts(&disk));
    assert_eq!(first.build(), Some("00000000000000000000000000000001"));

    // As large as the image: the image's own copy is at the end already.
    let exact = Memory::new(noise(9, bytes.len()), Fault::None);
    write(&exact, &first, Options::default()).unwrap();
    assert!(exact.bytes() == bytes);
}

#[test]
fn only_what_differs_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, disk) = images(dir.path());
    let again = Memory::new(disk.clone(), Fault::None);
    let written = write(&again, &first, Options::default()).unwrap();
    assert_eq!((written.written, *again.writes.lock().unwrap()), (0, 0));
    assert!(written.verified);

    let changed = Memory::new(disk.clone(), Fault::None);
    let written = write(&changed, &second, Options::default()).unwrap();
    // The file, and the two MB that are always written.
    assert!(
        (2_197_152..2_197_152 + 100_000).contains(&written.written),
        "{written:?}"
    );
    let full = Memory::new(disk, Fault::None);
    let all = write(
        &full,
        &second,
        Options {
            full: true,
            ..Options::default()
        },
    )
    .unwrap();
    assert!(all.written > 3 * written.written);
    assert!(full.bytes() == changed.bytes());
}

#[test]
fn a_stick_that_is_pulled_out_never_starts_half_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, disk) = images(dir.path());
    let body = 1 << 20..SIZE - (1 << 20);
    for options in [
        Options::default(),
        Options {
            full: true,
            ..Options::default()
        },
    ] {
        let whole = Memory::new(disk.clone(), Fault::None);
        write(&whole, &second, options).unwrap();
        let (whole, most) = (whole.bytes(), *whole.writes.lock().unwrap());
        assert!(most >= 6);
        for writes in 0..most {
            let pulled = Memory::new(disk.clone(), Fault::Gone(writes));
            let error = write(&pulled, &second, options).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
            let left = pulled.bytes();
            let has_all_of = |one: &[u8]| left[body.clone()] == one[body.clone()];
            let is_whole = has_all_of(&whole) || has_all_of(&disk);
            assert!(!starts(&left) || is_whole, "after {writes} writes");
            // The next run comes to the same end, with either image.
            let again = Memory::new(left.clone(), Fault::None);
            write(&again, &second, Options::default()).unwrap();
            assert!(again.bytes() == whole, "after {writes} writes");
            let other = Memory::new(left, Fault::None);
            write(&other, &first, Options::default()).unwrap();
            assert!(other.bytes() == disk, "after {writes} writes");
        }
    }
}

#[test]
fn a_disk_that_does_not_keep_what_it_gets_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_, second, disk) = images(dir.path());
    let full = Options {
        full: true,
        ..Options::default()
    };
    for (fault, options, place) in [
        // In the file that differs, in one that does not, at the end and at the beginning.
        (Fault::Flips(5 << 20), full, Some(5 << 20)),
        (Fault::Flips((3 << 20) + 5), full, Some((3 << 20) + 5)),
        (Fault::Flips(SIZE as u64 - 1), full, Some(SIZE as u64 - 1)),
        (Fault::Flips(70), Options::default(), Some(70)),
        (Fault::Misplaces(4 << 20, 9 << 20), full, None),
        // It says 16 MB, and has four; so many that only the image's end lies on its beginning; and so many that only the table's copy lies on the image.
        (Fault::Wraps(4 << 20), full, None),
        (Fault::Wraps(5 << 20), full, None),
        (Fault::Wraps(11 << 20), full, None),
    ] {
        let faulty = Memory::new(vec![0; SIZE], fault);
        let error = write(&faulty, &second, options).unwrap_err();
        let Error::Mismatch { offset, .. } = error else {
            panic!("{fault:?}: {error}");
        };
        assert_eq!(place.unwrap_or(offset), offset, "{fault:?}");
        assert!(!starts(&faulty.bytes()), "{fault:?}");
    }
    // Writes that are lost where the disk has something else.
    let wanted = Memory::new(disk.clone(), Fault::None);
    write(&wanted, &second, Options::default()).unwrap();
    let wanted = wanted.bytes();
    let body = (1 << 20)..SIZE - (1 << 20);
    let at = body.clone().find(|at| wanted[*at] != disk[*at]).unwrap() as u64;
    let faulty = Memory::new(disk, Fault::Drops(at));
    let error = write(&faulty, &second, Options::default()).unwrap_err();
    assert!(
        matches!(error, Error::Mismatch { offset, .. } if offset == at),
        "{error}"
    );
    assert!(!starts(&faulty.bytes()));
    // Nobody looks.
    let faulty = Memory::new(vec![0; SIZE], Fault::Flips(3 << 20));
    let unverified = Options {
        no_verify: true,
        full: true,
    };
    assert!(!write(&faulty, &second, unverified).unwrap().verified);
}

#[test]
fn it_can_be_stopped_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let (_, second, disk) = images(dir.path());
    for phase in [Phase::Compare, Phase::Write, Phase::Verify] {
        let stopped = Memory::new(disk.clone(), Fault::None);
        let mut tell = |progress: Progress| progress.phase != phase;
        let place = (
            &stopped as &dyn flk_stick::Disk,
            Path::new("disk"),
            SIZE as u64,
        );
        let error = write_to(place, &second, Options::default(), &mut tell).unwrap_err();
        let is_begun = phase != Phase::Compare;
        assert!(
            matches!(error, Error::Stopped { is_begun: begun, .. } if begun == is_begun),
            "{phase:?}: {error}"
        );
        assert_eq!(starts(&stopped.bytes()), !is_begun, "{phase:?}");
        assert_eq!(stopped.bytes() == disk, !is_begun);
    }
}

#[test]
fn a_damaged_image_that_has_digests_never_starts_a_machine() {
    let dir = tempfile::tempdir().unwrap();
    let path = image_with_digests(dir.path());
    let good = std::fs::read(&path).unwrap();
    let size = good.len() as u64;
    let disk = || Memory::new(noise(9, SIZE), Fault::None);
    let whole = disk();
    write(&whole, &Image::open(&path).unwrap(), Options::default()).unwrap();
    assert!(starts(&whole.bytes()));
    let damaged = |at: u64| {
        let mut bytes = good.clone();
        bytes[at as usize] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        Image::open(&path)
    };
    // Of the first MiB, of the body, and of the last blocks, which lie anyhow on a target's last MiB.
    let places = [
        17 * 2048 + 900,
        (1 << 20) + 1,
        size - (1 << 20) - 7,
        size - 1,
    ];
    let mut tried = 0;
    for at in places {
        // Some tables that are damaged are no image's.
        let Ok(image) = damaged(at) else { continue };
        tried += 1;
        for full in [false, true] {
            let exact = Memory::new(noise(9, size as usize), Fault::None);
            for target in [disk(), exact] {
                let before = target.bytes();
                let options = Options {
                    full,
                    ..Options::default()
                };
                let error = write(&target, &image, options).unwrap_err();
                let block = at / DIGEST_BLOCK * DIGEST_BLOCK;
                assert!(
                    matches!(&error, Error::Damaged { offset, .. } if *offset == block),
                    "byte {at}: {error}"
                );
                let after = target.bytes();
                // Compared before anything is written, or written without what starts it.
                assert!(
                    after == before || full && !starts(&after),
                    "byte {at}, {full}"
                );
            }
        }
    }
    assert!(tried >= 2, "{tried}");
    // Damaged digests are no digests.
    std::fs::write(&path, &good).unwrap();
    let own = Digests::read(&path).unwrap().own_offset;
    assert!(matches!(damaged(own + 50), Err(Error::Digests { .. })));
}

#[test]
fn what_is_no_image_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = std::fs::read(image(dir.path(), 1)).unwrap();
    let path = dir.path().join("x.iso");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Image::open(&path).unwrap_err().to_string()
    };
    assert!(refused(b"").ends_with("it is too short for an ISO"));
    for cut in [1, 1024 * 1024] {
        let cut = good.len() - cut;
        assert!(refused(&good[..cut]).contains(&format!("is cut short: it has {cut} bytes of ")));
    }
    assert!(refused(&[&good[..], &[0]].concat()).ends_with("no multiple of 512 bytes"));
    // Whatever it is called.
    assert!(
        refused(b"\xfd7zXZ\0and so on").ends_with("is compressed by xz, and not an image itself")
    );
    assert!(refused(&vec![0; 2 << 20]).ends_with("it has no boot sector"));
    let mut no_iso = good.clone();
    no_iso[32769..32774].fill(0);
    assert!(refused(&no_iso).ends_with("it is no ISO 9660"));
    assert!(matches!(
        Image::open(dir.path()),
        Err(Error::NoImage { .. })
    ));
    assert!(matches!(
        Image::open(&dir.path().join("none")),
        Err(Error::Io { .. })
    ));
}
