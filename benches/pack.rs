//! A host's closure into an ISO: flk against `mksquashfs` and `xorriso`, and against `cp` of the finished ISO.
//!
//! The same closure of the template's host, the same codec, level and block size, as many threads each, onto the same file system. Cold: nothing was
//! packed before. Warm: everything was. Changed: everything was but what one more file in `/etc` changes. The order turns with the rounds, and the
//! first round is not counted, so that the store is read from memory. flk's times end when the ISO is on the disk, as does `cp`'s; that of
//! the peers ends when they do, without.
//!
//! `cargo bench -p flk-benches --bench pack -- [ROUNDS] [TIMES]`, as root. With TIMES, of a store with so many copies of the closure, no two files of
//! which are equal; nothing is changed then. Not supported: machines without Nix.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs::{self, File},
    io::Write,
    iter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use flk_image::{Cache, Manifest, Options, nar_hash};
use flk_nix::{Closure, Nix, PathInfo};
use flk_tests::{Bench, Fixture, Need, binary, run};

/// How many rounds are counted, if nobody says.
const ROUNDS: usize = 5;
/// What the bench's cache may keep, in bytes.
const LIMIT: u64 = 64 << 30;
const STORE: &str = "/nix/store";

type Failure = Box<dyn std::error::Error>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Cold,
    Peers,
    Warm,
    Changed,
    Copy,
}

const WAYS: [Way; 5] = [Way::Cold, Way::Peers, Way::Warm, Way::Changed, Way::Copy];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Cold => "flk, cold",
            Way::Peers => "mksquashfs and xorriso",
            Way::Warm => "flk, warm, nothing changed",
            Way::Changed => "flk, warm, one option changed",
            Way::Copy => "cp and fsync of the ISO",
        }
    }
}

fn main() -> ExitCode {
    // Cargo's own flags come between.
    let mut numbers = env::args().skip(1).filter_map(|word| word.parse().ok());
    let rounds = numbers.next().unwrap_or(ROUNDS);
    let times = numbers.next().unwrap_or(1);
    match measure(rounds, times) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let causes = iter::successors(failure.source(), |error| (*error).source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            say(&format!("error: {failure}{causes}"));
            ExitCode::FAILURE
        }
    }
}

/// An image to be made.
struct Subject {
    manifest: Manifest,
    closure: Closure,
    store: PathBuf,
}

fn measure(rounds: usize, times: usize) -> Result<(), Failure> {
    let needs = [Need::Program("mksquashfs"), Need::Program("xorriso")];
    let Some(bench) = Bench::open("pack", &[Need::BUILDS, &needs])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir_in(fixture.repository.parent().ok_or("no folder")?)?;
    let base = manifest_of(&fixture)?;
    let copy = fixture.copy(files.path())?;
    copy.put(
        "hosts/NixOS.nix",
        "{ ... }:\n{\n  imports = [ ./template.nix ];\n  environment.etc.\"bench\".text = \"1\\n\";\n}\n",
    )?;
    let other = manifest_of(&copy)?;
    let mut subject = Subject::of(&base)?;
    let changed = (times == 1).then(|| Subject::of(&other)).transpose()?;
    if times > 1 {
        subject.multiply(times, &files.path().join("store"))?;
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
        say(&format!(
            "peak memory of a cold `flk pack`: {} MB",
            peak(&base, &files.path().join("peak.iso"))? / 1_000_000
        ));
    }
    Ok(())
}

/// What `flk iso` has evaluated last, by the link that keeps it.
fn manifest_of(fixture: &Fixture) -> Result<PathBuf, Failure> {
    fixture
        .flk
        .run(&fixture.repository, &["iso", "NixOS"])?
        .success()?;
    let home = fixture.flk.command(&fixture.repository);
    let home = home.get_envs().find(|(name, _)| *name == "HOME");
    let home = home.and_then(|(_, value)| value).ok_or("flk has no HOME")?;
    let roots = Path::new(home).join(".cache/flk/roots");
    let mut newest = None;
    for entry in fs::read_dir(&roots)? {
        let link = entry?;
        let target = fs::read_link(link.path())?;
        let time = link.metadata()?.modified()?;
        let is_image = target.to_string_lossy().ends_with("-image.json");
        if is_image && newest.as_ref().is_none_or(|(then, _)| *then < time) {
            newest = Some((time, target));
        }
    }
    Ok(newest.ok_or("flk keeps no image.json")?.1)
}

impl Subject {
    fn of(manifest: &Path) -> Result<Subject, Failure> {
        let path = env::var_os("PATH").unwrap_or_default();
        let nix = Nix::find(&path, flk_nix::Options::default())?;
        let manifest = Manifest::read(manifest)?;
        let closure = nix.closure(&manifest.store_roots)?;
        Ok(Subject {
            manifest,
            closure,
            store: STORE.into(),
        })
    }

    /// The closure so many times in a store of its own; each file of a copy has some bytes more.
    fn multiply(&mut self, times: usize, store: &Path) -> Result<(), Failure> {
        fs::create_dir_all(store)?;
        let mut paths = Vec::new();
        for info in &self.closure.paths {
            for number in 0..times {
                let base = info.path.rsplit('/').next().unwrap_or_default();
                let name = match number {
                    0 => base.to_owned(),
                    _ => format!("{base}-{number}"),
                };
                let place = store.join(&name);
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(&info.path).arg(&place);
                run(&mut copy)?.success()?;
                if number > 0 {
                    mark(&place, number)?;
                }
                paths.push(PathInfo {
                    path: format!("{STORE}/{name}"),
                    nar_hash: nar_hash(&place)?,
                    nar_size: info.nar_size,
                    references: Vec::new(),
                });
            }
        }
        // What is not in the closure, but on the ISO all the same.
        for content in &self.manifest.contents {
            let inside = content.source.strip_prefix(STORE);
            let base = inside.and_then(|inside| inside.split('/').find(|part| !part.is_empty()));
            if let Some(base) = base.filter(|base| !store.join(base).exists()) {
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(Path::new(STORE).join(base)).arg(store);
                run(&mut copy)?.success()?;
            }
        }
        self.closure = Closure { paths };
        self.store = store.into();
        Ok(())
    }

