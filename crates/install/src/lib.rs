//! A mounted root becomes an installed host, from what the live machine's store has.
//!
//! What destroys is two values: [`plan()`] looks, refuses, and writes nothing; [`execute()`] does what the [`Plan`] says, in an order in which a machine that
//! is cut off at any point boots either what it booted before or the whole new system:
//!
//! 1. each store path is copied under a temporary name, its NAR hash checked on the way, and renamed (`copy`);
//! 2. the file system is synced, the paths are registered through Nix, all at once, and it is synced again;
//! 3. the host's own ssh host key, the system profile's next generation, and another sync;
//! 4. the boot loader, by the system's own `bin/switch-to-configuration boot` in a chroot, as on any NixOS.
//!
//! A second run goes on where the first stopped: registered paths are trusted, others that are there are kept if their hash is right.
//!
//! Where this machine's store lacks something of the system, [`execute()`] is two calls, [`prepare`] and [`finish`], and between them the rest is brought
//! into the target's own store: built by Nix there, from what is copied. What that takes besides lies in the [`Workplace`] on the target.
//!
//! Not supported: encrypted or network roots as such (they are whatever is mounted); other machines than x86-64.

mod activation;
mod boot_loader;
mod copy;
mod error;
mod estimate;
mod execute;
mod facts;
mod fstab;
mod host_key;
mod mounts;
mod nar;
mod nix_store;
mod patch;
mod plan;
mod profile;
mod registration;
mod root;
mod system;
mod workplace;

pub use activation::{Action, activate};
pub use boot_loader::restart;
pub use error::Error;
pub use estimate::{Expected, estimate};
pub use execute::{Installed, Phase, Prepared, Progress, execute, finish, prepare};
pub use nar::nar_hash;
pub use plan::{Amount, Destination, Options, Origin, Plan, Rest, plan};
pub use profile::{Generation, Profile};
pub use registration::closure_of;
pub use root::{Room, TEMPORARY_PREFIX};
pub use system::{LoaderKind, System};
pub use workplace::Workplace;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
