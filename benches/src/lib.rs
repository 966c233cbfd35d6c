//! What all benches do: say what they find, take medians, end with what went wrong.

use std::{
    env, fs,
    io::Write,
    iter,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use flk_tests::Fixture;

/// Why a bench could not go on.
pub type Failure = Box<dyn std::error::Error>;

/// What a bench's `main` returns: a failure is said with all that is behind it.
pub fn outcome(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let causes = iter::successors(failure.source(), |error| (*error).source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            say(&format!("error: {failure}{causes}"));
            ExitCode::FAILURE
        }
    }
}

/// The words that a user gave; Cargo's own flags come between.
pub fn words() -> impl Iterator<Item = String> {
    env::args().skip(1).filter(|word| !word.starts_with("--"))
}

/// A bench prints what it finds.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The time in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// `a` in times of `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// The `image.json` of the template's host: what `flk iso` has evaluated last, by the link that keeps it.
pub fn manifest_of(fixture: &Fixture) -> Result<PathBuf, Failure> {
    fixture
        .flk
        .run(&fixture.repository, &["iso", "NixOS"])?
        .success()?;
    let home = fixture.flk.command(&fixture.repository);
    let home = home.get_envs().find(|(name, _)| *name == "HOME");
    let home = home.and_then(|(_, value)| value).ok_or("flk has no HOME")?;
    let roots = Path::new(home).join(".cache/flk/roots");
    let mut newest = None;
    for entry in fs::read_dir(&roots)? {
        let link = entry?;
        let target = fs::read_link(link.path())?;
        let time = link.metadata()?.modified()?;
        let is_image = target.to_string_lossy().ends_with("-image.json");
        if is_image && newest.as_ref().is_none_or(|(then, _)| *then < time) {
            newest = Some((time, target));
        }
    }
    Ok(newest.ok_or("flk keeps no image.json")?.1)
}
