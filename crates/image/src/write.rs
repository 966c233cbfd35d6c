//! Makes the ISO: checks, store image, ISO, disk, rename.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flk_nix::Closure;

use crate::build::{Build, BuildId, id_of};
use crate::contents::{Node, STORE, Store};
use crate::layout::{Layout, OWN, STORE_IMAGE};
use crate::manifest::Manifest;
use crate::progress::{Meter, Phase, Progress};
use crate::registration::registration;
use crate::scratch::{Scratch, folder_of};
use crate::stamp::{Stamp, stamp};
use crate::tool::Failure;
use crate::{Error, mksquashfs, xorriso};

/// No codec makes a system smaller than its NARs by more than this; for the check before anything is written.
const BEST_RATIO: u64 = 6;
/// Room for folders, boot structures and padding on an ISO, in bytes.
const ISO_OVERHEAD: u64 = 4 << 20;

/// What [`write`] needs besides manifest and closure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder in which the store's paths are, `/nix/store` unless the store is mounted elsewhere.
    pub store: PathBuf,
    /// The folder of the repository's tracked files, for `/devos`.
    pub repository: Option<PathBuf>,
    /// The live machine's ssh host key.
    pub host_key: Option<HostKey>,
    /// Which mirrors the ISO's packages come from, for `/flk/mirrors.json`.
    pub mirrors: Option<String>,
    /// The version of flk, for `/flk/build.json`.
    pub flk_version: String,
    /// How many threads compress; all, if not given. The bytes are the same.
    pub threads: Option<NonZeroUsize>,
    /// Make the ISO even if the one at the target is of this build and has this host key.
    pub rebuild: bool,
}

impl Options {
    /// For a store at its usual place; no repository, no host key.
    pub fn new(flk_version: impl Into<String>) -> Options {
        Options {
            store: STORE.into(),
            repository: None,
            host_key: None,
            mirrors: None,
            flk_version: flk_version.into(),
            threads: None,
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
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({})", self.fingerprint)
    }
}

/// An ISO that [`write`] has made, or has found made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its build id.
    pub build: BuildId,
    /// Its size in bytes.
    pub size: u64,
    /// It was there already, and is untouched.
    pub reused: bool,
}

/// Makes the ISO `out` and tells `progress` how far it is.
///
/// It is made beside `out` and renamed, so a failure leaves a previous ISO as it was; what a killed run has left there
/// is removed. An ISO of the same build with the same host key stays untouched, unless [`Options::rebuild`] is set.
///
/// # Errors
/// [`Error::NoSpace`], [`Error::ToolMissing`], [`Error::Tool`], [`Error::Busy`], [`Error::TargetTwice`],
/// [`Error::Manifest`], [`Error::Unsupported`], [`Error::NotInStore`], [`Error::Io`].
pub fn write(
    manifest: &Manifest,
    closure: &Closure,
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, Error> {
    manifest.check()?;
    let mut layout = Layout::of(manifest, options)?;
    let key = options
        .host_key
        .as_ref()
        .map(|key| key.fingerprint.as_str());
    let stamped = Stamp::new(id_of(manifest, closure, &layout, options), key);
    if !options.rebuild && stamp(out)?.as_ref() == Some(&stamped) {
        let size = fs::metadata(out).map_err(Error::io("read", out))?.len();
        return Ok(Written {
            build: stamped.build,
            size,
            reused: true,
        });
    }

    // Before minutes of packing, not after them.
    mksquashfs::TOOL.check()?;
    xorriso::TOOL.check()?;
    let folder = folder_of(out);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let scratch = Scratch::beside(out)?;
    let image = Image {
        manifest,
        closure,
        options,
        folder,
        scratch: &scratch,
    };
    image.own_files(&mut layout, &stamped.build)?;
    let store_image = image.store_image(&layout, progress)?;
    // The store image's digest is of no use: nothing else is like it, and the build id names its content.
    layout.nodes.insert(STORE_IMAGE.into(), store_image);
    let iso = image.iso(&layout, &stamped, progress)?;

    let size = bring_to_disk(&iso, out, progress)?;
    Ok(Written {
        build: stamped.build,
        size,
        reused: false,
    })
}

/// An ISO in the making.
struct Image<'a> {
    manifest: &'a Manifest,
    closure: &'a Closure,
    options: &'a Options,
    folder: &'a Path,
    scratch: &'a Scratch,
}

