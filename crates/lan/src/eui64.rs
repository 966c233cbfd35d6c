//! MAC addresses and interface identifiers: modified EUI-64 (RFC 4291, appendix A; RFC 2464, section 4).
//!
//! A 48-bit MAC becomes an interface identifier by putting `ff:fe` into its middle and inverting the universal/local bit
//! (bit 0x02 of the first byte). A MAC with the individual/group bit (0x01) names no card, so it has no identifier. An
//! identifier without `ff:fe` in its middle was made in another way (RFC 7217, RFC 8981, or by hand), and tells no MAC.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

const UNIVERSAL_LOCAL: u8 = 0x02;
const GROUP: u8 = 0x01;
const MIDDLE: [u8; 2] = [0xff, 0xfe];

/// A 48-bit MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

/// The lower 64 bits of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(pub [u8; 8]);

/// A text that is no MAC address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no MAC address: six bytes in hexadecimal, such as 52:54:00:12:34:56")]
pub struct NotAMac(String);

/// Why a MAC has no interface identifier, or an identifier no MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEui64 {
    /// The MAC is a group's.
    #[error("the MAC address is a group's, not a card's")]
    Group,
    /// The identifier has no `ff:fe` in its middle.
    #[error("the interface identifier was not made from a MAC address")]
    NotFromMac,
}

impl Mac {
    /// Whether it names a group of cards (broadcast and multicast).
    pub fn is_group(self) -> bool {
        self.0[0] & GROUP != 0
    }

    /// Whether it was assigned by somebody other than the card's maker.
    pub fn is_local(self) -> bool {
        self.0[0] & UNIVERSAL_LOCAL != 0
    }

    /// Whether it is of a range that hypervisors give to their guests' cards.
    pub fn is_virtual(self) -> bool {
        /// QEMU, Hyper-V, VMware (four), VirtualBox, Xen, Parallels: by the IEEE's list, or by custom (QEMU).
        const RANGES: [[u8; 3]; 9] = [
            [0x52, 0x54, 0x00],
            [0x00, 0x15, 0x5d],
            [0x00, 0x05, 0x69],
            [0x00, 0x0c, 0x29],
            [0x00, 0x1c, 0x14],
            [0x00, 0x50, 0x56],
            [0x08, 0x00, 0x27],
            [0x00, 0x16, 0x3e],
            [0x00, 0x1c, 0x42],
        ];
        RANGES.iter().any(|range| self.0.starts_with(range))
    }

    /// The modified EUI-64 interface identifier.
    ///
    /// # Errors
    /// [`NotEui64::Group`].
    pub fn interface_id(self) -> Result<InterfaceId, NotEui64> {
        if self.is_group() {
            return Err(NotEui64::Group);
        }
        let [a, b, c, d, e, f] = self.0;
        let [m, n] = MIDDLE;
        Ok(InterfaceId([a ^ UNIVERSAL_LOCAL, b, c, m, n, d, e, f]))
    }
}

impl InterfaceId {
    /// Of an address.
    pub fn of(address: Ipv6Addr) -> InterfaceId {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h] = address.octets();
        InterfaceId([a, b, c, d, e, f, g, h])
    }

    /// The MAC that it was made from.
    ///
    /// # Errors
    /// [`NotEui64::NotFromMac`]; [`NotEui64::Group`] when the bytes would be a group's.
    pub fn mac(self) -> Result<Mac, NotEui64> {
        let [a, b, c, m, n, d, e, f] = self.0;
        if [m, n] != MIDDLE {
            return Err(NotEui64::NotFromMac);
        }
        let mac = Mac([a ^ UNIVERSAL_LOCAL, b, c, d, e, f]);
        if mac.is_group() {
            return Err(NotEui64::Group);
        }
        Ok(mac)
    }

    /// The link-local address with it, `fe80::/64` (RFC 4291, 2.5.6).
    pub fn link_local(self) -> Ipv6Addr {
        let mut bytes = [0; 16];
        bytes[0] = 0xfe;
        bytes[1] = 0x80;
        bytes[8..].copy_from_slice(&self.0);
        Ipv6Addr::from(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = NotAMac;

    /// Six bytes of two hexadecimal digits, all separated by `:` or all by `-`.
    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        let wrong = || NotAMac(text.into());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(wrong)?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        match parts.next() {
            None => Ok(Mac(bytes)),
            Some(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_and_link_local_addresses_of_the_specifications() {
        for (mac, address) in [
            // RFC 2464, section 4.
            ("34-56-78-9A-BC-DE", "fe80::3656:78ff:fe9a:bcde"),
            // RFC 4291, appendix A: a universal identifier gets the bit set, a local one loses it.
            ("00:00:00:00:00:01", "fe80::200:ff:fe00:1"),
            ("02:00:00:00:00:01", "fe80::ff:fe00:1"),
            // QEMU's and Hyper-V's prefixes.
            ("52:54:00:12:34:56", "fe80::5054:ff:fe12:3456"),
            ("00:15:5d:ff:fe:00", "fe80::215:5dff:feff:fe00"),
        ] {
            let mac: Mac = mac.parse().unwrap();
            let address: Ipv6Addr = address.parse().unwrap();
            assert_eq!(mac.interface_id().unwrap().link_local(), address);
            assert_eq!(InterfaceId::of(address).mac(), Ok(mac));
        }
    }

    #[test]
    fn what_names_no_card_is_told_apart() {
        for group in [
            "ff:ff:ff:ff:ff:ff",
            "33:33:00:00:00:01",
            "01:00:5e:00:00:fb",
        ] {
            let mac: Mac = group.parse().unwrap();
            assert_eq!(mac.interface_id(), Err(NotEui64::Group), "{group}");
        }
        for (address, why) in [
            ("fe80::47", NotEui64::NotFromMac),
            ("fe80::1", NotEui64::NotFromMac),
            // RFC 7217: a stable, opaque identifier.
            ("fe80::8d3b:1a2b:77f0:19c5", NotEui64::NotFromMac),
            // The group bit, as the address has it.
            ("fe80::5154:ff:fe12:3456", NotEui64::Group),
        ] {
            let id = InterfaceId::of(address.parse().unwrap());
            assert_eq!(id.mac(), Err(why), "{address}");
        }
    }

    #[test]
    fn every_card_is_found_again() {
        for first in 0..=255_u8 {
            let mac = Mac([first, 1, 0xff, 0xfe, 4, first]);
            assert_eq!(mac.to_string().parse(), Ok(mac));
            match mac.interface_id() {
                Ok(id) => assert_eq!(id.mac(), Ok(mac)),
                Err(why) => assert!(mac.is_group() && why == NotEui64::Group),
            }
        }
    }

    #[test]
    fn texts_that_are_no_macs() {
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:5",
            "52-54:00:12:34:56",
            "52:54:00:12:34:+5",
            "525400123456",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
