//! `flk generations`: what this machine's system has been, and can be again.

use flk_install::Generation;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{
    error::{Failure, Result},
    running_system::{self, BOOTED, CURRENT},
    ui,
};

/// List the generations of this machine's system.
///
/// Number, when it was made, what it is, and which one is active (current), was booted, and will be booted (default).
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// A generation as it is printed.
#[derive(Serialize)]
struct Listed {
    number: u64,
    date: String,
    label: String,
    toplevel: String,
    current: bool,
    booted: bool,
    default: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let profile = running_system::profile();
    let default = profile.current()?;
    let generations: Vec<Listed> = profile
        .generations()?
        .iter()
        .map(|generation| listed(generation, default, args.json))
        .collect();
    if args.json {
        ui::data(serde_json::to_string_pretty(&generations)?);
        return Ok(());
    }
    if generations.is_empty() {
        return Err(Failure::new("this machine's system has no generations")
            .hint("`flk switch` makes one on an installed host"));
    }
    let width = generations
        .iter()
        .map(|one| one.label.len())
        .max()
        .unwrap_or(0);
    for one in &generations {
        let marks: Vec<&str> = [
            (one.current, "current"),
            (one.booted, "booted"),
            (one.default, "default"),
        ]
        .into_iter()
        .filter_map(|(is_so, mark)| is_so.then_some(mark))
        .collect();
        let line = format!(
            "{:>4}  {}  {:<width$}  {}",
            one.number,
            one.date,
            one.label,
            marks.join(", ")
        );
        ui::data(line.trim_end());
    }
    Ok(())
}

fn listed(generation: &Generation, default: Option<u64>, exact: bool) -> Listed {
    Listed {
        number: generation.number,
        date: date(generation, exact),
        label: generation.label.clone(),
        toplevel: generation.toplevel.display().to_string(),
        current: running_system::leads_to(CURRENT, &generation.toplevel),
        booted: running_system::leads_to(BOOTED, &generation.toplevel),
        default: default == Some(generation.number),
    }
}

/// In this machine's time for people; exact as RFC 3339 has it.
fn date(generation: &Generation, exact: bool) -> String {
    let made = Timestamp::try_from(generation.made).unwrap_or(Timestamp::UNIX_EPOCH);
    if exact {
        return made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    let local = made.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M").to_string()
}
