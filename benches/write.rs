//! An ISO onto a stick, on the device: `flk write` against `dd bs=4M oflag=direct conv=fsync`, and only what differs against all of it.
//!
//! The same images to the same loop device (with direct I/O, over a file that has all its blocks); the order turns with the rounds, and the first round is not
//! counted. `dd` reads nothing back: flk is measured without that too, and with it.
//!
//! `cargo bench -p flk-benches --bench write -- [ROUNDS]`, as root. Not supported: machines without loop devices.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use flk_benches::{Failure, median, outcome, ratio, say, words};
use flk_stick::{Options, Request, Written, execute, plan};
use flk_tests::{Bench, Fixture, LoopDevice, Need, run};

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 5;
/// Bytes of the stick.
const STICK: u64 = 512 << 20;
/// Times of flk at most, by those of dd: the goal.
const OF_DD: f64 = 1.05;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Dd,
    Full,
    FullVerified,
    Changed,
}

const WAYS: [Way; 4] = [Way::Dd, Way::Full, Way::FullVerified, Way::Changed];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Dd => "dd bs=4M oflag=direct conv=fsync",
            Way::Full => "flk write --full --no-verify",
            Way::FullVerified => "flk write --full",
            Way::Changed => "flk write, the host's next image",
        }
    }
}

fn main() -> ExitCode {
    let rounds = words().find_map(|word| word.parse().ok());
    outcome(measure(rounds.unwrap_or(ROUNDS)))
}

fn measure(rounds: usize) -> Result<(), Failure> {
    let needs: &[Need] = &[Need::Program("dd"), Need::Program("fallocate")];
    let Some(bench) = Bench::open("write", &[Need::BUILDS, Need::LOOP_DEVICES, needs])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    // On the disk that images are made on, and not in memory.
    let files = tempfile::tempdir_in(fixture.repository.join(".."))?;
    let next = fixture.with_one_option_more(files.path())?.iso;
    let file = files.path().join("stick");
    let size = STICK.to_string();
    run(Command::new("fallocate").args(["-l", &size]).arg(&file))?.success()?;
    // Blocks that were never written are zeroed at first.
    fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|file| {
            std::io::copy(
                &mut std::io::Read::take(std::io::repeat(1), STICK),
                &mut &file,
            )
        })?;
    let device = LoopDevice::over(&file, &["--direct-io=on"])?;
    say(&format!(
        "{} of {} MB onto {}; {rounds} rounds",
        fixture.iso.display(),
        fs::metadata(&fixture.iso)?.len() / 1_000_000,
        device.path().display()
    ));
    let mut times = WAYS.map(|_| Vec::new());
    let mut changed = None;
    for round in 0..=rounds {
        for turn in 0..WAYS.len() {
            let index = (round + turn) % WAYS.len();
            if WAYS[index] == Way::Changed {
                // What it is brought up to date from.
                flk(&fixture.iso, device.path(), Options::default())?;
            }
            let begun = Instant::now();
            let written = write(WAYS[index], (&fixture.iso, &next), device.path())?;
            if round > 0 {
                times[index].push(begun.elapsed());
            }
            changed = written.or(changed);
        }
    }
    let [dd, full, verified, changed_only] = times.map(median);
    for (way, time) in WAYS.into_iter().zip([dd, full, verified, changed_only]) {
        say(&format!("{:<34} {:.2} s", way.name(), time.as_secs_f64()));
    }
    let bytes = changed.map_or(0, |written| written.written);
    say(&format!(
        "flk takes {:.2} times as long as dd (goal: {OF_DD}), {:.2} times with reading back; only what differs ({:.1} MB) takes {:.2} times as long as all",
        ratio(full, dd),
        ratio(verified, dd),
        bytes as f64 / 1e6,
        ratio(changed_only, verified)
    ));
    say(&format!(
        "the machine's load: {}",
        fs::read_to_string("/proc/loadavg")?.trim()
    ));
    Ok(())
}

/// What was written, where only some of it is.
fn write(
    way: Way,
    (first, next): (&Path, &Path),
    device: &Path,
) -> Result<Option<Written>, Failure> {
    let full = Options {
        full: true,
        no_verify: false,
    };
    match way {
        Way::Dd => {
            run(Command::new("dd")
                .args(["bs=4M", "oflag=direct", "conv=fsync", "status=none"])
                .arg(format!("if={}", first.display()))
                .arg(format!("of={}", device.display())))?
            .success()?;
        }
        Way::Full => {
            let no_verify = true;
            flk(first, device, Options { no_verify, ..full })?;
        }
        Way::FullVerified => {
            flk(first, device, full)?;
        }
        Way::Changed => return Ok(Some(flk(next, device, Options::default())?)),
    }
    Ok(None)
}

fn flk(image: &Path, device: &Path, options: Options) -> Result<Written, Failure> {
    let plan = plan(&Request {
        image: image.into(),
        target: device.into(),
        allow_fixed: false,
    })?;
    Ok(execute(&plan, options, &mut |_| true)?)
}
