//! Machines on the links, made of what was heard from several sides. No clock and no kernel of its own.
//!
//! A machine is its card on a link: everything that is heard from an address belongs to the card whose EUI-64 address it is,
//! or else to the card that the neighbour table has for it. So what is said as `fe80::47` and what is said as the machine's own
//! address come together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use crate::neighbour::Neighbour;
use crate::{ALIAS, Claim, InterfaceId, Link, LinkLocal, Mac, Zone};

/// From where a machine is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// It answered by multicast DNS.
    pub mdns: bool,
    /// It answered an ICMPv6 echo.
    pub echo: bool,
    /// It is in the kernel's neighbour table.
    pub neighbour: bool,
}

/// A machine on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Where it is to be dialled: its EUI-64 address if it has one, with the link's name as its zone.
    pub address: LinkLocal,
    /// The link's index.
    pub link: u32,
    /// Its card, unless it hides that.
    pub mac: Option<Mac>,
    /// It answers at `fe80::47`, or says so. Two machines on a link may.
    pub holds_alias: bool,
    /// From where it is known.
    pub heard: Heard,
    /// What it says of itself.
    pub claim: Claim,
}

/// What was heard of one address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Voice {
    pub(crate) heard: Heard,
    pub(crate) claim: Claim,
}

/// By link and address.
pub(crate) type Voices = BTreeMap<(u32, Ipv6Addr), Voice>;

/// Folds what was heard into machines, sorted by link and card. The links' own addresses are left out. `fe80::47` may have
/// several cards on a link, any other address one.
pub(crate) fn fold(links: &[Link], voices: &Voices, neighbours: &[Neighbour]) -> Vec<Machine> {
    let mut table: BTreeMap<(u32, Ipv6Addr), BTreeSet<Mac>> = BTreeMap::new();
    for entry in neighbours {
        let cards = table.entry((entry.link, entry.address)).or_default();
        cards.insert(entry.mac);
    }
    let mut all = voices.clone();
    for key in table.keys() {
        all.entry(*key).or_default().heard.neighbour = true;
    }
    let mut machines = Machines::new();
    for ((index, address), voice) in all {
        let Some(link) = links.iter().find(|link| link.index == index) else {
            continue;
        };
        if link.addresses.iter().any(|own| own.address == address) {
            continue;
        }
        let cards = table.get(&(index, address));
        match mac_of(address).or_else(|| only(cards?)) {
            Some(mac) => take(&mut machines, link, address, Some(mac), voice),
            None => match cards {
                // What several have said under one address cannot be told apart, nor can they be dialled there.
                Some(cards) => {
                    for &mac in cards {
                        let own = mac.interface_id().map_or(address, |id| id.link_local());
                        let mut voice = Voice::default();
                        voice.heard.neighbour = true;
                        voice.claim.holds_alias = Some(address == ALIAS);
                        take(&mut machines, link, own, Some(mac), voice);
                    }
                }
                // Of the alias alone nobody can say which machine it is.
                None if address == ALIAS => {}
                None => take(&mut machines, link, address, None, voice),
            },
        }
    }
    machines.into_values().collect()
}

/// By link and card, or by address if the card is hidden.
type Machines = BTreeMap<(u32, Option<Mac>, Option<Ipv6Addr>), Machine>;

/// Takes in what was heard of a card at an address; nothing if that is the link's own.
fn take(machines: &mut Machines, link: &Link, address: Ipv6Addr, mac: Option<Mac>, voice: Voice) {
    if mac.is_some() && mac == link.mac {
        return;
    }
    let zone = Some(Zone::Name(link.name.clone()));
    let Ok(there) = LinkLocal::new(address, zone) else {
        return;
    };
    let key = (link.index, mac, mac.is_none().then_some(address));
    let machine = machines.entry(key).or_insert_with(|| Machine {
        address: there.clone(),
        link: link.index,
        mac,
        holds_alias: false,
        heard: Heard::default(),
        claim: Claim::default(),
    });
    machine.holds_alias |= address == ALIAS || voice.claim.holds_alias == Some(true);
    if rank(address) > rank(machine.address.address()) {
        machine.address = there;
    }
    machine.heard.mdns |= voice.heard.mdns;
    machine.heard.echo |= voice.heard.echo;
    machine.heard.neighbour |= voice.heard.neighbour;
    // What is said under the machine's own address counts for more than what is said under the alias.
    let mut claim = std::mem::take(&mut machine.claim);
    if address == ALIAS {
        let own = std::mem::replace(&mut claim, voice.claim);
        claim.merge(own);
    } else {
        claim.merge(voice.claim);
    }
    machine.claim = claim;
}

/// The card, if there is one alone.
fn only(cards: &BTreeSet<Mac>) -> Option<Mac> {
    let mut cards = cards.iter();
    cards.next().copied().filter(|_| cards.next().is_none())
}

fn mac_of(address: Ipv6Addr) -> Option<Mac> {
    InterfaceId::of(address).mac().ok()
}

