//! Making folders, links and files of an output, with errors that name them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Creates a folder and those above it.
pub(crate) fn create(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// Creates the folder that `path` is to be in.
pub(crate) fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), create)
}

/// Creates a symbolic link.
pub(crate) fn link(target: &Path, path: &Path) -> Result<()> {
    symlink(target, path).map_err(Error::io("create the link", path))
}

/// Writes a file.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).map_err(Error::io("write", path))
}

/// Copies a file's content; it becomes executable or not, whatever it was.
pub(crate) fn copy_file(source: &Path, target: &Path, executable: bool) -> Result<()> {
    let mut from = fs::File::open(source).map_err(Error::io("open", source))?;
    let mut to = fs::File::create(target).map_err(Error::io("create", target))?;
    std::io::copy(&mut from, &mut to).map_err(Error::io("write", target))?;
    set_executable(target, executable)
}

/// Gives a file the mode 0755 or 0644.
pub(crate) fn set_executable(path: &Path, executable: bool) -> Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))
}

/// Whether the file may be executed by its owner.
pub(crate) fn is_executable(path: &Path) -> Result<bool> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    Ok(metadata.permissions().mode() & 0o100 != 0)
}

/// Copies files, folders and links; links are copied as links.
pub(crate) fn copy_tree(source: &Path, target: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(source).map_err(Error::io("read", source))?;
    if metadata.is_symlink() {
        link(&read_link(source)?, target)
    } else if metadata.is_dir() {
        create(target)?;
        for name in list(source)? {
            copy_tree(&source.join(&name), &target.join(&name))?;
        }
        Ok(())
    } else {
        copy_file(source, target, metadata.permissions().mode() & 0o100 != 0)
    }
}

/// The names in a folder, sorted by their bytes.
pub(crate) fn list(path: &Path) -> Result<Vec<OsString>> {
    let mut names = fs::read_dir(path)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(Error::io("list", path))?;
    names.sort();
    Ok(names)
}

/// As [`list`], but a folder that does not exist has no names.
pub(crate) fn list_if_present(path: &Path) -> Result<Vec<OsString>> {
    if path.is_dir() {
        list(path)
    } else {
        Ok(Vec::new())
    }
}

/// The text of a link.
pub(crate) fn read_link(path: &Path) -> Result<PathBuf> {
    fs::read_link(path).map_err(Error::io("read the link", path))
}

/// A file as text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

/// Joins and tidies `.` and `..` by text alone. `None` when `..` leads above the start, or `path` is absolute.
pub(crate) fn normalize(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => result.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !result.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(result)
}

/// The relative link that leads from the folder of `path` to `target`, both relative to one root.
pub(crate) fn relative(path: &Path, target: &Path) -> PathBuf {
    let from: Vec<_> = path
        .parent()
        .unwrap_or(Path::new(""))
        .components()
        .collect();
    let to: Vec<_> = target.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut result = PathBuf::new();
    for _ in shared..from.len() {
        result.push("..");
    }
    for component in &to[shared..] {
        result.push(component);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_lead_from_folder_to_target() {
        let table = [
            ("bin/awk", "bin/mawk", "mawk"),
            ("sbin/modprobe", "bin/kmod", "../bin/kmod"),
            ("bin/vi", "share/vim/vi", "../share/vim/vi"),
            ("a", "b/c", "b/c"),
        ];
        for (path, target, expected) in table {
            assert_eq!(
                relative(Path::new(path), Path::new(target)),
                Path::new(expected)
            );
        }
    }

    #[test]
    fn normalize_does_not_leave_the_root() {
        assert_eq!(
            normalize(Path::new("a/./b/../c")),
            Some(PathBuf::from("a/c"))
        );
        assert_eq!(normalize(Path::new("a/../..")), None);
        assert_eq!(normalize(Path::new("/a")), None);
    }
}
