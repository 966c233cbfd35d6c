//! Sockets of multicast DNS over IPv6 (RFC 6762, sections 3 and 11).

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

use crate::mdns;

/// Sends to the port of multicast DNS, at an address on a link.
pub(crate) fn send(socket: &UdpSocket, message: &[u8], to: Ipv6Addr, link: u32) {
    // A link that has just gone, or a firewall: the other ways, and the next round, are left.
    let _ = socket.send_to(message, SocketAddrV6::new(to, mdns::PORT, 0, link));
}

/// A UDP socket for IPv6 that does not block. Port 5353 is shared with others who share it.
pub(crate) fn udp(port: u16) -> io::Result<UdpSocket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(
        AddressFamily::INET6,
        SocketType::DGRAM,
        flags,
        Some(ipproto::UDP),
    )?;
    sockopt::set_ipv6_v6only(&socket, true)?;
    if port != 0 {
        sockopt::set_socket_reuseaddr(&socket, true)?;
        // avahi wants both of those with whom it shares.
        let _ = sockopt::set_socket_reuseport(&socket, true);
    }
    sockopt::set_ipv6_multicast_hops(&socket, 255)?;
    sockopt::set_ipv6_unicast_hops(&socket, Some(255))?;
    sockopt::set_ipv6_multicast_loop(&socket, true)?;
    bind(
        &socket,
        &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0),
    )?;
    Ok(socket.into())
}
