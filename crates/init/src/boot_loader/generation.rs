//! The generations of the system profile, each with what its `boot.json` says: `/nix/var/nix/profiles/system-3-link`. A system's specialisations follow it
//! (`org.nixos.specialisation.v1`, one level of them).

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{InitError, IoContext, Result};

const PROFILES: &str = "/nix/var/nix/profiles";

/// A generation that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// The name of the specialisation of it that this is.
    pub variant: Option<String>,
    /// Whether it is the one that the profile shows, which is booted by default.
    pub is_current: bool,
    /// Its name for people.
    pub label: String,
    /// The kernel, in the store.
    pub kernel: PathBuf,
    /// The initrd, in the store.
    pub initrd: PathBuf,
    /// The kernel's command line, with `init=`.
    pub arguments: String,
}

impl Generation {
    /// As menus call it.
    pub fn title(&self) -> String {
        // The menus of both loaders are a line each.
        let harmless = |text: &str| text.replace(char::is_control, " ");
        let title = format!("{}, generation {}", harmless(&self.label), self.number);
        match &self.variant {
            Some(name) => format!("{title} ({})", harmless(name)),
            None => title,
        }
    }

    /// What tells it from the others, for file names and menus: `3`, `3-quiet`. What is no part of a file's name there is written as its number.
    pub fn id(&self) -> String {
        match &self.variant {
            Some(name) => format!("{}-{}", self.number, file_name(name)),
            None => self.number.to_string(),
        }
    }
}

/// A name as a part of a file's name on any file system, FAT among them; no two names have one. `+` begins the number of a character: `a/b` → `a+2fb`.
fn file_name(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'_' | b'-' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("+{other:02x}")),
        }
    }
    text
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "org.nixos.bootspec.v1")]
    spec: Spec,
    #[serde(rename = "org.nixos.specialisation.v1", default)]
    variants: BTreeMap<String, Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    label: String,
    kernel: PathBuf,
    initrd: PathBuf,
    init: PathBuf,
    #[serde(default)]
    kernel_params: Vec<String>,
}

impl Spec {
    fn generation(self, number: u64, variant: Option<String>, is_current: bool) -> Generation {
        let mut arguments = format!("init={}", self.init.display());
        for parameter in &self.kernel_params {
            arguments.push(' ');
            // A command line is one line in every loader's file.
            arguments.push_str(&parameter.replace(char::is_control, " "));
        }
        Generation {
            number,
            variant,
            is_current,
            label: self.label,
            kernel: self.kernel,
            initrd: self.initrd,
            arguments,
        }
    }
}

/// All generations, the newest first, each with its variants behind it.
///
/// # Errors
/// There is none; or a `boot.json` is not as it should be.
pub(super) fn all(root: &Path) -> Result<Vec<Generation>> {
    let folder = inside(root, Path::new(PROFILES));
    let current =
        fs::read_link(folder.join("system")).at("read the link", folder.join("system"))?;
    let mut generations = Vec::new();
    for entry in fs::read_dir(&folder).at("read", &folder)? {
        let name = entry.at("read", &folder)?.file_name();
        let Some(number) = number(&name.to_string_lossy()) else {
            continue;
        };
        let link = folder.join(&name);
        let toplevel = inside(root, &fs::read_link(&link).at("read the link", &link)?);
        let document = toplevel.join("boot.json");
        let text = match fs::read(&document) {
            // A generation whose system was removed by hand boots no more.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.at("read", &document)?,
        };
        let Document { spec, variants } =
            serde_json::from_slice(&text).map_err(|source| InitError::Document {
                path: document,
                source,
            })?;
        let is_current = Path::new(&name) == current;
        generations.push(spec.generation(number, None, is_current));
        for (name, Document { spec, .. }) in variants {
            generations.push(spec.generation(number, Some(name), false));
        }
    }
    if generations.is_empty() {
        return Err(InitError::Missing {
            what: "a generation of the system",
            path: folder,
            hint: "nix-env --profile /nix/var/nix/profiles/system --set TOPLEVEL makes one",
        });
    }
    // A stable sort: variants stay behind their system.
    generations.sort_by_key(|generation| std::cmp::Reverse(generation.number));
    Ok(generations)
}

