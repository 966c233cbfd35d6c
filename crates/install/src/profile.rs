//! The generations of a system: `/nix/var/nix/profiles/system` → `system-3-link` → the toplevel, as `nix-env --set` makes them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock, fsync};

use crate::root::inside;
use crate::{Error, Result};

const PROFILES: &str = "/nix/var/nix/profiles";
const NAME: &str = "system";

/// The system profile of a root.
#[derive(Clone, Debug)]
pub struct Profile {
    root: PathBuf,
    folder: PathBuf,
}

/// One generation of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Store path of its system.
    pub toplevel: PathBuf,
    /// When it was made.
    pub made: SystemTime,
    /// Its system's name for people, as the boot menu has it; empty if its system does not say, or is gone.
    pub label: String,
}

impl Profile {
    /// The profile of the system below `root`; nothing has to be there yet but its folder, and that only for writing.
    pub fn in_root(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder: inside(root, Path::new(PROFILES)),
        }
    }

    /// All generations, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn generations(&self) -> Result<Vec<Generation>> {
        let mut generations = Vec::new();
        for number in self.numbers()? {
            let link = self.folder.join(name_of(number));
            // Nix may collect it meanwhile.
            let Some(toplevel) = read_link(&link)? else {
                continue;
            };
            let made = fs::symlink_metadata(&link)
                .and_then(|metadata| metadata.modified())
                .map_err(Error::io("read", &link))?;
            generations.push(Generation {
                number,
                label: label(&inside(&self.root, &toplevel)),
                toplevel,
                made,
            });
        }
        Ok(generations)
    }

    /// The number of the generation that is booted by default; none before the first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn current(&self) -> Result<Option<u64>> {
        let link = read_link(&self.folder.join(NAME))?;
        Ok(link.and_then(|link| number_of(&link.to_string_lossy())))
    }

    /// Makes a toplevel the next generation, and gives its number. Where it is the current or the last one already, there is no new one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set(&self, toplevel: &Path) -> Result<u64> {
        let _turn = self.turn()?;
        let (current, last) = (self.current()?, self.numbers()?.pop());
        for number in [current, last].into_iter().flatten() {
            if read_link(&self.folder.join(name_of(number)))?.is_some_and(|to| to == toplevel) {
                if current != Some(number) {
                    self.point_to(number)?;
                }
                return Ok(number);
            }
        }
        let next = last.map_or(1, |last| last + 1);
        link_over(toplevel, &self.folder.join(name_of(next)))?;
        self.point_to(next)?;
        Ok(next)
    }

    /// Makes a generation that is there the current one.
    ///
    /// # Errors
    /// [`Error::Io`], also if it is not there.
    pub fn select(&self, number: u64) -> Result<()> {
        let _turn = self.turn()?;
        let link = self.folder.join(name_of(number));
        fs::read_link(&link).map_err(Error::io("read the link", &link))?;
        self.point_to(number)
    }

    fn point_to(&self, number: u64) -> Result<()> {
        link_over(Path::new(&name_of(number)), &self.folder.join(NAME))?;
        let folder = File::open(&self.folder).map_err(Error::io("open", &self.folder))?;
        fsync(&folder).map_err(Error::errno("sync", &self.folder))
    }

    fn numbers(&self) -> Result<Vec<u64>> {
        let failed = Error::io("read", &self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.folder))?;
            numbers.extend(number_of(&entry.file_name().to_string_lossy()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// One flk at a time changes it; the lock lives as long as the result.
    fn turn(&self) -> Result<File> {
        let folder = File::open(&self.folder).map_err(Error::io("open", &self.folder))?;
        flock(&folder, FlockOperation::LockExclusive)
            .map_err(Error::errno("lock", &self.folder))?;
        Ok(folder)
    }
}

/// 3 → `system-3-link`.
fn name_of(number: u64) -> String {
    format!("{NAME}-{number}-link")
}

/// `system-3-link` → 3.
fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("system-")?
        .strip_suffix("-link")?
        .parse()
        .ok()
}

