//! The repository's `flake.lock`, as far as it is flk's: the node of the input `flk`.
//!
//! A flake says `inputs.flk.url = "flk"`, an indirect reference that no registry knows. flk is what resolves it: it writes the lock itself, a path
//! in the store with its NAR hash, and keeps everything else in the file. Where the file cannot be written or git does not track it,
//! the input is given to Nix with each call instead.

use std::{fs, path::Path};

use flk_nix::{Flake, Nix};
use serde_json::{Map, Value, json};

use crate::{
    channel::Channel,
    error::{Context, Failure, Result},
    place::write_whole,
    repository::Repository,
    ui,
};

const LOCK: &str = "flake.lock";
/// The version of `flake.lock` since Nix 2.4.
const VERSION: u64 = 7;

/// How the input `flk` reaches Nix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Inputs that Nix must be told, since it does not see their lock.
    overrides: Vec<String>,
    /// Every input is locked in a file that Nix sees, or given: the same tree gives the same evaluation.
    pub(crate) is_pure: bool,
    /// The file was written.
    pub(crate) written: bool,
}

impl Lock {
    /// Brings the repository's lock up to this flk's flake.
    pub(crate) fn settle(nix: &Nix, repository: &Repository, channel: &Channel) -> Result<Self> {
        let path = repository.root.join(LOCK);
        let mut lock = read(&path)?;
        let sees = repository.sees(LOCK);
        let mut names = lock.as_ref().map(locked_names).unwrap_or_default();
        let mut others = false;
        if names.is_empty() || !sees {
            let declared = Declared::read(nix, repository)?;
            names = declared.flk;
            others = declared.others;
        }
        if names.is_empty() && others && lock.is_none() && repository.is_writable() {
            // Nix writes it at the first use of such a flake. Without it the ISO would carry a repository whose inputs no offline machine finds.
            lock_others(nix, repository, channel, &names)?;
            return Ok(Self {
                is_pure: true,
                written: true,
                ..Self::default()
            });
        }
        if names.is_empty() {
            return Ok(Self {
                is_pure: sees || !others,
                ..Self::default()
            });
        }
        if !repository.is_writable() {
            return Ok(Self {
                overrides: names,
                is_pure: lock.is_some() || !others,
                written: false,
            });
        }
        let mut written = false;
        if lock.is_none() && others {
            lock_others(nix, repository, channel, &names)?;
            lock = read(&path)?;
            written = true;
        }
        let mut document = lock.unwrap_or_else(empty);
        // Each of them is put, whether or not the first was a change.
        let changes = names.iter().map(|name| put(&mut document, name, channel));
        if changes.filter(|&changed| changed).count() > 0 {
            let mut text = serde_json::to_string_pretty(&document)?;
            text.push('\n');
            match write_whole(&path, text.as_bytes()) {
                Ok(()) => written = true,
                Err(error) => {
                    ui::detail(format_args!("{} stays as it is: {error}", path.display()));
                    return Ok(Self {
                        overrides: names,
                        is_pure: sees || !others,
                        written: false,
                    });
                }
            }
        }
        // A file that was there keeps its place in git; a new one has none yet.
        if repository.sees(LOCK) {
            return Ok(Self {
                overrides: Vec::new(),
                is_pure: true,
                written,
            });
        }
        ui::note(
            "note: git does not track flake.lock yet: `git add flake.lock`, so that the repository evaluates anywhere, the live machine included",
        );
        Ok(Self {
            overrides: names,
            is_pure: !others,
            written,
        })
    }

    /// The flake, with the inputs that Nix must be told.
    pub(crate) fn apply(&self, flake: Flake, channel: &Channel) -> Flake {
        self.overrides.iter().fold(flake, |flake, name| {
            flake.with_input(name, &channel.store_path, &channel.nar_hash)
        })
    }
}

/// What `flake.nix` says of its inputs.
pub(crate) struct Declared {
    /// The names of the inputs that are the flake `flk`.
    pub(crate) flk: Vec<String>,
    /// There are further inputs.
    pub(crate) others: bool,
    /// One of them is nixpkgs, by its name.
    pub(crate) nixpkgs: bool,
    /// The names of all of them.
    pub(crate) names: Vec<String>,
}

