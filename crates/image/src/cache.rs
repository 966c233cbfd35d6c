//! The cache of packed store paths: what was compressed once is copied into the next image.
//!
//! A folder of the user's own, one file for each packed path, named by its key: NAR hash, codec, level, block size, the
//! compressor's version and the cache's format. An entry is read whole and checked against its digest before it is used; what
//! is damaged, cut short or of somebody else is packed again. Entries are written beside their place and renamed, so builds at
//! the same time do not disturb each other. Nothing here is needed for an image's bytes: they are the same without.

mod entry;
mod new_file;
mod statistics;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use crate::Error;
use crate::packed::PackedPath;
use new_file::NewFile;
pub use statistics::{Hits, Statistics};

/// Hexadecimal digits of a key.
const NAME_LEN: usize = 64;

/// A cache of packed store paths.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// What a cache has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many store paths.
    pub entries: u64,
    /// Their files' bytes.
    pub bytes: u64,
    /// When the entry that was not used for longest was used.
    pub oldest: Option<SystemTime>,
}

/// What is to stay in a cache.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// At most so many bytes, what was used last.
    Bytes(u64),
    /// What was used at this time or later.
    Since(SystemTime),
}

/// What was removed from a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many store paths.
    pub entries: u64,
    /// Their files' bytes.
    pub bytes: u64,
}

/// What makes packed bytes what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Of the store path with this NAR hash, packed in this way.
    pub(crate) fn new(nar_hash: &str, codec: flk_squashfs::Codec, block_size: u32) -> Key {
        let (name, block_size) = (codec.to_string(), block_size.to_string());
        Key::of(
            entry::FORMAT,
            [nar_hash, &name, codec.version(), &block_size],
        )
    }

    fn of(format: &str, parts: [&str; 4]) -> Key {
        let mut hasher = blake3::Hasher::new_derive_key(format);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Key(*hasher.finalize().as_bytes())
    }

    fn name(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl Cache {
    /// The cache in `folder`, which is made if it is missing. After each image, what was not used for longest is removed until
    /// at most `limit` bytes are left.
    ///
    /// # Errors
    /// [`Error::Cache`] if the folder is another user's, or others may write to it; [`Error::Io`].
    pub fn open(folder: &Path, limit: u64) -> Result<Cache, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(folder)
            .map_err(Error::io("create", folder))?;
        let metadata = fs::symlink_metadata(folder).map_err(Error::io("read", folder))?;
        let refuse = |reason| {
            Err(Error::Cache {
                path: folder.into(),
                reason,
            })
        };
        if !metadata.is_dir() {
            return refuse("it is no folder".into());
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            let owner = metadata.uid();
            return refuse(format!("it is of user {owner}, and this is user {user}"));
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse(format!(
                "others may write to it (mode {:o}); chmod 700 it",
                metadata.mode() & 0o7777
            ));
        }
        let cache = Cache {
            folder: folder.into(),
            limit,
        };
        cache.remove_debris()?;
        Ok(cache)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many bytes it keeps at most.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What it has now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn summary(&self) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        for entry in self.entries()? {
            summary.entries += 1;
            summary.bytes += entry.bytes;
            summary.oldest = Some(summary.oldest.map_or(entry.used, |t| t.min(entry.used)));
        }
        Ok(summary)
    }

    /// Removes what is not to stay, and what killed runs have left.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn prune(&self, keep: Keep) -> Result<Pruned, Error> {
        self.remove_debris()?;
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let mut pruned = Pruned::default();
        let mut sum = 0;
        for entry in entries {
            sum += entry.bytes;
            let stays = match keep {
                Keep::Bytes(most) => sum <= most,
                Keep::Since(time) => entry.used >= time,
            };
            if stays {
                continue;
            }
            match fs::remove_file(&entry.path) {
                Ok(()) => {
                    pruned.entries += 1;
                    pruned.bytes += entry.bytes;
                }
                // Another run was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", entry.path)(error)),
            }
        }
        Ok(pruned)
    }

    /// The entry of this key, checked. It counts as used now.
    pub(crate) fn find(&self, key: &Key, block_size: u32) -> Option<(File, PackedPath)> {
        let path = self.folder.join(key.name());
        let mut file = File::options()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&path)
            .ok()?;
        let metadata = file.metadata().ok()?;
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        let found = match ours && metadata.is_file() {
            true => entry::read(&mut file, &key.0, block_size).ok().flatten(),
            false => None,
        };
        let Some(packed) = found else {
            // It would be in the way of a good one only until that is renamed to its place; but a damaged disk is no place.
            let _ = fs::remove_file(&path);
            return None;
        };
        let _ = file.set_modified(SystemTime::now());
        Some((file, packed))
    }

    /// Keeps a packed path, whose bytes lie in `image` at `offset`, unless that would leave less than `reserve` bytes free.
    pub(crate) fn keep(
        &self,
        key: &Key,
        packed: &PackedPath,
        (image, offset): (&File, u64),
        reserve: u64,
    ) -> Result<(), Error> {
        let folder = &self.folder;
        let free = crate::scratch::free(folder)?;
        if free < reserve.saturating_add(packed.run.length) {
            return Err(Error::io("keep more in", folder)(
                rustix::io::Errno::NOSPC.into(),
            ));
        }
        let path = folder.join(key.name());
        let new = NewFile::create(folder).map_err(Error::io("create", &path))?;
        entry::write(new.file(), &key.0, packed, image, offset)
            .and_then(|()| new.put_in_place(&key.name()))
            .map_err(Error::io("write", &path))
    }

    fn remove_debris(&self) -> Result<(), Error> {
        new_file::remove_debris(&self.folder).map_err(Error::io("read", &self.folder))
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let folder = &self.folder;
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let entry = entry.map_err(Error::io("read", folder))?;
            let name = entry.file_name();
            if name.len() != NAME_LEN {
                continue;
            }
            // Another run may have removed it by now.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            entries.push(Entry {
                path: entry.path(),
                bytes: metadata.len(),
                used: metadata
                    .modified()
                    .map_err(Error::io("read", entry.path()))?,
            });
        }
        Ok(entries)
    }
}

/// An entry's file.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn whatever_changes_the_packed_bytes_changes_the_key() {
        let codec = flk_squashfs::Codec::Zstd(6);
        let parts = ["a", &codec.to_string(), codec.version(), "4096"];
        assert_eq!(Key::new("a", codec, 4096), Key::of(entry::FORMAT, parts));
        let mut keys = BTreeSet::from([Key::of(entry::FORMAT, parts).name()]);
        for index in 0..parts.len() {
            // Another store path, codec or level, version of the compressor, block size.
            let mut other = parts;
            other[index] = "another";
            keys.insert(Key::of(entry::FORMAT, other).name());
        }
        // Another version of the cache.
        keys.insert(Key::of("another", parts).name());
        // Nothing of one part counts as of the next.
        keys.insert(Key::of(entry::FORMAT, ["", "ab", "", "c"]).name());
        keys.insert(Key::of(entry::FORMAT, ["a", "b", "", "c"]).name());
        assert_eq!(keys.len(), 8);
    }
}
