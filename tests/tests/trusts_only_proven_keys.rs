//! `flk ssh` and `flk ssh-config` lead to the machine that has the key, and to nobody who only says so; the user's own
//! known_hosts is left alone.

use flk_tests::{
    Announcement, Bench, BenchError, INTERFACE, Link, Mac, Need, Operator, Output, Peer,
    fingerprint, run,
};
use std::{fs, time::Duration};

const BUILD: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";

fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.code, Some(1), "{}", output.all());
    assert!(!output.stdout.contains("let in"), "{}", output.all());
    for word in words {
        assert!(
            output.stderr.contains(word),
            "{word} is not in {}",
            output.stderr
        );
    }
}

#[test]
fn an_impostor_is_unverified_and_gets_nothing() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("trusts_only_proven_keys", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let (pinned, own) = (operator.key_pair("iso")?, operator.key_pair("impostor")?);
    operator.pin(BUILD, "NixOS", &pinned)?;
    let (pinned_print, own_print) = (fingerprint(&pinned.public())?, fingerprint(&own.public())?);
    let mut impostor = Peer::on(&link, 1)?;
    impostor.serve(&own, &operator.key)?;
    // It says everything as the real one would.
    impostor.announce(&Announcement::live("NixOS", BUILD, &pinned_print))?;
    impostor.take_alias()?;
    impostor.wait_for_address()?;
    link.wait_for_address()?;

    let found = operator.discover(&["--timeout", "2"])?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["verdict"], "unverified");
    assert_eq!(found[0]["fingerprint"], own_print.as_str());
    assert_eq!(found[0]["holdsAlias"], true);
    assert!(
        found[0]["reason"].to_string().contains(&pinned_print),
        "{}",
        found[0]
    );
    for target in [
        "NixOS",
        "nixos@NixOS.local",
        "fe80::47",
        &format!("fe80::47%{INTERFACE}"),
    ] {
        let output = operator.run(&["ssh", target, "--", "echo let in"])?;
        refused(
            &output,
            &["error: refused: ", &own_print, &pinned_print, "hint: "],
        );
    }
    refused(
        &operator.run(&["ssh-config", "NixOS"])?,
        &["error: refused: "],
    );
    // Its log knows of connections, and of nobody who tried to log in.
    let log = impostor.log();
    assert!(
        log.contains("Connection closed by") || log.contains("Connection reset by"),
        "{log}"
    );
    for word in ["Accepted", "Failed", "user", "publickey"] {
        assert!(!log.contains(word), "{word}: {log}");
    }

    // Beside the real one it stays what it is, and the real one is found.
    let real = Peer::live(&operator, 2, (BUILD, "NixOS"), &pinned)?;
    real.wait_for_address()?;
    let found = operator.discover(&["--timeout", "2"])?;
    let verdicts: Vec<_> = found.iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, ["unverified", "verified"]);
    let output = operator
        .run(&["ssh", "root@NixOS", "--", "echo", "let", "in"])?
        .success()?;
    assert_eq!(output.stdout, "let in\n");
    assert!(!impostor.log().contains("user"), "{}", impostor.log());

    // A pin that is forgotten is trusted no longer.
    operator.run(&["pins", "forget", "NixOS"])?.success()?;
    assert_eq!(operator.run(&["pins", "list"])?.success()?.stdout, "");
    let output = operator.run(&["ssh", "root@NixOS", "--", "echo let in"])?;
    refused(&output, &["refused", "none is known"]);
    Ok(())
}

