//! Why a host does not evaluate, in terms of the user's files: the file and line that an error comes from, and all the packages that are missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flk_nix::{EvaluationFailure, PackageName, Position, Step, package_names, quote};
use serde::Deserialize;

use crate::{
    error::Failure, evaluation::without_hosts, repository::ChannelKind, ui, workspace::Workspace,
};

/// The failure of a host's evaluation.
pub(crate) fn refuse(workspace: &Workspace, host: &str, error: flk_nix::Error) -> Failure {
    let error = explain(workspace, host, error);
    if let Some(failure) = without_hosts(workspace, &error) {
        return failure;
    }
    let is_evaluation = matches!(error, flk_nix::Error::Evaluation(_));
    let failure = Failure::new(format!("{host} does not evaluate")).because(error);
    if is_evaluation && !ui::is_verbose() {
        failure.hint("--verbose shows Nix's whole trace")
    } else {
        failure
    }
}

/// Nix's error about a host, with the user's file and line, and all packages that are missing where one is.
pub(crate) fn explain(workspace: &Workspace, host: &str, error: flk_nix::Error) -> flk_nix::Error {
    let error = workspace.explain(error);
    let flk_nix::Error::Evaluation(mut failure) = error else {
        return error;
    };
    if let Some(name) = missing_name(&failure.message)
        && let Some(missing) = missing_packages(workspace, host, &failure)
        // An attribute that is missing need not be a package.
        && missing.iter().any(|package| package.path.iter().any(|part| part == name))
    {
        failure.message = listed(&missing, workspace);
        failure.position = None;
        failure.frame.clear();
    }
    flk_nix::Error::Evaluation(failure)
}

/// The name in Nix's message about one that there is not: `with pkgs; [ htpo ]`, `pkgs.htpo`.
fn missing_name(message: &str) -> Option<&str> {
    let (before, rest) = message.split_once('\'')?;
    let (name, after) = rest.split_once('\'')?;
    let is_missing = before.ends_with("undefined variable ")
        || before.ends_with("attribute ") && after.trim_start().starts_with("missing");
    is_missing.then_some(name)
}

/// A package that there is not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    /// Its attribute path.
    path: Vec<String>,
    /// The file and line that first ask for it.
    place: String,
    /// What may be meant.
    near: Vec<String>,
}

/// What `nix/missing.nix` says of names.
#[derive(Debug, Deserialize)]
struct Checked {
    missing: Vec<Option<Vec<String>>>,
    near: Vec<Vec<String>>,
}

