//! The verdict on a machine: is it who it is said to be? It follows from the key that the machine has proven, from the pins
//! and from the identities file; what the machine says of itself counts for nothing, but for the reason that is given.

use flk_lan::Mac;

use crate::{Identity, Pin};

/// What was found out about a machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Its card.
    pub mac: Option<Mac>,
    /// The build that it says it is of.
    pub build: Option<&'a str>,
    /// The fingerprint that it says its key has.
    pub announced: Option<&'a str>,
    /// The fingerprint of the key that it has proven to have, or why it has proven none.
    pub proven: Option<Result<&'a str, &'a str>>,
}

/// Who a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The live machine of this operator's ISO: it has proven the key that the pin has.
    Verified(Pin),
    /// A host of the identities file: it has proven the key that is registered.
    KnownHost(Identity),
    /// A host of the identities file by its card, with another key; or a host's key on another card.
    Conflict {
        /// The host.
        host: String,
        /// What does not fit.
        reason: String,
    },
    /// Nothing is known of it.
    Unverified {
        /// Why.
        reason: String,
    },
}

/// Judges a machine.
pub fn judge(pins: &[Pin], identities: &[Identity], evidence: Evidence<'_>) -> Verdict {
    let owner = evidence
        .mac
        .and_then(|mac| identities.iter().find(|host| host.macs.contains(&mac)));
    let key = match evidence.proven {
        Some(Ok(key)) => key,
        Some(Err(reason)) => {
            return Verdict::Unverified {
                reason: reason.to_owned(),
            };
        }
        None => {
            return Verdict::Unverified {
                reason: "it has not proven its key yet".into(),
            };
        }
    };
    if let Some(pin) = pins.iter().find(|pin| is(pin.fingerprint().ok(), key)) {
        return Verdict::Verified(pin.clone());
    }
    if let Some(host) = identities.iter().find(|host| is(host.fingerprint(), key)) {
        return match owner {
            Some(owner) if owner.host != host.host => Verdict::Conflict {
                host: owner.host.clone(),
                reason: format!(
                    "its card is {}'s, and its key {key} is {}'s",
                    owner.host, host.host
                ),
            },
            None if evidence.mac.is_some() && !host.macs.is_empty() => Verdict::Conflict {
                host: host.host.clone(),
                reason: format!("it has {}'s key {key}, but another card", host.host),
            },
            _ => Verdict::KnownHost(host.clone()),
        };
    }
    if let Some(owner) = owner
        && let Some(registered) = owner.fingerprint()
        && evidence.build.is_none()
    {
        return Verdict::Conflict {
            host: owner.host.clone(),
            reason: format!(
                "its card is {}'s, whose key is {registered}, but it has the key {key}",
                owner.host
            ),
        };
    }
    Verdict::Unverified {
        reason: unverified(pins, &evidence, key),
    }
}

fn unverified(pins: &[Pin], evidence: &Evidence<'_>, key: &str) -> String {
    let pinned = evidence
        .build
        .and_then(|build| pins.iter().find(|pin| pin.build == build))
        .and_then(|pin| pin.fingerprint().ok());
    match (pinned, evidence.announced) {
        (Some(pinned), _) => {
            format!(
                "it says that it is your build, whose key is {pinned}, but it has the key {key}"
            )
        }
        (None, Some(announced)) if announced != key => {
            format!("it announces the key {announced}, but it has the key {key}")
        }
        (None, Some(_)) => {
            "its key is neither that of an ISO of yours nor that of a known host".into()
        }
        (None, None) => "it announces no key, and the one that it has is not known".into(),
    }
}

fn is(known: Option<String>, key: &str) -> bool {
    known.as_deref() == Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostKey;

    const BUILD: &str = "00112233445566778899aabbccddeeff";
    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn key() -> (String, String) {
        let key = HostKey::generate("x").unwrap();
        (key.public_file().unwrap().trim().into(), key.fingerprint())
    }

    #[test]
    fn the_proven_key_decides() {
        let (live, live_print) = key();
        let (host, host_print) = key();
        let (_, strange) = key();
        let pins = [Pin::new(BUILD, "NixOS", &live).unwrap()];
        let identities = [
            Identity {
                host: "NixOS".into(),
                macs: vec![MAC],
                public_key: Some(host.clone()),
                ..Identity::default()
            },
            Identity {
                host: "Other".into(),
                macs: vec![Mac([2, 0, 0, 0, 0, 9])],
                ..Identity::default()
            },
        ];
        let other = Mac([2, 0, 0, 0, 0, 8]);
        let ask = |mac, build, announced, proven| {
            let verdict = judge(
                &pins,
                &identities,
                Evidence {
                    mac: Some(mac),
                    build,
                    announced,
                    proven,
                },
            );
            match verdict {
                Verdict::Verified(pin) => format!("verified {}", pin.host),
                Verdict::KnownHost(host) => format!("known {}", host.host),
                Verdict::Conflict { host, reason } => format!("conflict {host}: {reason}"),
                Verdict::Unverified { reason } => format!("unverified: {reason}"),
            }
        };
        // Whatever it says, on whatever card.
        for (mac, build, announced) in [
            (MAC, Some(BUILD), Some(&live_print)),
            (other, None, None),
            (other, Some("another"), Some(&strange)),
        ] {
            let verdict = ask(
                mac,
                build,
                announced.map(String::as_str),
                Some(Ok(&live_print)),
            );
            assert_eq!(verdict, "verified NixOS");
        }
        assert_eq!(ask(MAC, None, None, Some(Ok(&host_print))), "known NixOS");
        for (mac, proven, words) in [
            (other, &host_print, "conflict NixOS: it has NixOS's key"),
            (
                Mac([2, 0, 0, 0, 0, 9]),
                &host_print,
                "conflict Other: its card is Other's",
            ),
            (
                MAC,
                &strange,
                "conflict NixOS: its card is NixOS's, whose key is",
            ),
            (other, &strange, "unverified: it announces no key"),
        ] {
            let verdict = ask(mac, None, None, Some(Ok(proven)));
            assert!(verdict.starts_with(words), "{verdict} instead of {words}");
        }
        // To announce the pinned key is nothing, without it.
        let verdict = ask(other, Some(BUILD), Some(&live_print), Some(Ok(&strange)));
        assert!(
            verdict.starts_with("unverified: it says that it is your build"),
            "{verdict}"
        );
        assert!(verdict.contains(&live_print) && verdict.contains(&strange));
        let verdict = ask(other, None, Some(&live_print), Some(Ok(&strange)));
        assert!(
            verdict.starts_with("unverified: it announces the key"),
            "{verdict}"
        );
        let verdict = ask(
            MAC,
            Some(BUILD),
            Some(&live_print),
            Some(Err("nobody answers")),
        );
        assert_eq!(verdict, "unverified: nobody answers");
        assert!(ask(MAC, Some(BUILD), Some(&live_print), None).starts_with("unverified"));
    }
}
