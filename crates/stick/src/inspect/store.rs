//! The store on an image: which store paths it has, what each takes of it, and which refers to which.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use flk_squashfs::{EntryKind, Extracted, Image, Inode, InodeKind, InodeRef, Section};
use serde::Serialize;

use crate::{Error, Result};

const STORE: &str = "/nix/store/";
const REGISTRATION: &[u8] = b"nix-path-registration";
/// A registration is not longer than so many bytes.
const MOST_REGISTRATION: u64 = 64 << 20;
/// Folders in folders, and links to links.
const MOST_DEPTH: usize = 256;
/// Where NixOS has the keys that users may log in by.
const KEYS: &str = "etc/ssh/authorized_keys.d";

/// A store path on an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StorePath {
    /// `/nix/store/…`.
    pub path: String,
    /// Bytes of its NAR, unpacked.
    pub nar_size: u64,
    /// Its NAR's SHA-256, in lower-case hexadecimal.
    pub nar_hash: String,
    /// Bytes that its files take of the image, packed. Content that several have counts for the first of them; fragments by shares.
    pub packed: u64,
    /// What it refers to, itself not among it.
    pub references: Vec<String>,
}

/// The store on an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Bytes of the store image.
    pub size: u64,
    /// How it is packed, such as `zstd`.
    pub codec: String,
    /// Bytes of a block, unpacked.
    pub block_size: u32,
    /// Its paths, sorted.
    pub paths: Vec<StorePath>,
    #[serde(skip)]
    image: Reader,
}

/// What two images differ by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Paths that only the second has.
    pub added: Vec<StorePath>,
    /// Paths that only the first has.
    pub removed: Vec<StorePath>,
    /// Paths of one name with another hash in it: the first's, then the second's.
    pub changed: Vec<(StorePath, StorePath)>,
}

struct Reader {
    path: PathBuf,
    image: Image<Section<File>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reader").field(&self.path).finish()
    }
}

impl Store {
    /// Reads the tables of a store image that lies at `start` of a file.
    pub(crate) fn read(path: &Path, file: File, start: u64, length: u64) -> Result<Store> {
        let section = Section {
            inner: file,
            start,
            length,
        };
        let failed = |source| Error::Squashfs {
            path: path.to_owned(),
            source,
        };
        let image = Image::open(section).map_err(failed)?;
        let superblock = image.superblock();
        let (codec, block_size) = (superblock.codec.name().to_owned(), superblock.block_size);
        let reader = Reader {
            path: path.to_owned(),
            image,
        };
        let known = reader.registration().map_err(failed)?;
        let packed = Weighing::of(&reader.image).map_err(failed)?;
        let names: BTreeSet<&String> = packed.keys().chain(known.keys()).collect();
        let paths = names
            .into_iter()
            .map(|path| {
                let info = known.get(path);
                let references = info.map_or(&[][..], |info| &info.references);
                StorePath {
                    path: path.clone(),
                    nar_size: info.map_or(0, |info| info.nar_size),
                    nar_hash: info.map_or_else(String::new, |info| info.nar_hash.clone()),
                    packed: packed.get(path).copied().unwrap_or(0),
                    references: references
                        .iter()
                        .filter(|other| *other != path)
                        .cloned()
                        .collect(),
                }
            })
            .collect();
        Ok(Store {
            size: length,
            codec,
            block_size,
            paths,
            image: reader,
        })
    }

