//! The demo: a repository, its image, and a live machine that answers. What is printed is what the commands print.

use crate::{Error, Result, say, target};
use flk_tests::{
    Avahi, Bench, Firmware, Flk, INTERFACE, KeyPair, Link, Machine, MachineOptions, Medium, Need,
    file_on_iso, init_git,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long the machine may take to let one in, under emulation on a busy machine.
const BOOT: Duration = Duration::from_secs(300);

/// Shows flk.
pub(crate) fn run() -> Result<()> {
    let Some(bench) = Bench::open("demo", &[Need::MACHINES, Need::MDNS])? else {
        return Err(Error::Demo(
            "see the line above; `cargo xtask setup` as root installs what can be installed".into(),
        ));
    };
    let folder = target().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    let home = folder.join("home");
    let flk = Flk::new(&home)?;
    let key = KeyPair::make(&home.join(".ssh"), "id_ed25519")?;
    let machines = folder.join("machines");

    say("\n== A repository, with your public key in it");
    // The target folder is in flk's own repository, which ignores it: this one is to be its own.
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    init_git(&machines)?;
    show(
        "flk init machines",
        flk.command(&folder).args(["init", "machines"]),
    )?;
    show(
        "cat hosts/NixOS.nix",
        Command::new("cat")
            .arg("hosts/NixOS.nix")
            .current_dir(&machines),
    )?;
    show("flk hosts", flk.command(&machines).arg("hosts"))?;

    say("\n== Its image");
    show(
        "flk iso NixOS",
        flk.command(&machines).args(["iso", "NixOS"]),
    )?;
    show(
        "ls -sh result/iso",
        Command::new("ls")
            .args(["-sh", "result/iso"])
            .current_dir(&machines),
    )?;
    let iso = machines.join("result/iso/NixOS.iso");

    say(format_args!(
        "\n== A machine boots it from a stick (QEMU, emulated, UEFI), on a link on which this side is {INTERFACE}"
    ));
    let link = Link::new()?;
    let avahi = Avahi::start(&link)?;
    let options = MachineOptions::new("demo", &iso, 0x47)
        .boots(Firmware::Uefi, Medium::UsbStick(iso.clone()));
    let mut machine = Machine::start(&link, options, &bench.logs())?;
    say(format_args!(
        "its console: {}",
        machine.console().log().display()
    ));
    let config = ssh_config(&folder, &iso, &key)?;
    let address = machine.mac().link_local().to_string();
    let remote = |to: &str, script: &str| {
        let mut command = link.command("ssh");
        command
            .arg("-F")
            .arg(&config)
            .arg(format!("nixos@{to}"))
            .arg(script);
        command
    };
    machine.wait_until("ssh", BOOT, || {
        let output = flk_tests::run(&mut remote(&format!("{address}%{INTERFACE}"), "true"))
            .map_err(|e| e.to_string())?;
        if output.code == Some(0) {
            Ok(())
        } else {
            Err(output.all())
        }
    })?;
    say(format_args!(
        "it answers {} s after power-on",
        machine.up_for().as_secs()
    ));

    say("\n== By name: mDNS");
    avahi.wait_for_name("NixOS.local", Duration::from_secs(60))?;
    show(
        "avahi-resolve -6 -n NixOS.local",
        avahi
            .client("avahi-resolve")
            .args(["-6", "-n", "NixOS.local"]),
    )?;
    show(
        "avahi-browse --resolve --terminate _flk._tcp",
        avahi
            .client("avahi-browse")
            .args(["--resolve", "--terminate", "_flk._tcp"]),
    )?;

    say("\n== At the address that every live machine has, and at the one that belongs to its card");
    link.wait_for_answer("fe80::47", Duration::from_secs(60))?;
    show(
        &format!("ping -c 2 fe80::47%{INTERFACE}"),
        link.command("ping")
            .args(["-c", "2", &format!("fe80::47%{INTERFACE}")]),
    )?;
    show(
        &format!("ping -c 2 {address}%{INTERFACE}"),
        link.command("ping")
            .args(["-c", "2", &format!("{address}%{INTERFACE}")]),
    )?;
    show(
        "ip -6 neigh show",
        link.command("ip").args(["-6", "neigh", "show"]),
    )?;

    say("\n== By ssh");
    let look = "hostname; ip -br -6 addr show scope link; systemctl is-system-running; ls /iso/devos; sudo -n id -un";
    show(
        &format!("ssh nixos@NixOS.local '{look}'"),
        &mut remote("NixOS.local", look),
    )?;
    let look = "flk --version; nix --version";
    show(
        &format!("ssh nixos@fe80::47%{INTERFACE} '{look}'"),
        &mut remote(&format!("fe80::47%{INTERFACE}"), look),
    )?;

    machine.power_off(Duration::from_secs(120))?;
    say(format_args!(
        "\nThat was it. The repository and its image are in {}.",
        machines.display()
    ));
    Ok(())
}

/// What a user would have: his key, and the host key that `flk iso` put on the image, known by both names.
fn ssh_config(folder: &Path, iso: &Path, key: &KeyPair) -> Result<PathBuf> {
    let known_hosts = folder.join("home/.ssh/known_hosts");
    let host_key = file_on_iso(iso, "/flk/ssh_host_ed25519_key.pub")?;
    fs::write(&known_hosts, format!("live {}\n", host_key.trim()))
        .map_err(Error::file(&known_hosts))?;
    let config = folder.join("home/.ssh/config");
    let text = format!(
        "HostKeyAlias live\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n\
         IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\nConnectTimeout 10\nLogLevel ERROR\n",
        known_hosts.display(),
        key.private.display()
    );
    fs::write(&config, text).map_err(Error::file(&config))?;
    Ok(config)
}

fn show(line: &str, command: &mut Command) -> Result<()> {
    crate::show(line, command, Error::Demo)
}
