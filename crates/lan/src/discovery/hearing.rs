//! Who was heard, and for how long that counts: at most [`MDNS_MAX`] senders and [`ECHO_MAX`] answers of one link.

use std::net::Ipv6Addr;
use std::time::Instant;

use super::{Discovery, ECHO_MAX, MDNS_MAX, SILENCE_MAX};
use crate::machine::Voice;
use crate::mdns::{self, Answer};

impl Discovery {
    /// Takes in an answer; `None` is an echo's.
    pub(super) fn hear(&mut self, from: (u32, Ipv6Addr), answer: Option<Answer>) -> bool {
        if !self.rounds.contains_key(&from.0) {
            return false;
        }
        if answer == Some(Answer::Goodbye) {
            let voice = self.voices.get_mut(&from);
            return voice.is_some_and(|voice| {
                voice.heard.mdns = false;
                std::mem::take(&mut voice.claim) != mdns::Claim::default()
            });
        }
        let is_new = !self.voices.contains_key(&from);
        if is_new && !self.make_room(from, answer.is_some()) {
            return false;
        }
        self.heard.insert(from, Instant::now());
        let voice = self.voices.entry(from).or_default();
        let before = voice.clone();
        match answer {
            Some(Answer::Here(claim)) => {
                voice.heard.mdns = true;
                voice.claim.merge(claim);
            }
            _ => voice.heard.echo = true,
        }
        let asks = voice.claim.instance.is_some() && voice.claim.key.is_none();
        if is_new && asks {
            let claim = voice.claim.clone();
            self.ask_for_service(&claim, from.1, from.0);
        }
        let voice = &self.voices[&from];
        is_new || before.heard != voice.heard || before.claim != voice.claim
    }

    /// Whether there is room for another sender. One whom the kernel knows takes the place of one whom it does not.
    fn make_room(&mut self, from: (u32, Ipv6Addr), is_mdns: bool) -> bool {
        let of_kind = |voice: &Voice| {
            if is_mdns {
                voice.heard.mdns && !voice.heard.echo
            } else {
                voice.heard.echo
            }
        };
        let most = if is_mdns { MDNS_MAX } else { ECHO_MAX };
        let range = (from.0, Ipv6Addr::UNSPECIFIED)..=(from.0, Ipv6Addr::from(u128::MAX));
        let same: Vec<Ipv6Addr> = self
            .voices
            .range(range)
            .filter(|(_, voice)| of_kind(voice))
            .map(|((_, address), _)| *address)
            .collect();
        if same.len() < most {
            return true;
        }
        let known = |address: Ipv6Addr| {
            self.neighbours
                .iter()
                .any(|entry| (entry.link, entry.address) == (from.0, address))
        };
        if !known(from.1) {
            return false;
        }
        let Some(other) = same.into_iter().find(|address| !known(*address)) else {
            return false;
        };
        self.voices.remove(&(from.0, other));
        self.heard.remove(&(from.0, other));
        true
    }

    pub(super) fn forget_the_silent(&mut self, now: Instant) -> bool {
        let before = self.heard.len();
        self.heard
            .retain(|_, at| now.saturating_duration_since(*at) < SILENCE_MAX);
        let heard = &self.heard;
        self.voices.retain(|from, _| heard.contains_key(from));
        let rounds = &self.rounds;
        let is_left = self
            .holders
            .forget(SILENCE_MAX, |link| rounds.contains_key(&link));
        self.heard.len() != before || is_left
    }
}
