//! `flk discover` finds every machine of a link, once, in time, by each of its sources alone, and under a flood of lies.
//!
//! The machines are network namespaces with OpenSSH's server, and an announcer of the bench's own.

use flk_tests::{
    Announcement, Bench, BenchError, INTERFACE, KeyPair, Link, Need, Operator, Peer, fingerprint,
    run,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV6},
    process::Stdio,
    time::{Duration, Instant},
};

const MACHINES: u8 = 20;
const BUILD: &str = "00112233445566778899aabbccddeeff";

/// The operator, and the key of his live machines.
struct Scene<'l> {
    operator: Operator<'l>,
    key: KeyPair,
}

impl<'l> Scene<'l> {
    /// An operator who has made the ISO [`BUILD`].
    fn on(link: &'l Link) -> Result<Self, BenchError> {
        let operator = Operator::new(link)?;
        let key = operator.key_pair("iso")?;
        operator.pin(BUILD, "NixOS", &key)?;
        Ok(Scene { operator, key })
    }

    /// Live machines of that ISO, whose addresses can be used.
    fn live(&self, last: impl IntoIterator<Item = u8>) -> Result<Vec<Peer>, BenchError> {
        let start = |last| Peer::live(&self.operator, last, (BUILD, "NixOS"), &self.key);
        let peers: Vec<Peer> = last.into_iter().map(start).collect::<Result<_, _>>()?;
        for peer in &peers {
            peer.wait_for_address()?;
        }
        Ok(peers)
    }

    /// What `flk discover` finds without any right, that to echo and to raw sockets included, and what it says.
    fn discover_without_rights(&self, link: &Link) -> Result<(Vec<Value>, String), BenchError> {
        let mut command = link.command("setpriv");
        self.operator.environment(&mut command);
        command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
        command.arg(flk_tests::binary("flk"));
        command.args(["discover", "--json", "--timeout", "3"]);
        let output = run(&mut command)?.success()?;
        let found = serde_json::from_str(&output.stdout).expect("JSON");
        Ok((found, output.stderr))
    }
}

fn addresses(found: &[Value]) -> Vec<&str> {
    found
        .iter()
        .filter_map(|one| one["address"].as_str())
        .collect()
}

fn measured(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "measured: {what}");
}

/// The machines that are said to hold `fe80::47`.
fn holders(found: &[Value]) -> Vec<&str> {
    let holders = found.iter().filter(|one| one["holdsAlias"] == true);
    holders.filter_map(|one| one["address"].as_str()).collect()
}

#[test]
fn twenty_machines_in_three_seconds() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("finds_machines_on_the_link", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let scene = Scene::on(&link)?;
    let operator = &scene.operator;
    let peers = scene.live(1..=MACHINES)?;
    peers[3].take_alias()?;
    link.wait_for_address()?;

    let started = Instant::now();
    let found = operator.discover(&["--timeout", "3"])?;
    measured(format_args!("a search of 3 s: {:?}", started.elapsed()));
    let mut expected: Vec<String> = peers.iter().map(|peer| peer.mac().on(INTERFACE)).collect();
    expected.sort();
    assert_eq!(addresses(&found), expected);
    for machine in &found {
        assert_eq!(machine["verdict"], "verified", "{machine}");
        assert_eq!(
            (&machine["host"], &machine["build"]),
            (&"NixOS".into(), &BUILD.into())
        );
        assert_eq!(
            (&machine["virtual"], &machine["interface"]),
            (&true.into(), &INTERFACE.into())
        );
    }

    assert_eq!(holders(&found), [peers[3].mac().on(INTERFACE)]);

    // The first row is there long before the end.
    let started = Instant::now();
    let mut process = operator
        .flk(&["discover", "--timeout", "6"])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(BenchError::file("flk"))?;
    let mut row = String::new();
    let stdout = process.stdout.take().expect("it is piped");
    let mut rows = BufReader::new(stdout);
    rows.read_line(&mut row).map_err(BenchError::file("flk"))?;
    let first = started.elapsed();
    assert!(row.starts_with("NixOS         verified"), "{row}");
    let rest = rows.lines().count();
    assert_eq!(rest, usize::from(MACHINES) - 1);
    process.wait().map_err(BenchError::file("flk"))?;
    let whole = started.elapsed();
    assert!(
        first < whole / 2,
        "the first row after {first:?} of {whole:?}"
    );
    measured(format_args!("first row after {first:?}"));

    // Without any right, that to echo included: the same machines.
    let (found, said) = scene.discover_without_rights(&link)?;
    assert_eq!(addresses(&found), expected, "{said}");
    assert!(said.contains("no ICMPv6 echo"), "{said}");
    Ok(())
}

