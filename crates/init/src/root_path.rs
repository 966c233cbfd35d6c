//! Paths of the new root, while `/` is still the initrd: links have to be followed as they will be read after the change of roots.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::error::{InitError, Result};

/// Resolves a path as the kernel will once `root` is `/`: links that are absolute start at the new root, and `..` does not leave it.
///
/// `read_link` gives a link's target and none for anything else (also for what is not there): the result may not exist.
///
/// # Errors
/// More than 40 links on the way.
pub fn resolve_with(
    root: &Path,
    path: &Path,
    read_link: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Result<PathBuf> {
    let mut pending: Vec<OsString> = path
        .components()
        .rev()
        .map(|part| part.as_os_str().to_owned())
        .collect();
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match Path::new(&part).components().next() {
            None | Some(Component::CurDir | Component::Prefix(_)) => {}
            Some(Component::RootDir) => done.clear(),
            Some(Component::ParentDir) => {
                done.pop();
            }
            Some(Component::Normal(name)) => {
                let here = root.join(done.iter().collect::<PathBuf>()).join(name);
                match read_link(&here) {
                    None => done.push(part),
                    Some(target) => {
                        links += 1;
                        if links > 40 {
                            return Err(InitError::LinkLoop {
                                path: path.to_owned(),
                            });
                        }
                        pending.extend(
                            target
                                .components()
                                .rev()
                                .map(|part| part.as_os_str().to_owned()),
                        );
                    }
                }
            }
        }
    }
    Ok(root.join(done.iter().collect::<PathBuf>()))
}

/// The same with the links that are on disk.
///
/// # Errors
/// As for [`resolve_with`].
pub fn resolve_in_root(root: &Path, path: &Path) -> Result<PathBuf> {
    resolve_with(root, path, &|link| std::fs::read_link(link).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_new_root() {
        let links = |path: &Path| -> Option<PathBuf> {
            let target = match path.to_str()? {
                "/new/nix/var/nix/profiles/system" => "system-3-link",
                "/new/nix/var/nix/profiles/system-3-link" => "/nix/store/abc-system",
                "/new/nix/store/abc-system/init" => "../def-init/bin/flk-init",
                "/new/up" => "../../../etc/x",
                "/new/loop" => "loop",
                _ => return None,
            };
            Some(target.into())
        };
        for (path, expected) in [
            (
                "/nix/var/nix/profiles/system/init",
                "/new/nix/store/def-init/bin/flk-init",
            ),
            ("nix/./store//abc-system/", "/new/nix/store/abc-system"),
            ("/up", "/new/etc/x"),
            ("/../..", "/new"),
            ("/not/there", "/new/not/there"),
        ] {
            assert_eq!(
                resolve_with(Path::new("/new"), Path::new(path), &links).unwrap(),
                Path::new(expected),
                "{path}"
            );
        }
        assert!(resolve_with(Path::new("/new"), Path::new("/loop"), &links).is_err());
    }
}
