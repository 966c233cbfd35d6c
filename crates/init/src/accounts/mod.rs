//! Users and groups: what the configuration declares, what the machine has, and the files between them.
//!
//! `passwd(5)`, `group(5)`, `shadow(5)`, `gshadow(5)`, `subuid(5)`, `subgid(5)`, with NixOS's rules for `users.users` and `users.groups`.

mod files;
mod ids;
mod merge;

pub use files::{Database, Entry, Lock, Table};
pub use ids::Ids;
pub use merge::{Merged, Stage, merge};
