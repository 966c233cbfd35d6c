//! Files and folders of the store, walked into the nodes that they become on the ISO.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::Error;

/// The store as paths in the manifest name it.
pub(crate) const STORE: &str = "/nix/store";
/// More links than this in a row are a loop; as Linux has it (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// What lies at a place on the ISO. Owner and times are the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File {
        source: PathBuf,
        size: u64,
        mode: u32,
        digest: blake3::Hash,
    },
    Link {
        source: PathBuf,
        to: PathBuf,
    },
}

impl Node {
    /// The node of a file that is at hand.
    pub(crate) fn file(source: &Path, mode: u32) -> Result<Node, Error> {
        let mut hasher = blake3::Hasher::new();
        let file = File::open(source).map_err(Error::io("read", source))?;
        let size = file.metadata().map_err(Error::io("read", source))?.len();
        hasher
            .update_reader(file)
            .map_err(Error::io("read", source))?;
        Ok(Node::File {
            source: source.into(),
            size,
            mode,
            digest: hasher.finalize(),
        })
    }

    /// For messages: where it comes from.
    pub(crate) fn origin(&self) -> String {
        match self {
            Node::Folder => "a folder".into(),
            Node::File { source, .. } | Node::Link { source, .. } => source.display().to_string(),
        }
    }
}

/// Where store paths can be read: `/nix/store` itself, or the folder of a store that is mounted elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a>(pub(crate) &'a Path);

impl Store<'_> {
    /// The readable place of a path `/nix/store/…`, links followed.
    pub(crate) fn resolve(self, path: &str) -> Result<PathBuf, Error> {
        let mut logical = clean(Path::new(path));
        for _ in 0..LINKS_MAX {
            let physical = self.place(&logical)?;
            match self.first_link(&logical)? {
                None => return Ok(physical),
                Some((link, to, rest)) => {
                    let base = link.parent().unwrap_or(Path::new("/"));
                    logical = clean(&base.join(to).join(rest));
                }
            }
        }
        Err(Error::Io {
            action: "follow the links of",
            path: path.into(),
            source: io::Error::from_raw_os_error(rustix::io::Errno::LOOP.raw_os_error()),
        })
    }

    /// The readable place of a logical path, links not followed.
    pub(crate) fn place(self, logical: &Path) -> Result<PathBuf, Error> {
        match logical.strip_prefix(STORE) {
            Ok(rest) if rest.components().next().is_some() => Ok(self.0.join(rest)),
            _ => Err(Error::NotInStore {
                path: logical.display().to_string(),
            }),
        }
    }

    /// The first component below the store that is a link: its path, its target, and what follows it.
    fn first_link(self, logical: &Path) -> Result<Option<(PathBuf, PathBuf, PathBuf)>, Error> {
        let Ok(below) = logical.strip_prefix(STORE) else {
            return Ok(None);
        };
        let mut here = PathBuf::from(STORE);
        let mut parts = below.components();
        while let Some(part) = parts.next() {
            here.push(part);
            let physical = self.place(&here)?;
            let meta = fs::symlink_metadata(&physical).map_err(Error::io("read", &physical))?;
            if meta.is_symlink() {
                let to = fs::read_link(&physical).map_err(Error::io("read", &physical))?;
                return Ok(Some((here, to, parts.as_path().into())));
            }
        }
        Ok(None)
    }
}

/// Removes `.` and resolves `..` by name: what precedes it is known to be no link.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

/// Walks `source`, a file or a folder, to what it becomes at `target` (`/boot/bzImage`).
pub(crate) fn walk(source: &Path, target: &str) -> Result<BTreeMap<String, Node>, Error> {
    let mut nodes = BTreeMap::new();
    let mut open = vec![(source.to_path_buf(), target.to_string())];
    while let Some((path, target)) = open.pop() {
        let meta = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
        let kind = meta.file_type();
        let node = if kind.is_dir() {
            for entry in fs::read_dir(&path).map_err(Error::io("read", &path))? {
                let entry = entry.map_err(Error::io("read", &path))?;
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| !name.contains('\n')) else {
                    return Err(Error::Unsupported {
                        path: entry.path(),
                        reason: "its name is not UTF-8, or has a line break",
                    });
                };
                let base = target.trim_end_matches('/');
                open.push((entry.path(), format!("{base}/{name}")));
            }
            Node::Folder
        } else if kind.is_symlink() {
            let to = fs::read_link(&path).map_err(Error::io("read", &path))?;
            Node::Link { source: path, to }
        } else if kind.is_file() {
            let executable = meta.permissions().mode() & 0o100 != 0;
            Node::file(&path, if executable { 0o555 } else { 0o444 })?
        } else {
            return Err(Error::Unsupported {
                path,
                reason: "it is neither a file nor a folder nor a link",
            });
        };
        nodes.insert(target, node);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_within_a_store_that_lies_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store(dir.path());
        fs::create_dir(dir.path().join("a-kernel")).unwrap();
        fs::write(dir.path().join("a-kernel/bzImage"), "kernel").unwrap();
        fs::create_dir(dir.path().join("b-top")).unwrap();
        symlink(
            "/nix/store/a-kernel/bzImage",
            dir.path().join("b-top/kernel"),
        )
        .unwrap();
        symlink("../b-top", dir.path().join("c-alias")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();

        let kernel = dir.path().join("a-kernel/bzImage");
        for path in [
            "/nix/store/a-kernel/bzImage",
            "/nix/store/b-top/kernel",
            "/nix/store/b-top/../b-top/./kernel",
        ] {
            assert_eq!(store.resolve(path).unwrap(), kernel, "{path}");
        }
        assert!(matches!(
            store.resolve("/nix/store/loop"),
            Err(Error::Io { .. })
        ));
        assert!(matches!(
            store.resolve("/nix/store/c-alias"),
            Err(Error::NotInStore { .. })
        ));
        for path in ["/etc/passwd", "/nix/store", "/nix/store/../../etc/passwd"] {
            assert!(
                matches!(store.resolve(path), Err(Error::NotInStore { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn a_folder_becomes_its_nodes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("hosts/empty")).unwrap();
        fs::write(dir.path().join("run"), "x").unwrap();
        fs::set_permissions(dir.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("run", dir.path().join("link")).unwrap();
        let nodes = walk(dir.path(), "/devos").unwrap();
        let names: Vec<_> = nodes.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "/devos",
                "/devos/hosts",
                "/devos/hosts/empty",
                "/devos/link",
                "/devos/run"
            ]
        );
        assert!(matches!(
            nodes["/devos/run"],
            Node::File {
                mode: 0o555,
                size: 1,
                ..
            }
        ));
        assert!(matches!(&nodes["/devos/link"], Node::Link { to, .. } if to == Path::new("run")));
    }
}
