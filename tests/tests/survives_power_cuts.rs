//! Whatever the moment in which the power fails during an installation: nothing is registered that is not as its hash says, and
//! what boots is the whole system.
//!
//! QEMU logs each write and flush of the target disk. The cuts are replayed outside the machine: at flushes, and between them with
//! some of the writes that no flush had confirmed yet, in part or whole. Then the operator's kernel recovers the file system, and
//! Nix and the boot partition's own files are asked.

use flk_tests::{
    Bench, BenchError, Disk, Esp, Firmware, Fixture, Link, LiveRoot, Machine, MachineOptions,
    Medium, Need, Partitions, WriteLog, blank_disk, check_ext4, run,
};
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

/// Cuts between flushes.
const TORN: usize = 100;
/// Flushes at most; those of the end, where registration and boot loader are, are all among them.
const BOUNDARIES: usize = 100;
/// So much of all bytes is written before registration begins, at least.
const BEFORE_THE_END_PERCENT: u64 = 80;
/// After how many of the torn cuts another installation is made.
const REPEATED: usize = 4;
/// What is written whole or not at all.
const ATOM: u64 = 4096;
const SEED: u64 = 0x0005_eed0_f1e5;

#[test]
fn survives_power_cuts() -> Result<(), BenchError> {
    let needs = [
        Need::MACHINES,
        Need::LIVE_ROOT,
        &[
            Need::Program("sgdisk"),
            Need::Program("mkfs.vfat"),
            Need::Program("mkfs.xfs"),
        ],
    ];
    let Some(bench) = Bench::open("survives_power_cuts", &needs)? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let Recorded { blank, log } = Recorded::shared(&bench, &fixture)?;
    let mut replay = Replay::new(&fixture, files.path(), &blank, WriteLog::open(&log)?)?;

    let cuts = replay.cuts();
    let begun = Instant::now();
    let mut seen = Seen::default();
    for cut in &cuts {
        replay.make(cut)?;
        replay.judge(cut, &mut seen)?;
    }
    say(&format!(
        "{} cuts in {} s: {} with paths registered, {} that boot",
        cuts.len(),
        begun.elapsed().as_secs(),
        seen.registered,
        seen.bootable
    ));
    // Else the judges could not tell.
    assert!(seen.registered > seen.bootable && seen.bootable > 0);
    assert!(seen.is_bootable_at_last, "the last state does not boot");
    Ok(())
}

/// An installation's writes. They are kept beside the image, so that a failure can be looked at again.
struct Recorded {
    /// The disk before.
    blank: PathBuf,
    log: PathBuf,
}

impl Recorded {
    fn shared(bench: &Bench, fixture: &Fixture) -> Result<Self, BenchError> {
        let folder = fixture.repository.with_file_name("power-cuts");
        if !folder.exists() {
            let new = folder.with_extension("new");
            if new.exists() {
                fs::remove_dir_all(&new).map_err(BenchError::file(&new))?;
            }
            fs::create_dir(&new).map_err(BenchError::file(&new))?;
            let disk = Partitions::make(new.join("disk"))?;
            sparse_copy(&disk, &new.join("blank"))?;
            install(bench, fixture, &disk, &new.join("log"))?;
            fs::remove_file(&disk).map_err(BenchError::file(&disk))?;
            fs::rename(&new, &folder).map_err(BenchError::file(&folder))?;
        }
        Ok(Recorded {
            blank: folder.join("blank"),
            log: folder.join("log"),
        })
    }
}

/// The host goes onto `disk` in a machine that keeps a log of it.
fn install(bench: &Bench, fixture: &Fixture, disk: &Path, log: &Path) -> Result<(), BenchError> {
    let link = Link::new()?;
    let mut options = MachineOptions::new("live", &fixture.iso, 0x74)
        .boots(Firmware::Uefi, Medium::Cd(fixture.iso.clone()))
        .without_card();
    options.disks.push(Disk::Logged {
        image: disk.into(),
        log: log.into(),
    });
    let mut live = Machine::start(&link, options, &bench.logs())?;
    live.wait_for_shell()?;
    live.step(
        "sudo mount /dev/disk/by-label/nixos /mnt && sudo mkdir /mnt/boot && \
         sudo mount /dev/disk/by-label/boot /mnt/boot",
    )?;
    live.step("sudo flk install NixOS --yes")?;
    live.step("sudo umount -R /mnt")?;
    live.power_off(Duration::from_secs(120))
}

/// A moment in which the power fails: the entries before `flushed` are on the disk, and of those up to `end` some.
#[derive(Debug, Clone)]
struct Cut {
    flushed: usize,
    end: usize,
    /// Entries that are on the disk nevertheless, and how many bytes of each.
    lucky: Vec<(usize, u64)>,
    /// Whether another installation is made afterwards.
    repeated: bool,
}

/// What the judges found, of all cuts.
#[derive(Debug, Default)]
struct Seen {
    registered: usize,
    bootable: usize,
    is_bootable_at_last: bool,
}

