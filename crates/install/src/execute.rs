//! A plan, carried out, in the order that the crate's own documentation gives.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use flk_nix::{Closure, PathInfo};
use serde::Serialize;

use crate::copy::{self, Done, Task};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::root::inside;
use crate::system::LoaderKind;
use crate::workplace::Workplace;
use crate::{Error, Result, boot_loader, host_key, nix_store};

const STORE: &str = "/nix/store";

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Store paths are copied; counts bytes.
    Copy,
    /// The disk writes what it was given.
    Sync,
    /// Nix makes the paths valid.
    Register,
    /// The boot loader is installed.
    BootLoader,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub phase: Phase,
    /// Bytes dealt with; 0 where nothing is counted.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// An installed host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// The system profile's generation.
    pub generation: u64,
    /// Bytes of store paths that were written.
    pub written: u64,
    /// Store paths that were there, by an earlier run or another generation.
    pub kept: usize,
    /// The fingerprint of the host's own ssh host key.
    pub fingerprint: String,
    /// What the boot loader's installer had to say, by lines.
    pub boot_loader: Vec<String>,
}

/// A target that has what the store of this machine has of the system.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    copied: Done,
    workplace: Option<Workplace>,
}

impl Prepared {
    /// The target's root.
    pub fn root(&self) -> &Path {
        &self.plan.root
    }

    /// Where the rest of the system can be downloaded and built; none if there is no rest.
    pub fn workplace(&self) -> Option<&Workplace> {
        self.workplace.as_ref()
    }
}

/// Installs a system that the store of this machine has. After a failure the target boots what it booted before, and another run goes on from there.
///
/// # Errors
/// Those of [`Error`] that are no refusals.
pub fn execute(plan: Plan, progress: &mut dyn FnMut(Progress)) -> Result<Installed> {
    let closure = plan.closure.clone();
    finish(prepare(plan, progress)?, &closure, progress)
}

/// The first half: copies what this machine's store has of the system, and registers it.
///
/// # Errors
/// Those of [`Error`] that are no refusals.
pub fn prepare(plan: Plan, progress: &mut dyn FnMut(Progress)) -> Result<Prepared> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let mut tell = |phase, done, total| progress(Progress { phase, done, total });
    let root = &plan.root;
    let store = inside(root, Path::new(STORE));
    lay_out(root)?;

    let valid = nix_store::valid(root, &plan.closure)?;
    let tasks = tasks(&plan, &store, &valid);
    let workplace = if plan.is_partial {
        let workplace = Workplace::open(root)?;
        // Some are needed for building alone.
        let coming: Vec<&str> = tasks.iter().map(|(info, _)| info.path.as_str()).collect();
        workplace.note(&coming)?;
        Some(workplace)
    } else {
        None
    };
    copy::remove_leftovers(&store, &tasks)?;
    // What an earlier run has left is judged by what the disk has of it: see `patch::forget`.
    sync(&store)?;
    let total = tasks.iter().map(|(info, _)| info.nar_size).sum();
    tell(Phase::Copy, 0, total);
    let mut done = 0;
    let mut copied = copy::bring(&tasks, Path::new(STORE), &store, &mut |bytes| {
        done += bytes;
        tell(Phase::Copy, done, total);
    })?;
    copied.kept += valid.len();
    tell(Phase::Sync, 0, 0);
    sync(&store)?;
    if !tasks.is_empty() {
        tell(Phase::Register, 0, 0);
        nix_store::register(root, &plan.closure)?;
    }
    Ok(Prepared {
        plan,
        copied,
        workplace,
    })
}