#[test]
fn each_source_alone_is_enough() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("finds_machines_on_the_link", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let scene = Scene::on(&link)?;
    let operator = &scene.operator;
    let mut peers = scene.live(1..=2)?;
    peers[0].take_alias()?;
    link.wait_for_address()?;
    let expected: Vec<String> = peers.iter().map(|peer| peer.mac().on(INTERFACE)).collect();
    let look = |what: &str| -> Result<Vec<Value>, BenchError> {
        let found = operator.discover(&["--timeout", "3"])?;
        assert_eq!(addresses(&found), expected, "{what}");
        for machine in &found {
            assert_eq!(machine["verdict"], "verified", "{what}: {machine}");
        }
        assert_eq!(holders(&found), [expected[0].as_str()], "{what}");
        Ok(found)
    };
    look("nothing is blocked")?;
    link.forget_neighbours()?;
    link.drop_what("icmpv6 type echo-reply drop;")?;
    for machine in look("echo is blocked")? {
        assert_eq!(
            (&machine["sources"]["echo"], &machine["sources"]["mdns"]),
            (&false.into(), &true.into())
        );
    }
    link.forget_neighbours()?;
    link.drop_what("udp sport 5353 drop; udp dport 5353 drop;")?;
    for machine in look("multicast DNS is blocked")? {
        assert_eq!(
            (&machine["sources"]["echo"], &machine["sources"]["mdns"]),
            (&true.into(), &false.into())
        );
    }
    // A switch that does not pass on IPv6's groups, and a machine that has got an IPv4 address.
    let print = fingerprint(&scene.key.public())?;
    let announcement = Announcement::live("NixOS", BUILD, &print);
    for (peer, last) in peers.iter_mut().zip(1..) {
        peer.announce_at(Ipv4Addr::new(10, 47, 0, last), &announcement)?;
    }
    link.run("ip", &["addr", "add", "10.47.0.9/24", "dev", INTERFACE])?
        .success()?;
    link.forget_neighbours()?;
    link.drop_what("meta nfproto ipv6 udp sport 5353 drop; icmpv6 type echo-reply drop;")?;
    for machine in look("only IPv4's multicast DNS is left")? {
        assert_eq!(
            (&machine["sources"]["echo"], &machine["sources"]["mdns"]),
            (&false.into(), &true.into())
        );
    }
    // The kernel's table has them from before.
    link.drop_what("udp sport 5353 drop; udp dport 5353 drop; icmpv6 type echo-reply drop;")?;
    for machine in look("both are blocked")? {
        assert_eq!(
            (&machine["sources"]["echo"], &machine["sources"]["mdns"]),
            (&false.into(), &false.into())
        );
        assert_eq!(machine["sources"]["neighbour"], true);
    }
    // With nothing at all, only the holder of fe80::47 can be asked for; without even that, the reasons are told.
    link.forget_neighbours()?;
    let found = operator.discover(&["--timeout", "3"])?;
    assert_eq!(addresses(&found), [&expected[0]]);
    // Somebody who is no live machine keeps the link up.
    let bystander = Peer::on(&link, 3)?;
    drop(peers);
    bystander.wait_for_address()?;
    // The kernel takes its time to clear away what they were.
    let output = flk_tests::until("an empty link", Duration::from_secs(60), || {
        let output = operator
            .run(&["discover", "--timeout", "1"])
            .map_err(|e| e.to_string())?;
        match output.code {
            Some(1) => Ok(output),
            _ => Err(output.all()),
        }
    })?;
    assert_eq!(
        output.stderr.matches("\nhint: ").count(),
        3,
        "{}",
        output.stderr
    );
    Ok(())
}

#[test]
fn both_holders_of_the_alias_are_told() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("finds_machines_on_the_link", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let scene = Scene::on(&link)?;
    let peers = scene.live(1..=2)?;
    link.wait_for_address()?;
    // As after two links were joined that had one each.
    for peer in &peers {
        peer.take_alias()?;
    }
    let both: Vec<String> = peers.iter().map(|peer| peer.mac().on(INTERFACE)).collect();
    link.drop_what("udp sport 5353 drop; icmpv6 type echo-reply drop;")?;
    let found = scene.operator.discover(&["--timeout", "3"])?;
    assert_eq!(holders(&found), both, "by what they advertise: {found:#?}");
    link.drop_what("")?;
    let (mut found, _) = scene.discover_without_rights(&link)?;
    found.sort_by_key(|machine| machine["address"].to_string());
    assert_eq!(holders(&found), both, "by what they say: {found:#?}");
    Ok(())
}

#[test]
fn a_flood_of_forged_answers_hides_nobody() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("finds_machines_on_the_link", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let scene = Scene::on(&link)?;
    let operator = &scene.operator;
    let real = &scene.live([1])?[0];
    let forger = Peer::on(&link, 2)?;
    forger.wait_for_address()?;
    link.wait_for_address()?;
    // Two thousand addresses of the forger's, so that the lies come from many senders.
    let batch: String = (0..2000)
        .map(|n| format!("addr add fe80::5054:ff:fee0:{n:x}/64 dev eth0 nodad\n"))
        .collect();
    let file = operator.file("addresses");
    std::fs::write(&file, batch).map_err(BenchError::file(&file))?;
    forger
        .run(
            "sysctl",
            &[
                "-qw",
                "net.ipv6.conf.all.max_addresses=4096",
                "net.ipv6.conf.eth0.max_addresses=4096",
            ],
        )?
        .success()?;
    forger
        .run("ip", &["-6", "-batch", &file.to_string_lossy()])?
        .success()?;
    let to = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb), 5353, 0, 2);
    let flood = forger.flood(10_000, to)?;

    let mut command = operator.flk(&["discover", "--json", "--timeout", "5"]);
    let started = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(BenchError::file("flk"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let memory = std::thread::spawn(move || {
        while let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"));
            let Some(kilobytes) =
                line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            else {
                break;
            };
            peak = peak.max(kilobytes);
            std::thread::sleep(Duration::from_millis(50));
        }
        peak
    });
    let output = child.wait_with_output().map_err(BenchError::file("flk"))?;
    let took = started.elapsed();
    let peak: u64 = memory.join().unwrap_or_default();
    let sent = flood.end();
    measured(format_args!(
        "{sent} forged packets, {peak} kB at most, {took:?}"
    ));
    assert!(sent >= 10_000, "only {sent} packets were sent");
    // What is sent without an end does not keep it.
    assert!(took < Duration::from_secs(60), "it ended after {took:?}");
    assert!(peak > 0 && peak < 50_000, "{peak} kB");
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let ours: Vec<&Value> = found
        .iter()
        .filter(|one| one["verdict"] == "verified")
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0]["address"], real.mac().on(INTERFACE).as_str());
    Ok(())
}
