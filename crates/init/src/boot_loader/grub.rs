//! GRUB by BIOS: `grub-install` of Debian's packages puts it into the disks' boot sectors, and `grub.cfg` is written here, with all generations.
//!
//! Kernels lie in `/boot/kernels`, so `/nix` may be on whatever GRUB cannot read. Not supported: `/boot` on a btrfs subvolume or on several disks.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::document::{BootLoader, Grub};
use super::files::{self, Kernels};
use super::generation::{Generation, inside};
use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib"];

pub(super) fn install(
    root: &Path,
    settings: &BootLoader,
    generations: &[Generation],
    log: &Log,
) -> Result<()> {
    let boot = inside(root, Path::new("/boot"));
    let Some(own) = &settings.grub else {
        return Err(missing("`grub` in bootloader.json", &boot));
    };
    let mut kernels = Kernels::new(boot.join("kernels"), "")?;
    let mut entries = Vec::new();
    for generation in generations {
        let kernel = kernels.keep(&inside(root, &generation.kernel), "kernel")?;
        let initrd = kernels.keep(&inside(root, &generation.initrd), "initrd")?;
        entries.push((generation, kernel, initrd));
    }
    files::sync(&boot)?;
    // GRUB's `$root` is the file system with /boot/grub in it.
    let prefix = if is_mount_point(&boot)? { "" } else { "/boot" };
    let text = configuration(settings, own, &entries, prefix);
    files::write(&boot.join("grub/grub.cfg"), text.as_bytes())?;
    files::sync(&boot)?;
    for device in &own.devices {
        if device != Path::new("nodev") {
            install_to(own, &boot, device)?;
            log.info(&format!(
                "GRUB is in the boot sector of {}",
                device.display()
            ));
        }
    }
    kernels.remove_others()?;
    files::sync(&boot)
}

/// Runs `grub-install` by its own loader and libraries: a chroot may have no `/usr`.
fn install_to(own: &Grub, boot: &Path, device: &Path) -> Result<()> {
    let find = |name: &str| {
        own.packages
            .iter()
            .map(|package| package.join(name))
            .find(|path| path.exists())
    };
    let program = find("usr/sbin/grub-install").ok_or_else(|| missing("grub-install", boot))?;
    let modules = find("usr/lib/grub/i386-pc").ok_or_else(|| missing("GRUB's modules", boot))?;
    let loader = find(LOADER)
        .or_else(|| find("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))
        .ok_or_else(|| missing("ld-linux-x86-64.so.2", boot))?;
    let mut libraries = OsString::new();
    for package in &own.packages {
        for folder in LIBRARIES {
            let folder = package.join(folder);
            if folder.is_dir() {
                if !libraries.is_empty() {
                    libraries.push(":");
                }
                libraries.push(folder);
            }
        }
    }
    let mut boot_folder = OsString::from("--boot-directory=");
    boot_folder.push(boot);
    let mut module_folder = OsString::from("--directory=");
    module_folder.push(modules);
    let output = Command::new(&loader)
        .arg("--library-path")
        .arg(libraries)
        .arg(&program)
        .args(["--target=i386-pc", "--recheck", "--no-floppy"])
        .args([module_folder, boot_folder])
        .arg(device)
        .env("LC_ALL", "C")
        .output()
        .at("run", &program)?;
    if output.status.success() {
        return Ok(());
    }
    Err(InitError::Program {
        program: format!("grub-install {}", device.display()),
        status: format!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        ),
    })
}

fn configuration(
    settings: &BootLoader,
    own: &Grub,
    entries: &[(&Generation, String, String)],
    prefix: &str,
) -> String {
    let default = entries
        .iter()
        .find(|(generation, ..)| generation.is_current)
        .map_or_else(String::new, |(generation, ..)| generation.id());
    let timeout = settings
        .timeout
        .map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
    let mut text = format!(
        "# Written by flk: what is changed here is lost at the next generation.\n\
         set timeout={timeout}\n\
         set default=generation-{default}\n\
         if serial --unit=0 --speed=115200; then\n  terminal_input console serial\n  terminal_output console serial\nfi\n"
    );
    text.push_str(&own.extra_config);
    for (generation, kernel, initrd) in entries {
        text.push_str(&format!(
            "menuentry \"{title}\" --id generation-{id} {{\n  linux ($root){prefix}/kernels/{kernel} {arguments}\n  initrd ($root){prefix}/kernels/{initrd}\n}}\n",
            title = generation.title(),
            id = generation.id(),
            arguments = quote(&generation.arguments),
        ));
    }
    text
}

/// GRUB's shell has the usual special characters; `"` and `'` are the command line's own, and pass.
fn quote(arguments: &str) -> String {
    let mut quoted = String::new();
    for c in arguments.chars() {
        if matches!(
            c,
            '\\' | '$' | ';' | '&' | '|' | '<' | '>' | '{' | '}' | '"' | '\'' | '#'
        ) {
            quoted.push('\\');
        }
        quoted.push(if c == '\n' { ' ' } else { c });
    }
    quoted
}

fn is_mount_point(folder: &Path) -> Result<bool> {
    let above: PathBuf = folder.join("..");
    let device = |path: &Path| {
        fs::metadata(path)
            .at("look at", path)
            .map(|data| data.dev())
    };
    Ok(device(folder)? != device(&above)?)
}

fn missing(what: &'static str, path: &Path) -> InitError {
    InitError::Missing {
        what,
        path: path.to_owned(),
        hint: "build the system again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_has_all_generations_and_starts_the_current_one() {
        let settings: BootLoader = serde_json::from_str(
            r#"{"version":1,"kind":"grub","timeout":null,"efiSysMountPoint":"/boot",
            "grub":{"devices":["/dev/vda"],"packages":[],"extraConfig":"set a=b\n"}}"#,
        )
        .unwrap();
        let generation = |number, is_current| Generation {
            number,
            variant: None,
            is_current,
            label: "flk".into(),
            kernel: PathBuf::new(),
            initrd: PathBuf::new(),
            arguments: "init=/nix/store/t/init a=\"b c\" d=$e".into(),
        };
        let (two, one) = (generation(2, false), generation(1, true));
        let entries = [
            (&two, "k2".to_owned(), "i2".to_owned()),
            (&one, "k1".to_owned(), "i1".to_owned()),
        ];
        let text = configuration(
            &settings,
            settings.grub.as_ref().unwrap(),
            &entries,
            "/boot",
        );
        assert!(
            text.contains("set timeout=-1\nset default=generation-1\n"),
            "{text}"
        );
        assert!(
            text.contains("\nset a=b\nmenuentry \"flk, generation 2\" --id generation-2 {\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "  linux ($root)/boot/kernels/k1 init=/nix/store/t/init a=\\\"b c\\\" d=\\$e\n  initrd ($root)/boot/kernels/i1\n}\n"
            ),
            "{text}"
        );
    }
}
