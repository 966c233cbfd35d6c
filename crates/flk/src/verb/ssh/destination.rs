//! From a host's name or an address to what ssh is told: where to connect, and the one key that is accepted there.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flk_identity::{Expected, Identity, Pin, Verdict, is_same_name};
use flk_lan::{ALIAS, LinkLocal, Zone};

use crate::{
    error::{Failure, Result},
    place::{self, Places},
    ui,
    verb::discover::search::{Found, Search, Trust, is_at},
};

/// How long a machine is looked for.
const SEARCH_TIME: Duration = Duration::from_secs(6);
/// After the first that fits, so long others may come: two machines can have the same ISO.
const OTHERS_TIME: Duration = Duration::from_millis(700);

/// What the user wrote: `[USER@]HOST` or `[USER@]ADDRESS[%LINK]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The user, if one is given.
    pub(crate) user: Option<String>,
    /// The rest.
    pub(crate) place: Place,
}

/// A machine by its name or its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A host of pins or identities, or a machine's name on the link; `.local` is taken off.
    Host(String),
    /// A link-local address.
    Address(LinkLocal),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        if user.is_some_and(|user| user.is_empty() || user.starts_with('-')) {
            return Err("there is no such user".into());
        }
        let place = if rest.contains(':') {
            Place::Address(rest.parse().map_err(|error| format!("{error}"))?)
        } else {
            let host = flk_identity::bare(rest);
            if flk_identity::check_host(host).is_err() {
                return Err("it is neither a host's name nor a link-local address".into());
            }
            Place::Host(host.into())
        };
        Ok(Self {
            user: user.map(str::to_owned),
            place,
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What ssh is told.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// How ssh's own configuration knows it, and what the user wrote.
    pub(crate) name: String,
    /// Where to connect; `None`: as ssh's configuration says.
    pub(crate) address: Option<LinkLocal>,
    /// The user, if it is not ssh's own matter.
    pub(crate) user: Option<String>,
    /// The key that is accepted.
    pub(crate) expected: Expected,
    /// The file that has it.
    pub(crate) known_hosts: PathBuf,
    /// As it was found on the link.
    pub(crate) found: Option<Found>,
}

impl Destination {
    /// Finds the machine, and checks that it is the one. Nothing is sent to any other.
    pub(crate) fn find(target: &Target, flake: Option<&Path>) -> Result<Self> {
        let trust = Trust::read(flake)?;
        let candidates = candidates(target, trust)?;
        let Candidates { trust, found, .. } = &candidates;
        let fits: Vec<(&Found, Expected)> = found
            .iter()
            .filter_map(|found| Some((found, expected(found, &target.place, trust)?)))
            .collect();
        match &fits[..] {
            [(found, expected)] => {
                if let Verdict::Conflict { reason, .. } = &found.verdict {
                    ui::warn(reason);
                }
                Self::of(
                    target,
                    &trust.places,
                    expected.clone(),
                    Some((*found).clone()),
                )
            }
            [] => Self::unseen(target, &candidates),
            several => {
                let list: Vec<String> = several
                    .iter()
                    .map(|(found, _)| format!("flk ssh {}", found.machine.address))
                    .collect();
                Err(Failure::new(format!(
                    "{} machines on the link are {}, each with a key of yours",
                    several.len(),
                    target.place
                ))
                .hint(format!(
                    "say which one by its address:\n{}",
                    list.join("\n")
                )))
            }
        }
    }

    /// Nobody on the link is it: an impostor is named, a registered host is left to ssh's own configuration.
    fn unseen(target: &Target, candidates: &Candidates) -> Result<Self> {
        if let Some(failure) = refusal(target, candidates) {
            return Err(failure);
        }
        let trust = &candidates.trust;
        if let Place::Host(host) = &target.place
            && let Some(identity) = trust.identities.iter().find(|one| one.is_called(host))
            && let Some(expected) = Expected::host(identity)
        {
            ui::note(format_args!(
                "note: {host} is not on a link of this machine; ssh's own configuration says how to reach it"
            ));
            return Self::of(target, &trust.places, expected, None);
        }
        Err(unknown(target, candidates))
    }

    fn of(
        target: &Target,
        places: &Places,
        expected: Expected,
        found: Option<Found>,
    ) -> Result<Self> {
        let known_hosts = expected.write(&places.data().join("known_hosts"))?;
        let live_user = || match &found.as_ref()?.verdict {
            Verdict::Verified(pin) => Some(live_user(pin)),
            _ => None,
        };
        Ok(Self {
            name: target.place.to_string(),
            address: found.as_ref().map(|found| found.machine.address.clone()),
            user: target.user.clone().or_else(live_user),
            expected,
            known_hosts,
            found,
        })
    }

    /// Options of ssh_config(5), each a keyword and its value. Nothing else than the one key is accepted, whatever the user's
    /// own configuration says, and nothing is written down; all else is the user's.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = Vec::new();
        if let Some(address) = &self.address {
            // `%` begins a token there.
            options.push(("HostName", address.to_string().replace('%', "%%")));
        }
        options.extend(self.user.clone().map(|user| ("User", user)));
        let path = self.known_hosts.display().to_string().replace('%', "%%");
        options.extend([
            ("HostKeyAlias", self.expected.alias.clone()),
            ("UserKnownHostsFile", format!("\"{path}\"")),
            ("GlobalKnownHostsFile", "/dev/null".into()),
            ("KnownHostsCommand", "none".into()),
            ("StrictHostKeyChecking", "yes".into()),
            ("VerifyHostKeyDNS", "no".into()),
            ("CheckHostIP", "no".into()),
            ("UpdateHostKeys", "no".into()),
            ("HostKeyAlgorithms", "ssh-ed25519".into()),
        ]);
        options
    }
}