#[test]
fn everything_that_runs_ssh_gets_there() -> Result<(), BenchError> {
    let programs = [Need::Program("rsync"), Need::Program("ansible")];
    let Some(_bench) = Bench::open("trusts_only_proven_keys", &[Need::PEERS, &programs])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let (first, second, host) = (
        operator.key_pair("first")?,
        operator.key_pair("second")?,
        operator.key_pair("host")?,
    );
    operator.pin(BUILD, "NixOS", &first)?;
    operator.pin(OTHER, "Other", &second)?;
    let mut peers = Vec::new();
    for (last, name, build, key) in [
        (1, "NixOS", BUILD, &first),
        (2, "Other", OTHER, &second),
        (3, "NixOS", BUILD, &first),
    ] {
        peers.push(Peer::live(&operator, last, (build, name), key)?);
    }
    // An installed host announces nothing.
    let mut installed = Peer::on(&link, 9)?;
    installed.serve(&host, &operator.key)?;
    installed.wait_for_address()?;
    for peer in &peers {
        peer.wait_for_address()?;
    }
    link.wait_for_address()?;
    // A file of known hosts that would refuse every one of them.
    let known = operator.known_hosts();
    let lie = format!("NixOS,Other,fe80::* {}\n", host.line()?);
    fs::write(&known, &lie).map_err(BenchError::file(&known))?;

    // Two machines have the same ISO: by the name alone nobody is chosen.
    let output = operator.run(&["ssh", "root@NixOS", "--", "echo let in"])?;
    let third = peers[2].mac().on(INTERFACE);
    refused(&output, &["2 machines", &format!("flk ssh {third}")]);
    let output = operator
        .run(&[
            "ssh",
            &format!("root@{third}"),
            "--",
            "ip -o link show eth0",
        ])?
        .success()?;
    assert!(
        output.stdout.contains(&peers[2].mac().to_string()),
        "{}",
        output.stdout
    );
    // The exit code is the command's, and quoting is ssh's own.
    let output = operator.run(&["ssh", "root@Other", "--", "echo", "'a  b';", "exit", "7"])?;
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(7), "a  b\n"),
        "{}",
        output.stderr
    );

    // The stanza, for whatever runs ssh.
    let config = operator.stanza("root@Other", "other")?;
    let output = link
        .run(
            "/usr/bin/ssh",
            &["-F", &config, "other", "ip -o link show eth0"],
        )?
        .success()?;
    assert!(
        output.stdout.contains(&peers[1].mac().to_string()),
        "{}",
        output.stdout
    );
    let sent = operator.file("sent");
    fs::write(&sent, "copied").map_err(BenchError::file(&sent))?;
    let received = operator.file("received");
    let there = format!("other:{}", received.display());
    link.run(
        "/usr/bin/scp",
        &["-F", &config, &sent.to_string_lossy(), &there],
    )?
    .success()?;
    let copied = || fs::read_to_string(&received).map_err(BenchError::file(&received));
    assert_eq!(copied()?, "copied");
    fs::write(&sent, "synchronised").map_err(BenchError::file(&sent))?;
    let shell = format!("ssh -F {config}");
    link.run(
        "/usr/bin/rsync",
        &["-a", "-e", &shell, &sent.to_string_lossy(), &there],
    )?
    .success()?;
    assert_eq!(copied()?, "synchronised");
    // Without Ansible's own options for ssh, by which a connection would outlive it.
    let home = format!("HOME={}", operator.file("ansible").display());
    let played = link
        .run(
            "/usr/bin/env",
            &[
                &home,
                "/usr/bin/ansible",
                "other",
                "--inventory=other,",
                &format!("--extra-vars={{\"ansible_ssh_args\": \"-F {config}\"}}"),
                "--module-name=ansible.builtin.raw",
                "--args=ip -o link show eth0",
            ],
        )?
        .success()?;
    assert!(
        played.stdout.contains(&peers[1].mac().to_string()),
        "{}",
        played.stdout
    );

    // An installed host: nothing is known of it, then its card, then its key.
    let mac = installed.mac().to_string();
    operator.run(&["identity", "add", "Box", &mac])?.success()?;
    let output = operator.run(&["identity", "add", "Else", &mac])?;
    assert!(
        output.code == Some(1) && output.stderr.contains("is Box's"),
        "{}",
        output.all()
    );
    let file = operator.repository().join("identities.toml");
    let text = fs::read_to_string(&file).map_err(BenchError::file(&file))?;
    fs::write(
        &file,
        format!("{text}public-key = \"{}\" # by hand\n", host.line()?),
    )
    .map_err(BenchError::file(&file))?;
    let found = operator.discover(&["--timeout", "2"])?;
    let known_host: Vec<_> = found
        .iter()
        .filter(|one| one["verdict"] == "known host")
        .collect();
    assert_eq!((found.len(), known_host.len()), (4, 1), "{found:?}");
    assert_eq!(
        (&known_host[0]["host"], &known_host[0]["mac"]),
        (&"Box".into(), &mac.as_str().into())
    );
    let output = operator
        .run(&["ssh", "root@Box", "--", "ip -o link show eth0"])?
        .success()?;
    assert!(output.stdout.contains(&mac), "{}", output.stdout);
    // This machine's card is not the host's: without anybody to ask, it does not become it.
    let mut install = operator.flk(&["install", "Box", "--yes"]);
    let output = run(install.env("FLK_RUN_DIR", operator.file("run")))?;
    refused(
        &output,
        &[
            "nobody is here",
            "says that Box is the machine with",
            "--any-machine",
        ],
    );
    // The key changes: a conflict, and nobody goes there.
    drop(installed);
    let mut changed = Peer::on(&link, 9)?;
    changed.serve(&second, &operator.key)?;
    operator.run(&["pins", "forget", OTHER])?.success()?;
    changed.wait_for_address()?;
    let found = operator.discover(&["--timeout", "2"])?;
    let conflict = found.iter().find(|one| one["mac"] == mac.as_str());
    assert_eq!(
        conflict.map(|one| &one["verdict"]),
        Some(&"conflict".into()),
        "{found:?}"
    );
    let output = operator.run(&["ssh", "root@Box", "--", "echo let in"])?;
    refused(
        &output,
        &[
            "refused",
            &fingerprint(&host.public())?,
            &fingerprint(&second.public())?,
        ],
    );
    operator.run(&["identity", "forget", "Box"])?.success()?;
    assert_eq!(
        fs::read_to_string(&known).map_err(BenchError::file(&known))?,
        lie
    );
    Ok(())
}

