//! The system profile: `/nix/var/nix/profiles/system` → `system-3-link` → the toplevel, as `nix-env --set` makes it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::root::inside;
use crate::{Error, Result};

const PROFILES: &str = "/nix/var/nix/profiles";
const NAME: &str = "system";

/// Makes a toplevel the current generation, and gives its number. Where it is already, nothing changes.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn set(root: &Path, toplevel: &str) -> Result<u64> {
    let folder = inside(root, Path::new(PROFILES));
    let current = read_link(&folder.join(NAME))?;
    if let Some(current) = &current
        && let Some(number) = number(&current.to_string_lossy())
        && read_link(&folder.join(current))?.is_some_and(|to| to == Path::new(toplevel))
    {
        return Ok(number);
    }
    let entries = fs::read_dir(&folder).map_err(Error::io("read", &folder))?;
    let mut last = 0;
    for entry in entries {
        let entry = entry.map_err(Error::io("read", &folder))?;
        last = last.max(number(&entry.file_name().to_string_lossy()).unwrap_or(0));
    }
    let next = last + 1;
    let link = format!("{NAME}-{next}-link");
    link_over(Path::new(toplevel), &folder.join(&link))?;
    link_over(Path::new(&link), &folder.join(NAME))?;
    Ok(next)
}

/// `system-3-link` → 3.
fn number(name: &str) -> Option<u64> {
    name.strip_prefix("system-")?
        .strip_suffix("-link")?
        .parse()
        .ok()
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

    #[test]
    fn generations_are_counted_and_not_repeated() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("nix/var/nix/profiles");
        fs::create_dir_all(&folder).unwrap();
        let generation = |toplevel: &str| {
            let number = set(root.path(), toplevel).unwrap();
            let link = fs::read_link(folder.join("system")).unwrap();
            assert_eq!(link, Path::new(&format!("system-{number}-link")));
            assert_eq!(
                fs::read_link(folder.join(link)).unwrap(),
                Path::new(toplevel)
            );
            number
        };
        assert_eq!(generation("/nix/store/a"), 1);
        assert_eq!(generation("/nix/store/a"), 1);
        assert_eq!(generation("/nix/store/b"), 2);
        fs::remove_file(folder.join("system-1-link")).unwrap();
        assert_eq!(generation("/nix/store/a"), 3);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }
}