impl Declared {
    /// Reads `flake.nix`, which Nix keeps free of anything that would have to be computed there.
    pub(crate) fn read(nix: &Nix, repository: &Repository) -> Result<Self> {
        const APPLY: &str = "flake: { inputs = builtins.mapAttrs (name: input: { url = input.url or null; type = input.type or null; id = input.id or null; follows = input.follows or null; }) (flake.inputs or { }); arguments = builtins.attrNames (if builtins.isFunction flake.outputs then builtins.functionArgs flake.outputs else { }); }";
        let file = repository.root.join("flake.nix");
        let json = nix
            .evaluate_file(&file, APPLY)
            .context(|| format!("cannot read {}", file.display()))?;
        Ok(Self::parse(&json))
    }

    fn parse(json: &Value) -> Self {
        let empty = Map::new();
        let inputs = json["inputs"].as_object().unwrap_or(&empty);
        let mut declared = Self {
            flk: Vec::new(),
            others: false,
            nixpkgs: false,
            names: inputs.keys().cloned().collect(),
        };
        for (name, input) in inputs {
            let is_flk = matches!(input["url"].as_str(), Some("flk" | "flake:flk"))
                || (input["type"] == "indirect" && input["id"] == "flk");
            if is_flk {
                declared.flk.push(name.clone());
            } else if input["follows"].is_null() {
                declared.others = true;
                declared.nixpkgs |= name.starts_with("nixpkgs") || name == "nixos";
            }
        }
        // An argument of `outputs` that is no input is one: the indirect reference of its name.
        for argument in json["arguments"].as_array().into_iter().flatten() {
            match argument.as_str() {
                Some("self") | None => {}
                Some(name) if inputs.contains_key(name) => {}
                Some("flk") => declared.flk.push("flk".to_owned()),
                Some(name) => {
                    declared.others = true;
                    declared.nixpkgs |= name == "nixpkgs";
                    declared.names.push(name.to_owned());
                }
            }
        }
        declared
    }
}

/// Lets Nix lock the inputs that are not flk's, all of them anew with `update`.
pub(crate) fn lock_flake(
    nix: &Nix,
    repository: &Repository,
    channel: &Channel,
    update: bool,
) -> Result<()> {
    let names = Declared::read(nix, repository)?.flk;
    let flake = overridden(repository, channel, &names);
    nix.lock_flake(&flake, update)
        .context(|| format!("cannot lock the inputs of {}", repository.root.display()))
}

/// Lets Nix lock one input anew.
pub(crate) fn lock_input(
    nix: &Nix,
    repository: &Repository,
    channel: &Channel,
    input: &str,
) -> Result<()> {
    let declared = Declared::read(nix, repository)?;
    if declared.flk.iter().any(|name| name == input) {
        // What is locked there is this flk, always.
        return Ok(());
    }
    if !declared.names.iter().any(|name| name == input) {
        return Err(Failure::new(format!(
            "{} has no input {input}",
            repository.root.join("flake.nix").display()
        ))
        .hint(format!("it has: {}", declared.names.join(", "))));
    }
    let flake = overridden(repository, channel, &declared.flk);
    nix.lock_input(&flake, input)
        .context(|| format!("cannot lock the input {input}"))
}

fn lock_others(
    nix: &Nix,
    repository: &Repository,
    channel: &Channel,
    names: &[String],
) -> Result<()> {
    nix.lock_flake(&overridden(repository, channel, names), false)
        .context(|| format!("cannot lock the inputs of {}", repository.root.display()))
}

fn overridden(repository: &Repository, channel: &Channel, names: &[String]) -> Flake {
    names
        .iter()
        .fold(repository.flake_in_place(), |flake, name| {
            flake.with_input(name, &channel.store_path, &channel.nar_hash)
        })
}

fn read(path: &Path) -> Result<Option<Value>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::new(format!("cannot read {}", path.display())).because(error));
        }
    };
    let lock: Value =
        serde_json::from_slice(&text).context(|| format!("{} is no JSON", path.display()))?;
    if !lock["nodes"].is_object() || !lock["root"].is_string() {
        return Err(
            Failure::new(format!("{} is no lock of a flake", path.display()))
                .hint("remove it: flk and Nix write it anew"),
        );
    }
    Ok(Some(lock))
}

fn empty() -> Value {
    json!({ "nodes": { "root": {} }, "root": "root", "version": VERSION })
}

