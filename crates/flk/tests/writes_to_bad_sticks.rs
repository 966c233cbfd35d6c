//! `flk write` onto block devices of the kernel that fail, lie or go away on cue, and onto such as nobody may write to: never half an image that starts, never
//! a lie that is believed, never a byte of what is in use.
//!
//! Needs root, loop devices and FUSE; where one is missing it is skipped, but in CI that is a failure.

mod workbench;

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::mpsc,
};

use flk_iso9660::format::{gpt::Header, mbr::Mbr};
use flk_tests::{Fault, FaultyDisk, LoopDevice, Need, can_prove, noise, run, sample_iso};
use rustix::process::{Pid, Signal, kill_process};
use workbench::Workbench;

/// Bytes of the sticks.
const SIZE: usize = 16 << 20;
/// How often a stick is pulled out, and flk killed.
const POINTS: u64 = 10;
/// A file system in which nothing is left to be written by the kernel when it has time.
const QUIET: [&str; 3] = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
/// What the notes of a write that was not ended say.
const GOES_ON: &str = "it was being written there before; that is gone on with";

/// Two images of one host, and a stick that has the first.
struct Case {
    bench: Workbench,
    disk: FaultyDisk,
    /// What the stick has.
    first: Vec<u8>,
    /// What it is to have.
    second: Vec<u8>,
}

impl Case {
    fn new(promise: &str) -> Option<Case> {
        if !can_prove(promise, &[FaultyDisk::NEEDS]) {
            return None;
        }
        let bench = Workbench::new().with_only(&[]);
        for number in [1, 2] {
            sample_iso(&bench.at(&format!("{number}.iso")), number).unwrap();
        }
        let disk = FaultyDisk::new(noise(9, SIZE)).unwrap();
        let mut case = Case {
            bench,
            disk,
            first: Vec::new(),
            second: Vec::new(),
        };
        case.write("2.iso").ended(0).said("all read back");
        case.second = case.disk.bytes();
        case.write("1.iso").ended(0).said("all read back");
        case.first = case.disk.bytes();
        assert!(starts(&case.first) && starts(&case.second));
        Some(case)
    }

    /// Everything is written, or only what differs without the last argument.
    fn arguments<'a>(&'a self, image: &'a str) -> [&'a str; 5] {
        let device = self.disk.path().to_str().unwrap();
        ["write", image, device, "--yes", "--full"]
    }

    fn write(&self, image: &str) -> workbench::Run {
        self.bench.flk(&self.arguments(image))
    }

    /// Ten places among the bytes of a whole write, the first and the last among them.
    fn points(&self) -> Vec<u64> {
        self.disk.set(Fault::None);
        self.write("2.iso").ended(0);
        let last = self.disk.written() - 1;
        assert!(last > 6 << 20, "{last}");
        (0..POINTS)
            .map(|point| last * point / (POINTS - 1))
            .collect()
    }

    /// After a write of the second image was cut off: nothing starts unless all of one image is there, and the next write ends it.
    fn is_gone_on_with(&self, point: u64) {
        self.disk.set(Fault::None);
        let left = self.disk.bytes();
        let has_all_of = |one: &[u8]| {
            let body = 1 << 20..SIZE - (1 << 20);
            left[body.clone()] == one[body]
        };
        let is_whole = has_all_of(&self.first) || has_all_of(&self.second);
        assert!(!starts(&left) || is_whole, "after {point} bytes");
        let is_noted = left.starts_with(b"flk is writing an image to this disk: ");
        let next = self.bench.flk(&self.arguments("2.iso")[..4]).ended(0);
        assert_eq!(next.stderr.contains(GOES_ON), is_noted, "{}", next.stderr);
        assert!(self.disk.bytes() == self.second, "after {point} bytes");
    }
}

/// Whether any firmware could start something from a disk: by its MBR, by its GPT or the GPT's copy, or as a CD.
fn starts(disk: &[u8]) -> bool {
    Mbr::decode(&disk[..512]).is_some()
        || Header::decode(&disk[512..1024]).is_some()
        || Header::decode(&disk[disk.len() - 512..]).is_some()
        || &disk[32769..32774] == b"CD001"
}

#[test]
fn a_stick_that_is_pulled_out_never_starts_half_an_image() {
    let Some(case) = Case::new("a stick that is pulled out") else {
        return;
    };
    let mut noted = 0;
    for point in case.points() {
        case.disk.fill(&case.first);
        case.disk.at_byte(point, || Fault::Gone);
        let run = case.write("2.iso").ended(1);
        let says = |text: &str| run.stderr.contains(text);
        assert!(
            says("error: cannot ") && says("Input/output error"),
            "{}",
            run.stderr
        );
        noted += u64::from(case.disk.bytes().starts_with(b"flk is writing"));
        case.is_gone_on_with(point);
    }
    assert!(noted >= POINTS - 3, "{noted}");
}

