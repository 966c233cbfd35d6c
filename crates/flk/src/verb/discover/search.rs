//! A search for machines with a verdict on each: what the link shows, the key that each one proves, the operator's pins and
//! identities.
//!
//! A key is asked for where it may say something: of machines that announce themselves, hold `fe80::47`, have a registered
//! card, or have an EUI-64 address, as every live machine has. Machines that the kernel or an echo knows come first, so that
//! a crowd of made-up ones does not keep a real one waiting.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use flk_identity::{
    Evidence, IDENTITIES, Identities, Identity, Pin, Pins, Verdict, is_same_name, judge,
};
use flk_lan::{ALIAS, Discovery, DiscoveryOptions, InterfaceId, LinkLocal, Machine};

use crate::{
    error::{Context, Result},
    place::Places,
    repository::Repository,
};

/// Where sshd listens.
const SSH_PORT: u16 = 22;
/// For a connection and the proof of a key together.
const PROOF_TIME: Duration = Duration::from_secs(8);
/// Machines that are asked at once.
const AT_ONCE: usize = 32;
/// Machines that are asked in one search.
const PROOFS_MAX: usize = 1024;
/// A failure is tried again after this; sshd may not have started yet. A key is asked for again much later: a server counts
/// such questions, and refuses who asks too often (sshd_config(5), `PerSourcePenalties`).
const AGAIN_FAILED: Duration = Duration::from_secs(3);
const AGAIN_PROVEN: Duration = Duration::from_secs(90);
/// How long the search sleeps at most while proofs are under way.
const TICK: Duration = Duration::from_millis(20);

/// What the operator knows: pins, and identities if there is a repository.
#[derive(Debug)]
pub(crate) struct Trust {
    /// flk's folders.
    pub(crate) places: Places,
    /// The pins.
    pub(crate) pins: Vec<Pin>,
    /// The hosts of the identities file.
    pub(crate) identities: Vec<Identity>,
}

impl Trust {
    /// Reads both. Without `flake`, a repository around the current folder is used, if there is one.
    pub(crate) fn read(flake: Option<&Path>) -> Result<Self> {
        let places = Places::find()?;
        let pins = Pins::new(places.data().join("pins")).all()?;
        let identities = match identities_file(flake)? {
            Some(path) => Identities::open(path)?.all().to_vec(),
            None => Vec::new(),
        };
        Ok(Self {
            places,
            pins,
            identities,
        })
    }

    /// Whether a pin or an identity has this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.pins.iter().any(|pin| pin.is_called(name))
            || self.identities.iter().any(|host| host.is_called(name))
    }

    /// What to look for, on these interfaces.
    fn options(&self, interfaces: &[String]) -> DiscoveryOptions {
        let mut names: Vec<String> = self
            .pins
            .iter()
            .map(|pin| pin.host_name.as_ref().unwrap_or(&pin.host))
            .chain(
                self.identities
                    .iter()
                    .map(|host| host.host_name.as_ref().unwrap_or(&host.host)),
            )
            .map(|name| flk_identity::bare(name).to_ascii_lowercase())
            .collect();
        names.sort();
        names.dedup();
        DiscoveryOptions {
            interfaces: interfaces.to_vec(),
            names,
            addresses: self
                .identities
                .iter()
                .flat_map(Identity::addresses)
                .collect(),
        }
    }
}

/// The identities file of a repository; `None`: there is no repository here.
pub(crate) fn identities_file(flake: Option<&Path>) -> Result<Option<PathBuf>> {
    if flake.is_none() && !Repository::is_around() {
        return Ok(None);
    }
    Ok(Some(Repository::find(flake)?.root.join(IDENTITIES)))
}

/// A machine, and who it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// As it is on the link.
    pub(crate) machine: Machine,
    /// The key that it has proven, `ssh-ed25519 AAAA…`.
    pub(crate) key: Option<String>,
    /// Who it is.
    pub(crate) verdict: Verdict,
    /// The proof has been given, or has failed.
    pub(crate) is_settled: bool,
}

