//! Messages of multicast DNS (RFC 6762) and DNS-SD (RFC 6763): the questions that flk asks, and what it takes from answers.
//!
//! An answer speaks for its sender alone: nobody answers for another machine on the link. So of all records only those of one
//! service `_flk._tcp` are taken, and names, each with bounds; of the addresses in records only `fe80::47` and, of who
//! speaks as that, his own say something.
//! Records are read by `simple-dns`, of which the number is checked before.
//!
//! Not supported: answers that are spread over several packets by the TC bit, services of subtypes.

use std::net::Ipv6Addr;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use crate::{ALIAS, InterfaceId};

/// Where questions go: `ff02::fb`, port 5353 (RFC 6762, section 3).
pub(crate) const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The port of multicast DNS.
pub(crate) const PORT: u16 = 5353;

/// The service that live machines announce.
const SERVICE: &str = "_flk._tcp.local";
/// A message's greatest length (RFC 6762, section 17).
pub(crate) const MESSAGE_MAX: usize = 9000;
/// Bytes of a header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
/// A machine needs five records or so; who sends more than this has something else to say.
const RECORDS_MAX: usize = 64;
/// Characters that are kept of a text from the network; a fingerprint has 50, a name 63.
const TEXT_MAX: usize = 80;
/// Names in one question.
const NAMES_MAX: usize = 16;

/// What a machine says of itself. Nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The name of its service `_flk._tcp`, by custom the host's; `None`: it announces none.
    pub instance: Option<String>,
    /// Its name, such as `NixOS.local`, which may have been changed by a conflict.
    pub name: Option<String>,
    /// The host that it says it is the live machine of.
    pub host: Option<String>,
    /// The build of its ISO.
    pub build: Option<String>,
    /// The fingerprint of its ssh host key.
    pub key: Option<String>,
    /// Whether `fe80::47` is among the addresses that it gives for its name; `None`: it gives none.
    pub holds_alias: Option<bool>,
    /// The EUI-64 address that it gives for its name. Who speaks as `fe80::47` may be one of two, and says by it which.
    pub address: Option<Ipv6Addr>,
}

impl Claim {
    /// Takes in what a later answer says.
    pub(crate) fn merge(&mut self, later: Claim) {
        for (mine, theirs) in [
            (&mut self.instance, later.instance),
            (&mut self.name, later.name),
            (&mut self.host, later.host),
            (&mut self.build, later.build),
            (&mut self.key, later.key),
        ] {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
        self.holds_alias = later.holds_alias.or(self.holds_alias);
        self.address = later.address.or(self.address);
    }
}

/// What an answer says about its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Here(Claim),
    /// Its service ends (RFC 6762, section 10.1).
    Goodbye,
}

/// Reads a packet; `None` when it is no answer, says nothing of interest, or is not well-formed. Never panics.
pub fn answer(packet: &[u8]) -> Option<Answer> {
    let records: usize = packet
        .get(4..HEADER)?
        .chunks_exact(2)
        .map(|count| usize::from(u16::from_be_bytes([count[0], count[1]])))
        .sum();
    if packet.len() > MESSAGE_MAX || records > RECORDS_MAX {
        return None;
    }
    let packet = Packet::parse(packet).ok()?;
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let service = Name::new(SERVICE).ok()?;
    let mut claim = Claim::default();
    let records = packet.answers.iter().chain(&packet.additional_records);
    for record in records.filter(|record| record.class == CLASS::IN) {
        if is_goodbye(record, &service) {
            return Some(Answer::Goodbye);
        }
        read(record, &service, &mut claim);
    }
    (claim != Claim::default()).then_some(Answer::Here(claim))
}

fn is_goodbye(record: &ResourceRecord<'_>, service: &Name<'_>) -> bool {
    record.ttl == 0 && (record.name == *service || record.name.is_subdomain_of(service))
}