#[test]
fn a_watch_tells_what_comes_and_goes() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("trusts_only_proven_keys", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let key = operator.key_pair("iso")?;
    operator.pin(BUILD, "NixOS", &key)?;
    let bystander = Peer::on(&link, 3)?;
    bystander.wait_for_address()?;
    link.wait_for_address()?;
    let events = operator.file("events");
    let out = fs::File::create(&events).map_err(BenchError::file(&events))?;
    let mut watch = operator
        .flk(&["discover", "--watch", "--json"])
        .stdout(out)
        .spawn()
        .map_err(BenchError::file("flk"))?;
    let read = |count: usize, limit: u64| {
        flk_tests::until("events", Duration::from_secs(limit), || {
            let text = fs::read_to_string(&events).map_err(|e| e.to_string())?;
            let lines: Vec<serde_json::Value> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if lines.len() >= count {
                Ok(lines)
            } else {
                Err(text)
            }
        })
    };
    std::thread::sleep(Duration::from_secs(2));
    let peer = Peer::live(&operator, 1, (BUILD, "NixOS"), &key)?;
    let lines = read(1, 30)?;
    assert_eq!(
        (&lines[0]["event"], &lines[0]["machine"]["verdict"]),
        (&"found".into(), &"verified".into())
    );
    // Its link goes: it is gone at once only if the operator's own link goes.
    run(link.command("ip").args(["link", "set", INTERFACE, "down"]))?.success()?;
    let lines = read(2, 10)?;
    assert_eq!(lines[1]["event"], "gone");
    run(link.command("ip").args(["link", "set", INTERFACE, "up"]))?.success()?;
    let lines = read(3, 30)?;
    assert_eq!(lines[2]["event"], "found");
    // Another interface comes, with a machine on it, and goes.
    link.add_bridge("eno2", 0xc5)?;
    peer.plug(&link, "eno2", "eth1", Mac::qemu(7))?;
    let second = Mac::qemu(7).on("eno2");
    for (line, event) in [(3, "found"), (4, "gone")] {
        let lines = read(line + 1, 30)?;
        let machine = &lines[line]["machine"];
        assert_eq!(lines[line]["event"], event);
        assert_eq!(
            (&machine["address"], &machine["interface"]),
            (&second.as_str().into(), &"eno2".into())
        );
        run(link.command("ip").args(["link", "del", "eno2"]))?;
    }
    watch.kill().map_err(BenchError::file("flk"))?;
    watch.wait().map_err(BenchError::file("flk"))?;
    drop(peer);
    Ok(())
}

#[test]
fn a_name_that_was_taken_leads_to_the_machine_all_the_same() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("trusts_only_proven_keys", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let (key, other) = (operator.key_pair("iso")?, operator.key_pair("other")?);
    operator.pin(BUILD, "NixOS", &key)?;
    // Somebody else has the name, the alias and no word of flk's.
    let mut first = Peer::on(&link, 1)?;
    first.serve(&other, &operator.key)?;
    first.announce(&Announcement {
        name: "NixOS".into(),
        pairs: Vec::new(),
    })?;
    first.take_alias()?;
    let mut renamed = Peer::on(&link, 2)?;
    renamed.serve(&key, &operator.key)?;
    let print = fingerprint(&key.public())?;
    renamed.announce(&Announcement::live("NixOS", BUILD, &print).renamed("NixOS2"))?;
    for peer in [&first, &renamed] {
        peer.wait_for_address()?;
    }
    link.wait_for_address()?;
    let found = operator.discover(&["--timeout", "2"])?;
    let seen: Vec<_> = found
        .iter()
        .map(|one| (&one["verdict"], &one["host"], &one["name"]))
        .collect();
    let (nixos, local, local2) = ("NixOS".into(), "NixOS.local".into(), "NixOS2.local".into());
    assert_eq!(
        seen,
        [
            (&"unverified".into(), &nixos, &local),
            (&"verified".into(), &nixos, &local2)
        ]
    );
    for target in ["root@NixOS", "root@NixOS.local"] {
        let output = operator
            .run(&["ssh", target, "--", "ip -o link show eth0"])?
            .success()?;
        assert!(
            output.stdout.contains(&renamed.mac().to_string()),
            "{}",
            output.stdout
        );
    }
    assert!(!first.log().contains("user"), "{}", first.log());
    Ok(())
}
