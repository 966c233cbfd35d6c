//! Keepers on one link: network namespaces, joined by a bridge, each with its own kernel state.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flk_lan::{ALIAS, AddressState, Event, Keeper, Link, Mac, links};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// A network namespace, removed when dropped.
struct Namespace(String);

impl Namespace {
    /// `None`: it cannot be made here; in CI that fails.
    fn new(what: &str) -> Option<Namespace> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flk-lan-{}-{count}-{what}", std::process::id());
        if !ip(&format!("netns add {name}")) {
            let why = "network namespaces cannot be made here (root and iproute2 are needed)";
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{why}, and in CI nothing is skipped"
            );
            let line = format!("SKIPPED: {why}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            return None;
        }
        Some(Namespace(name))
    }

    fn ip(&self, arguments: &str) {
        let arguments = format!("-n {} {arguments}", self.0);
        assert!(ip(&arguments), "ip {arguments}");
    }

    /// Moves the calling thread into it.
    fn enter(&self) {
        let file = File::open(Path::new("/run/netns").join(&self.0)).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Runs something in it.
    fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                run()
            });
            inside.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0));
    }
}

/// A bridge that machines are plugged into.
struct Switch(Namespace);

impl Switch {
    fn new() -> Option<Switch> {
        let namespace = Namespace::new("switch")?;
        namespace.ip("link add br0 type bridge");
        namespace.ip("link set br0 up");
        Some(Switch(namespace))
    }
}

/// A machine with one card, `eth0`, and a keeper.
struct Machine {
    namespace: Namespace,
    mac: Mac,
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Machine {
    fn plug(switch: &Switch, last: u8) -> Machine {
        let namespace = Namespace::new(&format!("m{last}")).unwrap();
        let mac = Mac([0x52, 0x54, 0, 0x47, 0, last]);
        let (port, bridge) = (format!("p{last}"), &switch.0);
        namespace.ip(&format!(
            "link add eth0 address {mac} type veth peer name {port} netns {}",
            bridge.0
        ));
        bridge.ip(&format!("link set {port} master br0 up"));
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, events) = mpsc::channel();
        let (name, stopped) = (namespace.0.clone(), stop.clone());
        let keeper = thread::spawn(move || {
            // Not dropped here: the namespace is the machine's.
            ManuallyDrop::new(Namespace(name)).enter();
            let mut keeper = Keeper::open().unwrap();
            while !stopped.load(Ordering::Relaxed) {
                if let Some(event) = keeper.wait(Some(Duration::from_millis(50))).unwrap() {
                    let _ = tell.send(event);
                }
            }
        });
        Machine {
            namespace,
            mac,
            events,
            stop,
            keeper: Some(keeper),
        }
    }

    /// As networkd does it.
    fn configure(&self) {
        self.namespace.ip("link set eth0 up");
        self.namespace.ip("addr add fe80::47/64 dev eth0");
    }

    fn eth0(&self) -> Link {
        self.namespace.within(|| {
            let mut links = links().unwrap().into_iter();
            links.find(|link| link.name == "eth0").unwrap()
        })
    }

    fn has_alias(&self) -> bool {
        self.eth0().alias() == Some(AddressState::Held)
    }

    fn next_event(&self, within: Duration) -> Event {
        self.events.recv_timeout(within).unwrap()
    }

