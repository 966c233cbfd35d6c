//! Stage 1 and stage 2 of the built-in channel: how a system comes up, from the initrd to systemd.
//!
//! One static program, PID 1 twice: as `/init` of the initrd ([`stage1`]) it finds and mounts the system, as `<toplevel>/init` ([`stage2`]) it gives the
//! root its shape (`/usr`, `/etc`, users, wrappers) and executes systemd; `flk-init activate <toplevel>` does the latter on a running system. As
//! `<toplevel>/bin/switch-to-configuration` it turns a running system into another ([`switch`]) and installs the boot loader ([`boot_loader`]).
//! ARCHITECTURE.md, "A system on the built-in channel", says what both promise. What is decided (which module, which superblock, which uid) is kept apart
//! from the system calls that carry it out.

pub mod accounts;
pub mod atomic_file;
pub mod block;
pub mod boot_loader;
pub mod cmdline;
pub mod config;
pub mod device;
pub mod devices;
pub mod error;
pub mod kernel_mounts;
pub mod log;
pub mod loop_device;
pub mod modules;
pub mod mount;
pub mod mount_options;
pub mod probe;
pub mod rescue;
pub mod root_path;
pub mod stage1;
pub mod stage2;
pub mod switch;
pub mod uevent;

pub use error::{InitError, Result};
