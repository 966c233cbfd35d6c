//! How much of the images came from the cache: `statistics.json` in its folder, counted over all images since the cache was made.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Cache;
use super::new_file::NewFile;

const STATISTICS: &str = "statistics.json";

/// What was found in a cache, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hits {
    /// Store paths that were found.
    pub found: u64,
    /// Their bytes, unpacked.
    pub found_bytes: u64,
    /// Store paths that had to be packed.
    pub missed: u64,
    /// Their bytes, unpacked.
    pub missed_bytes: u64,
}

impl Hits {
    /// Counts a store path.
    pub(crate) fn count(&mut self, found: bool, bytes: u64) {
        let (paths, sum) = match found {
            true => (&mut self.found, &mut self.found_bytes),
            false => (&mut self.missed, &mut self.missed_bytes),
        };
        *paths += 1;
        *sum += bytes;
    }
}

/// Of all images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How many images were made.
    pub images: u64,
    /// In all of them.
    pub all: Hits,
    /// In the last one.
    pub last: Hits,
}

impl Cache {
    /// What was found in it so far; zeros if that is not known.
    pub fn statistics(&self) -> Statistics {
        fs::read(self.statistics_file())
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Counts an image. One that ends at the same moment as another may be missing, or one for which the disk is full: it is for information only.
    pub(crate) fn count(&self, last: Hits) {
        let mut statistics = self.statistics();
        statistics.images += 1;
        statistics.all.found += last.found;
        statistics.all.found_bytes += last.found_bytes;
        statistics.all.missed += last.missed;
        statistics.all.missed_bytes += last.missed_bytes;
        statistics.last = last;
        let Ok(text) = serde_json::to_vec(&statistics) else {
            return;
        };
        let _ = NewFile::create(self.folder()).and_then(|new| {
            new.file().write_all(&text)?;
            new.put_in_place(STATISTICS)
        });
    }

    fn statistics_file(&self) -> PathBuf {
        self.folder().join(STATISTICS)
    }
}
