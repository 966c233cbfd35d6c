//! What can go wrong on the link.

use std::io;
use std::net::IpAddr;

use crate::LinkLocal;

/// A failure of this crate. The source is never repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel's interface to links and addresses cannot be used.
    #[error("cannot {action} over rtnetlink")]
    Netlink {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// An address cannot be added or removed.
    #[error("cannot {action} {address} on {link}")]
    Address {
        /// `add` or `remove`.
        action: &'static str,
        /// The address.
        address: IpAddr,
        /// The link's name.
        link: String,
        /// What the system said.
        source: io::Error,
    },

    /// The network cannot be used.
    #[error("cannot {action}")]
    Socket {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A machine does not take a connection.
    #[error("no connection to port {port} of {address}")]
    Dial {
        /// The machine.
        address: LinkLocal,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },

    /// There is no link of this name.
    #[error("there is no link {name}")]
    NoLink {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}
