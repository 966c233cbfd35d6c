//! A plain folder → squashfs, for those who have no Nix store to pack: owners, modes, times, hard links, devices and extended attributes as they are.
//!
//! What is written depends on the folder alone, not on the order in which its file system lists it. Times are whole seconds from 1970 to
//! 2106; those outside are moved to the nearest. Extended attributes outside of `user.`, `trusted.` and `security.` are left out: the format has
//! no place for them. Other file systems that are mounted in the folder are packed like the rest of it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Seek};
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flk_squashfs::{
    Attributes, ContentId, Device, Kind, Node, NodeId, Options, Tree, Writer, Xattrs,
};
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;

use crate::Error;
use crate::manifest::Compression;
use crate::progress::{Meter, Phase, Progress};
use crate::scratch::{Scratch, folder_of};

/// What the format has a place for.
const XATTRS: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];

/// Packs what is in `folder` into the squashfs `out`; gives its length in bytes.
///
/// # Errors
/// [`Error::Io`], [`Error::Squashfs`], [`Error::Manifest`] for a compression that there is not, [`Error::Busy`].
pub fn pack_folder(
    folder: &Path,
    compression: &Compression,
    threads: Option<NonZeroUsize>,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Error> {
    let codec = compression.codec()?;
    let metadata = fs::metadata(folder).map_err(Error::io("read", folder))?;
    if !metadata.is_dir() {
        return Err(Error::Unsupported {
            path: folder.into(),
            reason: "it is no folder",
        });
    }
    let mut tree = Tree::new(attributes(folder, &metadata)?);
    let mut total = 0;
    let mut links = HashMap::new();
    let root = Tree::<PathBuf>::ROOT;
    fill(&mut tree, root, folder, &mut links, &mut total)?;

    let place = folder_of(out);
    fs::create_dir_all(place).map_err(Error::io("create", place))?;
    crate::scratch::sweep(place);
    let scratch = Scratch::beside(out)?;
    let path = scratch.file("squashfs");
    let file = File::create_new(&path).map_err(Error::io("create", &path))?;
    let mut options = Options::new(codec);
    options.block_size = compression.block_size;
    options.threads = threads
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    options.mtime = seconds(&metadata);
    let mut meter = Meter::new(Phase::Compress, total, progress);
    let mut writer = Writer::new(&file, options).map_err(Error::squashfs)?;
    let tree: Tree<ContentId> = tree.try_map(|source: PathBuf| {
        let id = writer.pack(&source).map_err(Error::squashfs)?;
        meter.add(source.metadata().map_or(0, |metadata| metadata.len()));
        Ok::<_, Error>(id)
    })?;
    let (mut end, superblock) = writer.finish(&tree).map_err(Error::squashfs)?;
    let written = (|| {
        file.write_all_at(&superblock.to_bytes(), 0)?;
        end.stream_position()
    })();
    let length = written.map_err(Error::io("write", &path))?;
    meter.finish();
    let meter = Meter::new(Phase::Sync, length, progress);
    file.sync_all().map_err(Error::io("sync", &path))?;
    fs::rename(&path, out).map_err(Error::io("rename the finished image to", out))?;
    meter.finish();
    Ok(length)
}

/// Inodes with more than one name, by device and number.
type Links = HashMap<(u64, u64), NodeId>;

fn fill(
    tree: &mut Tree<PathBuf>,
    at: NodeId,
    folder: &Path,
    links: &mut Links,
    total: &mut u64,
) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(Error::io("read", folder))?;
    names.sort();
    for name in names {
        let path = folder.join(&name);
        let metadata = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
        let inode = (metadata.dev(), metadata.ino());
        if let Some(known) = links.get(&inode) {
            tree.link(at, name.as_bytes(), *known)
                .map_err(Error::squashfs)?;
            continue;
        }
        let node = Node {
            attributes: attributes(&path, &metadata)?,
            kind: kind(&path, &metadata, total)?,
        };
        let id = tree
            .insert(at, name.as_bytes(), node)
            .map_err(Error::squashfs)?;
        if metadata.is_dir() {
            fill(tree, id, &path, links, total)?;
        } else if metadata.nlink() > 1 {
            links.insert(inode, id);
        }
    }
    Ok(())
}

fn kind(path: &Path, metadata: &Metadata, total: &mut u64) -> Result<Kind<PathBuf>, Error> {
    let kind = metadata.file_type();
    let device = || Device {
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
    };
    Ok(if kind.is_dir() {
        Kind::directory()
    } else if kind.is_file() {
        *total += metadata.len();
        Kind::File(path.into())
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(Error::io("read", path))?;
        Kind::Symlink(target.into_os_string().into_vec().into())
    } else if kind.is_block_device() {
        Kind::BlockDevice(device())
    } else if kind.is_char_device() {
        Kind::CharDevice(device())
    } else if kind.is_fifo() {
        Kind::Fifo
    } else {
        Kind::Socket
    })
}

fn attributes(path: &Path, metadata: &Metadata) -> Result<Attributes, Error> {
    Ok(Attributes {
        permissions: (metadata.mode() & 0o7777) as u16,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: seconds(metadata),
        xattrs: xattrs(path)
            .map_err(|errno| Error::io("read the extended attributes of", path)(errno.into()))?,
    })
}

fn seconds(metadata: &Metadata) -> u32 {
    u32::try_from(metadata.mtime().max(0)).unwrap_or(u32::MAX)
}

fn xattrs(path: &Path) -> Result<Option<Arc<Xattrs>>, Errno> {
    let mut names = vec![0; 1 << 16];
    let length = match llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno),
    };
    let mut xattrs = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if !XATTRS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let mut value = vec![0; 1 << 16];
        let length = lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        xattrs.insert(name.to_vec(), value);
    }
    Ok((!xattrs.is_empty()).then(|| Arc::new(xattrs)))
}
