//! A host's closure into an ISO: flk against `mksquashfs` and `xorriso`, and against `cp` of the finished ISO.
//!
//! The same closure of the template's host, the same codec, level and block size, as many threads each, onto the same file system. Cold: nothing was
//! packed before, and what is packed is kept. Warm: everything was packed before. Changed: everything but what one more file in `/etc` changes. The order
//! turns with the rounds, and the first round is not counted, so that the store is read from memory. flk's times end when the ISO is on the disk, as
//! does `cp`'s; that of the peers ends when they do, without.
//!
//! `cargo bench -p flk-benches --bench pack -- [ROUNDS] [TIMES] [COMPRESSION]`, as root. With TIMES other than 1, of a store with so many copies of the
//! closure, no two files of which are equal, in memory (tmpfs); nothing is changed then. COMPRESSION as in `flk pack`. Not supported: machines without Nix.

mod ground;
mod memory;
mod subject;

use std::{
    collections::BTreeSet,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use flk_benches::{Failure, manifest_of, median, outcome, ratio, say, words};
use flk_image::{Compression, nar_hash};
use flk_tests::{Bench, Fixture, Need};
use ground::Ground;
use subject::Subject;

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 5;

/// What an image may take of memory, whatever the closure.
const MEMORY_MB: u32 = 256;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Cold,
    Uncached,
    Peers,
    Warm,
    Changed,
    Copy,
}

const WAYS: [Way; 6] = [
    Way::Cold,
    Way::Uncached,
    Way::Peers,
    Way::Warm,
    Way::Changed,
    Way::Copy,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Cold => "flk, cold",
            Way::Uncached => "flk, without a cache",
            Way::Peers => "mksquashfs and xorriso",
            Way::Warm => "flk, warm, nothing changed",
            Way::Changed => "flk, warm, one option changed",
            Way::Copy => "cp and fsync of the ISO",
        }
    }
}

fn main() -> ExitCode {
    if let Some(result) = memory::is_asked_for(&mut words()) {
        return outcome(result);
    }
    let (mut numbers, mut compression) = (Vec::new(), None);
    for word in words() {
        match word.parse::<usize>() {
            Ok(number) => numbers.push(number),
            Err(_) => compression = Some(word),
        }
    }
    let rounds = numbers.first().copied().unwrap_or(ROUNDS);
    let times = numbers.get(1).copied().unwrap_or(1);
    outcome(measure(rounds, times, compression.as_deref()))
}

fn measure(rounds: usize, times: usize, text: Option<&str>) -> Result<(), Failure> {
    let needs = [Need::Program("mksquashfs"), Need::Program("xorriso")];
    let Some(bench) = Bench::open("pack", &[Need::BUILDS, &needs])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir_in(fixture.repository.parent().ok_or("no folder")?)?;
    // What is too much for the page cache is read from memory all the same.
    let memory = tempfile::tempdir_in("/dev/shm")?;
    let base = manifest_of(&fixture)?;
    let copy = fixture.copy(files.path())?;
    copy.put(
        "hosts/NixOS.nix",
        "{ ... }:\n{\n  imports = [ ./template.nix ];\n  environment.etc.\"bench\".text = \"1\\n\";\n}\n",
    )?;
    let other = manifest_of(&copy)?;
    let mut subject = Subject::of(&base)?;
    let mut changed = (times == 1).then(|| Subject::of(&other)).transpose()?;
    if let Some(text) = text {
        let block_size = subject.manifest.compression.block_size;
        let compression = Compression::parse(text, block_size)?;
        for one in changed.iter_mut().chain([&mut subject]) {
            one.manifest.compression = compression.clone();
        }
    }
    if times > 1 {
        subject.multiply(times, &memory.path().join("store"))?;
    }
    let bytes = subject.closure.nar_size();
    let compression = subject.manifest.compression.clone();
    say(&format!(
        "{} store paths, {} MB; {} level {:?}, blocks of {} kB; {rounds} rounds",
        subject.closure.paths.len(),
        bytes / 1_000_000,
        compression.codec,
        compression.level,
        compression.block_size / 1024
    ));

    let ground = Ground::new(files.path(), &subject)?;
    let ways: Vec<Way> = WAYS
        .into_iter()
        .filter(|way| *way != Way::Changed || changed.is_some())
        .collect();
    let mut taken = vec![Vec::new(); ways.len()];
    let mut sizes = vec![0; ways.len()];
    for round in 0..=rounds {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let (time, size) = ground.run(ways[index], &subject, changed.as_ref())?;
            sizes[index] = size;
            if round > 0 {
                taken[index].push(time);
            }
        }
    }
    let taken: Vec<Duration> = taken.into_iter().map(median).collect();
    let of = |way: Way| {
        let index = ways.iter().position(|one| *one == way);
        index.map_or(Duration::ZERO, |index| taken[index])
    };
    say("| | s | MB | times mksquashfs and xorriso | times cp |");
    say("|---|---|---|---|---|");
    for (index, way) in ways.iter().enumerate() {
        say(&format!(
            "| {} | {:.2} | {:.1} | {:.3} | {:.2} |",
            way.name(),
            taken[index].as_secs_f64(),
            sizes[index] as f64 / 1e6,
            ratio(taken[index], of(Way::Peers)),
            ratio(taken[index], of(Way::Copy))
        ));
    }
    let begun = Instant::now();
    for info in &subject.closure.paths {
        nar_hash(&subject.place(&info.path))?;
    }
    let hashed = begun.elapsed();
    let processors = of(Way::Cold) * thread::available_parallelism()?.get().try_into()?;
    say(&format!(
        "NAR hashes, by themselves: {:.2} s of one processor, {:.1} % of what a cold image takes of all",
        hashed.as_secs_f64(),
        100.0 * ratio(hashed, processors)
    ));
    if let Some(changed) = &changed {
        let known: BTreeSet<&str> = subject.closure.paths.iter().map(|i| &*i.nar_hash).collect();
        let new = changed
            .closure
            .paths
            .iter()
            .filter(|i| !known.contains(&*i.nar_hash));
        let (count, bytes) = new.fold((0, 0), |(n, sum), info| (n + 1, sum + info.nar_size));
        say(&format!(
            "one option changed: {count} paths, {} kB",
            bytes / 1000
        ));
    }
    let inodes = subject.inodes()?;
    for way in [Way::Cold, Way::Warm] {
        let peak = memory::peak(&base, text, &subject, way, &ground)?;
        say(&format!(
            "{}: {:.0} MB of memory at most (of {MEMORY_MB}), with {inodes} files, folders and links",
            way.name(),
            peak as f64 / 1e6
        ));
        if peak > u64::from(MEMORY_MB) << 20 {
            return Err("that is too much memory".into());
        }
    }
    Ok(())
}