/// As whom to log in to a live machine. Whose keys are at hand matters only where several users may.
fn live_user(pin: &Pin) -> String {
    let own = match pin.logins.len() {
        0 | 1 => Vec::new(),
        _ => own_keys(),
    };
    pin.user(&own, &place::operator()).to_owned()
}

/// The fingerprints of the operator's keys: those of ~/.ssh, and those that the agent has.
fn own_keys() -> Vec<String> {
    let mut lines = String::new();
    for file in place::public_key_files() {
        lines += &std::fs::read_to_string(&file).unwrap_or_default();
        lines.push('\n');
    }
    if let Some(program) = place::program("ssh-add", &[])
        && let Ok(listed) = Command::new(program)
            .arg("-L")
            .stderr(Stdio::null())
            .output()
        && listed.status.success()
    {
        lines += &String::from_utf8_lossy(&listed.stdout);
    }
    lines
        .lines()
        .filter_map(|line| Some(flk_identity::authorized_key(line).ok()?.fingerprint))
        .collect()
}

/// What the link showed.
struct Candidates {
    trust: Trust,
    found: Vec<Found>,
    links: Vec<String>,
}

fn candidates(target: &Target, trust: Trust) -> Result<Candidates> {
    let mut interfaces = Vec::new();
    let mut further = Vec::new();
    if let Place::Address(address) = &target.place {
        further.push(address.address());
        if let Some(Zone::Name(name)) = &address.zone {
            interfaces.push(name.clone());
        }
    }
    let mut search = Search::begin(trust, &interfaces, &further)?;
    let mut end = Instant::now() + SEARCH_TIME;
    let mut fits = 0;
    loop {
        let found = search.found();
        let now = Instant::now();
        let fitting = found
            .iter()
            .filter(|one| expected(one, &target.place, &search.trust).is_some());
        let count = fitting.count();
        if fits == 0 && count > 0 {
            // An address is one machine's, so there is nothing to wait for; but `fe80::47` may be two's.
            let others = match &target.place {
                Place::Address(address) if address.zone.is_some() && address.address() != ALIAS => {
                    Duration::ZERO
                }
                _ => OTHERS_TIME,
            };
            end = end.min(now + others);
        }
        fits = count;
        let rest = end.saturating_duration_since(now);
        if rest.is_zero() || flk_nix::is_interrupted() {
            let links = search.links();
            return Ok(Candidates {
                trust: search.trust,
                found,
                links,
            });
        }
        search.wait(rest.min(Duration::from_millis(200)))?;
    }
}

/// The key by which a machine that was found is the one that is wanted, if it is.
fn expected(found: &Found, place: &Place, trust: &Trust) -> Option<Expected> {
    let by_place = match place {
        Place::Host(host) => found.is_called(host, trust),
        Place::Address(address) => is_at(&found.machine, address),
    };
    match &found.verdict {
        Verdict::Verified(pin) if by_place => Some(Expected::live(pin)),
        Verdict::KnownHost(identity) if by_place => Expected::host(identity),
        _ => None,
    }
}

