//! Whose turn it is: when a machine that lost the alias on a link tries again. No clock and no kernel of its own.
//!
//! Machines that lost must not try in step, or each would find the other's attempt forever: a kernel that hears another
//! node's detection for an address that it is detecting itself gives up, too (RFC 4862, section 5.4.3). So each waits for a
//! time that follows from its MAC and from how often it has tried.

use std::time::{Duration, Instant};

use crate::{AddressState, Mac};

/// Between two attempts at least, at most. The least is longer than a detection takes (2 s), so that a machine that is at it
/// is heard out.
const WAIT_MIN: Duration = Duration::from_millis(4000);
const WAIT_MAX: Duration = Duration::from_millis(6000);

/// What a look at the link has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Held,
    Lost,
}

/// A link's alias, as it was told last, and when to try again.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The alias was on the link at some time: without that, it is none of the keeper's links.
    seen: bool,
    told: Option<News>,
    attempts: u32,
    again: Option<Instant>,
}

impl Turn {
    /// Takes in what the kernel says of the alias.
    pub(crate) fn look(
        &mut self,
        alias: Option<AddressState>,
        mac: Mac,
        now: Instant,
    ) -> Option<News> {
        self.seen |= alias.is_some();
        let news = match alias {
            Some(AddressState::Held) => {
                self.attempts = 0;
                self.again = None;
                Some(News::Held)
            }
            Some(AddressState::Duplicate) => {
                self.schedule(mac, now);
                Some(News::Lost)
            }
            Some(AddressState::Tentative) => {
                self.again = None;
                None
            }
            None => {
                if self.seen {
                    self.schedule(mac, now);
                }
                None
            }
        };
        if news.is_none() || news == self.told {
            return None;
        }
        self.told = news;
        news
    }

    /// The link cannot carry the alias now; what happens to it there is no loss.
    pub(crate) fn pause(&mut self) {
        self.again = None;
    }

    /// When to try next.
    pub(crate) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Whether to try now; if so, the next attempt is scheduled, in case that this one changes nothing.
    pub(crate) fn take(&mut self, mac: Mac, now: Instant) -> bool {
        let due = self.again.is_some_and(|again| again <= now);
        if due {
            self.again = None;
            self.schedule(mac, now);
        }
        due
    }

    fn schedule(&mut self, mac: Mac, now: Instant) {
        if self.again.is_none() {
            self.again = Some(now + wait(mac, self.attempts));
            self.attempts = self.attempts.wrapping_add(1);
        }
    }
}

/// FNV-1a over the MAC and the attempt, spread over the range.
fn wait(mac: Mac, attempt: u32) -> Duration {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    for byte in mac.0.into_iter().chain(attempt.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    // The lower bits of FNV of short inputs are the better mixed ones only after a fold.
    let spread = (WAIT_MAX - WAIT_MIN).as_millis() as u64;
    WAIT_MIN + Duration::from_millis((hash ^ (hash >> 32)) % spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressState::{Duplicate, Held, Tentative};

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_loss_is_told_once_and_tried_again_until_it_is_held() {
        let start = Instant::now();
        let mut turn = Turn::default();
        assert_eq!(turn.look(Some(Tentative), MAC, start), None);
        assert_eq!(turn.look(Some(Duplicate), MAC, start), Some(News::Lost));
        assert_eq!(turn.look(Some(Duplicate), MAC, start), None);
        assert!(!turn.take(MAC, start + WAIT_MIN / 2));
        let again = turn.again().unwrap();
        assert!(again >= start + WAIT_MIN && again < start + WAIT_MAX);
        assert!(turn.take(MAC, again));
        assert!(!turn.take(MAC, again), "an attempt is not made twice");
        assert_eq!(turn.look(Some(Tentative), MAC, again), None);
        assert_eq!(turn.look(Some(Duplicate), MAC, again), None);
        let again = turn.again().unwrap();
        assert!(turn.take(MAC, again));
        assert_eq!(turn.look(Some(Held), MAC, again), Some(News::Held));
        assert_eq!(turn.look(Some(Held), MAC, again), None);
        assert_eq!(turn.again(), None);
    }

    #[test]
    fn an_alias_that_vanishes_comes_back_but_only_where_it_was() {
        let start = Instant::now();
        let mut foreign = Turn::default();
        assert_eq!(foreign.look(None, MAC, start), None);
        assert_eq!(foreign.again(), None);
        let mut own = Turn::default();
        assert_eq!(own.look(Some(Held), MAC, start), Some(News::Held));
        assert_eq!(own.look(None, MAC, start), None);
        assert!(own.again().is_some());
        // Somebody else, such as networkd, was faster.
        assert_eq!(own.look(Some(Tentative), MAC, start), None);
        assert_eq!(own.again(), None);
    }

    #[test]
    fn machines_do_not_try_in_step() {
        let others: Vec<Mac> = (0..50)
            .map(|last| Mac([0x52, 0x54, 0, 0x12, 0x34, last]))
            .collect();
        for pair in others.windows(2) {
            let apart = (0..4).any(|attempt| {
                wait(pair[0], attempt).abs_diff(wait(pair[1], attempt)) > Duration::from_millis(200)
            });
            assert!(apart, "{pair:?}");
        }
    }
}
