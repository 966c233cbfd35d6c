//! The kernel's neighbour table: who was heard on which link (RFC 4861, section 5.1), over rtnetlink.

use std::net::Ipv6Addr;

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

/// The link-local neighbours whose cards are known, and who were not found to be gone.
pub(crate) fn neighbours(netlink: &mut Netlink) -> Result<Vec<Neighbour>, Error> {
    let mut question = NeighbourMessage::default();
    question.header.family = AddressFamily::Inet6;
    let question = RouteNetlinkMessage::GetNeighbour(question);
    let answers = netlink.dump("list the neighbours", question)?;
    Ok(answers
        .iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => neighbour(message),
            _ => None,
        })
        .collect())
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    use NeighbourState as S;
    let known = [S::Reachable, S::Stale, S::Delay, S::Probe, S::Permanent];
    if !known.contains(&message.header.state) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(there)) => {
                address = Some(*there);
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.as_slice().try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    let (address, mac) = (address?, mac?);
    (address.is_unicast_link_local() && !mac.is_group()).then_some(Neighbour {
        link: message.header.ifindex,
        address,
        mac,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
