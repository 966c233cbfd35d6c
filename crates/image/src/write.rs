//! Makes the ISO: checks, contents, store image, metadata, digests, disk, rename.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use flk_nix::Closure;

use crate::Error;
use crate::build::{Build, BuildId, Revision, id_of};
use crate::cache::{Cache, Hits, Keep, Pruned};
use crate::contents::{Node, STORE, Store};
use crate::digests::{self, Digests};
use crate::iso::{self, OwnFile};
use crate::layout::{Layout, OWN};
use crate::manifest::Manifest;
use crate::progress::{Meter, Phase, Progress};
use crate::scratch::{Scratch, folder_of, free};
use crate::stamp::{Stamp, stamp};
use crate::store_image::{Packing, StoreImage};
use crate::write_back::{self, WriteBack};

/// No codec makes a system smaller than its NARs by more than this; for the check before anything is written.
const BEST_RATIO: u64 = 6;
/// The mode of an ISO with a private key: whoever can read it can pose as the live machine.
const OWNER_ONLY: u32 = 0o600;
/// The mode of any other file, from which the user's umask takes away.
const ANYBODY: u32 = 0o666;
/// Room for folders, boot structures and padding on an ISO, in bytes.
const ISO_OVERHEAD: u64 = 4 << 20;
/// Room for what an ISO has behind its last file, in bytes: the second GPT, and padding.
const ISO_TAIL: u64 = 1 << 20;

/// What [`write()`] needs besides manifest and closure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder in which the store's paths are, `/nix/store` unless the store is mounted elsewhere.
    pub store: PathBuf,
    /// The folder of the repository's tracked files, for `/devos`.
    pub repository: Option<PathBuf>,
    /// Which state of the repository that is, for `/flk/build.json`.
    pub revision: Option<Revision>,
    /// The live machine's ssh host key.
    pub host_key: Option<HostKey>,
    /// Which mirrors the ISO's packages come from, for `/flk/mirrors.json`.
    pub mirrors: Option<String>,
    /// The version of flk, for `/flk/build.json`.
    pub flk_version: String,
    /// How many threads compress; all, if not given. The bytes are the same.
    pub threads: Option<NonZeroUsize>,
    /// Where packed store paths are kept for the next ISO. The bytes are the same.
    pub cache: Option<Cache>,
    /// Make the ISO even if the one at the target is of this build and has this host key.
    pub rebuild: bool,
}

impl Options {
    /// For a store at its usual place; no repository, no host key.
    pub fn new(flk_version: impl Into<String>) -> Options {
        Options {
            store: STORE.into(),
            repository: None,
            revision: None,
            host_key: None,
            mirrors: None,
            flk_version: flk_version.into(),
            threads: None,
            cache: None,
            rebuild: false,
        }
    }
}

/// An ssh host key as it is to lie on the ISO.
#[derive(Clone)]
pub struct HostKey {
    /// The private key's file, in OpenSSH's format.
    pub private: String,
    /// The public key's file, one line.
    pub public: String,
    /// `SHA256:…`, as ssh prints it.
    pub fingerprint: String,
    /// A certificate for it, `ssh_host_ed25519_key-cert.pub`, one line.
    pub certificate: Option<String>,
}

impl HostKey {
    /// What the stamp tells apart.
    fn name(&self) -> String {
        let certificate = self.certificate.as_deref().unwrap_or_default();
        format!("{}{certificate}", self.fingerprint)
    }
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({})", self.fingerprint)
    }
}

/// An ISO that [`write()`] has made, or has found made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its build id.
    pub build: BuildId,
    /// Its size in bytes.
    pub size: u64,
    /// It was there already, and is untouched.
    pub reused: bool,
    /// Which of its store paths came from the cache; zeros if it was there already.
    pub hits: Hits,
    /// Why the cache could not keep everything that was new.
    pub not_kept: Option<String>,
    /// What was removed from the cache to keep it small.
    pub pruned: Pruned,
}