/// All packages that the files of a host ask for and there are not. None where Nix cannot say.
fn missing_packages(
    workspace: &Workspace,
    host: &str,
    failure: &EvaluationFailure,
) -> Option<Vec<Missing>> {
    let source = PathBuf::from(&workspace.sources().ok()?.source);
    let mut asked: Vec<(String, PackageName)> = Vec::new();
    for file in files_of(workspace, host, &source, failure) {
        let Ok(text) = fs::read_to_string(source.join(&file)) else {
            continue;
        };
        for name in package_names(&text) {
            asked.push((format!("{file}:{}", name.line), name));
        }
    }
    let list = |parts: &[String]| {
        parts
            .iter()
            .map(|part| quote(part))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let names: String = asked
        .iter()
        .map(|(_, name)| {
            let paths = name.paths.iter().map(|path| format!("[ {} ] ", list(path)));
            format!("[ {}] ", paths.collect::<String>())
        })
        .collect();
    let apply = format!(
        "hosts: let host = builtins.getAttr {host} hosts; flk = {flk}; in \
         import (flk + \"/nix/missing.nix\") {{ lib = import (flk + \"/nix/debian/lib\"); inherit (host) pkgs; names = [ {names}]; }}",
        host = quote(host),
        flk = workspace.channel.expression(),
    );
    let checked: Checked = serde_json::from_value(ask(workspace, &apply)?).ok()?;
    // Each once, where it is first asked for.
    let mut found: Vec<Missing> = Vec::new();
    for (((place, _), path), near) in asked.into_iter().zip(checked.missing).zip(checked.near) {
        let Some(path) = path else { continue };
        if found.iter().all(|one| one.path != path) {
            found.push(Missing { path, place, near });
        }
    }
    Some(found)
}

/// The user's files that a host is made of, from the repository's root: as the evaluation of its modules says, or else its own and the one that failed.
fn files_of(
    workspace: &Workspace,
    host: &str,
    source: &Path,
    failure: &EvaluationFailure,
) -> Vec<String> {
    let apply = format!(
        "hosts: let below = node: [ (toString node.file) ] ++ builtins.concatMap below node.imports; in \
         builtins.concatMap below (builtins.getAttr {} hosts).graph",
        quote(host)
    );
    let modules = ask(workspace, &apply)
        .and_then(|json| serde_json::from_value::<Vec<String>>(json).ok())
        .unwrap_or_default();
    let mut files: Vec<String> = vec![
        format!("hosts/{host}.nix"),
        format!("hosts/{host}/default.nix"),
    ];
    for module in modules {
        if let Ok(file) = Path::new(&module).strip_prefix(source) {
            // A module may be named by its directory.
            let file = if source.join(file).is_dir() {
                file.join("default.nix")
            } else {
                file.to_owned()
            };
            files.push(file.to_string_lossy().into_owned());
        }
    }
    let failed = failure.position.iter().map(|position| &position.file);
    files.extend(failed.filter(|file| is_users(file)).cloned());
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

fn ask(workspace: &Workspace, apply: &str) -> Option<serde_json::Value> {
    let attribute = "nixosConfigurations";
    workspace
        .nix
        .evaluate(&workspace.flake, attribute, apply, &mut |_| {})
        .ok()
}

/// The message about packages that there are not.
fn listed(missing: &[Missing], workspace: &Workspace) -> String {
    let is_debian = workspace.kind == ChannelKind::Debian;
    let mut text = match missing.len() {
        1 => "A package that the host asks for does not exist:".to_owned(),
        count => format!("{count} packages that the host asks for do not exist:"),
    };
    for package in missing {
        text.push_str(&format!(
            "\n  - {} ({})",
            package.path.join("."),
            package.place
        ));
        if !package.near.is_empty() {
            let has = if is_debian { "Debian has" } else { "near it" };
            text.push_str(&format!("\n    {has}: {}", package.near.join(", ")));
        }
    }
    if is_debian {
        let how = if workspace.repository.is_hosts_folder() {
            "`--channel nixpkgs`"
        } else {
            "`flk init --channel nixpkgs`"
        };
        text.push_str(&format!(
            "\nThe built-in channel has Debian's packages under Debian's names, and the usual ones under nixpkgs' names; nixpkgs has its own: {how}."
        ));
    }
    text
}

/// A file of the repository, by its path from there.
fn is_users(file: &str) -> bool {
    !file.is_empty() && !file.starts_with(['/', '<', '«', '('])
}

/// Whether a message names a file of the user's by itself.
fn names_users_file(message: &str) -> bool {
    message
        .split(|c: char| c.is_whitespace() || "`'\"(),".contains(c))
        .map(|word| {
            word.split(".nix:").next().unwrap_or(word).to_owned()
                + if word.contains(".nix:") { ".nix" } else { "" }
        })
        .any(|word| word.ends_with(".nix") && is_users(&word))
}

/// Where an evaluation failed, in the user's file, if one has to do with it; `source` is where the user's files are. flk's own are for `--verbose`.
pub(crate) fn point_at_users_file(
    failure: &mut EvaluationFailure,
    source: Option<&Path>,
    is_verbose: bool,
) {
    let is_pointing = |failure: &EvaluationFailure| {
        failure
            .position
            .as_ref()
            .is_some_and(|position| is_users(&position.file))
    };
    if is_pointing(failure) {
        return;
    }
    if let Some((name, file)) = missing_argument(failure) {
        let line = source.and_then(|source| line_of(&source.join(&file), &name));
        failure.message = format!(
            "An argument that a module asks for is given by nobody:\n  - {name} ({file}{})\n\
             Give it in `specialArgs' of `mkHosts' or `nixosSystem'. What `_module.args' gives, `imports' must not depend on.",
            line.map(|line| format!(":{line}")).unwrap_or_default()
        );
        failure.position = None;
        failure.frame.clear();
        return;
    }
    if !names_users_file(&failure.message) {
        let place = failure.trace.iter().find_map(|step| match step {
            // That the flake was evaluated is no news.
            Step::At { position, frame }
                if is_users(&position.file) && position.file != "flake.nix" =>
            {
                Some((position.clone(), frame.clone()))
            }
            _ => None,
        });
        let definitions = failure.trace.iter().find_map(|step| match step {
            Step::Definitions { file } if is_users(file) => Some(file.clone()),
            _ => None,
        });
        if let Some((position, frame)) = place {
            failure.position = Some(position);
            failure.frame = frame;
        } else if let Some(file) = definitions {
            failure
                .message
                .push_str(&format!("\nin what {file} defines"));
        } else if let (Some(name), Some(source)) = (missing_file(&failure.message), source)
            && let Some((file, line)) = mention(source, name)
        {
            failure.position = Some(Position {
                file,
                line,
                column: 1,
            });
            failure.frame.clear();
        }
    }
    let is_flks = |position: &Position| position.file.starts_with("<flk>");
    if !is_verbose && failure.position.as_ref().is_some_and(is_flks) {
        failure.position = None;
        failure.frame.clear();
    }
}

/// The argument that NixOS's modules recurse over, or miss, since nobody gives it.
fn missing_argument(failure: &EvaluationFailure) -> Option<(String, String)> {
    let is_recursion = failure.message.contains("infinite recursion");
    let missing = missing_name(&failure.message);
    failure.trace.iter().find_map(|step| match step {
        Step::Argument { name, file }
            if is_users(file)
                && (is_recursion && !GIVEN.contains(&name.as_str()) || missing == Some(name)) =>
        {
            Some((name.clone(), file.clone()))
        }
        _ => None,
    })
}

/// Arguments that every module of NixOS has.
const GIVEN: [&str; 5] = ["config", "lib", "options", "pkgs", "utils"];

/// The last part of the path in Nix's message about a file that there is not.
fn missing_file(message: &str) -> Option<&str> {
    let (_, rest) = message
        .split_once("getting status of '")
        .or_else(|| message.split_once("path '"))?;
    let (path, after) = rest.split_once('\'')?;
    let is_missing = after.contains("No such file") || after.contains("does not exist");
    is_missing.then(|| path.rsplit('/').next().unwrap_or(path))
}

/// The first line of a file that has a word.
fn line_of(file: &Path, word: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let is_part = |c: char| c.is_alphanumeric() || "_'-".contains(c);
    let has = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
        })
    };
    let found = text.lines().position(has)?;
    u32::try_from(found + 1).ok()
}