impl Found {
    /// The host, as far as it is known or said.
    pub(crate) fn host(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Verified(pin) => Some(&pin.host),
            Verdict::KnownHost(host) => Some(&host.host),
            Verdict::Conflict { host, .. } => Some(host),
            _ => self.claimed_host(),
        }
    }

    /// The host that it says it is.
    pub(crate) fn claimed_host(&self) -> Option<&str> {
        let claim = &self.machine.claim;
        let name = claim.name.as_deref();
        claim
            .host
            .as_deref()
            .or_else(|| name.map(flk_identity::bare))
    }

    /// Whether it is the machine of this name, by what the operator knows of it, or claims to be.
    ///
    /// The name that it says it has on the link counts only where no host that the operator knows has that name.
    pub(crate) fn is_called(&self, name: &str, trust: &Trust) -> bool {
        let is_known = match &self.verdict {
            Verdict::Verified(pin) => pin.is_called(name),
            Verdict::KnownHost(host) => host.is_called(name),
            Verdict::Conflict { host, .. } => is_same_name(host, name),
            Verdict::Unverified { .. } => self
                .claimed_host()
                .is_some_and(|host| is_same_name(host, name)),
            _ => false,
        };
        let own = self.machine.claim.name.as_deref();
        is_known || own.is_some_and(|own| is_same_name(own, name)) && !trust.knows(name)
    }

    /// Whether it is, or plays, a live machine or a known host. The link's printers and telephones are not.
    pub(crate) fn is_of_interest(&self) -> bool {
        let Machine {
            heard,
            claim,
            holds_alias,
            ..
        } = &self.machine;
        let is_known = !matches!(self.verdict, Verdict::Unverified { .. });
        // The kernel's table remembers for a while who is gone.
        let is_there = heard.mdns || heard.echo || self.key.is_some();
        is_known || is_there && (claim.instance.is_some() || *holds_alias)
    }

    /// The fingerprint of the key that it has proven.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        flk_identity::fingerprint(self.key.as_deref()?).ok()
    }
}

/// A key, or why there is none; and when it was asked for.
#[derive(Debug)]
struct Proof {
    outcome: Option<Result<String, String>>,
    is_running: bool,
    at: Instant,
}

type Answer = (LinkLocal, Result<String, String>);

/// A search that goes on.
pub(crate) struct Search {
    /// What the operator knows.
    pub(crate) trust: Trust,
    discovery: Discovery,
    proofs: BTreeMap<LinkLocal, Proof>,
    running: usize,
    answers: (Sender<Answer>, Receiver<Answer>),
    machines: Vec<Machine>,
}

impl Search {
    /// Begins to look, on these interfaces or on all; `further` are addresses to ask besides.
    pub(crate) fn begin(
        trust: Trust,
        interfaces: &[String],
        further: &[std::net::Ipv6Addr],
    ) -> Result<Self> {
        let mut options = trust.options(interfaces);
        options.addresses.extend(further);
        let discovery =
            Discovery::open(options).context(|| "cannot look for machines on the link".into())?;
        let machines = discovery.machines();
        Ok(Self {
            trust,
            discovery,
            proofs: BTreeMap::new(),
            running: 0,
            answers: channel(),
            machines,
        })
    }

    /// What this search cannot do.
    pub(crate) fn limits(&self) -> &[String] {
        self.discovery.limits()
    }

    /// The names of the links that are looked at.
    pub(crate) fn links(&self) -> Vec<String> {
        self.discovery
            .links()
            .map(|link| link.name.clone())
            .collect()
    }

    /// Looks on until something may have changed, at most for `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            self.ask_for_proofs();
            let rest = end.saturating_duration_since(Instant::now());
            let tick = if self.running > 0 {
                rest.min(TICK)
            } else {
                rest
            };
            let mut changed = self.discovery.wait(tick)?;
            if changed {
                let machines = self.discovery.machines();
                changed = machines != self.machines;
                self.machines = machines;
            }
            while let Ok((address, outcome)) = self.answers.1.try_recv() {
                self.running -= 1;
                if let Some(proof) = self.proofs.get_mut(&address) {
                    proof.is_running = false;
                    proof.at = Instant::now();
                    proof.outcome = Some(outcome);
                    changed = true;
                }
            }
            if changed || rest.is_zero() {
                return Ok(());
            }
        }
    }

    /// All machines with their verdicts, also those of no interest.
    pub(crate) fn found(&self) -> Vec<Found> {
        self.machines
            .iter()
            .map(|machine| self.judge(machine))
            .collect()
    }

    fn judge(&self, machine: &Machine) -> Found {
        let outcome = self
            .proofs
            .get(&machine.address)
            .and_then(|proof| proof.outcome.as_ref());
        let key = outcome.and_then(|outcome| outcome.as_ref().ok()).cloned();
        let fingerprint = key.as_deref().map(flk_identity::fingerprint);
        let proven = match (&fingerprint, outcome) {
            (Some(Ok(fingerprint)), _) => Some(Ok(fingerprint.as_str())),
            (_, Some(Err(reason))) => Some(Err(reason.as_str())),
            _ => None,
        };
        let evidence = Evidence {
            mac: machine.mac,
            build: machine.claim.build.as_deref(),
            announced: machine.claim.key.as_deref(),
            proven,
        };
        let verdict = judge(&self.trust.pins, &self.trust.identities, evidence);
        Found {
            machine: machine.clone(),
            key,
            verdict,
            is_settled: outcome.is_some(),
        }
    }

    /// Machines that should prove their keys now, the likeliest first.
    fn next_proof(&self) -> Option<&Machine> {
        let due = |machine: &&Machine| match self.proofs.get(&machine.address) {
            None => self.proofs.len() < PROOFS_MAX,
            Some(proof) if proof.is_running => false,
            Some(proof) => {
                let pause = match proof.outcome {
                    Some(Ok(_)) => AGAIN_PROVEN,
                    _ => AGAIN_FAILED,
                };
                proof.at.elapsed() >= pause
            }
        };
        let machines = self.machines.iter();
        machines
            .filter(|machine| self.is_worth_asking(machine))
            .filter(due)
            .min_by_key(|machine| {
                let heard = machine.heard;
                let is_first = !self.proofs.contains_key(&machine.address);
                let is_there = heard.echo || heard.neighbour;
                let is_likely = machine.claim.key.is_some() || machine.holds_alias;
                (!is_first, !is_there, !is_likely)
            })
    }

    fn is_worth_asking(&self, machine: &Machine) -> bool {
        let address = machine.address.address();
        let is_registered = machine.mac.is_some_and(|mac| {
            let hosts = &self.trust.identities;
            hosts.iter().any(|host| host.macs.contains(&mac))
        });
        machine.claim.instance.is_some()
            || machine.claim.name.is_some()
            || machine.holds_alias
            || is_registered
            || InterfaceId::of(address).mac().is_ok()
    }

    fn ask_for_proofs(&mut self) {
        while self.running < AT_ONCE {
            let Some(address) = self.next_proof().map(|machine| machine.address.clone()) else {
                return;
            };
            let proof = self.proofs.entry(address.clone()).or_insert(Proof {
                outcome: None,
                is_running: true,
                at: Instant::now(),
            });
            proof.is_running = true;
            self.running += 1;
            let sender = self.answers.0.clone();
            thread::spawn(move || {
                let outcome = prove(&address);
                // The search may be over.
                let _ = sender.send((address, outcome));
            });
        }
    }
}

