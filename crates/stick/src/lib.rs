//! An image onto a stick: only what differs is written, all of it is read back, and nothing is written that was not meant.
//!
//! [`devices`] lists what can be meant, [`plan`] looks at the image and the target and refuses what must not be overwritten, [`execute`] writes:
//!
//! 1. The target is read and compared with the image; what is the same is not written again. A target that holds the image already is left as it is.
//! 2. The first MiB (MBR, GPT, boot catalogue) and the last one (the GPT's copy) are taken away, so nothing starts from here on. In their place are notes,
//!    another one on each page, by which the next run knows what was going on.
//! 3. What differs is written, and then everything, notes included, is read back from the device itself, past the page cache, and compared: a device that
//!    keeps two pages in one place is found out before any of it could start.
//! 4. Only then the end and, as the very last, the first sectors are written and read back.
//!
//! Devices are written by direct I/O (open(2), `O_DIRECT`), with several blocks in flight. Not supported: Windows and macOS; devices with sectors of more
//! than 4096 bytes; streams, and compressed or archived images, which are refused by their names.
//!
//! An image that has digests (`flk_image::Digests`) is checked against them whenever it is read, so none of it that is damaged is written, and before the
//! first MiB is written all of it has been read.

mod blocks;
mod buffer;
mod compare;
mod container;
mod device;
mod disk;
mod error;
mod execute;
mod gpt;
mod image;
mod inspect;
mod medium;
mod plan;
mod signature;
mod usage;
mod verify;

pub use compare::Run;
pub use device::{Bus, Content, Device, devices};
pub use disk::Disk;
pub use error::{Error, Result};
pub use execute::{Options, Phase, Progress, Written, execute, write_to};
pub use flk_squashfs::Extracted;
pub use image::Image;
pub use inspect::{
    BUILD, BootEntry, Difference, Inspection, Partition, Store, StorePath, extract, extract_folder,
    inspect,
};
pub use plan::{Found, Plan, Request, Target, plan};
pub use signature::Pool;
pub use usage::{Holder, Use};
pub use verify::{Damage, Verified, verify};

/// Bytes that are compared, written and read back at once.
pub(crate) const BLOCK: u64 = 1 << 20;
/// What makes a stick start lies within so many bytes: MBR, GPT and the volume's descriptors.
pub(crate) const HEAD: u64 = 1 << 20;
/// So many bytes at a device's end are the image's: old tables and signatures there are taken away.
pub(crate) const TAIL: u64 = 1 << 20;
/// Bytes to which positions and lengths of direct I/O are aligned, whatever a device's sectors are.
pub(crate) const PAGE: u64 = 4096;
