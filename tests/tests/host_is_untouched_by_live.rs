//! The installed host has nothing of what the live system adds: no mDNS, no `fe80::47`, no open 5353, no auto-login.
//!
//! Shown on the files that the two systems generate: what is looked for is found in the live one, so the search works.

use flk_tests::{Bench, BenchError, Fixture, Need, run};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the live system adds, as words of its generated files.
const ADDED: [&str; 8] = [
    "fe80::47",
    "MulticastDNS=yes",
    "IPv6LinkLocalAddressGenerationMode=eui64",
    "bootstrap-link-local",
    "5353",
    "--autologin",
    "flk-hold-alias",
    "flk-prepare",
];

#[test]
fn host_is_untouched_by_live() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("host_is_untouched_by_live", &[Need::BUILDS])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let live = live_toplevel(&fixture)?;
    let host = host_toplevel(&fixture)?;
    assert_ne!(live, host);

    let in_live = generated(&live)?;
    let in_host = generated(&host)?;
    for word in ADDED {
        assert!(
            !in_live.with(word).is_empty(),
            "{word} is not in the live system, so this test looks at the wrong place"
        );
        assert_eq!(
            in_host.with(word),
            Vec::<&Path>::new(),
            "{word} is in the host"
        );
    }
    // Both are systems, and the host's ssh is its own.
    for system in [&in_live, &in_host] {
        assert!(
            system.files.len() > 50,
            "{} generated files",
            system.files.len()
        );
        assert!(!system.with("PasswordAuthentication no").is_empty());
    }
    Ok(())
}

/// The text of the files that a system generates, without comments.
struct Generated {
    files: Vec<(PathBuf, String)>,
}

impl Generated {
    /// The files in which `word` stands, or whose name has it.
    fn with(&self, word: &str) -> Vec<&Path> {
        let has = |(path, text): &&(PathBuf, String)| {
            text.contains(word) || path.to_string_lossy().contains(word)
        };
        self.files
            .iter()
            .filter(has)
            .map(|(path, _)| path.as_path())
            .collect()
    }
}

/// What is in `toplevel` and under its `etc`, links followed; Debian's own packages, which every system has, left out.
fn generated(toplevel: &Path) -> Result<Generated, BenchError> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for name in [
        "etc",
        "stage2.json",
        "kernel-params",
        "activate",
        "init",
        "boot.json",
    ] {
        walk(toplevel, &toplevel.join(name), &mut seen, &mut files)?;
    }
    Ok(Generated { files })
}

fn walk(
    toplevel: &Path,
    path: &Path,
    seen: &mut BTreeSet<PathBuf>,
    files: &mut Vec<(PathBuf, String)>,
) -> Result<(), BenchError> {
    // A link to where only the running system has something.
    let Ok(real) = fs::canonicalize(path) else {
        return Ok(());
    };
    if is_debians(&real) {
        return Ok(());
    }
    if real.is_dir() {
        if seen.insert(real.clone()) {
            for entry in fs::read_dir(&real).map_err(BenchError::file(&real))? {
                let entry = entry.map_err(BenchError::file(&real))?;
                walk(toplevel, &path.join(entry.file_name()), seen, files)?;
            }
        }
        return Ok(());
    }
    let Ok(text) = fs::read_to_string(&real) else {
        return Ok(());
    };
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with(['#', ';']))
        .collect::<Vec<_>>()
        .join("\n");
    let name = path.strip_prefix(toplevel).unwrap_or(path).to_owned();
    files.push((name, text));
    Ok(())
}

/// Whether `path` belongs to an unpacked Debian package.
fn is_debians(path: &Path) -> bool {
    path.ancestors()
        .any(|folder| folder.join("nix-support/control").exists())
}

/// The system that the image starts: its boot menu says so.
fn live_toplevel(fixture: &Fixture) -> Result<PathBuf, BenchError> {
    let menu = fixture.file_on_iso("/boot/grub/grub.cfg")?;
    let init = menu
        .split_whitespace()
        .find_map(|word| word.strip_prefix("init="));
    let toplevel = init.and_then(|init| init.strip_suffix("/init"));
    toplevel.map(PathBuf::from).ok_or(BenchError::Understand {
        what: "the boot menu".into(),
        text: menu,
    })
}

/// The host's own system, as Nix itself evaluates it.
fn host_toplevel(fixture: &Fixture) -> Result<PathBuf, BenchError> {
    let attribute = format!(
        "{}#nixosConfigurations.NixOS.config.system.build.toplevel",
        fixture.repository.display()
    );
    let output = run(Command::new("nix")
        .args([
            "--extra-experimental-features",
            "nix-command flakes",
            "--option",
            "build-users-group",
            "",
        ])
        .args(["eval", "--raw", &attribute]))?
    .success()?;
    let toplevel = PathBuf::from(output.stdout.trim());
    assert!(
        toplevel.join("init").exists(),
        "{} is not built, though the image carries it",
        toplevel.display()
    );
    Ok(toplevel)
}
