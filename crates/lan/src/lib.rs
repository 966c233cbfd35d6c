//! The link: EUI-64 addresses, the alias `fe80::47`, and the machines that are there.
//!
//! A live machine has two link-local addresses on each link. One follows from the card's MAC (modified EUI-64): it is the
//! machine's own, and never changes. The other, [`ALIAS`], is the same on every live machine, so that it can be known by
//! heart; duplicate address detection gives it to one of them, and [`Keeper`] takes it over when that one has left.
//!
//! [`Discovery`] finds machines by multicast DNS, ICMPv6 echo, solicitations and the neighbour table, and folds what it hears into one
//! [`Machine`] for each card on a link. What a machine says of itself ([`Claim`]) proves nothing.
//!
//! All of this is blocking, and Linux only: links and addresses are rtnetlink's.

mod alias;
mod dial;
mod discovery;
mod echo;
mod error;
mod eui64;
mod ipv4;
mod link_local;
mod links;
mod machine;
mod mdns;
mod neighbour;
mod netlink;
mod solicitation;
mod turn;
mod udp;

pub use alias::{Event, Keeper};
pub use dial::{Connection, dial};
pub use discovery::{Discovery, DiscoveryOptions, ECHO_MAX, MDNS_MAX};
pub use error::Error;
pub use eui64::{InterfaceId, Mac, NotAMac, NotEui64};
pub use link_local::{LinkLocal, NotLinkLocal, Zone};
pub use links::{Address, AddressState, Link, links};
pub use machine::{Heard, Machine};
pub use mdns::{Answer, Claim, answer};

/// The address that every live machine has, if no other on its link has it: n=14 + i=9 + x=24 is 47.
pub const ALIAS: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x47);
/// Its prefix length.
pub const ALIAS_PREFIX: u8 = 64;
