//! Which kernel modules need which, and the tables cut to a choice of them: modules.dep(5), depmod.d(5) and kmod's other
//! text tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::folder;
use crate::error::{Error, Result};

/// The tables of one kernel's modules.
#[derive(Debug)]
pub(crate) struct Modules {
    root: PathBuf,
    /// By name: the path of the file, relative to the root, and the paths that it depends on.
    files: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
    /// By name: those that `softdep` and `weakdep` name.
    softer: BTreeMap<String, Vec<String>>,
    /// By alias without a pattern: the modules that answer to it.
    exact_aliases: BTreeMap<String, Vec<String>>,
}

/// What kmod takes for one name: `snd-hda` and `snd_hda`.
pub(crate) fn normalize(name: &str) -> String {
    name.replace('-', "_")
}

/// The name in a module's path: `kernel/fs/isofs/isofs.ko.xz` → `isofs`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normalize(file.split(".ko").next().unwrap_or(file))
}

/// The path of the uncompressed module: `….ko.xz` → `….ko`.
pub(crate) fn uncompressed(path: &str) -> &str {
    [".xz", ".zst", ".gz"]
        .iter()
        .find_map(|suffix| path.strip_suffix(suffix))
        .unwrap_or(path)
}

impl Modules {
    /// Reads the tables in `root`, a folder `lib/modules/<version>`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for line in folder::read_text(&root.join("modules.dep"))?.lines() {
            if let Some((path, needs)) = line.split_once(':') {
                let needs = needs.split_whitespace().map(str::to_owned).collect();
                files.insert(name_of(path), (path.to_owned(), needs));
            }
        }
        let builtin = table(root, "modules.builtin")?
            .lines()
            .map(|line| name_of(line.trim()))
            .collect();
        let mut softer: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in ["modules.softdep", "modules.weakdep"] {
            for line in table(root, name)?.lines() {
                let mut words = line.split_whitespace();
                if !matches!(words.next(), Some("softdep" | "weakdep")) {
                    continue;
                }
                let Some(module) = words.next() else { continue };
                let needs = words
                    .filter(|word| !matches!(*word, "pre:" | "post:"))
                    .map(normalize);
                softer.entry(normalize(module)).or_default().extend(needs);
            }
        }
        let mut exact_aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in table(root, "modules.alias")?.lines() {
            if let Some((alias, module)) = parse_alias(line)
                && !alias.contains(['*', '?', '['])
            {
                exact_aliases
                    .entry(normalize(alias))
                    .or_default()
                    .push(normalize(module));
            }
        }
        Ok(Self {
            root: root.to_owned(),
            files,
            builtin,
            softer,
            exact_aliases,
        })
    }

    /// Whether the kernel has it, as a module or built in.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = normalize(name);
        self.files.contains_key(&name) || self.builtin.contains(&name)
    }

    /// The error for a name that the kernel does not have.
    pub(crate) fn missing(&self, name: &str) -> Error {
        let wanted = normalize(name);
        let mut near: Vec<(usize, &String)> = self
            .files
            .keys()
            .chain(&self.builtin)
            .map(|known| (distance(&wanted, known), known))
            .filter(|(distance, known)| *distance <= 2 || known.contains(&wanted))
            .collect();
        near.sort();
        Error::NoModule {
            modules: self.root.clone(),
            name: name.to_owned(),
            near: near
                .into_iter()
                .take(5)
                .map(|(_, name)| name.clone())
                .collect(),
        }
    }

    /// The names of the modules and of all that they need, hard or soft; without those that are built in.
    pub(crate) fn closure<'a>(&self, names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let mut closure = BTreeSet::new();
        let mut left: Vec<String> = names.map(normalize).collect();
        while let Some(name) = left.pop() {
            let Some((_, needs)) = self.files.get(&name) else {
                continue;
            };
            if !closure.insert(name.clone()) {
                continue;
            }
            left.extend(needs.iter().map(|path| name_of(path)));
            for softer in self.softer.get(&name).into_iter().flatten() {
                // A soft dependency may be an alias: `crc32c`.
                left.push(softer.clone());
                left.extend(
                    self.exact_aliases
                        .get(softer)
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
            }
        }
        closure
    }

    /// The path of a module, relative to the root.
    pub(crate) fn path(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|(path, _)| path.as_str())
    }

    /// The tables cut to `chosen`, in kmod's text form, with the paths of uncompressed modules: name and content.
    pub(crate) fn tables(&self, chosen: &BTreeSet<String>) -> Result<Vec<(&'static str, String)>> {
        let mut dep = String::new();
        for (name, (path, needs)) in &self.files {
            if !chosen.contains(name) {
                continue;
            }
            dep.push_str(uncompressed(path));
            dep.push(':');
            for need in needs {
                dep.push(' ');
                dep.push_str(uncompressed(need));
            }
            dep.push('\n');
        }
        let keep = |text: &str, name: &dyn Fn(&str) -> Option<String>| {
            text.lines()
                .filter(|line| name(line).is_some_and(|name| chosen.contains(&name)))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        let alias = keep(&table(&self.root, "modules.alias")?, &|line| {
            parse_alias(line).map(|(_, module)| normalize(module))
        });
        let softdep = keep(&table(&self.root, "modules.softdep")?, &|line| {
            line.strip_prefix("softdep ")?
                .split_whitespace()
                .next()
                .map(normalize)
        });
        Ok(vec![
            ("modules.alias", alias),
            ("modules.builtin", table(&self.root, "modules.builtin")?),
            ("modules.dep", dep),
            ("modules.softdep", softdep),
        ])
    }
}

