//! Three live machines on two links: all are found and verified, whatever is blocked; one is installed from afar, and its first
//! login afterwards is verified as well. The stanza of `flk ssh-config` serves ssh, scp and `nix copy`, to the live machine and to
//! the installed one. That one's ISO has a certificate, by which a client that was never told of the machine knows it.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Firmware, Fixture, INTERFACE, Link, Mac, Machine,
    MachineOptions, Medium, Need, Operator, blank_disk, file_on_iso, run, until,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const BOOT: Duration = Duration::from_secs(400);
/// The host of the machine that is installed, which boots by BIOS; the others are the fixture's own.
const TARGET: &str = "Grub";
/// The operator's second interface.
const SECOND: &str = "eno2";
/// How long a watch is measured, beside all the rest.
const WATCH: Duration = Duration::from_secs(60);
/// What the operator's own known_hosts has, which nobody is to read or write.
const OWN_KNOWN_HOSTS: &str =
    "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

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
    // All of it is there when it is signed on the link, where no mirror is.
    fixture.image_of(TARGET)?;

    let link = Link::new()?;
    link.add_bridge(SECOND, 0xc5)?;
    let home = files.path().join("home");
    fs::create_dir_all(&home).map_err(BenchError::file(&home))?;
    run(Command::new("cp")
        .arg("-a")
        .arg(fixture.home().join(".local"))
        .arg(&home))?
    .success()?;
    let repository = fixture.copy(files.path())?.repository;
    let operator = Operator::at(&link, &home, &repository, fixture.listed.clone())?;
    let own = operator.known_hosts();
    fs::write(&own, OWN_KNOWN_HOSTS).map_err(BenchError::file(&own))?;
    let mac = Mac::qemu(0x81);
    operator
        .run(&["identity", "add", TARGET, &mac.to_string()])?
        .success()?;
    let (other, authority) = signed(&operator, &fixture)?;

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
        target.mac().on(INTERFACE),
        machines[0].mac().on(INTERFACE),
        machines[1].mac().on(SECOND),
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
        file_on_iso(&other, "/flk/build.json")?,
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
        link.drop_what(rule)?;
        look(what)?;
    }
    link.drop_what("")?;
    measure_first_row(&operator)?;
    let watch = Watch::start(&operator)?;

    // A client that has the authority's line alone takes the machine with a certificate, and no other.
    let live = mac.on(INTERFACE);
    let stock = |to: &str| -> Result<_, BenchError> {
        let mut ssh = operator.stock_ssh(&authority);
        run(ssh.args([&format!("nixos@{to}"), "whoami"]))
    };
    // A busy machine may be too slow for an exchange of keys.
    until("a stock client's login", Duration::from_secs(120), || {
        let said = stock(&live).map_err(|error| error.to_string())?;
        let is_in = said.code == Some(0) && said.stdout == "nixos\n";
        if is_in { Ok(()) } else { Err(said.all()) }
    })?;
    let refused = stock(&machines[0].mac().on(INTERFACE))?;
    assert!(
        refused.code == Some(255) && refused.stderr.contains("Host key verification failed"),
        "{}",
        refused.all()
    );

    // The store's daemon trusts root.
    let sudo = "?remote-program=sudo%20nix-store";
    let path = copy_by_stanza(&link, &operator, &live, sudo)?;

    // An installation from afar, and the first login to what was installed.
    let ssh = |arguments: &[&str]| operator.run(&[&["ssh"], arguments].concat());
    let seen = ssh(&[&live, "--", "cat", &path, "copied"])?.success()?;
    assert_eq!(seen.stdout, live.repeat(2));
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
    watch.end()?;
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
    // Content needs no signature, so nobody has to be trusted by the store.
    let there = format!("nixos@{TARGET}");
    let path = copy_by_stanza(&link, &operator, &there, "")?;
    let seen = ssh(&[&there, "--", "cat", &path, "copied"])?.success()?;
    assert_eq!(seen.stdout, there.repeat(2));
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
    let text = fs::read_to_string(&own).map_err(BenchError::file(&own))?;
    assert_eq!(text, OWN_KNOWN_HOSTS);
    Ok(())
}

