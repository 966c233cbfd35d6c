//! An installation that was killed, ran out of room or met a disk that does not write is taken up by the next one, which ends in
//! the same system and writes next to nothing twice; a damaged medium makes nothing that boots.
//!
//! On the operator's own kernel, as installations without a boot loader, but for one in a whole machine.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Esp, Firmware, Fixture, Link, LiveRoot, Machine, MachineOptions,
    Medium, Need, Output, Partitions, check_ext4, ext4_disk, run,
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const NEEDS: &[&[Need]] = &[Need::BUILDS, Need::LIVE_ROOT];
const INSTALL: [&str; 5] = ["install", "NixOS", "--yes", "--no-bootloader", "--json"];

/// What a second run may write again, of all that is written in one.
const REDONE_PERCENT: u64 = 5;

/// When an installation is killed.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// When so much of all its bytes are on the way to the disk.
    Written(u64),
    /// As soon as this is there.
    Made(&'static str),
}

const POINTS: [Point; 10] = [
    Point::Written(2),
    Point::Written(10),
    Point::Written(25),
    Point::Written(40),
    Point::Written(55),
    Point::Written(70),
    Point::Written(90),
    // Registration has begun; it is over; the host's own key is being made, after which there is next to nothing.
    Point::Made("/mnt/nix/var/flk-first"),
    Point::Made("/mnt/nix/var/nix/db/db.sqlite"),
    Point::Made("/mnt/var/lib/flk/etc/upper/ssh"),
];

/// What an installation said of itself.
struct Done {
    toplevel: String,
    written: u64,
}

impl Done {
    fn read(output: Output) -> Result<Self, BenchError> {
        let output = output.success()?;
        let json: Value =
            serde_json::from_str(&output.stdout).map_err(|_| BenchError::Understand {
                what: "flk install --json".into(),
                text: output.all(),
            })?;
        let toplevel = json["plan"]["toplevel"].as_str();
        let written = json["installed"]["written"].as_u64();
        match (toplevel, written) {
            (Some(toplevel), Some(written)) => Ok(Done {
                toplevel: toplevel.into(),
                written,
            }),
            _ => Err(BenchError::Understand {
                what: "flk install --json".into(),
                text: output.stdout,
            }),
        }
    }
}

#[test]
fn killed_at_ten_points() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("killed_at_ten_points", NEEDS)? else {
        return Ok(());
    };
    let live = LiveRoot::new(&Fixture::shared(&bench)?.medium()?)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");

    let free = mounted(&live, &disk)?;
    let whole = Done::read(live.flk(&INSTALL)?)?;
    let taken = free - room(&live)?;
    assert!(whole.written > 50_000_000, "{} bytes", whole.written);
    is_whole(&live, &whole.toplevel)?;
    live.unmount("/mnt")?;

    for point in POINTS {
        let free = mounted(&live, &disk)?;
        let mut killed = start(&live)?;
        let reached = match point {
            Point::Written(percent) => {
                wait_for_bytes(&live, &mut killed, free, taken * percent / 100)?
            }
            Point::Made(path) => {
                let path = live.path(path);
                wait_for(&mut killed, || Ok(fs::symlink_metadata(&path).is_ok()))?
            }
        };
        assert!(reached, "{point:?}: it was over before");
        live.kill_all()?;
        let status = killed.wait().map_err(BenchError::file("flk"))?;
        assert_eq!(status.signal(), Some(9), "{point:?}: {status}");
        goes_on(&live, &whole, &format!("killed at {point:?}"))?;
        live.unmount("/mnt")?;
        check_ext4(&disk)?;
    }
    Ok(())
}

/// Somebody else fills the disk after the plan found room on it.
#[test]
fn full_disk() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("full_disk", NEEDS)? else {
        return Ok(());
    };
    let live = LiveRoot::new(&Fixture::shared(&bench)?.medium()?)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");
    let free = mounted(&live, &disk)?;
    let whole = Done::read(live.flk(&INSTALL)?)?;
    live.unmount("/mnt")?;
    let free = free.min(mounted(&live, &disk)?);

    let mut install = start(&live)?;
    assert!(wait_for_bytes(&live, &mut install, free, 20_000_000)?);
    let filler = format!(
        "fallocate -l {} /mnt/filler; cat /dev/zero >>/mnt/filler || true",
        room(&live)? / 10 * 9
    );
    live.shell(&filler)?;
    let said = ended(install)?;
    assert_eq!(said.code, Some(1), "{}", said.all());
    assert!(
        said.stderr.contains("No space left on device"),
        "{}",
        said.stderr
    );
    assert!(!live.path("/mnt/nix/var/nix/profiles/system").exists());
    live.shell("rm /mnt/filler")?;
    goes_on(&live, &whole, "a full disk")?;
    live.unmount("/mnt")?;
    check_ext4(&disk)
}

