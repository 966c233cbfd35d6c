//! A host's live system, or its own, is brought into the store: what is missing, what flk downloads of it, what Nix builds.

use std::path::PathBuf;

use flk_nix::{ArchiveFile, BuildPlan, Event};
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
    let foreign = match &error {
        flk_nix::Error::Build(failure) => foreign_system(&failure.reason).map(str::to_owned),
        _ => None,
    };
    let failure = Failure::new(format!("cannot build {host}"));
    match foreign {
        Some(system) => failure.because(error).hint(format!(
            "this machine builds nothing for {system}: give one that does with --builders 'ssh-ng://MACHINE {system}' or in nix.conf, \
             fetch it from a cache with --substituters, or let this machine emulate it (QEMU by binfmt, and `extra-platforms = {system}` in nix.conf)"
        )),
        None => failure.because(error),
    }
}

/// The system that Nix has no builder for, by its message: `a 'aarch64-linux' with features {} is required to build …` before 2.31,
/// `Required system: 'aarch64-linux' …` since.
fn foreign_system(reason: &str) -> Option<&str> {
    let quoted = if reason.contains("is required to build") {
        reason
    } else {
        reason.split_once("Required system:")?.1
    };
    quoted.split('\'').nth(1)
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
            // Nix counts what it has by now; the plan says how many it will be.
            Event::Builds { done, expected } => {
                self.phase.set(done, expected.max(self.build as u64));
            }
            Event::Download { done, expected } => self
                .download
                .get_or_insert_with(|| Phase::start("fetch", Unit::Bytes))
                .set(done, expected),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_systems_are_told() {
        for (reason, expected) in [
            (
                "a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {kvm}",
                Some("aarch64-linux"),
            ),
            (
                "Reason: required system or feature not available\nRequired system: 'riscv64-linux' with features {}\nCurrent system: 'x86_64-linux'",
                Some("riscv64-linux"),
            ),
            ("its builder failed with exit code 1", None),
        ] {
            assert_eq!(foreign_system(reason), expected, "{reason}");
        }
    }
}
