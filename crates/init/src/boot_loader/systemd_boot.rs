//! systemd-boot on the EFI system partition: loader.conf(5), and an entry of type 1 for each generation (the UAPI group's Boot Loader Specification).
//!
//! The loader goes to its own place and to the one that any firmware tries by itself (UEFI, 3.5.1.1). With `canTouchEfiVariables` the firmware also gets a boot
//! entry for the former ([`firmware`]). Not supported: random seed.

use std::fs;
use std::path::Path;

use rustix::fs::statfs;

use super::document::BootLoader;
use super::files::{self, Kernels};
use super::firmware;
use super::generation::{Generation, inside};
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

/// `MSDOS_SUPER_MAGIC`, statfs(2).
const FAT: u64 = 0x4d44;
const FILES: &str = "EFI/flk";
/// The first of [`PROGRAMS`], as the firmware writes it.
const FIRMWARE_PATH: &str = "\\EFI\\systemd\\systemd-bootx64.efi";
const PROGRAMS: [&str; 2] = ["EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"];

pub(super) fn install(
    root: &Path,
    settings: &BootLoader,
    generations: &[Generation],
    log: &Log,
) -> Result<()> {
    let esp = inside(root, &settings.efi_sys_mount_point);
    let kind = statfs(&esp).at("look at", &esp)?.f_type as u64;
    if kind != FAT {
        return Err(InitError::Missing {
            what: "the EFI system partition, a FAT file system",
            path: esp,
            hint: "mount it there, or set boot.loader.efi.efiSysMountPoint",
        });
    }
    write(root, &esp, settings, generations)?;
    log.info(&format!(
        "systemd-boot starts {} generation(s) from {}",
        generations.len(),
        esp.display()
    ));
    if settings.can_touch_efi_variables {
        firmware::register(&esp, FIRMWARE_PATH, log);
    }
    Ok(())
}

/// All of it, on whatever file system.
fn write(root: &Path, esp: &Path, settings: &BootLoader, generations: &[Generation]) -> Result<()> {
    let Some(own) = &settings.systemd_boot else {
        return Err(InitError::Missing {
            what: "`systemdBoot` in bootloader.json",
            path: esp.to_owned(),
            hint: "build the system again",
        });
    };
    let mut kernels = Kernels::new(esp.join(FILES), ".efi")?;
    let mut entries = Vec::new();
    for generation in generations {
        let kernel = kernels.keep(&inside(root, &generation.kernel), "kernel")?;
        let initrd = kernels.keep(&inside(root, &generation.initrd), "initrd")?;
        entries.push((entry_name(generation), entry(generation, &kernel, &initrd)));
    }
    // What the entries name is on disk before them.
    files::sync(esp)?;
    let folder = esp.join("loader/entries");
    for (name, text) in &entries {
        files::write(&folder.join(name), text.as_bytes())?;
    }
    files::write(&esp.join("loader/entries.srel"), b"type1\n")?;
    let program = inside(root, &own.program);
    let program = fs::read(&program).at("read", &program)?;
    for place in PROGRAMS {
        files::write(&esp.join(place), &program)?;
    }
    files::write(
        &esp.join("loader/loader.conf"),
        configuration(settings, generations).as_bytes(),
    )?;
    files::sync(esp)?;
    // Nothing boots by these any more.
    files::remove_others(&folder, |name| {
        name.starts_with("nixos-generation-") && entries.iter().all(|(kept, _)| kept != name)
    })?;
    kernels.remove_others()?;
    files::sync(esp)
}

fn entry_name(generation: &Generation) -> String {
    format!("nixos-generation-{}.conf", generation.id())
}

fn entry(generation: &Generation, kernel: &str, initrd: &str) -> String {
    format!(
        "title {title}\nsort-key nixos\nversion Generation {id}\nlinux /{FILES}/{kernel}\ninitrd /{FILES}/{initrd}\noptions {arguments}\n",
        title = generation.title(),
        id = generation.id(),
        arguments = generation.arguments,
    )
}

