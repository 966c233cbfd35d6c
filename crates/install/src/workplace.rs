//! What an installation has on the target only while it runs: downloads, builds' temporary folders, and store paths that are needed to build the system,
//! but are no part of it. The latter are written down before they come, so that they go again, be it after another run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::root::inside;
use crate::{Error, Result};

/// On the file system of the store, so that nothing is copied from one to another.
const FOLDER: &str = "/nix/var/flk-install";

/// The folder.
#[derive(Clone, Debug)]
pub struct Workplace {
    folder: PathBuf,
}

impl Workplace {
    /// Makes it, or goes on with that of an earlier run: its downloads stay, its builds' folders go.
    pub(crate) fn open(root: &Path) -> Result<Workplace> {
        let workplace = Workplace {
            folder: inside(root, Path::new(FOLDER)),
        };
        let builds = workplace.builds();
        remove(&builds)?;
        // Build users pass through.
        for (folder, mode) in [
            (workplace.folder.clone(), 0o755),
            (workplace.downloads(), 0o700),
            (builds, 0o755),
        ] {
            match DirBuilder::new().mode(mode).create(&folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other.map_err(Error::io("create", &folder))?,
            }
        }
        Ok(workplace)
    }

    /// That of an earlier run.
    pub(crate) fn left(root: &Path) -> Option<Workplace> {
        let folder = inside(root, Path::new(FOLDER));
        folder.is_dir().then_some(Workplace { folder })
    }

    /// Where downloads go.
    pub fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// Where builds have their temporary folders.
    pub fn builds(&self) -> PathBuf {
        self.folder.join("builds")
    }

    /// Writes down store paths that are about to come and may be no part of the system.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn note<P: AsRef<str>>(&self, paths: &[P]) -> Result<()> {
        let list = self.list();
        let text: String = paths
            .iter()
            .map(|path| format!("{}\n", path.as_ref()))
            .collect();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(Error::io("write", &list))
    }

    /// Strikes out what is part of a system: from here on, nobody takes it away.
    pub(crate) fn keep(&self, is_part: &dyn Fn(&str) -> bool) -> Result<()> {
        let rest: Vec<String> = self
            .noted()?
            .into_iter()
            .filter(|path| !is_part(path))
            .collect();
        let (list, new) = (self.list(), self.folder.join("store-paths.new"));
        remove(&new)?;
        let text: String = rest.iter().map(|path| format!("{path}\n")).collect();
        File::create(&new)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &list))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(Error::io("write", &list))
    }

    /// What is written down; a line that a power cut has left half is left out.
    pub(crate) fn noted(&self) -> Result<Vec<String>> {
        let list = self.list();
        let text = match fs::read_to_string(&list) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => other.map_err(Error::io("read", &list))?,
        };
        let mut paths: Vec<String> = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .filter(|line| line.starts_with("/nix/store/"))
            .map(str::to_owned)
            .collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    pub(crate) fn remove(self) -> Result<()> {
        remove(&self.folder)
    }

    fn list(&self) -> PathBuf {
        self.folder.join("store-paths")
    }
}

fn remove(path: &Path) -> Result<()> {
    crate::patch::remove(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_outlives_a_run() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("nix/var")).unwrap();
        assert!(Workplace::left(root.path()).is_none());
        let workplace = Workplace::open(root.path()).unwrap();
        workplace.note(&["/nix/store/b", "/nix/store/a"]).unwrap();
        fs::write(workplace.downloads().join("x"), "x").unwrap();
        fs::create_dir(workplace.builds().join("nix-build-x")).unwrap();
        drop(workplace);

        let workplace = Workplace::open(root.path()).unwrap();
        workplace.note(&["/nix/store/c", "/nix/store/a"]).unwrap();
        assert!(workplace.downloads().join("x").exists());
        assert_eq!(fs::read_dir(workplace.builds()).unwrap().count(), 0);
        workplace.keep(&|path| path == "/nix/store/b").unwrap();
        OpenOptions::new()
            .append(true)
            .open(workplace.list())
            .and_then(|mut file| file.write_all(b"/nix/store/half"))
            .unwrap();
        let left = Workplace::left(root.path()).unwrap();
        assert_eq!(left.noted().unwrap(), ["/nix/store/a", "/nix/store/c"]);
        left.remove().unwrap();
        assert!(Workplace::left(root.path()).is_none());
        assert!(root.path().join("nix/var").exists());
    }
}
