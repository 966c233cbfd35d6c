//! An ISO starts a machine by BIOS and by UEFI, from a CD and from a disk, up to a login by ssh; and from memory alone.
//!
//! From a stick by UEFI: `checks_its_medium`.

use flk_tests::{
    Bench, BenchError, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// Under emulation, on a machine that may be busy with other things.
const BOOT: Duration = Duration::from_secs(300);

fn boots(
    promise: &'static str,
    firmware: Firmware,
    medium: fn(PathBuf) -> Medium,
    device: &str,
) -> Result<(), BenchError> {
    let Some(bench) = Bench::open(promise, &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let ssh = fixture.ssh(&link);
    let options = MachineOptions::new(promise, &fixture.iso, 0x11)
        .boots(firmware, medium(fixture.iso.clone()));
    let mut machine = Machine::start(&link, options, &bench.logs())?;
    let target = ssh.wait_for(&mut machine, BOOT)?;
    let _ = writeln!(
        std::io::stderr(),
        "{promise}: power-on to ssh in {} s",
        machine.up_for().as_secs()
    );

    // It is the firmware and the medium that the test meant.
    let found = ssh.read(
        &target,
        "test -d /sys/firmware/efi && echo uefi || echo bios; findmnt -no SOURCE /iso",
    )?;
    let expected = if firmware == Firmware::Bios {
        "bios"
    } else {
        "uefi"
    };
    let [seen_firmware, seen_device] = found.lines().collect::<Vec<_>>()[..] else {
        panic!("{found}")
    };
    assert_eq!(seen_firmware, expected);
    assert!(
        seen_device.starts_with(&format!("/dev/{device}")),
        "/iso is {seen_device}, not /dev/{device}…"
    );
    machine.power_off(Duration::from_secs(120))
}

#[test]
fn bios_cd() -> Result<(), BenchError> {
    boots("bios_cd", Firmware::Bios, Medium::Cd, "sr")
}

#[test]
fn bios_disk() -> Result<(), BenchError> {
    boots("bios_disk", Firmware::Bios, Medium::UsbStick, "sd")
}

#[test]
fn uefi_cd() -> Result<(), BenchError> {
    boots("uefi_cd", Firmware::Uefi, Medium::ScsiCd, "sr")
}

#[test]
fn uefi_disk() -> Result<(), BenchError> {
    boots("uefi_disk", Firmware::Uefi, Medium::Disk, "vd")
}

/// The menu's second entry: once it runs, the medium may go.
#[test]
fn copied_to_memory() -> Result<(), BenchError> {
    const NAME: &str = "copied_to_memory";
    let Some(bench) = Bench::open(NAME, &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let ssh = fixture.ssh(&link);
    let mut options = MachineOptions::new(NAME, &fixture.iso, 0x12).boots(
        Firmware::Uefi,
        Medium::ScsiCd(Path::new(&fixture.iso).into()),
    );
    options.memory = 3072;
    let mut machine = Machine::start(&link, options, &bench.logs())?;
    machine.console().wait_for("Copy to RAM", BOOT)?;
    // Cursor down, then return: on the serial line, as one would on a machine without a screen.
    machine.keyboard().type_text("\u{1b}[B")?;
    std::thread::sleep(Duration::from_secs(1));
    machine.keyboard().type_text("\r")?;
    let target = ssh.wait_for(&mut machine, BOOT)?;
    let parameters = ssh.read(&target, "cat /proc/cmdline")?;
    assert!(
        parameters
            .split_whitespace()
            .any(|word| word == "copytoram"),
        "{parameters}"
    );

    machine.eject()?;
    // Every file of the store is read, without a medium to read it from.
    let drive = ssh.run(
        &target,
        "sudo -n dd if=/dev/sr0 of=/dev/null bs=2048 count=1 iflag=direct",
    )?;
    assert_ne!(
        drive.code,
        Some(0),
        "the medium is still in the drive: {}",
        drive.all()
    );
    let script = "sync; echo 3 | sudo -n tee /proc/sys/vm/drop_caches >/dev/null; \
        cat /nix/store/*/bin/* >/dev/null 2>&1; ls /iso/devos && lsblk -rno NAME,SIZE";
    let seen = ssh.read(&target, script)?;
    assert!(seen.contains("flake.nix"), "{seen}");
    machine.power_off(Duration::from_secs(120))
}
