//! A host's closure onto a file system, durable: `flk install` against `nix copy` and against two `cp -a` at a time.
//!
//! The same closure from the same store onto the same ext4 on a loop device, which is made anew for each round, a fresh folder
//! for each; the order turns with the rounds, and the first round is not counted, so that the store is read from memory. The
//! time ends when `syncfs` is over. Nix and flk check and register what they copy, `cp` does neither.
//!
//! `cargo bench -p flk-benches --bench install_copy -- [ROUNDS]`, as root. Not supported: machines without loop devices.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use flk_benches::{Failure, median, outcome, say, words};
use flk_install::{Options, System, execute, plan};
use flk_nix::{Closure, Nix};
use flk_tests::{Bench, BenchError, Fixture, Need, file_on_iso, run};

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 7;
/// Set in the process that has mounts of its own.
const INSIDE: &str = "FLK_BENCH_INSIDE";
/// Bytes of the disk; they are there from the beginning, so that no round pays for their allocation.
const DISK: u64 = 8 << 30;
/// Times of one tool at most, by those of another: the goals.
const OF_NIX: f64 = 1.0 / 3.0;
const OF_CP: f64 = 1.2;

/// Who copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Flk,
    Nix,
    Cp,
}

const TOOLS: [Tool; 3] = [Tool::Flk, Tool::Nix, Tool::Cp];

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Flk => "flk install (copy, check, register)",
            Tool::Nix => "nix copy --no-check-sigs",
            Tool::Cp => "two cp -a",
        }
    }
}

fn main() -> ExitCode {
    let rounds = words().find_map(|word| word.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    outcome(if env::var_os(INSIDE).is_some() {
        measure(rounds)
    } else {
        within_own_mounts()
    })
}

/// Runs this program again where its mounts are nobody else's and end with it.
fn within_own_mounts() -> Result<(), Failure> {
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the bench ended with {status}").into()),
    }
}

fn measure(rounds: usize) -> Result<(), Failure> {
    let Some(bench) = Bench::open("install_copy", &[Need::BUILDS, Need::LIVE_ROOT])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let nix = Nix::find(
        &env::var_os("PATH").unwrap_or_default(),
        flk_nix::Options::default(),
    )?;
    let toplevel = toplevel(&fixture.iso)?;
    let closure = nix.closure(&[&toplevel])?;
    say(&format!(
        "{toplevel}: {} store paths, {} MB; {rounds} rounds",
        closure.paths.len(),
        closure.nar_size() / 1_000_000
    ));
    let files = tempfile::tempdir()?;
    let ground = Ground::new(files.path())?;
    let mut times = TOOLS.map(|_| Vec::new());
    for round in 0..=rounds {
        ground.renew()?;
        for turn in 0..TOOLS.len() {
            let index = (round + turn) % TOOLS.len();
            let folder = ground.folder(TOOLS[index])?;
            let time = copy(TOOLS[index], &folder, &toplevel, &closure)?;
            if round > 0 {
                times[index].push(time);
            }
        }
    }
    let [flk, nix, cp] = times.map(median);
    for (tool, time) in TOOLS.into_iter().zip([flk, nix, cp]) {
        say(&format!("{:<38} {:.2} s", tool.name(), time.as_secs_f64()));
    }
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    say(&format!(
        "flk is {:.1} times as fast as nix copy (goal: {:.0}), and takes {:.2} times as long as two cp -a (goal: {OF_CP})",
        ratio(nix, flk),
        1.0 / OF_NIX,
        ratio(flk, cp)
    ));
    Ok(())
}

/// The host's system on an image.
fn toplevel(iso: &Path) -> Result<String, Failure> {
    let build = file_on_iso(iso, "/flk/build.json")?;
    let build: serde_json::Value = serde_json::from_str(&build)?;
    let toplevel = build["hostToplevel"].as_str();
    Ok(toplevel.ok_or("the image names no host's system")?.into())
}

