//! What the binary carries: the flake `flk` and the templates.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
