//! On one live machine: its own host with an edited file, offline; and another host of the repository, which the medium has not
//! all of: offline it is refused with what is missing and the disk as it was, with a network it is installed.

use flk_tests::{
    Bench, BenchError, DISK, Disk, Firmware, Fixture, Link, Machine, MachineOptions, Medium,
    Mirror, Need, blank_disk,
};
use std::{fs::File, net::SocketAddr, path::Path, time::Duration};

/// The operator's and the machine's addresses, once there is a network.
const OPERATOR: &str = "10.47.0.1";
const MACHINE: &str = "10.47.0.2";

/// With nothing that the file system would do to itself later, so that its bytes can be compared.
const MOUNT: &str = "sudo mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 -L nixos /dev/vda2 && \
    sudo udevadm settle && sudo mount -o noatime /dev/disk/by-label/nixos /mnt && sudo mkdir /mnt/boot && \
    sudo mount -o noatime /dev/disk/by-label/boot /mnt/boot";

#[test]
fn installs_other_hosts() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("installs_other_hosts", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    // The packages that only it has are among the operator's files from then on.
    fixture.image_of("Other")?;
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

    // Another edition of the medium's host, with a package that only the live system has so far, and a file; a folder of hosts alone, without a flake.
    read(MOUNT)?;
    read("cp -r --no-preserve=mode /iso/devos edited && rm -f edited/flake.*")?;
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
    read("sudo -n umount -R /mnt")?;

    // A host that the medium has not all of.
    read(MOUNT)?;
    read("sync")?;
    let before = digest(&disk)?;
    let refused = ssh.run(&target, "cd /iso/devos && sudo -n flk install Other --yes")?;
    assert_eq!(refused.code, Some(1), "{}", refused.all());
    for package in ["sl", "cowsay"] {
        let is_listed = refused.stderr.lines().any(|line| {
            line.split_whitespace().next() == Some(package) || line.contains(&format!("{package} "))
        });
        assert!(is_listed, "{package} is not listed:\n{}", refused.stderr);
    }
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    read("sync")?;
    assert_eq!(digest(&disk)?, before, "the disk after a refusal");

    // The same, once there is a mirror.
    link.run(
        "ip",
        &[
            "address",
            "add",
            &format!("{OPERATOR}/24"),
            "dev",
            flk_tests::INTERFACE,
        ],
    )?
    .success()?;
    let address = SocketAddr::new(OPERATOR.parse().map_err(not_an_address)?, 0);
    let mirror = Mirror::start(&link, address)?;
    read(&format!(
        "sudo ip address add {MACHINE}/24 dev $(ls /sys/class/net | grep -v lo)"
    ))?;
    let command = format!(
        "cd /iso/devos && sudo -n FLK_DEBIAN_MIRROR={} flk install Other --yes",
        mirror.base()
    );
    let installed = ssh.run(&target, &command)?.success()?;
    assert!(
        installed.stderr.contains("installed as generation 1"),
        "{}",
        installed.stderr
    );
    let served = mirror.served();
    for package in ["sl_", "cowsay_"] {
        assert!(
            served.iter().any(|name| name.starts_with(package)),
            "{served:?}"
        );
    }
    // What the medium has is not fetched.
    assert!(
        !served.iter().any(|name| name.starts_with("linux-image")),
        "{served:?}"
    );
    for program in ["sl", "cowsay"] {
        assert_eq!(read(&has(&format!("sw/games/{program}")))?, "yes\n");
    }
    read("sudo -n env NIX_REMOTE= nix store verify --all --no-trust --store 'local?root=/mnt'")?;
    // Into the target's store, never into memory, and nothing is left of the work.
    let left = read(
        "ls -d /nix/store/*-sl_* /nix/store/*-cowsay* 2>/dev/null | grep -v '[.]drv$'; \
         ls -A /mnt/nix/store | grep '^[.]flk'; ls -A /mnt /mnt/nix/var | grep flk; true",
    )?;
    assert_eq!(left, "");
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

/// Of all bytes of the disk.
fn digest(disk: &Path) -> Result<blake3::Hash, BenchError> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(disk).map_err(BenchError::file(disk))?;
    hasher.update_reader(file).map_err(BenchError::file(disk))?;
    Ok(hasher.finalize())
}

fn not_an_address(error: std::net::AddrParseError) -> BenchError {
    BenchError::Understand {
        what: "an address".into(),
        text: error.to_string(),
    }
}
