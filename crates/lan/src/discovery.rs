//! Looking for machines on the links: multicast DNS, ICMPv6 echo, the neighbour table and `fe80::47`, joined.
//!
//! Each link that is up is asked at once, and again in growing pauses (RFC 6762, section 5.2): all machines by multicast DNS,
//! over IPv6 and IPv4, and by an echo to `ff02::1`; `fe80::47` and the addresses that the caller knows by a question and an
//! echo of their own, so that the kernel looks for them and its neighbour table tells their cards. Of two machines that hold
//! `fe80::47` the table has one; the other is known by its own word, or by its answer to a solicitation. What cannot be asked,
//! for want of rights or of a free port, is left out, and [`Discovery::limits`] says so; but for solicitations, which are left
//! out without a word.
//!
//! Everything that comes from a link may be forged. A sender speaks for itself alone, of each link no more than
//! [`MDNS_MAX`] senders and [`ECHO_MAX`] answers are kept, and who has been heard in two ways stays when there is no room.
//!
//! While it looks, it has port 5353 together with the machine's own resolver, if that lets it. Not supported: machines that
//! have no IPv6 address.

mod hearing;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::echo::{ALL_NODES, Echo};
use crate::ipv4::Ipv4;
use crate::links::look;
use crate::machine::{Machine, Voices, fold};
use crate::mdns::{self, Answer};
use crate::neighbour::{Neighbour, cards, neighbours};
use crate::netlink::{Announcements, Netlink};
use crate::solicitation::{Holders, Solicitor};
use crate::udp::{send, udp};
use crate::{ALIAS, Error, Link};

/// Senders of multicast DNS that are kept of one link.
pub const MDNS_MAX: usize = 256;
/// Addresses that answered an echo that are kept of one link.
pub const ECHO_MAX: usize = 512;
/// Links that are looked at.
const LINKS_MAX: usize = 64;
/// Packets that are read before the rest of the work has its turn.
const PACKETS_AT_ONCE: usize = 64;
/// Senders whose services are asked for again in one round, when an answer named them alone.
const QUESTIONS_MAX: usize = 32;

/// Pauses between the rounds of questions; the last one stays. The first is short: a packet may be lost.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
    Duration::from_millis(5000),
    Duration::from_millis(15_000),
];
/// Who was not heard for this long is gone: three rounds.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// After something was heard, the kernel's table is read so much later: it has the sender by then.
const TABLE_DELAY: Duration = Duration::from_millis(15);

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryOptions {
    /// Only on links of these names; empty: on every link that is up.
    pub interfaces: Vec<String>,
    /// Machines whose names, `NAME.local`, are asked for.
    pub names: Vec<String>,
    /// Link-local addresses that are asked on every link.
    pub addresses: Vec<Ipv6Addr>,
}

/// A search, in the network namespace of the thread that began it.
pub struct Discovery {
    options: DiscoveryOptions,
    netlink: Netlink,
    announcements: Announcements,
    /// Asks, and gets the answers that come to it alone.
    mdns: UdpSocket,
    /// Hears what everybody hears; `None`: the port is somebody else's.
    group: Option<UdpSocket>,
    ipv4: Ipv4,
    echo: Option<Echo>,
    /// `None`: there is no right to it.
    solicitor: Option<Solicitor>,
    holders: Holders,
    links: Vec<Link>,
    rounds: BTreeMap<u32, Round>,
    voices: Voices,
    heard: BTreeMap<(u32, Ipv6Addr), Instant>,
    neighbours: Vec<Neighbour>,
    table_due: Option<Instant>,
    limits: Vec<String>,
}

/// How often a link was asked, and when it is asked next.
#[derive(Debug)]
struct Round {
    count: usize,
    next: Instant,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery")
            .field("links", &self.links)
            .field("voices", &self.voices.len())
            .finish_non_exhaustive()
    }
}