/// A disk to which a log is replayed, in a file system that copies it at once and without taking room.
struct Replay {
    live: LiveRoot,
    log: WriteLog,
    whole: File,
    position: usize,
    /// The closure of the host, by its toplevel.
    toplevel: String,
    closure: BTreeSet<String>,
    kernel: Vec<u8>,
    initrd: Vec<u8>,
    roots: HashMap<Writes, Rc<Root>>,
}

/// What a file system has had: so many writes from the beginning, and parts of later ones.
type Writes = (usize, Vec<(usize, u64)>);

/// What is on the root's file system.
struct Root {
    valid: BTreeSet<String>,
    profile: String,
}

impl Replay {
    fn new(
        fixture: &Fixture,
        files: &Path,
        blank: &Path,
        log: WriteLog,
    ) -> Result<Self, BenchError> {
        let live = LiveRoot::new(&fixture.medium()?)?;
        let bed = blank_disk(files.join("bed"), 24 << 30)?;
        run(Command::new("mkfs.xfs")
            .args(["-q", "-m", "reflink=1"])
            .arg(&bed))?
        .success()?;
        live.shell("mkdir /bed")?;
        live.mount(&bed, "/bed", "bed")?;
        sparse_copy(blank, &live.path("/bed/whole"))?;
        let path = live.path("/bed/whole");
        let whole = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(BenchError::file(path))?;
        let build = fixture.file_on_iso("/flk/build.json")?;
        let toplevel = serde_json::from_str::<serde_json::Value>(&build)
            .ok()
            .and_then(|build| build["hostToplevel"].as_str().map(str::to_owned))
            .ok_or_else(|| BenchError::Understand {
                what: "build.json".into(),
                text: build,
            })?;
        let closure = live.shell(&format!("nix-store --query --requisites {toplevel}"))?;
        let read = |name: &str| -> Result<Vec<u8>, BenchError> {
            let file = live.shell(&format!("readlink -f {toplevel}/{name}"))?;
            let file = live.path(file.trim());
            fs::read(&file).map_err(BenchError::file(file))
        };
        Ok(Replay {
            kernel: read("kernel")?,
            initrd: read("initrd")?,
            closure: closure.lines().map(str::to_owned).collect(),
            live,
            log,
            whole,
            position: 0,
            toplevel,
            roots: HashMap::new(),
        })
    }

    /// The cuts, in the order of the log.
    fn cuts(&self) -> Vec<Cut> {
        let entries = self.log.entries();
        let all: u64 = entries.iter().map(|entry| entry.length).sum();
        let mut sum = 0;
        let before_the_end = entries.iter().take_while(|entry| {
            sum += entry.length;
            sum * 100 < all * BEFORE_THE_END_PERCENT
        });
        let end_begins = before_the_end.count();
        let flushes: Vec<usize> = (0..entries.len())
            .filter(|index| entries[*index].is_flush)
            .map(|index| index + 1)
            .collect();
        say(&format!(
            "{} entries, {} MB, {} flushes, {} of them at the end; seed {SEED:#x}",
            entries.len(),
            all >> 20,
            flushes.len(),
            flushes.iter().filter(|at| **at > end_begins).count()
        ));
        let mut random = Random(SEED);
        let mut boundaries: Vec<usize> = flushes.clone();
        while boundaries.len() > BOUNDARIES {
            let early = boundaries.partition_point(|at| *at <= end_begins);
            if early == 0 {
                break;
            }
            boundaries.remove(random.below(early));
        }
        boundaries.push(entries.len());
        let mut cuts: Vec<Cut> = boundaries
            .into_iter()
            .map(|at| Cut {
                flushed: at,
                end: at,
                lucky: Vec::new(),
                repeated: false,
            })
            .collect();
        for number in 0..TORN {
            // A third anywhere, the others where it matters most.
            let from = if number % 3 == 0 { 0 } else { end_begins };
            let end = from + 1 + random.below(entries.len() - from);
            let before = flushes.partition_point(|at| *at < end);
            let flushed = before.checked_sub(1).map_or(0, |index| flushes[index]);
            let share = 1 + random.below(9);
            let mut lucky = Vec::new();
            for (index, entry) in entries.iter().enumerate().take(end).skip(flushed) {
                if random.below(10) >= share {
                    continue;
                }
                let atoms = usize::try_from(entry.length / ATOM).unwrap_or(0);
                let bytes = match random.below(4) {
                    0 if atoms > 1 => ATOM * random.below(atoms) as u64,
                    _ => entry.length,
                };
                lucky.push((index, bytes));
            }
            cuts.push(Cut {
                flushed,
                end,
                lucky,
                repeated: number % (TORN / REPEATED) == 0,
            });
        }
        cuts.sort_by_key(|cut| (cut.flushed, cut.end));
        cuts
    }

    /// Makes `/bed/cut`, the disk as it was then.
    fn make(&mut self, cut: &Cut) -> Result<(), BenchError> {
        while self.position < cut.flushed {
            self.log.apply(self.position, &self.whole)?;
            self.position += 1;
        }
        self.live
            .shell("rm -f /bed/cut && cp --reflink=always /bed/whole /bed/cut")?;
        let disk = self.disk()?;
        for (index, bytes) in &cut.lucky {
            self.log.apply_first(*index, *bytes, &disk)?;
        }
        Ok(())
    }