/// Somebody is there who claims to be the machine, or has its address or card, and does not have its key.
fn refusal(target: &Target, candidates: &Candidates) -> Option<Failure> {
    let there = candidates.found.iter().find(|found| {
        let is_meant = match &target.place {
            Place::Host(host) => {
                let claimed = found.claimed_host();
                claimed.is_some_and(|claimed| is_same_name(claimed, host))
                    || found.is_called(host, &candidates.trust)
            }
            Place::Address(address) => is_at(&found.machine, address),
        };
        is_meant && found.is_settled && (found.key.is_some() || found.is_of_interest())
    })?;
    let address = &there.machine.address;
    let wanted = wanted(target, there, &candidates.trust);
    let Some(shown) = there.fingerprint() else {
        let reason = match &there.verdict {
            Verdict::Unverified { reason } | Verdict::Conflict { reason, .. } => reason.as_str(),
            _ => "it has proven no key",
        };
        return Some(
            Failure::new(format!(
                "{} at {address} cannot be verified: {reason}",
                target.place
            ))
            .hint("if the machine has just started, its ssh server may not be up yet: try again"),
        );
    };
    let mut text = format!(
        "refused: {} at {address} is not the machine with a key that you know",
        target.place
    );
    text += &format!("\nits key:      {shown}");
    for (what, fingerprint) in &wanted {
        text += &format!("\nit should be: {fingerprint} ({what})");
    }
    if let Verdict::Conflict { reason, .. } = &there.verdict {
        text += &format!("\n{reason}");
    }
    if wanted.is_empty() {
        text += "\nit should be: none is known to this operator";
    }
    Some(
        Failure::new(text)
            .hint("another machine may be answering in its place: do not log in to it, unless its console shows the key above")
            .hint("or its ISO was made by somebody else, on another machine, with --no-host-key, or its pin was forgotten: `flk pins list`; for an installed host: `flk identity show HOST`"),
    )
}

/// The keys that the machine might have had, with what says so.
fn wanted(target: &Target, there: &Found, trust: &Trust) -> Vec<(String, String)> {
    let host = match &target.place {
        Place::Host(host) => Some(host.as_str()),
        Place::Address(_) => there.host(),
    };
    let mut wanted = Vec::new();
    let claimed = there.machine.claim.build.as_deref();
    let mut pins: Vec<_> = trust
        .pins
        .iter()
        .filter(|pin| host.is_some_and(|host| pin.is_called(host)))
        .collect();
    if pins.iter().any(|pin| Some(pin.build.as_str()) == claimed) {
        pins.retain(|pin| Some(pin.build.as_str()) == claimed);
    }
    for pin in pins.iter().rev().take(4) {
        let fingerprint = pin.fingerprint().unwrap_or_default();
        wanted.push((format!("pinned for the ISO {}", pin.build), fingerprint));
    }
    let identity: Option<&Identity> = trust
        .identities
        .iter()
        .find(|one| host.is_some_and(|host| one.is_called(host)));
    if let Some(identity) = identity
        && let Some(fingerprint) = identity.fingerprint()
    {
        wanted.push(("in identities.toml".into(), fingerprint));
    }
    wanted
}

/// Nobody is there, and nothing is known.
fn unknown(target: &Target, candidates: &Candidates) -> Failure {
    let place = &target.place;
    let links = match &candidates.links[..] {
        [] => {
            return Failure::new(format!(
                "{place} was not found: no link of this machine is up"
            ))
            .hint("`ip link` shows the links, `flk discover` who is on them");
        }
        links => links.join(", "),
    };
    let failure = Failure::new(format!("{place} was not found on {links}"))
        .hint("`flk discover` shows who is there");
    match place {
        Place::Host(host) if !candidates.trust.pins.iter().any(|pin| pin.is_called(host)) => failure
            .hint(format!("no ISO of {host} was made by this user on this machine (`flk pins list`), and no identities.toml here has its key")),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_hosts_or_addresses() {
        let host = |text: &str| match text.parse::<Target>().unwrap() {
            Target {
                user,
                place: Place::Host(host),
            } => (user, host),
            other => panic!("{other:?}"),
        };
        assert_eq!(host("NixOS"), (None, "NixOS".into()));
        assert_eq!(
            host("root@NixOS.local"),
            (Some("root".into()), "NixOS".into())
        );
        assert_eq!(host("web.LOCAL."), (None, "web".into()));
        assert_eq!(host("web.example.org."), (None, "web.example.org".into()));
        let target: Target = "nixos@fe80::47%eno1".parse().unwrap();
        assert_eq!(target.user.as_deref(), Some("nixos"));
        assert_eq!(target.place.to_string(), "fe80::47%eno1");
        for text in [
            "",
            "-oProxyCommand=x",
            "a b",
            "@NixOS",
            "-x@NixOS",
            "2001:db8::1",
            "fe80::47%",
            ".local",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
