//! Three live machines on two links: all are found and verified, whatever is blocked; one is installed from afar, and its first
//! login afterwards is verified as well. The stanza of `flk ssh-config` serves ssh, scp and `nix copy`.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Firmware, Fixture, INTERFACE, Link, Machine, MachineOptions,
    Medium, Need, Operator, blank_disk, run,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::{Duration, Instant},
};

const BOOT: Duration = Duration::from_secs(400);
/// The host of the machine that is installed, which boots by BIOS; the others are the fixture's own.
const TARGET: &str = "Grub";
/// The operator's second interface.
const SECOND: &str = "eno2";
/// How long the watch is measured.
const WATCH: u64 = 15;

/// As the page has it for BIOS; the disk is /dev/vda.
const PREPARE: &str = "printf 'label: dos\\nsize=256M, type=82\\ntype=83, bootable\\n' | sfdisk -q /dev/vda && udevadm settle \
    && mkswap -q -L swap /dev/vda1 && mkfs.ext4 -q -L nixos /dev/vda2 && udevadm settle && mount /dev/disk/by-label/nixos /mnt";

#[test]
fn knows_a_machine_from_live_to_installed() -> Result<(), BenchError> {
    let Some(bench) = Bench::open(
        "knows_a_machine_from_live_to_installed",
        &[Need::MACHINES, Need::PEERS],
    )?
    else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let other = fixture.image_of(TARGET)?;

    let link = Link::new()?;
    link.run(
        "ip",
        &[
            "link",
            "add",
            SECOND,
            "address",
            "52:54:00:0b:e9:c5",
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
            "mcast_snooping",
            "0",
        ],
    )?
    .success()?;
    link.run("ip", &["link", "set", SECOND, "up"])?.success()?;
    let home = files.path().join("home");
    fs::create_dir_all(&home).map_err(BenchError::file(&home))?;
    run(std::process::Command::new("cp")
        .arg("-a")
        .arg(fixture.home().join(".local"))
        .arg(&home))?
    .success()?;
    let repository = fixture.copy(files.path())?.repository;
    let operator = Operator::at(&link, &home, &repository, fixture.listed.clone())?;

    let disk = blank_disk(files.path().join("disk"), DISK)?;
    let mut options = MachineOptions::new("target", &other, 0x81);
    options.disks.push(Disk::Plain(disk.clone()));
    let mut target = Machine::start(&link, options, &bench.logs())?;
    let mut machines = Vec::new();
    for (name, last) in [("beside", 0x82), ("beyond", 0x83)] {
        let mut options = MachineOptions::new(name, &fixture.iso, last);
        options.memory = 1536;
        machines.push(Machine::start(&link, options, &bench.logs())?);
    }
    link.run("ip", &["link", "set", machines[1].tap(), "master", SECOND])?
        .success()?;

    let mut expected = vec![
        format!("{}%{INTERFACE}", target.mac().link_local()),
        format!("{}%{INTERFACE}", machines[0].mac().link_local()),
        format!("{}%{SECOND}", machines[1].mac().link_local()),
    ];
    expected.sort();
    target.wait_until("three verified machines", BOOT, || {
        let found = operator
            .discover(&["--timeout", "10"])
            .map_err(|e| e.to_string())?;
        let verified = found
            .iter()
            .filter(|one| one["verdict"] == "verified")
            .count();
        if verified == 3 {
            Ok(())
        } else {
            Err(format!("{found:#?}"))
        }
    })?;

    // Whatever is blocked: three rows, the right links, one holder of fe80::47 on each.
    let builds = [
        flk_tests::file_on_iso(&other, "/flk/build.json")?,
        fixture.file_on_iso("/flk/build.json")?,
    ];
    let look = |what: &str| -> Result<(), BenchError> {
        let found = patiently(&operator, 3, "verified")?;
        let addresses: Vec<&str> = found
            .iter()
            .filter_map(|one| one["address"].as_str())
            .collect();
        assert_eq!(addresses, expected, "{what}");
        for (at, machine) in found.iter().enumerate() {
            // The first address is the target's.
            let (host, build) = match at {
                0 => (TARGET, &builds[0]),
                _ => ("NixOS", &builds[1]),
            };
            let who = (&machine["verdict"], &machine["host"]);
            assert_eq!(who, (&"verified".into(), &host.into()), "{what}: {machine}");
            let id = machine["build"].as_str().unwrap_or("-");
            assert!(build.contains(id), "{what}: {machine} {build}");
        }
        for interface in [INTERFACE, SECOND] {
            let holds = |one: &&Value| one["interface"] == interface && one["holdsAlias"] == true;
            assert_eq!(found.iter().filter(holds).count(), 1, "{what}: {found:#?}");
        }
        Ok(())
    };
    look("nothing is blocked")?;
    for (what, rule) in [
        ("multicast DNS is blocked", "udp sport 5353 drop;"),
        ("echo is blocked", "icmpv6 type echo-reply drop;"),
        (
            "only the neighbour table is left",
            "udp sport 5353 drop; icmpv6 type echo-reply drop;",
        ),
    ] {
        let rules = files.path().join("rules.nft");
        let text = format!(
            "flush ruleset\ntable ip6 t {{ chain in {{ type filter hook input priority 0; {rule}\n}}\n}}\n"
        );
        fs::write(&rules, text).map_err(BenchError::file(&rules))?;
        link.run("nft", &["-f", &rules.to_string_lossy()])?
            .success()?;
        look(what)?;
    }
    link.run("nft", &["flush", "ruleset"])?.success()?;
    measure(&operator)?;

    // One of them, by its address: plain ssh, scp and nix copy through the stanza.
    let live = format!("{}%{INTERFACE}", target.mac().link_local());
    let config = files.path().join("live.ssh");
    let base =
        fs::read_to_string(operator.file("ssh_config")).map_err(BenchError::file(&config))?;
    let stanza = operator
        .run(&["ssh-config", &live, "--name", "live"])?
        .success()?
        .stdout;
    fs::write(&config, stanza + &base).map_err(BenchError::file(&config))?;
    let config = config.to_string_lossy().into_owned();
    let said = link.run(
        "/usr/bin/ssh",
        &["-F", &config, "live", "whoami; cat /flk.test 2>&1"],
    )?;
    assert!(said.stdout.starts_with("nixos\n"), "{}", said.all());
    link.run(
        "/usr/bin/scp",
        &["-F", &config, "/etc/hostname", "live:copied"],
    )?
    .success()?;
    let path = files.path().join("copied-by-nix");
    fs::write(&path, "copied").map_err(BenchError::file(&path))?;
    let path = run(std::process::Command::new("nix-store")
        .arg("--add")
        .arg(&path))?
    .success()?;
    let path = path.stdout.trim().to_owned();
    let mut copy = link.command("env");
    copy.arg(format!("NIX_SSHOPTS=-F {config}"));
    copy.args([
        "nix",
        "--extra-experimental-features",
        "nix-command",
        "copy",
        "--no-check-sigs",
        "--to",
    ]);
    // The store's daemon trusts root.
    copy.args(["ssh://live?remote-program=sudo%20nix-store", &path]);
    run(&mut copy)?.success()?;

    // An installation from afar, and the first login to what was installed.
    let ssh = |arguments: &[&str]| operator.run(&[&["ssh"], arguments].concat());
    let seen = ssh(&[
        &live,
        "--",
        "cat",
        &path,
        "copied",
        ";",
        "ls",
        "/sys/class/net",
    ])?
    .success()?;
    assert!(seen.stdout.starts_with("copied"), "{}", seen.stdout);
    ssh(&[&live, "--", &format!("sudo sh -ec \"{PREPARE}\"")])?.success()?;
    let done = ssh(&[
        &live,
        "--",
        &format!("cd /iso/devos && sudo flk install {TARGET} --yes"),
    ])?
    .success()?;
    assert!(
        done.stderr.contains("Grub is recorded in "),
        "{}",
        done.all()
    );
    let shown = operator
        .run(&["identity", "show", TARGET, "--json"])?
        .success()?;
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["macs"], serde_json::json!([target.mac().to_string()]));
    let fingerprint = shown["fingerprint"].as_str().unwrap_or_default().to_owned();
    assert!(
        done.stderr
            .contains(&format!("its ssh host key: {fingerprint}")),
        "{}",
        done.all()
    );
    ssh(&[&live, "--", "sudo umount -R /mnt"])?.success()?;
    target.power_off(Duration::from_secs(120))?;
    drop(target);
    machines.clear();
    let mut options =
        MachineOptions::new("installed", &fixture.iso, 0x81).boots(Firmware::Bios, Medium::None);
    options.disks.push(Disk::Plain(disk));
    let mut host = Machine::start(&link, options, &bench.logs())?;
    let said = host.wait_until("the installed host", BOOT, || {
        let output = ssh(&[
            "nixos@Grub",
            "--",
            "cat /etc/ssh/ssh_host_ed25519_key.pub; hostname; findmnt -no SOURCE /",
        ])
        .map_err(|e| e.to_string())?;
        if output.code == Some(0) {
            Ok(output.stdout)
        } else {
            Err(output.all())
        }
    })?;
    assert!(said.contains("\nGrub\n/dev/"), "{said}");
    assert!(
        said.contains(
            shown["publicKey"]
                .as_str()
                .unwrap_or("-")
                .split(' ')
                .nth(1)
                .unwrap_or("-")
        ),
        "{said}"
    );
    let found = patiently(&operator, 1, "known host")?;
    let known: Vec<&Value> = found
        .iter()
        .filter(|one| one["verdict"] == "known host")
        .collect();
    assert_eq!(
        (known.len(), &known[0]["host"]),
        (1, &TARGET.into()),
        "{found:?}"
    );
    Ok(())
}

