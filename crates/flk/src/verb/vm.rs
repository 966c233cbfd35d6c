//! `flk vm`: a host's ISO boots in QEMU, in the terminal.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::{Context, Failure, Result},
    place::{self, Places},
    ui,
    verb::iso,
    workspace::Origin,
};

const QEMU: &str = "qemu-system-x86_64";
/// The first port that is tried for ssh.
const SSH_PORT: u16 = 2222;
/// What a disk that `--disk` makes can hold; it takes only what is written.
const DISK_SIZE: u64 = 20 << 30;
/// UEFI firmware and its variables, where distributions put them.
const FIRMWARE: [(&str, &str); 5] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
];

/// Boot a host's ISO in QEMU.
///
/// The ISO is brought up to date first. The machine's serial console is this terminal (Ctrl-A X ends the machine, Ctrl-A C
/// is QEMU's monitor); its network is QEMU's own, with ssh forwarded from a port of this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The host: the name of its file in hosts/, without .nix.
    #[arg(value_name = "HOST", required_unless_present = "iso")]
    host: Option<String>,
    #[command(flatten)]
    origin: Origin,
    /// Boot this ISO as it is, and make none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["flake", "channel", "no_keys"])]
    iso: Option<PathBuf>,
    /// Boot by UEFI (OVMF).
    #[arg(long, conflicts_with = "bios")]
    uefi: bool,
    /// Boot by BIOS; this is the default.
    #[arg(long)]
    bios: bool,
    /// A disk for the machine, to install to; made (20 GB, sparse) if missing. It boots when the ISO does not.
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// The machine's memory in megabytes.
    #[arg(long, value_name = "MB", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(256..))]
    memory: u32,
    /// The port of this machine that leads to the machine's ssh; without it, the first free one from 2222 on.
    #[arg(long, value_name = "N")]
    ssh_port: Option<u16>,
    /// Open a window with the machine's screen, too.
    #[arg(long)]
    graphic: bool,
    /// Use KVM. Without it everything is emulated, which works anywhere.
    #[arg(long)]
    kvm: bool,
    /// Boot the ISO even if nobody can log in to it by ssh.
    #[arg(long)]
    no_keys: bool,
}

/// Runs the verb. It ends only if QEMU cannot be started: flk becomes QEMU.
pub(crate) fn run(args: Args) -> Result<()> {
    let qemu = place::program(QEMU, &[]).ok_or_else(|| {
        Failure::new(format!(
            "there is no QEMU on this machine: no program `{QEMU}` on PATH"
        ))
        .hint("on Debian and Ubuntu: `apt install qemu-system-x86 ovmf`")
    })?;
    let firmware = if args.uefi { Some(firmware()?) } else { None };
    if args.kvm
        && fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_err()
    {
        return Err(
            Failure::new("KVM cannot be used: /dev/kvm is missing or not yours")
                .hint("leave --kvm out, or join the group `kvm`"),
        );
    }
    if let Some(disk) = &args.disk {
        provide_disk(disk)?;
    }
    let (iso, public_key) = iso(&args)?;
    let port = ssh_port(args.ssh_port)?;

    let places = Places::find()?;
    // flk becomes QEMU, so this folder outlives flk; the next run after QEMU removes it.
    let scratch = places.scratch("vm")?.keep();
    let mut machine = Machine {
        arguments: Vec::new(),
    };
    machine.hardware(&args, processor(&qemu, args.kvm));
    if let Some((code, variables)) = firmware {
        let own = scratch.join("variables.fd");
        fs::copy(variables, &own).context(|| format!("cannot copy {variables}"))?;
        machine.firmware(Path::new(code), &own);
    }
    machine.drives(&iso, args.disk.as_deref());
    machine.network(port);

    tell(&iso, port, public_key.as_deref(), &scratch)?;
    let error = Command::new(&qemu).args(&machine.arguments).exec();
    Err(Failure::new(format!("cannot run {}", qemu.display())).because(error))
}

/// The ISO to boot, and its ssh host key if it is known.
fn iso(args: &Args) -> Result<(PathBuf, Option<String>)> {
    if let Some(iso) = &args.iso {
        if !iso.is_file() {
            return Err(Failure::new(format!("there is no ISO {}", iso.display())));
        }
        return Ok((iso.clone(), None));
    }
    let host = args.host.clone().unwrap_or_default();
    let iso = iso::make(&iso::Args {
        no_keys: args.no_keys,
        ..iso::Args::new(host, args.origin.clone())
    })?;
    let iso = iso.ok_or_else(|| Failure::new("no ISO was made"))?;
    Ok((iso.path, iso.public_key))
}

fn firmware() -> Result<(&'static str, &'static str)> {
    FIRMWARE
        .into_iter()
        .find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file())
        .ok_or_else(|| {
            Failure::new("there is no UEFI firmware for QEMU on this machine (OVMF)").hint(
                "on Debian and Ubuntu: `apt install ovmf`; on Fedora: `dnf install edk2-ovmf`",
            )
        })
}

fn provide_disk(disk: &Path) -> Result<()> {
    match fs::File::create_new(disk) {
        Ok(file) => {
            file.set_len(DISK_SIZE)
                .context(|| format!("cannot make the disk {}", disk.display()))?;
            ui::note(format_args!(
                "made the disk {}: {}, sparse",
                disk.display(),
                ui::bytes(DISK_SIZE)
            ));
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(Failure::new(format!("cannot make the disk {}", disk.display())).because(error))
        }
    }
}