/// The first Nix file in a directory, by its path from there, that mentions a word, and the line.
fn mention(folder: &Path, word: &str) -> Option<(String, u32)> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        let mut entries: Vec<PathBuf> = fs::read_dir(&next)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        for path in &entries {
            if path.extension().is_some_and(|extension| extension == "nix")
                && let Some(line) = line_of(path, word)
            {
                let file = path.strip_prefix(folder).ok()?;
                return Some((file.to_string_lossy().into_owned(), line));
            }
        }
        waiting.extend(
            entries
                .into_iter()
                .rev()
                .filter(|path| path.is_dir() && !path.is_symlink()),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, line: u32) -> Position {
        Position {
            file: file.to_owned(),
            line,
            column: 2,
        }
    }

    fn step(file: &str, line: u32) -> Step {
        Step::At {
            position: at(file, line),
            frame: vec![format!("{line}| x")],
        }
    }

    fn failure(message: &str, position: Option<Position>, trace: Vec<Step>) -> EvaluationFailure {
        let mut failure = EvaluationFailure::default();
        failure.message = message.to_owned();
        failure.position = position;
        failure.trace = trace;
        failure
    }

    #[test]
    fn names_that_are_missing_are_read() {
        for (message, name) in [
            ("undefined variable 'htpo'", Some("htpo")),
            ("attribute 'htpo' missing\nDid you mean htop?", Some("htpo")),
            ("the option 'htpo' is set", None),
            ("attribute 'a' at x:1:2 already defined", None),
        ] {
            assert_eq!(missing_name(message), name, "{message}");
        }
    }

    #[test]
    fn an_error_points_at_the_users_file() {
        let own = |file: &str, line| Some(at(file, line));
        for (message, position, trace, expected) in [
            // The user's own place stays.
            (
                "no",
                own("hosts/a.nix", 3),
                vec![step("hosts/b.nix", 1)],
                own("hosts/a.nix", 3),
            ),
            // The innermost of the user's, but not that the flake was evaluated.
            (
                "no",
                own("/nix/store/n/lib.nix", 9),
                vec![
                    step("<flk>/nix/lib.nix", 9),
                    step("hosts/a.nix", 3),
                    step("hosts/b.nix", 4),
                ],
                own("hosts/a.nix", 3),
            ),
            (
                "no",
                own("<flk>/nix/lib.nix", 9),
                vec![step("flake.nix", 3)],
                None,
            ),
            ("no", None, vec![step("flake.nix", 3)], None),
            (
                "no",
                own("/nix/store/n/lib.nix", 9),
                vec![],
                own("/nix/store/n/lib.nix", 9),
            ),
            // A message that names the file by itself.
            (
                "not of type `boolean' - In `hosts/a.nix': 3",
                None,
                vec![step("hosts/b.nix", 4)],
                None,
            ),
            ("(hosts/a.nix:4)", None, vec![step("hosts/b.nix", 4)], None),
        ] {
            let mut failure = failure(message, position, trace);
            point_at_users_file(&mut failure, None, false);
            assert_eq!(failure.position, expected, "{message}: {:?}", failure.trace);
        }
        let mut failure = failure("no", Some(at("<flk>/nix/lib.nix", 9)), Vec::new());
        point_at_users_file(&mut failure, None, true);
        assert!(failure.position.is_some(), "with --verbose");
    }

    #[test]
    fn nixos_argument_that_nobody_gives_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("hosts")).unwrap();
        fs::write(
            folder.path().join("hosts/a.nix"),
            "# hardware-x\n{ lib,\n  hardware, ... }:\n{ imports = [ ./gone.nix ]; }\n",
        )
        .unwrap();
        let argument = |name: &str| Step::Argument {
            name: name.to_owned(),
            file: "hosts/a.nix".to_owned(),
        };
        for (message, name) in [
            ("infinite recursion encountered", "hardware"),
            ("attribute 'hardware' missing", "hardware"),
        ] {
            let mut failure = failure(message, None, vec![argument(name)]);
            point_at_users_file(&mut failure, Some(folder.path()), false);
            assert!(
                failure.message.contains("- hardware (hosts/a.nix:3)"),
                "{}",
                failure.message
            );
        }
        // NixOS gives that one: it is the configuration that depends on itself.
        let mut recursion = failure(
            "infinite recursion encountered",
            None,
            vec![argument("pkgs")],
        );
        point_at_users_file(&mut recursion, Some(folder.path()), false);
        assert_eq!(recursion.message, "infinite recursion encountered");

        let mut gone = failure(
            "getting status of '/nix/store/n-source/nixos/modules/gone.nix': No such file or directory",
            None,
            vec![],
        );
        point_at_users_file(&mut gone, Some(folder.path()), false);
        assert_eq!(
            gone.position,
            Some(Position {
                file: "hosts/a.nix".to_owned(),
                line: 4,
                column: 1
            })
        );
    }
}
