//! The kernel's neighbour table: who was heard on which link (RFC 4861, section 5.1; RFC 826 for IPv4), over rtnetlink.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Netlink;
use crate::{Error, Mac};

/// An entry that names a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The link's index.
    pub(crate) link: u32,
    pub(crate) address: Ipv6Addr,
    pub(crate) mac: Mac,
}

/// Entries of a table that are looked at.
const ENTRIES_MAX: usize = 4096;

/// The link-local neighbours whose cards are known, and who were not found to be gone; of a crowd, the first ones.
pub(crate) fn neighbours(netlink: &mut Netlink) -> Result<Vec<Neighbour>, Error> {
    let answers = table(netlink, AddressFamily::Inet6)?;
    Ok(link_local(&answers))
}

/// The cards of neighbours over IPv4, by link and address.
pub(crate) fn cards(netlink: &mut Netlink) -> Result<BTreeMap<(u32, Ipv4Addr), Mac>, Error> {
    let answers = table(netlink, AddressFamily::Inet)?;
    let known = answers.iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewNeighbour(message) => match entry(message)? {
            (NeighbourAddress::Inet(address), mac) => {
                Some(((message.header.ifindex, address), mac))
            }
            _ => None,
        },
        _ => None,
    });
    Ok(known.take(ENTRIES_MAX).collect())
}

fn table(netlink: &mut Netlink, family: AddressFamily) -> Result<Vec<RouteNetlinkMessage>, Error> {
    let mut question = NeighbourMessage::default();
    question.header.family = family;
    let question = RouteNetlinkMessage::GetNeighbour(question);
    netlink.dump("list the neighbours", question)
}

fn link_local(answers: &[RouteNetlinkMessage]) -> Vec<Neighbour> {
    let known = answers.iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewNeighbour(message) => neighbour(message),
        _ => None,
    });
    known.take(ENTRIES_MAX).collect()
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let (NeighbourAddress::Inet6(address), mac) = entry(message)? else {
        return None;
    };
    address.is_unicast_link_local().then_some(Neighbour {
        link: message.header.ifindex,
        address,
        mac,
    })
}

/// An address and its card, if that is known and was not found to be gone.
fn entry(message: &NeighbourMessage) -> Option<(NeighbourAddress, Mac)> {
    use NeighbourState as S;
    let known = [S::Reachable, S::Stale, S::Delay, S::Probe, S::Permanent];
    if !known.contains(&message.header.state) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(there) => address = Some(there.clone()),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.as_slice().try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    let mac = mac.filter(|mac| !mac.is_group())?;
    Some((address?, mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_entries_has_its_bound() {
        let entries: Vec<RouteNetlinkMessage> = (0..10_000_u128)
            .map(|n| {
                let mut message = NeighbourMessage::default();
                message.header.state = NeighbourState::Reachable;
                let address = Ipv6Addr::from(u128::from(crate::ALIAS) + n);
                message.attributes = vec![
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)),
                    NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 1]),
                ];
                RouteNetlinkMessage::NewNeighbour(message)
            })
            .collect();
        assert_eq!(link_local(&entries).len(), ENTRIES_MAX);
    }

    #[test]
    fn only_cards_that_are_there_count() {
        let entry = |state, address: &str, mac: [u8; 6]| {
            let mut message = NeighbourMessage::default();
            message.header.state = state;
            message.header.ifindex = 3;
            message.attributes = vec![
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(address.parse().unwrap())),
                NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
            ];
            neighbour(&message)
        };
        let card = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
        let there = entry(NeighbourState::Stale, "fe80::47", card).unwrap();
        assert_eq!(
            (there.link, there.address, there.mac),
            (3, crate::ALIAS, Mac(card))
        );
        assert_eq!(entry(NeighbourState::Failed, "fe80::47", card), None);
        assert_eq!(entry(NeighbourState::Incomplete, "fe80::47", card), None);
        assert_eq!(entry(NeighbourState::Reachable, "2001:db8::1", card), None);
        let group = [0x33, 0x33, 0, 0, 0, 1];
        assert_eq!(entry(NeighbourState::Reachable, "fe80::47", group), None);
    }
}