/// Makes the ISO `out` and tells `progress` how far it is.
///
/// It is made beside `out` and renamed, so a failure leaves a previous ISO as it was; what a killed run has left there
/// is removed. With a private key on it, it is its owner's alone to read (mode 0600). An ISO of the same build with the same host key stays untouched, unless [`Options::rebuild`] is set.
///
/// # Errors
/// [`Error::NoSpace`], [`Error::Corrupt`], [`Error::Squashfs`], [`Error::Iso`], [`Error::Busy`], [`Error::TargetTwice`],
/// [`Error::Manifest`], [`Error::Unsupported`], [`Error::NotInStore`], [`Error::Io`].
pub fn write(
    manifest: &Manifest,
    closure: &Closure,
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, Error> {
    manifest.check()?;
    crate::scratch::sweep(folder_of(out));
    let layout = Layout::of(manifest, options)?;
    let key = options.host_key.as_ref().map(HostKey::name);
    let stamped = Stamp::new(id_of(manifest, closure, &layout, options), key.as_deref());
    if !options.rebuild && stamp(out)?.as_ref() == Some(&stamped) {
        let size = fs::metadata(out).map_err(Error::io("read", out))?.len();
        return Ok(Written {
            build: stamped.build,
            size,
            reused: true,
            hits: Hits::default(),
            not_kept: None,
            pruned: Pruned::default(),
        });
    }

    let mbr = match &layout.mbr {
        Some(Node::File { source, .. }) => {
            Some(fs::read(source).map_err(Error::io("read", source))?)
        }
        _ => None,
    };
    let folder = folder_of(out);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let scratch = Scratch::beside(out)?;
    let image = Image {
        manifest,
        closure,
        options,
        layout: &layout,
    };
    let needed = image.size_at_least();
    let free = free(folder)?;
    if free < needed {
        return Err(no_space(folder, free, needed));
    }
    let iso = scratch.file("iso");
    let store_image = image
        .write(&stamped, mbr, &iso, progress)
        .map_err(|error| {
            // What it has written so far counts as free again, but was not enough.
            match crate::scratch::free(folder) {
                Ok(free) if error.is_no_space() => no_space(folder, free, needed.max(free + 1)),
                _ => error,
            }
        })?;
    let size = bring_to_disk(&iso, out, progress)?;
    let mut pruned = Pruned::default();
    if let Some(cache) = &options.cache {
        cache.count(store_image.hits);
        // It is no fault of the ISO, which is there, if the cache cannot be kept small.
        pruned = cache.prune(Keep::Bytes(cache.limit())).unwrap_or_default();
    }
    Ok(Written {
        build: stamped.build,
        size,
        reused: false,
        hits: store_image.hits,
        not_kept: store_image.not_kept.map(|error| told(&error)),
        pruned,
    })
}

/// An error with what is behind it, on one line.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// An ISO in the making.
struct Image<'a> {
    manifest: &'a Manifest,
    closure: &'a Closure,
    options: &'a Options,
    layout: &'a Layout,
}

