//! A repository without a `flake.nix`: a folder with `hosts/`, and the flake that flk makes of it outside of it.
//!
//! Where its packages come from is said by `--channel`, else by `flk.toml`, else by the lock that is there; with none of them it is the built-in channel.
//! The folder gets nothing but that lock: `flk.lock` on the built-in channel, and for a nixpkgs a `flake.lock` with nothing but that input, as Nix
//! would write it for a flake that has it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flk_nix::{Flake, Nix, is_plain_in_url, percent_decode, quote};
use serde_json::Value;

use crate::{
    archive,
    channel::Channel,
    error::{Context, Failure, Result},
    flk_toml,
    git::Git,
    place::{Places, home, write_whole},
    repository::{ChannelKind, PIN, Repository},
    ui,
};

const LOCK: &str = "flake.lock";
/// What git need not track to be seen.
const OWN: [&str; 3] = [PIN, LOCK, flk_toml::NAME];
/// The flake's input that is the folder.
pub(crate) const REPOSITORY: &str = "repository";
/// What `--channel nixpkgs` means, as `flk init --channel nixpkgs` has it.
const NIXPKGS: &str = "github:NixOS/nixpkgs/nixos-unstable";

/// Where the packages of the hosts come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Packages {
    /// The built-in channel.
    Debian,
    /// A nixpkgs, as the value of an input of a flake: a reference, or the attributes that a lock has of one.
    Nixpkgs(Value),
}

/// [`Packages`], and whether they are for one run only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) packages: Packages,
    /// The command line says something else than `flk.toml`, or a nixpkgs where the lock is the built-in channel's: no lock of theirs is kept.
    departs: bool,
}

impl Chosen {
    /// By the command line, by `flk.toml`, by the lock that is there.
    pub(crate) fn of(root: &Path, named: Option<&str>) -> Result<Self> {
        let declared = flk_toml::channel(root)?;
        if let Some(named) = named {
            let current =
                std::env::current_dir().context(|| "cannot tell the current folder".to_owned())?;
            let packages = Packages::parse(named, &current)?;
            let departs = match declared {
                // A folder that is not on this machine is another one.
                Some(channel) => Packages::parse(&channel, root).ok().as_ref() != Some(&packages),
                // Two locks would leave unsaid which of them holds.
                None if packages == Packages::Debian => {
                    refuse_second_lock(root)?;
                    false
                }
                None => root.join(PIN).exists(),
            };
            return Ok(Self { packages, departs });
        }
        let packages = match declared {
            Some(channel) => match Packages::parse(&channel, root) {
                Ok(packages) => packages,
                Err(failure) => Packages::of_absent_folder(&channel, root)?.ok_or_else(|| {
                    failure.hint(format!("so says {}", root.join(flk_toml::NAME).display()))
                })?,
            },
            None => Packages::of_lock(root)?,
        };
        Ok(Self {
            packages,
            departs: false,
        })
    }

    /// The kind of channel.
    pub(crate) fn kind(&self) -> ChannelKind {
        match self.packages {
            Packages::Debian => ChannelKind::Debian,
            Packages::Nixpkgs(_) => ChannelKind::Nixpkgs,
        }
    }
}

impl Packages {
    /// A channel's name, a folder (relative to `base`), or a flake reference.
    fn parse(text: &str, base: &Path) -> Result<Self> {
        let reference = match text {
            "debian" => return Ok(Self::Debian),
            "nixpkgs" => NIXPKGS.to_owned(),
            _ => match as_folder(text, base) {
                Some(folder) => {
                    let folder = fs::canonicalize(&folder).context(|| {
                        format!("there is no folder {}, as a channel", folder.display())
                    })?;
                    // Nix copies only what git tracks; without git, all.
                    let is_git = folder.join(".git").exists();
                    if let Some(path) = folder.to_str().filter(|_| !is_git)
                        && !is_plain_in_url(&folder)
                    {
                        // As attributes, which need no URL.
                        let input = serde_json::json!({ "type": "path", "path": path });
                        return Ok(Self::Nixpkgs(input));
                    }
                    let flake = if is_git {
                        Flake::git(&folder)
                    } else {
                        Flake::path(&folder)
                    };
                    flake.reference().to_owned()
                }
                None if text.contains(':') => text.to_owned(),
                None => {
                    return Err(Failure::new(format!("there is no channel {text}"))
                        .hint("channels are debian, nixpkgs, the folder of a nixpkgs (./nixpkgs), and its flake reference (github:NixOS/nixpkgs/nixos-unstable)"));
                }
            },
        };
        Ok(Self::Nixpkgs(Value::String(reference)))
    }

