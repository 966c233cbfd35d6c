//! Real block devices (loop), with the kernel and other people's programs as judges.
//!
//! Needs root, loop devices and sgdisk; where one is missing it is skipped, but in CI that is a failure.

mod workbench;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flk_stick::{Error, Found, Options, Phase, Request, execute, plan, verify};
use flk_tests::{LoopDevice, Need, can_prove, noise};
use rustix::fs::OFlags;
use workbench::{image, starts};

const SIZE: u64 = 24 << 20;
/// What these tests need.
const NEEDS: &[&[Need]] = &[
    Need::LOOP_DEVICES,
    &[
        Need::Program("sgdisk"),
        Need::Program("sfdisk"),
        Need::Program("blkid"),
        Need::Program("mkfs.btrfs"),
    ],
];

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn done(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A loop device over a file of noise.
struct Stick {
    device: LoopDevice,
    dir: tempfile::TempDir,
}

impl Stick {
    /// `None`: something is missing here.
    fn new(options: &[&str]) -> Option<Stick> {
        can_prove("writing to devices", NEEDS).then(|| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("disk");
            fs::write(&file, noise(5, SIZE as usize)).unwrap();
            Stick {
                device: LoopDevice::over(&file, options).unwrap(),
                dir,
            }
        })
    }

    fn path(&self) -> &str {
        self.device.path().to_str().unwrap()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn request(&self, number: u64) -> Request {
        Request {
            image: image(self.dir.path(), number),
            target: self.device.path().to_owned(),
            allow_fixed: false,
        }
    }

    /// What is said instead of writing.
    fn said(&self) -> String {
        let error = plan(&self.request(1)).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        format!("{error}; {hint}")
    }

    /// The same, and that nothing was written.
    fn refused(&self) -> String {
        let before = digest(&self.file());
        let said = self.said();
        assert_eq!(digest(&self.file()), before);
        said
    }
}

fn digest(path: &Path) -> String {
    done("b2sum", &[path.to_str().unwrap()])
}

#[test]
fn a_device_has_the_image_and_a_table_that_nobody_complains_of() {
    let Some(disk) = Stick::new(&[]) else { return };
    let request = disk.request(1);
    let first = plan(&request).unwrap();
    assert_eq!(first.found, Found::Other);
    assert_eq!(first.target.size(), SIZE);
    let written = execute(&first, Options::default(), &mut |_| true).unwrap();
    assert!(written.verified && written.written > 5 << 20, "{written:?}");
    let said = done("sgdisk", &["--verify", disk.path()]);
    assert!(said.contains("No problems found."), "{said}");
    let said = done("sfdisk", &["--verify", disk.path()]);
    assert!(said.contains("No errors detected."), "{said}");
    let volume = done(
        "blkid",
        &["--probe", "-s", "LABEL", "-o", "value", disk.path()],
    );
    assert_eq!(volume.trim(), "flk-Sample");

    let again = execute(&plan(&request).unwrap(), Options::default(), &mut |_| true).unwrap();
    assert_eq!(again.written, 0);
    let next = plan(&disk.request(2)).unwrap();
    let written = execute(&next, Options::default(), &mut |_| true).unwrap();
    assert!(written.written < 3 << 20, "{written:?}");
    let full = Options {
        full: true,
        ..Options::default()
    };
    let changed = fs::read(disk.file()).unwrap();
    execute(&next, full, &mut |_| true).unwrap();
    assert!(fs::read(disk.file()).unwrap() == changed);
}

/// A device that counts in larger sectors has the image as it is: its tables count in sectors of 512 bytes, as the ones of every hybrid ISO, and say nothing
/// to such a device. Nothing old is left where it would look for its own.
#[test]
fn a_device_of_large_sectors_has_the_image_and_no_other_table() {
    let Some(disk) = Stick::new(&["--sector-size=4096"]) else {
        return;
    };
    done("sgdisk", &["--new=1:256:1024", disk.path()]);
    assert!(done("blkid", &["--probe", disk.path()]).contains("PTTYPE=\"gpt\""));
    let request = disk.request(1);
    let planned = plan(&request).unwrap();
    let written = execute(&planned, Options::default(), &mut |_| true).unwrap();
    assert!(written.verified, "{written:?}");
    let bytes = fs::read(disk.file()).unwrap();
    let iso = fs::read(&request.image).unwrap();
    assert!(bytes[..iso.len()] == iso);
    assert!(
        bytes[bytes.len() - (1 << 20)..]
            .iter()
            .all(|byte| *byte == 0)
    );
    let found = done("blkid", &["--probe", disk.path()]);
    assert!(
        found.contains("TYPE=\"iso9660\"") && found.contains("LABEL=\"flk-Sample\""),
        "{found}"
    );
    assert!(!found.contains("PTTYPE=\"gpt\""), "{found}");
    let again = execute(&planned, Options::default(), &mut |_| true).unwrap();
    assert_eq!(again.written, 0);
}

#[test]
fn what_is_read_back_comes_from_the_device() {
    let Some(disk) = Stick::new(&[]) else { return };
    let place = 3 << 20;
    let file = OpenOptions::new().write(true).open(disk.file()).unwrap();
    let mut is_spoilt = false;
    // The device loses a byte behind the kernel's back, once everything is written. Whoever reads from the kernel's memory does not see that.
    let reader = File::open(disk.path()).unwrap();
    let mut remembered = vec![0; 4096];
    let spoilt = execute(
        &plan(&disk.request(1)).unwrap(),
        Options::default(),
        &mut |progress| {
            if progress.phase == Phase::Verify && !is_spoilt {
                is_spoilt = true;
                reader.read_exact_at(&mut remembered, place).unwrap();
                file.write_all_at(&[!remembered[7]], place + 7).unwrap();
            }
            true
        },
    );
    let error = spoilt.unwrap_err();
    assert!(
        matches!(error, Error::Mismatch { offset, .. } if offset == place + 7),
        "{error}"
    );
    assert!(!starts(&fs::read(disk.file()).unwrap()));
    let mut cached = vec![0; 4096];
    reader.read_exact_at(&mut cached, place).unwrap();
    assert_eq!(
        cached, remembered,
        "the cache has it, so the verification did not read that"
    );

    let next = plan(&disk.request(1)).unwrap();
    let build = "00000000000000000000000000000001".to_owned();
    assert_eq!(next.found, Found::Unfinished { build });
    let written = execute(&next, Options::default(), &mut |_| true).unwrap();
    assert!(written.written < 3 << 20, "{written:?}");
}

#[test]
fn what_is_mounted_or_swap_is_refused_and_left_alone() {
    let Some(disk) = Stick::new(&["--partscan"]) else {
        return;
    };
    let whole = disk.path();
    let place = disk.dir.path().join("my place");
    fs::create_dir(&place).unwrap();
    let point = place.to_str().unwrap();

    done("mkfs.ext4", &["-q", "-F", whole]);
    done("mount", &["-o", "ro,noload", whole, point]);
    let said = disk.refused();
    done("umount", &[point]);
    assert_eq!(
        said,
        format!(
            "{whole} is in use: {whole} is mounted at {point}; unmount it (`umount {point}`) and run this again"
        )
    );

    fs::write(disk.file(), noise(5, SIZE as usize)).unwrap();
    done("mkswap", &[whole]);
    done("swapon", &[whole]);
    // The kernel may write to it at any time.
    let said = disk.said();
    done("swapoff", &[whole]);
    assert_eq!(
        said,
        format!("{whole} is in use: {whole} is swap space; `swapoff {whole}` and run this again")
    );

    done("sgdisk", &["--zap-all", "--new=1:2048:40000", whole]);
    let partition = format!("{whole}p1");
    run("partx", &["--add", whole]);
    assert!(Path::new(&partition).exists(), "{partition} is not there");
    let mut request = disk.request(1);
    request.target = partition.clone().into();
    let error = plan(&request).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{partition} is a partition; the image is for the whole disk {whole}")
    );
    done("mkfs.ext4", &["-q", "-F", &partition]);
    done("mount", &["-o", "ro,noload", &partition, point]);
    let said = disk.refused();
    done("umount", &[point]);
    assert!(
        said.starts_with(&format!(
            "{whole} is in use: {partition} is mounted at {point};"
        )),
        "{said}"
    );
    plan(&disk.request(1)).unwrap();
}

