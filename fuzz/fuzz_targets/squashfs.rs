//! Everything that the reader of squashfs does with an image, whatever the image is: no panic, no endless loop, bounded memory.
//!
//! `cargo xtask fuzz squashfs --seconds 60`.

#![no_main]

use std::io::Read;

use flk_squashfs::{Image, InodeKind, dump};
use libfuzzer_sys::fuzz_target;

/// Entries that are looked at; a small image can claim very many.
const ENTRIES: usize = 500;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::open(bytes) else {
        return;
    };
    let _ = dump(&image, ENTRIES, &mut String::new());
    let _ = image.codec_options();
    let _ = image.inode_by_number(1);
    let Ok(tree) = image.tree(ENTRIES) else {
        return;
    };
    // Whole only where it is known to be small: a hole may be as long as it likes.
    let mut size = 0u64;
    let _ = tree.try_map(|file| {
        size = size.saturating_add(file.size);
        let mut content = Vec::new();
        image
            .open_file(&file)
            .take(1 << 20)
            .read_to_end(&mut content)
    });
    if size < 64 << 20 {
        let _ = image.verify();
    }
    if let Ok(root) = image.root()
        && let InodeKind::Directory(directory) = &root.kind
    {
        for entry in image.entries(directory).take(ENTRIES).flatten() {
            let _ = image.lookup(directory, &entry.name);
        }
    }
});
