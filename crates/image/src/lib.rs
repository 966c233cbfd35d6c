//! Closure → ISO.
//!
//! [`Manifest::read`] reads what the Nix side says of a live system (ARCHITECTURE.md, "image.json, version 1"),
//! [`build_id`] names the image that follows from it, and [`write`] makes it:
//!
//! | on the ISO | what |
//! |---|---|
//! | `/nix-store.squashfs` | the closure; its root is the contents of `/nix/store` and `nix-path-registration` |
//! | the manifest's `contents` | kernel, initrd, boot loaders |
//! | `/devos` | the repository's tracked files |
//! | `/flk/build.json` | [`Build`] |
//! | `/flk/ssh_host_ed25519_key{,.pub}` | the live machine's ssh host key |
//!
//! The same input gives the same bytes, whatever the folder, the clock, the number of threads and the order on disk are.
//! No root, no loop device and no mount is needed.
//!
//! This crate is the boundary to the two programs that know the formats, `mksquashfs` and `xorriso`; nothing outside of
//! it knows that they exist.

mod build;
mod contents;
mod error;
mod layout;
mod manifest;
mod mksquashfs;
mod progress;
mod registration;
mod scratch;
mod stamp;
mod tool;
mod write;
mod xorriso;

pub use build::{Build, BuildId, build_id};
pub use error::Error;
pub use manifest::{BiosBoot, Boot, Compression, Content, EfiBoot, Manifest};
pub use progress::{Phase, Progress};
pub use registration::registration;
pub use stamp::{Stamp, stamp};
pub use write::{HostKey, Options, Written, write};