/// Lets a machine prove its key; a failure in words for people.
fn prove(address: &LinkLocal) -> Result<String, String> {
    let mut connection =
        flk_lan::dial(address, SSH_PORT, PROOF_TIME).map_err(|error| in_one_line(&error))?;
    flk_identity::prove(&mut connection).map_err(|error| in_one_line(&error))
}

fn in_one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether a machine is to be had at an address, as a user writes it.
pub(crate) fn is_at(machine: &Machine, address: &LinkLocal) -> bool {
    let zone = match &address.zone {
        None => true,
        Some(flk_lan::Zone::Index(index)) => machine.link == *index,
        zone => machine.address.zone == *zone,
    };
    let own = machine.mac.and_then(|mac| mac.interface_id().ok());
    let is_own = own.is_some_and(|id| id.link_local() == address.address());
    let is_alias = address.address() == ALIAS && machine.holds_alias;
    zone && (machine.address.address() == address.address() || is_own || is_alias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flk_identity::HostKey;
    use flk_lan::Claim;

    const BUILD: &str = "00112233445566778899aabbccddeeff";

    fn public_key() -> String {
        HostKey::generate("x").unwrap().public_file().unwrap()
    }

    fn found(claimed: &str, verdict: Verdict) -> Found {
        let address = "fe80::5054:ff:fe12:3456%lo".parse().unwrap();
        Found {
            machine: Machine {
                link: 1,
                mac: None,
                address,
                heard: flk_lan::Heard::default(),
                claim: Claim {
                    name: Some(claimed.to_owned()),
                    ..Claim::default()
                },
                holds_alias: false,
            },
            key: None,
            verdict,
            is_settled: true,
        }
    }

    #[test]
    fn machines_are_found_by_host_host_name_and_local_alike() {
        let pin = Pin::new(BUILD, "web", &public_key()).unwrap();
        let pin = pin.with_host_name(Some("frontend"));
        let database = Identity {
            host: "db".into(),
            host_name: Some("database".into()),
            ..Identity::default()
        };
        let trust = Trust {
            places: Places::of("/cache".into(), "/data".into()),
            pins: vec![pin.clone()],
            identities: vec![database.clone()],
        };
        // A conflict on the link made it another name than the one of its configuration.
        let live = found("frontend2.local", Verdict::Verified(pin));
        let host = found("database.local", Verdict::KnownHost(database));
        for (machine, names) in [
            (&live, ["web", "frontend", "frontend2"]),
            (&host, ["db", "database", "DataBase"]),
        ] {
            for name in names {
                for form in [
                    name.to_owned(),
                    name.to_uppercase(),
                    format!("{name}.local"),
                    format!("{name}.LOCAL."),
                ] {
                    assert!(machine.is_called(&form, &trust), "{form}");
                    let other = if std::ptr::eq(machine, &live) {
                        &host
                    } else {
                        &live
                    };
                    assert!(!other.is_called(&form, &trust), "{form}");
                }
            }
        }
        // A machine of the operator's that says it is another of his hosts is not that host.
        let pin = Pin::new(BUILD, "other", &public_key()).unwrap();
        for name in ["db.local", "frontend.local"] {
            let posing = found(name, Verdict::Verified(pin.clone()));
            assert!(!posing.is_called(name, &trust), "{name}");
        }
    }
}
