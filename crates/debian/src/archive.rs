//! The archive: which mirrors serve it, what is pinned of it, and how its files get here.

mod index;

pub use index::{IndexSource, write_index};
/// A file of the archive.
#[derive(Debug)]
pub struct File {
    /// Which of the machine's mirrors serves it.
    pub mirror: String,
    /// Relative to the mirror.
    pub path: String,
}
