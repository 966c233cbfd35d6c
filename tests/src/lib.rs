//! A bench for whole machines: QEMU machines on links of their own, and the judges that look at them from outside.
//!
//! A test opens the bench ([`Bench::open`]), takes the image that all tests share ([`Fixture`]), makes a [`Link`], starts a
//! [`Machine`] on it and asks it over [`Ssh`], over mDNS ([`Avahi`]) or on its console. Whatever a test started ends with it.
//! The judges are other people's programs (ping, iproute2, avahi, OpenSSH), never flk's own code.
//!
//! For tests of single crates there are block devices ([`LoopDevice`]), also such that lie or go away ([`FaultyDisk`]).
//!
//! Not supported: other guests than x86-64, Windows or macOS as the operator's machine.

mod announcement;
mod avahi;
mod bench;
mod command;
mod console;
mod disk;
mod error;
mod esp;
mod faulty_disk;
mod fixture;
mod flk;
mod keeper;
mod link;
mod live_root;
mod loop_device;
mod mac;
mod machine;
mod medium;
mod mirror;
mod nix_root;
mod operator;
mod peer;
mod qemu;
mod qmp;
mod sample_iso;
mod shell;
mod ssh;
mod wait;
mod write_log;

pub use announcement::Announcement;
pub use avahi::{Avahi, Service};
pub use bench::{Bench, Need, can_prove};
pub use command::{Output, run};
pub use console::Console;
pub use disk::{DISK, Partitions, blank_disk, check_ext4, ext4_disk};
pub use error::BenchError;
pub use esp::{BootEntry, Esp};
pub use faulty_disk::{Fault, FaultyDisk};
pub use fixture::{Fixture, KeyPair, file_on_iso, init_git};
pub use flk::{Flk, binary};
pub use link::{INTERFACE, Link};
pub use live_root::LiveRoot;
pub use loop_device::LoopDevice;
pub use mac::Mac;
pub use machine::{Disk, Firmware, Machine, MachineOptions, Medium};
pub use medium::{FIND, listing};
pub use mirror::Mirror;
pub use nix_root::{Mode, NixRoot, RELEASES, Release, User};
pub use operator::{Operator, fingerprint};
pub use peer::Peer;
pub use sample_iso::{SAMPLE_VOLUME, noise, sample_iso};
pub use shell::Step;
pub use ssh::Ssh;
pub use wait::until;
pub use write_log::{Entry, WriteLog};
