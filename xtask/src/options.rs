//! `cargo xtask options`: every option that flk's Nix files define or read, looked up in nixpkgs trees, by the evaluation of `options/look.nix`.
//!
//! A host of all that flk looks at is evaluated with a tree's own modules, and its live system too. Not looked at: the built-in channel, whose modules are flk's own.

mod report;

use crate::{Error, Result, root, say};
use report::{Looked, report};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Looks at each tree, and fails if one has findings.
pub(crate) fn run(trees: &[PathBuf]) -> Result<()> {
    let mut findings = 0;
    for tree in trees {
        let tree = tree.canonicalize().map_err(Error::file(tree))?;
        let looked: Looked = evaluate(&tree, "looked")?;
        let mut report = report(&looked);
        // A finding may be why it fails, so both are told.
        match evaluate::<String>(&tree, "live") {
            Ok(_) => {}
            Err(Error::Look { reason, .. }) => {
                report
                    .findings
                    .insert(format!("the live system cannot be evaluated: {reason}"));
            }
            Err(error) => return Err(error),
        }
        say(format_args!(
            "{}: NixOS {}, {} definitions, {} reads",
            tree.display(),
            looked.release,
            looked.definitions.len(),
            looked.reads.len()
        ));
        section(
            "absent, and flk defines or reads them only where they are there",
            &report.absent,
        );
        let members = report.members.iter().map(|((name, reason), members)| {
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            format!("{name}: {reason} ({})", members.join(", "))
        });
        section("members of an `attrsOf submodule`", &members.collect());
        section("findings", &report.findings);
        findings += report.findings.len();
    }
    if findings == 0 {
        Ok(())
    } else {
        Err(Error::Options(findings))
    }
}

fn section(title: &str, lines: &BTreeSet<String>) {
    say(format_args!("  {title}: {}", lines.len()));
    for line in lines {
        say(format_args!("    {line}"));
    }
}

/// An attribute of `look.nix`, with a tree.
fn evaluate<T: DeserializeOwned>(tree: &Path, attribute: &str) -> Result<T> {
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--read-write-mode"])
        .arg(root().join("xtask/options/look.nix"))
        .args(["--attr", attribute])
        .args(["--argstr", "nixpkgs"])
        .arg(tree)
        .args(["--argstr", "flk"])
        .arg(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start {
            program: "nix-instantiate".into(),
            source,
        })?;
    let failed = |reason: String| Error::Look {
        tree: tree.to_owned(),
        reason,
    };
    if !output.status.success() {
        return Err(failed(errors_of(&String::from_utf8_lossy(&output.stderr))));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Nix's error without the warnings before it.
fn errors_of(stderr: &str) -> String {
    let start = stderr.find("error:").unwrap_or(0);
    stderr[start..].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_error_is_told_without_the_warnings() {
        assert_eq!(errors_of("trace: x\nerror: y\n z\n"), "error: y\n z");
        assert_eq!(errors_of("y\n"), "y");
    }

    /// What follows `config.` in flk's Nix files, as far as it is written out.
    fn reads_in(text: &str) -> Vec<String> {
        text.lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split("config.").skip(1))
            .map(|rest| {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
                    .unwrap_or(rest.len());
                rest[..end].trim_end_matches('.').to_owned()
            })
            .filter(|path| !path.is_empty() && path != "nix")
            .collect()
    }

    #[test]
    fn every_option_that_is_read_is_in_the_table() {
        let tables = fs::read_to_string(root().join("xtask/options/tables.nix")).unwrap();
        let listed: Vec<&str> = tables
            .lines()
            .filter(|line| line.contains("= needs") || line.contains("= asks"))
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        let within = |path: &str, other: &str| {
            path.strip_prefix(other)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut files: Vec<PathBuf> = ["facts", "image", "extend", "live"]
            .map(|name| root().join(format!("nix/{name}.nix")))
            .into();
        for entry in fs::read_dir(root().join("nix/live")).unwrap() {
            files.push(entry.unwrap().path());
        }
        let mut found = 0;
        for file in files {
            for path in reads_in(&fs::read_to_string(&file).unwrap()) {
                // flk's own options, and what flk makes.
                if within(&path, "flk")
                    || path == "system.build.flkImage"
                    || path == "system.build.isoBoot"
                {
                    continue;
                }
                found += 1;
                assert!(
                    listed
                        .iter()
                        .any(|name| within(name, &path) || within(&path, name)),
                    "{}: reads {path}, which xtask/options/tables.nix does not list",
                    file.display()
                );
            }
        }
        assert!(found > 20, "only {found} reads found");
    }
}
