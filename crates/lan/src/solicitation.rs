//! Who holds `fe80::47`: a neighbour solicitation for it (RFC 4861, sections 4.3, 4.4 and 7.2), which each of its holders answers.
//!
//! The kernel's neighbour table has one card for an address. Two links that are joined while both have a holder leave both
//! holding it, and so this side asks by itself. That needs a raw socket, and so `CAP_NET_RAW`; without it, the table is left,
//! and what machines say of their addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};

use crate::neighbour::Neighbour;
use crate::{ALIAS, Mac};

/// The alias's solicited-node address (RFC 4291, section 2.7.1).
const NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0x47);

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Type, code, checksum, flags; and the target's address.
const TARGET: usize = 8;
const HEADER: usize = TARGET + 16;
/// Options: their type, their length in units of eight bytes, and a card's address.
const SOURCE_CARD: u8 = 1;
const TARGET_CARD: u8 = 2;
const UNIT: usize = 8;
/// What comes from further away than the link has a lower one.
const HOPS: u32 = 255;
/// Holders that are kept of one link. An honest link has one or two.
const HOLDERS_MAX: usize = 16;

/// A socket for solicitations and advertisements.
#[derive(Debug)]
pub(crate) struct Solicitor(UdpSocket);

impl Solicitor {
    /// Fails without the right to a raw socket.
    pub(crate) fn open() -> io::Result<Solicitor> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(
            AddressFamily::INET6,
            SocketType::RAW,
            flags,
            Some(ipproto::ICMPV6),
        )?;
        sockopt::set_ipv6_multicast_hops(&socket, HOPS)?;
        sockopt::set_ipv6_multicast_loop(&socket, false)?;
        Ok(Solicitor(socket.into()))
    }

    /// Asks on a link, where this machine has the card `own`. That it cannot be sent is no more than no answer.
    pub(crate) fn ask(&self, link: u32, own: Mac) {
        let to = SocketAddrV6::new(NODES, 0, 0, link);
        let _ = self.0.send_to(&question(own), to);
    }

    /// Which link and card hold the alias; `Some(None)`: another message has come; `None`: nothing more has.
    pub(crate) fn next(&self) -> io::Result<Option<Option<(u32, Mac)>>> {
        let mut buffer = [0; 256];
        match self.0.recv_from(&mut buffer) {
            Ok((length, SocketAddr::V6(from))) => {
                let is_local = from.ip().is_unicast_link_local();
                let holder = holder(&buffer[..length]).filter(|_| is_local);
                Ok(Some(holder.map(|mac| (from.scope_id(), mac))))
            }
            Ok(_) => Ok(Some(None)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Solicitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The kernel adds the checksum (RFC 3542, section 3.1).
fn question(own: Mac) -> [u8; HEADER + UNIT] {
    let mut message = [0; HEADER + UNIT];
    message[0] = SOLICITATION;
    message[TARGET..HEADER].copy_from_slice(&ALIAS.octets());
    message[HEADER] = SOURCE_CARD;
    message[HEADER + 1] = 1;
    message[HEADER + 2..].copy_from_slice(&own.0);
    message
}

/// The card that an advertisement of the alias names.
fn holder(message: &[u8]) -> Option<Mac> {
    let is_of_alias = message.first() == Some(&ADVERTISEMENT)
        && message.get(TARGET..HEADER) == Some(&ALIAS.octets());
    let mut options = message.get(HEADER..).filter(|_| is_of_alias)?;
    loop {
        let &[kind, units, ..] = options else {
            return None;
        };
        let length = UNIT * usize::from(units);
        if length == 0 || length > options.len() {
            return None;
        }
        if kind == TARGET_CARD && length == UNIT {
            let mac = Mac(options[2..UNIT].try_into().ok()?);
            return (!mac.is_group()).then_some(mac);
        }
        options = &options[length..];
    }
}

/// Who was heard to hold the alias, and when.
#[derive(Debug, Default)]
pub(crate) struct Holders(BTreeMap<(u32, Mac), Instant>);

impl Holders {
    /// Takes one in, if there is room; says whether it is new.
    pub(crate) fn hear(&mut self, holder: (u32, Mac), now: Instant) -> bool {
        let of_link = self.0.keys().filter(|(link, _)| *link == holder.0);
        if !self.0.contains_key(&holder) && of_link.count() >= HOLDERS_MAX {
            return false;
        }
        self.0.insert(holder, now).is_none()
    }

    /// Forgets who was not heard for so long, or is on no link that is asked; says whether there was one.
    pub(crate) fn forget(&mut self, silence: Duration, asks: impl Fn(u32) -> bool) -> bool {
        let before = self.0.len();
        self.0
            .retain(|(link, _), at| asks(*link) && at.elapsed() < silence);
        self.0.len() != before
    }

    /// As entries of a neighbour table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Neighbour> {
        self.0.keys().map(|&(link, mac)| Neighbour {
            link,
            address: ALIAS,
            mac,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn advertisement(options: &[u8]) -> Vec<u8> {
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0x60, 0, 0, 0];
        message.extend(ALIAS.octets());
        message.extend(options);
        message
    }

    #[test]
    fn the_question_is_as_the_rfc_has_it() {
        let question = question(CARD);
        assert_eq!(question.len(), 32);
        assert_eq!(question[..8], [135, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(question[8..24], ALIAS.octets());
        assert_eq!(question[24..], [1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(NODES.to_string(), "ff02::1:ff00:47");
    }

    #[test]
    fn only_an_advertisement_of_the_alias_names_a_holder() {
        let card = [TARGET_CARD, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56];
        let whole = advertisement(&card);
        assert_eq!(holder(&whole), Some(CARD));
        // Behind another option, of two units.
        let mut behind = vec![14, 2];
        behind.extend([0; 14]);
        behind.extend(card);
        assert_eq!(holder(&advertisement(&behind)), Some(CARD));
        for end in 0..whole.len() {
            assert_eq!(holder(&whole[..end]), None, "cut at {end}");
        }
        let mut other = whole.clone();
        other[TARGET + 15] = 0x48;
        assert_eq!(holder(&other), None);
        let mut solicitation = whole;
        solicitation[0] = SOLICITATION;
        assert_eq!(holder(&solicitation), None);
        for options in [
            &[][..],
            &[TARGET_CARD, 0, 0, 0, 0, 0, 0, 0],
            &[TARGET_CARD, 200, 0, 0, 0, 0, 0, 0],
            &[TARGET_CARD, 1, 0x33, 0x33, 0, 0, 0, 1],
        ] {
            assert_eq!(holder(&advertisement(options)), None, "{options:?}");
        }
    }

    #[test]
    fn a_crowd_of_holders_has_its_bound() {
        let now = Instant::now();
        let mut holders = Holders::default();
        let mac = |n: u16| {
            let [high, low] = n.to_be_bytes();
            Mac([2, 0, 0, 0, high, low])
        };
        assert!(holders.hear((1, CARD), now));
        assert!(!holders.hear((1, CARD), now), "nothing new");
        for n in 0..10_000 {
            holders.hear((2, mac(n)), now);
        }
        assert_eq!(holders.entries().count(), 1 + HOLDERS_MAX);
        assert!(!holders.forget(Duration::from_secs(60), |_| true));
        assert!(holders.forget(Duration::from_secs(60), |link| link == 1));
        assert_eq!(holders.entries().next().map(|one| one.mac), Some(CARD));
        assert!(holders.forget(Duration::ZERO, |_| true));
        assert_eq!(holders.entries().count(), 0);
    }
}
