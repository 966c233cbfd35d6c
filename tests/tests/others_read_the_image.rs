//! The template's ISO is to others what it is to flk: `xorriso`, `isoinfo`, 7-zip, `sgdisk`, `sfdisk`, `unsquashfs`, and this kernel with Nix.

use flk_tests::{Bench, BenchError, FIND, Fixture, LiveRoot, Need, listing, run};
use std::{collections::BTreeSet, process::Command};

#[test]
fn others_read_the_image() -> Result<(), BenchError> {
    let judges = [
        Need::Program("isoinfo"),
        Need::Program("7z"),
        Need::Program("sgdisk"),
        Need::Program("sfdisk"),
        Need::Program("unsquashfs"),
    ];
    let needs = [Need::BUILDS, Need::LIVE_ROOT, &judges];
    let Some(bench) = Bench::open("others_read_the_image", &needs)? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let iso = &fixture.iso;
    let ask = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        for argument in arguments {
            match *argument {
                "ISO" => command.arg(iso),
                other => command.arg(other),
            };
        }
        Ok::<String, BenchError>(run(&mut command)?.success()?.all())
    };
    let ours = listing(iso)?;
    assert!(ours.len() > 20, "{ours:?}");

    // The tree, with modes, times and targets, as xorriso extracts it.
    let medium = fixture.medium()?;
    let found = run(Command::new("sh").args(["-c", FIND]).current_dir(&medium))?.success()?;
    let found: Vec<&str> = found.stdout.lines().collect();
    let mut expected: Vec<&str> = ours.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    // Every byte of it, as it is in the ISO by flk's digests.
    let verdict = fixture
        .flk
        .run(&fixture.repository, &["verify", "result/iso/NixOS.iso"])?;
    verdict.success()?;

    // The names, as others list them.
    let names: BTreeSet<&str> = ours
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let listed = ask("isoinfo", &["-R", "-f", "-i", "ISO"])?;
    let listed: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
        .collect();
    assert_eq!(listed, names);
    let about = ask("isoinfo", &["-d", "-i", "ISO"])?;
    for part in [
        "Joliet with UCS level 3 found",
        "Rock Ridge signatures version 1 found",
    ] {
        assert!(about.contains(part), "{about}");
    }
    let tested = ask("7z", &["t", "-tiso", "ISO"])?;
    assert!(tested.contains("Everything is Ok"), "{tested}");

    // Both ways to boot, from both kinds of medium.
    let boot = ask(
        "xorriso",
        &[
            "-no_rc",
            "-indev",
            "ISO",
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
        ],
    )?;
    for part in [
        "BIOS  y   none",
        "UEFI  y   none",
        "MBR isohybrid",
        "GPT",
        "/boot/efi.img",
    ] {
        assert!(boot.contains(part), "{part} is not in\n{boot}");
    }
    let table = ask("sgdisk", &["--verify", "ISO"])?;
    assert!(table.contains("No problems found"), "{table}");
    ask("sfdisk", &["--verify", "ISO"])?;

    // The store: by squashfs-tools, and each path of it by this kernel and Nix.
    let image = medium.join("nix-store.squashfs");
    let listed = run(Command::new("unsquashfs").arg("-ll").arg(&image))?.success()?;
    let live = LiveRoot::new(&medium)?;
    let count = live.shell("find /nix/.ro-store | wc -l")?;
    let lines = listed
        .stdout
        .lines()
        .filter(|line| line.contains(" squashfs-root"))
        .count();
    assert_eq!(lines.to_string(), count.trim());
    live.shell("nix --extra-experimental-features nix-command store verify --all --no-trust >&2")?;
    Ok(())
}
