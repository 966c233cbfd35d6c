//! ICMPv6 echo (RFC 4443, section 4): "who is there?" to every node of a link, `ff02::1`, and to single addresses.
//!
//! A datagram socket, which Linux gives to the groups of `net.ipv4.ping_group_range`, or else a raw one, which needs
//! `CAP_NET_RAW`. With neither there is no echo, and flk sees what the neighbour table has.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};

/// All nodes of a link (RFC 4291, section 2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// RFC 4443, sections 4.1 and 4.2.
const REQUEST: u8 = 128;
const REPLY: u8 = 129;
/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;
/// What a reply has to bring back, so that nobody is heard who was not asked.
const TOKEN: usize = 8;

/// A socket for echo requests and replies.
#[derive(Debug)]
pub(crate) struct Echo {
    socket: UdpSocket,
    request: [u8; HEADER + TOKEN],
}

impl Echo {
    /// `token`: something that nobody on the link can guess.
    pub(crate) fn open(token: [u8; TOKEN]) -> io::Result<Echo> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let open = |kind| socket_with(AddressFamily::INET6, kind, flags, Some(ipproto::ICMPV6));
        let socket: OwnedFd = open(SocketType::DGRAM).or_else(|_| open(SocketType::RAW))?;
        // Packets of the link come with this limit, and go no further than the link anyway.
        sockopt::set_ipv6_multicast_hops(&socket, 1)?;
        let mut request = [0; HEADER + TOKEN];
        request[0] = REQUEST;
        // The identifier: the kernel puts its own there for a datagram socket.
        request[4..6].copy_from_slice(&token[..2]);
        request[HEADER..].copy_from_slice(&token);
        Ok(Echo {
            socket: socket.into(),
            request,
        })
    }

    /// Asks an address on a link. That it cannot be sent is no more than no answer.
    pub(crate) fn ask(&self, address: Ipv6Addr, link: u32) {
        let _ = self
            .socket
            .send_to(&self.request, SocketAddrV6::new(address, 0, 0, link));
    }

    /// Who has answered, and on which link; `None`: nothing more has come.
    pub(crate) fn next(&self) -> io::Result<Option<Option<(u32, Ipv6Addr)>>> {
        let mut buffer = [0; 128];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, SocketAddr::V6(from))) => {
                let is_ours = is_reply(&buffer[..length], &self.request[HEADER..]);
                Ok(Some(is_ours.then_some((from.scope_id(), *from.ip()))))
            }
            Ok(_) => Ok(Some(None)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Echo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_reply(message: &[u8], token: &[u8]) -> bool {
    message.first() == Some(&REPLY) && message.get(HEADER..) == Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_the_own_question_counts() {
        let token = *b"12345678";
        let mut reply = [0; 16];
        reply[0] = REPLY;
        reply[8..].copy_from_slice(&token);
        assert!(is_reply(&reply, &token));
        for (at, wrong) in [(0, REQUEST), (8, 0), (15, 0)] {
            let mut other = reply;
            other[at] = wrong;
            assert!(!is_reply(&other, &token), "byte {at}");
        }
        assert!(!is_reply(&reply[..15], &token));
        assert!(!is_reply(b"", &token));
    }
}
