//! `flk pins`: whom the operator's ISOs are known by, and how to stop trusting one.

use flk_identity::{Pin, Pins};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    error::{Failure, Result},
    place::Places,
    ui,
};

/// List the ISOs whose live machines are trusted, and forget some.
///
/// `flk iso` keeps a pin for each build: the ssh host key that its live machine has. Whoever has the ISO file can pose as that machine, so
/// forget the pin of an ISO that was lost or handed on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// List the pins, the newest last.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget pins: their live machines are unverified from now on.
    Forget {
        /// A build's id, or its first digits, eight at least; or a host, for all of its builds.
        #[arg(value_name = "BUILD|HOST", required = true)]
        names: Vec<String>,
    },
}

/// Digits of a build's id that are taken for the whole.
const PREFIX_MIN: usize = 8;

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let pins = Pins::new(Places::find()?.data().join("pins"));
    match args.verb {
        Verb::List { json } => list(&pins, json),
        Verb::Forget { names } => {
            // All names are looked up before any pin goes.
            let all = pins.all()?;
            let mut builds = Vec::new();
            for name in &names {
                builds.extend(named(&all, name)?);
            }
            for pin in builds {
                if pins.forget(&pin.build)? {
                    ui::note(format_args!("forgotten: {} {}", pin.host, pin.build));
                }
            }
            Ok(())
        }
    }
}

fn named<'a>(all: &'a [Pin], name: &str) -> Result<Vec<&'a Pin>> {
    let is_prefix = name.len() >= PREFIX_MIN && name.bytes().all(|b| b.is_ascii_hexdigit());
    let builds: Vec<&Pin> = all
        .iter()
        .filter(|pin| is_prefix && pin.build.starts_with(&name.to_lowercase()))
        .collect();
    match builds.len() {
        0 => {}
        1 => return Ok(builds),
        several => {
            return Err(
                Failure::new(format!("{name} begins the ids of {several} builds"))
                    .hint("give more of the one that is meant: `flk pins list`"),
            );
        }
    }
    let of_host: Vec<&Pin> = all.iter().filter(|pin| pin.is_called(name)).collect();
    if of_host.is_empty() {
        return Err(Failure::new(format!("there is no pin of {name}"))
            .hint("`flk pins list` shows builds and hosts that have one"));
    }
    Ok(of_host)
}

fn list(pins: &Pins, json: bool) -> Result<()> {
    let mut all = Vec::new();
    for pin in pins.all()? {
        let made = Timestamp::try_from(pins.made(&pin.build)?).unwrap_or(Timestamp::UNIX_EPOCH);
        all.push((made, pin));
    }
    all.sort_by(|a, b| (a.0, &a.1.build).cmp(&(b.0, &b.1.build)));
    if json {
        let mut list = Vec::new();
        for (made, pin) in &all {
            list.push(json!({
                "build": pin.build,
                "host": pin.host,
                "hostName": pin.host_name,
                "fingerprint": pin.fingerprint()?,
                "publicKey": pin.public_key,
                "made": made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }));
        }
        ui::data(serde_json::to_string_pretty(&list)?);
        return Ok(());
    }
    let width = all.iter().map(|(_, pin)| pin.host.len()).max().unwrap_or(0);
    for (made, pin) in &all {
        let made = made.to_zoned(TimeZone::system());
        ui::data(format_args!(
            "{}  {:<width$}  {}  {}",
            made.strftime("%Y-%m-%d %H:%M"),
            pin.host,
            pin.build,
            pin.fingerprint()?
        ));
    }
    if all.is_empty() {
        ui::note("no pins: no ISO with an ssh host key was made by this user on this machine");
    }
    Ok(())
}