/// The disk fails to write some blocks, and is mended.
#[test]
fn disk_that_does_not_write() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("disk_that_does_not_write", NEEDS)? else {
        return Ok(());
    };
    let live = LiveRoot::new(&Fixture::shared(&bench)?.medium()?)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");
    mounted(&live, &disk)?;
    let whole = Done::read(live.flk(&INSTALL)?)?;
    live.unmount("/mnt")?;

    // The image of the disk lies where there is less room than it claims: what does not fit cannot be written.
    live.shell(&format!(
        "mkdir /short && mount -t tmpfs -o size={} tmpfs /short",
        whole.written / 2
    ))?;
    let disk = ext4_disk(live.path("/short/disk"), DISK, &[])?;
    let mount = "mount -o loop /short/disk /mnt && ln -sfn $(findmnt -no SOURCE /mnt) /dev/disk/by-label/nixos";
    live.shell(mount)?;
    label_boot(&live)?;
    let failed = live.flk(&INSTALL)?;
    assert_eq!(failed.code, Some(1), "{}", failed.all());
    assert!(
        !live.path("/mnt/nix/var/nix/profiles/system").exists(),
        "{}",
        failed.all()
    );

    // As its owner would: there is room, the file system is repaired, and what it lost is to be copied again.
    live.unmount("/mnt")?;
    live.shell("mount -o remount,size=8g /short")?;
    let repaired = run(Command::new("e2fsck").arg("-p").arg(&disk))?;
    assert!(
        repaired.code.is_some_and(|code| code < 4),
        "{}",
        repaired.all()
    );
    live.shell(mount)?;
    label_boot(&live)?;
    goes_on(&live, &whole, "a disk that did not write")?;
    live.unmount("/mnt")?;
    check_ext4(&disk)
}

/// In a whole machine, the disk fails a single write in the middle of it all, and is well again at once; boot loader included.
#[test]
fn write_that_fails() -> Result<(), BenchError> {
    const INSTALLED: &str = "sudo flk install NixOS --yes";
    let needs = [Need::MACHINES, Need::LIVE_ROOT];
    let Some(bench) = Bench::open("write_that_fails", &needs)? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = Partitions::make(files.path().join("disk"))?;
    let link = Link::new()?;
    let mut options = MachineOptions::new("live", &fixture.iso, 0x76)
        .boots(Firmware::Uefi, Medium::Cd(fixture.iso.clone()))
        .without_card();
    options.disks.push(Disk::Plain(disk.clone()));
    let mut machine = Machine::start(&link, options, &bench.logs())?;
    machine.wait_for_shell()?;
    machine.step("sudo mount /dev/vda2 /mnt && sudo mkdir /mnt/boot")?;
    machine.step("sudo mount /dev/vda1 /mnt/boot")?;
    let taken = || fs::metadata(&disk).map(|disk| disk.blocks() * 512);
    let before = taken().map_err(BenchError::file(&disk))?;
    let failing = machine.begin(&format!("! {INSTALLED}"))?;
    machine.wait_until(
        "the first 100 MB",
        Duration::from_secs(600),
        || match taken() {
            Ok(now) if now > before + 100_000_000 => Ok(()),
            now => Err(format!("{now:?} of {before}")),
        },
    )?;
    machine.fail_a_write(0)?;
    let said = machine.end(failing)?;
    assert!(said.contains("error: "), "{said}");
    // Where it was the journal's own write, the file system is to be repaired first.
    machine.step(
        "findmnt -no OPTIONS /mnt | grep -qv -e emergency_ro -e '\\bro\\b' && sudo touch /mnt/x && sudo rm /mnt/x || \
         { sudo umount -R /mnt; sudo e2fsck -p /dev/vda2; sudo mount /dev/vda2 /mnt && sudo mount /dev/vda1 /mnt/boot; }",
    )?;
    let said = machine.step(INSTALLED)?;
    assert!(said.contains("installed as generation 1"), "{said}");
    machine.step("sudo umount -R /mnt")?;
    machine.power_off(Duration::from_secs(120))?;

    let esp = File::open(&disk)
        .map(|disk| Esp::read(&disk, Partitions::BOOT_AT, Partitions::BOOT_LENGTH))
        .map_err(BenchError::file(&disk))?;
    assert!(esp.has_loader && esp.entries.len() == 1, "it does not boot");
    let live = LiveRoot::new(&fixture.medium()?)?;
    live.mount_part(&disk, Partitions::ROOT_AT, "/mnt", "nixos")?;
    is_whole(&live, &esp.entries[0].toplevel)?;
    live.unmount("/mnt")?;
    Partitions::check(&disk)
}

