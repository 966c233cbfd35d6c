//! The user's page, as it is written: the host of the live machine goes onto a blank disk, with no network device at all, and the
//! machine comes up as the host; by UEFI and by BIOS with GRUB. Then it takes new generations, and goes back.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need,
    Ssh, blank_disk, file_on_iso, run,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Under emulation, on a machine that may be busy with other things.
const BOOT: Duration = Duration::from_secs(400);
const OFF: Duration = Duration::from_secs(120);

/// Where a host of the built-in channel has its own ssh host key; the live machine sees it below /mnt.
const HOST_KEY: &str = "/mnt/var/lib/flk/etc/upper/ssh/ssh_host_ed25519_key.pub";

/// How a host is installed.
struct Page {
    host: &'static str,
    firmware: Firmware,
    /// As a manual has it before the page begins, with the disk /dev/vda.
    partition: &'static str,
    format: &'static str,
    swap: &'static str,
}

const UEFI: Page = Page {
    host: "NixOS",
    firmware: Firmware::Uefi,
    partition: "label: gpt\\nsize=512M, type=U\\nsize=256M, type=S\\ntype=L\\n",
    format: "mkfs.vfat -n boot /dev/vda1 && mkswap -q -L swap /dev/vda2 && mkfs.ext4 -q -L nixos /dev/vda3",
    swap: "/dev/vda2",
};

const BIOS: Page = Page {
    host: "Grub",
    firmware: Firmware::Bios,
    partition: "label: dos\\nsize=256M, type=82\\ntype=83, bootable\\n",
    format: "mkswap -q -L swap /dev/vda1 && mkfs.ext4 -q -L nixos /dev/vda2",
    swap: "/dev/vda1",
};

#[test]
fn installs_by_uefi() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("installs_by_uefi", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = blank_disk(files.path().join("disk"), DISK)?;
    let known_hosts = install(&bench, &link, &fixture.iso, &disk, &UEFI)?;
    let medium =
        fs::read_to_string(&fixture.known_hosts).map_err(BenchError::file(&fixture.known_hosts))?;
    let own = fs::read_to_string(&known_hosts).map_err(BenchError::file(&known_hosts))?;
    assert_ne!(own.trim(), medium.trim(), "the host has the medium's key");

    let mut host = start(&bench, &link, &disk, &UEFI)?;
    let ssh = Ssh::new(&link, &fixture.operator.private, &known_hosts);
    let target = ssh.wait_for(&mut host, BOOT)?;
    is_the_host(&ssh, &target, &fixture.iso, &UEFI)?;
    let read = |script: &str| ssh.read(&target, script);
    assert_eq!(read("findmnt -no FSTYPE /boot")?.trim(), "vfat");
    read("sudo -n timeout 900 nix store verify --all --no-trust")?;

    takes_generations(&fixture, &ssh, &mut host, &target)?;
    host.power_off(OFF)
}

#[test]
fn installs_by_bios() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("installs_by_bios", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let iso = fixture.image_of(BIOS.host)?;
    let link = Link::new()?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = blank_disk(files.path().join("disk"), DISK)?;
    let known_hosts = install(&bench, &link, &iso, &disk, &BIOS)?;

    let mut host = start(&bench, &link, &disk, &BIOS)?;
    let ssh = Ssh::new(&link, &fixture.listed.private, &known_hosts);
    let target = ssh.wait_for(&mut host, BOOT)?;
    is_the_host(&ssh, &target, &iso, &BIOS)?;
    // The live machine's operator may do everything, this host's may not.
    let asked = ssh.run(&target, "sudo -n true")?;
    assert_ne!(asked.code, Some(0), "{}", asked.all());
    // The host's variant is in its menu, and on the medium's, as a live system.
    let menu = ssh.read(&target, "cat /boot/grub/grub.cfg")?;
    assert!(
        menu.contains(r",\ generation\ 1 --id generation-1 {")
            && menu.contains(r",\ generation\ 1\ \(quiet\) --id generation-1-quiet {"),
        "{menu}"
    );
    ssh.read(
        &target,
        "grep -q quiet /run/current-system/specialisation/quiet/etc/variant",
    )?;
    for (menu, entry) in [
        ("/boot/grub/grub.cfg", r"\(quiet\) --id live-quiet {"),
        ("/isolinux/isolinux.cfg", "(quiet)\n"),
    ] {
        let text = file_on_iso(&iso, menu)?;
        let (_, after) = text
            .split_once(entry)
            .ok_or_else(|| BenchError::Understand {
                what: menu.into(),
                text: text.clone(),
            })?;
        let line = after
            .lines()
            .find(|line| line.contains("init=/nix/store/"))
            .unwrap_or_default();
        assert!(
            line.split(' ').any(|word| word == "quiet"),
            "{menu}: {line}"
        );
    }
    host.power_off(OFF)
}

