//! From another machine on the link, `NixOS.local` is the live machine, and `_flk._tcp` says which one.

use flk_tests::{Avahi, Bench, BenchError, Fixture, Link, Machine, MachineOptions, Need, run};
use std::{path::Path, process::Command, time::Duration};

#[test]
fn resolves_by_mdns() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("resolves_by_mdns", &[Need::MACHINES, Need::MDNS])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let avahi = Avahi::start(&link)?;
    let ssh = fixture.ssh(&link);
    let mut machine = Machine::start(
        &link,
        MachineOptions::new("named", &fixture.iso, 0x21),
        &bench.logs(),
    )?;
    ssh.wait_for(&mut machine, Duration::from_secs(300))?;
    let own = machine.mac().link_local().to_string();
    let both = [own.clone(), "fe80::47".to_owned()];

    // avahi's own client, and every program that asks the C library (its plug-in is libnss-mdns).
    let address = avahi.wait_for_name("NixOS.local", Duration::from_secs(60))?;
    assert!(
        both.contains(&address),
        "NixOS.local is {address}, not one of {both:?}"
    );
    let listed = link
        .run("getent", &["ahostsv6", "NixOS.local"])?
        .success()?
        .stdout;
    // getent leaves out the zone, which ssh then needs and gets: `lets_in_only_listed_keys` shows it.
    let address = listed.split_whitespace().next().unwrap_or_default();
    assert!(both.iter().any(|known| known == address), "{listed}");
    assert_eq!(
        avahi.resolve("another.local")?,
        None,
        "somebody answers to any name"
    );

    // The announcement.
    let found = flk_tests::until("_flk._tcp", Duration::from_secs(60), || {
        match avahi.browse("_flk._tcp") {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err("nobody announces it".into()),
            Err(e) => Err(e.to_string()),
        }
    })?;
    let [service] = &found[..] else {
        panic!("one machine, and not one service: {found:?}")
    };
    assert_eq!(
        (service.name.as_str(), service.host.as_str(), service.port),
        ("NixOS", "NixOS.local", 22)
    );
    assert!(both.contains(&service.address), "{service:?}");
    assert_eq!(service.value("host"), Some("NixOS"));

    // What it says of itself is what is on the image.
    let build: serde_json::Value =
        serde_json::from_str(&fixture.file_on_iso("/flk/build.json")?).unwrap();
    assert_eq!(service.value("build"), build["build"].as_str(), "{build}");
    assert_eq!(service.value("key"), Some(fingerprint(&fixture)?.as_str()));
    machine.power_off(Duration::from_secs(120))
}

/// The fingerprint of the image's host key, as ssh-keygen computes it.
fn fingerprint(fixture: &Fixture) -> Result<String, BenchError> {
    let text = keygen(&fixture.known_hosts)?;
    let fingerprint = text
        .split_whitespace()
        .find(|word| word.starts_with("SHA256:"));
    Ok(fingerprint
        .unwrap_or_else(|| panic!("ssh-keygen said {text}"))
        .to_owned())
}

fn keygen(file: &Path) -> Result<String, BenchError> {
    Ok(run(Command::new("ssh-keygen").arg("-lf").arg(file))?
        .success()?
        .stdout)
}