/// Copies the closure to `folder`, and gives the time until it is on the disk.
fn copy(tool: Tool, folder: &Path, toplevel: &str, closure: &Closure) -> Result<Duration, Failure> {
    let begun = Instant::now();
    match tool {
        Tool::Flk => {
            let options = Options {
                host: "NixOS".into(),
                system: System::read(toplevel)?,
                closure: closure.clone(),
                rest: None,
                root: folder.into(),
                boot_loader: false,
            };
            execute(plan(&options)?, &mut |_| {})?;
        }
        Tool::Nix => {
            let mut to = std::ffi::OsString::from("local?root=");
            to.push(folder);
            let mut command = Command::new("nix");
            command.args(["--extra-experimental-features", "nix-command", "copy"]);
            run(command
                .args(["--no-check-sigs", "--to"])
                .arg(to)
                .arg(toplevel))?
            .success()?;
            sync(folder)?;
        }
        Tool::Cp => {
            let store = folder.join("nix/store");
            fs::create_dir_all(&store)?;
            let children = halves(closure)
                .into_iter()
                .map(|paths| {
                    Command::new("cp")
                        .arg("-a")
                        .args(paths)
                        .arg(&store)
                        .stdin(Stdio::null())
                        .spawn()
                })
                .collect::<Result<Vec<_>, _>>()?;
            for mut child in children {
                if !child.wait()?.success() {
                    return Err("cp failed".into());
                }
            }
            sync(folder)?;
        }
    }
    let took = begun.elapsed();
    let copied = fs::read_dir(folder.join("nix/store"))?.count();
    match copied < closure.paths.len() {
        true => Err(format!("{} copied {copied} paths only", tool.name()).into()),
        false => Ok(took),
    }
}

/// The paths in two parts of about the same size.
fn halves(closure: &Closure) -> [Vec<&str>; 2] {
    let mut order: Vec<_> = closure.paths.iter().collect();
    order.sort_by_key(|info| std::cmp::Reverse(info.nar_size));
    let mut parts = [Vec::new(), Vec::new()];
    let mut sizes = [0, 0];
    for info in order {
        let part = usize::from(sizes[1] < sizes[0]);
        parts[part].push(info.path.as_str());
        sizes[part] += info.nar_size;
    }
    parts
}

fn sync(folder: &Path) -> Result<(), BenchError> {
    run(Command::new("sync").arg("--file-system").arg(folder))?
        .success()
        .map(drop)
}

/// The disk, as a mount point.
struct Ground {
    image: PathBuf,
    place: PathBuf,
}

impl Ground {
    fn new(files: &Path) -> Result<Self, Failure> {
        let place = files.join("disk");
        fs::create_dir(&place)?;
        // The host's labels; its devices are looked at, and nothing is mounted.
        shell(
            "mkdir -p /dev/disk && mount -t tmpfs tmpfs /dev/disk && mkdir /dev/disk/by-label",
            &[],
        )?;
        Ok(Ground {
            image: files.join("image"),
            place,
        })
    }

    /// An empty file system.
    fn renew(&self) -> Result<(), Failure> {
        let script = "! mountpoint -q \"$2\" || umount -R \"$2\"
            [ -e \"$1\" ] || fallocate -l \"$3\" \"$1\"
            mkfs.ext4 -q -F -E nodiscard \"$1\"
            mount -o loop \"$1\" \"$2\"
            ln -sfn \"$(findmnt -no SOURCE \"$2\")\" /dev/disk/by-label/nixos
            ln -sfn /dev/zero /dev/disk/by-label/boot
            ln -sfn /dev/zero /dev/disk/by-label/swap";
        let size = DISK.to_string();
        shell(script, &[&self.image, &self.place, Path::new(&size)])
    }

    /// A new folder on it, a mount point by itself, since hosts are installed to nothing else.
    fn folder(&self, tool: Tool) -> Result<PathBuf, Failure> {
        let folder = self.place.join(format!("{tool:?}"));
        shell("mkdir \"$1\"; mount --bind \"$1\" \"$1\"", &[&folder])?;
        Ok(folder)
    }
}

fn shell(script: &str, arguments: &[&Path]) -> Result<(), Failure> {
    run(Command::new("sh")
        .args(["-euc", script, "bench"])
        .args(arguments))?
    .success()?;
    Ok(())
}