fn read(record: &ResourceRecord<'_>, service: &Name<'_>, claim: &mut Claim) {
    let name = &record.name;
    match &record.rdata {
        RData::PTR(pointer) if name == service => {
            claim.instance = claim.instance.take().or(instance(&pointer.0, service));
        }
        RData::SRV(location) if name.is_subdomain_of(service) => {
            claim.instance = claim.instance.take().or(instance(name, service));
            claim.name = host_name(&location.target).or(claim.name.take());
        }
        RData::TXT(pairs) if name.is_subdomain_of(service) => {
            claim.instance = claim.instance.take().or(instance(name, service));
            for (key, value) in pairs.iter_raw() {
                let place = match key {
                    b"host" => &mut claim.host,
                    b"build" => &mut claim.build,
                    b"key" => &mut claim.key,
                    _ => continue,
                };
                // Of several pairs with one key the first counts (RFC 6763, section 6.4).
                *place = place.take().or(value.map(text));
            }
        }
        RData::AAAA(record) => {
            claim.name = claim.name.take().or(host_name(name));
            let address = Ipv6Addr::from(record.address);
            claim.holds_alias = Some(address == ALIAS || claim.holds_alias == Some(true));
            let is_own = address.is_unicast_link_local() && InterfaceId::of(address).mac().is_ok();
            claim.address = claim.address.or(is_own.then_some(address));
        }
        RData::A(_) => {
            claim.name = claim.name.take().or(host_name(name));
        }
        _ => {}
    }
}

/// The part before the service: one label, which may have any characters.
fn instance(name: &Name<'_>, service: &Name<'_>) -> Option<String> {
    let labels = name.get_labels();
    let [first, rest @ ..] = labels else {
        return None;
    };
    (rest == service.get_labels()).then(|| text(first.as_ref()))
}

/// `NixOS.local`: two labels.
fn host_name(name: &Name<'_>) -> Option<String> {
    match name.get_labels() {
        [host, _] if name.is_link_local() => Some(format!("{}.local", text(host.as_ref()))),
        _ => None,
    }
}

/// As it may be shown on a terminal: cut, and without anything that moves a cursor or turns the direction of writing.
fn text(bytes: &[u8]) -> String {
    let shown = |c: char| {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || turns {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let bytes = &bytes[..bytes.len().min(4 * TEXT_MAX)];
    String::from_utf8_lossy(bytes)
        .chars()
        .take(TEXT_MAX)
        .map(shown)
        .collect()
}

/// Asks for live machines, and for machines of these names (`NixOS` for `NixOS.local`), of which the first 16 count.
pub(crate) fn question(names: &[String]) -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    let mut ask = |name: Name<'static>, kind: TYPE| {
        packet.questions.push(Question::new(
            name,
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            true,
        ));
    };
    if let Ok(service) = Name::new(SERVICE) {
        ask(service, TYPE::PTR);
    }
    for name in names.iter().take(NAMES_MAX) {
        if let Ok(name) = Name::new(&format!("{name}.local")) {
            ask(name.into_owned(), TYPE::AAAA);
        }
    }
    packet.build_bytes_vec().unwrap_or_default()
}

