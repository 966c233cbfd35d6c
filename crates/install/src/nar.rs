//! A store path copied, with the hash of its NAR made on the way.
//!
//! A copy gets what Nix's own would have: root's, mode 0444 or 0555, modified one second into 1970. Where a copy that was cut off lies already, only what
//! is not right in it is written.
//!
//! Not supported: anything but files, folders and links, as in a NAR.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flk_image::NarHasher;

use crate::patch::{PatchedFile, Place, forget};
use crate::{Error, Result};

/// What is read and written at once.
const CHUNK: usize = 256 * 1024;

/// SHA-256 of the NAR of a file, folder or link, in lower-case hexadecimal.
///
/// # Errors
/// [`Error::Unreadable`], with `path` as the store path.
pub fn nar_hash(path: &Path) -> Result<String> {
    let copied = Serialiser::new(&path.to_string_lossy(), &mut |_| true).run(path, None)?;
    Ok(copied.hash)
}

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// SHA-256 of its NAR, in lower-case hexadecimal.
    pub(crate) hash: String,
    /// Bytes that were written to files: less than it has, where a copy lay there.
    pub(crate) written: u64,
}

/// One path's serialisation under way.
pub(crate) struct Serialiser<'a> {
    store_path: &'a str,
    hasher: NarHasher,
    buffer: Vec<u8>,
    written: u64,
    /// Gets the number of bytes of each chunk; `false` stops.
    advance: &'a mut dyn FnMut(u64) -> bool,
}

impl<'a> Serialiser<'a> {
    /// For a store path, by its name in messages.
    pub(crate) fn new(store_path: &'a str, advance: &'a mut dyn FnMut(u64) -> bool) -> Self {
        Self {
            store_path,
            hasher: NarHasher::new(),
            buffer: vec![0; CHUNK],
            written: 0,
            advance,
        }
    }

    /// Hashes `source`, and makes `target` its copy, whatever is there.
    pub(crate) fn run(mut self, source: &Path, target: Option<&Path>) -> Result<Copied> {
        let metadata = fs::symlink_metadata(source).map_err(self.unreadable(source))?;
        self.node(source, metadata.file_type(), target.map(Place::find))?;
        Ok(Copied {
            hash: self.hasher.finish(),
            written: self.written,
        })
    }

    fn node(&mut self, source: &Path, kind: FileType, target: Option<Place>) -> Result<()> {
        if kind.is_symlink() {
            self.link(source, target)
        } else if kind.is_dir() {
            self.folder(source, target)
        } else if kind.is_file() {
            self.file(source, target)
        } else {
            let odd = io::Error::other("neither a file nor a folder nor a link");
            Err(self.unreadable(source)(odd))
        }
    }

    fn link(&mut self, source: &Path, target: Option<Place>) -> Result<()> {
        let to = fs::read_link(source).map_err(self.unreadable(source))?;
        self.hasher.link(to.as_os_str().as_bytes());
        target.map_or(Ok(()), |target| target.link(&to))
    }

    fn folder(&mut self, source: &Path, target: Option<Place>) -> Result<()> {
        let mut entries = fs::read_dir(source)
            .and_then(|entries| {
                entries
                    .map(|entry| {
                        entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))
                    })
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(self.unreadable(source))?;
        entries.sort_unstable_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        if let Some(target) = &target {
            target.open_folder(|name| {
                entries
                    .binary_search_by(|(known, _)| known.as_os_str().cmp(name))
                    .is_ok()
            })?;
        }
        self.hasher.begin_folder();
        for (name, kind) in entries {
            self.hasher.begin_entry(name.as_bytes());
            let target = target.as_ref().map(|target| target.child(&name));
            self.node(&source.join(&name), kind, target)?;
            self.hasher.end_entry();
        }
        self.hasher.end_folder();
        target.map_or(Ok(()), Place::close_folder)
    }

    fn file(&mut self, source: &Path, target: Option<Place>) -> Result<()> {
        let mut from = File::open(source).map_err(self.unreadable(source))?;
        let metadata = from.metadata().map_err(self.unreadable(source))?;
        let is_executable = metadata.permissions().mode() & 0o100 != 0;
        let length = metadata.len();
        self.hasher.begin_file(is_executable, length);
        let mode = if is_executable { 0o555 } else { 0o444 };
        let mut to = target.map(|target| target.open_file(mode)).transpose()?;
        if to.is_none() {
            forget(&from);
        }
        let mut rest = length;
        while rest > 0 {
            let most = self
                .buffer
                .len()
                .min(usize::try_from(rest).unwrap_or(usize::MAX));
            let read = match from.read(&mut self.buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(self.unreadable(source))?,
            };
            if read == 0 {
                let odd = io::Error::other(format!("it ends {rest} bytes before its end"));
                return Err(self.unreadable(source)(odd));
            }
            rest -= read as u64;
            let chunk = &self.buffer[..read];
            self.hasher.bytes(chunk);
            if let Some(to) = &mut to {
                self.written += to.put(chunk)?;
            }
            if !(self.advance)(read as u64) {
                let stopped = io::Error::from(io::ErrorKind::Interrupted);
                return Err(self.unreadable(source)(stopped));
            }
        }
        self.hasher.end_file(length);
        to.map_or(Ok(()), PatchedFile::end)
    }

