//! The keys that the host file gives get in by every name; no other key, no password and no root does.

use flk_tests::{
    Avahi, Bench, BenchError, Fixture, INTERFACE, Link, Machine, MachineOptions, Need, run,
};
use std::time::Duration;

#[test]
fn lets_in_only_listed_keys() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("lets_in_only_listed_keys", &[Need::MACHINES, Need::MDNS])?
    else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let avahi = Avahi::start(&link)?;
    let ssh = fixture.ssh(&link);
    let mut machine = Machine::start(
        &link,
        MachineOptions::new("keyed", &fixture.iso, 0x41),
        &bench.logs(),
    )?;
    let own = ssh.wait_for(&mut machine, Duration::from_secs(300))?;
    avahi.wait_for_name("NixOS.local", Duration::from_secs(60))?;
    link.wait_for_answer("fe80::47", Duration::from_secs(60))?;

    // The page's two commands, with a key given by `keys` and one given by `keyFiles`.
    let alias = format!("nixos@fe80::47%{INTERFACE}");
    for key in [&fixture.listed, &fixture.filed] {
        let ssh = ssh.with_key(&key.private);
        for target in ["nixos@NixOS.local", &alias] {
            assert_eq!(
                ssh.read(target, "id -un; sudo -n true && sudo -n id -un")?,
                "nixos\nroot\n",
                "{target}"
            );
        }
    }

    // A key that is not listed.
    let stranger = ssh.with_key(&fixture.stranger.private);
    let refused = stranger.run(&own, "true")?;
    assert_eq!(refused.code, Some(255), "{}", refused.all());
    assert!(
        refused.stderr.contains("Permission denied (publickey)."),
        "{}",
        refused.all()
    );

    // What is offered at all, to anybody: keys. And root has not even those.
    for user in ["nixos", "root"] {
        let target = own.replacen("nixos@", &format!("{user}@"), 1);
        let mut command = ssh.command(&target);
        let offered = run(command.args(["-o", "PreferredAuthentications=none", "true"]))?;
        assert!(
            offered.stderr.contains("Permission denied (publickey)."),
            "{user}: {}",
            offered.all()
        );
        if user == "root" {
            for key in [&fixture.operator, &fixture.listed, &fixture.filed] {
                let refused = ssh.with_key(&key.private).run(&target, "true")?;
                assert!(
                    refused.stderr.contains("Permission denied (publickey)."),
                    "root: {}",
                    refused.all()
                );
            }
        }
    }

    // No account has a password that could be typed at a console.
    let shadow = ssh.read(&own, "sudo -n cat /etc/shadow")?;
    let open: Vec<&str> = shadow
        .lines()
        .filter(|line| !line.split(':').nth(1).unwrap_or("").starts_with(['!', '*']))
        .collect();
    assert!(
        shadow.contains("root:") && shadow.contains("nixos:"),
        "{shadow}"
    );
    assert!(
        open.is_empty(),
        "these have a password, or need none: {open:?}"
    );
    machine.power_off(Duration::from_secs(120))
}
