//! "Check this medium" in the boot menu, by UEFI and by BIOS: a stick that `flk write` has written is whole and starts; with one byte flipped, nothing starts
//! from it. The machine that has started refuses to write to the stick that it runs from, to a built-in disk, and to a disk that the kernel has built on.

use flk_tests::{
    Bench, BenchError, Disk, Firmware, Fixture, Link, LoopDevice, Machine, MachineOptions, Medium,
    Need, Ssh, binary, blank_disk, run, sample_iso,
};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const NEEDS: &[&[Need]] = &[
    Need::MACHINES,
    Need::LOOP_DEVICES,
    &[Need::Program("dmsetup"), Need::Program("ldd")],
];

/// Under emulation, on a machine that may be busy with other things.
const BOOT: Duration = Duration::from_secs(300);
/// Bytes of the sticks, which are larger than the image.
const STICK: u64 = 1 << 30;
/// Bytes of the built-in disk.
const FIXED: u64 = 64 << 20;

/// A stick with the image, written through a block device with sectors of so many bytes.
fn stick(folder: &Path, iso: &Path, sector: u32) -> Result<PathBuf, BenchError> {
    let stick = folder.join(format!("stick-{sector}"));
    File::create(&stick)
        .and_then(|file| file.set_len(STICK))
        .map_err(BenchError::file(&stick))?;
    let device = LoopDevice::over(&stick, &[&format!("--sector-size={sector}")])?;
    let flk = |verb: &[&str], arguments: &[&Path]| {
        let mut command = Command::new(binary("flk"));
        run(command.args(verb).args(arguments))?.success()
    };
    flk(&["write", "--yes"], &[iso, device.path()])?;
    flk(&["verify"], &[device.path()])?;
    Ok(stick)
}

/// The menu's third entry, by cursor and return on the serial line; a busy machine may lose a key.
fn choose_check(machine: &mut Machine, firmware: Firmware) -> Result<(), BenchError> {
    machine.console().wait_for("Check this medium", BOOT)?;
    // GRUB marks the entry that is chosen; the BIOS menu draws only what has changed.
    let chosen = match firmware {
        Firmware::Uefi => "*Check this medium",
        Firmware::Bios => "Check this medium",
    };
    for _ in 0..8 {
        let mark = machine.console().mark();
        machine.keyboard().type_text("\u{1b}[B")?;
        let is_chosen = machine
            .console()
            .wait_after(mark, chosen, Duration::from_secs(5));
        if is_chosen.is_ok() {
            break;
        }
    }
    machine.keyboard().type_text("\r")?;
    machine.console().wait_for("checking the medium", BOOT)
}

fn start(
    link: &Link,
    bench: &Bench,
    stick: &Path,
    firmware: Firmware,
    disks: Vec<Disk>,
) -> Result<Machine, BenchError> {
    let name = format!("{firmware:?}").to_lowercase();
    let mut options =
        MachineOptions::new(&name, stick, 0x19).boots(firmware, Medium::UsbStick(stick.into()));
    options.disks = disks;
    let mut machine = Machine::start(link, options, &bench.logs())?;
    choose_check(&mut machine, firmware)?;
    Ok(machine)
}

/// What the built-in disk becomes a part of, by shell commands, and what is said then; in the end it is free again.
const BUILT: [(&str, &str); 4] = [
    ("true", "/dev/vda is built into this machine, and no stick"),
    (
        "modprobe dm-mod
        $DMSETUP create flk-test --noudevsync --table '0 2048 linear /dev/vda 0'",
        "/dev/vda is in use: the device-mapper volume flk-test (dm-0) is on it",
    ),
    (
        "$DMSETUP remove flk-test --noudevsync
        modprobe -a md_mod raid1
        echo md_flk >/sys/module/md_mod/parameters/new_array
        cd /sys/block/md_flk/md
        echo raid1 >level
        echo 1 >raid_disks
        cat /sys/block/vda/dev >new_dev",
        "/dev/vda is in use: it is a part of the RAID md_flk (raid1)",
    ),
    (
        "echo clear >/sys/block/md_flk/md/array_state",
        "/dev/vda is built into this machine, and no stick",
    ),
];

/// dmsetup of this machine, with its libraries, where the guest finds them.
fn send_dmsetup(ssh: &Ssh<'_>, target: &str, folder: &Path) -> Result<&'static str, BenchError> {
    let script = "for file in $(ldd \"$(command -v dmsetup)\" | grep -o '/[^ ]*'); do cp -L \"$file\" \"$1\"; done
        cp \"$(command -v dmsetup)\" \"$1\"";
    run(Command::new("sh").args(["-euc", script, "sh"]).arg(folder))?.success()?;
    ssh.send(folder, target, "/tmp/sent")?;
    Ok("/tmp/sent/ld-linux-x86-64.so.2 --library-path /tmp/sent /tmp/sent/dmsetup")
}

/// On a machine that was started from a stick, `/dev/sda`, and has a disk, `/dev/vda`.
fn refuses(ssh: &Ssh<'_>, target: &str) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    sample_iso(&folder.path().join("1.iso"), 1)?;
    let dmsetup = send_dmsetup(ssh, target, folder.path())?;
    let write = |device: &str, expected: &str| -> Result<(), BenchError> {
        let command = format!("sudo -n flk write /tmp/sent/1.iso {device} --yes");
        let said = ssh.run(target, &command)?;
        assert_eq!(said.code, Some(1), "{}", said.all());
        assert!(said.stderr.contains(expected), "{}", said.stderr);
        Ok(())
    };
    write(
        "/dev/sda",
        "/dev/sda is in use: this machine was started from it",
    )?;
    for (script, expected) in BUILT {
        let script = format!(
            "sudo -n sh -euc 'DMSETUP=\"{dmsetup}\"\n{}'",
            script.replace('\'', "\"")
        );
        ssh.read(target, &script)?;
        write("/dev/vda", expected)?;
    }
    Ok(())
}

#[test]
fn checks_its_medium() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("checks_its_medium", NEEDS)? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let dir = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = blank_disk(dir.path().join("fixed"), FIXED)?;

    let whole = stick(dir.path(), &fixture.iso, 512)?;
    let disks = vec![Disk::Plain(disk.clone())];
    let mut machine = start(&link, &bench, &whole, Firmware::Uefi, disks)?;
    machine
        .console()
        .wait_for("the medium is whole: build ", BOOT)?;
    let ssh = fixture.ssh(&link);
    let target = ssh.wait_for(&mut machine, BOOT)?;
    refuses(&ssh, &target)?;
    machine.power_off(Duration::from_secs(120))?;
    let bytes = fs::read(&disk).map_err(BenchError::file(&disk))?;
    assert!(bytes.iter().all(|byte| *byte == 0));

    let damaged = stick(dir.path(), &fixture.iso, 4096)?;
    // In the middle of the store.
    let length = fs::metadata(&fixture.iso)
        .map_err(BenchError::file(&fixture.iso))?
        .len();
    let mut byte = [0];
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(&damaged)
        .and_then(|file| {
            file.read_exact_at(&mut byte, length / 2)?;
            file.write_all_at(&[byte[0] ^ 1], length / 2)
        })
        .map_err(BenchError::file(&damaged))?;
    let machine = start(&link, &bench, &damaged, Firmware::Bios, Vec::new())?;
    let console = machine.console();
    console.wait_for("is damaged: /nix/store/", BOOT)?;
    console.wait_for("nothing was started from it", BOOT)?;
    assert!(!console.text().contains("login"), "{}", console.tail());
    Ok(())
}
