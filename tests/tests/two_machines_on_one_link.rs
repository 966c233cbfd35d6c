//! Two live machines on one link: each keeps its own address, one has `fe80::47`, and it passes on when that one leaves.

use flk_tests::{Bench, BenchError, Fixture, INTERFACE, Link, Machine, MachineOptions, Need, Ssh};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(300);
const ALIAS: &str = "fe80::47";

#[test]
fn two_machines_on_one_link() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("two_machines_on_one_link", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let ssh = fixture.ssh(&link);
    let mut machines = Vec::new();
    for (name, last) in [("first", 0x51), ("second", 0x52)] {
        let mut options = MachineOptions::new(name, &fixture.iso, last);
        options.memory = 1536;
        machines.push(Machine::start(&link, options, &bench.logs())?);
    }
    for machine in &mut machines {
        ssh.wait_for(machine, BOOT)?;
    }
    link.wait_for_answer(ALIAS, Duration::from_secs(60))?;
    let holding: Vec<bool> = machines
        .iter()
        .map(|machine| holds(&ssh, machine))
        .collect::<Result<_, _>>()?;
    let winner = match holding[..] {
        [true, false] => 0,
        [false, true] => 1,
        _ => panic!("of two machines, {holding:?} have {ALIAS}"),
    };
    let loser = 1 - winner;
    assert_eq!(owner(&link)?, machines[winner].mac().to_string());
    // The loser says so to whoever sits at it, and both have a network.
    machines[loser]
        .console()
        .wait_for("held by another live machine", Duration::from_secs(60))?;
    for machine in &machines {
        let own = machine.mac().link_local().to_string();
        assert!(
            link.answers(&own)?,
            "{} does not answer at {own}",
            machine.name()
        );
        let state = ssh.read(&target(machine), "networkctl --no-legend --no-pager list")?;
        assert!(!state.contains("failed"), "{}: {state}", machine.name());
    }

    // The winner's cable is pulled: the loser takes the address over.
    let mark = machines[loser].console().mark();
    link.join(machines[winner].tap(), false)?;
    link.forget_neighbours()?;
    machines[loser]
        .console()
        .wait_after(mark, "taken it over", Duration::from_secs(90))?;
    link.wait_for_answer(ALIAS, Duration::from_secs(60))?;
    assert_eq!(owner(&link)?, machines[loser].mac().to_string());
    assert!(holds(&ssh, &machines[loser])?);
    ssh.read(&format!("nixos@{ALIAS}%{INTERFACE}"), "true")?;

    // And joined again, each is still there under its own address.
    link.join(machines[winner].tap(), true)?;
    for machine in &machines {
        link.wait_for_answer(
            &machine.mac().link_local().to_string(),
            Duration::from_secs(60),
        )?;
        ssh.read(&target(machine), "true")?;
    }
    link.wait_for_answer(ALIAS, Duration::from_secs(60))
}

fn target(machine: &Machine) -> String {
    format!("nixos@{}%{INTERFACE}", machine.mac().link_local())
}

/// Whether the kernel of `machine` may use the alias: it is there, and neither tentative nor found to be a duplicate.
fn holds(ssh: &Ssh, machine: &Machine) -> Result<bool, BenchError> {
    let addresses = ssh.read(&target(machine), "ip -6 -o addr show scope link")?;
    let alias = addresses
        .lines()
        .find(|line| line.contains(&format!(" {ALIAS}/64 ")));
    Ok(alias.is_some_and(|line| !line.contains("dadfailed") && !line.contains("tentative")))
}

/// The MAC that answers for the alias now.
fn owner(link: &Link) -> Result<String, BenchError> {
    link.wait_for_answer(ALIAS, Duration::from_secs(60))?;
    let table = link.neighbours()?;
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("{ALIAS} ")));
    let mac = line.and_then(|line| {
        line.split_whitespace()
            .skip_while(|word| *word != "lladdr")
            .nth(1)
    });
    mac.map(str::to_owned).ok_or(BenchError::Understand {
        what: "the neighbour table".into(),
        text: table,
    })
}