impl Image<'_> {
    /// `/flk`: what is not in the store.
    fn own_files(&self, layout: &mut Layout, build: &BuildId) -> Result<(), Error> {
        let document = Build {
            version: 1,
            build: build.clone(),
            host: self.manifest.host.clone(),
            flk: self.options.flk_version.clone(),
            channel: self.manifest.channel.clone(),
            host_toplevel: Some(self.manifest.host_toplevel.clone()),
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
        }
        for (name, text, mode) in files {
            let path = self.text(name, text, mode)?;
            let target = format!("{OWN}/{name}");
            layout.put([(target, Node::file(&path, mode)?)].into())?;
        }
        Ok(())
    }

    /// The store image, in the scratch folder.
    fn store_image(
        &self,
        layout: &Layout,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Node, Error> {
        let ratio = if self.manifest.compression.codec == "none" {
            1
        } else {
            BEST_RATIO
        };
        // The store image, and the ISO with its own copy of it.
        let nar_size = self.closure.nar_size();
        let needed = 2 * (nar_size / ratio) + layout.size() + ISO_OVERHEAD;
        self.check_space(needed)?;

        let store = Store(&self.options.store);
        let registration = registration(self.closure);
        let mut sources = vec![self.text("nix-path-registration", &registration, 0o444)?];
        for info in &self.closure.paths {
            sources.push(store.place(Path::new(&info.path))?);
        }
        // In the order of names, whatever the closure's is.
        sources.sort();
        let out = self.scratch.file("store.squashfs");
        let meter = Meter::new(Phase::Compress, nar_size, progress);
        let compression = &self.manifest.compression;
        mksquashfs::pack(&sources, compression, self.options.threads, &out, meter)
            .map_err(|failure| self.explain(failure, needed))?;
        let size = fs::metadata(&out).map_err(Error::io("read", &out))?.len();
        Ok(Node::File {
            source: out,
            size,
            mode: 0o444,
            digest: blake3::hash(STORE_IMAGE.as_bytes()),
        })
    }

    /// The ISO, in the scratch folder.
    fn iso(
        &self,
        layout: &Layout,
        stamped: &Stamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, Error> {
        let needed = layout.size() + ISO_OVERHEAD;
        self.check_space(needed)?;
        let iso = self.scratch.file("iso");
        let meter = Meter::new(Phase::Wrap, layout.size(), progress);
        xorriso::wrap(self.manifest, layout, stamped, self.scratch, &iso, meter)
            .map_err(|failure| self.explain(failure, needed))?;
        Ok(iso)
    }

    /// Writes a small file into the scratch folder, with the very mode.
    fn text(&self, name: &str, text: &str, mode: u32) -> Result<PathBuf, Error> {
        let path = self.scratch.file(name);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        file.set_permissions(fs::Permissions::from_mode(mode))
            .map_err(Error::io("set the mode of", &path))?;
        file.write_all(text.as_bytes())
            .map_err(Error::io("write", &path))?;
        Ok(path)
    }

    fn check_space(&self, needed: u64) -> Result<(), Error> {
        let free = free(self.folder)?;
        if free < needed {
            return Err(self.no_space(free, needed));
        }
        Ok(())
    }

    fn no_space(&self, free: u64, needed: u64) -> Error {
        Error::NoSpace {
            path: self.folder.into(),
            free,
            needed,
        }
    }

    /// A program's failure, or the full disk behind it.
    fn explain(&self, failure: Failure, needed: u64) -> Error {
        if !failure.no_space {
            return failure.error;
        }
        match free(self.folder) {
            // What it has written so far counts as free again, but was not enough.
            Ok(free) => self.no_space(free, needed.max(free + 1)),
            Err(error) => error,
        }
    }
}

/// Free bytes for this user in the file system of a folder.
fn free(folder: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(folder)
        .map_err(|errno| Error::io("ask for the free space of", folder)(errno.into()))?;
    Ok(stat.f_bavail * stat.f_frsize)
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
