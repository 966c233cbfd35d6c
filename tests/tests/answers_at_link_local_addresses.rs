//! `fe80::47` answers, and so does the EUI-64 address of the card, before and after a restart.

use flk_tests::{Bench, BenchError, Fixture, INTERFACE, Link, Machine, MachineOptions, Need};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(300);

#[test]
fn answers_at_link_local_addresses() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("answers_at_link_local_addresses", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let ssh = fixture.ssh(&link);
    let mut machine = Machine::start(
        &link,
        MachineOptions::new("addressed", &fixture.iso, 0x31),
        &bench.logs(),
    )?;
    let target = ssh.wait_for(&mut machine, BOOT)?;
    answers(&link, &machine)?;

    // Everybody on the link is found by asking it as a whole, as the page says: ping, then look at the neighbours.
    link.forget_neighbours()?;
    let everybody = format!("ff02::1%{INTERFACE}");
    let own = machine.mac().link_local().to_string();
    flk_tests::until(
        "the machine among the neighbours",
        Duration::from_secs(60),
        || {
            link.run("ping", &["-6", "-c", "2", "-W", "3", &everybody])
                .and_then(|answer| answer.success())
                .map_err(|e| e.to_string())?;
            let table = link.neighbours().map_err(|e| e.to_string())?;
            if table.contains(&own) {
                Ok(())
            } else {
                Err(table)
            }
        },
    )?;

    const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
    let before = ssh.read(&target, BOOT_ID)?;
    machine.reset()?;
    link.forget_neighbours()?;
    machine.wait_until("ssh after a restart", BOOT, || {
        match ssh.read(&target, BOOT_ID) {
            Ok(now) if now != before => Ok(()),
            Ok(_) => Err("it has not restarted".into()),
            Err(e) => Err(e.to_string()),
        }
    })?;
    answers(&link, &machine)?;
    machine.power_off(Duration::from_secs(120))
}

/// Both addresses answer, and the neighbour table has both with the card's MAC.
fn answers(link: &Link, machine: &Machine) -> Result<(), BenchError> {
    let mac = machine.mac().to_string();
    for address in [
        "fe80::47".to_owned(),
        machine.mac().link_local().to_string(),
    ] {
        link.wait_for_answer(&address, Duration::from_secs(60))?;
        let table = link.neighbours()?;
        let entry = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(address.as_str()));
        assert!(
            entry.is_some_and(|line| line.contains(&mac)),
            "{address} is not {mac} in:\n{table}"
        );
    }
    Ok(())
}