/// A table, or nothing where depmod made none.
fn table(root: &Path, name: &str) -> Result<String> {
    let path = root.join(name);
    if path.is_file() {
        folder::read_text(&path)
    } else {
        Ok(String::new())
    }
}

/// `alias PATTERN MODULE`
fn parse_alias(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("alias ")?.rsplit_once(' ')
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let cost = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    /// A folder `lib/modules/<version>` with tables of a few modules.
    pub(crate) fn tables(root: &Path) {
        fs::create_dir_all(root).unwrap();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write(
            "modules.dep",
            "kernel/fs/isofs/isofs.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz\n\
             kernel/drivers/cdrom/cdrom.ko.xz:\n\
             kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/xor.ko.xz\n\
             kernel/lib/xor.ko.xz:\n\
             kernel/crypto/crc32c-intel.ko.xz:\n\
             kernel/net/virtio_net.ko.xz:\n",
        );
        write(
            "modules.builtin",
            "kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio-pci.ko\n",
        );
        write(
            "modules.softdep",
            "# Soft dependencies\nsoftdep btrfs pre: crc32c post: nothing\nsoftdep virtio_net pre: x\n",
        );
        write(
            "modules.alias",
            "# Aliases\nalias crc32c crc32c_intel\nalias iso9660 isofs\nalias virtio:d00000001v* virtio_net\n",
        );
    }

    #[test]
    fn closures_follow_hard_and_soft_dependencies() {
        let folder = tempfile::tempdir().unwrap();
        tables(folder.path());
        let modules = Modules::read(folder.path()).unwrap();
        let closure: Vec<String> = modules
            .closure(["btrfs", "isofs", "ext4"].into_iter())
            .into_iter()
            .collect();
        assert_eq!(closure, ["btrfs", "cdrom", "crc32c_intel", "isofs", "xor"]);
    }

    #[test]
    fn tables_are_cut_to_the_chosen() {
        let folder = tempfile::tempdir().unwrap();
        tables(folder.path());
        let modules = Modules::read(folder.path()).unwrap();
        let chosen = modules.closure(["isofs"].into_iter());
        let tables: BTreeMap<_, _> = modules.tables(&chosen).unwrap().into_iter().collect();
        assert_eq!(
            tables["modules.dep"],
            "kernel/drivers/cdrom/cdrom.ko:\nkernel/fs/isofs/isofs.ko: kernel/drivers/cdrom/cdrom.ko\n"
        );
        assert_eq!(tables["modules.alias"], "alias iso9660 isofs\n");
        assert_eq!(tables["modules.softdep"], "");
        assert!(tables["modules.builtin"].contains("virtio-pci"));
    }

    #[test]
    fn a_missing_name_has_near_ones() {
        let folder = tempfile::tempdir().unwrap();
        tables(folder.path());
        let modules = Modules::read(folder.path()).unwrap();
        assert!(modules.has("virtio-net") && modules.has("virtio_pci"));
        assert!(!modules.has("isof"));
        let error = modules.missing("isof").to_string();
        assert!(error.contains("`isof`; near names: isofs"), "{error}");
    }
}
