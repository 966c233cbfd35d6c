//! A host's live system, or its own, is brought into the store: what is missing, what flk downloads of it, what Nix builds.

use std::path::PathBuf;

use flk_nix::{ArchiveFile, BuildFailure, BuildPlan, Event, Lacking};
use serde::Serialize;

use crate::{
    archive,
    error::{Failure, Result},
    evaluation::{Evaluation, short_name, tell},
    ui::{self, Phase, Unit},
    workspace::Workspace,
};

/// What is missing of a live system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missing {
    /// Files of a mirror, which flk downloads.
    pub(crate) files: Vec<ArchiveFile>,
    /// Derivations that Nix builds.
    pub(crate) build: Vec<String>,
    /// Store paths that Nix fetches from its substituters.
    pub(crate) fetch: Vec<String>,
    /// What the substituters send, in bytes.
    pub(crate) fetch_size: u64,
}

/// [`Missing`] for `--dry-run --json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    download: Vec<Download<'a>>,
    download_size: u64,
    build: &'a [String],
    fetch: &'a [String],
    fetch_size: u64,
}

#[derive(Serialize)]
struct Download<'a> {
    mirror: &'a str,
    path: &'a str,
    size: u64,
}

impl Missing {
    /// Asks Nix.
    pub(crate) fn of(workspace: &Workspace, evaluation: &Evaluation) -> Result<Self> {
        if evaluation.output.exists()
            && workspace
                .nix
                .is_valid(&evaluation.output.to_string_lossy())?
        {
            return Ok(Self::default());
        }
        let BuildPlan {
            build,
            fetch,
            download_size,
            ..
        } = workspace.nix.plan(&evaluation.derivation)?;
        let files = workspace.nix.archive_files(&build)?;
        let build = build
            .into_iter()
            .filter(|derivation| files.iter().all(|file| file.derivation != *derivation))
            .collect();
        Ok(Self {
            files,
            build,
            fetch,
            fetch_size: download_size,
        })
    }

    /// Bytes of the files that flk downloads.
    pub(crate) fn download_size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Says what would be done.
    pub(crate) fn report(&self, json: bool) -> Result<()> {
        if json {
            let report = Report {
                download: self
                    .files
                    .iter()
                    .map(|file| Download {
                        mirror: &file.mirror,
                        path: &file.path,
                        size: file.size,
                    })
                    .collect(),
                download_size: self.download_size(),
                build: &self.build,
                fetch: &self.fetch,
                fetch_size: self.fetch_size,
            };
            ui::data(serde_json::to_string_pretty(&report)?);
            return Ok(());
        }
        ui::data(format_args!(
            "would download {}, {}",
            ui::count(self.files.len(), "file"),
            ui::bytes(self.download_size())
        ));
        for file in &self.files {
            ui::data(format_args!("  {:>7}  {}", ui::bytes(file.size), file.name));
        }
        if !self.fetch.is_empty() {
            ui::data(format_args!(
                "would fetch {} from substituters, {}",
                ui::count(self.fetch.len(), "store path"),
                ui::bytes(self.fetch_size)
            ));
            for path in &self.fetch {
                ui::data(format_args!("  {}", short_name(path)));
            }
        }
        ui::data(format_args!(
            "would build {}",
            ui::count(self.build.len(), "derivation")
        ));
        for derivation in &self.build {
            ui::data(format_args!("  {}", short_name(derivation)));
        }
        Ok(())
    }
}

