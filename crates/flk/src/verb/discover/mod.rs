//! `flk discover`: the live machines on the links, and whether each is the one that it is said to be.

pub(crate) mod search;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use flk_identity::Verdict;
use flk_lan::Mac;
use serde_json::{Value, json};

use self::search::{Found, Search, Trust};
use crate::{
    error::{Failure, Result},
    ui,
};

/// How long it looks, unless told otherwise.
const TIMEOUT: f64 = 5.0;
/// Before a row is shown, the alias's holder may turn out; no more than this is waited for it.
const SETTLE: Duration = Duration::from_millis(250);
/// A signal is obeyed so soon.
const STEP: Duration = Duration::from_millis(250);

/// Find the live machines on the links.
///
/// One row each: host, verdict, EUI-64 address with its link, network card, build, and the fingerprint of its ssh host key. `verified` means
/// that its ssh server has just proved to have the key that `flk iso` put on an ISO of yours; `known host`, that it proved a key of
/// identities.toml. `unverified` proves nothing, whatever it says of itself. Nothing is sent to a machine beyond ssh's key exchange.
///
/// A row comes when its machine has proven a key, else at the end. One that begins with `~` is a machine's again, of which more is known now.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "Exit code 1 if nothing was found.\n\nICMPv6 echo needs root or a group in net.ipv4.ping_group_range; without it, machines are found by multicast DNS and in the neighbour table."
)]
pub(crate) struct Args {
    /// Go on, and say what comes, changes and goes.
    #[arg(long)]
    watch: bool,
    /// Seconds to look; with --watch, for ever unless given.
    #[arg(long, value_name = "S", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Look on this interface only; can be given again.
    #[arg(long, value_name = "IF")]
    iface: Vec<String>,
    /// The repository with identities.toml; without it, the one around the current folder, if any.
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
    /// Print an array of machines as JSON; with --watch, an object for each event.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if !(0.1..=1e6).contains(&seconds) {
        return Err("it is not between 0.1 and 1000000".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Runs the verb; gives the exit code.
pub(crate) fn run(args: Args) -> Result<()> {
    let trust = Trust::read(args.flake.as_deref())?;
    let mut search = Search::begin(trust, &args.iface, &[])?;
    for limit in search.limits() {
        ui::note(format_args!("note: {limit}"));
    }
    let started = Instant::now();
    let timeout = match args.timeout {
        None if args.watch => None,
        None => Some(Duration::from_secs_f64(TIMEOUT)),
        given => given,
    };
    let end = timeout.map(|timeout| started + timeout);
    let mut rows = Rows::default();
    loop {
        let now = Instant::now();
        let rest = end.map_or(STEP, |end| end.saturating_duration_since(now));
        let is_over = rest.is_zero();
        let is_early = now - started < SETTLE && !is_over;
        let shown: Vec<Found> = search
            .found()
            .into_iter()
            .filter(Found::is_of_interest)
            .filter(|found| {
                is_over || is_final(found, args.watch) && !(is_early && is_alias_open(found))
            })
            .collect();
        if args.watch || !args.json {
            rows.show(&shown, &args);
        }
        if is_over || flk_nix::is_interrupted() || ui::is_broken() {
            return finish(&args, &search, &shown, &rows);
        }
        search.wait(rest.min(if is_early {
            Duration::from_millis(30)
        } else {
            STEP
        }))?;
    }
}

/// Whether a row tells what it will tell at the end. A machine that has proven no key is asked for it again, so unless what changes is told
/// anyway, its row waits.
fn is_final(found: &Found, watches: bool) -> bool {
    found.is_settled && (watches || found.key.is_some())
}

/// Whether it is still open if this machine holds `fe80::47`.
fn is_alias_open(found: &Found) -> bool {
    !found.machine.holds_alias
}

fn finish(args: &Args, search: &Search, shown: &[Found], rows: &Rows) -> Result<()> {
    if args.json && !args.watch {
        let list: Vec<Value> = shown.iter().map(describe).collect();
        ui::data(serde_json::to_string_pretty(&list)?);
    }
    if !shown.is_empty() || !rows.0.is_empty() {
        return Ok(());
    }
    let links = search.links();
    if links.is_empty() {
        return Err(Failure::new("no link is up that could have a live machine")
            .hint("plug in a cable, or switch on the interface: `ip link set IF up`; it needs an IPv6 link-local address (`ip -6 addr`)"));
    }
    Err(Failure::new(format!("no live machine was found on {}", links.join(", ")))
        .hint("it may not be up yet: its console says `a live system by flk` when it is; `flk discover --watch` waits for it")
        .hint("it may be on another link: its cable, switch and VLAN must be those of one of these interfaces; a router in between, and the guest mode of a Wi-Fi, keep link-local packets away")
        .hint("a firewall here may drop the answers: let in UDP port 5353 and ICMPv6, or try as root"))
}

/// What was shown last, by link and card.
#[derive(Default)]
struct Rows(BTreeMap<(u32, Option<Mac>, String), Found>);

impl Rows {
    fn show(&mut self, now: &[Found], args: &Args) {
        let key = |found: &Found| {
            let machine = &found.machine;
            let address = match machine.mac {
                Some(_) => String::new(),
                None => machine.address.to_string(),
            };
            (machine.link, machine.mac, address)
        };
        let mut gone = std::mem::take(&mut self.0);
        for found in now {
            let old = gone.remove(&key(found));
            let event = match &old {
                None => Some("found"),
                Some(old) if differs(old, found) => Some("changed"),
                Some(_) => None,
            };
            if let Some(event) = event {
                tell(event, found, args);
            }
            self.0.insert(key(found), found.clone());
        }
        for (key, found) in gone {
            if args.watch {
                tell("gone", &found, args);
            } else {
                self.0.insert(key, found);
            }
        }
    }
}

/// Whether there is something new for a person.
fn differs(old: &Found, new: &Found) -> bool {
    row(old) != row(new)
}

fn tell(event: &str, found: &Found, args: &Args) {
    if args.json {
        let line = json!({ "event": event, "machine": describe(found) });
        ui::data(line);
        return;
    }
    let mark = match event {
        "found" if !args.watch => "",
        "found" => "+ ",
        "gone" => "- ",
        _ => "~ ",
    };
    ui::data(format_args!("{mark}{}", row(found)));
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Verified(_) => "verified",
        Verdict::KnownHost(_) => "known host",
        Verdict::Conflict { .. } => "conflict",
        _ => "unverified",
    }
}

fn reason(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Conflict { reason, .. } | Verdict::Unverified { reason } => Some(reason),
        _ => None,
    }
}

