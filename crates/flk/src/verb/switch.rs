//! `flk switch`: this machine becomes what the repository says of it.

use std::time::Instant;

use flk_install::Action;
use serde_json::json;

use crate::{
    closure, elevation,
    error::{Failure, Result},
    evaluation::Evaluation,
    running_system::{self, SESSION},
    session, ui,
    workspace::{Origin, Workspace},
};

/// Make this machine what its host file says.
///
/// The host is evaluated and built, becomes the next generation of the system profile, which the machine boots from now on, and is activated: units that
/// changed are restarted. An earlier generation is in the boot menu; `flk rollback` goes back to it.
///
/// A closed terminal or a lost connection does not stop it: `flk switch --attach` shows it again.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The host: the name of its file in hosts/, without .nix; without it, this machine's host name.
    #[arg(value_name = "HOST")]
    host: Option<String>,
    /// Show the switch or rollback that runs, from its beginning, or how the last one went.
    #[arg(long, exclusive = true)]
    attach: bool,
    /// Boot it from now on, but change nothing yet.
    #[arg(long, conflicts_with_all = ["test", "dry_run"])]
    boot: bool,
    /// Activate it, but make no generation of it: the next boot undoes it.
    #[arg(long, conflicts_with = "dry_run")]
    test: bool,
    /// Build it, and only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    origin: Origin,
    /// Print what was done as JSON: host, toplevel, action, generation.
    #[arg(long)]
    json: bool,
    /// Show what Nix does, line by line, and whole traces of errors.
    #[arg(long, short)]
    verbose: bool,
    /// Do it, and say everything to a journal on standard output: flk starts itself so.
    #[arg(long, hide = true)]
    worker: bool,
}

impl Args {
    fn action(&self) -> Action {
        match self {
            Self { boot: true, .. } => Action::Boot,
            Self { test: true, .. } => Action::Test,
            Self { dry_run: true, .. } => Action::DryActivate,
            _ => Action::Switch,
        }
    }
}

/// Runs the verb; gives the exit code.
pub(crate) fn run(args: Args) -> Result<u8> {
    if args.attach {
        elevation::require("flk switch --attach")?;
        return SESSION.attach();
    }
    running_system::check()?;
    // Any user can see what would be done.
    if !args.dry_run {
        elevation::require("flk switch")?;
    }
    if args.worker {
        session::become_worker()?;
    } else if !args.dry_run {
        return SESSION.start();
    }
    switch(&args).map(|()| 0)
}

fn switch(args: &Args) -> Result<()> {
    ui::set_verbose(args.verbose);
    let started = Instant::now();
    let host = match &args.host {
        Some(host) => host.clone(),
        None => own_name()?,
    };
    let workspace = Workspace::open(&args.origin)?;
    let evaluation = Evaluation::of_system(&workspace, &host)?;
    let toplevel = closure::bring(&workspace, &host, &evaluation)?;

    let action = args.action();
    let profile = running_system::profile();
    let before = profile.current()?;
    let generation = match action {
        Action::Switch | Action::Boot => Some(profile.set(&toplevel)?),
        _ => None,
    };
    running_system::activate(&toplevel, action)
        .map_err(|failure| unfinished(failure, &host, before, generation))?;
    let done = match (action, generation) {
        (Action::Boot, Some(number)) => format!("is generation {number}, from the next boot on"),
        (Action::DryActivate, _) => "is built; nothing was activated".to_owned(),
        (_, Some(number)) => format!("is active, as generation {number}"),
        (_, None) => "is active until the next boot".to_owned(),
    };
    ui::note(format_args!(
        "{host} {done} ({})",
        ui::duration(started.elapsed())
    ));
    if args.json {
        ui::data(serde_json::to_string_pretty(&json!({
            "host": host,
            "toplevel": toplevel,
            "action": action.to_string(),
            "generation": generation,
        }))?);
    }
    Ok(())
}

/// What stays after a failed activation, and what to do.
fn unfinished(
    failure: Failure,
    host: &str,
    before: Option<u64>,
    generation: Option<u64>,
) -> Failure {
    let failure = failure.hint("`systemctl --failed` and `journalctl -b -p err` say more");
    match (generation, before) {
        (Some(number), Some(before)) if before != number => failure.hint(format!(
            "{host} is generation {number}, and will be booted; `flk rollback` goes back to generation {before}"
        )),
        (Some(number), _) => {
            failure.hint(format!("{host} is generation {number}, and will be booted"))
        }
        (None, _) => failure.hint("the next boot undoes what was activated"),
    }
}

/// The host name of this machine.
fn own_name() -> Result<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() || name == "localhost" {
        return Err(Failure::new(
            "this machine has no host name, so which host it is has to be said",
        )
        .hint("flk switch HOST"));
    }
    Ok(name)
}
