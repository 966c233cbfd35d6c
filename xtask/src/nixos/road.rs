//! The stages: what is asked of flk, and what others (ping, avahi, OpenSSH) see of the machines.

use super::{
    Stage,
    repository::{HOST, Repository},
};
use crate::{Error, Result, say, show, target};
use flk_tests::{
    Avahi, Bench, Disk, Firmware, INTERFACE, Link, Machine, MachineOptions, Medium, Need, Operator,
    Output, binary, blank_disk,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Under emulation, on a machine that may be busy.
const BOOT: Duration = Duration::from_secs(900);
const OFF: Duration = Duration::from_secs(180);
/// Megabytes: an evaluation of NixOS takes one gigabyte of them.
const MEMORY: u32 = 3072;
/// Bytes of the host's disk, which is sparse.
const DISK: u64 = 8 << 30;
/// As NixOS's manual has it for BIOS.
const PREPARE: &str = "printf 'label: dos\\ntype=83, bootable\\n' | sfdisk -q /dev/vda && udevadm settle \
    && mkfs.ext4 -q -L nixos /dev/vda1 && udevadm settle && mount /dev/disk/by-label/nixos /mnt";

/// Walks to the end, or to the stage `until`.
pub(super) fn walk(repository: &Repository, until: Stage) -> Result<()> {
    iso(repository)?;
    if until < Stage::Bios {
        return Ok(());
    }
    let Some(bench) = Bench::open("nixos", &[Need::MACHINES, Need::MDNS])? else {
        return Err(Error::Nixos(
            "see the line above; `cargo xtask setup` as root installs what can be installed".into(),
        ));
    };
    let image = repository
        .root
        .join("result/iso")
        .join(format!("{HOST}.iso"));
    let road = Road {
        repository,
        bench,
        image,
        disk: target().join("nixos/disk"),
    };
    let medium = Medium::Cd(road.image.clone());
    road.live(Firmware::Bios, medium, until >= Stage::Install)?;
    if until >= Stage::Install {
        road.host(until >= Stage::Switch)?;
    }
    if until >= Stage::Uefi {
        road.live(Firmware::Uefi, Medium::UsbStick(road.image.clone()), false)?;
    }
    Ok(())
}

fn iso(repository: &Repository) -> Result<()> {
    say("\n== The hosts, plain and by folder");
    let flk = |folder: &Path, arguments: &[&str]| {
        let line = format!("flk {}", arguments.join(" "));
        show(
            &line,
            repository.flk.command(folder).args(arguments),
            Error::Nixos,
        )
    };
    flk(&repository.root, &["hosts"])?;
    flk(&repository.by_folder(), &["hosts"])?;
    repository.commit()?;
    say("\n== The image");
    flk(&repository.root, &["iso", HOST])
}

struct Road<'r> {
    repository: &'r Repository,
    bench: Bench,
    image: PathBuf,
    disk: PathBuf,
}

