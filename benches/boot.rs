//! From power-on to a shell, by how the store image is compressed: what a codec, its level and the size of blocks cost whoever waits at the machine.
//!
//! The template's host, from a CD by BIOS, in QEMU without KVM, one machine at a time; the boot menu's own seconds are part of it. The order turns with
//! the rounds.
//!
//! `cargo bench -p flk-benches --bench boot -- [ROUNDS] [COMPRESSION@KIBIBYTES…]`, as root. Not supported: real disks, whose reading is slower.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use flk_benches::{Failure, manifest_of, median, outcome, ratio, say, words};
use flk_image::{Compression, Manifest, Options};
use flk_nix::Nix;
use flk_tests::{Bench, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need};

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 3;
/// What is compared, if nobody says; the first is flk's own.
const WAYS: [&str; 7] = [
    "zstd:6@1024",
    "zstd:6@256",
    "zstd:6@128",
    "zstd:3@1024",
    "zstd:15@1024",
    "lz4@128",
    "xz@1024",
];

/// A store image of a kind, and how long each boot from it took.
struct Way {
    name: String,
    iso: PathBuf,
    size: u64,
    taken: Vec<Duration>,
}

fn main() -> ExitCode {
    let (mut rounds, mut names) = (ROUNDS, Vec::new());
    for word in words() {
        match word.parse() {
            Ok(number) => rounds = number,
            Err(_) => names.push(word),
        }
    }
    if names.is_empty() {
        names = WAYS.map(str::to_owned).to_vec();
    }
    outcome(measure(rounds, &names))
}

fn measure(rounds: usize, names: &[String]) -> Result<(), Failure> {
    let Some(bench) = Bench::open("boot", &[Need::BUILDS, Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir_in(fixture.repository.join(".."))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let nix = Nix::find(&path, flk_nix::Options::default())?;
    let mut manifest = Manifest::read(&manifest_of(&fixture)?)?;
    let closure = nix.closure(&manifest.store_roots)?;
    let mut ways = Vec::new();
    for name in names {
        let (codec, size) = name.split_once('@').ok_or("as in zstd:6@1024")?;
        manifest.compression = Compression::parse(codec, size.parse::<u32>()? << 10)?;
        let iso = files.path().join(format!("{}.iso", ways.len()));
        let options = Options::new(env!("CARGO_PKG_VERSION"));
        flk_image::write(&manifest, &closure, &options, &iso, &mut |_| {})?;
        ways.push(Way {
            name: name.clone(),
            size: fs::metadata(&iso)?.len(),
            iso,
            taken: Vec::new(),
        });
    }
    for round in 0..rounds {
        for turn in 0..ways.len() {
            let at = (round + turn) % ways.len();
            let taken = boot(&ways[at], &bench)?;
            ways[at].taken.push(taken);
        }
    }
    say("| codec, level, KiB of a block | ISO, MB | power-on to shell, s | times the first |");
    say("|---|---|---|---|");
    let first = median(ways[0].taken.clone());
    for way in ways {
        let taken = median(way.taken);
        say(&format!(
            "| {} | {:.1} | {:.1} | {:.2} |",
            way.name,
            way.size as f64 / 1e6,
            taken.as_secs_f64(),
            ratio(taken, first)
        ));
    }
    Ok(())
}

fn boot(way: &Way, bench: &Bench) -> Result<Duration, Failure> {
    let link = Link::new()?;
    let options = MachineOptions::new("boot", &way.iso, 0x15)
        .boots(Firmware::Bios, Medium::Cd(way.iso.clone()));
    let mut machine = Machine::start(&link, options, &bench.logs())?;
    machine.wait_for_shell()?;
    Ok(machine.up_for())
}
