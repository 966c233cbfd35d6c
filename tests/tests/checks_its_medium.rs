//! "Check this medium" in the boot menu: a stick that `flk write` has written is whole and starts; with one byte flipped, nothing starts from it.

use flk_tests::{
    Bench, BenchError, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need, binary, run,
};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    time::Duration,
};

/// Under emulation, on a machine that may be busy with other things.
const BOOT: Duration = Duration::from_secs(300);
/// Bytes of the stick, which is larger than the image.
const STICK: u64 = 1 << 30;

/// The menu's third entry, by cursor and return on the serial line; a busy machine may lose a key.
fn choose_check(machine: &mut Machine) -> Result<(), BenchError> {
    machine.console().wait_for("Check this medium", BOOT)?;
    for _ in 0..8 {
        let mark = machine.console().mark();
        machine.keyboard().type_text("\u{1b}[B")?;
        let is_chosen =
            machine
                .console()
                .wait_after(mark, "*Check this medium", Duration::from_secs(5));
        if is_chosen.is_ok() {
            break;
        }
    }
    machine.keyboard().type_text("\r")?;
    machine.console().wait_for("checking the medium", BOOT)
}

fn start(link: &Link, bench: &Bench, stick: &Path, name: &str) -> Result<Machine, BenchError> {
    let options = MachineOptions::new(name, stick, 0x19)
        .boots(Firmware::Uefi, Medium::UsbStick(stick.into()));
    let mut machine = Machine::start(link, options, &bench.logs())?;
    choose_check(&mut machine)?;
    Ok(machine)
}

#[test]
fn checks_its_medium() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("checks_its_medium", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let dir = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let stick = dir.path().join("stick");
    File::create(&stick)
        .and_then(|file| file.set_len(STICK))
        .map_err(BenchError::file(&stick))?;
    run(Command::new(binary("flk"))
        .args(["write", "--yes"])
        .args([&fixture.iso, &stick]))?
    .success()?;

    let mut whole = start(&link, &bench, &stick, "whole")?;
    whole
        .console()
        .wait_for("the medium is whole: build ", BOOT)?;
    fixture.ssh(&link).wait_for(&mut whole, BOOT)?;
    whole.power_off(Duration::from_secs(120))?;

    // In the middle of the store.
    let length = fs::metadata(&fixture.iso)
        .map_err(BenchError::file(&fixture.iso))?
        .len();
    let mut byte = [0];
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(&stick)
        .and_then(|file| {
            file.read_exact_at(&mut byte, length / 2)?;
            file.write_all_at(&[byte[0] ^ 1], length / 2)
        })
        .map_err(BenchError::file(&stick))?;
    let damaged = start(&link, &bench, &stick, "damaged")?;
    damaged
        .console()
        .wait_for("is damaged: /nix/store/", BOOT)?;
    damaged
        .console()
        .wait_for("nothing was started from it", BOOT)?;
    assert!(
        !damaged.console().text().contains("login"),
        "{}",
        damaged.console().tail()
    );
    Ok(())
}