/// The kernel's tables do not name the members of pools, but it does not give them away.
#[test]
fn members_of_pools_are_refused_and_left_alone() {
    let Some(disk) = Stick::new(&[]) else { return };
    let hold = |path: &Path| {
        let mut options = OpenOptions::new();
        let flags = OFlags::EXCL.bits().cast_signed();
        options.read(true).custom_flags(flags).open(path).unwrap()
    };
    let held = hold(disk.device.path());
    let said = disk.refused();
    assert!(
        said.contains("is in use: the kernel does not give it away; "),
        "{said}"
    );
    drop(held);

    // A ZFS label, of which this kernel knows nothing; an exported pool may be overwritten.
    let magic = 0x00ba_b10c_u64.to_le_bytes();
    let file = OpenOptions::new().write(true).open(disk.file()).unwrap();
    file.write_all_at(&magic, (128 << 10) + 5 * 1024).unwrap();
    plan(&disk.request(1)).unwrap();
    let held = hold(disk.device.path());
    let said = disk.refused();
    assert!(
        said.ends_with("is in use: it is a part of a ZFS pool that is imported; `zpool export` the pool and run this again"),
        "{said}"
    );
    drop(held);

    // A real btrfs of two disks, of which the kernel says that one is mounted.
    let other = disk.dir.path().join("other");
    for path in [&disk.file(), &other] {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path);
        file.unwrap().set_len(200 << 20).unwrap();
    }
    done("losetup", &["--set-capacity", disk.path()]);
    let other = LoopDevice::over(&other, &[]).unwrap();
    let place = disk.dir.path().join("pool");
    fs::create_dir(&place).unwrap();
    let first = other.path().to_str().unwrap();
    done("mkfs.btrfs", &["-q", "-f", first, disk.path()]);
    // Nor does the kernel write anything then.
    let with = format!("ro,device={}", disk.path());
    done("mount", &["-o", &with, first, place.to_str().unwrap()]);
    let said = disk.refused();
    done("umount", &[place.to_str().unwrap()]);
    assert!(
        said.ends_with(
            "is in use: it is a part of a btrfs that is mounted; unmount it and run this again"
        ),
        "{said}"
    );
}

