//! Making an ISO of a closure, as the user sees it, and the cache that makes it fast.

use std::path::Path;

use flk_image::{Cache, Manifest, Options, Progress, Written};
use serde_json::{Value, json};

use crate::{
    error::{Context, Result},
    interruption::Debris,
    place::Places,
    ui::{self, Phase, Unit},
};

/// How much the cache of packed store paths keeps, in bytes: some ten images of the template's size.
pub(crate) const CACHE_LIMIT: u64 = 4_000_000_000;
/// Its folder among those of flk's cache.
const CACHE: &str = "packed";

/// The cache of packed store paths, which nothing depends on: where there is none, that is said.
pub(crate) fn cache(places: &Places) -> Option<Cache> {
    match open_cache(places) {
        Ok(cache) => Some(cache),
        Err(error) => {
            ui::note(format_args!(
                "note: every store path is packed anew, for {error}"
            ));
            None
        }
    }
}

/// The cache of packed store paths.
pub(crate) fn open_cache(places: &Places) -> Result<Cache, flk_image::Error> {
    Cache::open(&places.cache_folder(CACHE), CACHE_LIMIT)
}

/// Makes the ISO and says how far it is.
pub(crate) fn write(
    manifest: &Manifest,
    closure: &flk_nix::Closure,
    options: &Options,
    out: &Path,
) -> Result<Written> {
    let mut phases = Phases::default();
    let _debris = Debris::at(flk_image::workplace(out));
    let written = flk_image::write(manifest, closure, options, out, &mut |progress| {
        phases.tell(progress);
    })
    .context(|| format!("cannot make {}", out.display()))?;
    phases.finish();
    if !written.reused && options.cache.is_some() {
        let hits = written.hits;
        ui::detail(format_args!(
            "{} of {} came from the cache of packed store paths",
            hits.found,
            ui::count((hits.found + hits.missed) as usize, "store path")
        ));
    }
    if let Some(why) = &written.not_kept {
        ui::note(format_args!(
            "note: not everything is kept for the next image: {why}"
        ));
    }
    if written.pruned.entries > 0 {
        ui::note(format_args!(
            "note: the cache of packed store paths keeps at most {}: {}, {}, that were not used for longest are removed",
            ui::bytes(CACHE_LIMIT),
            ui::count(written.pruned.entries as usize, "store path"),
            ui::bytes(written.pruned.bytes)
        ));
    }
    Ok(written)
}

/// For `--json`: how much was packed, and how much came from the cache.
pub(crate) fn hits(written: &Written) -> Value {
    let hits = written.hits;
    json!({
        "fromCache": hits.found,
        "fromCacheBytes": hits.found_bytes,
        "new": hits.missed,
        "newBytes": hits.missed_bytes,
    })
}

/// The phase that the user sees.
#[derive(Default)]
pub(crate) struct Phases(Option<(flk_image::Phase, Phase)>);

impl Phases {
    /// Shows what flk-image reports.
    pub(crate) fn tell(&mut self, progress: Progress) {
        let is_new = self
            .0
            .as_ref()
            .is_none_or(|(current, _)| *current != progress.phase);
        if is_new {
            self.end_one();
            let name = match progress.phase {
                flk_image::Phase::Compress => "pack",
                flk_image::Phase::Wrap => "wrap",
                flk_image::Phase::Sync => "sync",
            };
            self.0 = Some((progress.phase, Phase::start(name, Unit::Bytes)));
        }
        if let Some((_, phase)) = &mut self.0 {
            phase.set(progress.done, progress.total);
        }
    }

    /// All is done.
    pub(crate) fn finish(mut self) {
        self.end_one();
    }

    fn end_one(&mut self) {
        if let Some((_, phase)) = self.0.take() {
            let total = ui::bytes(phase.total());
            phase.finish(total);
        }
    }
}
