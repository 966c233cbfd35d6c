//! Multicast DNS over IPv4 (RFC 6762, section 3): for machines that a switch or a firewall does not let hear IPv6's.
//!
//! On each link where this machine has an IPv4 address, one socket asks `224.0.0.251` and gets the answers that come to it
//! alone (section 6.7). Who has sent one is known by his card in the kernel's table (ARP), and so has an EUI-64 address, at
//! which he is dialled. The machine itself is never dialled over IPv4.
//!
//! Not supported: links on which this machine has no IPv4 address; answers that are sent to everybody.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

use crate::mdns::{Answer, MESSAGE_MAX, PORT, answer};
use crate::{Link, Mac};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const HOPS: u32 = 255;
/// Answers that wait until their senders' cards are known.
const WAITING_MAX: usize = 256;

/// Sockets by the link's index, and answers by their senders.
#[derive(Debug, Default)]
pub(crate) struct Ipv4 {
    sockets: BTreeMap<u32, (Ipv4Addr, UdpSocket)>,
    waiting: BTreeMap<(u32, Ipv4Addr), Answer>,
}

impl Ipv4 {
    /// Has a socket on each of these links that has an address. A link where there is none to be had is left out.
    pub(crate) fn follow<'l>(&mut self, links: impl Iterator<Item = &'l Link>) {
        let addresses: BTreeMap<u32, Ipv4Addr> = links
            .filter_map(|link| Some((link.index, address(link)?)))
            .collect();
        self.sockets
            .retain(|link, (address, _)| addresses.get(link) == Some(address));
        for (link, address) in addresses {
            if !self.sockets.contains_key(&link)
                && let Ok(socket) = open(address)
            {
                self.sockets.insert(link, (address, socket));
            }
        }
        let sockets = &self.sockets;
        self.waiting
            .retain(|(link, _), _| sockets.contains_key(link));
    }

    /// Asks on a link.
    pub(crate) fn ask(&self, link: u32, question: &[u8]) {
        if let Some((_, socket)) = self.sockets.get(&link) {
            let _ = socket.send_to(question, SocketAddrV4::new(GROUP, PORT));
        }
    }

    /// What is to be waited on.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.values().map(|(_, socket)| socket)
    }

    /// Reads what has come, up to `most` packets of each link; says whether an answer was among them.
    pub(crate) fn read(&mut self, most: usize) -> bool {
        let mut has_come = false;
        let mut buffer = [0; MESSAGE_MAX];
        for (link, (_, socket)) in &self.sockets {
            for _ in 0..most {
                let (length, from) = match socket.recv_from(&mut buffer) {
                    Ok((length, SocketAddr::V4(from))) => (length, from),
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => continue,
                };
                if from.port() == PORT
                    && let Some(answer) = answer(&buffer[..length])
                {
                    has_come |= keep(&mut self.waiting, (*link, *from.ip()), answer);
                }
            }
        }
        has_come
    }

    /// Whether answers wait for their senders' cards.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The answers that have waited, with their senders' cards; those of unknown ones are dropped.
    pub(crate) fn place(
        &mut self,
        card: impl Fn(u32, Ipv4Addr) -> Option<Mac>,
    ) -> Vec<(u32, Mac, Answer)> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|((link, from), answer)| Some((link, card(link, from)?, answer)))
            .collect()
    }
}

/// Keeps an answer, if there is room; what a sender says in several packets comes together.
fn keep(
    waiting: &mut BTreeMap<(u32, Ipv4Addr), Answer>,
    sender: (u32, Ipv4Addr),
    answer: Answer,
) -> bool {
    let has_room = waiting.len() < WAITING_MAX || waiting.contains_key(&sender);
    if let (Some(Answer::Here(known)), Answer::Here(claim)) = (waiting.get_mut(&sender), &answer) {
        known.merge(claim.clone());
    } else if has_room {
        waiting.insert(sender, answer);
    }
    has_room
}

fn address(link: &Link) -> Option<Ipv4Addr> {
    link.addresses.iter().find_map(|own| match own.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

/// At the link's own address: what is sent to a group goes out there, and only what comes to that address is heard.
fn open(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        flags,
        Some(ipproto::UDP),
    )?;
    sockopt::set_ip_multicast_if(&socket, &address)?;
    sockopt::set_ip_multicast_ttl(&socket, HOPS)?;
    bind(&socket, &SocketAddrV4::new(address, 0))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, AddressState, Claim};

    fn loopback() -> Link {
        Link {
            index: 1,
            name: "lo".into(),
            mac: None,
            up: true,
            addresses: vec![Address {
                address: "127.0.0.1".parse().unwrap(),
                prefix: 8,
                state: AddressState::Held,
            }],
        }
    }

    #[test]
    fn sockets_come_and_go_with_addresses() {
        let mut links = [loopback()];
        let mut ipv4 = Ipv4::default();
        ipv4.follow(links.iter());
        assert_eq!(ipv4.sockets().count(), 1);
        let own = ipv4.sockets().next().unwrap().local_addr().unwrap();
        ipv4.follow(links.iter());
        let still = ipv4.sockets().next().unwrap().local_addr().unwrap();
        assert_eq!(own, still);
        assert!(!ipv4.read(8));
        links[0].addresses.clear();
        ipv4.follow(links.iter());
        assert_eq!(ipv4.sockets().count(), 0);
    }

    #[test]
    fn what_comes_in_several_packets_comes_together() {
        let mut waiting = BTreeMap::new();
        let at = |n: usize| (3, Ipv4Addr::from(u32::try_from(n).unwrap()));
        let says = |host: Option<&str>, key: Option<&str>| Claim {
            host: host.map(str::to_owned),
            key: key.map(str::to_owned),
            ..Claim::default()
        };
        let parts = [says(Some("NixOS"), None), says(None, Some("SHA256:x"))];
        for part in parts {
            assert!(keep(&mut waiting, at(0), Answer::Here(part)));
        }
        let whole = says(Some("NixOS"), Some("SHA256:x"));
        assert_eq!(waiting[&at(0)], Answer::Here(whole));
        assert!(keep(&mut waiting, at(0), Answer::Goodbye));
        assert_eq!(waiting[&at(0)], Answer::Goodbye);
        for n in 1..WAITING_MAX {
            assert!(keep(&mut waiting, at(n), Answer::Goodbye));
        }
        assert!(!keep(&mut waiting, at(WAITING_MAX), Answer::Goodbye));
        assert!(keep(&mut waiting, at(0), Answer::Here(says(None, None))));
        assert_eq!(waiting.len(), WAITING_MAX);
    }

    #[test]
    fn only_who_has_a_card_is_heard() {
        let mut ipv4 = Ipv4::default();
        let claim = Answer::Here(Claim {
            host: Some("NixOS".into()),
            ..Claim::default()
        });
        for last in 1..=2 {
            ipv4.waiting
                .insert((3, Ipv4Addr::new(10, 0, 0, last)), claim.clone());
        }
        let card = Mac([2, 0, 0, 0, 0, 1]);
        let placed = ipv4
            .place(|link, from| (link == 3 && from == Ipv4Addr::new(10, 0, 0, 2)).then_some(card));
        assert_eq!(placed, [(3, card, claim)]);
        assert!(!ipv4.is_waiting());
    }
}
