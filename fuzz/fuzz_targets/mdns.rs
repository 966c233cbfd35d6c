//! Answers of multicast DNS, whatever is in the packet: no panic, texts short and fit for a terminal.
//!
//! `cargo xtask fuzz mdns --seconds 60`.

#![no_main]

use flk_lan::{Answer, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Some(Answer::Here(claim)) = answer(packet) else {
        return;
    };
    for text in [claim.instance, claim.name, claim.host, claim.build, claim.key]
        .into_iter()
        .flatten()
    {
        assert!(text.chars().count() <= 90, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
});
