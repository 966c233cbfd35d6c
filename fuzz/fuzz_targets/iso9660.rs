//! Everything that the reader of ISO 9660 does with an image, whatever the image is: no panic, no endless loop, bounded memory.
//!
//! `cargo xtask fuzz iso9660 --seconds 60`.

#![no_main]

use std::io::{Cursor, Read};

use flk_iso9660::{Image, Kind, Names, dump};
use libfuzzer_sys::fuzz_target;

/// Entries that are looked at; a small image can claim very many.
const ENTRIES: usize = 500;

fuzz_target!(|bytes: &[u8]| {
    for names in [Names::RockRidge, Names::Joliet, Names::Plain] {
        let Ok(mut image) = Image::open_as(Cursor::new(bytes), names) else {
            continue;
        };
        let _ = image.boot_images();
        let _ = image.disk_tables();
        let _ = image.find(b"/boot/grub/grub.cfg");
        let mut walk = image.walk();
        let mut files = Vec::new();
        for _ in 0..ENTRIES {
            match walk.next(&mut image) {
                Ok(Some((_, entry))) => files.push(entry),
                _ => break,
            }
        }
        for file in files.iter().filter(|entry| matches!(entry.kind, Kind::File)) {
            if let Ok(reader) = image.file(file) {
                let _ = reader.take(1 << 20).read_to_end(&mut Vec::new());
            }
        }
    }
    if bytes.len() < 1 << 20
        && let Ok(mut image) = Image::open(Cursor::new(bytes))
    {
        let _ = dump(&mut image);
    }
});
