//! `flk cache`: what flk keeps of packed store paths, and what is to stay.

use std::time::{Duration, SystemTime};

use clap::Subcommand;
use flk_image::{Hits, Keep};
use serde_json::json;

use crate::{
    error::{Failure, Result},
    image,
    place::Places,
    ui,
};

const DAY: u64 = 24 * 60 * 60;

/// Show or prune the cache of packed store paths.
///
/// What `flk iso` has compressed once it copies into the next image. Whatever is in the cache, images have the same bytes. It keeps itself
/// below a size: what was not used for longest goes first.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Remove what is not to stay; without an option, everything.
    Prune {
        /// Keep so much, of what was used last: a number of bytes, or with K, M, G (powers of 1000).
        #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "older")]
        keep: Option<u64>,
        /// Remove what was not used for so many days.
        #[arg(long, value_name = "DAYS")]
        older: Option<u32>,
        /// Print what was removed as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let cache = image::open_cache(&Places::find()?)?;
    let Some(Verb::Prune { keep, older, json }) = args.verb else {
        return show(&cache, args.json);
    };
    let keep = match (keep, older) {
        (Some(bytes), _) => Keep::Bytes(bytes),
        (None, Some(days)) => {
            let age = Duration::from_secs(u64::from(days) * DAY);
            Keep::Since(
                SystemTime::now()
                    .checked_sub(age)
                    .ok_or_else(|| Failure::new(format!("{days} days ago there was no time")))?,
            )
        }
        (None, None) => Keep::Bytes(0),
    };
    let pruned = cache.prune(keep)?;
    let left = cache.summary()?;
    if json || args.json {
        ui::data(serde_json::to_string_pretty(&json!({
            "removed": pruned.entries,
            "removedBytes": pruned.bytes,
            "entries": left.entries,
            "bytes": left.bytes,
        }))?);
        return Ok(());
    }
    ui::data(format_args!(
        "removed {}, {}; {} left, {}",
        ui::count(pruned.entries as usize, "store path"),
        ui::bytes(pruned.bytes),
        left.entries,
        ui::bytes(left.bytes)
    ));
    Ok(())
}

fn show(cache: &flk_image::Cache, json: bool) -> Result<()> {
    let summary = cache.summary()?;
    let statistics = cache.statistics();
    let age = summary.oldest.and_then(|oldest| oldest.elapsed().ok());
    if json {
        let hits = |hits: Hits| {
            json!({
                "fromCache": hits.found, "fromCacheBytes": hits.found_bytes,
                "new": hits.missed, "newBytes": hits.missed_bytes, "hitRate": rate(hits),
            })
        };
        ui::data(serde_json::to_string_pretty(&json!({
            "path": cache.folder(),
            "entries": summary.entries,
            "bytes": summary.bytes,
            "limitBytes": cache.limit(),
            "oldestUseSeconds": age.map(|age| age.as_secs()),
            "images": statistics.images,
            "all": hits(statistics.all),
            "last": hits(statistics.last),
        }))?);
        return Ok(());
    }
    ui::data(format_args!("{}", cache.folder().display()));
    ui::data(format_args!(
        "{}, {} of at most {}",
        ui::count(summary.entries as usize, "packed store path"),
        ui::bytes(summary.bytes),
        ui::bytes(cache.limit())
    ));
    if let Some(age) = age {
        ui::data(format_args!(
            "used last: the oldest {} ago",
            ui::count((age.as_secs() / DAY) as usize, "day")
        ));
    }
    if let Some(rate) = rate(statistics.last) {
        ui::data(format_args!(
            "of the last image's bytes {:.0} % came from it, of all {}'s {:.0} %",
            rate * 100.0,
            ui::count(statistics.images as usize, "image"),
            self::rate(statistics.all).unwrap_or(0.0) * 100.0
        ));
    }
    Ok(())
}

/// How much of the unpacked bytes came from the cache, 0 to 1; nothing where there were none.
fn rate(hits: Hits) -> Option<f64> {
    let all = hits.found_bytes + hits.missed_bytes;
    (all > 0).then(|| hits.found_bytes as f64 / all as f64)
}

/// `500M`, `2G`, `123456`.
fn size(text: &str) -> Result<u64, String> {
    let unit = match text.trim_end_matches(['B', 'b']).chars().last() {
        Some('K' | 'k') => 1_000,
        Some('M' | 'm') => 1_000_000,
        Some('G' | 'g') => 1_000_000_000,
        _ => 1,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_plain = text.len() - digits.len() <= if unit == 1 { 0 } else { 2 };
    digits
        .parse::<u64>()
        .ok()
        .filter(|_| is_plain)
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "a size is a number of bytes, or one with K, M or G, as in 500M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("123456", 123_456),
            ("500M", 500_000_000),
            ("2GB", 2_000_000_000),
            ("10k", 10_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1.5G", "5X", "-1", "99999999999G", "5GBB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
