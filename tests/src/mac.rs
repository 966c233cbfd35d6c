//! Hardware addresses, and the link-local address that belongs to one (RFC 4291, appendix A).
//!
//! Written here again on purpose: the bench must not judge flk's arithmetic by flk's arithmetic.

use std::{fmt, net::Ipv6Addr};

/// The hardware address of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// An address of QEMU's own range, with `last` as its last byte.
    pub fn qemu(last: u8) -> Self {
        Mac([0x52, 0x54, 0x00, 0x12, 0x34, last])
    }

    /// The link-local address that a system with EUI-64 addresses gives itself on this card.
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0.map(u16::from);
        Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            ((a ^ 2) << 8) | b,
            (c << 8) | 0xff,
            0xfe00 | d,
            (e << 8) | f,
        )
    }

    /// That address with its zone, as it is dialled from a machine whose interface `interface` is on the link.
    pub fn on(self, interface: &str) -> String {
        format!("{}%{interface}", self.link_local())
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.map(|byte| format!("{byte:02x}"));
        f.write_str(&bytes.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_4291() {
        // Appendix A turns 34-56-78-9A-BC-DE into 3656:78FF:FE9A:BCDE.
        let mac = Mac([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(mac.link_local().to_string(), "fe80::3656:78ff:fe9a:bcde");
        assert_eq!(mac.to_string(), "34:56:78:9a:bc:de");
    }
}
