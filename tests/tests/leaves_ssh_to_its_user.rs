//! `flk ssh` is the user's own ssh: his configuration, his agent and the machines in between are as he has them. And what was
//! installed from afar is known afterwards, wherever it was mounted.

use flk_tests::{Bench, BenchError, INTERFACE, KeyPair, Link, Mac, Need, Operator, Peer, run};
use std::fs;

const BUILD: &str = "00112233445566778899aabbccddeeff";
/// Behind the machine in between.
const INNER: &str = "10.47.1.2";

#[test]
fn agent_jump_and_configuration_are_the_users() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("leaves_ssh_to_its_user", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let key = operator.key_pair("iso")?;
    operator.pin(BUILD, "NixOS", &key)?;
    let mut live = Peer::live(&operator, 1, (BUILD, "NixOS"), &key)?;
    live.serve_with(&key, &operator.key, &["AcceptEnv=LC_FLK".to_owned()])?;
    let (jump, jump_key) = server(&operator, INTERFACE, 2, "jump")?;
    // A host on a link that is none of the operator's: he has no address there.
    link.add_bridge("inner", 0xc6)?;
    link.run("sysctl", &["-qw", "net.ipv6.conf.inner.disable_ipv6=1"])?
        .success()?;
    jump.plug(&link, "inner", "eth1", Mac::qemu(3))?;
    jump.run("ip", &["addr", "add", "10.47.1.1/24", "dev", "eth1"])?
        .success()?;
    let (inner, inner_key) = server(&operator, "inner", 4, "inner")?;
    inner
        .run(
            "ip",
            &["addr", "add", &format!("{INNER}/24"), "dev", "eth0"],
        )?
        .success()?;
    for peer in [&live, &jump] {
        peer.wait_for_address()?;
    }
    link.wait_for_address()?;

    // What a user has written: no key but the agent's, and a way to the host.
    let known = operator.known_hosts();
    let own = format!("jump {}\n", jump_key.line()?);
    fs::write(&known, &own).map_err(BenchError::file(&known))?;
    let config = operator.file("ssh_config");
    let text = format!(
        "Host NixOS\n  ForwardAgent yes\n  SetEnv LC_FLK=from-the-users-configuration\n\
         Host Box\n  HostName {INNER}\n  User root\n  ProxyJump jump\n\
         Host jump\n  HostName {}\n  User root\n  HostKeyAlias jump\n\
         Host *\n  IdentityFile none\n  BatchMode yes\n  ConnectTimeout 10\n  UserKnownHostsFile {}\n",
        jump.mac().on(INTERFACE).replace('%', "%%"),
        known.display()
    );
    fs::write(&config, text).map_err(BenchError::file(&config))?;

    let ssh = |arguments: &[&str]| {
        let arguments = [&["ssh"], arguments].concat();
        run(&mut operator.flk_with_agent(&operator.key, &arguments))
    };
    let output = ssh(&["root@NixOS", "--", "ssh-add -L; echo $LC_FLK"])?.success()?;
    let own_key = operator.key.line()?;
    assert_eq!(
        output.stdout,
        format!("{own_key}\nfrom-the-users-configuration\n")
    );
    // Without the agent there is no key.
    let output = operator.run(&["ssh", "root@NixOS", "--", "true"])?;
    assert!(
        output.code == Some(255) && output.stderr.contains("Permission denied"),
        "{}",
        output.all()
    );

    // A registered host that is on no link of this machine, by the way that ssh's configuration knows.
    let file = operator.repository().join("identities.toml");
    let identities = |key: &KeyPair| -> Result<(), BenchError> {
        let text = format!(
            "version = 1\n[hosts.Box]\nmacs = [\"{}\"]\npublic-key = \"{}\"\n",
            inner.mac(),
            key.line()?
        );
        fs::write(&file, text).map_err(BenchError::file(&file))
    };
    identities(&inner_key)?;
    let output = ssh(&["Box", "--", "ip -o link show eth0"])?.success()?;
    assert!(
        output.stdout.contains(&inner.mac().to_string()),
        "{}",
        output.all()
    );
    assert!(jump.log().contains("Accepted"), "{}", jump.log());
    // The jump does not loosen what is accepted behind it.
    identities(&operator.key_pair("other")?)?;
    let output = ssh(&["Box", "--", "echo let in"])?;
    assert!(
        output.code == Some(255) && output.stdout.is_empty(),
        "{}",
        output.all()
    );
    let now = fs::read_to_string(&known).map_err(BenchError::file(&known))?;
    assert_eq!(now, own);
    Ok(())
}

