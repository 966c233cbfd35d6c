//! The archive: which mirrors serve it, what is pinned of it, and how its files get here.
//!
//! A pin ([`Lock`]) names signed index files by their digests; the indices name every package's file by its digest. So what
//! is fetched by a pin is what the archive signed, from whatever mirror and over whatever transport.

mod client;
mod date;
mod download;
mod index;
mod lock;
mod mirror;
mod proxy;
mod release;
mod resolver;
mod signature;
mod update;

pub use client::Client;
pub use download::{Download, download};
pub use index::{IndexSource, write_index};
pub use lock::{Archive, Index, Lock};
pub use mirror::{MIRROR_VARIABLE, Mirrors, SECURITY_MIRROR_VARIABLE};
pub use proxy::Proxies;
pub use signature::Keyring;
pub use update::{Update, Updated, update};

use serde::{Deserialize, Serialize};

/// One file of a mirror, known by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct File {
    /// Which mirror serves it: `debian` or `debian-security`.
    pub mirror: String,
    /// Its path, relative to that mirror's base address.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The name that it has in the Nix store.
    pub name: String,
}

impl File {
    /// The store name of a package's file: the last part of its path, with what a store name cannot have replaced by `-`.
    pub fn package_name(path: &str) -> String {
        path.rsplit('/')
            .next()
            .unwrap_or(path)
            .chars()
            .map(|character| match character {
                'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '.' | '_' | '?' | '=' | '-' => character,
                _ => '-',
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_names_have_no_tilde() {
        assert_eq!(
            File::package_name("pool/main/s/systemd/udev_257.13-1~deb13u1_amd64.deb"),
            "udev_257.13-1-deb13u1_amd64.deb"
        );
        assert_eq!(File::package_name("a_1%3a2+b_all.deb"), "a_1-3a2+b_all.deb");
    }
}
