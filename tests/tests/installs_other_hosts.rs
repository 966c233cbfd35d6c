//! On one live machine: its own host with an edited file, offline; and another host of the repository, which the medium has not
//! all of: offline it is refused with what is missing and the disk as it was. With a network it is installed: see the crate flk's own test,
//! `installs_what_the_medium_lacks`.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Firmware, Fixture, Link, Machine, MachineOptions, Medium, Need,
    blank_disk,
};
use std::time::Duration;

const MOUNT: &str = "sudo mkfs.ext4 -q -F -L nixos /dev/vda2 && sudo udevadm settle && \
    sudo mount /dev/disk/by-label/nixos /mnt && sudo mkdir /mnt/boot && \
    sudo mount /dev/disk/by-label/boot /mnt/boot";

/// Everything on the target's file systems, with sizes and times. That refusals leave the disk's bytes alone is `refuses_unsafe_targets`' to show.
const LISTING: &str = "sudo find /mnt -printf '%p %s %T@ %C@\\n' | LC_ALL=C sort";

#[test]
fn installs_other_hosts() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("installs_other_hosts", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let files = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let disk = blank_disk(files.path().join("disk"), DISK)?;
    let mut options = MachineOptions::new("live", &fixture.iso, 0x75)
        .boots(Firmware::Uefi, Medium::Cd(fixture.iso.clone()));
    options.disks.push(Disk::Plain(disk.clone()));
    let mut live = Machine::start(&link, options, &bench.logs())?;
    let ssh = fixture.ssh(&link);
    let target = ssh.wait_for(&mut live, Duration::from_secs(400))?;
    let read = |script: &str| ssh.read(&target, script);
    read(
        "printf 'label: gpt\\nsize=512M, type=U\\ntype=L\\n' | sudo sfdisk -q /dev/vda && sudo mkfs.vfat -n boot /dev/vda1",
    )?;

    // Another edition of the medium's host, with a package that only the live system has so far, and a file.
    read(MOUNT)?;
    read("cp -r --no-preserve=mode /iso/devos edited")?;
    read(
        "cat >edited/hosts/NixOS.nix <<'END'
{ pkgs, ... }:
{
  imports = [ ./template.nix ];
  environment.systemPackages = [ pkgs.parted ];
  environment.etc.\"edited\".text = \"live\";
}
END",
    )?;
    let edited = ssh
        .run(&target, "sudo -n flk install NixOS --flake edited --yes")?
        .success()?;
    assert!(
        edited.stderr.contains("installed as generation 1"),
        "{}",
        edited.stderr
    );
    assert!(!edited.stderr.contains("download"), "{}", edited.stderr);
    assert_eq!(read(&has("etc/edited"))?, "yes\n");
    assert_eq!(read(&has("sw/sbin/parted"))?, "yes\n");
    read("sudo -n env NIX_REMOTE= nix store verify --all --no-trust --store 'local?root=/mnt'")?;
    read("sudo -n umount -R /mnt")?;

    // A host that the medium has not all of.
    read(MOUNT)?;
    let before = read(LISTING)?;
    let refused = ssh.run(&target, "cd /iso/devos && sudo -n flk install Other --yes")?;
    assert_eq!(refused.code, Some(1), "{}", refused.all());
    for package in ["sl", "cowsay"] {
        let is_listed = refused.stderr.lines().any(|line| {
            line.split_whitespace().next() == Some(package) || line.contains(&format!("{package} "))
        });
        assert!(is_listed, "{package} is not listed:\n{}", refused.stderr);
    }
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert_eq!(read(LISTING)?, before, "the target after a refusal");

    read("sudo -n umount -R /mnt")?;
    live.power_off(Duration::from_secs(120))
}

/// A script that says `yes` if the installed system has a path; links of the target lead to the live machine's own files.
fn has(path: &str) -> String {
    let (tree, rest) = path.split_once('/').unwrap_or((path, ""));
    format!(
        "top=$(readlink /mnt/nix/var/nix/profiles/system-1-link); tree=$(readlink \"/mnt$top/{tree}\"); \
         ls -d \"/mnt${{tree:-$top/{tree}}}/{rest}\" >/dev/null && echo yes"
    )
}
