//! `rd.live.check`: every byte of the medium by the digests that it carries, before anything is started from it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{InitError, Result};
use crate::log::Log;

/// How often it is said how far it has come.
const WORD: Duration = Duration::from_secs(3);
/// How many places of damage are told.
const TOLD: usize = 8;

/// Checks the medium on a device.
///
/// # Errors
/// [`InitError::Damaged`] with places and files; [`InitError::Unchecked`] when it cannot be read, or has no digests.
pub(super) fn check(device: &Path, log: &Log) -> Result<()> {
    log.notice("checking the medium");
    let mut said = Instant::now();
    let verified = flk_stick::verify(device, &mut |done, total| {
        if said.elapsed() >= WORD {
            said = Instant::now();
            let percent = done * 100 / total.max(1);
            log.notice(&format!("checking the medium: {percent} %"));
        }
    })
    .map_err(|source| InitError::Unchecked {
        device: device.to_owned(),
        source: Box::new(source),
    })?;
    if verified.damage.is_empty() {
        log.notice(&format!("the medium is whole: build {}", verified.build));
        return Ok(());
    }
    let mut places: Vec<String> = verified
        .damage
        .iter()
        .take(TOLD)
        .map(|damage| match damage.files.first() {
            Some(file) => format!("{file} (byte {})", damage.offset),
            None => format!("byte {}", damage.offset),
        })
        .collect();
    if verified.damage.len() > TOLD {
        places.push(format!("and {} more", verified.damage.len() - TOLD));
    }
    Err(InitError::Damaged {
        device: device.to_owned(),
        damage: places.join(", "),
    })
}
