//! `flk install`: a live machine's host goes onto the file systems that are mounted at /mnt.

mod machine;
mod rest;
mod system;

use std::{path::PathBuf, time::Instant};

use flk_install::{Installed, Plan, Progress, Rest};
use serde_json::json;

use self::system::{System, repository, system};
use crate::{
    elevation,
    error::{Context, Result},
    interruption,
    session::{self, Session},
    ui::{self, Phase, Unit},
    workspace::Origin,
};

const SESSION: Session = Session {
    name: "install",
    noun: "installation",
    how_to_see: "`flk install --attach` shows it",
};

/// Install a host onto the file systems mounted at /mnt.
///
/// On a live machine: partition and format its disk, mount the root at /mnt (and the boot partition at /mnt/boot for UEFI), then run this: it makes itself root by sudo, doas or run0. What
/// the ISO carries is copied, without a network and without building anything. Nothing is written before the plan is shown and confirmed.
/// Outside of any repository the host is one of the repository on the ISO.
///
/// Stopped at any point, the machine boots what it booted before, and another run goes on from there. A closed terminal or a lost connection does not
/// stop it: `flk install --attach` shows it again. Ctrl-C does.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "On the live machine:\n  mount /dev/disk/by-label/nixos /mnt\n  mkdir -p /mnt/boot && mount /dev/disk/by-label/boot /mnt/boot   # UEFI only\n  cd /iso/devos && flk install HOST"
)]
pub(crate) struct Args {
    /// The host: the name of its file in hosts/, without .nix.
    // Empty with --attach alone.
    #[arg(
        value_name = "HOST",
        required = false,
        required_unless_present = "attach",
        default_value_if("attach", "true", "")
    )]
    host: String,
    /// Show the installation that runs, from its beginning, or how the last one went.
    #[arg(long, exclusive = true)]
    attach: bool,
    /// Where the new root file system is mounted.
    #[arg(long, value_name = "DIR", default_value = "/mnt")]
    root: PathBuf,
    #[command(flatten)]
    origin: Origin,
    /// Ask nothing.
    #[arg(long, short)]
    yes: bool,
    /// Install even if identities.toml says that this machine is another host, or that the host is another machine.
    #[arg(long)]
    any_machine: bool,
    /// Install no boot loader.
    #[arg(long)]
    no_bootloader: bool,
    /// Only show the plan.
    #[arg(long)]
    dry_run: bool,
    /// Print the plan and what was done as JSON.
    #[arg(long)]
    json: bool,
    /// Restart the machine afterwards, if nothing failed.
    #[arg(long)]
    reboot: bool,
    /// Show what Nix does, line by line, and whole traces of errors.
    #[arg(long, short)]
    verbose: bool,
    /// Do it, and say everything to a journal on standard output: flk starts itself so.
    #[arg(long, hide = true)]
    worker: bool,
}

/// Runs the verb; gives the exit code.
pub(crate) fn run(args: Args) -> Result<u8> {
    // Before anything is evaluated: a refusal should come at once. To look at a plan, nobody has to be root.
    if !args.dry_run {
        elevation::require("flk install")?;
    }
    if args.attach {
        return SESSION.attach();
    }
    if args.worker {
        session::become_worker()?;
    } else if !args.dry_run {
        return SESSION.start();
    }
    install(args).map(|()| 0)
}

fn install(args: Args) -> Result<()> {
    ui::set_verbose(args.verbose);
    let started = Instant::now();
    if let Some(objection) = machine::objection(&repository(&args)?, &args.host)? {
        if args.any_machine || args.dry_run {
            ui::warn(objection);
        } else {
            // --yes is no answer to that.
            let question = format!(
                "{objection}. Install {} here all the same? [y/N]",
                args.host
            );
            session::confirm_by(question, "--any-machine")
                .map_err(|failure| failure.because(machine::Mismatch(objection)))?;
        }
    }
    let system = system(&args)?;
    let plan = flk_install::plan(&system.options(&args)?)
        .context(|| format!("{} cannot be installed here", args.host))?;
    show(&plan, system.origin);
    let described = serde_json::to_value(&plan)?;
    if args.dry_run {
        if args.json {
            let missing = system.list();
            let plan = json!({ "plan": described, "missing": missing });
            ui::data(serde_json::to_string_pretty(&plan)?);
        }
        for line in rest::cut(&system.list()) {
            ui::note(format_args!("  missing: {line}"));
        }
        return Ok(());
    }
    system.check_network()?;
    if !args.yes {
        session::confirm(format!(
            "Install {} onto {}? [y/N]",
            plan.host,
            plan.root.display()
        ))?;
    }
    let root = plan.root.clone();
    let installed = carry_out(plan, &system)?;
    for line in &installed.boot_loader {
        match line.split_once("warning: ") {
            Some((_, warning)) => ui::warn(warning),
            None => ui::detail(line),
        }
    }
    ui::note(format_args!(
        "{} is installed as generation {} ({})",
        args.host,
        installed.generation,
        ui::duration(started.elapsed())
    ));
    ui::note(format_args!("its ssh host key: {}", installed.fingerprint));
    if args.json {
        let done = json!({ "plan": described, "installed": installed });
        ui::data(serde_json::to_string_pretty(&done)?);
    }
    if args.reboot {
        return flk_install::restart()
            .context(|| "the host is installed, but the machine does not restart".into());
    }
    ui::note(format_args!(
        "everything is on disk; before you restart: `sudo umount -R {}`, and take out the medium",
        root.display()
    ));
    Ok(())
}

