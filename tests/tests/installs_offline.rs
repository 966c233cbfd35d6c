//! The host is installed from the live machine onto a blank disk, with no network device at all, and boots from that disk without the medium.

use flk_tests::{
    Bench, BenchError, Disk, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need, Ssh,
    run,
};
use std::{fs, path::Path, process::Command, time::Duration};

/// Bytes of the blank disk; it is sparse.
const DISK: u64 = 6 << 30;
#[test]
fn installs_offline() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("installs_offline", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = files.path().join("disk");
    fs::File::create(&disk)
        .and_then(|file| file.set_len(DISK))
        .map_err(BenchError::file(&disk))?;

    let mut options = MachineOptions::new("live", &fixture.iso, 0x71)
        .boots(Firmware::Uefi, Medium::Cd(fixture.iso.clone()))
        .without_card();
    options.disks.push(Disk::Plain(disk.clone()));
    let mut live = Machine::start(&link, options, &bench.logs())?;
    live.wait_for_shell()?;
    let mut step = |script: &str| live.step(script);
    let devices = step("ls /sys/class/net")?;
    assert!(
        devices.split_whitespace().any(|word| word == "lo")
            && !devices.contains("enp")
            && !devices.contains("eth"),
        "it has a network device:\n{devices}"
    );

    // Nothing is mounted yet: refused, and the disk stays blank.
    let refused = step("! sudo flk install NixOS --yes")?;
    assert!(refused.contains("is not a mount point"), "{refused}");

    step(
        "printf 'label: gpt\\nsize=512M, type=U\\nsize=256M, type=S\\ntype=L\\n' | sudo sfdisk -q /dev/vda && sudo udevadm settle",
    )?;
    step(
        "sudo mkfs.vfat -n boot /dev/vda1 && sudo mkswap -q /dev/vda2 && sudo mkfs.ext4 -q -L nixos /dev/vda3 && sudo udevadm settle",
    )?;
    step("sudo mount /dev/disk/by-label/nixos /mnt && sudo swapon /dev/vda2")?;
    let refused = step("! sudo flk install NixOS --yes")?;
    assert!(
        refused.contains("its boot partition is not mounted at /mnt/boot"),
        "{refused}"
    );
    step("sudo mkdir -p /mnt/boot && sudo mount /dev/disk/by-label/boot /mnt/boot")?;

    // As the manual has it, but for the questions.
    let said = step("cd /iso/devos && nix develop -c sudo flk install NixOS --impure --yes")?;
    let fingerprint = said
        .split_whitespace()
        .find(|word| word.starts_with("SHA256:"))
        .unwrap_or_else(|| panic!("no fingerprint in\n{said}"))
        .to_owned();
    let key = step("sudo cat /mnt/var/lib/flk/etc/upper/ssh/ssh_host_ed25519_key.pub")?;
    let key = key
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .unwrap_or_else(|| panic!("no key in\n{key}"))
        .to_owned();
    // A second run finds all of it there.
    let again = step("sudo flk install NixOS --yes")?;
    assert!(again.contains("installed as generation 1"), "{again}");
    step("sudo umount -R /mnt")?;
    live.power_off(Duration::from_secs(120))?;
    drop(live);

    let known = files.path().join("known_hosts");
    fs::write(&known, format!("live {key}\n")).map_err(BenchError::file(&known))?;
    assert_eq!(fingerprint_of(&known)?, fingerprint);
    let medium =
        fs::read_to_string(&fixture.known_hosts).map_err(BenchError::file(&fixture.known_hosts))?;
    assert!(!medium.contains(&key), "the host has the medium's key");

    let mut options =
        MachineOptions::new("installed", &fixture.iso, 0x72).boots(Firmware::Uefi, Medium::None);
    options.disks.push(Disk::Plain(disk));
    let mut host = Machine::start(&link, options, &bench.logs())?;
    let ssh = Ssh::new(&link, &fixture.operator.private, &known);
    let target = ssh.wait_for(&mut host, Duration::from_secs(400))?;
    let read = |script: &str| ssh.read(&target, script);
    assert_eq!(read("hostname")?.trim(), "NixOS");
    let state = ssh.run(&target, "timeout 120 systemctl is-system-running --wait")?;
    assert_eq!(
        state.stdout.trim(),
        "running",
        "{}",
        read("systemctl --failed; systemctl list-jobs")?
    );
    assert_eq!(read("findmnt -no FSTYPE /")?.trim(), "ext4");
    assert_eq!(read("findmnt -no FSTYPE /boot")?.trim(), "vfat");
    assert_eq!(
        read("readlink /nix/var/nix/profiles/system")?.trim(),
        "system-1-link"
    );
    assert_eq!(
        read("readlink -f /nix/var/nix/profiles/system")?,
        read("readlink -f /run/current-system")?
    );
    // Nothing of the live system.
    assert_eq!(read("ip -6 address show | grep fe80::47 || true")?, "");
    let verified = ssh.run(
        &target,
        "sudo -n timeout 900 nix store verify --all --no-trust",
    )?;
    assert_eq!(verified.code, Some(0), "{}", verified.all());
    host.power_off(Duration::from_secs(120))
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