impl Image<'_> {
    /// Bytes that it takes in any case.
    fn size_at_least(&self) -> u64 {
        let ratio = if self.manifest.compression.codec == "none" {
            1
        } else {
            BEST_RATIO
        };
        self.closure.nar_size() / ratio + self.layout.size() + ISO_OVERHEAD
    }

    /// Writes it into the new file `iso`.
    fn write(
        &self,
        stamped: &Stamp,
        mbr: Option<Vec<u8>>,
        iso: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<StoreImage, Error> {
        let out = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(match self.options.host_key {
                Some(_) => OWNER_ONLY,
                None => ANYBODY,
            })
            .open(iso)
            .map_err(Error::io("create", iso))?;
        write_back::beside(&out, iso, |write_back| {
            self.fill(&out, stamped, mbr, iso, write_back, progress)
        })
    }

    /// Writes all of it into `out`, which is the file `iso`.
    fn fill(
        &self,
        out: &File,
        stamped: &Stamp,
        mbr: Option<Vec<u8>>,
        iso: &Path,
        write_back: &mut WriteBack<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<StoreImage, Error> {
        let mut file = out;
        let nar_size = self.closure.nar_size();
        // Data that no codec makes smaller, gaps, tables; more than there can be.
        let most = 2 * nar_size + 16 * 4096 * (self.closure.paths.len() as u64 + 1024);
        let tree = iso::tree(
            self.layout,
            self.manifest,
            self.own_files(&stamped.build),
            most,
        )?;
        let options = iso::options(self.manifest, stamped, mbr);
        let mut writing = flk_iso9660::begin(&tree, &options, &mut file).map_err(Error::iso)?;

        let missing = || Error::io("write", iso)(io::ErrorKind::NotFound.into());
        let store_at = writing.next().ok_or_else(missing)?;
        file.seek(SeekFrom::Start(store_at.offset))
            .map_err(Error::io("write", iso))?;
        let mut meter = Meter::new(Phase::Compress, nar_size, progress);
        let packing = Packing {
            closure: self.closure,
            store: Store(&self.options.store),
            codec: self.manifest.compression.codec()?,
            block_size: self.manifest.compression.block_size,
            threads: self.threads(),
            cache: self.options.cache.as_ref(),
            reserve: self.size_at_least(),
        };
        let store_image = packing.write(out, store_at.offset, &mut meter, write_back)?;
        meter.finish();
        writing
            .done(store_image.length, &mut file)
            .map_err(Error::iso)?;

        let own = writing.next().ok_or_else(missing)?;
        // What comes behind them, the second GPT, fits into what is kept free for it here.
        let room = digests::room(own.offset + ISO_TAIL);
        writing.done(room, &mut file).map_err(Error::iso)?;
        let written = writing.finish(&mut file).map_err(Error::iso)?;
        // Where nothing is behind them, they are the end, and not written yet.
        out.set_len(written.length)
            .map_err(Error::io("write", iso))?;
        let mut meter = Meter::new(Phase::Wrap, written.length, progress);
        // What is not on the disk yet goes there while all is read back from memory.
        write_back.all_is_written();
        let digests = Digests::of(
            out,
            &stamped.build,
            written.length,
            (own.offset, room),
            self.threads(),
            &mut |done| meter.reach(done),
        )
        .map_err(Error::io("read back", iso))?;
        out.write_all_at(&digests.to_bytes(), own.offset)
            .map_err(Error::io("write", iso))?;
        meter.finish();
        Ok(store_image)
    }

    /// As many as are asked for, or as the machine has.
    fn threads(&self) -> NonZeroUsize {
        let all = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.options.threads.unwrap_or_else(all)
    }

    /// `/flk`: what is not in the store.
    fn own_files(&self, build: &BuildId) -> Vec<OwnFile> {
        let document = Build {
            version: 1,
            build: build.clone(),
            host: self.manifest.host.clone(),
            flk: self.options.flk_version.clone(),
            channel: self.manifest.channel.clone(),
            host_toplevel: Some(self.manifest.host_toplevel.clone()),
            repository: self.options.revision.clone(),
        };
        // A struct of strings and numbers always has a JSON form.
        let json = serde_json::to_string(&document).unwrap_or_default() + "\n";
        let mut files = vec![("build.json", json.as_str(), 0o444)];
        if let Some(mirrors) = &self.options.mirrors {
            files.push(("mirrors.json", mirrors, 0o444));
        }
        if let Some(key) = &self.options.host_key {
            files.push(("ssh_host_ed25519_key", &key.private, 0o600));
            files.push(("ssh_host_ed25519_key.pub", &key.public, 0o444));
            if let Some(certificate) = &key.certificate {
                files.push(("ssh_host_ed25519_key-cert.pub", certificate, 0o444));
            }
        }
        let own = |(name, text, mode): (&str, &str, u32)| OwnFile {
            place: format!("{OWN}/{name}"),
            bytes: text.into(),
            mode,
        };
        files.into_iter().map(own).collect()
    }
}

fn no_space(folder: &Path, free: u64, needed: u64) -> Error {
    Error::NoSpace {
        path: folder.into(),
        free,
        needed,
    }
}

/// The finished ISO goes to its place, on the disk before it has its name.
fn bring_to_disk(iso: &Path, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<u64, Error> {
    let file = File::open(iso).map_err(Error::io("open", iso))?;
    let size = file.metadata().map_err(Error::io("read", iso))?.len();
    let meter = Meter::new(Phase::Sync, size, progress);
    file.sync_all().map_err(Error::io("sync", iso))?;
    fs::rename(iso, out).map_err(Error::io("rename the finished ISO to", out))?;
    let folder = folder_of(out);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", folder))?;
    meter.finish();
    Ok(size)
}
