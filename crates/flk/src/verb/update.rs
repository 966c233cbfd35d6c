//! `flk update`: the newest packages, pinned; and what has changed.

use std::{collections::BTreeMap, fs::File, io};

use flk_debian::archive::{IndexSource, Lock, write_index};
use flk_nix::Nix;
use serde_json::Value;

use crate::{
    archive,
    channel::Channel,
    error::{Context, Failure, Result},
    hosts_folder::{self, Chosen},
    lock,
    place::Places,
    repository::{ChannelKind, PIN, Repository},
    ui,
    workspace::{Origin, find_nix, refuse_channel},
};

/// Names that a list of changes shows.
const LISTED: usize = 12;

/// Renew the pin of the packages.
///
/// On the built-in channel: flk.lock gets the newest signed state of Debian from the machine's mirror (apt's sources, or
/// FLK_DEBIAN_MIRROR), and what has changed is told. On nixpkgs: the inputs in flake.lock are locked anew, or only one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The one input of the flake that is locked anew.
    #[arg(value_name = "INPUT")]
    input: Option<String>,
    #[command(flatten)]
    origin: Origin,
    /// Name every package that changed.
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    ui::set_verbose(args.verbose);
    let mut repository = Repository::find(args.origin.flake.as_deref())?;
    let places = Places::find()?;
    places.check_cache()?;
    if !repository.is_writable() {
        return Err(Failure::new(format!(
            "{} is in the store, where nothing is changed",
            repository.root.display()
        ))
        .hint("update the folder that it comes from"));
    }
    if repository.is_hosts_folder() {
        return update_hosts_folder(&mut repository, &args, &places);
    }
    refuse_channel(&repository, args.origin.channel.as_deref())?;
    let mut kind = repository.channel_kind();
    let nix = find_nix(kind)?;
    if kind == ChannelKind::Nixpkgs {
        let declared = lock::Declared::read(&nix, &repository)?;
        if !declared.flk.is_empty() && !declared.nixpkgs {
            ui::note(format_args!(
                "note: this repository uses the built-in channel, but has no {PIN} yet"
            ));
            kind = ChannelKind::Debian;
        }
    }
    if let Some(input) = &args.input {
        let channel = Channel::materialise(&nix, &places)?;
        lock::lock_input(&nix, &repository, &channel, input)?;
        ui::note(format_args!("flake.lock: {input} is locked anew"));
        return lock::Lock::settle(&nix, &repository, &channel).map(drop);
    }
    if kind == ChannelKind::Debian {
        update_pin(&repository, &nix, &places)?;
    }
    let channel = Channel::materialise(&nix, &places)?;
    if kind == ChannelKind::Nixpkgs {
        lock::lock_flake(&nix, &repository, &channel, true)?;
        ui::note("flake.lock: the inputs are locked anew");
    }
    lock::Lock::settle(&nix, &repository, &channel)?;
    if kind == ChannelKind::Debian && !repository.sees(PIN) {
        ui::note(format_args!(
            "note: git does not track {PIN} yet: git -C {} add {PIN}",
            repository.root.display()
        ));
    }
    Ok(())
}

/// What is locked beside hosts without a flake is one thing.
fn update_hosts_folder(repository: &mut Repository, args: &Args, places: &Places) -> Result<()> {
    let chosen = Chosen::of(&repository.root, args.origin.channel.as_deref())?;
    let nix = find_nix(chosen.kind())?;
    match (&args.input, chosen.kind()) {
        (None, ChannelKind::Debian) => update_pin(repository, &nix, places),
        (None, ChannelKind::Nixpkgs) => hosts_folder::update(repository, &chosen, &nix, places),
        (Some(input), ChannelKind::Nixpkgs) if input == "nixpkgs" => {
            hosts_folder::update(repository, &chosen, &nix, places)
        }
        (Some(input), _) => Err(Failure::new(format!(
            "{} has no flake.nix, and so no input {input}",
            repository.root.display()
        ))
        .hint("`flk update` renews the one lock that it has")),
    }
}

