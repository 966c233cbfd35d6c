//! `flk identity`: which machine is which host, as identities.toml in the repository has it.

pub(crate) mod authority;
pub(crate) mod learn;

use std::path::{Path, PathBuf};

use flk_identity::{IDENTITIES, Identities, Identity};
use flk_lan::Mac;

use crate::{
    error::{Failure, Result},
    repository::Repository,
    ui,
    verb::discover::search::Trust,
    verb::ssh::destination::{Destination, Target},
};

/// Say which machine is which host: identities.toml.
///
/// The file is in the repository and meant to be committed: for each host the MAC addresses of its cards, the link-local addresses that follow
/// from them, and its ssh host key. `flk ssh` accepts a host by it, `flk discover` knows it again, and `flk install` refuses to make a
/// registered machine another host. What contradicts it is reported and never taken over.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The repository; without it, the one around the current folder.
    #[arg(long, value_name = "DIR", global = true)]
    flake: Option<PathBuf>,
    /// Print hosts as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// List the hosts.
    List,
    /// Show a host.
    Show {
        /// The host.
        host: String,
    },
    /// Register a card, or another one, of a host.
    Add {
        /// The host.
        host: String,
        /// The card's address, such as 52:54:00:12:34:56.
        mac: Mac,
    },
    /// Read the key of a host that was just installed, over the verified connection to its live machine.
    Learn {
        /// The host that was installed.
        host: String,
        /// The live machine, if it is another host's or there are several: a host or an address.
        #[arg(value_name = "LIVE")]
        live: Option<Target>,
        /// Where the installed host is mounted there.
        #[arg(long, value_name = "DIR", default_value = learn::ROOT)]
        root: String,
    },
    /// The ssh certificate authority, for fleets: make it, certify, and say how to trust it.
    #[command(subcommand)]
    Ca(authority::Verb),
    /// Forget a host.
    Forget {
        /// The host.
        host: String,
    },
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let flake = args.flake.as_deref();
    if let Verb::Learn { host, live, root } = &args.verb {
        let target = match live {
            Some(target) => target.clone(),
            None => host
                .parse()
                .map_err(|reason: String| Failure::new(format!("{host}: {reason}")))?,
        };
        let installed = learn::Installation {
            host: host.clone(),
            root: root.clone(),
        };
        return learn::learn(&Destination::find(&target, flake)?, &installed, flake);
    }
    if let Verb::Ca(verb) = args.verb {
        return authority::run(verb, &Trust::read(flake)?.identities);
    }
    let mut identities = open(flake)?;
    match args.verb {
        Verb::List => list(identities.all(), args.json)?,
        Verb::Show { host } => {
            let identity = identities
                .get(&host)
                .ok_or_else(|| missing(&identities, &host))?;
            if args.json {
                ui::data(serde_json::to_string_pretty(identity)?);
            } else {
                ui::data(shown(identity));
            }
        }
        Verb::Add { host, mac } => {
            let identity = Identity {
                host: host.clone(),
                macs: vec![mac],
                ..Identity::default()
            };
            let changed = identities.learn(&identity)?;
            let verb = if changed {
                "is registered"
            } else {
                "was registered already"
            };
            ui::note(format_args!(
                "{mac} {verb} for {host} in {}",
                identities.path().display()
            ));
        }
        Verb::Forget { host } => {
            if !identities.forget(&host)? {
                return Err(missing(&identities, &host));
            }
            ui::note(format_args!("{host} is forgotten"));
        }
        Verb::Learn { .. } | Verb::Ca(_) => {}
    }
    Ok(())
}

fn open(flake: Option<&Path>) -> Result<Identities> {
    Ok(Identities::open(
        Repository::find(flake)?.root.join(IDENTITIES),
    )?)
}

fn missing(identities: &Identities, host: &str) -> Failure {
    Failure::new(format!(
        "{} has no host {host}",
        identities.path().display()
    ))
    .hint(format!(
        "`flk identity add {host} MAC`, or `flk identity learn {host}` after an installation"
    ))
}

fn list(all: &[Identity], json: bool) -> Result<()> {
    if json {
        ui::data(serde_json::to_string_pretty(all)?);
        return Ok(());
    }
    let width = all.iter().map(|one| one.host.len()).max().unwrap_or(0);
    for one in all {
        let macs: Vec<String> = one.macs.iter().map(Mac::to_string).collect();
        let key = one.fingerprint().unwrap_or_else(|| "no key yet".into());
        ui::data(format_args!(
            "{:<width$}  {}  {key}",
            one.host,
            macs.join(" ")
        ));
    }
    if all.is_empty() {
        ui::note("no host is registered yet");
    }
    Ok(())
}

fn shown(one: &Identity) -> String {
    let mut lines = vec![one.host.clone()];
    for mac in &one.macs {
        let address = mac.interface_id().map(|id| id.link_local().to_string());
        lines.push(format!(
            "  card      {mac}  {}",
            address.unwrap_or_default()
        ));
    }
    for (name, text) in [
        (
            "name",
            one.host_name.as_ref().map(|name| format!("{name}.local")),
        ),
        ("host key", one.fingerprint()),
        ("learned", one.learned.clone()),
        ("by build", one.build.clone()),
    ] {
        lines.extend(text.map(|text| format!("  {name:<8}  {text}")));
    }
    lines.join("\n")
}
