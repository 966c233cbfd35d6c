//! The search's bounds, without a link.

use super::*;

/// A search that hears nothing by itself: there is no link in it.
fn deaf() -> Discovery {
    let mut discovery = Discovery::open(DiscoveryOptions::default()).unwrap();
    discovery.links = Vec::new();
    discovery.neighbours = Vec::new();
    discovery.voices.clear();
    discovery.rounds = BTreeMap::from([(
        7,
        Round {
            count: 0,
            next: Instant::now() + SILENCE_MAX,
        },
    )]);
    discovery
}

fn from(n: u16) -> (u32, Ipv6Addr) {
    (7, Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 2, 3, n))
}

fn claim() -> Option<Answer> {
    Some(Answer::Here(mdns::Claim {
        key: Some("SHA256:x".into()),
        ..mdns::Claim::default()
    }))
}

#[test]
fn a_crowd_of_senders_has_its_bounds_and_known_ones_have_a_place() {
    let mut discovery = deaf();
    for n in 0..10_000 {
        discovery.hear(from(n), claim());
    }
    assert_eq!(discovery.voices.len(), MDNS_MAX);
    // Who answered an echo is not of the crowd.
    assert!(discovery.hear(from(20_000), None));
    assert!(discovery.hear(from(20_000), claim()));
    // Nor is who is in the kernel's table.
    let mac = crate::Mac([2, 0, 0, 0, 0, 1]);
    discovery.neighbours.push(Neighbour {
        link: 7,
        address: from(30_000).1,
        mac,
    });
    assert!(discovery.hear(from(30_000), claim()));
    assert!(discovery.voices.contains_key(&from(30_000)));
    assert!(!discovery.hear(from(30_001), claim()));
    assert_eq!(discovery.voices.len(), MDNS_MAX + 1);
    for n in 40_000..50_000 {
        discovery.hear(from(n), None);
    }
    assert!(discovery.voices.len() <= MDNS_MAX + ECHO_MAX);
    // Another link is none of this search's.
    assert!(!discovery.hear((8, from(1).1), None));
}

#[test]
fn a_goodbye_ends_the_claim_and_silence_ends_all() {
    let mut discovery = deaf();
    assert!(discovery.hear(from(1), claim()));
    assert!(!discovery.hear(from(1), claim()), "nothing new");
    assert!(discovery.hear(from(1), Some(Answer::Goodbye)));
    assert!(!discovery.hear(from(1), Some(Answer::Goodbye)));
    assert_eq!(discovery.voices[&from(1)].claim, mdns::Claim::default());
    assert!(!discovery.forget_the_silent(Instant::now()));
    assert!(discovery.forget_the_silent(Instant::now() + SILENCE_MAX));
    assert!(discovery.voices.is_empty());
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let options = DiscoveryOptions {
        interfaces: vec!["flk-none".into()],
        ..DiscoveryOptions::default()
    };
    let error = Discovery::open(options).unwrap_err();
    assert_eq!(error.to_string(), "there is no link flk-none");
}

#[test]
fn two_who_speak_as_the_alias_are_two() {
    let own = from(1).1;
    let says = |address| {
        Answer::Here(mdns::Claim {
            address,
            ..mdns::Claim::default()
        })
    };
    assert_eq!(speaker(ALIAS, &says(Some(own))), own);
    assert_eq!(speaker(ALIAS, &says(None)), ALIAS);
    assert_eq!(speaker(ALIAS, &Answer::Goodbye), ALIAS);
    // Under its own address nobody speaks for another.
    assert_eq!(speaker(from(2).1, &says(Some(own))), from(2).1);
}
