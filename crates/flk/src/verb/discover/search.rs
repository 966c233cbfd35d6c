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

use flk_identity::{Evidence, IDENTITIES, Identities, Identity, Pin, Pins, Verdict, judge};
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

    /// What to look for, on these interfaces.
    fn options(&self, interfaces: &[String]) -> DiscoveryOptions {
        let mut names: Vec<String> = self
            .pins
            .iter()
            .map(|pin| pin.host.clone())
            .chain(self.identities.iter().map(|host| host.host.clone()))
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
            .or_else(|| name.and_then(|name| name.strip_suffix(".local")))
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
