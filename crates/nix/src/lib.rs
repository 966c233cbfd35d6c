//! Host → system → closure. The only crate that runs Nix.

mod closure;

pub use closure::{Closure, PathInfo};
