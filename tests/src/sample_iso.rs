//! A small ISO with nothing in it that runs: what is written to sticks where no machine is started from them.

use flk_iso9660::{Attributes, Content, Disk, EfiBoot, Guid, Options, Time, Tree};
use std::{fs::File, path::Path};

use crate::BenchError;

/// The volume's name of a sample.
pub const SAMPLE_VOLUME: &str = "flk-Sample";

/// Bytes that do not compress and do not repeat, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes an ISO of about 6 MB that starts a machine by UEFI, as far as its tables say. Its build id is `number`, in 32 digits; of two with other numbers,
/// 100 kB differ.
///
/// # Errors
/// When the file cannot be written.
pub fn sample_iso(path: &Path, number: u64) -> Result<(), BenchError> {
    let at = |mode| Attributes::root(mode, Time(1));
    let failed = |error: flk_iso9660::Error| BenchError::Understand {
        what: "the sample ISO".into(),
        text: error.to_string(),
    };
    let mut tree = Tree::new(at(0o755));
    for (name, bytes) in [
        ("/boot/efi.img", noise(1, 1 << 20)),
        ("/a", noise(2, 2 << 20)),
        ("/b", noise(100 + number, 100_000)),
        ("/c", noise(3, (2 << 20) + 5000)),
    ] {
        tree.insert_file(name.as_bytes(), at(0o444), Content::bytes(bytes))
            .map_err(failed)?;
    }
    let mut options = Options::new(SAMPLE_VOLUME);
    options.application_id = format!("FLK BUILD={number:032x} KEY=00");
    options.boot.efi = Some(EfiBoot {
        image: b"/boot/efi.img".to_vec(),
    });
    options.boot.disk = Some(Disk {
        guid: Guid::of_digest([7; 16]),
        code: None,
    });
    let mut file = File::create(path).map_err(BenchError::file(path))?;
    flk_iso9660::write(&tree, &options, &mut file).map_err(failed)?;
    Ok(())
}