impl Discovery {
    /// Begins to look.
    ///
    /// # Errors
    /// [`Error::Netlink`]; [`Error::Socket`]; [`Error::NoLink`] for an interface that is not there.
    pub fn open(options: DiscoveryOptions) -> Result<Discovery, Error> {
        let failed = |action| move |source| Error::Socket { action, source };
        let mut token = [0; 8];
        rustix::rand::getrandom(&mut token, rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| failed("get random bytes")(errno.into()))?;
        let mut limits = Vec::new();
        let echo = match Echo::open(token) {
            Ok(echo) => Some(echo),
            Err(error) => {
                limits.push(format!(
                    "no ICMPv6 echo ({error}): it needs root, or a group in net.ipv4.ping_group_range"
                ));
                None
            }
        };
        let group = match udp(mdns::PORT) {
            Ok(socket) => Some(socket),
            Err(error) => {
                limits.push(format!(
                    "no listening on UDP port {} ({error}): only direct answers are heard",
                    mdns::PORT
                ));
                None
            }
        };
        let mut discovery = Discovery {
            netlink: Netlink::open()?,
            announcements: Announcements::open()?,
            mdns: udp(0).map_err(failed("open a UDP socket for IPv6"))?,
            group,
            ipv4: Ipv4::default(),
            echo,
            solicitor: Solicitor::open().ok(),
            holders: Holders::default(),
            links: Vec::new(),
            rounds: BTreeMap::new(),
            voices: Voices::new(),
            heard: BTreeMap::new(),
            neighbours: Vec::new(),
            table_due: None,
            limits,
            options,
        };
        discovery.look_at_links()?;
        for name in &discovery.options.interfaces {
            if !discovery.links.iter().any(|link| link.name == *name) {
                return Err(Error::NoLink {
                    name: name.clone(),
                    source: rustix::io::Errno::NODEV.into(),
                });
            }
        }
        // What the table shows already is the first answer.
        discovery.read_table()?;
        Ok(discovery)
    }

