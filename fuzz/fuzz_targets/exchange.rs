//! A server's side of ssh's key exchange, whatever it is: no panic, and nobody proves a key that way.
//!
//! `cargo xtask fuzz exchange --seconds 60`.

#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;

struct Stream<'a>(&'a [u8]);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    assert!(flk_identity::prove(&mut Stream(bytes)).is_err());
});
