//! The NAR serialisation of a store path, as far as its digest needs it (E. Dolstra, The Purely Functional Software Deployment Model, 5.2.1).
//!
//! Nothing is kept of it: the bytes of files pass by on their way to where they are wanted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;
use crate::packed::walk;

/// SHA-256 over a NAR that is being said: a file, a link, or a folder with its entries in the order of their names' bytes.
pub struct NarHasher(Sha256);

impl Default for NarHasher {
    fn default() -> NarHasher {
        NarHasher::new()
    }
}

impl NarHasher {
    /// With what a NAR begins with.
    pub fn new() -> NarHasher {
        let mut hasher = NarHasher(Sha256::new());
        hasher.text(b"nix-archive-1");
        hasher
    }

    /// A string: its length in 8 bytes, its bytes, zeros up to a multiple of 8.
    fn text(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self.pad(bytes.len() as u64);
    }

    /// Several strings.
    fn texts(&mut self, texts: &[&[u8]]) {
        for text in texts {
            self.text(text);
        }
    }

    /// The beginning of a folder; its entries follow.
    pub fn begin_folder(&mut self) {
        self.texts(&[b"(", b"type", b"directory"]);
    }

    /// The beginning of an entry of a folder; what has this name follows.
    pub fn begin_entry(&mut self, name: &[u8]) {
        self.texts(&[b"entry", b"(", b"name", name, b"node"]);
    }

    /// The end of an entry.
    pub fn end_entry(&mut self) {
        self.text(b")");
    }

    /// The end of a folder.
    pub fn end_folder(&mut self) {
        self.text(b")");
    }

    /// The beginning of a file of so many bytes; they follow.
    pub fn begin_file(&mut self, executable: bool, length: u64) {
        self.texts(&[b"(", b"type", b"regular"]);
        if executable {
            self.texts(&[b"executable", b""]);
        }
        self.text(b"contents");
        self.0.update(length.to_le_bytes());
    }

    /// Bytes of a file.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The end of a file of this length.
    pub fn end_file(&mut self, length: u64) {
        self.pad(length);
        self.text(b")");
    }

    /// A symbolic link.
    pub fn link(&mut self, target: &[u8]) {
        self.texts(&[b"(", b"type", b"symlink", b"target", target, b")"]);
    }

    /// The digest, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn pad(&mut self, length: u64) {
        let zeros = [0; 8];
        self.0
            .update(&zeros[..(length.wrapping_neg() % 8) as usize]);
    }
}

/// The NAR hash of a file, folder or link: SHA-256, lower-case hexadecimal, as [`flk_nix::PathInfo::nar_hash`] has it.
///
/// # Errors
/// [`Error::Io`]; [`Error::Unsupported`] where there is something that no store has.
pub fn nar_hash(path: &Path) -> Result<String, Error> {
    let mut hasher = NarHasher::new();
    walk(path, &mut hasher, &mut |hasher, path, _, length| {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let mut buffer = vec![0; 1 << 16];
        let mut read = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.bytes(&buffer[..count]);
                    read += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", path)(error)),
            }
        }
        if read != length {
            return Err(Error::Unsupported {
                path: path.into(),
                reason: "it changed while it was read",
            });
        }
        Ok(0)
    })?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn is_what_nix_says() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("b/empty")).unwrap();
        fs::write(tree.join("a"), "twelve bytes").unwrap();
        fs::write(tree.join("b/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(tree.join("b/run"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(tree.join("b.txt"), "").unwrap();
        symlink("../elsewhere", tree.join("link")).unwrap();
        // `nix hash path --type sha256 --base16`, Nix 2.8.
        for (path, expected) in [
            (
                "",
                "f0edc9684c7883e115087a680e6f5665c0e234d1e88170783971f404d80694c7",
            ),
            (
                "a",
                "a4d56644b4c3741acec5d5f14ac8dd91aa820d1c48aabe967d61b28c2cca3b08",
            ),
            (
                "b/run",
                "6283c1668260f903d1a895c0cd6b822fa4b68762bb0b17cedef2d39d97e26554",
            ),
            (
                "link",
                "ffda985fbf84d71456f38e33695bcb70d61559f0495e297fe9a54f5acc09dc6e",
            ),
        ] {
            assert_eq!(nar_hash(&tree.join(path)).unwrap(), expected, "{path}");
        }
    }
}
