//! The flake `flk` in the Nix store (ARCHITECTURE.md, "The flake `flk`"): `flake.nix`, `nix/`, `template/` from inside the binary, and the three
//! static programs in `bin/`, beside the running one.
//!
//! Its content decides its store path, so the same flk gives the same path on any machine. What it became is remembered by a digest of what it
//! is made of; a warm run reads one small file.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use flk_nix::Nix;
use serde::{Deserialize, Serialize};

use crate::{
    embedded,
    error::{Context, Failure, Result, STORE_HINT},
    place::{Places, write_whole},
};

const PROGRAMS: [&str; 3] = ["flk", "flk-debian", "flk-init"];
/// The name of a flake's store path.
const NAME: &str = "source";

/// The flake `flk`, in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Channel {
    /// Its store path.
    pub(crate) store_path: PathBuf,
    /// SHA-256 of its NAR serialisation, as SRI.
    pub(crate) nar_hash: String,
}

impl Channel {
    /// Puts the flake into the store, if it is not there.
    pub(crate) fn materialise(nix: &Nix, places: &Places) -> Result<Self> {
        let executable = std::env::current_exe()
            .and_then(fs::canonicalize)
            .context(|| "cannot find flk's own program file".to_owned())?;
        let programs = find_programs(&executable)?;
        let memory = places
            .cache("channels")?
            .join(format!("{}.json", digest(&executable, &programs)?));
        if let Some(channel) = remembered(&memory) {
            return Ok(channel);
        }
        let store_path = match own_flake(&executable) {
            Some(store_path) => store_path,
            None => {
                let folder = assemble(&programs, places)?;
                let added = nix.add_path(folder.path(), NAME)?;
                PathBuf::from(added)
            }
        };
        if !store_path.exists() {
            return Err(elsewhere());
        }
        let channel = Self {
            nar_hash: nix.hash_path(&store_path)?,
            store_path,
        };
        // Not fatal: without the root, a garbage collection makes flk do this again.
        let root = places.cache("roots")?.join("flk");
        let _ = nix.add_root(&channel.store_path.to_string_lossy(), &root);
        let json = serde_json::to_vec(&channel)?;
        write_whole(&memory, &json).context(|| format!("cannot write {}", memory.display()))?;
        Ok(channel)
    }

    /// A Nix expression that evaluates to the flake's source in pure mode.
    pub(crate) fn expression(&self) -> String {
        format!(
            "(builtins.fetchTree {{ type = \"path\"; path = {}; narHash = {}; }})",
            flk_nix::quote(&self.store_path.to_string_lossy()),
            flk_nix::quote(&self.nar_hash),
        )
    }
}

/// Nix has made itself a store in the user's home, as newer versions do where `/nix/var/nix` is missing and no daemon runs.
fn elsewhere() -> Failure {
    Failure::new("Nix keeps its store in your home folder, for there is none at /nix, which ISOs are made from").hint(STORE_HINT)
}

fn remembered(memory: &Path) -> Option<Channel> {
    let channel: Channel = serde_json::from_slice(&fs::read(memory).ok()?).ok()?;
    channel
        .store_path
        .join("flake.nix")
        .exists()
        .then_some(channel)
}

/// flk runs from the store already, as on the live machine: the flake is where it came from.
fn own_flake(executable: &Path) -> Option<PathBuf> {
    let flake = executable.parent()?.parent()?;
    let is_flake = flake.parent()? == Path::new("/nix/store")
        && flake.file_name()?.to_str()?.ends_with("-source")
        && embedded::FLAKE
            .iter()
            .all(|(name, content)| fs::read(flake.join(name)).is_ok_and(|there| there == *content));
    is_flake.then(|| flake.to_owned())
}

/// The three programs: the running one, and its companions beside it or where a package puts them.
fn find_programs(executable: &Path) -> Result<[PathBuf; 3]> {
    let beside = executable.parent().unwrap_or(Path::new("/"));
    let find = |name: &str| {
        let candidates = [beside.join(name), beside.join("../libexec/flk").join(name)];
        candidates
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Failure::new(format!(
                    "{name} is missing: it belongs beside {}",
                    executable.display()
                ))
                .hint("install flk as a whole: flk, flk-debian and flk-init in one folder (or the latter two in ../libexec/flk); from its sources, `cargo build --release` makes all three")
            })
    };
    Ok([
        executable.to_owned(),
        find(PROGRAMS[1])?,
        find(PROGRAMS[2])?,
    ])
}

/// What the flake is made of. Programs count by where and when they were written: reading them would take longer than all the rest.
fn digest(executable: &Path, programs: &[PathBuf; 3]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for (name, content) in embedded::FLAKE {
        hasher.update(name.as_bytes()).update(&[0]);
        hasher.update(blake3::hash(content).as_bytes());
    }
    for program in programs {
        let metadata = program
            .metadata()
            .context(|| format!("cannot read {}", program.display()))?;
        hasher.update(program.as_os_str().as_encoded_bytes());
        for number in [
            metadata.size(),
            metadata.ino(),
            metadata.dev(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
        ] {
            hasher.update(&number.to_le_bytes());
        }
    }
    hasher.update(executable.as_os_str().as_encoded_bytes());
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

fn assemble(programs: &[PathBuf; 3], places: &Places) -> Result<tempfile::TempDir> {
    let folder = places.scratch("channel")?;
    for (name, content) in embedded::FLAKE {
        let path = folder.path().join(name);
        write(&path, content)?;
    }
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).context(|| format!("cannot create {}", bin.display()))?;
    for (name, program) in PROGRAMS.iter().zip(programs) {
        let to = bin.join(name);
        fs::copy(program, &to)
            .context(|| format!("cannot copy {} to {}", program.display(), to.display()))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))
            .context(|| format!("cannot make {} executable", to.display()))?;
    }
    Ok(folder)
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, content))
        .context(|| format!("cannot write {}", path.display()))
}
