//! `flk up`: the machine that flk runs on becomes a host of the repository.
//!
//! Where there is `nixos-generate-config`, it says what the hardware is; elsewhere flk writes what the kernel knows: mounted file systems and swap by
//! their UUID (proc(5), `mountinfo` and `swaps`) and how the machine was booted. RAID, LUKS and LVM are not looked through.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use flk_mounts::Mount;

use crate::{
    error::{Context, Failure, Result},
    git, place,
    repository::Repository,
    ui,
};

const GENERATOR: &str = "nixos-generate-config";

/// Write this machine's hardware to hosts/up-HOSTNAME.nix.
///
/// The file is a host of the repository from then on: `flk switch up-HOSTNAME`. One that exists is not overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; without it, the one around the current folder.
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
    /// Write it anew.
    #[arg(long)]
    force: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let repository = Repository::find(args.flake.as_deref())?;
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let file = PathBuf::from(format!("hosts/up-{name}.nix"));
    let path = repository.root.join(&file);
    if path.exists() && !args.force {
        return Err(Failure::new(format!("{} is there already", path.display()))
            .hint("--force writes it anew"));
    }
    if !repository.is_writable() {
        return Err(Failure::new(format!(
            "{} is in the store, where nothing is written",
            repository.root.display()
        )));
    }
    let hardware = match place::program(GENERATOR, &[]) {
        Some(program) => generated(&program)?,
        None => Hardware::read().text(),
    };
    let (arguments, imports) = if repository.root.join("suites").exists() {
        ("{ suites, ... }", "[ hardware ] ++ suites.base")
    } else {
        ("{ ... }", "[ hardware ]")
    };
    let text = format!(
        "# This machine, {name}, as `flk up` found it.\n{arguments}:\nlet\n  hardware =\n{};\nin\n{{\n  imports = {imports};\n\n  networking.hostName = {};\n}}\n",
        indented(hardware.trim_end()),
        flk_nix::quote(&name),
    );
    let folder = repository.root.join("hosts");
    fs::create_dir_all(&folder).context(|| format!("cannot create {}", folder.display()))?;
    place::write_whole(&path, text.as_bytes())
        .context(|| format!("cannot write {}", path.display()))?;
    if let Some(git) = &repository.git {
        git::add(&git.top, &[repository.folder_in(git).join(&file)])?;
    }
    ui::note(format_args!("wrote {}", file.display()));
    Ok(())
}

fn generated(program: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("--show-hardware-config")
        .output()
        .context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        return Err(Failure::new(format!(
            "{GENERATOR} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A mounted file system, or swap without a mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    device: String,
    mount_point: String,
    kind: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hardware {
    file_systems: Vec<Mounted>,
    swap: Vec<String>,
    by_uefi: bool,
}

impl Hardware {
    fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut hardware = Self {
            file_systems: mounted(flk_mounts::read().unwrap_or_default()),
            swap: swap(&text("/proc/swaps")),
            by_uefi: Path::new("/sys/firmware/efi").exists(),
        };
        for file_system in &mut hardware.file_systems {
            file_system.device = by_uuid(&file_system.device);
        }
        for device in &mut hardware.swap {
            *device = by_uuid(device);
        }
        hardware
    }

    fn text(&self) -> String {
        use flk_nix::quote;
        let mut text = String::from("{\n");
        for file_system in &self.file_systems {
            text.push_str(&format!(
                "  fileSystems.{} = {{\n    device = {};\n    fsType = {};\n  }};\n",
                quote(&file_system.mount_point),
                quote(&file_system.device),
                quote(&file_system.kind)
            ));
        }
        let swap: Vec<String> = self
            .swap
            .iter()
            .map(|device| format!("{{ device = {}; }} ", quote(device)))
            .collect();
        text.push_str(&format!("  swapDevices = [ {}];\n", swap.concat()));
        if self.by_uefi {
            text.push_str("  boot.loader.systemd-boot.enable = true;\n  boot.loader.efi.canTouchEfiVariables = true;\n");
        }
        text.push_str("}\n");
        text
    }
}

/// Block devices: each once, where it is mounted whole.
fn mounted(mounts: Vec<Mount>) -> Vec<Mounted> {
    let mut found: Vec<Mounted> = Vec::new();
    for mount in mounts {
        let device = mount.source;
        let is_disk = device.starts_with("/dev/") && !device.starts_with("/dev/loop");
        let is_whole = mount.root == Path::new("/");
        if is_whole && is_disk && found.iter().all(|other| other.device != device) {
            found.push(Mounted {
                device,
                mount_point: mount.point.display().to_string(),
                kind: mount.fs_type,
            });
        }
    }
    found
}

/// Partitions of /proc/swaps.
fn swap(swaps: &str) -> Vec<String> {
    let lines = swaps.lines().skip(1);
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (device, kind) = (words.next()?, words.next()?);
            (kind == "partition" && !device.starts_with("/dev/zram")).then(|| device.to_owned())
        })
        .collect()
}

/// The name that stays, if there is one.
fn by_uuid(device: &str) -> String {
    let Ok(device_file) = fs::canonicalize(device) else {
        return device.to_owned();
    };
    fs::read_dir("/dev/disk/by-uuid")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|link| fs::canonicalize(link).is_ok_and(|target| target == device_file))
        .map_or_else(|| device.to_owned(), |link| link.display().to_string())
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("    {line}")
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_told_from_other_mounts() {
        let mountinfo = "21 28 0:20 / /proc rw - proc proc rw\n\
            28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            30 28 254:1 /nix/store /nix/store ro - ext4 /dev/vda1 rw\n\
            31 28 254:2 / /my\\040disk rw - vfat /dev/vda2 rw\n\
            32 28 7:0 / /iso ro - squashfs /dev/loop0 ro\n";
        let hardware = Hardware {
            file_systems: mounted(flk_mounts::parse(mountinfo)),
            swap: swap(
                "Filename Type Size Used Priority\n/dev/vda3 partition 1 0 -2\n/swapfile file 1 0 -3\n/dev/zram0 partition 1 0 5\n",
            ),
            by_uefi: true,
        };
        assert_eq!(
            hardware.text(),
            "{\n  fileSystems.\"/\" = {\n    device = \"/dev/vda1\";\n    fsType = \"ext4\";\n  };\n  \
             fileSystems.\"/my disk\" = {\n    device = \"/dev/vda2\";\n    fsType = \"vfat\";\n  };\n  \
             swapDevices = [ { device = \"/dev/vda3\"; } ];\n  boot.loader.systemd-boot.enable = true;\n  \
             boot.loader.efi.canTouchEfiVariables = true;\n}\n"
        );
    }
}