/// Does what the page says, on a machine without a network device; gives a known-hosts file with the new host's key.
fn install(
    bench: &Bench,
    link: &Link,
    iso: &Path,
    disk: &Path,
    page: &Page,
) -> Result<PathBuf, BenchError> {
    let Page { host, swap, .. } = page;
    let mut options = MachineOptions::new("live", iso, 0x71)
        .boots(page.firmware, Medium::Cd(iso.into()))
        .without_card();
    options.disks.push(Disk::Plain(disk.into()));
    let mut live = Machine::start(link, options, &bench.logs())?;
    live.wait_for_shell()?;
    let devices = live.step("ls /sys/class/net")?;
    assert!(
        devices.split_whitespace().any(|word| word == "lo")
            && !devices.contains("enp")
            && !devices.contains("eth"),
        "it has a network device:\n{devices}"
    );
    live.enter("sudo -i")?;
    live.step(&format!(
        "printf '{}' | sfdisk -q /dev/vda && udevadm settle",
        page.partition
    ))?;
    live.step(&format!("{} && udevadm settle", page.format))?;

    live.step("mount /dev/disk/by-label/nixos /mnt")?;
    if page.firmware == Firmware::Uefi {
        let refused = live.step(&format!("! flk install {host} --yes"))?;
        assert!(
            refused.contains("its boot partition is not mounted at /mnt/boot"),
            "{refused}"
        );
        live.step("mkdir -p /mnt/boot && mount /dev/disk/by-label/boot /mnt/boot")?;
    }
    live.step(&format!("swapon {swap}"))?;
    // From here on it is the page, word for word, typed by the user that the console is logged in as.
    live.leave_root()?;
    assert!(live.step("whoami")?.contains("nixos"));
    live.step("cd /iso/devos")?;
    live.enter("nix develop")?;
    let said = live.dialogue(&format!("flk install {host} --impure"), &[("[y/N]", "y")])?;

    assert!(
        said.contains("must run as root: running `sudo flk install"),
        "{said}"
    );
    assert!(said.contains("installed as generation 1"), "{said}");
    let fingerprint = said
        .split_whitespace()
        .find(|word| word.starts_with("SHA256:"))
        .unwrap_or_else(|| panic!("no fingerprint in\n{said}"));
    let said = live.step(&format!("sudo cat {HOST_KEY}"))?;
    let key = said
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .unwrap_or_else(|| panic!("no key in\n{said}"));
    let known_hosts = disk.with_extension("known_hosts");
    fs::write(&known_hosts, format!("live {key}\n")).map_err(BenchError::file(&known_hosts))?;
    assert_eq!(fingerprint_of(&known_hosts)?, fingerprint);
    live.step("sudo umount -R /mnt")?;
    live.power_off(OFF)?;
    Ok(known_hosts)
}

/// Starts the machine again, with a card and without the medium.
fn start(bench: &Bench, link: &Link, disk: &Path, page: &Page) -> Result<Machine, BenchError> {
    let mut options =
        MachineOptions::new("installed", disk, 0x72).boots(page.firmware, Medium::None);
    options.disks.push(Disk::Plain(disk.into()));
    Machine::start(link, options, &bench.logs())
}

