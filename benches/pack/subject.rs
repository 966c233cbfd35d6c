//! The closures that are packed.

use std::{
    env,
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use flk_benches::Failure;
use flk_image::{Manifest, nar_hash};
use flk_nix::{Closure, Nix, PathInfo};
use flk_tests::run;

const STORE: &str = "/nix/store";

/// An image to be made.
pub(crate) struct Subject {
    pub(crate) manifest: Manifest,
    pub(crate) closure: Closure,
    pub(crate) store: PathBuf,
}

impl Subject {
    pub(crate) fn of(manifest: &Path) -> Result<Subject, Failure> {
        let path = env::var_os("PATH").unwrap_or_default();
        let nix = Nix::find(&path, flk_nix::Options::default())?;
        let manifest = Manifest::read(manifest)?;
        let closure = nix.closure(&manifest.store_roots)?;
        Ok(Subject {
            manifest,
            closure,
            store: STORE.into(),
        })
    }

    /// The closure so many times in a store of its own; each file of a copy has some bytes more.
    pub(crate) fn multiply(&mut self, times: usize, store: &Path) -> Result<(), Failure> {
        fs::create_dir_all(store)?;
        let mut paths = Vec::new();
        for info in &self.closure.paths {
            for number in 0..times {
                let base = info.path.rsplit('/').next().unwrap_or_default();
                let name = match number {
                    0 => base.to_owned(),
                    _ => format!("{base}-{number}"),
                };
                let place = store.join(&name);
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(&info.path).arg(&place);
                run(&mut copy)?.success()?;
                if number > 0 {
                    mark(&place, number)?;
                }
                paths.push(PathInfo {
                    path: format!("{STORE}/{name}"),
                    nar_hash: nar_hash(&place)?,
                    nar_size: info.nar_size,
                    references: Vec::new(),
                });
            }
        }
        // What is not in the closure, but on the ISO all the same.
        for content in &self.manifest.contents {
            let inside = content.source.strip_prefix(STORE);
            let base = inside.and_then(|inside| inside.split('/').find(|part| !part.is_empty()));
            if let Some(base) = base.filter(|base| !store.join(base).exists()) {
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(Path::new(STORE).join(base)).arg(store);
                run(&mut copy)?.success()?;
            }
        }
        self.closure = Closure { paths };
        self.store = store.into();
        Ok(())
    }

    /// How many files, folders and links there are.
    pub(crate) fn inodes(&self) -> Result<u64, Failure> {
        let mut count = 0;
        for info in &self.closure.paths {
            count += inodes(&self.place(&info.path))?;
        }
        Ok(count)
    }

    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.store
            .join(path.strip_prefix("/nix/store/").unwrap_or(path))
    }
}

fn inodes(path: &Path) -> Result<u64, Failure> {
    let mut count = 1;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            count += inodes(&entry?.path())?;
        }
    }
    Ok(count)
}

/// Makes each file differ from those of other copies.
fn mark(path: &Path, number: usize) -> Result<(), Failure> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(path)? {
            mark(&entry?.path(), number)?;
        }
    } else if metadata.is_file() && metadata.len() > 0 {
        let mode = metadata.permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        let mut file = File::options().append(true).open(path)?;
        write!(file, "{number}")?;
        fs::set_permissions(path, mode)?;
    }
    Ok(())
}
