//! flk.
fn main() {}