/// That the machine is the host and nothing else: whole, its own, and with nothing of the live system.
fn is_the_host(ssh: &Ssh, target: &str, iso: &Path, page: &Page) -> Result<(), BenchError> {
    let read = |script: &str| ssh.read(target, script);
    let state = ssh.run(target, "timeout 120 systemctl is-system-running --wait")?;
    assert_eq!(
        state.stdout.trim(),
        "running",
        "{}",
        read("systemctl --failed; systemctl list-jobs")?
    );
    assert_eq!(read("hostname")?.trim(), page.host);
    assert_eq!(read("findmnt -no FSTYPE /")?.trim(), "ext4");
    assert_eq!(
        read("readlink /nix/var/nix/profiles/system")?.trim(),
        "system-1-link"
    );
    let (toplevel, closure) = Fixture::closure_on(iso)?;
    assert_eq!(read("readlink -f /run/current-system")?.trim(), toplevel);
    assert_eq!(
        read("readlink -f /nix/var/nix/profiles/system")?.trim(),
        toplevel
    );
    let there = read("nix-store --query --requisites /run/current-system | LC_ALL=C sort")?;
    assert_eq!(there.lines().collect::<Vec<_>>(), closure);
    let swap = read("cat /proc/swaps")?;
    assert!(swap.contains(page.swap), "swap is not on:\n{swap}");

    let nothing = "ip -6 address show | grep fe80::47
        cat /proc/net/udp /proc/net/udp6 | grep -E '^ *[0-9]+: [0-9A-F]+:14E9 '
        ls /etc/systemd/dnssd /run/systemd/dnssd 2>/dev/null
        systemctl cat getty@tty1.service serial-getty@ttyS0.service | grep autologin
        true";
    assert_eq!(read(nothing)?, "", "something of the live system is left");
    Ok(())
}

/// A second generation, at once and at the next start, and back to the first between them; all of it without a network.
fn takes_generations(
    fixture: &Fixture,
    ssh: &Ssh,
    host: &mut Machine,
    target: &str,
) -> Result<(), BenchError> {
    const EDITED: &str = r#"{ ... }:
{
  imports = [ ./template.nix ];
  environment.etc."generation".text = "two\n";
  systemd.services.two = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; ExecStart = "/usr/bin/true"; };
  };
}
"#;
    let read = |script: &str| ssh.read(target, script);
    let state = || {
        read(
            "cat /etc/generation 2>&1; systemctl is-active two.service; readlink /nix/var/nix/profiles/system",
        )
    };
    ssh.send(&fixture.repository, target, "devos")?;
    read(&format!("cat >devos/hosts/NixOS.nix <<'END'\n{EDITED}END"))?;

    read("cd devos && sudo -n flk switch NixOS")?;
    let seen = state()?;
    assert_eq!(
        seen.lines().collect::<Vec<_>>(),
        ["two", "active", "system-2-link"]
    );
    let menu = read(
        "ls /boot/loader/entries | grep -c '[.]conf$'; cat /boot/loader/entries/*.conf
        ! command -v bootctl >/dev/null || sudo -n bootctl list --no-pager",
    )?;
    assert!(menu.starts_with("2\n"), "{menu}");
    for generation in ["eneration 1", "eneration 2"] {
        assert!(menu.contains(generation), "{menu}");
    }

    read("sudo -n flk rollback")?;
    let seen = state()?;
    assert!(
        seen.contains("No such file")
            && seen.contains("inactive")
            && seen.ends_with("system-1-link\n"),
        "{seen}"
    );

    // The same by the folder of hosts alone, as it is without a flake.
    read("cd devos && rm -f flake.nix flake.lock && sudo -n flk switch NixOS --boot")?;
    assert!(state()?.contains("No such file"), "--boot has activated it");
    ssh.restart(host, target, BOOT)?;
    let seen = state()?;
    assert!(seen.starts_with("two\nactive\n"), "{seen}");
    assert_eq!(
        read("readlink -f /run/current-system")?,
        read("readlink -f /nix/var/nix/profiles/system")?
    );
    let list = read("flk generations --json")?;
    let list: serde_json::Value =
        serde_json::from_str(&list).map_err(|_| BenchError::Understand {
            what: "flk generations --json".into(),
            text: list,
        })?;
    assert!(list.as_array().is_some_and(|all| all.len() >= 2), "{list}");
    assert_eq!(
        read("systemctl is-system-running --wait || true")?.trim(),
        "running"
    );
    Ok(())
}

/// The fingerprint of the one key in a known-hosts file, as ssh-keygen prints it.
fn fingerprint_of(known_hosts: &Path) -> Result<String, BenchError> {
    let listed = run(Command::new("ssh-keygen").arg("-lf").arg(known_hosts))?.success()?;
    Ok(listed
        .stdout
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned())
}
