//! The built-in channel's files: what flk fetches from the machine's mirror, and puts into the store before Nix asks for it.
//!
//! Downloads go to flk's cache, each into a folder of its digest, and stay there until they are in the store: a run that was killed goes on where
//! it was.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, Once, PoisonError},
    time::{Duration, SystemTime},
};

use flk_debian::archive::{
    Client, Download, File, Keyring, Lock, MIRROR_VARIABLE, Mirrors, Proxies,
    SECURITY_MIRROR_VARIABLE, Update, Updated, download, update,
};
use flk_nix::{ArchiveFile, Nix, TargetStore};

use crate::{
    error::{Context, Failure, Result},
    place::{self, Places, write_whole},
    repository::{ChannelKind, PIN},
    ui::{self, Phase, Unit},
    workspace::Workspace,
};

/// The release that a new repository begins with.
const SUITE: &str = "trixie";
const COMPONENTS: [&str; 2] = ["main", "non-free-firmware"];
const APT: &str = "/etc/apt";
/// Which mirrors made this machine's ISO, or installed it: for machines without apt.
const RECORDS: [&str; 2] = ["/iso/flk/mirrors.json", "/var/lib/flk/mirrors.json"];
/// Which of the machine's mirrors have proven to be some, in the cache; as `mirrors.json`.
const PROVEN: &str = "mirrors.json";
/// Names another keyring than Debian's own.
const KEYRING_VARIABLE: &str = "FLK_DEBIAN_KEYRING";
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];
/// Servers asked before the network counts as away.
const ASKED: usize = 3;
/// Files fetched at a time.
const THREADS: usize = 8;
/// What a killed run has left is of use this long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Brings the archive's pinned indices into the store; evaluation begins with them.
pub(crate) fn provide_indices(workspace: &Workspace) -> Result<()> {
    if workspace.kind != ChannelKind::Debian {
        return Ok(());
    }
    let lock = Lock::read(&workspace.repository.root.join(PIN))?;
    let mut missing = Vec::new();
    for file in lock.files() {
        let path = workspace.nix.fixed_path(&file.sha256, &file.name)?;
        if Path::new(&path).exists() {
            keep_index(&workspace.nix, &workspace.places, &file, &path);
        } else {
            missing.push(file);
        }
    }
    let paths = fetch(&workspace.nix, &workspace.places, &missing)?;
    for (file, path) in missing.iter().zip(paths) {
        keep_index(&workspace.nix, &workspace.places, file, &path);
    }
    Ok(())
}

/// Brings files of the archive into the store.
pub(crate) fn provide(workspace: &Workspace, files: &[ArchiveFile]) -> Result<()> {
    fetch(&workspace.nix, &workspace.places, &plain(files)).map(drop)
}

/// Brings files of the archive into the store of another root, by way of a folder there. What a killed run has left in the folder is gone on with.
pub(crate) fn provide_to(
    store: &TargetStore<'_>,
    folder: &Path,
    files: &[ArchiveFile],
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    downloaded(&plain(files), folder, &|paths| Ok(store.add_fixed(paths)?)).map(drop)
}

/// Asks each mirror that the files come from whether it is there; gives the mirror that did not answer, and why.
pub(crate) fn reach(files: &[ArchiveFile]) -> Result<(), (String, flk_debian::Error)> {
    let nowhere = |error| ("no mirror at all".to_owned(), error);
    let mirrors = mirrors().map_err(nowhere)?;
    let client = client().map_err(nowhere)?;
    let mut asked: Vec<&str> = Vec::new();
    for file in files {
        if asked.contains(&file.mirror.as_str()) {
            continue;
        }
        asked.push(&file.mirror);
        // Says which variable to set where there is none.
        mirrors.address(&file.mirror, &file.path).map_err(nowhere)?;
        let mut first = None;
        // Of several that may be the mirror, one is enough.
        for base in mirrors.bases(&file.mirror) {
            match client.reach(&base.join(&file.path)) {
                Ok(()) => {
                    first = None;
                    break;
                }
                Err(error) => drop(first.get_or_insert((base.to_string(), error))),
            }
        }
        if let Some(failure) = first {
            return Err(failure);
        }
    }
    Ok(())
}

/// Asks addresses of any servers whether they are there, until one is.
pub(crate) fn reach_any<'a>(addresses: impl Iterator<Item = &'a str>) -> bool {
    let Ok(client) = client() else { return false };
    addresses
        .take(ASKED)
        .any(|address| client.reach(&address.into()).is_ok())
}

/// The record of the mirrors that this machine uses, for machines that come from it.
pub(crate) fn mirrors_record() -> Option<String> {
    mirrors().ok().map(|mirrors| mirrors.record())
}

fn plain(files: &[ArchiveFile]) -> Vec<File> {
    files
        .iter()
        .map(|file| File {
            mirror: file.mirror.clone(),
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256.clone(),
            name: file.name.clone(),
        })
        .collect()
}

/// Pins the newest state of the archive in a folder's `flk.lock`.
pub(crate) fn pin(folder: &Path, places: &Places) -> Result<Updated> {
    let path = folder.join(PIN);
    let suite = if path.exists() {
        Lock::read(&path)?.suite
    } else {
        SUITE.to_owned()
    };
    let mirrors = mirrors()?;
    let client = client()?;
    let keyring = keyring()?;
    let directory = places.cache("downloads")?;
    let _turn = turn(&directory)?;
    let phase = Mutex::new(Phase::start("update", Unit::Time));
    let updated = update(
        &client,
        &mirrors,
        &Update {
            suite: &suite,
            components: &COMPONENTS,
            keyring: &keyring,
            now: SystemTime::now(),
            directory: &directory,
        },
        &|done| locked(&phase).message(ui::bytes(done)),
    )
    .context(|| format!("cannot read Debian {suite} from the mirror"))?;
    let phase = phase.into_inner().unwrap_or_else(PoisonError::into_inner);
    phase.finish(format_args!("Debian {suite}"));
    for missing in &updated.missing {
        ui::warn(missing);
    }
    updated.lock.write(&path)?;
    // Not fatal: they are tried in order again.
    let _ = write_whole(
        &places.cache_folder(PROVEN),
        updated.mirrors.record().as_bytes(),
    );
    Ok(updated)
}