    fn unreadable(&self, file: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        let (path, file) = (self.store_path.to_owned(), file.to_owned());
        move |source| Error::Unreadable { path, file, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;
    use std::process::Command;

    /// A tree with everything that a NAR can have, and names whose order depends on bytes.
    fn tree(folder: &Path) -> PathBuf {
        let tree = folder.join("tree");
        fs::create_dir_all(tree.join("b/empty")).unwrap();
        fs::write(tree.join("a-file"), "eight by").unwrap();
        fs::write(tree.join("a.file"), "").unwrap();
        fs::write(tree.join("Z"), vec![7; CHUNK + 13]).unwrap();
        fs::set_permissions(tree.join("Z"), Permissions::from_mode(0o755)).unwrap();
        fs::write(tree.join("é"), "x").unwrap();
        symlink("../nowhere/long enough", tree.join("b/link")).unwrap();
        tree
    }

    #[test]
    fn a_file_has_the_hash_that_nix_gives_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hello");
        fs::write(&file, "hello").unwrap();
        // nix hash path --base16 hello
        assert_eq!(
            nar_hash(&file).unwrap(),
            "0a430879c266f8b57f4092a0f935cf3facd48bbccde5760d4748ca405171e969"
        );
    }

    #[test]
    fn a_tree_has_the_hash_that_nix_gives_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree(dir.path());
        let judge = Command::new("nix-hash")
            .args(["--type", "sha256"])
            .arg(&tree)
            .output();
        let Ok(judge) = judge else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "nix-hash is not installed, and in CI nothing is skipped"
            );
            let _ = io::stderr().write_all(b"SKIPPED: nix-hash is not installed\n");
            return;
        };
        assert!(judge.status.success(), "{judge:?}");
        assert_eq!(
            nar_hash(&tree).unwrap(),
            String::from_utf8(judge.stdout).unwrap().trim()
        );
    }

    #[test]
    fn a_copy_is_the_same_and_as_nix_would_have_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree(dir.path());
        let copy = dir.path().join("copy");
        let mut bytes = 0;
        let Copied { hash, written } = Serialiser::new("tree", &mut |count| {
            bytes += count;
            true
        })
        .run(&tree, Some(&copy))
        .unwrap();
        assert_eq!(written, bytes);
        assert_eq!(hash, nar_hash(&tree).unwrap());
        assert_eq!(hash, nar_hash(&copy).unwrap());
        assert_eq!(bytes, 8 + CHUNK as u64 + 13 + 1);
        for (name, mode) in [
            ("", 0o555),
            ("Z", 0o555),
            ("a-file", 0o444),
            ("b/empty", 0o555),
        ] {
            let metadata = fs::symlink_metadata(copy.join(name)).unwrap();
            assert_eq!(
                (metadata.mode() & 0o7777, metadata.mtime()),
                (mode, 1),
                "{name}"
            );
        }
        assert_eq!(
            fs::symlink_metadata(copy.join("b/link")).unwrap().mtime(),
            1
        );
        // So that the folder can be removed by those who are not root.
        for folder in ["", "b", "b/empty"] {
            fs::set_permissions(copy.join(folder), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_copy_that_was_cut_off_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree(dir.path());
        let copy = dir.path().join("copy");
        let bring = || {
            Serialiser::new("tree", &mut |_| true)
                .run(&tree, Some(&copy))
                .unwrap()
        };
        let first = bring();
        assert_eq!(bring().written, 0);
        // Cut short, spoilt, of another kind, too long, too much, gone.
        for folder in ["", "b", "b/empty"] {
            fs::set_permissions(copy.join(folder), Permissions::from_mode(0o755)).unwrap();
        }
        for file in ["Z", "a-file", "a.file"] {
            fs::set_permissions(copy.join(file), Permissions::from_mode(0o644)).unwrap();
        }
        fs::File::options()
            .write(true)
            .open(copy.join("Z"))
            .unwrap()
            .set_len(CHUNK as u64 + 3)
            .unwrap();
        fs::write(copy.join("a-file"), "eight By and more").unwrap();
        fs::remove_file(copy.join("a.file")).unwrap();
        fs::create_dir_all(copy.join("a.file/in/it")).unwrap();
        fs::write(copy.join("b/empty/not"), "").unwrap();
        fs::remove_file(copy.join("b/link")).unwrap();
        symlink("elsewhere", copy.join("b/link")).unwrap();
        fs::remove_file(copy.join("é")).unwrap();
        let again = bring();
        assert_eq!(again.hash, first.hash);
        assert_eq!(nar_hash(&copy).unwrap(), first.hash);
        assert_eq!(again.written, 13 + 8 + 1);
        for folder in ["", "b", "b/empty"] {
            fs::set_permissions(copy.join(folder), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn what_is_no_part_of_a_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let error = nar_hash(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Unreadable { file, .. } if file.ends_with("pipe")));
    }
}
