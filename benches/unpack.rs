//! A squashfs onto the disk: our reader against `unsquashfs`, with as many threads each.
//!
//! The store image of the template's ISO, as flk packed it, and the same content as `mksquashfs` packs it with the same codec, level and block size; each
//! from memory to memory, so that no disk is measured. The order turns with the rounds, and the first round is not counted.
//!
//! `cargo bench -p flk-benches --bench unpack -- [ROUNDS]`, as root.

use std::{
    fs::{self, File},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use flk_benches::{Failure, median, outcome, ratio, say, words};
use flk_squashfs::Image;
use flk_tests::{Bench, Fixture, Need, run};

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 5;
/// A file system in memory.
const MEMORY: &str = "/dev/shm";

fn main() -> ExitCode {
    let rounds = words().find_map(|word| word.parse().ok());
    outcome(measure(rounds.unwrap_or(ROUNDS)))
}

fn measure(rounds: usize) -> Result<(), Failure> {
    let needs = [Need::Program("mksquashfs"), Need::Program("unsquashfs")];
    let Some(bench) = Bench::open("unpack", &[Need::BUILDS, &needs])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir_in(MEMORY)?;
    let out = files.path().join("out");
    let threads = thread::available_parallelism()?;
    say(&format!("{threads} threads, {rounds} rounds"));
    say("| image of | MB | flk, s | unsquashfs, s | flk : unsquashfs |");
    say("|---|---|---|---|---|");
    let ours = store_image(&fixture.iso, files.path())?;
    let theirs = repacked(&ours, files.path(), threads)?;
    for (name, image) in [("flk", &ours), ("mksquashfs", &theirs)] {
        let mut taken = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            for turn in 0..taken.len() {
                let index = (round + turn) % taken.len();
                let time = match index {
                    0 => by_flk(image, &out, threads)?,
                    _ => by_unsquashfs(image, &out, threads)?,
                };
                fs::remove_dir_all(&out)?;
                if round > 0 {
                    taken[index].push(time);
                }
            }
        }
        let [flk, peer] = taken.map(median);
        let size = fs::metadata(image)?.len() as f64 / 1e6;
        let (ours, peers) = (flk.as_secs_f64(), peer.as_secs_f64());
        let ratio = ratio(flk, peer);
        say(&format!(
            "| {name} | {size:.1} | {ours:.2} | {peers:.2} | {ratio:.3} |"
        ));
    }
    Ok(())
}

/// The store image, taken from an ISO.
fn store_image(iso: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let image = folder.join("store.squashfs");
    let mut file = File::create_new(&image)?;
    flk_stick::extract(iso, "/nix-store.squashfs", &mut file)?;
    Ok(image)
}

/// What is in a squashfs, packed by `mksquashfs`.
fn repacked(image: &Path, folder: &Path, threads: NonZeroUsize) -> Result<PathBuf, Failure> {
    let (tree, again) = (folder.join("tree"), folder.join("again.squashfs"));
    by_flk(image, &tree, threads)?;
    let mut command = Command::new("mksquashfs");
    command.arg(&tree).arg(&again);
    command.args(["-comp", "zstd", "-Xcompression-level", "6", "-b", "1M"]);
    run(command.args(["-noappend", "-no-progress", "-quiet"]))?.success()?;
    fs::remove_dir_all(&tree)?;
    Ok(again)
}

fn by_flk(image: &Path, out: &Path, threads: NonZeroUsize) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let image = Image::open(File::open(image)?)?;
    image.extract(&image.root()?, out, threads)?;
    Ok(begun.elapsed())
}

fn by_unsquashfs(image: &Path, out: &Path, threads: NonZeroUsize) -> Result<Duration, Failure> {
    let mut command = Command::new("unsquashfs");
    command.args(["-no-progress", "-quiet", "-processors"]);
    command.arg(threads.to_string());
    let begun = Instant::now();
    run(command.arg("-dest").arg(out).arg(image))?.success()?;
    Ok(begun.elapsed())
}