fn show(plan: &Plan, origin: &str) {
    ui::note(format_args!("{}: {}", plan.host, plan.label));
    ui::note(format_args!("  {} ({origin})", plan.toplevel));
    let there = match plan.paths - plan.missing_paths {
        0 => String::new(),
        there => format!("; {there} are there already"),
    };
    ui::note(format_args!(
        "  {}, {}{there}",
        ui::count(plan.paths, "store path"),
        ui::bytes(plan.bytes)
    ));
    if plan.from.rest != Rest::default() {
        ui::note(format_args!("  besides: {}", besides(&plan.from.rest)));
    }
    for destination in &plan.destinations {
        ui::note(format_args!(
            "  onto {} ({}, {}): up to {} of {} free",
            destination.mount_point.display(),
            destination.device,
            destination.fs_type,
            ui::bytes(destination.needed),
            ui::bytes(destination.free)
        ));
    }
    ui::note(format_args!("  boot loader: {}", plan.boot_loader));
    for warning in &plan.warnings {
        ui::warn(warning);
    }
}

/// What this machine lacks, and where it comes from.
fn besides(rest: &Rest) -> String {
    let mut parts = Vec::new();
    for (amount, noun, origin) in [
        (rest.download, "package", "to be downloaded"),
        (rest.fetch, "store path", "from substituters"),
    ] {
        if amount.count > 0 {
            parts.push(format!(
                "{} {origin}, {}",
                ui::count(amount.count, noun),
                ui::bytes(amount.bytes)
            ));
        }
    }
    if rest.build > 0 {
        parts.push(format!("{} to be built here", rest.build));
    }
    parts.join("; ")
}

/// The phase of an installation that the user sees.
#[derive(Default)]
struct Shown(Option<(flk_install::Phase, Phase)>);

impl Shown {
    fn tell(&mut self, progress: Progress) {
        // Stopped at any point, it can be gone on with.
        interruption::obey();
        let is_new = self
            .0
            .as_ref()
            .is_none_or(|(phase, _)| *phase != progress.phase);
        if is_new {
            self.end();
            let (name, unit) = match progress.phase {
                flk_install::Phase::Copy => ("copy", Unit::Bytes),
                flk_install::Phase::Sync => ("sync", Unit::Time),
                flk_install::Phase::Register => ("register", Unit::Time),
                _ => ("boot", Unit::Time),
            };
            self.0 = Some((progress.phase, Phase::start(name, unit)));
        }
        if let Some((_, phase)) = &mut self.0 {
            phase.set(progress.done, progress.total);
        }
    }

    fn end(&mut self) {
        if let Some((_, phase)) = self.0.take() {
            finish(phase);
        }
    }
}

fn carry_out(plan: Plan, system: &System) -> Result<Installed> {
    let failed = format!("{} is not installed", plan.host);
    let mut shown = Shown::default();
    let prepared = flk_install::prepare(plan, &mut |progress| shown.tell(progress))
        .context(|| failed.clone())?;
    shown.end();
    let closure = system.complete(&prepared)?;
    let installed = flk_install::finish(prepared, &closure, &mut |progress| shown.tell(progress))
        .context(|| failed)?;
    shown.end();
    Ok(installed)
}

fn finish(phase: Phase) {
    let what = match phase.total() {
        0 => "done".to_owned(),
        total => ui::bytes(total),
    };
    phase.finish(what);
}