/// What is found, once so many have this verdict, or at the last of some tries: emulated machines of a busy host take their time for an exchange of keys.
fn patiently(
    operator: &Operator<'_>,
    count: usize,
    verdict: &str,
) -> Result<Vec<Value>, BenchError> {
    let mut found = Vec::new();
    for _ in 0..8 {
        found = operator.discover(&["--timeout", "10"])?;
        let alike = found.iter().filter(|one| one["verdict"] == verdict);
        if alike.count() == count {
            break;
        }
    }
    Ok(found)
}

/// The time to the first row, and the processor's time of a watch.
fn measure(operator: &Operator<'_>) -> Result<(), BenchError> {
    let mut first = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        let mut process = operator
            .flk(&["discover", "--timeout", "5"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::file("flk"))?;
        let mut row = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        let mut rows = BufReader::new(stdout);
        rows.read_line(&mut row).map_err(BenchError::file("flk"))?;
        first.push(started.elapsed());
        // On a busy machine a row may come again, when more is known of its machine.
        let rows = std::iter::once(row).chain(rows.lines().map_while(Result::ok));
        let cards: BTreeSet<String> = rows
            .filter_map(|row| {
                let mut words = row.split_whitespace();
                words
                    .find(|word| word.starts_with("52:54:"))
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(cards.len(), 3, "{cards:?}");
        process.wait().map_err(BenchError::file("flk"))?;
    }
    first.sort();
    let mut watch = operator
        .flk(&["discover", "--watch"])
        .stdout(Stdio::null())
        .spawn()
        .map_err(BenchError::file("flk"))?;
    std::thread::sleep(Duration::from_secs(WATCH));
    let path = format!("/proc/{}/stat", watch.id());
    let stat = fs::read_to_string(&path).map_err(BenchError::file(path))?;
    watch.kill().map_err(BenchError::file("flk"))?;
    watch.wait().map_err(BenchError::file("flk"))?;
    // proc_pid_stat(5): utime and stime, in hundredths of a second, after the name in brackets.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let _ = writeln!(
        std::io::stderr(),
        "measured: first row after {:?} (of three), {ticks}0 ms of processor in {WATCH} s of watching",
        first[1]
    );
    assert!(first[1] < Duration::from_secs(2), "{first:?}");
    assert!(ticks < 100, "{ticks} hundredths of a second");
    Ok(())
}
