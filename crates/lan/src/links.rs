//! The machine's links with their addresses, as the kernel has them now.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Netlink;
use crate::{ALIAS, Error, InterfaceId, LinkLocal, Mac, Zone};

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// As the kernel counts them, from 1.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address, if it is Ethernet or like it (Wi-Fi is).
    pub mac: Option<Mac>,
    /// It is switched on, and has a carrier.
    pub up: bool,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Address>,
}

/// An address on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix in bits.
    pub prefix: u8,
    /// Whether it can be used.
    pub state: AddressState,
}

/// What the kernel has found out about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Its own: it can be used.
    Held,
    /// Duplicate address detection (RFC 4862, section 5.4) goes on.
    Tentative,
    /// Duplicate address detection found another machine that has it.
    Duplicate,
}

impl Link {
    /// The link-local address that follows from the card's MAC, if the link has it.
    pub fn eui64(&self) -> Option<LinkLocal> {
        let own = self.mac?.interface_id().ok()?.link_local();
        self.state_of(own)?;
        LinkLocal::new(own, Some(Zone::Name(self.name.clone()))).ok()
    }

    /// What is known of [`ALIAS`] on this link; `None`: it is not there.
    pub fn alias(&self) -> Option<AddressState> {
        self.state_of(ALIAS)
    }

    /// Whether the link has a link-local IPv6 address that can be used.
    pub(crate) fn has_link_local(&self) -> bool {
        self.addresses.iter().any(|own| {
            let is_local = matches!(own.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            is_local && own.state == AddressState::Held
        })
    }

    fn state_of(&self, address: Ipv6Addr) -> Option<AddressState> {
        let found = self
            .addresses
            .iter()
            .find(|there| there.address == IpAddr::V6(address))?;
        Some(found.state)
    }
}

/// The machine's links, sorted by index.
///
/// # Errors
/// [`Error::Netlink`].
pub fn links() -> Result<Vec<Link>, Error> {
    Ok(look(&mut Netlink::open()?)?.links)
}

/// Links, and the kernel's own words on the alias, for the keeper to repeat.
pub(crate) struct Look {
    pub(crate) links: Vec<Link>,
    /// By the link's index.
    pub(crate) aliases: BTreeMap<u32, AddressMessage>,
}

pub(crate) fn look(netlink: &mut Netlink) -> Result<Look, Error> {
    let mut links = BTreeMap::new();
    let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
    for answer in netlink.dump("list the links", question)? {
        if let RouteNetlinkMessage::NewLink(message) = answer {
            let link = link(&message);
            links.insert(link.index, link);
        }
    }
    let mut aliases = BTreeMap::new();
    let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    for answer in netlink.dump("list the addresses", question)? {
        let RouteNetlinkMessage::NewAddress(message) = answer else {
            continue;
        };
        let index = message.header.index;
        if let (Some(link), Some(address)) = (links.get_mut(&index), address(&message)) {
            if address.address == IpAddr::V6(ALIAS) {
                aliases.insert(index, message);
            }
            link.addresses.push(address);
        }
    }
    Ok(Look {
        links: links.into_values().collect(),
        aliases,
    })
}

fn link(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let ethernet = message.header.link_layer_type == LinkLayerType::Ether
        && !flags.intersects(LinkFlags::Loopback | LinkFlags::Noarp);
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        up: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) if ethernet => {
                link.mac = bytes.as_slice().try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    link
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut address = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link this one is the peer's, and Local is this machine's.
            AddressAttribute::Address(there) => address = address.or(Some(*there)),
            AddressAttribute::Local(own) => address = Some(*own),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let is_v6 = message.header.family == AddressFamily::Inet6;
    let state = if is_v6 && flags.contains(AddressFlags::Dadfailed) {
        AddressState::Duplicate
    } else if is_v6
        && flags.contains(AddressFlags::Tentative)
        && !flags.contains(AddressFlags::Optimistic)
    {
        AddressState::Tentative
    } else {
        AddressState::Held
    };
    Some(Address {
        address: address?,
        prefix: message.header.prefix_len,
        state,
    })
}

impl Address {
    /// Whether it can be used, and from beyond the link.
    pub fn is_global(&self) -> bool {
        let beyond = match self.address {
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_loopback(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
        };
        beyond && self.state == AddressState::Held
    }

    /// Its link-local interface identifier's MAC, if it was made from one.
    pub fn mac(&self) -> Option<Mac> {
        match self.address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => InterfaceId::of(v6).mac().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_link_is_there_and_is_no_ethernet() {
        let links = links().unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!((lo.index, lo.mac), (1, None));
        assert_eq!(lo.eui64(), None);
        assert!(
            lo.addresses
                .iter()
                .all(|address| address.state == AddressState::Held && !address.is_global())
        );
    }

    #[test]
    fn addresses_are_global_or_of_the_link() {
        let global = |text: &str, state| {
            let address = Address {
                address: text.parse().unwrap(),
                prefix: 64,
                state,
            };
            address.is_global()
        };
        for address in ["2001:db8::1", "fd00::1", "10.0.2.15"] {
            assert!(global(address, AddressState::Held), "{address}");
        }
        for address in ["fe80::47", "169.254.1.2", "127.0.0.1", "::1"] {
            assert!(!global(address, AddressState::Held), "{address}");
        }
        assert!(!global("2001:db8::1", AddressState::Tentative));
    }
}
