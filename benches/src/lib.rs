//! What all benches do: say what they find, take medians, end with what went wrong.

use std::{env, io::Write, iter, process::ExitCode, time::Duration};

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