/// Brings it there, and keeps it from garbage collection; gives the path of `image.json`, or of the toplevel.
pub(crate) fn bring(workspace: &Workspace, host: &str, evaluation: &Evaluation) -> Result<PathBuf> {
    let missing = Missing::of(workspace, evaluation)?;
    archive::provide(workspace, &missing.files)?;
    let root = root(workspace, host, evaluation.purpose)?;
    if missing.build.is_empty() && missing.fetch.is_empty() && missing.files.is_empty() {
        // The root may have been removed with the cache.
        let _ = workspace
            .nix
            .add_root(&evaluation.output.to_string_lossy(), &root);
        return Ok(evaluation.output.clone());
    }
    let mut building = Building::start(missing.build.len(), missing.fetch.len());
    let outputs = workspace
        .nix
        .realise(&[&evaluation.derivation], Some(&root), &mut |event| {
            building.tell(event);
        })
        .map_err(|error| refuse(host, error))?;
    building.finish();
    Ok(outputs
        .first()
        .map_or_else(|| evaluation.output.clone(), PathBuf::from))
}

fn refuse(host: &str, error: flk_nix::Error) -> Failure {
    let hint = match &error {
        flk_nix::Error::Build(failure) => hint(failure),
        _ => None,
    };
    let failure = Failure::new(format!("cannot build {host}")).because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What to do where no machine that Nix knows can build something.
fn hint(failure: &BuildFailure) -> Option<String> {
    let Lacking { system, features } = failure.lacks()?;
    let system = system.unwrap_or("SYSTEM");
    if let Some(machine) = failure.unreachable.first() {
        return Some(format!(
            "{machine} was not to be reached: Nix logs in there without a question, as root where its daemon builds, else as you; \
             `nix --extra-experimental-features nix-command store ping --store {machine}` shows how far it comes"
        ));
    }
    if !features.is_empty() {
        let list = features.join(",");
        return Some(format!(
            "this machine has no feature `{list}`: give one that has with --builders 'ssh-ng://MACHINE {system} - 1 1 {list}' or in nix.conf, \
             or fetch it from a cache with --substituters"
        ));
    }
    Some(format!(
        "this machine builds nothing for {system}: give one that does with --builders 'ssh-ng://MACHINE {system}' or in nix.conf, \
         fetch it from a cache with --substituters, or let this machine emulate it (QEMU by binfmt, and `extra-platforms = {system}` in nix.conf)"
    ))
}

/// What the user sees of a build.
pub(crate) struct Building {
    build: usize,
    fetch: usize,
    phase: Phase,
    download: Option<Phase>,
}

impl Building {
    /// Begins: so many derivations will be built, and so many store paths fetched.
    pub(crate) fn start(build: usize, fetch: usize) -> Self {
        let mut phase = Phase::start("build", Unit::Count);
        phase.set(0, build as u64);
        Self {
            build,
            fetch,
            phase,
            download: None,
        }
    }

    /// Shows what Nix reports.
    pub(crate) fn tell(&mut self, event: Event) {
        match event {
            // Nix counts what it knows of by now, and newer versions some of it twice; the plan says how many it will be.
            Event::Builds { done, expected } => {
                let total = if self.build > 0 {
                    self.build as u64
                } else {
                    expected
                };
                self.phase.set(done, total.max(done));
            }
            Event::Download { done, expected } => self
                .download
                .get_or_insert_with(|| Phase::start("fetch", Unit::Bytes))
                .set(done, expected),
            event @ Event::Fetching { .. } => {
                tell(self.download.as_ref().unwrap_or(&self.phase), event);
            }
            event => tell(&self.phase, event),
        }
    }

    /// All is built.
    pub(crate) fn finish(self) {
        if let Some(download) = self.download {
            download.finish(ui::count(self.fetch, "store path"));
        }
        self.phase.finish(ui::count(self.build, "derivation"));
    }
}

/// The link that keeps what was made of a host: one for each purpose, repository and host.
fn root(workspace: &Workspace, host: &str, purpose: &str) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(workspace.repository.root.as_os_str().as_encoded_bytes());
    hasher.update(&[0]).update(host.as_bytes());
    let name = &hasher.finalize().to_hex()[..16];
    Ok(workspace
        .places
        .cache("roots")?
        .join(format!("{purpose}-{name}")))
}