impl Road<'_> {
    fn start(
        &self,
        link: &Link,
        name: &str,
        firmware: Firmware,
        medium: Medium,
        disk: bool,
    ) -> Result<Machine> {
        let mut options = MachineOptions::new(name, &self.image, 0x47).boots(firmware, medium);
        options.memory = MEMORY;
        if disk {
            options.disks.push(Disk::Plain(self.disk.clone()));
        }
        let machine = Machine::start(link, options, &self.bench.logs())?;
        say(format_args!(
            "its console: {}",
            machine.console().log().display()
        ));
        Ok(machine)
    }

    fn operator<'l>(&self, link: &'l Link) -> Result<Operator<'l>> {
        let Repository {
            root, home, key, ..
        } = self.repository;
        Ok(Operator::at(link, home, root, key.clone())?)
    }

    /// The live machine, as the page has it; with `install`, it becomes the host.
    fn live(&self, firmware: Firmware, medium: Medium, install: bool) -> Result<()> {
        say(format_args!("\n== A live machine: {firmware:?}"));
        let link = Link::new()?;
        let avahi = Avahi::start(&link)?;
        let operator = self.operator(&link)?;
        if install {
            blank_disk(self.disk.clone(), DISK)?;
        }
        let name = format!("nixos-live-{firmware:?}").to_lowercase();
        let mut machine = self.start(&link, &name, firmware, medium, install)?;
        let live = machine.mac().on(INTERFACE);
        let ssh = Login {
            operator: &operator,
            to: format!("nixos@{live}"),
        };
        ssh.wait(&mut machine, "true")?;
        seen("verified ssh at the EUI-64 address", &live);
        let state = ssh.read("timeout 300 systemctl is-system-running --wait; systemctl --failed --no-legend --plain")?;
        seen("the state of the live system", state.trim());

        let found = operator.discover(&["--timeout", "10"])?;
        let verified = found
            .iter()
            .any(|one| one["verdict"] == "verified" && one["host"] == HOST);
        expect(verified, "flk discover: verified", &format!("{found:?}"))?;
        avahi.wait_for_name(&format!("{HOST}.local"), Duration::from_secs(120))?;
        seen("mDNS", &format!("{HOST}.local"));
        link.wait_for_answer("fe80::47", Duration::from_secs(120))?;
        seen("the alias answers", "fe80::47");
        link.wait_for_answer(
            &machine.mac().link_local().to_string(),
            Duration::from_secs(60),
        )?;
        let neighbours = link.neighbours()?;
        expect(
            neighbours.contains("fe80::47")
                && neighbours.contains(&machine.mac().link_local().to_string()),
            "ip -6 neigh show",
            neighbours.trim(),
        )?;
        for to in [format!("fe80::47%{INTERFACE}"), format!("{HOST}.local")] {
            let by = Login {
                operator: &operator,
                to: format!("nixos@{to}"),
            };
            expect(by.read("hostname")?.trim() == HOST, "ssh", &by.to)?;
        }
        let look = ssh.read("ls /iso/devos /iso/devos/hosts && sudo -n id -un && cat /etc/os-release | head -3 && cat /proc/version")?;
        expect(
            look.contains("flake.nix") && look.contains("root"),
            "the repository, and root",
            look.trim(),
        )?;
        if install {
            self.install(&ssh)?;
        }
        machine.power_off(OFF)?;
        Ok(())
    }

    fn install(&self, ssh: &Login<'_>) -> Result<()> {
        say("\n== The installation");
        ssh.read(&format!("sudo sh -ec \"{PREPARE}\""))?;
        let done = ssh
            .run(&format!("cd /iso/devos && sudo flk install {HOST} --yes"))?
            .success()?;
        say(done.all().trim());
        expect(
            done.all().contains("installed as generation 1"),
            "flk install",
            "generation 1",
        )?;
        ssh.read("sudo umount -R /mnt").map(drop)
    }

    fn host(&self, switch: bool) -> Result<()> {
        say("\n== The installed host");
        let link = Link::new()?;
        let operator = self.operator(&link)?;
        let mut machine = self.start(&link, "nixos-host", Firmware::Bios, Medium::None, true)?;
        let ssh = Login {
            operator: &operator,
            to: format!("nixos@{}", machine.mac().on(INTERFACE)),
        };
        ssh.wait(&mut machine, "true")?;
        let state = ssh.read(
            "hostname; findmnt -no FSTYPE /; readlink /nix/var/nix/profiles/system; cat /etc/generation; echo
             timeout 300 systemctl is-system-running --wait; systemctl --failed --no-legend --plain",
        )?;
        expect(
            state.starts_with("NixOS\next4\nsystem-1-link\none\n"),
            "the host",
            state.trim(),
        )?;
        if switch {
            self.switch(&ssh, &mut machine)?;
        }
        machine.power_off(OFF)?;
        Ok(())
    }

    /// The repository and flk itself, which a plain NixOS has not, go to the host's `nixos`.
    fn send(&self, ssh: &Login<'_>) -> Result<()> {
        let start = |source| Error::Start {
            program: "tar".into(),
            source,
        };
        let program = binary("flk");
        let mut pack = Command::new("tar")
            .args(["--create", "--exclude=./result", "--exclude=./.git"])
            .args(["--transform", "s,^[.]/,devos/,", "--directory"])
            .arg(&self.repository.root)
            .arg(".")
            .arg("--directory")
            .arg(program.parent().unwrap_or(Path::new("/")))
            .arg("flk")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let files = pack.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let mut unpack = ssh.operator.flk(&["ssh", &ssh.to, "--", "tar --extract"]);
        let unpacked = unpack.stdin(files).status().map_err(start)?;
        let packed = pack.wait().map_err(start)?;
        if unpacked.success() && packed.success() {
            return Ok(());
        }
        Err(Error::Nixos(
            "the repository could not be sent to the host".into(),
        ))
    }

    /// A second generation from a changed host file, back to the first, and the second by a restart.
    fn switch(&self, ssh: &Login<'_>, machine: &mut Machine) -> Result<()> {
        say("\n== Another generation");
        self.send(ssh)?;
        let text = self.repository.host_file("two")?;
        ssh.read(&format!("cat >devos/hosts/NixOS.nix <<'END'\n{text}END"))?;
        let flk = "/home/nixos/flk";
        let state = || ssh.read("cat /etc/generation; echo; readlink /nix/var/nix/profiles/system");
        say(ssh
            .read(&format!("cd devos && sudo -n {flk} switch {HOST} 2>&1"))?
            .trim());
        let after = state()?;
        expect(after == "two\nsystem-2-link\n", "flk switch", after.trim())?;
        say(ssh.read(&format!("sudo -n {flk} rollback 2>&1"))?.trim());
        let after = state()?;
        expect(
            after == "one\nsystem-1-link\n",
            "flk rollback",
            after.trim(),
        )?;
        say(ssh
            .read(&format!(
                "cd devos && sudo -n {flk} switch {HOST} --boot 2>&1"
            ))?
            .trim());
        let boot = ssh.read("cat /proc/sys/kernel/random/boot_id")?;
        ssh.run("sudo -n systemctl reboot")?;
        let operator = ssh.operator;
        machine.wait_until("the next start", BOOT, || {
            let login = Login {
                operator,
                to: ssh.to.clone(),
            };
            match login.run("cat /proc/sys/kernel/random/boot_id") {
                Ok(output) if output.code == Some(0) && output.stdout != boot => Ok(()),
                Ok(output) => Err(output.all()),
                Err(error) => Err(error.to_string()),
            }
        })?;
        let after = state()?;
        expect(
            after.starts_with("two\n"),
            "the second generation by a restart",
            after.trim(),
        )
    }
}

/// `flk ssh`, which takes no machine that is not verified.
struct Login<'o> {
    operator: &'o Operator<'o>,
    to: String,
}

impl Login<'_> {
    fn run(&self, script: &str) -> Result<Output> {
        Ok(self.operator.run(&["ssh", &self.to, "--", script])?)
    }

    fn read(&self, script: &str) -> Result<String> {
        Ok(self.run(script)?.success()?.stdout)
    }

    fn wait(&self, machine: &mut Machine, script: &str) -> Result<()> {
        machine.wait_until("verified ssh", BOOT, || match self.run(script) {
            Ok(output) if output.code == Some(0) => Ok(()),
            Ok(output) => Err(output.all()),
            Err(error) => Err(error.to_string()),
        })?;
        say(format_args!(
            "it answers {} s after power-on",
            machine.up_for().as_secs()
        ));
        Ok(())
    }
}

fn seen(what: &str, how: &str) {
    say(format_args!("seen: {what}: {how}"));
}

fn expect(holds: bool, what: &str, how: &str) -> Result<()> {
    if holds {
        seen(what, how);
        return Ok(());
    }
    Err(Error::Nixos(format!("{what}: {how}")))
}
