//! Whether this machine is the one that identities.toml has for the host: the right system lands on the right machine.

use std::path::Path;

use flk_identity::{IDENTITIES, Identities};
use flk_lan::Mac;

use crate::error::{Context, Result};

/// This machine is not the one that is meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Mismatch(pub(super) String);

/// What speaks against this machine as the host's, if something does.
pub(super) fn objection(repository: &Path, host: &str) -> Result<Option<String>> {
    let path = repository.join(IDENTITIES);
    if !path.exists() {
        return Ok(None);
    }
    let identities = Identities::open(path)?;
    let links = flk_lan::links().context(|| "cannot tell this machine's network cards".into())?;
    let cards: Vec<Mac> = links.iter().filter_map(|link| link.mac).collect();
    Ok(against(&identities, host, &cards))
}

fn against(identities: &Identities, host: &str, cards: &[Mac]) -> Option<String> {
    let registered = identities
        .get(host)
        .map(|one| one.macs.as_slice())
        .unwrap_or_default();
    if registered.iter().any(|mac| cards.contains(mac)) {
        return None;
    }
    let list = |macs: &[Mac]| {
        let macs: Vec<String> = macs.iter().map(Mac::to_string).collect();
        macs.join(", ")
    };
    let mut owners = cards.iter().filter_map(|mac| identities.by_mac(*mac));
    if let Some(owner) = owners.next() {
        return Some(format!(
            "this machine is {}, as {IDENTITIES} has it, and not {host}: its card is {}",
            owner.host,
            list(&owner.macs)
        ));
    }
    if registered.is_empty() {
        return None;
    }
    let own = match cards {
        [] => "no card".into(),
        cards => list(cards),
    };
    Some(format!(
        "{IDENTITIES} says that {host} is the machine with {}, and this one has {own}",
        list(registered)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flk_identity::Identity;

    #[test]
    fn another_machine_is_objected_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut identities = Identities::open(dir.path().join(IDENTITIES)).unwrap();
        let mac = |last| Mac([0x52, 0x54, 0, 0, 0, last]);
        for (host, last) in [("Box", 1), ("Box", 2), ("Other", 3)] {
            let identity = Identity {
                host: host.into(),
                macs: vec![mac(last)],
                ..Identity::default()
            };
            identities.learn(&identity).unwrap();
        }
        let ask = |host: &str, cards: &[Mac]| against(&identities, host, cards);
        assert_eq!(ask("Box", &[mac(9), mac(2)]), None);
        assert_eq!(ask("Free", &[mac(9)]), None);
        let other = ask("Box", &[mac(3)]).unwrap();
        assert!(other.starts_with("this machine is Other,"), "{other}");
        let free = ask("Free", &[mac(1)]).unwrap();
        assert!(free.starts_with("this machine is Box,"), "{free}");
        let new = ask("Box", &[mac(9)]).unwrap();
        assert!(
            new.contains(
                "52:54:00:00:00:01, 52:54:00:00:00:02, and this one has 52:54:00:00:00:09"
            ),
            "{new}"
        );
        assert!(ask("Box", &[]).unwrap().ends_with("no card"));
    }
}