    /// A folder that is not on this machine, as on a live one, by what the lock has of it: its files are on the ISO.
    fn of_absent_folder(text: &str, root: &Path) -> Result<Option<Self>> {
        let locked = read_lock(&root.join(LOCK))?.and_then(|lock| original(&lock));
        let was_locked = locked.as_ref().is_some_and(|original| {
            let place = ["path", "url"]
                .iter()
                .find_map(|key| original[key].as_str());
            // A URL's path is encoded, a plain one is not.
            let place = place.map(|place| match place.strip_prefix("file://") {
                Some(path) => PathBuf::from(percent_decode(path)),
                None => PathBuf::from(place),
            });
            // Where it is there, another one is meant.
            place.is_some_and(|place| {
                !place.exists()
                    && place.file_name().is_some()
                    && place.file_name() == Path::new(text).file_name()
            })
        });
        if !was_locked {
            return Ok(None);
        }
        ui::note(format_args!(
            "note: {text} is not on this machine: it is as {LOCK} has it"
        ));
        Ok(locked.map(Self::Nixpkgs))
    }

    /// What the locks in the folder are of.
    fn of_lock(root: &Path) -> Result<Self> {
        let locked = read_lock(&root.join(LOCK))?.and_then(|lock| original(&lock));
        match (root.join(PIN).exists(), locked) {
            (true, Some(_)) => Err(Failure::new(format!(
                "{} has both {PIN} and {LOCK}, so where its packages come from is not said",
                root.display()
            ))
            .hint(format!(
                "write it into {}: channel = \"debian\", or channel = \"nixpkgs\"",
                flk_toml::NAME
            ))),
            (false, Some(original)) => Ok(Self::Nixpkgs(original)),
            (_, None) => Ok(Self::Debian),
        }
    }
}

/// The built-in channel's pin is kept where a nixpkgs is locked only if `flk.toml` says which of them holds.
fn refuse_second_lock(root: &Path) -> Result<()> {
    let is_of_nixpkgs = Packages::of_lock(root).is_ok_and(|packages| packages != Packages::Debian);
    if !is_of_nixpkgs {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--channel debian: {} is a nixpkgs', and a {PIN} beside it would leave unsaid which of them holds",
        root.join(LOCK).display()
    ))
    .hint(format!(
        "write it into {}: channel = \"debian\"",
        flk_toml::NAME
    )))
}

/// The folder that a text means, if it means one.
fn as_folder(text: &str, base: &Path) -> Option<PathBuf> {
    if let Some(rest) = text.strip_prefix("~/") {
        return Some(home()?.join(rest));
    }
    let is_path = text.starts_with(['/', '.']) || (!text.contains(':') && base.join(text).is_dir());
    is_path.then(|| base.join(text))
}

/// The flake of a folder of hosts, in the store, where its path names everything that an evaluation depends on.
pub(crate) fn flake(
    repository: &mut Repository,
    chosen: &Chosen,
    nix: &Nix,
    places: &Places,
    channel: &Channel,
) -> Result<String> {
    let lock = match &chosen.packages {
        Packages::Debian => {
            pin(repository, places)?;
            None
        }
        Packages::Nixpkgs(input) => Some(lock(repository, chosen, input, nix, places, false)?),
    };
    let inside = repository.git.as_ref().map(|git| repository.folder_in(git));
    if let (Some(git), Some(inside)) = (&mut repository.git, inside) {
        let is_own = |file: &PathBuf| OWN.iter().any(|own| *file == inside.join(own));
        let (own, others): (Vec<PathBuf>, Vec<PathBuf>) = std::mem::take(&mut git.untracked)
            .into_iter()
            .partition(is_own);
        git.untracked = others;
        // They are taken all the same, so the commit alone does not say what was.
        git.changed.extend(own);
        git.changed.sort();
    }
    // The locks also while git does not track them yet.
    let source = repository.in_store(nix, places, &OWN)?;
    let folder = places.scratch("flake")?;
    let text = text(
        chosen,
        &source,
        &nix.hash_path(Path::new(&source))?,
        channel,
    );
    write(&folder.path().join("flake.nix"), &text)?;
    if let Some(lock) = lock {
        write(&folder.path().join(LOCK), &lock.text)?;
    }
    Ok(nix.add_path(folder.path(), "source")?)
}

