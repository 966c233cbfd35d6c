//! Set up, demo, test, tidy.
fn main() {}
