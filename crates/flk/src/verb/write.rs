//! `flk write`: an ISO onto a stick, with care.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Instant,
};

use flk_stick::{Device, Found, Options, Plan, Progress, Request, Target, Written};
use rustix::fs::Access;
use serde_json::json;

use crate::{
    elevation,
    error::{Failure, Result},
    ui::{self, Phase, Unit},
    verb::iso,
    workspace::Origin,
};

/// How the volume of a host's ISO is called, before the host's name.
const VOLUME_PREFIX: &str = "flk-";

/// Write an ISO to a stick.
///
/// Only what differs is written, and all of it is read back from the stick itself. Until everything is there and right, the stick starts no machine; what
/// was interrupted is resumed by the next `flk write`. Raw devices are root's: where this user may not write to one, flk runs itself by sudo, doas or run0.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The ISO; or a host, whose ISO is made first if it is not up to date.
    #[arg(value_name = "ISO|HOST")]
    image: String,
    /// The stick: /dev/sdX, a link to it in /dev/disk, or a file in its place; without it, what is plugged in is offered.
    #[arg(value_name = "DEVICE")]
    device: Option<PathBuf>,
    #[command(flatten)]
    origin: Origin,
    /// Do not ask. What is in use is refused all the same.
    #[arg(long)]
    yes: bool,
    /// Only say what would be written where.
    #[arg(long)]
    dry_run: bool,
    /// Write everything, also what the stick has already.
    #[arg(long)]
    full: bool,
    /// Do not read back what was written.
    #[arg(long)]
    no_verify: bool,
    /// A disk that is built into this machine may be meant.
    #[arg(long)]
    allow_fixed: bool,
    /// Print what was done as JSON: image, build, target, written, kept, verified.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let image = image(&args)?;
    let target = match &args.device {
        Some(device) => device.clone(),
        None => choose(args.yes)?,
    };
    let access = match args.dry_run {
        true => Access::READ_OK,
        false => Access::READ_OK | Access::WRITE_OK,
    };
    if elevation::is_device_of_root(&target, access) {
        // The ISO of a host is made by now, by its owner and with the owner's files.
        let what = format!("flk write to {}", target.display());
        elevation::require_with(&what, arguments(&args, &image, &target))?;
    }
    let plan = flk_stick::plan(&Request {
        image,
        target,
        allow_fixed: args.allow_fixed,
    })?;
    describe(&plan);
    if args.dry_run {
        print(&args, &plan, None)?;
        return Ok(());
    }
    if !args.yes {
        confirm(&plan)?;
    }
    let written = carry_out(&plan, &args)?;
    tell(&plan, &written, started);
    print(&args, &plan, Some(written))
}

/// The command line for writing this ISO there.
fn arguments(args: &Args, image: &Path, target: &Path) -> Vec<OsString> {
    let flags = [
        ("--yes", args.yes),
        ("--dry-run", args.dry_run),
        ("--full", args.full),
        ("--no-verify", args.no_verify),
        ("--allow-fixed", args.allow_fixed),
        ("--json", args.json),
    ];
    let mut words = vec![OsString::from("write")];
    words.extend(
        flags
            .into_iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(flag, _)| flag.into()),
    );
    words.extend(["--".into(), image.into(), target.into()]);
    words
}

/// The ISO: a file that is there, or a host's. A name alone is a host's where it is said of which repository.
fn image(args: &Args) -> Result<PathBuf> {
    let path = Path::new(&args.image);
    let is_of_a_repository = args.origin.is_said();
    let is_path = args.image.contains('/') || args.image.ends_with(".iso");
    if is_path && is_of_a_repository {
        return Err(Failure::new(format!(
            "{} is a file; --flake and --channel are for a host",
            args.image
        ))
        .hint("leave them out, or name the host: flk write HOST --flake REF"));
    }
    if is_path || (!is_of_a_repository && path.exists() && !path.is_dir()) {
        return Ok(path.to_owned());
    }
    let iso = iso::make(&iso::Args::new(args.image.clone(), args.origin.clone()))?;
    let iso = iso.ok_or_else(|| Failure::new("no ISO was made"))?;
    Ok(iso.path)
}

/// Asks which stick is meant.
fn choose(may_not_ask: bool) -> Result<PathBuf> {
    let devices = flk_stick::devices()?;
    if devices.is_empty() {
        return Err(Failure::new("no stick is plugged in")
            .hint("a disk that is not removable, or a file, can be named: flk write ISO /dev/…"));
    }
    for device in &devices {
        ui::note(line(device));
    }
    let failure = Failure::new("it is not said to which stick")
        .hint("name one of them: flk write ISO /dev/…");
    if may_not_ask {
        return Err(failure);
    }
    let Some(answer) = ui::ask("Which one?") else {
        return Err(failure);
    };
    devices
        .into_iter()
        .find(|device| device.name == answer || device.path == Path::new(&answer))
        .map(|device| device.path)
        .ok_or(failure)
}