    fn place(&self, path: &str) -> PathBuf {
        self.store
            .join(path.strip_prefix("/nix/store/").unwrap_or(path))
    }
}

/// Makes each file differ from those of other copies.
fn mark(path: &Path, number: usize) -> Result<(), Failure> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(path)? {
            mark(&entry?.path(), number)?;
        }
    } else if metadata.is_file() && metadata.len() > 0 {
        let mode = metadata.permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        let mut file = File::options().append(true).open(path)?;
        write!(file, "{number}")?;
        fs::set_permissions(path, mode)?;
    }
    Ok(())
}

/// Where images are made.
struct Ground {
    folder: PathBuf,
    cache: Cache,
    /// The cache's entries for the unchanged image.
    entries: BTreeSet<OsString>,
    /// The unchanged image.
    iso: PathBuf,
}

impl Ground {
    fn new(folder: &Path, subject: &Subject) -> Result<Ground, Failure> {
        let cache = Cache::open(&folder.join("packed"), LIMIT)?;
        let mut ground = Ground {
            folder: folder.into(),
            entries: BTreeSet::new(),
            iso: folder.join("unchanged.iso"),
            cache,
        };
        flk(subject, Some(&ground.cache), &ground.iso)?;
        ground.entries = names(ground.cache.folder())?;
        Ok(ground)
    }

    fn run(
        &self,
        way: Way,
        subject: &Subject,
        changed: Option<&Subject>,
    ) -> Result<(Duration, u64), Failure> {
        // As it was after the unchanged image.
        for name in names(self.cache.folder())?.difference(&self.entries) {
            fs::remove_file(self.cache.folder().join(name))?;
        }
        let out = self.folder.join("out.iso");
        if out.exists() {
            fs::remove_file(&out)?;
        }
        run(&mut Command::new("sync"))?.success()?;
        let begun = Instant::now();
        match way {
            Way::Cold => flk(subject, None, &out)?,
            Way::Warm => flk(subject, Some(&self.cache), &out)?,
            Way::Changed => flk(changed.unwrap_or(subject), Some(&self.cache), &out)?,
            Way::Peers => self.peers(subject, &out)?,
            Way::Copy => {
                fs::copy(&self.iso, &out)?;
                File::open(&out)?.sync_all()?;
            }
        }
        let took = begun.elapsed();
        Ok((took, fs::metadata(&out)?.len()))
    }

    fn peers(&self, subject: &Subject, out: &Path) -> Result<(), Failure> {
        let squashfs = self.folder.join("store.squashfs");
        if squashfs.exists() {
            fs::remove_file(&squashfs)?;
        }
        let compression = &subject.manifest.compression;
        let mut command = Command::new("mksquashfs");
        command.args(
            subject
                .closure
                .paths
                .iter()
                .map(|info| subject.place(&info.path)),
        );
        command.arg(&squashfs);
        command.args([
            "-keep-as-directory",
            "-noappend",
            "-no-recovery",
            "-no-progress",
            "-quiet",
        ]);
        command.args([
            "-all-root",
            "-no-xattrs",
            "-no-hardlinks",
            "-mkfs-time",
            "1",
            "-all-time",
            "1",
        ]);
        command.args([
            "-comp",
            &compression.codec,
            "-b",
            &compression.block_size.to_string(),
        ]);
        if let Some(level) = compression.level {
            command.args(["-Xcompression-level", &level.to_string()]);
        }
        run(&mut command)?.success()?;
        let mut command = Command::new("xorriso");
        command.args(["-no_rc", "-as", "mkisofs", "-o"]).arg(out);
        command.args([
            "-iso-level",
            "3",
            "-joliet",
            "-r",
            "-volid",
            "bench",
            "-graft-points",
        ]);
        let graft = |target: &str, source: &Path| format!("{target}={}", source.display());
        command.arg(graft("/nix-store.squashfs", &squashfs));
        for content in &subject.manifest.contents {
            command.arg(graft(&content.target, Path::new(&content.source)));
        }
        run(&mut command)?.success()?;
        Ok(())
    }
}

fn flk(subject: &Subject, cache: Option<&Cache>, out: &Path) -> Result<(), Failure> {
    let mut options = Options::new(env!("CARGO_PKG_VERSION"));
    options.rebuild = true;
    options.cache = cache.cloned();
    options.store = subject.store.clone();
    let written = flk_image::write(
        &subject.manifest,
        &subject.closure,
        &options,
        out,
        &mut |_| {},
    )?;
    match written.not_kept {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

/// The most memory that `flk pack` had, in bytes (proc(5), `VmHWM`), asked for again and again until it ends.
fn peak(manifest: &Path, out: &Path) -> Result<u64, Failure> {
    let mut child = Command::new(binary("flk"))
        .arg("pack")
        .arg(manifest)
        .arg("-o")
        .arg(out)
        .arg("--no-cache")
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    match child.wait()?.success() {
        true => Ok(peak),
        false => Err("flk pack failed".into()),
    }
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, Failure> {
    let entries = fs::read_dir(folder)?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?)
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A bench prints what it finds.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
