//! `flk install`: a live machine's host goes onto the file systems that are mounted at /mnt.

use std::{
    fs,
    io::{IsTerminal, Read as _},
    path::{Path, PathBuf},
    time::Instant,
};

use flk_image::Build;
use flk_install::{Installed, Plan, Progress};
use flk_nix::{Closure, quote};
use serde_json::json;

use crate::{
    archive, closure,
    error::{Context, Failure, Result},
    evaluation::{Evaluation, tell},
    repository::{ChannelKind, Repository},
    ui::{self, Phase, Unit},
    workspace::{Workspace, find_nix},
};

/// The repository that an ISO carries.
const CARRIED: &str = "/iso/devos";
/// What an ISO says of itself.
const BUILD: &str = "/iso/flk/build.json";
/// What an ISO's store says of its paths; the second is below the overlay.
const REGISTRATIONS: [&str; 2] = [
    "/nix/store/nix-path-registration",
    "/nix/.ro-store/nix-path-registration",
];

/// Install a host onto the file systems mounted at /mnt.
///
/// On a live machine: partition and format its disk, mount the root at /mnt (and the boot partition at /mnt/boot for UEFI), then run this as root. What
/// the ISO carries is copied, without a network and without building anything. Nothing is written before the plan is shown and confirmed.
///
/// Stopped at any point, the machine boots what it booted before, and another run goes on from there.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "On the live machine:\n  mount /dev/disk/by-label/nixos /mnt\n  mkdir -p /mnt/boot && mount /dev/disk/by-label/boot /mnt/boot   # UEFI only\n  cd /iso/devos && sudo flk install HOST"
)]
pub(crate) struct Args {
    /// The host: the name of its file in hosts/, without .nix.
    #[arg(value_name = "HOST")]
    host: String,
    /// Where the new root file system is mounted.
    #[arg(long, value_name = "DIR", default_value = "/mnt")]
    root: PathBuf,
    /// The repository; without it, the one around the current folder, or else the one on the ISO.
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
    /// Ask nothing.
    #[arg(long, short)]
    yes: bool,
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
    /// Accepted because the manuals of other tools have it; flk evaluates purely either way.
    #[arg(long)]
    impure: bool,
    /// Show what Nix does, line by line, and whole traces of errors.
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    ui::set_verbose(args.verbose);
    let started = Instant::now();
    // Before anything is evaluated: a refusal should come at once.
    if !rustix::process::geteuid().is_root() {
        return Err(flk_install::Error::NotRoot.into());
    }
    let system = system(&args)?;
    let plan = flk_install::plan(&flk_install::Options {
        host: args.host.clone(),
        toplevel: system.toplevel,
        closure: system.closure,
        root: args.root.clone(),
        boot_loader: !args.no_bootloader,
    })
    .context(|| format!("{} cannot be installed here", args.host))?;
    show(&plan, system.origin);
    let described = serde_json::to_value(&plan)?;
    if args.dry_run {
        if args.json {
            ui::data(serde_json::to_string_pretty(&json!({ "plan": described }))?);
        }
        return Ok(());
    }
    if !args.yes {
        confirm(&plan)?;
    }
    let root = plan.root.clone();
    let installed = carry_out(plan)?;
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

/// What is installed.
struct System {
    toplevel: String,
    closure: Closure,
    /// Where it comes from, for people.
    origin: &'static str,
}

/// The host's system: the ISO's own where the repository is as it was when the ISO was made, else evaluated.
fn system(args: &Args) -> Result<System> {
    let carried = Path::new(CARRIED);
    let repository = match (&args.flake, Repository::find(args.flake.as_deref())) {
        (_, Ok(repository)) => repository.root,
        (None, Err(_)) if carried.join("flake.nix").is_file() => carried.to_owned(),
        (_, Err(failure)) => return Err(failure),
    };
    if let Some(toplevel) = prebuilt(&repository, &args.host)?
        && let Some(system) = registered(&toplevel)?
    {
        return Ok(system);
    }
    evaluated(&repository, &args.host)
}

/// The toplevel that this machine's medium carries for a host of this repository.
fn prebuilt(repository: &Path, host: &str) -> Result<Option<String>> {
    let document = Path::new(BUILD);
    if !document.exists() {
        return Ok(None);
    }
    let build = Build::read(document)?;
    let carried = Path::new(CARRIED);
    let is_carried = repository == carried || is_same_tree(repository, carried)?;
    Ok(build
        .host_toplevel
        .filter(|_| build.host == host && is_carried))
}

/// Its closure, by the medium's registration or by Nix's database.
fn registered(toplevel: &str) -> Result<Option<System>> {
    for registration in REGISTRATIONS.map(Path::new) {
        if registration.exists()
            && let Some(closure) = flk_install::closure_of(registration, toplevel)?
        {
            return Ok(Some(System {
                toplevel: toplevel.to_owned(),
                closure,
                origin: "from this medium, nothing is fetched or built",
            }));
        }
    }
    let nix = find_nix(ChannelKind::Debian)?;
    if !nix.is_valid(toplevel)? {
        return Ok(None);
    }
    Ok(Some(System {
        toplevel: toplevel.to_owned(),
        closure: nix.closure(&[toplevel])?,
        origin: "from this machine's store",
    }))
}

/// The system by the repository's files as they are now, built into this machine's store where it lacks something.
fn evaluated(repository: &Path, host: &str) -> Result<System> {
    let workspace = Workspace::open(Some(repository))?;
    archive::provide_indices(&workspace)?;
    let phase = Phase::start("evaluate", Unit::Time);
    let apply = format!(
        "hosts: let name = {name}; in if builtins.hasAttr name hosts then \
         let top = (builtins.getAttr name hosts).config.system.build.toplevel; in \
         {{ derivation = top.drvPath; output = top.outPath; }} \
         else {{ known = builtins.attrNames hosts; }}",
        name = quote(host)
    );
    let json = workspace
        .nix
        .evaluate(
            &workspace.flake,
            "nixosConfigurations",
            &apply,
            &mut |event| tell(&phase, event),
        )
        .map_err(|error| workspace.explain(error))
        .context(|| format!("{host} does not evaluate"))?;
    if let Some(known) = json["known"].as_array() {
        let known: Vec<&str> = known.iter().filter_map(|name| name.as_str()).collect();
        return Err(
            Failure::new(format!("there is no host {host} in this repository"))
                .hint(format!("it has: {}", known.join(", "))),
        );
    }
    let text = |name: &str| {
        json[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(format!("Nix gave no `{name}` for {host}")))
    };
    let toplevel = text("output")?;
    let evaluation = Evaluation {
        derivation: text("derivation")?,
        output: PathBuf::from(&toplevel),
        remembered: false,
    };
    phase.finish(host);
    closure::bring(&workspace, host, &evaluation)?;
    let closure = workspace.nix.closure(&[&toplevel])?;
    Ok(System {
        toplevel,
        closure,
        origin: "evaluated from the repository as it is now",
    })
}

/// Whether two folders hold the same files; git's own and flk's results are not looked at.
fn is_same_tree(a: &Path, b: &Path) -> Result<bool> {
    let list = |folder: &Path| -> Result<Vec<(std::ffi::OsString, PathBuf)>> {
        let mut entries = Vec::new();
        let said = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(folder).context(said)? {
            let entry = entry.context(said)?;
            let name = entry.file_name();
            if name != ".git" && name != "result" {
                entries.push((name, entry.path()));
            }
        }
        entries.sort();
        Ok(entries)
    };
    let (left, right) = (list(a)?, list(b)?);
    if left.len() != right.len() {
        return Ok(false);
    }
    for ((name, a), (other, b)) in left.iter().zip(&right) {
        let kind = |path: &Path| {
            fs::symlink_metadata(path)
                .map(|metadata| metadata.file_type())
                .context(|| format!("cannot read {}", path.display()))
        };
        let (kind_a, kind_b) = (kind(a)?, kind(b)?);
        let is_same = name == other
            && kind_a == kind_b
            && if kind_a.is_dir() {
                is_same_tree(a, b)?
            } else if kind_a.is_symlink() {
                fs::read_link(a).ok() == fs::read_link(b).ok()
            } else {
                let read = |path: &Path| {
                    fs::read(path).context(|| format!("cannot read {}", path.display()))
                };
                read(a)? == read(b)?
            };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
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

/// Asks on the terminal.
fn confirm(plan: &Plan) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("nobody is here to confirm the plan")
            .hint("say --yes if that is what you want"));
    }
    ui::note(format_args!(
        "Install {} onto {}? [y/N]",
        plan.host,
        plan.root.display()
    ));
    let mut answer = [0; 64];
    let length = std::io::stdin()
        .lock()
        .read(&mut answer)
        .context(|| "cannot read the answer".into())?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new("nothing was done: the plan was not confirmed")),
    }
}

