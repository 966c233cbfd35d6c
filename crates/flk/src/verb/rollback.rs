//! `flk rollback`: back to an earlier generation of this machine's system.

use std::time::Instant;

use flk_install::{Action, Generation};
use serde_json::json;

use crate::{
    elevation,
    error::{Failure, Result},
    running_system::{self, SESSION, described},
    session, ui,
};

/// Go back to an earlier generation of this machine's system.
///
/// It is what the machine boots from now on, and is activated: units that differ are restarted. Nothing is built. `flk generations` lists them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Which generation; without it, the one before the current one.
    #[arg(value_name = "GENERATION")]
    generation: Option<u64>,
    /// Boot it from now on, but change nothing yet.
    #[arg(long)]
    boot: bool,
    /// Print what was done as JSON: toplevel, action, generation.
    #[arg(long)]
    json: bool,
    /// Do it, and say everything to a journal on standard output: flk starts itself so.
    #[arg(long, hide = true)]
    worker: bool,
}

/// Runs the verb; gives the exit code.
pub(crate) fn run(args: Args) -> Result<u8> {
    running_system::check()?;
    elevation::require("flk rollback")?;
    if !args.worker {
        return SESSION.start();
    }
    session::become_worker()?;
    roll_back(&args).map(|()| 0)
}

fn roll_back(args: &Args) -> Result<()> {
    let started = Instant::now();
    let profile = running_system::profile();
    let generations = profile.generations()?;
    let current = profile.current()?;
    let chosen = choose(&generations, current, args.generation)?;
    if !chosen.toplevel.exists() {
        return Err(Failure::new(format!(
            "the system of generation {} is gone: {}",
            chosen.number,
            chosen.toplevel.display()
        ))
        .hint("`flk generations` lists the others"));
    }
    let action = if args.boot {
        Action::Boot
    } else {
        Action::Switch
    };
    profile.select(chosen.number)?;
    running_system::activate(&chosen.toplevel, action).map_err(|failure| {
        failure
            .hint("`systemctl --failed` and `journalctl -b -p err` say more")
            .hint(format!(
                "generation {} is what will be booted all the same",
                chosen.number
            ))
    })?;
    let done = if args.boot {
        "will be booted from now on"
    } else {
        "is active"
    };
    ui::note(format_args!(
        "{} {done} ({})",
        described(chosen),
        ui::duration(started.elapsed())
    ));
    if args.json {
        ui::data(serde_json::to_string_pretty(&json!({
            "toplevel": chosen.toplevel,
            "action": action.to_string(),
            "generation": chosen.number,
        }))?);
    }
    Ok(())
}

/// The wanted generation, or the one before the current one.
fn choose(
    generations: &[Generation],
    current: Option<u64>,
    wanted: Option<u64>,
) -> Result<&Generation> {
    let found = generations.iter().rev().find(|one| match wanted {
        Some(wanted) => one.number == wanted,
        None => current.is_some_and(|current| one.number < current),
    });
    found.ok_or_else(|| {
        let failure = match (wanted, current) {
            (Some(wanted), _) => Failure::new(format!("there is no generation {wanted}")),
            (None, Some(current)) => {
                Failure::new(format!("there is no generation before {current}"))
            }
            (None, None) => Failure::new("this machine's system has no generations yet"),
        };
        failure.hint("`flk generations` lists them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_before_or_the_one_that_is_named() {
        let generations: Vec<Generation> = [2, 3, 7]
            .into_iter()
            .map(|number| Generation {
                number,
                toplevel: "/nix/store/x".into(),
                made: std::time::SystemTime::UNIX_EPOCH,
                label: String::new(),
            })
            .collect();
        let chosen = |current, wanted| match choose(&generations, current, wanted) {
            Ok(generation) => generation.number.to_string(),
            Err(failure) => failure.render().lines().next().unwrap().to_owned(),
        };
        assert_eq!(chosen(Some(7), None), "3");
        assert_eq!(chosen(Some(3), None), "2");
        // Nix may have deleted the current one's number.
        assert_eq!(chosen(Some(5), None), "3");
        assert_eq!(
            chosen(Some(2), None),
            "error: there is no generation before 2"
        );
        assert_eq!(chosen(Some(2), Some(7)), "7");
        assert_eq!(chosen(Some(7), Some(4)), "error: there is no generation 4");
        assert_eq!(
            chosen(None, None),
            "error: this machine's system has no generations yet"
        );
    }
}