fn ssh_port(wish: Option<u16>) -> Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    match wish {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(Failure::new(format!("port {port} is taken"))
            .hint("give another one to --ssh-port, or leave it out")),
        None => (SSH_PORT..SSH_PORT + 100)
            .find(|&port| is_free(port))
            .ok_or_else(|| {
                Failure::new("no port from 2222 on is free").hint("give one: --ssh-port N")
            }),
    }
}

/// Says how to reach the machine, with its key where it is known.
fn tell(iso: &Path, port: u16, public_key: Option<&str>, scratch: &Path) -> Result<()> {
    ui::note(format_args!("booting {}", iso.display()));
    let identity = match public_key {
        Some(key) => {
            let known = scratch.join("known_hosts");
            let line = format!("[127.0.0.1]:{port} {}\n", key.trim());
            fs::write(&known, line).context(|| format!("cannot write {}", known.display()))?;
            format!("-o UserKnownHostsFile={} ", known.display())
        }
        None => "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null ".to_owned(),
    };
    ui::note(format_args!(
        "log in: ssh {identity}-p {port} nixos@127.0.0.1"
    ));
    ui::note("end it: Ctrl-A X");
    Ok(())
}

/// QEMU's command line.
struct Machine {
    arguments: Vec<String>,
}

impl Machine {
    fn add(&mut self, option: &str, value: impl Into<String>) {
        self.arguments.extend([option.to_owned(), value.into()]);
    }

    fn hardware(&mut self, args: &Args, processor: &str) {
        self.add("-machine", "q35");
        let accelerator = if args.kvm { "kvm" } else { "tcg,thread=multi" };
        self.add("-accel", accelerator);
        self.add("-cpu", processor);
        self.add("-smp", "2");
        self.add("-m", args.memory.to_string());
        self.add("-device", "virtio-rng-pci");
        if !args.graphic {
            self.add("-display", "none");
        }
        self.add("-serial", "mon:stdio");
        if let Some(host) = &args.host {
            self.add("-name", escaped(host));
        }
    }

    fn firmware(&mut self, code: &Path, variables: &Path) {
        let code = escaped(&code.to_string_lossy());
        let variables = escaped(&variables.to_string_lossy());
        self.add(
            "-drive",
            format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        );
        self.add(
            "-drive",
            format!("if=pflash,unit=1,format=raw,file={variables}"),
        );
    }

    /// The ISO boots first: a disk that is to be installed to may hold a system already.
    fn drives(&mut self, iso: &Path, disk: Option<&Path>) {
        let file = escaped(&iso.to_string_lossy());
        self.add(
            "-drive",
            format!("if=none,id=iso,format=raw,media=cdrom,readonly=on,file={file}"),
        );
        self.add("-device", "ide-cd,drive=iso,bootindex=0");
        if let Some(disk) = disk {
            let format = match disk.extension().and_then(|extension| extension.to_str()) {
                Some("qcow2") => "qcow2",
                _ => "raw",
            };
            let file = escaped(&disk.to_string_lossy());
            self.add(
                "-drive",
                format!("if=none,id=disk,format={format},file={file}"),
            );
            self.add("-device", "virtio-blk-pci,drive=disk,bootindex=1");
        }
    }

    fn network(&mut self, port: u16) {
        self.add(
            "-netdev",
            format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22"),
        );
        self.add("-device", "virtio-net-pci,netdev=net");
    }
}

/// The machine's processor, in QEMU's terms.
///
/// An emulated one copies byte by byte where `erms` says that this is fast, and a boot takes a seventh longer for it.
///
/// Emulation before QEMU 8.0 leaves rubbish in the flags behind CMPXCHG16B, which the kernel's allocator runs all the time; an
/// interrupt just then ends in a kernel panic, once in many hours. A processor without that instruction is not struck by it.
fn processor(qemu: &Path, kvm: bool) -> &'static str {
    if kvm {
        return "host";
    }
    let version = Command::new(qemu).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match major_version(&version.unwrap_or_default()) {
        Some(..8) => "max,erms=off,cx16=off",
        _ => "max,erms=off",
    }
}

/// The major version in what `--version` prints: `QEMU emulator version 7.2.9 (…)`.
fn major_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once(" version ")?;
    version.split('.').next()?.parse().ok()
}

/// A comma ends a value in QEMU's options; two of them are one.
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_paths_survive() {
        let mut machine = Machine {
            arguments: Vec::new(),
        };
        machine.drives(Path::new("/a,b.iso"), Some(Path::new("d.qcow2")));
        let text = machine.arguments.join(" ");
        assert!(text.contains("file=/a,,b.iso"), "{text}");
        assert!(text.contains("id=disk,format=qcow2,file=d.qcow2"), "{text}");
        assert!(text.find("bootindex=0").unwrap() < text.find("bootindex=1").unwrap());
    }

    #[test]
    fn any_text_is_one_value_for_qemu() {
        for text in (' '..='~').map(|c| format!("{c}{c}a{c},b=")) {
            // As QEMU's parser of options reads one: up to a comma that is alone.
            let given = format!("{},next=1", escaped(&text));
            let mut read = String::new();
            let mut rest = given.chars().peekable();
            while let Some(c) = rest.next() {
                if c == ',' && rest.next_if_eq(&',').is_none() {
                    break;
                }
                read.push(c);
            }
            assert_eq!(read, text);
            assert_eq!(rest.collect::<String>(), "next=1");
        }
    }

    #[test]
    fn the_version_is_read() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(major_version(text), Some(7));
        assert_eq!(major_version("QEMU emulator version 10.0.0\n"), Some(10));
        assert_eq!(major_version(""), None);
    }

    #[test]
    fn a_taken_port_is_refused() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(ssh_port(Some(port)).is_err());
        assert_ne!(ssh_port(None).unwrap(), port);
    }
}
