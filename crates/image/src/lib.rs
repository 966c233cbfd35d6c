//! Closure → ISO.
//!
//! [`Manifest::read`] reads what the Nix side says of a live system (ARCHITECTURE.md, "image.json, version 1"),
//! [`build_id`] names the image that follows from it, and [`write()`] makes it:
//!
//! | on the ISO | what |
//! |---|---|
//! | `/nix-store.squashfs` | the closure; its root is the contents of `/nix/store` and `nix-path-registration` |
//! | the manifest's `contents` | kernel, initrd, boot loaders |
//! | `/devos` | the repository's tracked files |
//! | `/flk/build.json` | [`Build`] |
//! | `/flk/digests` | [`Digests`] |
//! | `/flk/ssh_host_ed25519_key{,.pub}` | the live machine's ssh host key |
//!
//! The same input gives the same bytes, whatever the folder, the clock, the number of threads and the order on disk are.
//! No root, no loop device and no mount is needed.
//!
//! The ISO is written in one pass: its metadata's place, the contents, the store image straight into its place, its digests. What was packed
//! once comes from the [`Cache`], if there is one. The formats are `flk-squashfs`'s and `flk-iso9660`'s.

mod build;
mod cache;
mod contents;
pub mod digests;
mod error;
mod file_name;
mod iso;
mod layout;
mod manifest;
mod nar;
mod order;
mod packed;
mod plain;
mod progress;
mod registration;
mod scratch;
mod stamp;
mod store_image;
mod write;
mod write_back;

pub use build::{Build, BuildId, Revision, build_id};
pub use cache::{Cache, Hits, Keep, Pruned, Statistics, Summary};
pub use digests::{BLOCK as DIGEST_BLOCK, Digests};
pub use error::Error;
pub use file_name::FileName;
pub use manifest::{BiosBoot, Boot, Compression, Content, EfiBoot, Manifest};
pub use nar::{NarHasher, nar_hash};
pub use plain::pack_folder;
pub use progress::{Phase, Progress};
pub use registration::{parse_registration, registration};
pub use scratch::workplace;
pub use stamp::{Stamp, stamp};
pub use write::{HostKey, Options, Written, write};