/// The file of a pinned index, in the store or still among the downloads.
pub(crate) fn index_file(nix: Option<&Nix>, places: &Places, file: &File) -> Option<PathBuf> {
    let downloaded = places
        .cache("downloads")
        .ok()?
        .join(&file.sha256)
        .join(&file.name);
    let stored = nix.and_then(|nix| nix.fixed_path(&file.sha256, &file.name).ok());
    [Some(downloaded), stored.map(PathBuf::from)]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
}

/// Downloads files and adds them to the store; gives their store paths.
fn fetch(nix: &Nix, places: &Places, files: &[File]) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let directory = places.cache("downloads")?;
    let _turn = turn(&directory)?;
    prune(&directory);
    downloaded(files, &directory, &|paths| Ok(nix.add_fixed(paths)?))
}

/// Downloads files to a folder, and hands them to a store, which gives their store paths; the folder does not keep them.
fn downloaded(
    files: &[File],
    directory: &Path,
    add: &dyn Fn(&[PathBuf]) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let total: u64 = files.iter().map(|file| file.size).sum();
    let mirrors = mirrors()?;
    let client = client()?;
    let mut phase = Phase::start("download", Unit::Bytes);
    phase.set(0, total);
    let phase = Mutex::new(phase);
    let paths = download(
        files,
        &Download {
            client: &client,
            mirrors: &mirrors,
            directory,
            threads: THREADS,
        },
        &|done| locked(&phase).set(done, total),
    )
    .context(|| "cannot download the packages".to_owned())?;
    let phase = phase.into_inner().unwrap_or_else(PoisonError::into_inner);
    phase.message("into the store");
    let added = add(&paths)?;
    phase.finish(format_args!(
        "{}, {}",
        ui::count(files.len(), "file"),
        ui::bytes(total)
    ));
    for path in &paths {
        if let Some(folder) = path.parent() {
            let _ = fs::remove_dir_all(folder);
        }
    }
    Ok(added)
}

/// A mirror drops superseded indices after some days; the pin has to outlive that.
fn keep_index(nix: &Nix, places: &Places, file: &File, path: &str) {
    let root = places.cache("roots").map(|folder| {
        folder.join(format!(
            "index-{}",
            &file.sha256[..file.sha256.len().min(16)]
        ))
    });
    if let Ok(root) = root
        && !root.exists()
    {
        let _ = nix.add_root(path, &root);
    }
}

/// One run at a time uses the downloads; a second one waits.
fn turn(directory: &Path) -> Result<fs::File> {
    let path = directory.join("lock");
    let failed = || format!("cannot lock {}", path.display());
    let file = fs::File::create(&path).context(failed)?;
    if file.try_lock().is_err() {
        ui::note("note: another flk is downloading; waiting for it");
        file.lock().context(failed)?;
    }
    Ok(file)
}

fn prune(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT));
        if is_old && entry.path().is_dir() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What may be this machine's mirrors, those first that have proven to be some. What of apt's sources cannot be read is said once.
fn mirrors() -> flk_debian::Result<Mirrors> {
    static TOLD: Once = Once::new();
    let debian = env::var(MIRROR_VARIABLE).ok();
    let security = env::var(SECURITY_MIRROR_VARIABLE).ok();
    let mut record = None;
    for path in RECORDS {
        record = record.or(Mirrors::read(Path::new(path))?);
    }
    let mirrors = Mirrors::discover(
        Path::new(APT),
        (debian.as_deref(), security.as_deref()),
        record.as_ref(),
    )?;
    if debian.is_none() {
        TOLD.call_once(|| {
            for line in mirrors.passed_over() {
                ui::note(format_args!("note: {line}"));
            }
        });
    }
    let proven = Places::find()
        .ok()
        .and_then(|places| Mirrors::read(&places.cache_folder(PROVEN)).ok().flatten());
    Ok(match proven {
        Some(proven) => mirrors.preferring(&proven),
        None => mirrors,
    })
}

fn client() -> flk_debian::Result<Client> {
    // Without apt, nothing is said there; a dump of apt's settings reads what only root may read no more than flk would.
    let apt = place::program("apt-config", &[])
        .and_then(|program| {
            Command::new(program)
                .args(["dump", "Acquire"])
                .output()
                .ok()
        })
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    Client::new(Proxies::find(&apt, |name| env::var(name).ok()))
}

fn keyring() -> Result<Keyring> {
    let path = match env::var_os(KEYRING_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => KEYRINGS
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or_else(|| {
                Failure::new("there is no keyring of Debian's archive on this machine, so nothing from a mirror can be trusted")
                    .hint(format!("on Debian and Ubuntu: `apt install debian-archive-keyring`; elsewhere set {KEYRING_VARIABLE} to its file"))
            })?,
    };
    Ok(Keyring::read(&path)?)
}

fn locked(phase: &Mutex<Phase>) -> std::sync::MutexGuard<'_, Phase> {
    phase.lock().unwrap_or_else(PoisonError::into_inner)
}