/// One byte of the medium's store image is another.
#[test]
fn damaged_medium() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("damaged_medium", NEEDS)? else {
        return Ok(());
    };
    let medium = Fixture::shared(&bench)?.medium()?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let good = LiveRoot::new(&medium)?;
    let image = files.path().join("damaged.squashfs");
    let store = medium.join("nix-store.squashfs");
    let length = fs::copy(&store, &image).map_err(BenchError::file(&store))?;
    // Data is most of it, and the host's most of that; a byte that belongs to something else is put back.
    for sixteenth in 5..12 {
        let at = length / 16 * sixteenth;
        flip(&image, at)?;
        let live = LiveRoot::with_store(&medium, &image)?;
        mounted(&live, &files.path().join("disk"))?;
        let output = live.flk(&INSTALL)?;
        if output.code == Some(0) {
            is_whole(&live, &Done::read(output)?.toplevel)?;
            flip(&image, at)?;
            continue;
        }
        let (named, _) = output
            .stderr
            .split_once(" is damaged: ")
            .unwrap_or_else(|| panic!("no path is named:\n{}", output.stderr));
        let named = named.rsplit(' ').next().unwrap_or_default();
        assert!(named.starts_with("/nix/store/"), "{}", output.stderr);
        assert!(
            differs(&good.path(named), &live.path(named)),
            "{named} is as it should be:\n{}",
            output.stderr
        );
        assert!(output.stderr.contains("hint: the medium is damaged"));
        for made in ["/mnt/nix/var/nix/profiles/system", &format!("/mnt{named}")] {
            assert!(!live.path(made).exists(), "{made}");
        }
        return live.unmount("/mnt");
    }
    panic!("no byte that was changed was one of the host's");
}

/// A blank file system at `/mnt`; gives what is free on it.
fn mounted(live: &LiveRoot, disk: &Path) -> Result<u64, BenchError> {
    let disk = ext4_disk(disk.into(), DISK, &[])?;
    live.mount(&disk, "/mnt", "nixos")?;
    label_boot(live)?;
    room(live)
}

/// The host's boot partition is to be there; without a boot loader nobody mounts it.
fn label_boot(live: &LiveRoot) -> Result<(), BenchError> {
    live.shell("ln -sfn /dev/zero /dev/disk/by-label/boot")
        .map(drop)
}

/// Bytes free at `/mnt`.
fn room(live: &LiveRoot) -> Result<u64, BenchError> {
    let place = live.path("/mnt");
    let room = rustix::fs::statvfs(&place).map_err(|e| BenchError::file(place)(e.into()))?;
    Ok(room.f_bfree * room.f_frsize)
}

fn start(live: &LiveRoot) -> Result<Child, BenchError> {
    live.command("flk")
        .args(INSTALL)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BenchError::Start {
            program: "flk install".into(),
            source,
        })
}

/// Waits until `bytes` of what was `free` are taken; `false` when the installation ends before.
fn wait_for_bytes(
    live: &LiveRoot,
    install: &mut Child,
    free: u64,
    bytes: u64,
) -> Result<bool, BenchError> {
    wait_for(install, || Ok(free.saturating_sub(room(live)?) >= bytes))
}