    /// Waits until it has the alias.
    fn await_alias(&self, within: Duration) {
        let start = Instant::now();
        while !self.has_alias() {
            assert!(start.elapsed() < within, "{:?}", self.eth0());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The machine's own address is there, and can be used.
    fn assert_own_address(&self) {
        let link = self.eth0();
        let own = self.mac.interface_id().unwrap().link_local();
        let unique = link.eui64().unwrap();
        assert_eq!(unique.to_string(), format!("{own}%eth0"));
        let found = link.addresses.iter().find(|a| a.address == own).unwrap();
        assert_eq!((found.state, found.prefix), (AddressState::Held, 64));
    }

    fn ip_says(&self, what: &str) -> String {
        let arguments = format!("-n {} -6 {what} show dev eth0", self.namespace.0);
        let output = Command::new("ip").args(arguments.split(' ')).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }
}

impl Drop for Machine {
    /// It leaves the link: its keeper first, then, with the namespace, its card.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn held() -> Event {
    Event::Held {
        link: "eth0".into(),
    }
}

fn lost(machine: &Machine) -> Event {
    Event::Lost {
        link: "eth0".into(),
        unique: machine.eth0().eui64().unwrap(),
    }
}

/// Longer than a detection: up to a second of delay, and one of waiting.
const DETECTION: Duration = Duration::from_secs(4);
/// The promise.
const TAKE_OVER: Duration = Duration::from_secs(10);

#[test]
fn one_of_two_holds_the_alias_and_the_other_takes_over_when_it_leaves() {
    let Some(switch) = Switch::new() else { return };
    let (first, second) = (Machine::plug(&switch, 1), Machine::plug(&switch, 2));
    first.configure();
    assert_eq!(first.next_event(DETECTION), held());
    second.configure();
    assert_eq!(second.next_event(DETECTION), lost(&second));
    let routes = second.ip_says("route");
    assert!(routes.contains("fe80::/64"), "{routes}");

    // It tries, and is refused, without a word: nobody flaps.
    thread::sleep(Duration::from_secs(8));
    assert!(first.events.try_recv().is_err());
    assert!(second.events.try_recv().is_err());
    assert!(first.has_alias() && !second.has_alias());
    first.assert_own_address();
    second.assert_own_address();

    drop(first);
    assert_eq!(second.next_event(TAKE_OVER), held());
    assert!(second.has_alias());
    second.assert_own_address();
    assert_eq!(second.ip_says("route"), routes);
    let addresses = second.ip_says("address");
    assert!(
        addresses.contains("inet6 fe80::47/64 scope link \n       valid_lft forever"),
        "{addresses}"
    );
}

#[test]
fn of_three_that_start_together_one_holds_and_after_it_another() {
    let Some(switch) = Switch::new() else { return };
    let mut machines: Vec<Machine> = (3..6).map(|last| Machine::plug(&switch, last)).collect();
    for machine in &machines {
        machine.configure();
    }
    while !machines.is_empty() {
        // Two may have lost to each other at first: then one of them takes the alias over later.
        let start = Instant::now();
        while !machines.iter().any(Machine::has_alias) {
            assert!(start.elapsed() < 2 * TAKE_OVER, "nobody has the alias");
            thread::sleep(Duration::from_millis(50));
        }
        // The holder stays the only one.
        thread::sleep(DETECTION);
        let has = machines.iter().map(Machine::has_alias);
        let holders: Vec<usize> = has.enumerate().filter(|h| h.1).map(|h| h.0).collect();
        assert_eq!(holders.len(), 1);
        machines.iter().for_each(Machine::assert_own_address);
        drop(machines.remove(holders[0]));
    }
}

#[test]
fn an_alias_that_vanishes_comes_back_and_foreign_links_are_left_alone() {
    let Some(switch) = Switch::new() else { return };
    let machine = Machine::plug(&switch, 7);
    machine.namespace.ip("link set eth0 up");
    // Without the alias it is none of the keeper's links.
    assert!(machine.events.recv_timeout(Duration::from_secs(7)).is_err());
    assert_eq!(machine.eth0().alias(), None);
    machine.assert_own_address();

    machine.namespace.ip("addr add fe80::47/64 dev eth0");
    machine.namespace.ip("addr add 2001:db8::7/64 dev eth0");
    assert_eq!(machine.next_event(DETECTION), held());
    machine.namespace.ip("addr del fe80::47/64 dev eth0");
    assert_eq!(machine.eth0().alias(), None);
    machine.await_alias(TAKE_OVER);
    machine.assert_own_address();
    let link = machine.eth0();
    assert_eq!(link.addresses.len(), 3, "{link:?}");
    let alias = link.addresses.iter().find(|a| a.address == ALIAS).unwrap();
    assert_eq!(alias.prefix, 64);
}

#[test]
fn a_link_that_goes_down_and_up_again_has_it_again() {
    let Some(switch) = Switch::new() else { return };
    let machine = Machine::plug(&switch, 8);
    machine.configure();
    assert_eq!(machine.next_event(DETECTION), held());
    // The kernel drops link-local addresses, and brings only the EUI-64 one back by itself.
    machine.namespace.ip("link set eth0 down");
    assert_eq!(machine.eth0().alias(), None);
    machine.namespace.ip("link set eth0 up");
    machine.await_alias(TAKE_OVER + DETECTION);
    machine.assert_own_address();
}
