//! Host → system → closure. The only crate that runs Nix.
//!
//! It calls the machine's own `nix` and `nix-store` (2.8 or newer, the local store or the daemon) and reads their JSON: evaluation in
//! pure mode, what a build would do, the build itself with its progress, closures, garbage-collector roots, and files put into the store;
//! and the same for the store of another root, where a system is installed.
//! Settings are given with each call; nothing of the user's configuration is written. `--store` of another machine is not supported:
//! what is built is read from `/nix/store`.

mod closure;
mod configuration;
mod derivation;
#[cfg(test)]
mod dialects;
mod error;
mod evaluate;
mod fault;
mod hash;
mod log;
mod names;
mod needs;
mod nix;
mod plan;
mod process;
mod realise;
mod request;
mod store;
mod target;
mod text;

pub use closure::{Closure, PathInfo};
pub use derivation::{ArchiveFile, Derivation};
pub use error::{BuildFailure, Error, Lacking, Result};
pub use evaluate::{FetchedFlake, Flake, FlakeSources};
pub use fault::{EvaluationFailure, Position, Step};
pub use hash::{nar_hash_hex, sri};
pub use log::Event;
pub use names::{PackageName, package_names};
pub use needs::{BuildGraph, Needs};
pub use nix::{Nix, Options, Version};
pub use plan::BuildPlan;
pub use process::{GIT_ENVIRONMENT, interrupt, is_interrupted, is_running};
pub use request::Request;
pub use target::TargetStore;
pub use text::{is_plain_in_url, percent_decode, quote};