fn update_pin(repository: &Repository, nix: &Nix, places: &Places) -> Result<()> {
    let path = repository.root.join(PIN);
    let old = if path.exists() {
        Some(Lock::read(&path)?)
    } else {
        None
    };
    let new = archive::pin(&repository.root, places)?.lock;
    let Some(old) = old else {
        ui::note(format_args!("wrote {PIN}:"));
        for archive in &new.archives {
            ui::note(format_args!(
                "  {} {}: {}",
                archive.suite, archive.component, archive.date
            ));
        }
        return Ok(());
    };
    if old == new {
        ui::note("nothing has changed: the mirror has what is pinned");
        return Ok(());
    }
    for archive in &new.archives {
        let before = old
            .archives
            .iter()
            .find(|old| (&old.suite, &old.component) == (&archive.suite, &archive.component));
        match before {
            Some(before) if before == archive => {}
            Some(before) => ui::note(format_args!(
                "{} {}: {} → {}",
                archive.suite, archive.component, before.date, archive.date
            )),
            None => ui::note(format_args!(
                "{} {}: new, {}",
                archive.suite, archive.component, archive.date
            )),
        }
    }
    match (versions(&old, nix, places), versions(&new, nix, places)) {
        (Some(before), Some(after)) => tell(&Changes::between(&before?, &after?)),
        _ => ui::note(
            "note: the former index is not here any more, so the packages cannot be compared",
        ),
    }
    Ok(())
}

/// Names and versions of a pin's packages; `None` if an index is not on this machine.
fn versions(lock: &Lock, nix: &Nix, places: &Places) -> Option<Result<BTreeMap<String, String>>> {
    let sources = lock
        .archives
        .iter()
        .map(|archive| {
            Some(IndexSource {
                path: archive::index_file(Some(nix), places, &archive.file())?,
                mirror: archive.mirror.clone(),
                component: archive.component.clone(),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(read_versions(&sources, places))
}

fn read_versions(sources: &[IndexSource], places: &Places) -> Result<BTreeMap<String, String>> {
    let scratch = places.scratch("index")?;
    let path = scratch.path().join("index.json");
    let failed = || format!("cannot write {}", path.display());
    let mut file = io::BufWriter::new(File::create(&path).context(failed)?);
    write_index(sources, &mut file)?;
    file.into_inner()
        .map_err(io::IntoInnerError::into_error)
        .context(failed)?;
    let index: Value = serde_json::from_reader(io::BufReader::new(File::open(&path)?))?;
    Ok(index["packages"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, package)| {
            let version = package["version"].as_str().unwrap_or_default();
            (name.clone(), version.to_owned())
        })
        .collect())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    new: Vec<String>,
    gone: Vec<String>,
    changed: Vec<String>,
}

impl Changes {
    fn between(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Self {
        let mut changes = Self::default();
        for (name, version) in after {
            match before.get(name) {
                None => changes.new.push(format!("{name} {version}")),
                Some(old) if old != version => {
                    changes.changed.push(format!("{name} {old} → {version}"));
                }
                Some(_) => {}
            }
        }
        changes.gone = before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .cloned()
            .collect();
        changes
    }
}

fn tell(changes: &Changes) {
    ui::note(format_args!(
        "packages: {} new, {} changed, {} gone",
        changes.new.len(),
        changes.changed.len(),
        changes.gone.len()
    ));
    for (heading, names) in [
        ("new", &changes.new),
        ("changed", &changes.changed),
        ("gone", &changes.gone),
    ] {
        let shown = if ui::is_verbose() {
            names.len()
        } else {
            LISTED
        };
        for name in names.iter().take(shown) {
            ui::note(format_args!("  {heading}: {name}"));
        }
        if names.len() > shown {
            ui::note(format_args!(
                "  {heading}: and {} more (--verbose names them)",
                names.len() - shown
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
            .collect()
    }

    #[test]
    fn changes_are_told_apart() {
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = map(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(
            Changes::between(&before, &after),
            Changes {
                new: vec!["d 1".to_owned()],
                gone: vec!["c".to_owned()],
                changed: vec!["b 1 → 2".to_owned()],
            }
        );
    }
}