#[test]
fn a_write_that_is_killed_never_starts_half_an_image() {
    let Some(case) = Case::new("a write that is killed") else {
        return;
    };
    let mut noted = 0;
    for point in case.points() {
        case.disk.fill(&case.first);
        let (tell, told) = mpsc::channel();
        case.disk.at_byte(point, move || {
            let flk: u32 = told.recv().unwrap();
            kill_process(Pid::from_raw(flk.cast_signed()).unwrap(), Signal::KILL).unwrap();
            Fault::None
        });
        let flk = case.bench.start_flk_in("", &case.arguments("2.iso"));
        tell.send(flk.id()).unwrap();
        let output = flk.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            None,
            "after {point} bytes: {output:?}"
        );
        noted += u64::from(case.disk.bytes().starts_with(b"flk is writing"));
        case.is_gone_on_with(point);
    }
    assert!(noted >= POINTS - 3, "{noted}");
}

#[test]
fn a_stick_that_lies_is_found_out_where_it_does() {
    let Some(case) = Case::new("a stick that lies") else {
        return;
    };
    let size = SIZE as u64;
    let inside = 3 << 20;
    for (fault, place) in [
        (Fault::Flips(inside + 77), Some(inside + 77)),
        (Fault::Flips(size - 5), Some(size - 5)),
        (Fault::Flips(3), Some(3)),
        (Fault::Drops(inside + 77), None),
        (
            Fault::Misplaces(inside + 1024, 9 << 20),
            Some(inside + 1024),
        ),
        // It says 16 MB.
        (Fault::Wraps(4 << 20), None),
        (Fault::Wraps(11 << 20), None),
        (Fault::Ends(4 << 20), Some(4 << 20)),
        (Fault::Ends(8 << 20), Some(size - (1 << 20))),
    ] {
        case.disk.fill(&vec![0; SIZE]);
        case.disk.set(fault);
        let run = case.write("2.iso").ended(1);
        let said = run.stderr;
        let before = " does not keep what is written to it: at byte ";
        let at: u64 = said
            .split_once(before)
            .and_then(|(_, rest)| rest.split_once(' '))
            .and_then(|(number, _)| number.parse().ok())
            .unwrap_or_else(|| panic!("{fault:?}: {said}"));
        assert_eq!(place.unwrap_or(at), at, "{fault:?}: {said}");
        assert!(said.contains("use another one"), "{said}");
        assert!(!starts(&case.disk.bytes()), "{fault:?}");
        if let Fault::Drops(lost) = fault {
            // The whole write was lost, of which that byte is a part.
            assert!(at <= lost && lost - at < 1 << 20, "{at}");
        }
    }
}

/// A system of its own, by chroot(2): the stick that its root is on, and the stick that it was started from.
#[test]
fn the_running_root_and_the_live_medium_are_refused_and_left_alone() {
    let needs: &[Need] = &[Need::Program("chroot"), Need::Program("mkfs.ext4")];
    if !can_prove("the running root", &[Need::LOOP_DEVICES, needs]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("disk");
    File::create(&file).unwrap().set_len(256 << 20).unwrap();
    run(Command::new("mkfs.ext4").args(QUIET).arg(&file))
        .and_then(|output| output.success())
        .unwrap();
    let device = LoopDevice::over(&file, &[]).unwrap();
    let medium = dir.path().join("medium");
    fs::write(&medium, noise(1, 1 << 20)).unwrap();
    run(Command::new("mkfs.ext4")
        .args(QUIET)
        .arg(&medium)
        .arg("64M"))
    .and_then(|output| output.success())
    .unwrap();
    let medium = LoopDevice::over(&medium, &[]).unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let image = dir.path().join("1.iso");
    sample_iso(&image, 1).unwrap();
    let script = "mount \"$1\" \"$2\"
        cd \"$2\"
        mkdir bin dev proc sys iso
        cp \"$3\" bin/flk
        cp \"$4\" 1.iso
        for place in dev proc sys; do mount --rbind \"/$place\" \"$place\"; done
        mount -o ro \"$5\" iso
        mount -o remount,ro .
        sync
        for target in \"$1\" \"$5\"; do
            before=$(b2sum <\"$target\")
            chroot . /bin/flk write /1.iso \"$target\" --yes 2>&1 && exit 9
            test \"$before\" = \"$(b2sum <\"$target\")\"
        done";
    let flk = Path::new(env!("CARGO_BIN_EXE_flk"));
    let said = run(Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            script,
            "sh",
        ])
        .args([device.path(), &root, flk, &image, medium.path()]))
    .and_then(|output| output.success())
    .unwrap()
    .stdout;
    for (path, why) in [
        (device.path(), "the running system is on it"),
        (medium.path(), "this machine was started from it"),
    ] {
        let expected = format!(
            "error: {} is in use: {why}\nhint: choose another disk\n",
            path.display()
        );
        assert!(said.contains(&expected), "{said}");
    }
}