#[test]
fn what_was_not_meant_is_refused_and_left_alone() {
    let Some(disk) = Stick::new(&[]) else { return };
    let mut request = disk.request(1);
    for (target, expected) in [
        (request.image.clone(), "is the image itself"),
        (disk.file(), "stands for it"),
        ("/dev/null".into(), "is neither a block device nor a file"),
        (
            disk.dir.path().into(),
            "is neither a block device nor a file",
        ),
        (disk.dir.path().join("none"), "cannot find"),
    ] {
        request.target = target;
        let error = plan(&request).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    let small = disk.dir.path().join("small");
    File::create(&small).unwrap().set_len(1 << 20).unwrap();
    let device = LoopDevice::over(&small, &[]).unwrap();
    for target in [device.path(), &disk.dir.path().join("smaller")] {
        if !target.exists() {
            File::create(target).unwrap().set_len(1 << 20).unwrap();
        }
        request.target = target.to_owned();
        let error = plan(&request).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooSmall {
                    available: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
    }

    let other = Stick::new(&["--read-only"]).unwrap();
    let said = other.refused();
    assert!(
        said.ends_with("is read-only; some sticks and SD adapters have a switch for that"),
        "{said}"
    );
}

#[test]
fn a_device_that_was_exchanged_after_the_question_is_not_written() {
    let Some(disk) = Stick::new(&[]) else { return };
    let planned = plan(&disk.request(1)).unwrap();
    let other = disk.dir.path().join("other");
    fs::write(&other, noise(6, SIZE as usize)).unwrap();
    disk.device.exchange(&other).unwrap();
    let error = execute(&planned, Options::default(), &mut |_| true).unwrap_err();
    assert!(matches!(error, Error::Exchanged { .. }), "{error}");
    assert!(fs::read(&other).unwrap() == noise(6, SIZE as usize));
}

#[test]
fn a_file_can_be_a_stick() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("stick");
    File::create(&target).unwrap().set_len(SIZE + 100).unwrap();
    let request = Request {
        image: image(dir.path(), 1),
        target: target.clone(),
        allow_fixed: false,
    };
    execute(&plan(&request).unwrap(), Options::default(), &mut |_| true).unwrap();
    assert!(starts(&fs::read(&target).unwrap()[..SIZE as usize]));
    // It is no ISO of flk's making, and has no digests.
    let error = verify(&target, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::Digests { .. }), "{error}");
    // Nobody else may write to it meanwhile.
    let file = File::open(&target).unwrap();
    file.lock().unwrap();
    let error = execute(&plan(&request).unwrap(), Options::default(), &mut |_| true).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}