/// Locks the nixpkgs anew.
pub(crate) fn update(
    repository: &mut Repository,
    chosen: &Chosen,
    nix: &Nix,
    places: &Places,
) -> Result<()> {
    let Packages::Nixpkgs(input) = &chosen.packages else {
        return Ok(());
    };
    if chosen.departs {
        return Err(Failure::new(format!(
            "{} is of another channel: a lock of this one would be of no use",
            repository.root.display()
        ))
        .hint(format!("name the new channel in {}", flk_toml::NAME)));
    }
    let lock = lock(repository, chosen, input, nix, places, true)?;
    if !lock.written {
        ui::note("nothing has changed: what is locked is the newest");
    }
    Ok(())
}

/// The first pin of the built-in channel, so that the hosts are of the same packages tomorrow.
fn pin(repository: &mut Repository, places: &Places) -> Result<()> {
    if repository.root.join(PIN).exists() {
        return Ok(());
    }
    archive::pin(&repository.root, places).map_err(|failure| {
        failure.hint(format!(
            "{} has no {PIN}, which says which packages its hosts are made of",
            repository.root.display()
        ))
    })?;
    ui::note(format_args!(
        "note: wrote {}: the packages as the mirror has them now; `flk update` renews it",
        repository.root.join(PIN).display()
    ));
    refresh(repository)
}

fn refresh(repository: &mut Repository) -> Result<()> {
    repository.git = Git::read(&repository.root)?;
    Ok(())
}

/// `flake.nix`, whose inputs have to be written out.
fn text(chosen: &Chosen, source: &str, hash: &str, channel: &Channel) -> String {
    let fixed = |path: &str, hash: &str| {
        format!(
            "type = \"path\"; path = {}; narHash = {};",
            quote(path),
            quote(hash)
        )
    };
    let flk = fixed(&channel.store_path.to_string_lossy(), &channel.nar_hash);
    let repository = fixed(source, hash);
    let (input, nixpkgs) = match &chosen.packages {
        Packages::Debian => (String::new(), "null"),
        Packages::Nixpkgs(input) => (
            format!("    nixpkgs = {};\n", as_input(input)),
            "if inputs.nixpkgs ? lib.nixosSystem then inputs.nixpkgs else throw \"the channel is no nixpkgs: it has no `lib.nixosSystem'\"",
        ),
    };
    format!(
        "{{\n  description = \"A folder of hosts, by flk\";\n\n  inputs = {{\n    flk = {{ {flk} }};\n    \
         {REPOSITORY} = {{ {repository} flake = false; }};\n{input}  }};\n\n  \
         outputs = {{ self, flk, repository, ... }}@inputs: {{\n    nixosConfigurations = flk.lib.mkHosts {{\n      self = self // repository;\n      \
         inputs = removeAttrs inputs [ \"{REPOSITORY}\" ];\n      root = repository;\n      nixpkgs = {nixpkgs};\n    }};\n  }};\n}}\n"
    )
}

/// A reference, or attributes of one, as an input has it.
fn as_input(input: &Value) -> String {
    let Value::Object(attributes) = input else {
        return format!("{{ url = {}; }}", quote(input.as_str().unwrap_or_default()));
    };
    let attributes: String = attributes
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} = {}; ", quote(text)),
            other => format!("{name} = {other}; "),
        })
        .collect();
    format!("{{ {attributes}}}")
}

/// A `flake.lock` with nothing but the nixpkgs.
struct Locked {
    text: String,
    /// The repository's was another, or none.
    written: bool,
}

