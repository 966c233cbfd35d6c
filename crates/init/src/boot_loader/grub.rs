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
        .map_or_else(
            || "0".to_owned(),
            |(generation, ..)| word(&format!("generation-{}", generation.id())),
        );
    let timeout = settings
        .timeout
        .map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
    let mut text = format!(
        "# Written by flk: what is changed here is lost at the next generation.\n\
         set timeout={timeout}\n\
         set default={default}\n\
         if serial --unit=0 --speed=115200; then\n  terminal_input console serial\n  terminal_output console serial\nfi\n"
    );
    text.push_str(&own.extra_config);
    for (generation, kernel, initrd) in entries {
        text.push_str(&format!(
            "menuentry {title} --id {id} {{\n  linux ($root){prefix}/kernels/{kernel} {arguments}\n  initrd ($root){prefix}/kernels/{initrd}\n}}\n",
            title = word(&generation.title()),
            id = word(&format!("generation-{}", generation.id())),
            arguments = arguments(&generation.arguments),
        ));
    }
    text
}

/// What GRUB's shell reads as more than itself (its manual, "Quoting"); wildcards are there for its module regexp.
const SPECIAL: &str = "\\\"'$;&|<>{}#*?[]!~%()`";

/// One word for GRUB's shell. Line breaks become blanks. `grubWord` of nix/debian/modules/text.nix is the same.
fn word(text: &str) -> String {
    let mut word = String::new();
    for c in text.chars() {
        if SPECIAL.contains(c) || c.is_whitespace() {
            word.push('\\');
        }
        word.push(if c.is_control() { ' ' } else { c });
    }
    if word.is_empty() {
        "''".to_owned()
    } else {
        word
    }
}

/// The kernel's command line as words of GRUB's `linux`, which puts those with blanks into quotes for the kernel by itself, and gives a quote that
/// is in a word a backslash, which the kernel does not know. So quotes only keep their blanks.
fn arguments(line: &str) -> String {
    let mut words = String::new();
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c.is_whitespace() || c.is_control() => {
                words.push_str(if is_quoted { "\\ " } else { " " });
            }
            c => {
                if SPECIAL.contains(c) {
                    words.push('\\');
                }
                words.push(c);
            }
        }
    }
    words
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
            text.contains("\nset a=b\nmenuentry flk,\\ generation\\ 2 --id generation-2 {\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "  linux ($root)/boot/kernels/k1 init=/nix/store/t/init a=b\\ c d=\\$e\n  initrd ($root)/boot/kernels/i1\n}\n"
            ),
            "{text}"
        );
    }

    /// The words that GRUB's shell makes of a line: backslashes and quotes as its manual has them; what else is special is refused.
    fn words(line: &str) -> Option<Vec<String>> {
        let (mut words, mut word) = (Vec::new(), None::<String>);
        let mut characters = line.chars();
        while let Some(c) = characters.next() {
            match c {
                '\\' => word.get_or_insert_default().push(characters.next()?),
                '\'' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match characters.next()? {
                            '\'' => break,
                            c => word.push(c),
                        }
                    }
                }
                ' ' => words.extend(word.take()),
                c if "\"$;&|<>{}#*?[]".contains(c) || c.is_control() => return None,
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        Some(words)
    }

    #[test]
    fn any_text_is_one_word_for_grub() {
        let printable = (' '..='~').chain(['ä', '日', '🐧']);
        for c in printable.clone() {
            for text in [
                c.to_string(),
                format!("a{c}b {c} {c}{c}"),
                format!("{c}\\"),
                format!("{c}\"'$"),
                printable.clone().collect(),
            ] {
                assert_eq!(words(&word(&text)), Some(vec![text.clone()]), "{text:?}");
            }
        }
        assert_eq!(words(&word("")), Some(vec![String::new()]));
        assert_eq!(words(&word("a\nb")), Some(vec!["a b".to_owned()]));
    }

    #[test]
    fn the_kernel_gets_its_arguments_as_they_are() {
        // As `linux` hands them on.
        let handed = |line: &str| {
            let words = words(&arguments(line)).expect(line);
            let quoted = words.iter().map(|word| match word.contains(' ') {
                true => format!("\"{word}\""),
                false => word.clone(),
            });
            quoted.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(handed("init=/x a=\"b c\" d"), "init=/x \"a=b c\" d");
        assert_eq!(handed("memmap=64M$0x100 {a};b"), "memmap=64M$0x100 {a};b");
        for c in ('!'..='~').filter(|c| *c != '"') {
            let line = format!("a={c}b c");
            assert_eq!(handed(&line), line);
        }
    }
}