/// Looks every half millisecond, for two minutes.
fn wait_for(
    install: &mut Child,
    mut reached: impl FnMut() -> Result<bool, BenchError>,
) -> Result<bool, BenchError> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        if reached()? {
            return Ok(true);
        }
        if install
            .try_wait()
            .map_err(BenchError::file("flk"))?
            .is_some()
        {
            return Ok(false);
        }
        thread::sleep(Duration::from_micros(500));
    }
    Ok(false)
}

/// What an installation said, at its end.
fn ended(install: Child) -> Result<Output, BenchError> {
    let output = install
        .wait_with_output()
        .map_err(BenchError::file("flk"))?;
    Ok(Output {
        command: INSTALL.join(" "),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The next installation ends as `whole` did, and writes hardly anything that was there already.
fn goes_on(live: &LiveRoot, whole: &Done, after: &str) -> Result<(), BenchError> {
    let intact = intact(live)?;
    let second = Done::read(live.flk(&INSTALL)?)?;
    let redone = (intact + second.written).saturating_sub(whole.written);
    // Not by eprintln!: the harness would keep it to itself when the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "{after}: {intact} bytes were there, {} written then, {redone} of {} written twice",
        second.written,
        whole.written
    );
    assert_eq!(second.toplevel, whole.toplevel, "{after}");
    assert!(
        redone * 100 <= whole.written * REDONE_PERCENT,
        "{after}: {redone} bytes were written again, of {}",
        whole.written
    );
    is_whole(live, &whole.toplevel)
}

/// Bytes at `/mnt` that are right, in whatever is there of the store paths, whole or half copied.
fn intact(live: &LiveRoot) -> Result<u64, BenchError> {
    let store = live.path("/mnt/nix/store");
    let mut right = 0;
    let entries = match fs::read_dir(&store) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(BenchError::file(&store))?,
    };
    for entry in entries {
        let entry = entry.map_err(BenchError::file(&store))?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let name = name.strip_prefix(".flk-install-").unwrap_or(&name);
        right += same_bytes(&entry.path(), &live.path("/nix/store").join(name));
    }
    Ok(right)
}

/// Bytes of the files in `a` that are in `b` too, at the same places and with the same content.
fn same_bytes(a: &Path, b: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(a) else {
        return 0;
    };
    if metadata.is_dir() {
        return fs::read_dir(a)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| same_bytes(&entry.path(), &b.join(entry.file_name())))
            .sum();
    }
    let is_same = metadata.is_file()
        && matches!((fs::read(a), fs::read(b)), (Ok(one), Ok(other)) if one == other);
    if is_same { metadata.len() } else { 0 }
}

/// Whether two trees, which hold the same when all is well, do not; what cannot be read differs.
fn differs(a: &Path, b: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(a) else {
        return true;
    };
    if metadata.is_dir() {
        let Ok(entries) = fs::read_dir(a) else {
            return true;
        };
        return entries
            .flatten()
            .any(|entry| differs(&entry.path(), &b.join(entry.file_name())));
    }
    metadata.is_file()
        && !matches!((fs::read(a), fs::read(b)), (Ok(one), Ok(other)) if one == other)
}

/// The system profile leads to `toplevel`, its closure is registered, and Nix finds each path as its hash says.
fn is_whole(live: &LiveRoot, toplevel: &str) -> Result<(), BenchError> {
    // What the disk has, not what memory remembers of it.
    let script = format!(
        "sync; echo 1 >/proc/sys/vm/drop_caches
        readlink /mnt/nix/var/nix/profiles/system-1-link
        nix-store --store 'local?root=/mnt' --query --requisites {toplevel} | sort >/tmp/there
        nix-store --query --requisites {toplevel} | sort | cmp - /tmp/there
        ls -A /mnt/nix/store | sed s,^,/nix/store/, | grep -v /.links$ | sort | cmp - /tmp/there
        nix store verify --all --no-trust --store 'local?root=/mnt' --extra-experimental-features nix-command"
    );
    assert_eq!(live.shell(&script)?.trim(), toplevel);
    Ok(())
}

/// Turns the byte at `at` round; twice, and it is as it was.
fn flip(file: &Path, at: u64) -> Result<(), BenchError> {
    let mut byte = [0];
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut byte)?;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&[!byte[0]])
        })
        .map_err(BenchError::file(file))
}
