//! What a [`crate::Peer`] says of itself by multicast DNS (RFC 6762, RFC 6763), as a live machine does, or somebody who only says so.
//!
//! The messages are written by hand, since the bench must not judge flk's parser by flk's parser.

use std::net::Ipv6Addr;

/// What a peer says of itself.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The machine's name, and the service's: the host, as long as nobody else on the link has that name.
    pub name: String,
    /// The TXT record's pairs.
    pub pairs: Vec<String>,
}

impl Announcement {
    /// A live machine's.
    pub fn live(host: &str, build: &str, fingerprint: &str) -> Self {
        Announcement {
            name: host.into(),
            pairs: vec![
                format!("host={host}"),
                format!("build={build}"),
                format!("key={fingerprint}"),
            ],
        }
    }

    /// The same of a machine that has found its name taken (RFC 6762, section 9).
    pub fn renamed(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// The answer to a question for `_flk._tcp`: PTR, SRV, TXT and each AAAA, without compression.
    pub fn message(&self, addresses: &[Ipv6Addr]) -> Vec<u8> {
        const IN: u16 = 1;
        let service = ["_flk", "_tcp", "local"];
        let instance = [&[self.name.as_str()], &service[..]].concat();
        let name = [self.name.as_str(), "local"];
        let mut text = Vec::new();
        for pair in &self.pairs {
            text.push(pair.len() as u8);
            text.extend(pair.as_bytes());
        }
        // Priority, weight, port.
        let mut location = vec![0, 0, 0, 0, 0, 22];
        location.extend(labels(&name));
        let mut records = vec![
            (labels(&service), 12, labels(&instance)),
            (labels(&instance), 33, location),
            (labels(&instance), 16, text),
        ];
        records.extend(
            addresses
                .iter()
                .map(|address| (labels(&name), 28, address.octets().to_vec())),
        );
        // An answer, authoritative, with one record and some more.
        let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0];
        message.push((records.len() - 1) as u8);
        for (owner, kind, data) in records {
            message.extend(owner);
            message.extend(u16::to_be_bytes(kind));
            message.extend(IN.to_be_bytes());
            message.extend(120_u32.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(data);
        }
        message
    }
}

fn labels(labels: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