    /// The shortest chain of references from one of the roots to a path; `None` if it is not there, or nothing leads to it.
    pub fn why<'a>(&'a self, roots: &BTreeSet<&'a str>, path: &str) -> Option<Vec<&'a str>> {
        let references: HashMap<&str, &[String]> = self
            .paths
            .iter()
            .map(|path| (path.path.as_str(), &path.references[..]))
            .collect();
        let mut before: HashMap<&str, Option<&str>> = HashMap::new();
        let mut next: VecDeque<&str> = VecDeque::new();
        for root in roots {
            before.insert(root, None);
            next.push_back(root);
        }
        while let Some(here) = next.pop_front() {
            if here == path {
                let chain =
                    std::iter::successors(Some(here), |at| before.get(at).copied().flatten());
                let mut chain: Vec<&str> = chain.collect();
                chain.reverse();
                return Some(chain);
            }
            for other in references.get(here).copied().unwrap_or_default() {
                before.entry(other).or_insert_with(|| {
                    next.push_back(other);
                    Some(here)
                });
            }
        }
        None
    }

    /// What another image has otherwise.
    pub fn difference(&self, other: &Store) -> Difference {
        let has = |store: &Store| -> HashSet<String> {
            store.paths.iter().map(|path| path.path.clone()).collect()
        };
        let (mine, others) = (has(self), has(other));
        let only = |store: &Store, not: &HashSet<String>| -> Vec<StorePath> {
            let paths = store.paths.iter().filter(|path| !not.contains(&path.path));
            paths.cloned().collect()
        };
        let mut difference = Difference {
            removed: only(self, &others),
            added: only(other, &mine),
            changed: Vec::new(),
        };
        let mut later: BTreeMap<String, StorePath> = BTreeMap::new();
        for path in std::mem::take(&mut difference.added) {
            match later.entry(name(&path.path).to_owned()) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(path);
                }
                _ => difference.added.push(path),
            }
        }
        for path in std::mem::take(&mut difference.removed) {
            match later.remove(name(&path.path)) {
                Some(new) => difference.changed.push((path, new)),
                None => difference.removed.push(path),
            }
        }
        difference.added.extend(later.into_values());
        difference.added.sort_by(|a, b| a.path.cmp(&b.path));
        difference
    }

    /// What an absolute path within the store leads to, links followed.
    fn found(&self, name: &str) -> Result<Option<Inode>> {
        let found = self.image.resolve(name, MOST_DEPTH);
        found.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: flk_squashfs::Error) -> Error {
        Error::Squashfs {
            path: self.image.path.clone(),
            source,
        }
    }

    /// Copies a file out; links are followed. `None`: there is none.
    pub(super) fn extract(&self, name: &str, out: &mut dyn Write) -> Result<Option<u64>> {
        let Some(InodeKind::File(file)) = self.found(name)?.map(|inode| inode.kind) else {
            return Ok(None);
        };
        let mut reader = self.image.image.open_file(&file);
        super::copy(&mut reader, out, (&self.image.path, name)).map(Some)
    }

    /// Extracts a folder, links to it followed. `None`: there is none.
    pub(super) fn extract_folder(&self, name: &str, to: &Path) -> Result<Option<Extracted>> {
        let found = self.found(name)?;
        let Some(folder) = found.filter(|inode| matches!(inode.kind, InodeKind::Directory(_)))
        else {
            return Ok(None);
        };
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let extracted = self.image.image.extract(&folder, to, threads);
        extracted.map(Some).map_err(|source| self.failed(source))
    }

    /// The files of which something lies in this range of the store image, their data or their part of a fragment; of hard links the first.
    pub(crate) fn files_at(&self, range: Range<u64>) -> Vec<String> {
        let image = &self.image.image;
        let overlaps = |start: u64, length: u64| start < range.end && range.start < start + length;
        let mut found = Vec::new();
        let mut entered = HashSet::new();
        let Ok(root) = image.root() else {
            return found;
        };
        let mut open = vec![(root, STORE.trim_end_matches('/').to_owned())];
        while let Some((folder, path)) = open.pop() {
            let InodeKind::Directory(directory) = &folder.kind else {
                continue;
            };
            for entry in image.entries(directory).map_while(|entry| entry.ok()) {
                let name = format!("{path}/{}", String::from_utf8_lossy(&entry.name));
                if !matches!(entry.kind, EntryKind::Directory | EntryKind::File)
                    || !entered.insert(entry.inode)
                {
                    continue;
                }
                let Ok(inode) = image.inode(entry.inode) else {
                    continue;
                };
                let InodeKind::File(file) = &inode.kind else {
                    open.push((inode, name));
                    continue;
                };
                let blocks = image.packed_length(file).unwrap_or(0);
                let fragment = file
                    .tail
                    .and_then(|tail| image.packed_fragment(tail.fragment).ok());
                if overlaps(file.start, blocks)
                    || fragment.is_some_and(|(start, length)| overlaps(start, length))
                {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    /// The keys by which users may log in to a system; what cannot be read is left out.
    pub(super) fn authorized_keys(&self, toplevel: &str) -> Vec<(String, String)> {
        let folder = format!("{toplevel}/{KEYS}");
        let mut keys = Vec::new();
        let Ok(Some(inode)) = self.image.resolve(&folder, MOST_DEPTH) else {
            return keys;
        };
        let InodeKind::Directory(directory) = &inode.kind else {
            return keys;
        };
        for entry in self.image.image.entries(directory).flatten() {
            let user = String::from_utf8_lossy(&entry.name).into_owned();
            let mut text = Vec::new();
            if self.extract(&format!("{folder}/{user}"), &mut text).is_ok() {
                let text = String::from_utf8_lossy(&text).into_owned();
                let lines = text.lines().map(str::trim);
                let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
                keys.extend(lines.map(|line| (user.clone(), line.to_owned())));
            }
        }
        keys
    }
}

/// What a store path is called, without its hash.
fn name(path: &str) -> &str {
    let base = path.strip_prefix(STORE).unwrap_or(path);
    base.split_once('-').map_or(base, |(_, name)| name)
}

impl Reader {
    fn registration(&self) -> flk_squashfs::Result<BTreeMap<String, flk_nix::PathInfo>> {
        let Some(inode) = self.image.find([REGISTRATION])? else {
            return Ok(BTreeMap::new());
        };
        let mut text = String::new();
        if let InodeKind::File(file) = &inode.kind
            && file.size <= MOST_REGISTRATION
            && self
                .image
                .open_file(file)
                .read_to_string(&mut text)
                .is_err()
        {
            return Ok(BTreeMap::new());
        }
        Ok(flk_image::parse_registration(&text).unwrap_or_default())
    }

    /// What an absolute path within the store leads to, links followed.
    fn resolve(&self, path: &str, depth: usize) -> flk_squashfs::Result<Option<Inode>> {
        let Some(rest) = path.strip_prefix(STORE).filter(|_| depth > 0) else {
            return Ok(None);
        };
        let names: Vec<&str> = rest.split('/').filter(|name| !name.is_empty()).collect();
        let mut here = self.image.root()?;
        for (index, name) in names.iter().enumerate() {
            let InodeKind::Directory(directory) = &here.kind else {
                return Ok(None);
            };
            let Some(entry) = self.image.lookup(directory, name.as_bytes())? else {
                return Ok(None);
            };
            here = self.image.inode(entry.inode)?;
            if let InodeKind::Symlink(target) = &here.kind {
                let target = String::from_utf8_lossy(target);
                let folder = format!("{STORE}{}", names[..index].join("/"));
                let after = names[index + 1..].join("/");
                let Some(next) = joined(&folder, &target, &after) else {
                    return Ok(None);
                };
                return self.resolve(&next, depth - 1);
            }
        }
        Ok(Some(here))
    }
}

/// A link's target, seen from its folder, and what comes after; `None` when it leaves the root.
fn joined(folder: &str, target: &str, after: &str) -> Option<String> {
    let start = if target.starts_with('/') { "" } else { folder };
    let mut names: Vec<&str> = Vec::new();
    for name in start
        .split('/')
        .chain(target.split('/'))
        .chain(after.split('/'))
    {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(format!("/{}", names.join("/")))
}

/// What store paths take, while the tables are walked through.
struct Weighing<'i> {
    image: &'i Image<Section<File>>,
    /// Places of content that was counted.
    counted: HashSet<u64>,
    /// Folders that were entered.
    entered: HashSet<InodeRef>,
    /// Inodes that were looked at: links to one file are one.
    looked_at: HashSet<InodeRef>,
    /// Parts of fragments: fragment, store path, bytes unpacked.
    parts: Vec<(u32, usize, u64)>,
    weights: Vec<u64>,
}

impl<'i> Weighing<'i> {
    /// By store path.
    fn of(image: &'i Image<Section<File>>) -> flk_squashfs::Result<BTreeMap<String, u64>> {
        let mut weighing = Weighing {
            image,
            counted: HashSet::new(),
            entered: HashSet::new(),
            looked_at: HashSet::new(),
            parts: Vec::new(),
            weights: Vec::new(),
        };
        let mut names = Vec::new();
        let root = image.root()?;
        if let InodeKind::Directory(directory) = &root.kind {
            for entry in image.entries(directory) {
                let entry = entry?;
                if entry.name == REGISTRATION {
                    continue;
                }
                names.push(format!("{STORE}{}", String::from_utf8_lossy(&entry.name)));
                weighing.weights.push(0);
                weighing.weigh(entry.inode, entry.kind)?;
            }
        }
        weighing.share_fragments()?;
        Ok(names.into_iter().zip(weighing.weights).collect())
    }

    /// All below the last store path.
    fn weigh(&mut self, inode: InodeRef, kind: EntryKind) -> flk_squashfs::Result<()> {
        let mut open = vec![(inode, kind)];
        while let Some((reference, kind)) = open.pop() {
            match kind {
                EntryKind::File if self.looked_at.insert(reference) => {
                    self.weigh_file(reference)?
                }
                EntryKind::Directory if self.entered.insert(reference) => {
                    if let InodeKind::Directory(directory) = &self.image.inode(reference)?.kind {
                        for entry in self.image.entries(directory) {
                            let entry = entry?;
                            open.push((entry.inode, entry.kind));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn weigh_file(&mut self, reference: InodeRef) -> flk_squashfs::Result<()> {
        let inode = self.image.inode(reference)?;
        let InodeKind::File(file) = &inode.kind else {
            return Ok(());
        };
        let packed = self.image.packed_length(file)?;
        let path = self.weights.len() - 1;
        if packed > 0 && self.counted.insert(file.start) {
            self.weights[path] += packed;
        }
        if let Some(tail) = &file.tail {
            let place = u64::from(tail.fragment) << 32 | u64::from(tail.offset);
            // Places of fragments and of blocks are counted apart.
            if self.counted.insert(!place) {
                let block = u64::from(self.image.superblock().block_size);
                self.parts
                    .push((tail.fragment, path, (file.size % block).max(1)));
            }
        }
        Ok(())
    }

    fn share_fragments(&mut self) -> flk_squashfs::Result<()> {
        let mut totals: HashMap<u32, u64> = HashMap::new();
        for (fragment, _, bytes) in &self.parts {
            *totals.entry(*fragment).or_default() += bytes;
        }
        for (fragment, path, bytes) in &self.parts {
            let (_, packed) = self.image.packed_fragment(*fragment)?;
            let total = totals.get(fragment).copied().unwrap_or(1);
            let share = u128::from(packed) * u128::from(*bytes) / u128::from(total);
            self.weights[*path] += share as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_within_the_root() {
        assert_eq!(
            joined("/nix/store/a/b", "../c", "d"),
            Some("/nix/store/a/c/d".into())
        );
        assert_eq!(
            joined("/nix/store/a", "/nix/store/x", ""),
            Some("/nix/store/x".into())
        );
        assert_eq!(joined("/a", "../../..", ""), None);
        assert_eq!(name("/nix/store/00-etc-fstab"), "etc-fstab");
    }
}
