//! Ssh host keys of live machines, and the pins by which an operator knows them again.
//!
//! A live machine's host key is derived from the operator's [`Secret`] and the ISO's build id, so that the same operator's
//! ISO of the same build is the same, bit for bit, while another operator's has another key. The operator keeps a [`Pin`]
//! for each build, and so knows the machine before it has booted for the first time.
//!
//! # What this protects from, and what it does not
//!
//! - Somebody on the link who answers in a live machine's place does not have its key: ssh with the pin refuses him. The
//!   name `HOST.local` and the address `fe80::47` prove nothing; the key does.
//! - **Who has the ISO, or the stick, has the private key** and can pose as that live machine. An ISO that is handed on, or
//!   published, must not be trusted by its pin any longer.
//! - Who has the operator's secret can compute the key of each of his builds, of which he knows the id. The secret stays on
//!   the operator's machine, mode 0600; it never goes into the Nix store or onto an ISO. From a key on an ISO the secret
//!   cannot be computed, nor the key of another build.
//! - The key is the live system's alone. An installed host makes its own.
//!
//! A machine's key is known by a proof ([`prove`]), and who it is by a verdict ([`judge`]): the live machine of a pin, a host
//! of the identities file ([`Identities`]), or nobody who is known.
//!
//! Who may log in is said by lines of authorized_keys, which [`authorized_keys`] reads.
//!
//! This crate gets all paths from its caller, and does not read the environment.

mod authorized_keys;
mod error;
mod exchange;
mod key;
mod known_hosts;
mod name;
mod pin;
mod registry;
mod secret;
mod store;
mod verdict;

pub use authorized_keys::{
    AuthorizedKey, KeyFault, authorized_key, authorized_keys, is_private_key, keys_of_file,
};
pub use error::Error;
pub use exchange::prove;
pub use key::{HostKey, fingerprint, is_encrypted};
pub use known_hosts::Expected;
pub use name::{bare, check_host, is_same_name, label};
pub use pin::{Login, Pin, Pins};
pub use registry::{IDENTITIES, Identities, Identity};
pub use secret::Secret;
pub use verdict::{Evidence, Verdict, judge};
