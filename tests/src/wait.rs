//! Waiting with a deadline: nothing on the bench waits for ever.

use crate::BenchError;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Tries `attempt` every half second until it gives a value, for at most `limit`.
///
/// # Errors
/// [`BenchError::TimedOut`] with `what` and the reason that the last attempt gave.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, BenchError> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(detail) if start.elapsed() >= limit => {
                return Err(BenchError::TimedOut {
                    what: what.into(),
                    after: limit,
                    detail,
                });
            }
            Err(_) => thread::sleep(Duration::from_millis(500)),
        }
    }
}