/// Which of a machine's addresses is its name.
fn rank(address: Ipv6Addr) -> u8 {
    match address {
        ALIAS => 0,
        _ if mac_of(address).is_some() => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            mac: Some(Mac([2, 0, 0, 0, 0, index as u8])),
            up: true,
            addresses: Vec::new(),
        }
    }

    fn voice(heard: &str, host: &str) -> Voice {
        let mut voice = Voice::default();
        match heard {
            "mdns" => voice.heard.mdns = true,
            _ => voice.heard.echo = true,
        }
        voice.claim.host = (!host.is_empty()).then(|| host.into());
        voice
    }

    const CARD: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn eui64() -> Ipv6Addr {
        CARD.interface_id().unwrap().link_local()
    }

    #[test]
    fn the_alias_and_the_own_address_are_one_machine() {
        let links = [link(2, "eno1"), link(3, "eno2")];
        let voices = Voices::from([
            ((2, ALIAS), voice("mdns", "NixOS")),
            ((2, eui64()), voice("echo", "")),
        ]);
        let table = [Neighbour {
            link: 2,
            address: ALIAS,
            mac: CARD,
        }];
        let machines = fold(&links, &voices, &table);
        assert_eq!(machines.len(), 1, "{machines:?}");
        let machine = &machines[0];
        assert_eq!(machine.address.to_string(), "fe80::5054:ff:fe12:3456%eno1");
        assert_eq!(machine.mac, Some(CARD));
        assert!(machine.holds_alias);
        let everywhere = Heard {
            mdns: true,
            echo: true,
            neighbour: true,
        };
        assert_eq!(machine.heard, everywhere);
        assert_eq!(machine.claim.host.as_deref(), Some("NixOS"));
        // The same card on another link is another row; without the table nobody knows whose the alias is.
        let both = Voices::from([
            ((2, ALIAS), voice("mdns", "NixOS")),
            ((2, eui64()), voice("echo", "")),
            ((3, eui64()), voice("echo", "")),
        ]);
        let machines = fold(&links, &both, &[]);
        assert_eq!(machines.len(), 2);
        assert!(machines.iter().all(|machine| !machine.holds_alias));
    }

    #[test]
    fn the_alias_can_have_two_holders() {
        const OTHER: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x57]);
        let links = [link(2, "eno1"), link(3, "eno2")];
        let own = |mac: Mac| mac.interface_id().unwrap().link_local();
        let mut said = voice("mdns", "Other");
        said.claim.holds_alias = Some(true);
        // One is in the table; the other says so.
        let voices = Voices::from([
            ((2, own(CARD)), voice("mdns", "NixOS")),
            ((2, own(OTHER)), said),
        ]);
        let of = |mac| Neighbour {
            link: 2,
            address: ALIAS,
            mac,
        };
        let machines = fold(&links, &voices, &[of(CARD)]);
        let held: Vec<bool> = machines.iter().map(|one| one.holds_alias).collect();
        assert_eq!(held, [true, true]);
        // Both have advertised it. What is said under the alias is neither's.
        let voices = Voices::from([
            ((2, ALIAS), voice("mdns", "Who")),
            ((2, own(CARD)), voice("mdns", "NixOS")),
            ((2, own(OTHER)), voice("mdns", "Other")),
        ]);
        let machines = fold(&links, &voices, &[of(CARD), of(OTHER), of(CARD)]);
        let seen: Vec<_> = machines
            .iter()
            .map(|one| (one.holds_alias, one.claim.host.as_deref()))
            .collect();
        assert_eq!(seen, [(true, Some("NixOS")), (true, Some("Other"))]);
        assert!(machines.iter().all(|one| one.address.address() != ALIAS));
    }

    #[test]
    fn own_addresses_and_unknown_links_are_left_out() {
        let mut own = link(2, "eno1");
        own.mac = Some(CARD);
        let voices = Voices::from([
            ((2, eui64()), voice("echo", "")),
            ((9, "fe80::1".parse().unwrap()), voice("echo", "")),
        ]);
        assert_eq!(fold(&[own], &voices, &[]), []);
    }

    #[test]
    fn an_address_that_hides_the_card_is_known_by_the_table() {
        let opaque: Ipv6Addr = "fe80::8d3b:1a2b:77f0:19c5".parse().unwrap();
        let voices = Voices::from([((2, opaque), voice("mdns", "NixOS"))]);
        let links = [link(2, "eno1")];
        assert_eq!(fold(&links, &voices, &[])[0].mac, None);
        let table = [Neighbour {
            link: 2,
            address: opaque,
            mac: CARD,
        }];
        let machines = fold(&links, &voices, &table);
        assert_eq!(machines[0].mac, Some(CARD));
        assert_eq!(machines[0].address.address(), opaque);
    }

    #[test]
    fn what_is_said_as_the_alias_counts_less() {
        let voices = Voices::from([
            ((2, ALIAS), voice("mdns", "Other")),
            ((2, eui64()), voice("mdns", "NixOS")),
        ]);
        let table = [Neighbour {
            link: 2,
            address: ALIAS,
            mac: CARD,
        }];
        let machines = fold(&[link(2, "eno1")], &voices, &table);
        assert_eq!(machines[0].claim.host.as_deref(), Some("NixOS"));
    }
}