/// The second half: the system, whose closure is in the target's store by now, becomes what the target boots.
///
/// # Errors
/// [`Error::NotBuilt`]; those of [`Error`] that are no refusals.
pub fn finish(
    prepared: Prepared,
    closure: &Closure,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed> {
    let mut tell = |phase, done, total| progress(Progress { phase, done, total });
    let Prepared { plan, copied, .. } = prepared;
    let root = &plan.root;
    let is_part = |path: &str| closure.paths.iter().any(|info| info.path == path);
    if !is_part(&plan.toplevel) {
        return Err(Error::NotBuilt {
            toplevel: plan.toplevel,
            root: root.clone(),
        });
    }
    let workplace = Workplace::left(root);
    if let Some(workplace) = &workplace {
        workplace.keep(&is_part)?;
    }
    if plan.is_partial {
        tell(Phase::Sync, 0, 0);
        let database = inside(root, Path::new(nix_store::DATABASE));
        sync_all(&[&inside(root, Path::new(STORE)), &database])?;
    }

    let fingerprint = host_key::settle(root, &plan.system, &plan.host)?;
    if !plan.system.is_built_in {
        mark_as_nixos(root)?;
    }
    let generation = Profile::in_root(root).set(Path::new(&plan.toplevel))?;
    tell(Phase::Sync, 0, 0);
    sync_all(&[&inside(root, Path::new("/nix/var/nix/profiles")), root])?;

    let mut said = Vec::new();
    if plan.boot_loader != LoaderKind::None {
        tell(Phase::BootLoader, 0, 0);
        said = boot_loader::install(root, plan.system.is_built_in)?;
        sync(root)?;
        if let Some(esp) = &plan.system.esp {
            sync(&inside(root, esp))?;
        }
    }
    if let Some(workplace) = workplace {
        nix_store::delete(root, &workplace.noted()?)?;
        workplace.remove()?;
        sync(root)?;
    }
    Ok(Installed {
        generation,
        written: copied.written,
        kept: copied.kept,
        fingerprint,
        boot_loader: said,
    })
}

/// What is to be done with each path that is not valid yet.
fn tasks<'p>(plan: &'p Plan, store: &Path, valid: &[&PathInfo]) -> Vec<(&'p PathInfo, Task)> {
    let valid: HashSet<&str> = valid.iter().map(|info| info.path.as_str()).collect();
    plan.closure
        .paths
        .iter()
        .filter(|info| !valid.contains(info.path.as_str()))
        .map(|info| {
            let name = Path::new(&info.path).file_name().unwrap_or_default();
            let is_there = fs::symlink_metadata(store.join(name)).is_ok();
            (info, if is_there { Task::Check } else { Task::Copy })
        })
        .collect()
}

/// The folders that are written to.
fn lay_out(root: &Path) -> Result<()> {
    for (folder, mode) in [
        ("nix", 0o755),
        ("nix/store", 0o1775),
        ("nix/var", 0o755),
        ("nix/var/nix", 0o755),
        ("nix/var/nix/profiles", 0o755),
        ("etc", 0o755),
        ("var", 0o755),
        ("var/lib", 0o755),
    ] {
        let path = root.join(folder);
        if path.is_dir() {
            continue;
        }
        DirBuilder::new()
            .mode(mode)
            .create(&path)
            .map_err(Error::io("create", &path))?;
    }
    Ok(())
}

/// NixOS's `switch-to-configuration` works only where this file is.
fn mark_as_nixos(root: &Path) -> Result<()> {
    let mark = root.join("etc/NIXOS");
    if mark.exists() {
        return Ok(());
    }
    fs::write(&mark, "").map_err(Error::io("write", &mark))
}

/// As [`sync`], of several paths: a file system that has more than one of them is asked once.
fn sync_all(paths: &[&Path]) -> Result<()> {
    let mut asked = HashSet::new();
    for path in paths {
        let found = fs::metadata(path).map_err(Error::io("read", path))?;
        if asked.insert(found.dev()) {
            sync(path)?;
        }
    }
    Ok(())
}

/// Returns when everything on the file system of this path is on disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    let folder = File::open(path).map_err(Error::io("open", path))?;
    rustix::fs::syncfs(&folder).map_err(Error::errno("sync", path))
}
