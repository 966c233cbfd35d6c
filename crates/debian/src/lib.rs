//! The built-in channel's Rust side: Debian's archive, seen from the operator's machine, and the builder in Nix's sandbox.
//!
//! Two halves that share formats: [`archive`] fetches what the mirrors have and verifies it, [`build`] turns it into store
//! paths. The binary `flk-debian` is [`build`] and nothing else. What both promise to the rest is in ARCHITECTURE.md.

pub mod archive;
pub mod control;
pub mod deb;
pub mod relation;
pub mod version;

mod builder;
mod error;

pub use builder::build;
pub use error::{Error, Result, Transport};