/// The target's ISO, with a certificate by an authority of the operator's, and a file with the line for those who trust it.
fn signed(operator: &Operator<'_>, fixture: &Fixture) -> Result<(PathBuf, PathBuf), BenchError> {
    let flk = |arguments: &[&str]| -> Result<_, BenchError> {
        let mut flk = operator.flk_with_passphrase(arguments, "secret")?;
        // What was packed and evaluated is there.
        flk.env("XDG_CACHE_HOME", fixture.home().join(".cache"));
        run(&mut flk)?.success()
    };
    flk(&["identity", "ca", "init"])?;
    let line = flk(&["identity", "ca", "known-hosts"])?.stdout;
    let known_hosts = operator.file("authority.known_hosts");
    fs::write(&known_hosts, line).map_err(BenchError::file(&known_hosts))?;
    let iso = operator.file("signed.iso");
    let out = iso.to_string_lossy();
    flk(&["iso", TARGET, "--sign", "--out", &out])?;
    Ok((iso, known_hosts))
}

/// Plain ssh, scp and `nix copy` to `target` through the stanza of `flk ssh-config`. The name of the target is what comes there, as the file
/// `copied` and as a store path, which is given. `settings` are of the store there.
fn copy_by_stanza(
    link: &Link,
    operator: &Operator<'_>,
    target: &str,
    settings: &str,
) -> Result<String, BenchError> {
    let config = operator.stanza(target, "there")?;
    let said = link.run("/usr/bin/ssh", &["-F", &config, "there", "whoami"])?;
    assert_eq!(said.stdout, "nixos\n", "{}", said.all());
    let file = operator.file("to-copy");
    fs::write(&file, target).map_err(BenchError::file(&file))?;
    let name = file.to_string_lossy();
    link.run("/usr/bin/scp", &["-F", &config, &name, "there:copied"])?
        .success()?;
    let added = run(Command::new("nix-store").arg("--add").arg(&file))?.success()?;
    let path = added.stdout.trim();
    let mut copy = link.command("env");
    copy.arg(format!("NIX_SSHOPTS=-F {config}"));
    copy.args(["nix", "--extra-experimental-features", "nix-command"]);
    copy.args(["copy", "--no-check-sigs", "--to"]);
    copy.args([&format!("ssh://there{settings}"), path]);
    run(&mut copy)?.success()?;
    Ok(path.to_owned())
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

/// The time to the first row.
fn measure_first_row(operator: &Operator<'_>) -> Result<(), BenchError> {
    let mut first = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        let mut process = operator
            .flk(&["discover"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::file("flk"))?;
        let mut row = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut row)
            .map_err(BenchError::file("flk"))?;
        first.push(started.elapsed());
        assert!(row.contains("52:54:"), "{row}");
        process.kill().map_err(BenchError::file("flk"))?;
        process.wait().map_err(BenchError::file("flk"))?;
    }
    first.sort();
    measured(format_args!("first row after {:?} (of three)", first[1]));
    Ok(())
}

/// `flk discover --watch`, for as long as the operator does something else.
struct Watch {
    process: Child,
    events: PathBuf,
    started: Instant,
}

impl Watch {
    fn start(operator: &Operator<'_>) -> Result<Self, BenchError> {
        let events = operator.file("events");
        let out = File::create(&events).map_err(BenchError::file(&events))?;
        let process = operator
            .flk(&["discover", "--watch", "--json"])
            .stdout(out)
            .spawn()
            .map_err(BenchError::file("flk"))?;
        Ok(Watch {
            process,
            events,
            started: Instant::now(),
        })
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// It has found each machine, and has not been busy.
    fn end(mut self) -> Result<(), BenchError> {
        std::thread::sleep(WATCH.saturating_sub(self.started.elapsed()));
        let took = self.started.elapsed();
        let time = processor_time(self.process.id())?;
        self.stop();
        let events = fs::read_to_string(&self.events).map_err(BenchError::file(&self.events))?;
        let cards: BTreeSet<String> = events
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|event| event["machine"]["mac"].to_string())
            .collect();
        assert_eq!(cards.len(), 3, "{events}");
        measured(format_args!(
            "{time:?} of processor in {took:?} of watching, {} events",
            events.lines().count()
        ));
        assert!(time * 10 < took, "{time:?} of {took:?}");
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// proc_pid_stat(5): utime and stime, in hundredths of a second, after the name in brackets.
fn processor_time(process: u32) -> Result<Duration, BenchError> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).map_err(BenchError::file(Path::new(&path)))?;
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
    Ok(Duration::from_millis(10 * ticks))
}

fn measured(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "measured: {what}");
}