fn carry_out(plan: Plan) -> Result<Installed> {
    let host = plan.host.clone();
    let mut current: Option<(flk_install::Phase, Phase)> = None;
    let installed = flk_install::execute(plan, &mut |progress: Progress| {
        let is_new = current
            .as_ref()
            .is_none_or(|(phase, _)| *phase != progress.phase);
        if is_new {
            if let Some((_, done)) = current.take() {
                finish(done);
            }
            let (name, unit) = match progress.phase {
                flk_install::Phase::Copy => ("copy", Unit::Bytes),
                flk_install::Phase::Sync => ("sync", Unit::Time),
                flk_install::Phase::Register => ("register", Unit::Time),
                _ => ("boot", Unit::Time),
            };
            current = Some((progress.phase, Phase::start(name, unit)));
        }
        if let Some((_, phase)) = &mut current {
            phase.set(progress.done, progress.total);
        }
    })
    .context(|| format!("{host} is not installed"))?;
    if let Some((_, phase)) = current {
        finish(phase);
    }
    Ok(installed)
}

fn finish(phase: Phase) {
    let what = match phase.total() {
        0 => "done".to_owned(),
        total => ui::bytes(total),
    };
    phase.finish(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_that_was_edited_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for folder in [&a, &b] {
            fs::create_dir_all(folder.join("hosts")).unwrap();
            fs::write(folder.join("hosts/NixOS.nix"), "{ }").unwrap();
            std::os::unix::fs::symlink("hosts", folder.join("link")).unwrap();
        }
        fs::create_dir(a.join(".git")).unwrap();
        assert!(is_same_tree(&a, &b).unwrap());
        fs::write(a.join("hosts/new.nix"), "{ }").unwrap();
        assert!(!is_same_tree(&a, &b).unwrap());
        fs::remove_file(a.join("hosts/new.nix")).unwrap();
        fs::write(a.join("hosts/NixOS.nix"), "{}").unwrap();
        assert!(!is_same_tree(&a, &b).unwrap());
    }
}
