//! Real block devices (loop), with the kernel and sgdisk as judges.
//!
//! Needs root, loop devices and sgdisk; where one is missing it is skipped, but in CI that is a failure.

mod workbench;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flk_stick::{Error, Found, Options, Phase, Request, execute, plan};
use workbench::{image, noise, starts};

const SIZE: u64 = 24 << 20;

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn done(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A loop device over a file of noise.
struct Loop {
    dir: tempfile::TempDir,
    device: PathBuf,
}

impl Loop {
    /// `None`: something is missing here.
    fn new(more: &[&str]) -> Option<Loop> {
        let missing = |what: &str| {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{what}, and in CI nothing is skipped"
            );
            let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
        };
        if !rustix::process::geteuid().is_root() {
            missing("this user is not root");
            return None;
        }
        if Command::new("sgdisk").arg("--version").output().is_err() {
            missing("there is no sgdisk");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("disk");
        fs::write(&file, noise(5, SIZE as usize)).unwrap();
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .args(more)
            .arg(&file)
            .output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else {
            missing("there are no loop devices");
            return None;
        };
        let device = String::from_utf8(output.stdout).unwrap().trim().into();
        Some(Loop { dir, device })
    }

    fn path(&self) -> &str {
        self.device.to_str().unwrap()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn request(&self, number: u64) -> Request {
        Request {
            image: image(self.dir.path(), number),
            target: self.device.clone(),
            allow_fixed: false,
        }
    }

    fn refused(&self) -> String {
        plan(&self.request(1)).unwrap_err().to_string()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("losetup", &["--detach", self.path()]);
    }
}

#[test]
fn a_device_has_the_image_and_a_table_that_nobody_complains_of() {
    let Some(disk) = Loop::new(&[]) else { return };
    let request = disk.request(1);
    let first = plan(&request).unwrap();
    assert_eq!(first.found, Found::Other);
    assert_eq!(first.target.size(), SIZE);
    let written = execute(&first, Options::default(), &mut |_| true).unwrap();
    assert!(written.verified && written.written > 5 << 20, "{written:?}");
    let said = done("sgdisk", &["--verify", disk.path()]);
    assert!(said.contains("No problems found."), "{said}");
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

#[test]
fn what_is_read_back_comes_from_the_device() {
    let Some(disk) = Loop::new(&[]) else { return };
    let place = 3 << 20;
    let file = OpenOptions::new().write(true).open(disk.file()).unwrap();
    let mut is_spoilt = false;
    // The device loses a byte behind the kernel's back, once everything is written. Whoever reads from the kernel's memory does not see that.
    let reader = File::open(&disk.device).unwrap();
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
        matches!(error, Error::Mismatch { offset, .. } if offset == place),
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
fn what_is_in_use_or_was_not_meant_is_refused_and_left_alone() {
    let Some(disk) = Loop::new(&["--partscan"]) else {
        return;
    };
    let before = || blake(&disk.file());
    let untouched = before();
    let whole = disk.path();

    let mounted = {
        done("mkfs.ext4", &["-q", "-F", whole]);
        let made = before();
        let place = disk.dir.path().join("my place");
        fs::create_dir(&place).unwrap();
        done(
            "mount",
            &["-o", "ro,noload", whole, place.to_str().unwrap()],
        );
        let said = disk.refused();
        done("umount", &[place.to_str().unwrap()]);
        assert_eq!(before(), made);
        said
    };
    assert!(
        mounted.contains(&format!("in use: {whole} is mounted at ")),
        "{mounted}"
    );
    assert!(mounted.ends_with("/my place"), "{mounted}");

    fs::write(disk.file(), noise(5, SIZE as usize)).unwrap();
    assert_eq!(before(), untouched);
    done("mkswap", &[whole]);
    done("swapon", &[whole]);
    let swap = disk.refused();
    done("swapoff", &[whole]);
    assert!(swap.ends_with("is swap space"), "{swap}");

    done("sgdisk", &["--new=1:2048:4096", whole]);
    let partition = format!("{whole}p1");
    run("partx", &["--add", whole]);
    if Path::new(&partition).exists() {
        let mut request = disk.request(1);
        request.target = partition.clone().into();
        let error = plan(&request).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{partition} is a partition; the image is for the whole disk {whole}")
        );
    }

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
    request.target = small;
    assert!(matches!(
        plan(&request),
        Err(Error::TooSmall {
            available: 1_048_576,
            ..
        })
    ));

    let Some(other) = Loop::new(&["--read-only"]) else {
        return;
    };
    assert!(
        other.refused().ends_with("is read-only"),
        "{}",
        other.refused()
    );
}

#[test]
fn a_device_that_was_exchanged_after_the_question_is_not_written() {
    let Some(disk) = Loop::new(&[]) else { return };
    let planned = plan(&disk.request(1)).unwrap();
    let other = disk.dir.path().join("other");
    fs::write(&other, noise(6, SIZE as usize)).unwrap();
    done("losetup", &["--detach", disk.path()]);
    done("losetup", &[disk.path(), other.to_str().unwrap()]);
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
    // Nobody else may write to it meanwhile.
    let file = File::open(&target).unwrap();
    file.lock().unwrap();
    let error = execute(&plan(&request).unwrap(), Options::default(), &mut |_| true).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

fn blake(path: &Path) -> String {
    done("b2sum", &[path.to_str().unwrap()])
}