/// Keeps the newest ones, and the current one whatever its number, with their variants.
pub(super) fn limit(generations: &mut Vec<Generation>, limit: usize) {
    let limit = limit.max(1);
    let systems = || {
        generations
            .iter()
            .filter(|generation| generation.variant.is_none())
    };
    let mut kept: Vec<u64> = systems()
        .take(limit)
        .map(|generation| generation.number)
        .collect();
    if let Some(current) = systems().find(|generation| generation.is_current)
        && !kept.contains(&current.number)
    {
        kept.truncate(limit - 1);
        kept.push(current.number);
    }
    generations.retain(|generation| kept.contains(&generation.number));
}

/// `system-3-link` → 3.
fn number(name: &str) -> Option<u64> {
    name.strip_prefix("system-")?
        .strip_suffix("-link")?
        .parse()
        .ok()
}

/// A path of the host, as seen from here.
pub(super) fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generations(numbers: &[u64], current: u64) -> Vec<Generation> {
        numbers
            .iter()
            .map(|number| Generation {
                number: *number,
                variant: None,
                is_current: *number == current,
                label: "a \"b\"".into(),
                kernel: PathBuf::new(),
                initrd: PathBuf::new(),
                arguments: String::new(),
            })
            .collect()
    }

    #[test]
    fn the_current_one_is_always_in_the_menu() {
        for (current, count, expected) in [
            (5, 2, vec![5, 4]),
            (1, 2, vec![5, 1]),
            (1, 1, vec![1]),
            (3, 0, vec![3]),
            (3, 9, vec![5, 4, 3, 2, 1]),
        ] {
            let mut list = generations(&[5, 4, 3, 2, 1], current);
            limit(&mut list, count);
            let numbers: Vec<u64> = list.iter().map(|generation| generation.number).collect();
            assert_eq!(numbers, expected, "{current} of {count}");
        }
    }

    #[test]
    fn any_name_of_a_variant_is_a_part_of_a_files_name() {
        let mut ids = std::collections::BTreeSet::new();
        let characters = (0..0x300).filter_map(char::from_u32);
        for name in characters.flat_map(|c| [c.to_string(), format!("a{c}b"), format!("../{c}")]) {
            let generation = Generation {
                variant: Some(name.clone()),
                ..generations(&[3], 3).remove(0)
            };
            let id = generation.id();
            let plain = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
            assert!(
                id.starts_with("3-") && id.chars().all(plain),
                "{name:?}: {id}"
            );
            assert!(!generation.title().contains(char::is_control), "{name:?}");
            ids.insert(id);
        }
        assert_eq!(ids.len(), 3 * 0x300);
        assert_eq!(file_name("quiet-2"), "quiet-2");
    }

    #[test]
    fn variants_go_with_their_system() {
        let mut list = generations(&[2, 1], 1);
        for (place, name) in [(2, "b"), (2, "a"), (1, "a")] {
            let variant = Generation {
                variant: Some(name.to_owned()),
                is_current: false,
                ..list[place - 1].clone()
            };
            list.insert(place, variant);
        }
        limit(&mut list, 1);
        let ids: Vec<String> = list.iter().map(Generation::id).collect();
        assert_eq!(ids, ["1", "1-a", "1-b"]);
    }

    #[test]
    fn titles_are_one_line() {
        let mut generation = generations(&[7], 7).remove(0);
        // What is special to a loader is for the loader's writer to escape.
        assert_eq!(generation.title(), "a \"b\", generation 7");
        generation.variant = Some("quiet\nly".to_owned());
        assert_eq!(generation.title(), "a \"b\", generation 7 (quiet ly)");
    }
}
