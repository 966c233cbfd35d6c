//! Every host's ISO: evaluated several at a time, then built and packed one after the other, so that what they share is built and packed
//! once. One host's failure is said when it happens, and counted at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

use flk_image::FileName;
use serde_json::{Value, json};

use super::{Args, Made, make_of, settings, tell};
use crate::{
    archive,
    error::{Failure, Result},
    evaluation::{Evaluation, at_a_time, host_names, no_hosts},
    ui::{self, Phase, Unit},
    workspace::Workspace,
};

/// A host, and its ISO or why there is none, as it was said.
struct Outcome {
    host: String,
    made: Result<Made, String>,
}

/// Makes them.
pub(super) fn make(args: &Args) -> Result<()> {
    let workspace = Workspace::open(&args.origin)?;
    if !args.no_host_key {
        workspace.places.check_data()?;
    }
    archive::provide_indices(&workspace)?;
    let phase = Phase::start("hosts", Unit::Time);
    let names = host_names(&workspace, &mut |event| {
        crate::evaluation::tell(&phase, event);
    })?;
    phase.finish(ui::count(names.len(), "host"));
    if names.is_empty() {
        return Err(no_hosts());
    }
    // A failure's causes stay in their thread, its text does not.
    let evaluations = at_a_time(&names, |name| {
        Evaluation::of(&workspace, name, settings(args)).map_err(|failure| failure.render())
    });
    // Also of a host that fails today: its last ISO stays.
    let hosts: BTreeSet<String> = names.iter().cloned().collect();
    let made_before = |path: &Path| host_of(path).filter(|host| hosts.contains(host));
    let mut taken = BTreeMap::new();
    let mut outcomes = Vec::new();
    for (host, evaluation) in names.into_iter().zip(evaluations) {
        obey()?;
        let started = Instant::now();
        let made = evaluation.and_then(|evaluation| {
            make_of(args, &workspace, &host, &evaluation, &mut |out| {
                place(&mut taken, &made_before, &host, out)
            })
            .map_err(|failure| failure.render())
        });
        obey()?;
        match &made {
            Ok(made) => tell(made, started),
            Err(text) => ui::failure(text),
        }
        outcomes.push(Outcome { host, made });
    }
    report(args, &outcomes)
}

/// An interruption is no failure of one host.
fn obey() -> Result<()> {
    if flk_nix::is_interrupted() {
        return Err(flk_nix::Error::Interrupted.into());
    }
    Ok(())
}

/// The host whose ISO by flk this is, if it is one.
fn host_of(iso: &Path) -> Option<String> {
    let mut build = Vec::new();
    flk_stick::extract(iso, flk_stick::BUILD, &mut build).ok()?;
    let build: Value = serde_json::from_slice(&build).ok()?;
    Some(build["host"].as_str()?.to_owned())
}

/// Where a host's ISO goes: where its configuration says, unless another host's is there, by this run or by one before.
fn place(
    taken: &mut BTreeMap<PathBuf, String>,
    made_before: &dyn Fn(&Path) -> Option<String>,
    host: &str,
    out: PathBuf,
) -> Result<PathBuf> {
    let folder = out.parent().unwrap_or(Path::new(""));
    let own = FileName::new(format!("{host}.iso"))?.within(folder);
    let mut another = String::new();
    for path in [&out, &own] {
        let before = made_before(path).filter(|before| before != host);
        match taken.get(path).cloned().or(before) {
            Some(other) => another = other,
            None => {
                taken.insert(path.clone(), host.to_owned());
                return Ok(path.clone());
            }
        }
    }
    Err(Failure::new(format!(
        "{} is the ISO of {another} already",
        own.display()
    ))
    .hint("give their ISOs different names, with `image.fileName` (`isoImage.isoName` before NixOS 25.05)"))
}

fn report(args: &Args, outcomes: &[Outcome]) -> Result<()> {
    if args.json {
        let list: Vec<Value> = outcomes
            .iter()
            .map(|Outcome { host, made }| match made {
                Ok(made) => made.report(host),
                Err(text) => json!({ "host": host, "error": reason(text) }),
            })
            .collect();
        ui::data(serde_json::to_string_pretty(&list)?);
    } else {
        table(outcomes).iter().for_each(ui::data);
    }
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.made.is_err())
        .map(|outcome| outcome.host.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} of {} failed: {}",
        failed.len(),
        ui::count(outcomes.len(), "host"),
        failed.join(", ")
    )))
}

fn table(outcomes: &[Outcome]) -> Vec<String> {
    let width = outcomes
        .iter()
        .map(|outcome| outcome.host.chars().count())
        .max()
        .unwrap_or_default();
    outcomes
        .iter()
        .map(|Outcome { host, made }| match made {
            Ok(made) => {
                format!(
                    "{host:<width$}  {:<13}  {:>8}  {}",
                    made.state(),
                    ui::bytes(made.written.size),
                    made.iso.path.display()
                )
            }
            Err(text) => format!("{host:<width$}  fails: {}", reason(text)),
        })
        .collect()
}

/// A rendered failure in a line: its last cause, or what failed, without headings, place and a build's log.
fn reason(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut is_over = false;
    for line in text.lines() {
        let heading = ["error: ", "caused by: "]
            .iter()
            .find_map(|heading| line.strip_prefix(heading));
        if let Some(cause) = heading {
            lines = vec![cause];
            is_over = false;
            continue;
        }
        is_over |= ["hint: ", "    > ", "    at "]
            .iter()
            .any(|end| line.starts_with(end));
        if !is_over {
            lines.push(line);
        }
    }
    let words: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split_whitespace())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_a_line_is_its_cause() {
        let text = "error: box does not evaluate\ncaused by: attribute 'z' missing\n    at x:1:2\nhint: y\n";
        assert_eq!(reason(text), "attribute 'z' missing");
        assert_eq!(reason("error: no\n"), "no");
        let text = "error: cannot build a\ncaused by: these are unknown:\n      services.b (c:1)\nhint: d\n";
        assert_eq!(reason(text), "these are unknown: services.b (c:1)");
        let text = "error: cannot build a\ncaused by: b failed\n    > one\n    > two\n";
        assert_eq!(reason(text), "b failed");
    }

    #[test]
    fn no_host_takes_anothers_place() {
        let mut taken = BTreeMap::new();
        let mut place = |host: &str, name: &str| {
            let before = |path: &Path| path.ends_with("old.iso").then(|| "a".to_owned());
            super::place(
                &mut taken,
                &before,
                host,
                PathBuf::from("result/iso").join(name),
            )
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .map_err(|failure| failure.render())
        };
        assert_eq!(place("a", "nixos.iso").unwrap(), "nixos.iso");
        assert_eq!(place("b", "nixos.iso").unwrap(), "b.iso");
        // What `a` has from before is its own, also when it was not its turn yet, or fails.
        assert_eq!(place("c", "old.iso").unwrap(), "c.iso");
        assert_eq!(place("a", "old.iso").unwrap(), "old.iso");
        let refused = place("b", "b.iso").unwrap_err();
        assert!(
            refused.contains("b.iso is the ISO of b already"),
            "{refused}"
        );
    }
}
