//! Files and links that are either the old or the new ones, whenever the machine stops: written beside their place and renamed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};

/// Whose a file is, and who may do what with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// The permission bits, such as `0o640`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Ownership {
    /// root's own, with these permission bits.
    pub fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

/// Writes a file, unless it is there with this content and ownership already. Says whether it wrote.
///
/// # Errors
/// The folder cannot be written; the old file is then in place.
pub fn write(path: &Path, content: &[u8], ownership: Ownership) -> Result<bool> {
    if is_current(path, content, ownership) {
        return Ok(false);
    }
    let new = beside(path);
    let _ = fs::remove_file(&new);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .at("create", &new)?;
    let written = file
        .write_all(content)
        .and_then(|()| fchown(&file, Some(ownership.uid), Some(ownership.gid)))
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(ownership.mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.at("write", path)?;
    sync_folder_of(path);
    Ok(true)
}

/// Makes a link, or turns one to a new target. What is there and is no link is replaced when it is a file or an empty folder.
///
/// # Errors
/// The folder cannot be written, or a folder with something in it is there.
pub fn link(target: &Path, path: &Path) -> Result<()> {
    if fs::read_link(path).is_ok_and(|old| old == target) {
        return Ok(());
    }
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        fs::remove_dir(path).at("replace the folder", path)?;
    }
    let new = beside(path);
    let _ = fs::remove_file(&new);
    symlink(target, &new).at("create", &new)?;
    fs::rename(&new, path).at("write", path)
}

fn is_current(path: &Path, content: &[u8], ownership: Ownership) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    metadata.is_file()
        && (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
            == (ownership.mode, ownership.uid, ownership.gid)
        && metadata.len() == content.len() as u64
        && fs::read(path).is_ok_and(|old| old == content)
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.flk-new"))
}

/// The rename itself is on disk only after this; where it cannot be done, the file is still whole.
fn sync_folder_of(path: &Path) {
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_leaves_no_debris() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shadow");
        let owner = fs::metadata(folder.path()).unwrap();
        let ownership = Ownership {
            mode: 0o640,
            uid: owner.uid(),
            gid: owner.gid(),
        };
        fs::write(folder.path().join(".shadow.flk-new"), "half").unwrap();
        assert!(write(&path, b"a", ownership).unwrap());
        assert!(!write(&path, b"a", ownership).unwrap());
        assert!(
            write(
                &path,
                b"a",
                Ownership {
                    mode: 0o600,
                    ..ownership
                }
            )
            .unwrap()
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("no/such"), b"", ownership).is_err());
    }

    #[test]
    fn links_turn_and_replace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bin");
        fs::create_dir(&path).unwrap();
        link(Path::new("usr/bin"), &path).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("usr/bin"));
        link(Path::new("usr/sbin"), &path).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("usr/sbin"));
        let full = folder.path().join("full");
        fs::create_dir_all(full.join("x")).unwrap();
        assert!(link(Path::new("y"), &full).is_err());
        assert!(full.join("x").is_dir());
    }
}