/// `/dev/sdb  SanDisk Ultra Fit, 8.0 GB, USB, serial 4C530001`
fn line(device: &Device) -> String {
    let mut line = format!(
        "{}  {}, {}, {}",
        device.path.display(),
        device.title(),
        ui::bytes(device.size),
        device.bus
    );
    if !device.serial.is_empty() {
        line.push_str(&format!(", serial {}", device.serial));
    }
    for content in &device.content {
        line.push_str(&format!("\n    {} {}", content.name, content.format));
        if !content.label.is_empty() {
            line.push_str(&format!(" {:?}", content.label));
        }
    }
    line
}

fn describe(plan: &Plan) {
    let image = &plan.image;
    let build = match image.build() {
        Some(build) => format!("build {build}"),
        None => format!("{:?}, not flk's", image.volume_id()),
    };
    ui::note(format_args!(
        "{}  {}, {build}",
        image.path().display(),
        ui::bytes(image.length())
    ));
    match &plan.target {
        Target::Device { device, .. } => ui::note(line(device)),
        Target::File { path, size, .. } => ui::note(format_args!(
            "{}  a file, {}",
            path.display(),
            ui::bytes(*size)
        )),
    }
    match &plan.found {
        Found::Unfinished { build } if Some(build.as_str()) == image.build() => {
            ui::note("it was being written there before; that is gone on with");
        }
        Found::Unfinished { build } => {
            ui::note(format_args!(
                "{build} was being written there before, and is not whole"
            ));
        }
        _ => {}
    }
}

/// Whoever wants a disk overwritten types its name.
fn confirm(plan: &Plan) -> Result<()> {
    let path = plan.target.path();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let question = format!(
        "Everything on {} will be lost. To go on, type {name}:",
        path.display()
    );
    let unchanged = |why: &str| Failure::new(format!("{}: {why}", path.display()));
    match ui::ask(&question) {
        Some(answer) if answer == name || Path::new(&answer) == path => Ok(()),
        Some(_) => Err(unchanged("that is not its name; nothing was written")),
        None => Err(
            unchanged("nobody is there to confirm that it is to be overwritten")
                .hint("say --yes where nobody can be asked"),
        ),
    }
}

fn carry_out(plan: &Plan, args: &Args) -> Result<Written> {
    let options = Options {
        full: args.full,
        no_verify: args.no_verify,
    };
    let mut shown: Option<(flk_stick::Phase, Phase)> = None;
    let outcome = flk_stick::execute(plan, options, &mut |progress: Progress| {
        let is_new = shown
            .as_ref()
            .is_none_or(|(phase, _)| *phase != progress.phase);
        if is_new {
            if let Some((_, done)) = shown.take() {
                finish(done);
            }
            let name = match progress.phase {
                flk_stick::Phase::Compare => "compare",
                flk_stick::Phase::Write => "write",
                _ => "verify",
            };
            shown = Some((progress.phase, Phase::start(name, Unit::Bytes)));
        }
        if let Some((_, phase)) = &mut shown {
            phase.set(progress.done, progress.total);
        }
        !flk_nix::is_interrupted()
    });
    match outcome {
        Ok(written) => {
            if let Some((_, done)) = shown {
                finish(done);
            }
            Ok(written)
        }
        Err(error) => {
            drop(shown);
            // Of an interruption nothing else is said, and this must be known.
            if let (flk_stick::Error::Stopped { .. }, Some(hint)) = (&error, error.hint()) {
                ui::note(format_args!("{}: {hint}", plan.target.path().display()));
            }
            Err(error.into())
        }
    }
}

fn finish(phase: Phase) {
    let total = ui::bytes(phase.total());
    phase.finish(total);
}

fn tell(plan: &Plan, written: &Written, started: Instant) {
    let path = plan.target.path().display();
    let took = ui::duration(started.elapsed());
    match written.written {
        0 => ui::note(format_args!("{path} has it already, every byte ({took})")),
        bytes => ui::note(format_args!(
            "{path} has it: {} written, {} were there, {} ({took})",
            ui::bytes(bytes),
            ui::bytes(written.kept),
            match written.verified {
                true => "all read back",
                false => "nothing read back",
            }
        )),
    }
    if let Some(host) = plan.image.volume_id().strip_prefix(VOLUME_PREFIX) {
        ui::note(format_args!(
            "start the machine with it: it answers as {host}.local and at fe80::47, and `flk discover` finds it"
        ));
    }
}

fn print(args: &Args, plan: &Plan, written: Option<Written>) -> Result<()> {
    if !args.json {
        return Ok(());
    }
    let done = written.map(serde_json::to_value).transpose()?;
    let mut value = json!({
        "image": plan.image.path(),
        "build": plan.image.build(),
        "size": plan.image.length(),
        "target": plan.target,
        "found": plan.found,
    });
    if let (Some(serde_json::Value::Object(done)), Some(value)) = (done, value.as_object_mut()) {
        value.extend(done);
    }
    ui::data(serde_json::to_string_pretty(&value)?);
    Ok(())
}
