//! What no compiler checks: what a file must not name, how each file opens and ends, that the changelog is kept.

use crate::{Error, Result, root, say};
use std::{fs, process::Command};

/// Hosts of package registries and their mirrors, in halves, so that this file does not name them either.
const HOSTS: [(&str, &str); 9] = [
    ("deb.", "debian.org"),
    ("ftp.", "debian.org"),
    ("security.", "debian.org"),
    ("snapshot.", "debian.org"),
    ("static.", "crates.io"),
    ("index.", "crates.io"),
    ("cache.", "nixos.org"),
    ("registry.", "npmjs.org"),
    ("pypi", ".org"),
];

/// Folders of the machines on which flk is made; nobody else has them.
const FOLDERS: [(&str, &str); 2] = [("/wo", "rk/"), ("/fa", "rm")];

/// Files that are not written by hand, or name hosts by their nature.
const EXEMPT: [&str; 1] = ["Cargo.lock"];

/// Checks every file that git knows or would add.
pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    for name in files()? {
        let path = root().join(&name);
        // A listed file may have been deleted, and a binary one has no lines.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if !EXEMPT.contains(&name.as_str()) {
            check(&name, &text, &mut findings);
        }
    }
    let changelog = root().join("CHANGELOG.md");
    let text = fs::read_to_string(&changelog).map_err(Error::file(&changelog))?;
    if !text.contains("\n## [Unreleased]\n") {
        findings.push("CHANGELOG.md: no section `## [Unreleased]`".into());
    }
    for finding in &findings {
        say(finding);
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Untidy(findings.len()))
    }
}

fn files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .map_err(|source| Error::Start {
            program: "git".into(),
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Failed("git ls-files".into()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

fn check(name: &str, text: &str, findings: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        for (a, b) in HOSTS {
            if line.contains(&format!("{a}{b}")) {
                findings.push(format!(
                    "{place}: names the host {a}{b}; mirrors come from the machine's own settings"
                ));
            }
        }
        for (a, b) in FOLDERS {
            if is_path_in(line, &format!("{a}{b}")) {
                findings.push(format!("{place}: a path of one machine ({a}{b})"));
            }
        }
        if name.ends_with(".nix") && line.contains('\t') {
            findings.push(format!(
                "{place}: a tab; Nix files are indented by two spaces"
            ));
        }
        let is_code = [".nix", ".rs", ".toml"]
            .iter()
            .any(|ending| name.ends_with(ending));
        if is_code && line.ends_with(' ') {
            findings.push(format!("{place}: a space at the line's end"));
        }
    }
    if name.ends_with(".rs") && !text.starts_with("//! ") {
        findings.push(format!("{name}: does not open with `//!`: what it is, which specification, what is not supported"));
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        findings.push(format!("{name}: does not end with one newline"));
    }
}

/// Whether `folder` begins a path in `line`, rather than being in the middle of one.
fn is_path_in(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "._-/}$".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check(name, text, &mut findings);
        findings.len()
    }

    #[test]
    fn each_rule_finds_its_fault() {
        assert_eq!(findings("a.nix", "{\n  a = 1;\n}\n"), 0);
        assert_eq!(findings("a.nix", "{\n\ta = 1;\n}\n"), 1);
        assert_eq!(findings("a.nix", "{ }"), 1);
        assert_eq!(findings("a.rs", "//! What it is.\n"), 0);
        assert_eq!(findings("a.rs", "fn main() {}\n"), 1);
        assert_eq!(
            findings(
                "a.md",
                &format!("see https://{}{}/x\n", HOSTS[0].0, HOSTS[0].1)
            ),
            1
        );
        assert_eq!(
            findings(
                "a.md",
                &format!("in {}{}main\n", FOLDERS[0].0, FOLDERS[0].1)
            ),
            1
        );
        assert_eq!(findings("a.md", "upper in /nix/.rw-store/work/x\n"), 0);
    }
}