/// The build: the pin's if it is verified, else the one that it says.
fn build(found: &Found) -> Option<&str> {
    match &found.verdict {
        Verdict::Verified(pin) => Some(&pin.build),
        _ => found.machine.claim.build.as_deref(),
    }
}

fn row(found: &Found) -> String {
    let machine = &found.machine;
    let mut row = format!(
        "{:<12}  {:<10}  {:<34}",
        found.host().unwrap_or("-"),
        word(&found.verdict),
        machine.address.to_string()
    );
    let mac = machine.mac.map(|mac| mac.to_string());
    row += &format!("  {:<17}", mac.as_deref().unwrap_or("-"));
    let alias = if machine.holds_alias { "fe80::47" } else { "-" };
    let build = build(found).map(|build| build.chars().take(12).collect::<String>());
    row += &format!("  {alias:<8}  {:<12}", build.as_deref().unwrap_or("-"));
    let key = found.fingerprint();
    row += &format!("  {}", key.as_deref().unwrap_or("-"));
    let notes = notes(machine.mac);
    if !notes.is_empty() {
        row += &format!("  ({})", notes.join(", "));
    }
    if let Some(reason) = reason(&found.verdict) {
        row += &format!("\n    {}: {reason}", word(&found.verdict));
    }
    row
}

/// What a card's address tells, without naming makers.
fn notes(mac: Option<Mac>) -> Vec<&'static str> {
    let Some(mac) = mac else {
        return vec!["hides its card"];
    };
    let mut notes = Vec::new();
    if mac.is_virtual() {
        notes.push("virtual");
    } else if mac.is_local() {
        notes.push("locally administered");
    }
    notes
}

fn describe(found: &Found) -> Value {
    let machine = &found.machine;
    let mac = machine.mac;
    json!({
        "host": found.host(),
        "address": machine.address.to_string(),
        "interface": machine.address.zone.as_ref().map(ToString::to_string),
        "mac": mac.map(|mac| mac.to_string()),
        "virtual": mac.is_some_and(Mac::is_virtual),
        "locallyAdministered": mac.is_some_and(Mac::is_local),
        "holdsAlias": machine.holds_alias,
        "build": build(found),
        "fingerprint": found.fingerprint(),
        "verdict": word(&found.verdict),
        "reason": reason(&found.verdict),
        "name": machine.claim.name,
        "announced": {
            "host": machine.claim.host,
            "build": machine.claim.build,
            "key": machine.claim.key,
        },
        "sources": {
            "mdns": machine.heard.mdns,
            "echo": machine.heard.echo,
            "neighbour": machine.heard.neighbour,
        },
    })
}