/// A machine with an ssh server and a key of its own.
fn server(
    operator: &Operator<'_>,
    bridge: &str,
    last: u8,
    name: &str,
) -> Result<(Peer, KeyPair), BenchError> {
    let key = operator.key_pair(name)?;
    let mut peer = Peer::new(operator.link(), bridge, Mac::qemu(last))?;
    peer.serve(&key, &operator.key)?;
    Ok((peer, key))
}

#[test]
fn what_was_installed_elsewhere_is_known() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("leaves_ssh_to_its_user", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let key = operator.key_pair("iso")?;
    operator.pin(BUILD, "NixOS", &key)?;
    let mut live = Peer::live(&operator, 1, (BUILD, "NixOS"), &key)?;
    // The live machine's programs: an installer that only makes a key, and a sudo for somebody who is root.
    let host_key = operator.key_pair("host")?;
    let root = operator.file("a target");
    for (name, script) in [
        ("sudo", "[ \"$1\" != -n ] || shift; exec \"$@\"".to_owned()),
        (
            "flk",
            format!(
                "[ \"$1\" = install ] && mkdir -p '{0}/etc/ssh' && cp {1} '{0}/etc/ssh/ssh_host_ed25519_key.pub'",
                root.display(),
                host_key.public().display()
            ),
        ),
    ] {
        let file = operator.file(&format!("live/{name}"));
        fs::create_dir_all(operator.file("live")).map_err(BenchError::file(&file))?;
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).map_err(BenchError::file(&file))?;
        run(std::process::Command::new("chmod").arg("755").arg(&file))?.success()?;
    }
    let path = format!(
        "SetEnv=PATH={}:/usr/bin:/bin",
        operator.file("live").display()
    );
    live.serve_with(&key, &operator.key, &[path])?;
    live.wait_for_address()?;
    link.wait_for_address()?;

    // By a command line of which flk cannot tell where the target is, it is installed and not known; then it is told.
    let install = ["ssh", "root@NixOS", "--", "sudo flk install Box --yes"];
    let output = operator.run(&install)?;
    assert!(
        output.code == Some(1)
            && output.stderr.contains("is at /mnt of")
            && output.stderr.contains("flk identity learn Box --root /mnt"),
        "{}",
        output.all()
    );
    let folder = root.to_string_lossy().into_owned();
    let learn = ["identity", "learn", "Box", "root@NixOS", "--root", &folder];
    operator.run(&learn)?.success()?;
    let show = ["identity", "show", "Box", "--json"];
    let shown = operator.run(&show)?.success()?;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["publicKey"], host_key.line()?);
    assert_eq!(shown["build"], BUILD);
    assert!(
        shown["macs"].to_string().contains(&live.mac().to_string()),
        "{shown}"
    );

    // And where the command line says it.
    operator.run(&["identity", "forget", "Box"])?.success()?;
    let link_to = operator.file("target");
    std::os::unix::fs::symlink(&root, &link_to).map_err(BenchError::file(&link_to))?;
    let line = format!("sudo flk install Box --yes --root={}", link_to.display());
    let output = operator
        .run(&["ssh", "root@NixOS", "--", &line])?
        .success()?;
    assert!(
        output.stderr.contains("Box is recorded in"),
        "{}",
        output.all()
    );
    let again = operator.run(&show)?.success()?;
    assert!(again.stdout.contains(&host_key.line()?), "{}", again.stdout);
    Ok(())
}
