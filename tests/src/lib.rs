//! A bench for whole machines: QEMU machines on links of their own, and the judges that look at them from outside.
//!
//! A test opens the bench ([`Bench::open`]), takes the image that all tests share ([`Fixture`]), makes a [`Link`], starts a
//! [`Machine`] on it and asks it over [`Ssh`], over mDNS ([`Avahi`]) or on its console. Whatever a test started ends with it.
//! The judges are other people's programs (ping, iproute2, avahi, OpenSSH), never flk's own code.
//!
//! Not supported: other guests than x86-64, Windows or macOS as the operator's machine.

mod avahi;
mod bench;
mod command;
mod console;
mod error;
mod fixture;
mod flk;
mod link;
mod mac;
mod machine;
mod qmp;
mod ssh;
mod wait;

pub use avahi::{Avahi, Service};
pub use bench::{Bench, Need};
pub use command::{Output, run};
pub use console::Console;
pub use error::BenchError;
pub use fixture::{Fixture, KeyPair, file_on_iso, init_git};
pub use flk::{Flk, binary};
pub use link::{INTERFACE, Link};
pub use mac::Mac;
pub use machine::{Firmware, Machine, MachineOptions, Medium};
pub use ssh::Ssh;
pub use wait::until;