/// Lets Nix lock the nixpkgs, and keeps that in the repository, unless it is for one run.
fn lock(
    repository: &mut Repository,
    chosen: &Chosen,
    input: &Value,
    nix: &Nix,
    places: &Places,
    update: bool,
) -> Result<Locked> {
    let folder = places.scratch("lock")?;
    let flake = format!(
        "{{ inputs.nixpkgs = {}; outputs = _: {{ }}; }}\n",
        as_input(input)
    );
    write(&folder.path().join("flake.nix"), &flake)?;
    let (kept, made) = (repository.root.join(LOCK), folder.path().join(LOCK));
    let before = read_lock(&kept)?;
    if let Some(before) = &before {
        write(&made, &before.to_string())?;
    }
    nix.lock_flake(&Flake::path(folder.path()), update)
        .context(|| format!("cannot lock the nixpkgs of {}", repository.root.display()))?;
    let after = read_lock(&made)?.ok_or_else(|| {
        Failure::new(format!(
            "Nix locked nothing for {}",
            repository.root.display()
        ))
    })?;
    let mut text = serde_json::to_string_pretty(&after)?;
    text.push('\n');
    let mut written =
        before.as_ref() != Some(&after) && !chosen.departs && repository.is_writable();
    if written {
        match write_whole(&kept, text.as_bytes()) {
            Ok(()) => {
                ui::note(format_args!(
                    "note: wrote {}: the nixpkgs as it is now",
                    kept.display()
                ));
                refresh(repository)?;
            }
            // As on the live machine's medium.
            Err(error) if !update => {
                ui::detail(format_args!("{} stays as it is: {error}", kept.display()));
                written = false;
            }
            Err(error) => {
                return Err(Failure::new(format!("cannot write {}", kept.display())).because(error));
            }
        }
    }
    Ok(Locked { text, written })
}

fn read_lock(path: &Path) -> Result<Option<Value>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(
            serde_json::from_slice(&text).context(|| format!("{} is no JSON", path.display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(format!("cannot read {}", path.display())).because(error)),
    }
}

/// What the lock's nixpkgs was before it was locked.
fn original(lock: &Value) -> Option<Value> {
    let root = lock["root"].as_str()?;
    let node = lock["nodes"][root]["inputs"]["nixpkgs"].as_str()?;
    let original = &lock["nodes"][node]["original"];
    original.is_object().then(|| original.clone())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_named_in_many_ways() {
        let folder = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(base.join("mine/.git")).unwrap();
        fs::create_dir_all(base.join("plain")).unwrap();
        let nixpkgs = |reference: String| Packages::Nixpkgs(Value::String(reference));
        for (text, expected) in [
            ("debian", Packages::Debian),
            ("nixpkgs", nixpkgs(NIXPKGS.to_owned())),
            (
                "mine",
                nixpkgs(format!("git+file://{}/mine", base.display())),
            ),
            ("./plain", nixpkgs(format!("path:{}/plain", base.display()))),
            (
                "github:NixOS/nixpkgs/nixos-25.11",
                nixpkgs("github:NixOS/nixpkgs/nixos-25.11".to_owned()),
            ),
        ] {
            assert_eq!(Packages::parse(text, &base).unwrap(), expected, "{text}");
        }
        for (text, expected) in [
            ("nixos", "there is no channel nixos"),
            ("./nowhere", "there is no folder"),
        ] {
            let message = Packages::parse(text, &base).unwrap_err().render();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_the_file_before_locks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let of = |named| Chosen::of(root, named);
        assert_eq!(of(None).unwrap().packages, Packages::Debian);

        let original = serde_json::json!({ "type": "github", "owner": "NixOS", "repo": "nixpkgs" });
        let lock = serde_json::json!({
            "nodes": { "nixpkgs": { "original": original }, "root": { "inputs": { "nixpkgs": "nixpkgs" } } },
            "root": "root", "version": 7,
        });
        fs::write(root.join(LOCK), lock.to_string()).unwrap();
        let locked = of(None).unwrap().packages;
        assert_eq!(locked, Packages::Nixpkgs(original));
        let Packages::Nixpkgs(input) = locked else {
            panic!()
        };
        assert_eq!(
            as_input(&input),
            "{ type = \"github\"; owner = \"NixOS\"; repo = \"nixpkgs\"; }"
        );

        let message = of(Some("debian")).unwrap_err().render();
        assert!(
            message.contains("is a nixpkgs', and a flk.lock"),
            "{message}"
        );

        fs::write(root.join(PIN), "{}").unwrap();
        let message = of(None).unwrap_err().render();
        assert!(
            message.contains("has both flk.lock and flake.lock"),
            "{message}"
        );
        assert!(of(Some("nixpkgs")).unwrap().departs, "flk.lock is there");

        fs::write(root.join(flk_toml::NAME), "channel = \"./gone\"").unwrap();
        assert!(of(None).is_err());
        assert_eq!(of(Some("debian")).unwrap().packages, Packages::Debian);

        fs::write(root.join(flk_toml::NAME), "channel = \"debian\"").unwrap();
        assert_eq!(of(None).unwrap().packages, Packages::Debian);
        assert!(!of(Some("debian")).unwrap().departs);
        assert!(
            of(Some("nixpkgs")).unwrap().departs,
            "no lock of it is kept"
        );
    }
}