/// Asks for the records of one service, where an answer named it alone.
pub(crate) fn question_of(instance: &str) -> Option<Vec<u8>> {
    let service = Name::new(SERVICE).ok()?;
    let mut labels = vec![simple_dns::Label::new(instance.as_bytes()).ok()?];
    labels.extend(service.get_labels().iter().cloned());
    let mut packet = Packet::new_query(0);
    for kind in [TYPE::SRV, TYPE::TXT] {
        packet.questions.push(Question::new(
            Name::new_with_labels(&labels),
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            true,
        ));
    }
    packet.build_bytes_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::rdata::{AAAA, PTR, SRV, TXT};

    const INSTANCE: &str = "NixOS._flk._tcp.local";

    fn record(name: &'static str, ttl: u32, rdata: RData<'static>) -> ResourceRecord<'static> {
        ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, ttl, rdata)
    }

    fn announcement(ttl: u32) -> Packet<'static> {
        let mut packet = Packet::new_reply(0);
        let instance = || Name::new(INSTANCE).unwrap();
        packet
            .answers
            .push(record(SERVICE, ttl, RData::PTR(PTR(instance()))));
        let txt = TXT::new()
            .with_string("host=NixOS")
            .and_then(|txt| txt.with_string("build=00112233445566778899aabbccddeeff"))
            .and_then(|txt| txt.with_string("key=SHA256:abc"))
            .and_then(|txt| txt.with_string("key=SHA256:second"))
            .unwrap();
        let location = SRV {
            priority: 0,
            weight: 0,
            port: 22,
            target: Name::new("NixOS2.local").unwrap(),
        };
        let address = AAAA {
            address: u128::from(ALIAS),
        };
        packet.additional_records = vec![
            record(INSTANCE, ttl, RData::SRV(location)),
            record(INSTANCE, ttl, RData::TXT(txt)),
            record("NixOS2.local", ttl, RData::AAAA(address)),
        ];
        packet
    }

    #[test]
    fn an_announcement_says_what_is_claimed() {
        let bytes = announcement(120).build_bytes_vec_compressed().unwrap();
        let claim = Claim {
            instance: Some("NixOS".into()),
            name: Some("NixOS2.local".into()),
            host: Some("NixOS".into()),
            build: Some("00112233445566778899aabbccddeeff".into()),
            key: Some("SHA256:abc".into()),
            holds_alias: Some(true),
            address: None,
        };
        assert_eq!(answer(&bytes), Some(Answer::Here(claim)));
        let goodbye = announcement(0).build_bytes_vec_compressed().unwrap();
        assert_eq!(answer(&goodbye), Some(Answer::Goodbye));
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        assert_eq!(answer(&question(&["NixOS".into()])), None);
        assert_eq!(answer(&question_of("NixOS").unwrap()), None);
        assert_eq!(answer(b""), None);
        let whole = announcement(120).build_bytes_vec_compressed().unwrap();
        for end in 0..whole.len() {
            assert_eq!(answer(&whole[..end]), None, "cut at {end}");
        }
        // A count that promises more than a packet can hold must not even be made room for.
        let mut many = whole;
        many[6..8].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(answer(&many), None);
    }

    #[test]
    fn a_later_answer_says_who_holds_the_alias_now() {
        let own = u128::from("fe80::5054:ff:fe12:3456".parse::<Ipv6Addr>().unwrap());
        let said = |addresses: &[u128]| {
            let mut packet = Packet::new_reply(0);
            packet.answers = addresses
                .iter()
                .map(|&address| record("NixOS.local", 120, RData::AAAA(AAAA { address })))
                .collect();
            match answer(&packet.build_bytes_vec_compressed().unwrap()) {
                Some(Answer::Here(claim)) => claim,
                other => panic!("{other:?}"),
            }
        };
        let alias = u128::from(ALIAS);
        let mut claim = said(&[alias, own]);
        assert_eq!(claim.holds_alias, Some(true));
        assert_eq!(claim.address, Some(Ipv6Addr::from(own)));
        claim.merge(Claim::default());
        assert_eq!(claim.holds_alias, Some(true));
        claim.merge(said(&[own]));
        assert_eq!(claim.holds_alias, Some(false));
    }

    #[test]
    fn a_crowd_of_records_is_not_read() {
        let with = |count: usize| {
            let mut packet = Packet::new_reply(0);
            let address = u128::from(ALIAS);
            packet.answers = (0..count)
                .map(|_| record("NixOS.local", 120, RData::AAAA(AAAA { address })))
                .collect();
            answer(&packet.build_bytes_vec_compressed().unwrap())
        };
        assert!(with(RECORDS_MAX).is_some());
        assert_eq!(with(RECORDS_MAX + 1), None);
    }

    #[test]
    fn texts_cannot_write_over_the_terminal() {
        assert_eq!(text(b"a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(text("x\u{202e}y".as_bytes()), "x\u{fffd}y");
        assert_eq!(text(&[0xff; 4000]).chars().count(), TEXT_MAX);
    }

    #[test]
    fn damaged_answers_never_panic() {
        // Seeded, so that a failure can be had again.
        let mut random = fastrand::Rng::with_seed(47);
        let whole = announcement(120).build_bytes_vec_compressed().unwrap();
        for _ in 0..200_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..=6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            let _ = answer(&bytes);
        }
    }

    #[test]
    fn a_question_asks_for_the_service_and_the_names() {
        let names: Vec<String> = (0..40).map(|n| format!("h{n}")).collect();
        let bytes = question(&names);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.questions.len(), 1 + NAMES_MAX);
        assert!(packet.questions.iter().all(|asked| asked.unicast_response));
        assert_eq!(packet.questions[1].qname, Name::new("h0.local").unwrap());
        // A dot inside the service's name is one label's.
        let bytes = question_of("a.b").unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.questions[0].qname.get_labels().len(), 4);
    }
}
