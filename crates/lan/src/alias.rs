//! The keeper of the alias `fe80::47`.
//!
//! Who configures addresses (systemd-networkd, in the live system) gives each link the alias once. Where duplicate address
//! detection fails, Linux leaves the address on the link, marked `dadfailed`, and never tries again. The keeper tries again:
//! it removes the failed address and adds the same one, so the kernel detects anew, until the address is held. It does so
//! only on links that had the alias already, and touches no other address. networkd takes no offence: what it finds gone it
//! forgets, what appears is foreign to it, and foreign link-local addresses it leaves alone while a link is up; when it
//! configures the link anew it adds the alias itself.
//!
//! Not supported: two links that are joined while both have a holder. Neither kernel detects that, and both keep it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use crate::links::{Link, look};
use crate::netlink::{Announcements, Netlink};
use crate::turn::{News, Turn};
use crate::{ALIAS, ALIAS_PREFIX, AddressState, Error, LinkLocal};

/// What has become of the alias on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This machine has it: from the beginning, or because the one that had it has left.
    Held {
        /// The link's name.
        link: String,
    },
    /// Another machine has it. The keeper tries on; [`Event::Held`] follows when it succeeds.
    Lost {
        /// The link's name.
        link: String,
        /// Where this machine answers all the same: its EUI-64 address on the link.
        unique: LinkLocal,
    },
}

/// Watches the alias on every Ethernet-like link that is up and has its EUI-64 address.
pub struct Keeper {
    announcements: Announcements,
    netlink: Netlink,
    turns: BTreeMap<u32, Turn>,
    /// What was found in one look, to be told one after the other.
    events: std::collections::VecDeque<Event>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// A keeper for the network namespace of the thread that calls.
    ///
    /// # Errors
    /// [`Error::Netlink`].
    pub fn open() -> Result<Keeper, Error> {
        Ok(Keeper {
            announcements: Announcements::open()?,
            netlink: Netlink::open()?,
            turns: BTreeMap::new(),
            events: [].into(),
        })
    }

    /// Keeps, until there is an event to tell, or `timeout` is over.
    ///
    /// # Errors
    /// [`Error::Netlink`]; [`Error::Address`] when addresses may not be changed (`CAP_NET_ADMIN` is needed).
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, Error> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let next = self.look_and_try()?;
            if !self.events.is_empty() {
                continue;
            }
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                return Ok(None);
            }
            let until = [next, end].into_iter().flatten().min();
            self.announcements
                .wait(until.map(|until| until.saturating_duration_since(now)))?;
        }
    }

    /// One look at all links, and the attempts that are due; says when the next one is.
    fn look_and_try(&mut self) -> Result<Option<Instant>, Error> {
        let seen = look(&mut self.netlink)?;
        let now = Instant::now();
        self.turns
            .retain(|index, _| seen.links.iter().any(|link| link.index == *index));
        for link in &seen.links {
            let (Some(mac), Some(unique), true) = (link.mac, link.eui64(), link.up) else {
                if let Some(turn) = self.turns.get_mut(&link.index) {
                    turn.pause();
                }
                continue;
            };
            let turn = self.turns.entry(link.index).or_default();
            let name = link.name.clone();
            match turn.look(link.alias(), mac, now) {
                Some(News::Held) => self.events.push_back(Event::Held { link: name }),
                Some(News::Lost) => self.events.push_back(Event::Lost { link: name, unique }),
                None => {}
            }
            if turn.take(mac, now) {
                try_again(&mut self.netlink, link, seen.aliases.get(&link.index))?;
            }
        }
        Ok(self.turns.values().filter_map(Turn::again).min())
    }
}

/// Has the kernel detect anew. `failed`: the address as it is, if it is on the link.
fn try_again(
    netlink: &mut Netlink,
    link: &Link,
    failed: Option<&AddressMessage>,
) -> Result<(), Error> {
    if let Some(failed) = failed {
        debug_assert_eq!(link.alias(), Some(AddressState::Duplicate));
        let request = RouteNetlinkMessage::DelAddress(failed.clone());
        accept(netlink.request(request, 0), "remove", link)?;
    }
    let added = failed.map_or_else(|| fresh(link.index), again);
    let request = RouteNetlinkMessage::NewAddress(added);
    accept(
        netlink.request(request, NLM_F_CREATE | NLM_F_EXCL),
        "add",
        link,
    )
}

/// A failure because somebody else, or the link's end, was faster is none: the next look shows what is.
fn accept(outcome: io::Result<()>, action: &'static str, link: &Link) -> Result<(), Error> {
    const FASTER: [Errno; 5] = [
        Errno::EXIST,
        Errno::ADDRNOTAVAIL,
        Errno::NODEV,
        Errno::NETDOWN,
        // IPv6 was switched off on the link.
        Errno::ACCESS,
    ];
    match outcome {
        Err(source) if !FASTER.contains(&errno(&source)) => Err(Error::Address {
            action,
            address: IpAddr::V6(ALIAS),
            link: link.name.clone(),
            source,
        }),
        _ => Ok(()),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The same address, without what detection left on it.
fn again(failed: &AddressMessage) -> AddressMessage {
    let mut added = failed.clone();
    added.header.flags &= !(AddressHeaderFlags::Dadfailed | AddressHeaderFlags::Tentative);
    for attribute in &mut added.attributes {
        if let AddressAttribute::Flags(flags) = attribute {
            *flags &= !(AddressFlags::Dadfailed | AddressFlags::Tentative);
        }
    }
    added
}

/// The alias for a link from which it has vanished.
fn fresh(index: u32) -> AddressMessage {
    let mut added = AddressMessage::default();
    added.header.family = AddressFamily::Inet6;
    added.header.prefix_len = ALIAS_PREFIX;
    added.header.scope = AddressScope::Link;
    added.header.index = index;
    added.attributes = vec![AddressAttribute::Address(IpAddr::V6(ALIAS))];
    added
}