    /// The links that are asked: up, with a card and a link-local address.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| self.is_asked(link))
    }

    /// What this search cannot do, for people.
    pub fn limits(&self) -> &[String] {
        &self.limits
    }

    /// The machines that are known now, sorted by link and card.
    pub fn machines(&self) -> Vec<Machine> {
        let asked: Vec<Link> = self.links().cloned().collect();
        let mut entries = self.neighbours.clone();
        entries.extend(self.holders.entries());
        fold(&asked, &self.voices, &entries)
    }

    /// Looks on until something may have changed, at most for `timeout`; says whether it may have.
    ///
    /// # Errors
    /// [`Error::Netlink`], [`Error::Socket`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, Error> {
        let end = Instant::now() + timeout;
        loop {
            self.ask_what_is_due();
            let now = Instant::now();
            let mut changed = self.forget_the_silent(now);
            if self.table_due.is_some_and(|due| due <= now) {
                changed |= self.read_table()?;
            }
            if changed {
                return Ok(true);
            }
            if end <= now {
                return Ok(false);
            }
            let next = self.rounds.values().map(|round| round.next).min();
            let until = [Some(end), next, self.table_due]
                .into_iter()
                .flatten()
                .min();
            self.sleep(until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))?;
            if self.announcements.drain()? && self.look_at_links()? {
                return Ok(true);
            }
            if self.read_answers() {
                self.table_due.get_or_insert(Instant::now() + TABLE_DELAY);
                return Ok(true);
            }
        }
    }

    fn sleep(&self, timeout: Duration) -> Result<(), Error> {
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let mut polled = vec![
            PollFd::new(&self.announcements, PollFlags::IN),
            PollFd::new(&self.mdns, PollFlags::IN),
        ];
        polled.extend(self.group.iter().map(|s| PollFd::new(s, PollFlags::IN)));
        polled.extend(self.ipv4.sockets().map(|s| PollFd::new(s, PollFlags::IN)));
        polled.extend(self.echo.iter().map(|s| PollFd::new(s, PollFlags::IN)));
        polled.extend(self.solicitor.iter().map(|s| PollFd::new(s, PollFlags::IN)));
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::Socket {
                action: "wait for answers",
                source: errno.into(),
            }),
        }
    }

    /// Whether links came, went or changed.
    fn look_at_links(&mut self) -> Result<bool, Error> {
        let mut links = look(&mut self.netlink)?.links;
        links.truncate(LINKS_MAX);
        if links == self.links {
            return Ok(false);
        }
        self.links = links;
        let is_asked: Vec<&Link> = self
            .links
            .iter()
            .filter(|link| self.is_asked(link))
            .collect();
        self.ipv4.follow(is_asked.iter().copied());
        let asked: BTreeSet<u32> = is_asked.iter().map(|link| link.index).collect();
        self.rounds.retain(|index, _| asked.contains(index));
        self.voices.retain(|(index, _), _| asked.contains(index));
        self.heard.retain(|(index, _), _| asked.contains(index));
        for index in asked {
            self.rounds.entry(index).or_insert_with(|| {
                if let Some(group) = &self.group {
                    // Twice on the same link is an error without consequences.
                    let _ = sockopt::set_ipv6_add_membership(group, &mdns::GROUP, index);
                }
                Round {
                    count: 0,
                    next: Instant::now(),
                }
            });
        }
        Ok(true)
    }

    fn is_asked(&self, link: &Link) -> bool {
        let wanted =
            self.options.interfaces.is_empty() || self.options.interfaces.contains(&link.name);
        wanted && link.up && link.mac.is_some() && link.has_link_local()
    }

    fn ask_what_is_due(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self
            .rounds
            .iter()
            .filter(|(_, round)| round.next <= now)
            .map(|(index, _)| *index)
            .collect();
        for index in due {
            self.ask(index);
            if let Some(round) = self.rounds.get_mut(&index) {
                round.next = now + PAUSES[round.count.min(PAUSES.len() - 1)];
                round.count += 1;
            }
            self.table_due.get_or_insert(now + TABLE_DELAY);
        }
    }

    /// Everything that is asked on a link in a round.
    fn ask(&self, link: u32) {
        let question = mdns::question(&self.options.names);
        self.send(&question, mdns::GROUP, link);
        if let Some(group) = &self.group {
            // From the port of multicast DNS, so that those who answer to everybody only are heard, too.
            send(group, &question, mdns::GROUP, link);
        }
        self.ipv4.ask(link, &question);
        if let Some(echo) = &self.echo {
            echo.ask(ALL_NODES, link);
        }
        let own = self.links.iter().find(|one| one.index == link);
        if let (Some(solicitor), Some(own)) = (&self.solicitor, own.and_then(|one| one.mac)) {
            solicitor.ask(link, own);
        }
        for address in std::iter::once(ALIAS).chain(self.options.addresses.iter().copied()) {
            self.seek(address, link, &question);
        }
        let unnamed = self.voices.iter().filter(|((index, _), voice)| {
            *index == link && voice.claim.instance.is_some() && voice.claim.key.is_none()
        });
        for ((_, address), voice) in unnamed.take(QUESTIONS_MAX) {
            self.ask_for_service(&voice.claim, *address, link);
        }
    }

    /// A question to one address: the kernel has to find its card for that.
    fn seek(&self, address: Ipv6Addr, link: u32, question: &[u8]) {
        self.send(question, address, link);
        if let Some(echo) = &self.echo {
            echo.ask(address, link);
        }
    }

    fn ask_for_service(&self, claim: &mdns::Claim, address: Ipv6Addr, link: u32) {
        let question = claim.instance.as_deref().and_then(mdns::question_of);
        if let Some(question) = question {
            self.send(&question, mdns::GROUP, link);
            self.send(&question, address, link);
        }
    }

    fn send(&self, message: &[u8], to: Ipv6Addr, link: u32) {
        send(&self.mdns, message, to, link);
    }

    /// Reads what has come, up to a bound; says whether something is new.
    fn read_answers(&mut self) -> bool {
        let mut heard = Vec::new();
        let mut buffer = [0; mdns::MESSAGE_MAX];
        for socket in std::iter::once(&self.mdns).chain(&self.group) {
            for _ in 0..PACKETS_AT_ONCE {
                let (length, from) = match socket.recv_from(&mut buffer) {
                    Ok((length, SocketAddr::V6(from))) => (length, from),
                    Ok(_) => continue,
                    // An error that was left by an earlier question, such as "connection refused".
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => continue,
                    Err(_) => break,
                };
                // RFC 6762, sections 6 and 11: answers come from the port, and from the link.
                if from.port() != mdns::PORT || !from.ip().is_unicast_link_local() {
                    continue;
                }
                if let Some(answer) = mdns::answer(&buffer[..length]) {
                    let speaker = speaker(*from.ip(), &answer);
                    heard.push(((from.scope_id(), speaker), Some(answer)));
                }
            }
        }
        if let Some(echo) = &self.echo {
            for _ in 0..PACKETS_AT_ONCE {
                match echo.next() {
                    Ok(Some(Some((link, from)))) if from.is_unicast_link_local() => {
                        heard.push(((link, from), None));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let mut news = false;
        for (from, answer) in heard {
            news |= self.hear(from, answer);
        }
        // Their senders are known when the table is read.
        news | self.read_holders() | self.ipv4.read(PACKETS_AT_ONCE)
    }

    fn read_holders(&mut self) -> bool {
        let Some(solicitor) = &self.solicitor else {
            return false;
        };
        let mut news = false;
        for _ in 0..PACKETS_AT_ONCE {
            match solicitor.next() {
                Ok(Some(Some(holder))) if self.rounds.contains_key(&holder.0) => {
                    news |= self.holders.hear(holder, Instant::now());
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        news
    }

    /// Reads the neighbour table; says whether something is new by it. A card that is known by `fe80::47` alone is asked at its own address.
    fn read_table(&mut self) -> Result<bool, Error> {
        self.table_due = None;
        let mut is_new = self.place_ipv4()?;
        let mut table = neighbours(&mut self.netlink)?;
        table.retain(|entry| self.rounds.contains_key(&entry.link));
        if table != self.neighbours {
            self.neighbours = table;
            is_new = true;
        }
        let question = mdns::question(&[]);
        let holders = self.neighbours.iter().filter(|one| one.address == ALIAS);
        for holder in holders.copied().chain(self.holders.entries()) {
            let own = holder.mac.interface_id().map(|id| id.link_local());
            if let Ok(own) = own
                && !self.voices.contains_key(&(holder.link, own))
            {
                self.seek(own, holder.link, &question);
            }
        }
        Ok(is_new)
    }

    /// Takes in what came over IPv4, as the EUI-64 addresses of the senders' cards.
    fn place_ipv4(&mut self) -> Result<bool, Error> {
        if !self.ipv4.is_waiting() {
            return Ok(false);
        }
        let cards = cards(&mut self.netlink)?;
        let mut is_new = false;
        for (link, mac, answer) in self
            .ipv4
            .place(|link, from| cards.get(&(link, from)).copied())
        {
            let Ok(id) = mac.interface_id() else { continue };
            if self.hear((link, id.link_local()), Some(answer)) {
                is_new = true;
                if let Some(echo) = &self.echo {
                    echo.ask(id.link_local(), link);
                }
            }
        }
        Ok(is_new)
    }
}

/// Whose answer it is: of who speaks as `fe80::47`, that he gives his own address as well tells him from another.
fn speaker(from: Ipv6Addr, answer: &Answer) -> Ipv6Addr {
    match answer {
        Answer::Here(claim) if from == ALIAS => claim.address.unwrap_or(ALIAS),
        _ => from,
    }
}

#[cfg(test)]
mod tests;