fn configuration(settings: &BootLoader, generations: &[Generation]) -> String {
    let timeout = settings
        .timeout
        .map_or_else(|| "menu-force".to_owned(), |seconds| seconds.to_string());
    let mut text = format!("timeout {timeout}\n");
    if let Some(current) = generations.iter().find(|generation| generation.is_current) {
        text.push_str(&format!("default {}\n", entry_name(current)));
    }
    if let Some(own) = &settings.systemd_boot {
        if !own.editor {
            text.push_str("editor no\n");
        }
        text.push_str(&format!("console-mode {}\n", own.console_mode));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_loader::generation;
    use std::os::unix::fs::symlink;

    /// A host with a store of two generations, in a folder.
    fn host() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("nix/store")).unwrap();
        fs::create_dir_all(at("nix/var/nix/profiles")).unwrap();
        fs::write(at("nix/store/kernel"), "the kernel").unwrap();
        fs::write(at("nix/store/boot.efi"), "the loader").unwrap();
        for number in [1, 2] {
            let top = format!("nix/store/top-{number}");
            fs::create_dir(at(&top)).unwrap();
            fs::write(
                at(&format!("nix/store/initrd-{number}")),
                format!("initrd {number}"),
            )
            .unwrap();
            let variants = if number == 2 {
                r#","org.nixos.specialisation.v1":{"mute":{"org.nixos.bootspec.v1":{"label":"flk 2","kernel":"/nix/store/kernel",
                "initrd":"/nix/store/initrd-2","init":"/nix/store/mute/init","kernelParams":[]}}}"#
            } else {
                ""
            };
            let boot = format!(
                r#"{{"org.nixos.bootspec.v1":{{"label":"flk {number}","kernel":"/nix/store/kernel","initrd":"/nix/store/initrd-{number}",
                "init":"/{top}/init","kernelParams":["quiet","loglevel=4"],"system":"x86_64-linux","toplevel":"/{top}"}}{variants}}}"#
            );
            fs::write(at(&format!("{top}/boot.json")), boot).unwrap();
            symlink(
                format!("/{top}"),
                at(&format!("nix/var/nix/profiles/system-{number}-link")),
            )
            .unwrap();
        }
        symlink("system-2-link", at("nix/var/nix/profiles/system")).unwrap();
        dir
    }

    fn settings() -> BootLoader {
        serde_json::from_str(
            r#"{"version":1,"kind":"systemd-boot","timeout":5,"configurationLimit":null,"efiSysMountPoint":"/boot","canTouchEfiVariables":true,
            "systemdBoot":{"program":"/nix/store/boot.efi","editor":false,"consoleMode":"keep"},"grub":null}"#,
        )
        .unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_generation_has_an_entry_that_names_files_which_are_there() {
        let host = host();
        let esp = host.path().join("boot");
        let generations = generation::all(host.path()).unwrap();
        for _ in 0..2 {
            write(host.path(), &esp, &settings(), &generations).unwrap();
        }
        assert_eq!(
            fs::read_to_string(esp.join("loader/loader.conf")).unwrap(),
            "timeout 5\ndefault nixos-generation-2.conf\neditor no\nconsole-mode keep\n"
        );
        let folder = esp.join("loader/entries");
        assert_eq!(
            names(&folder),
            [
                "nixos-generation-1.conf",
                "nixos-generation-2-mute.conf",
                "nixos-generation-2.conf"
            ]
        );
        let variant = fs::read_to_string(folder.join("nixos-generation-2-mute.conf")).unwrap();
        assert!(
            variant.starts_with("title flk 2, generation 2 (mute)\n")
                && variant.ends_with("\noptions init=/nix/store/mute/init\n"),
            "{variant}"
        );
        let text = fs::read_to_string(folder.join("nixos-generation-1.conf")).unwrap();
        assert!(
            text.starts_with("title flk 1, generation 1\n")
                && text.ends_with("\noptions init=/nix/store/top-1/init quiet loglevel=4\n"),
            "{text}"
        );
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            fs::read_to_string(esp.join(line.unwrap().trim_start_matches('/'))).unwrap()
        };
        assert_eq!(
            (value("linux "), value("initrd ")),
            ("the kernel".into(), "initrd 1".into())
        );
        for program in PROGRAMS {
            assert_eq!(fs::read_to_string(esp.join(program)).unwrap(), "the loader");
        }
        // One kernel for both.
        assert_eq!(names(&esp.join(FILES)).len(), 3);
    }

    #[test]
    fn what_leaves_the_menu_leaves_the_partition() {
        let host = host();
        let esp = host.path().join("boot");
        let generations = generation::all(host.path()).unwrap();
        write(host.path(), &esp, &settings(), &generations).unwrap();
        fs::write(esp.join("loader/entries/windows.conf"), "").unwrap();
        write(host.path(), &esp, &settings(), &generations[..1]).unwrap();
        assert_eq!(
            names(&esp.join("loader/entries")),
            ["nixos-generation-2.conf", "windows.conf"]
        );
        assert_eq!(names(&esp.join(FILES)).len(), 2);
    }

    #[test]
    fn another_file_system_is_refused() {
        let host = host();
        fs::create_dir(host.path().join("boot")).unwrap();
        let generations = generation::all(host.path()).unwrap();
        let error = install(host.path(), &settings(), &generations, &Log::stderr("test"));
        assert!(matches!(error, Err(InitError::Missing { .. })));
        assert_eq!(fs::read_dir(host.path().join("boot")).unwrap().count(), 0);
    }
}