    fn disk(&self) -> Result<File, BenchError> {
        let path = self.live.path("/bed/cut");
        File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(BenchError::file(path))
    }

    fn judge(&mut self, cut: &Cut, seen: &mut Seen) -> Result<(), BenchError> {
        let at = format!(
            "cut after entry {}, flushed up to {}, {} others",
            cut.end,
            cut.flushed,
            cut.lucky.len()
        );
        let esp = Esp::read(&self.disk()?, Partitions::BOOT_AT, Partitions::BOOT_LENGTH);
        let root = self.root(cut).map_err(|e| with(&at, e))?;
        let is_bootable = esp.has_loader && !esp.entries.is_empty();
        for entry in &esp.entries {
            assert_eq!(entry.toplevel, self.toplevel, "{at}: {}", entry.name);
            assert!(
                entry.kernel.as_ref() == Some(&self.kernel),
                "{at}: the kernel of {} is not whole",
                entry.name
            );
            assert!(
                entry.initrd.as_ref() == Some(&self.initrd),
                "{at}: the initrd of {} is not whole",
                entry.name
            );
            let missing: Vec<_> = self.closure.difference(&root.valid).collect();
            assert!(missing.is_empty(), "{at}: it boots without {missing:?}");
            assert_eq!(root.profile, self.toplevel, "{at}");
        }
        seen.registered += usize::from(!root.valid.is_empty());
        seen.bootable += usize::from(is_bootable);
        seen.is_bootable_at_last = is_bootable;
        Ok(())
    }

    /// What Nix says of the root's file system after such a cut. It is asked once for cuts that leave the same bytes there.
    fn root(&mut self, cut: &Cut) -> Result<Rc<Root>, BenchError> {
        let entries = self.log.entries();
        let is_of_root = |index: usize| {
            let entry = entries[index];
            entry.length > 0 && entry.offset + entry.length > Partitions::ROOT_AT
        };
        let written = (0..cut.flushed).filter(|index| is_of_root(*index)).count();
        let mut lucky = cut.lucky.clone();
        lucky.retain(|(index, bytes)| is_of_root(*index) && *bytes > 0);
        let bytes = (written, lucky);
        if let Some(root) = self.roots.get(&bytes)
            && !cut.repeated
        {
            return Ok(Rc::clone(root));
        }
        self.mount()?;
        let root = Rc::new(Root {
            valid: self.valid()?,
            profile: self.profile()?,
        });
        if cut.repeated {
            self.repeat()?;
        }
        self.live.unmount("/mnt")?;
        if cut.repeated {
            check_ext4(Partitions::root_of(&self.live.path("/bed/cut")))?;
        }
        self.roots.insert(bytes, Rc::clone(&root));
        Ok(root)
    }

    fn mount(&self) -> Result<(), BenchError> {
        let script = format!(
            "mount -o loop,offset={},sizelimit={} /bed/cut /mnt
            ln -sfn $(findmnt -no SOURCE /mnt) /dev/disk/by-label/nixos
            ln -sfn /dev/zero /dev/disk/by-label/boot",
            Partitions::ROOT_AT,
            Partitions::ROOT_LENGTH
        );
        self.live.shell(&script).map(drop)
    }

    /// The paths that Nix takes for valid, all of which it finds to be as their hashes say.
    fn valid(&self) -> Result<BTreeSet<String>, BenchError> {
        let script = "[ -e /mnt/nix/var/nix/db/db.sqlite ] || exit 0
            export NIX_CONFIG='extra-experimental-features = nix-command'
            nix path-info --all --store 'local?root=/mnt'
            nix store verify --all --no-trust --store 'local?root=/mnt'";
        let paths = self.live.shell(script)?;
        Ok(paths.lines().map(str::to_owned).collect())
    }

    /// Another installation ends as if the power had never failed, but for the boot loader.
    fn repeat(&self) -> Result<(), BenchError> {
        self.live
            .flk(&["install", "NixOS", "--yes", "--no-bootloader"])?
            .success()?;
        let valid = self.valid()?;
        assert_eq!(valid, self.closure);
        assert_eq!(self.profile()?, self.toplevel);
        Ok(())
    }

    /// Where the first generation leads, if it is there.
    fn profile(&self) -> Result<String, BenchError> {
        let script = "readlink /mnt/nix/var/nix/profiles/system-1-link || true";
        Ok(self.live.shell(script)?.trim().to_owned())
    }
}

/// The generator SplitMix64 (Steele, Lea, Flood 2014): the same cuts in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap_or(0)
    }
}

fn with(at: &str, error: BenchError) -> BenchError {
    BenchError::Understand {
        what: at.into(),
        text: error.to_string(),
    }
}

fn sparse_copy(from: &Path, to: &Path) -> Result<PathBuf, BenchError> {
    run(Command::new("cp").arg("--sparse=always").args([from, to]))?.success()?;
    Ok(to.into())
}

/// Not by eprintln!: the harness would keep it to itself when the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