/// Names of the root's inputs whose original is the indirect reference `flk`.
fn locked_names(lock: &Value) -> Vec<String> {
    let root = lock["root"].as_str().unwrap_or("root");
    let inputs = lock["nodes"][root]["inputs"].as_object();
    inputs
        .into_iter()
        .flatten()
        .filter(|(_, node)| {
            node.as_str().is_some_and(|node| {
                let original = &lock["nodes"][node]["original"];
                original["type"] == "indirect" && original["id"] == "flk"
            })
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Locks an input to the channel; tells whether that is a change.
fn put(lock: &mut Value, name: &str, channel: &Channel) -> bool {
    let root = lock["root"].as_str().unwrap_or("root").to_owned();
    let node = match &lock["nodes"][&root]["inputs"][name] {
        Value::String(node) => node.clone(),
        _ => {
            let nodes = lock["nodes"].as_object();
            let taken = |node: &str| nodes.is_some_and(|nodes| nodes.contains_key(node));
            std::iter::once(name.to_owned())
                .chain((2..).map(|number| format!("{name}_{number}")))
                .find(|node| !taken(node))
                .unwrap_or_default()
        }
    };
    let locked = json!({
        "locked": {
            "lastModified": 1,
            "narHash": channel.nar_hash,
            "path": channel.store_path,
            "type": "path",
        },
        "original": { "id": "flk", "type": "indirect" },
    });
    if lock["nodes"][&node] == locked && lock["nodes"][&root]["inputs"][name] == json!(node) {
        return false;
    }
    lock["nodes"][&node] = locked;
    lock["nodes"][&root]["inputs"][name] = json!(node);
    sort(&mut lock["nodes"]);
    true
}

/// Nix writes the nodes in the order of their names.
fn sort(nodes: &mut Value) {
    if let Some(nodes) = nodes.as_object_mut() {
        nodes.sort_keys();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        Channel {
            store_path: "/nix/store/a-source".into(),
            nar_hash: "sha256-x".to_owned(),
        }
    }

    #[test]
    fn a_new_lock_has_one_node() {
        let mut lock = empty();
        assert!(put(&mut lock, "flk", &channel()));
        assert_eq!(
            lock["nodes"]["flk"]["locked"]["path"],
            "/nix/store/a-source"
        );
        assert_eq!(lock["nodes"]["root"]["inputs"]["flk"], "flk");
        assert_eq!(locked_names(&lock), ["flk"]);
        assert!(!put(&mut lock, "flk", &channel()), "nothing changes twice");
    }

    #[test]
    fn everything_else_is_kept() {
        let mut lock = json!({
            "nodes": {
                "nixpkgs": { "locked": { "rev": "abc" } },
                "flk": { "locked": { "path": "/nix/store/old-source" }, "original": { "id": "flk", "type": "indirect" } },
                "root": { "inputs": { "nixpkgs": "nixpkgs", "flk": "flk" } },
            },
            "root": "root", "version": 7,
        });
        let nixpkgs = lock["nodes"]["nixpkgs"].clone();
        assert!(put(&mut lock, "flk", &channel()));
        assert_eq!(lock["nodes"]["nixpkgs"], nixpkgs);
        assert_eq!(lock["nodes"]["root"]["inputs"]["nixpkgs"], "nixpkgs");
        assert_eq!(lock["nodes"]["flk"]["locked"]["narHash"], "sha256-x");
    }

    #[test]
    fn a_node_of_that_name_that_is_another_inputs_stays() {
        let mut lock = json!({
            "nodes": { "flk": { "locked": { "rev": "other" } }, "root": { "inputs": { "digga": "flk" } } },
            "root": "root", "version": 7,
        });
        assert!(put(&mut lock, "flk", &channel()));
        assert_eq!(lock["nodes"]["flk"]["locked"]["rev"], "other");
        assert_eq!(lock["nodes"]["root"]["inputs"]["flk"], "flk_2");
    }

    #[test]
    fn declarations_in_all_forms_are_found() {
        let declared = Declared::parse(&json!({
            "inputs": {
                "a": { "url": "flk" }, "b": { "type": "indirect", "id": "flk" },
                "nixpkgs": { "url": "github:NixOS/nixpkgs" },
            },
            "arguments": ["self", "a", "nixpkgs", "flk"],
        }));
        assert_eq!(declared.flk, ["a", "b", "flk"]);
        assert!(declared.others && declared.nixpkgs);
        let declared = Declared::parse(&json!({ "inputs": {}, "arguments": ["self", "flk"] }));
        assert_eq!(declared.flk, ["flk"]);
        assert!(!declared.others);
    }
}
