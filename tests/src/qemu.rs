//! QEMU's command line for a machine.

use crate::{BenchError, Disk, Firmware, MachineOptions, Medium};
use serde_json::json;
use std::{fs, path::Path, process::Command};

/// Where Debian's `ovmf` puts the firmware and its empty variables; the first pair that is there is taken.
const OVMF: [(&str, &str); 2] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
];

/// The processor, as `flk vm` has it too. QEMU before 8.0 leaves rubbish in the flags behind an emulated CMPXCHG16B (`cx16`), and
/// now and then that ends in a kernel panic; what `erms` says is fast is slow in emulation, by a seventh of a boot.
const PROCESSOR: &str = "max,cx16=off,erms=off";
/// How many of them. Two tests' machines share two processors: with one each they boot in three quarters of the time. And where
/// several are emulated side by side, one can run what the other has just patched (QEMU 7.2): the kernel panics over an `int3`.
const PROCESSORS: &str = "1";
/// The id of the one card.
pub(crate) const CARD: &str = "card0";

/// QEMU's command line for `options`.
pub(crate) fn describe(
    command: &mut Command,
    options: &MachineOptions,
    tap: &str,
    files: &Path,
) -> Result<(), BenchError> {
    if std::env::var_os("FLK_TEST_KVM").is_some_and(|value| value == "1") {
        command.args(["-accel", "kvm"]);
    } else {
        command.args(["-accel", "tcg,thread=single"]);
    }
    command
        .args([
            "-machine",
            "q35",
            "-cpu",
            PROCESSOR,
            "-smp",
            PROCESSORS,
            "-m",
            &options.memory.to_string(),
        ])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-vga",
            "std",
        ])
        .args([
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
        ])
        .arg("-qmp")
        .arg(format!(
            "unix:{},server=on,wait=off",
            files.join("qmp").display()
        ))
        .args(["-device", "virtio-rng-pci"]);
    if options.has_card {
        command
            .arg("-netdev")
            .arg(format!("tap,id=net0,ifname={tap},script=no,downscript=no"))
            .arg("-device")
            .arg(format!(
                "virtio-net-pci,id={CARD},netdev=net0,mac={},romfile=",
                options.mac
            ));
    } else {
        command.args(["-nic", "none"]);
    }
    if options.firmware == Firmware::Uefi {
        let (code, variables) = OVMF
            .into_iter()
            .find(|(code, _)| Path::new(code).exists())
            .unwrap_or(OVMF[0]);
        let own = files.join("variables.fd");
        fs::copy(variables, &own).map_err(BenchError::file(variables))?;
        command
            .arg("-drive")
            .arg(format!(
                "if=pflash,format=raw,unit=0,readonly=on,file={code}"
            ))
            .arg("-drive")
            .arg(format!(
                "if=pflash,format=raw,unit=1,file={}",
                own.display()
            ));
    }
    let (image, cd, device): (&Path, bool, &[&str]) = match &options.medium {
        Medium::Cd(image) => (
            image,
            true,
            &["ide-cd,id=medium,drive=image,bus=ide.0,bootindex=0"],
        ),
        Medium::ScsiCd(image) => (
            image,
            true,
            &[
                "virtio-scsi-pci,id=scsi",
                "scsi-cd,id=medium,drive=image,bus=scsi.0,bootindex=0",
            ],
        ),
        Medium::Disk(image) => (
            image,
            false,
            &["virtio-blk-pci,id=medium,drive=image,bootindex=0"],
        ),
        Medium::UsbStick(image) => (
            image,
            false,
            &[
                "qemu-xhci,id=usb",
                "usb-storage,id=medium,drive=image,bus=usb.0,bootindex=0",
            ],
        ),
        Medium::None => (Path::new(""), false, &[]),
    };
    if !device.is_empty() {
        let mode = if cd {
            "media=cdrom,readonly=on"
        } else {
            "snapshot=on"
        };
        command.arg("-drive").arg(format!(
            "if=none,id=image,format=raw,{mode},file={}",
            image.display()
        ));
    }
    for device in device {
        command.args(["-device", device]);
    }
    for (index, disk) in options.disks.iter().enumerate() {
        let node = format!("disk{index}");
        let file = |name: String, path: &Path| {
            json!({ "driver": "file", "node-name": name, "filename": path }).to_string()
        };
        match disk {
            Disk::Plain(image) => {
                command.arg("-blockdev").arg(file(node, image));
            }
            Disk::Logged { image, log } => {
                fs::File::create(log).map_err(BenchError::file(log))?;
                let parts = [format!("{node}-image"), format!("{node}-log")];
                command
                    .arg("-blockdev")
                    .arg(file(parts[0].clone(), image))
                    .arg("-blockdev")
                    .arg(file(parts[1].clone(), log));
                let logged = json!({
                    "driver": "blklogwrites",
                    "node-name": node,
                    "file": parts[0],
                    "log": parts[1],
                });
                command.arg("-blockdev").arg(logged.to_string());
            }
        }
        // QEMU joins requests up to IOV_MAX parts, and `blklogwrites` puts a header before them: one part too many for pwritev(2), which the machine
        // sees as an error of its disk.
        let merging = match disk {
            Disk::Plain(_) => "on",
            Disk::Logged { .. } => "off",
        };
        command.arg("-device").arg(format!(
            "virtio-blk-pci,id=drive{index},drive=disk{index},bootindex={},request-merging={merging}",
            index + 1
        ));
    }
    Ok(())
}