/// What the boot menu calls a system (`boot.json`, bootspec v1), or else its version.
fn label(toplevel: &Path) -> String {
    let spec = fs::read(toplevel.join("boot.json")).unwrap_or_default();
    let spec: serde_json::Value = serde_json::from_slice(&spec).unwrap_or_default();
    match spec["org.nixos.bootspec.v1"]["label"].as_str() {
        Some(label) => label.to_owned(),
        None => fs::read_to_string(toplevel.join("nixos-version"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

fn read_link(path: &Path) -> Result<Option<PathBuf>> {
    match fs::read_link(path) {
        Ok(to) => Ok(Some(to)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read the link", path)(error)),
    }
}

fn link_over(to: &Path, path: &Path) -> Result<()> {
    let new = path.with_extension("flk-new");
    let _ = fs::remove_file(&new);
    symlink(to, &new).map_err(Error::io("create", &new))?;
    fs::rename(&new, path).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> (tempfile::TempDir, Profile) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("nix/var/nix/profiles")).unwrap();
        let profile = Profile::in_root(root.path());
        (root, profile)
    }

    fn make(profile: &Profile, toplevel: &str) -> u64 {
        let number = profile.set(Path::new(toplevel)).unwrap();
        assert_eq!(profile.current().unwrap(), Some(number));
        let link = fs::read_link(profile.folder.join(NAME)).unwrap();
        assert_eq!(link, Path::new(&format!("system-{number}-link")));
        let link = fs::read_link(profile.folder.join(link)).unwrap();
        assert_eq!(link, Path::new(toplevel));
        number
    }

    #[test]
    fn generations_are_counted_and_not_repeated() {
        let (_root, profile) = profile();
        assert_eq!(make(&profile, "/nix/store/a"), 1);
        assert_eq!(make(&profile, "/nix/store/a"), 1);
        assert_eq!(make(&profile, "/nix/store/b"), 2);
        fs::remove_file(profile.folder.join("system-1-link")).unwrap();
        assert_eq!(make(&profile, "/nix/store/a"), 3);
        assert_eq!(fs::read_dir(&profile.folder).unwrap().count(), 3);
    }

    #[test]
    fn an_earlier_generation_is_selected_and_the_next_comes_after_the_last() {
        let (_root, profile) = profile();
        for toplevel in ["/nix/store/a", "/nix/store/b", "/nix/store/c"] {
            make(&profile, toplevel);
        }
        profile.select(1).unwrap();
        assert_eq!(profile.current().unwrap(), Some(1));
        assert!(matches!(
            profile.select(7),
            Err(Error::Io { path, .. }) if path.ends_with("system-7-link")
        ));
        assert_eq!(make(&profile, "/nix/store/b"), 4);
        profile.select(1).unwrap();
        assert_eq!(make(&profile, "/nix/store/b"), 4, "it is the last already");
    }

    #[test]
    fn generations_are_listed_by_number_with_their_names() {
        let (root, profile) = profile();
        assert_eq!(
            Profile::in_root(Path::new("/none")).generations().unwrap(),
            []
        );
        assert_eq!(profile.current().unwrap(), None);
        let toplevel = |name: &str, file: &str, text: &str| {
            let path = root.path().join("nix/store").join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(file), text).unwrap();
        };
        toplevel(
            "a",
            "boot.json",
            r#"{"org.nixos.bootspec.v1":{"label":"flk 1"}}"#,
        );
        toplevel("b", "nixos-version", "25.05\n");
        for name in ["a", "b"].into_iter().cycle().take(11) {
            make(&profile, &format!("/nix/store/{name}"));
        }
        make(&profile, "/nix/store/gone");
        let generations = profile.generations().unwrap();
        let numbers: Vec<u64> = generations.iter().map(|one| one.number).collect();
        assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
        let labels: Vec<&str> = generations[9..]
            .iter()
            .map(|one| one.label.as_str())
            .collect();
        assert_eq!(labels, ["25.05", "flk 1", ""]);
        assert!(generations[0].made <= SystemTime::now());
    }
}
