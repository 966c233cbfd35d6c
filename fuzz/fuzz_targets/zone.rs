//! Link-local addresses with zones, and MAC addresses: what is parsed is printed so that it is parsed to the same again.
//!
//! `cargo xtask fuzz zone --seconds 60`.

#![no_main]

use flk_lan::{InterfaceId, LinkLocal, Mac};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = text.parse::<LinkLocal>() {
        assert_eq!(address.to_string().parse(), Ok(address.clone()));
        let id = InterfaceId::of(address.address());
        if let Ok(mac) = id.mac() {
            assert_eq!(mac.interface_id(), Ok(id));
        }
    }
    if let Ok(mac) = text.parse::<Mac>() {
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }
});
