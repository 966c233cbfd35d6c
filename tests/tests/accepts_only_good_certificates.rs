//! A stock OpenSSH client that trusts the authority, and has never seen a machine, accepts it by its certificate: not after its end,
//! and not under another name.

use flk_tests::{Bench, BenchError, INTERFACE, Link, Need, Operator, Output, Peer, run};
use std::{fs, path::Path, process::Command};

#[test]
fn accepts_only_good_certificates() -> Result<(), BenchError> {
    let Some(_bench) = Bench::open("accepts_only_good_certificates", &[Need::PEERS])? else {
        return Ok(());
    };
    let link = Link::new()?;
    let operator = Operator::new(&link)?;
    let iso = operator.key_pair("iso")?;
    let flk = |arguments: &[&str], passphrase: &str| {
        run(&mut operator.flk_with_passphrase(arguments, passphrase)?)
    };
    let mut machine = Peer::on(&link, 1)?;
    machine.take_alias()?;
    machine.wait_for_address()?;
    link.wait_for_address()?;

    let public = iso.public().to_string_lossy().into_owned();
    // An authority without a passphrase is none.
    let sign = ["identity", "ca", "sign", "NixOS", &public];
    let output = flk(&sign, "secret")?;
    assert!(
        output.code == Some(1) && output.stderr.contains("flk identity ca init"),
        "{}",
        output.all()
    );
    let output = flk(&["identity", "ca", "init"], "")?;
    assert!(
        output.code == Some(1) && output.stderr.contains("no passphrase"),
        "{}",
        output.all()
    );
    flk(&["identity", "ca", "init"], "secret")?.success()?;
    let private = operator.file(".local/share/flk/authority/authority");
    let opened = run(Command::new("ssh-keygen")
        .args(["-y", "-P", "", "-f"])
        .arg(&private))?;
    assert_ne!(opened.code, Some(0), "the authority's key is not encrypted");
    let output = flk(&["identity", "ca", "init"], "secret")?;
    assert!(
        output.code == Some(1) && output.stderr.contains("is there already"),
        "{}",
        output.all()
    );
    let output = flk(&sign, "wrong")?;
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(1), ""),
        "{}",
        output.stderr
    );

    // A client with the one line, and nothing else.
    let known = operator.file("known");
    let line = operator
        .run(&["identity", "ca", "known-hosts"])?
        .success()?
        .stdout;
    assert!(
        line.starts_with("@cert-authority ") && line.lines().count() == 1,
        "{line}"
    );
    fs::write(&known, line).map_err(BenchError::file(&known))?;
    let mac = machine.mac();
    operator
        .run(&["identity", "add", "NixOS", &mac.to_string()])?
        .success()?;
    let own = mac.on(INTERFACE);
    let alias = format!("fe80::47%{INTERFACE}");
    let client = |address: &str, name: Option<&str>| -> Result<Output, BenchError> {
        let mut ssh = operator.stock_ssh(&known);
        if let Some(name) = name {
            ssh.arg("-o").arg(format!("HostKeyAlias={name}"));
        }
        ssh.args([&format!("root@{address}"), "echo let in"]);
        run(&mut ssh)
    };
    let certified = |machine: &mut Peer, host: &str, days: &str| -> Result<(), BenchError> {
        let arguments = ["identity", "ca", "sign", host, &public, "--days", days];
        let certificate = flk(&arguments, "secret")?.success()?.stdout;
        let file = operator.file("keys/iso-cert.pub");
        fs::write(&file, certificate).map_err(BenchError::file(&file))?;
        describe(&file)?;
        machine.serve_with(
            &iso,
            &operator.key,
            &[format!("HostCertificate={}", file.display())],
        )?;
        flk_tests::until("sshd", std::time::Duration::from_secs(60), || {
            let log = machine.log();
            if log.contains("Server listening") {
                Ok(())
            } else {
                Err(log)
            }
        })
    };
    let accepted = |address: &str, name: Option<&str>| -> Result<(), BenchError> {
        let output = client(address, name)?.success()?;
        assert_eq!(output.stdout, "let in\n");
        Ok(())
    };
    let refused = |address: &str, name: Option<&str>, why: &str| -> Result<(), BenchError> {
        let output = client(address, name)?;
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(255), ""),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains(why),
            "{why} is not in {}",
            output.stderr
        );
        Ok(())
    };

    certified(&mut machine, "NixOS", "30")?;
    for (address, name) in [(&alias, None), (&own, None), (&own, Some("NixOS.local"))] {
        accepted(address, name)?;
    }
    refused(&own, Some("Other.local"), "name is not a listed principal")?;
    // Another host's certificate has neither this name nor this address.
    certified(&mut machine, "Other", "30")?;
    refused(&own, Some("NixOS.local"), "name is not a listed principal")?;
    refused(&own, None, "name is not a listed principal")?;
    accepted(&own, Some("Other.local"))?;
    certified(&mut machine, "NixOS", "0")?;
    refused(&own, None, "expired")?;

    // The agent's key does as well, and then no private key is flk's.
    fs::remove_dir_all(operator.file(".local/share/flk/authority"))
        .map_err(BenchError::file("authority"))?;
    let agent_key = operator.key_pair("agent")?;
    operator
        .run(&[
            "identity",
            "ca",
            "init",
            "--agent",
            &agent_key.public().to_string_lossy(),
        ])?
        .success()?;
    let sign = ["identity", "ca", "sign", "NixOS", &public];
    let certificate = run(&mut operator.flk_with_agent(&agent_key, &sign))?.success()?;
    let file = operator.file("keys/agent-cert.pub");
    fs::write(&file, certificate.stdout).map_err(BenchError::file(&file))?;
    let shown = describe(&file)?;
    assert!(
        shown.contains(&flk_tests::fingerprint(&agent_key.public())?),
        "{shown}"
    );
    Ok(())
}

/// What `ssh-keygen` reads in a certificate.
fn describe(file: &Path) -> Result<String, BenchError> {
    let shown = run(Command::new("ssh-keygen").arg("-L").arg("-f").arg(file))?
        .success()?
        .stdout;
    assert!(
        shown.contains("host certificate") && !shown.contains("forever"),
        "{shown}"
    );
    Ok(shown)
}
