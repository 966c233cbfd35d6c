//! The tables of `depmod(8)`: from a name or an alias to modules, and from a module to what must be loaded before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::glob;
use crate::error::{IoContext, Result};

/// A module's place in [`ModuleTables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(usize);

/// One module that can be loaded.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// Its file, relative to the folder of the tables.
    pub path: PathBuf,
    /// What it needs, all of it, in no order.
    pub needs: Vec<ModuleId>,
    /// Names or aliases that should be tried before it.
    pub before: Vec<String>,
    /// Names or aliases that should be tried after it.
    pub after: Vec<String>,
}

/// What `depmod` wrote for one kernel version.
#[derive(Debug, Default)]
pub struct ModuleTables {
    modules: Vec<Module>,
    by_name: HashMap<String, ModuleId>,
    /// Patterns without a wildcard.
    exact: HashMap<String, Vec<String>>,
    /// Patterns by what stands before the first colon (`pci`, `usb`), each with the module's name.
    patterns: BTreeMap<String, Vec<(String, String)>>,
    builtin: HashSet<String>,
}

impl ModuleTables {
    /// Reads the tables in a folder such as `/lib/modules/6.12.0`.
    ///
    /// # Errors
    /// `modules.dep` or another table that is there cannot be read. One that is not there counts as empty.
    pub fn read(directory: &Path) -> Result<Self> {
        let table = |name: &str| -> Result<String> {
            let path = directory.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(error).at("read", path),
            }
        };
        Ok(Self::parse(
            &table("modules.dep")?,
            &table("modules.alias")?,
            &table("modules.softdep")?,
            &table("modules.builtin")?,
        ))
    }

    /// Reads the tables from their texts.
    pub fn parse(dep: &str, alias: &str, softdep: &str, builtin: &str) -> Self {
        let mut tables = Self::default();
        for line in dep.lines() {
            let Some((path, _)) = line.split_once(':') else {
                continue;
            };
            let id = ModuleId(tables.modules.len());
            let name = module_name(path);
            tables.by_name.insert(name.clone(), id);
            tables.modules.push(Module {
                name,
                path: path.into(),
                needs: Vec::new(),
                before: Vec::new(),
                after: Vec::new(),
            });
        }
        for line in dep.lines() {
            let Some((path, needs)) = line.split_once(':') else {
                continue;
            };
            let needs = needs
                .split_whitespace()
                .filter_map(|need| tables.by_name.get(&module_name(need)).copied())
                .collect();
            if let Some(&id) = tables.by_name.get(&module_name(path)) {
                tables.modules[id.0].needs = needs;
            }
        }
        for line in alias.lines() {
            let mut words = line.split_whitespace();
            let (Some("alias"), Some(pattern), Some(module)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (pattern, module) = (normalize(pattern), normalize(module));
            if !pattern.contains(['*', '?', '[', '\\']) {
                tables.exact.entry(pattern).or_default().push(module);
                continue;
            }
            tables
                .patterns
                .entry(bus(&pattern).to_owned())
                .or_default()
                .push((pattern, module));
        }
        for line in softdep.lines() {
            tables.add_soft_dependencies(line);
        }
        tables.builtin = builtin
            .lines()
            .filter(|line| !line.is_empty())
            .map(module_name)
            .collect();
        tables
    }

    fn add_soft_dependencies(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(module)) = (words.next(), words.next()) else {
            return;
        };
        let Some(&id) = self.by_name.get(&normalize(module)) else {
            return;
        };
        let module = &mut self.modules[id.0];
        let mut list = None;
        for word in words {
            match word {
                "pre:" => list = Some(&mut module.before),
                "post:" => list = Some(&mut module.after),
                name => {
                    if let Some(list) = &mut list {
                        list.push(name.to_owned());
                    }
                }
            }
        }
    }

    /// A module's entry.
    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0]
    }

    /// Whether the kernel has it built in.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&normalize(name))
    }

    /// The modules that a name or an alias stands for; a module's own name comes before aliases.
    pub fn resolve(&self, request: &str) -> Vec<ModuleId> {
        let request = normalize(request);
        if let Some(&id) = self.by_name.get(&request) {
            return vec![id];
        }
        let mut found = Vec::new();
        let mut add = |module: &String| {
            if let Some(&id) = self.by_name.get(module)
                && !found.contains(&id)
            {
                found.push(id);
            }
        };
        self.exact
            .get(&request)
            .into_iter()
            .flatten()
            .for_each(&mut add);
        // A pattern may begin with its wildcard, and then it has no bus of its own.
        for key in [bus(&request), ""] {
            for (pattern, module) in self.patterns.get(key).into_iter().flatten() {
                if could_match(pattern, &request)
                    && glob::matches(pattern.as_bytes(), request.as_bytes())
                {
                    add(module);
                }
            }
        }
        found
    }

    /// What is to be loaded for a module, in order: soft dependencies and dependencies, itself, then what should follow it.
    pub fn load_order(&self, id: ModuleId) -> Vec<ModuleId> {
        let mut order = Vec::new();
        self.visit(id, &mut BTreeSet::new(), &mut order);
        order
    }

    fn visit(&self, id: ModuleId, entered: &mut BTreeSet<ModuleId>, order: &mut Vec<ModuleId>) {
        if !entered.insert(id) {
            return;
        }
        let module = self.module(id);
        for name in &module.before {
            for soft in self.resolve(name) {
                self.visit(soft, entered, order);
            }
        }
        // `modules.dep` lists what is needed with the deepest last.
        for &need in module.needs.iter().rev() {
            self.visit(need, entered, order);
        }
        order.push(id);
        for name in &module.after {
            for soft in self.resolve(name) {
                self.visit(soft, entered, order);
            }
        }
    }
}

/// `kernel/fs/isofs/isofs.ko.xz` → `isofs`, `virtio-blk` → `virtio_blk`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normalize(file.split(".ko").next().unwrap_or(file))
}

/// Dashes and underscores are one, outside of brackets.
fn normalize(name: &str) -> String {
    let mut in_class = false;
    name.chars()
        .map(|character| match character {
            '[' => {
                in_class = true;
                '['
            }
            ']' => {
                in_class = false;
                ']'
            }
            '-' if !in_class => '_',
            other => other,
        })
        .collect()
}

/// What stands before the first colon, up to the first wildcard: patterns of another bus need not be tried.
fn bus(pattern: &str) -> &str {
    match pattern.split_once(':') {
        Some((bus, _)) if !bus.contains(['*', '?', '[', '\\']) => bus,
        _ => "",
    }
}

/// A quick look at what stands before the first wildcard.
fn could_match(pattern: &str, text: &str) -> bool {
    let literal = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    text.as_bytes().starts_with(&pattern.as_bytes()[..literal])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/fs/isofs/isofs.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz\n\
        kernel/drivers/cdrom/cdrom.ko.xz:\n\
        kernel/drivers/scsi/sr_mod.ko: kernel/drivers/scsi/scsi_mod.ko kernel/drivers/scsi/scsi_common.ko kernel/drivers/cdrom/cdrom.ko.xz\n\
        kernel/drivers/scsi/scsi_mod.ko: kernel/drivers/scsi/scsi_common.ko\n\
        kernel/drivers/scsi/scsi_common.ko:\n\
        kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n\
        kernel/fs/jbd2/jbd2.ko:\n\
        kernel/arch/crc32c-intel.ko:\n\
        kernel/crypto/crc32c_generic.ko:\n\
        kernel/drivers/usb/storage/usb-storage.ko:\n\
        kernel/drivers/usb/storage/uas.ko: kernel/drivers/usb/storage/usb-storage.ko\n\
        loopy.ko:\n";
    const ALIAS: &str = "# Aliases\n\
        alias fs-iso9660 isofs\n\
        alias iso9660 isofs\n\
        alias scsi:t-0x05* sr_mod\n\
        alias crypto-crc32c crc32c_intel\n\
        alias crypto-crc32c crc32c_generic\n\
        alias usb:v*p*d*dc*dsc*dp*ic08isc06ip50in* usb_storage\n\
        alias usb:v*p*d*dc*dsc*dp*ic08isc06ip62in* uas\n\
        alias pci:v*d*sv*sd*bc01sc08i02* gone\n";
    const SOFT: &str = "# Soft dependencies\nsoftdep ext4 pre: crypto-crc32c\nsoftdep cifs gcm\nsoftdep loopy pre: loopy isofs post: loopy uas\n";

    fn tables() -> ModuleTables {
        ModuleTables::parse(DEP, ALIAS, SOFT, "kernel/drivers/virtio/virtio_pci.ko\n")
    }

    fn names(tables: &ModuleTables, ids: &[ModuleId]) -> Vec<String> {
        ids.iter()
            .map(|&id| tables.module(id).name.clone())
            .collect()
    }

    #[test]
    fn names_and_aliases_resolve() {
        let tables = tables();
        for (request, expected) in [
            ("usb-storage", &["usb_storage"][..]),
            ("isofs", &["isofs"]),
            ("fs-iso9660", &["isofs"]),
            ("scsi:t-0x05", &["sr_mod"]),
            ("crypto-crc32c", &["crc32c_intel", "crc32c_generic"]),
            (
                "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00",
                &["usb_storage"],
            ),
            ("pci:v00001B36d00000010sv1sd1bc01sc08i02", &[]),
            ("nothing", &[]),
        ] {
            assert_eq!(
                names(&tables, &tables.resolve(request)),
                expected,
                "{request}"
            );
        }
        assert!(tables.is_builtin("virtio-pci"));
        assert!(!tables.is_builtin("isofs"));
    }

    #[test]
    fn dependencies_come_first_and_cycles_end() {
        let tables = tables();
        let order = |name: &str| names(&tables, &tables.load_order(tables.resolve(name)[0]));
        assert_eq!(
            order("sr_mod"),
            ["cdrom", "scsi_common", "scsi_mod", "sr_mod"]
        );
        assert_eq!(
            order("ext4"),
            ["crc32c_intel", "crc32c_generic", "jbd2", "ext4"]
        );
        assert_eq!(
            order("loopy"),
            ["cdrom", "isofs", "loopy", "usb_storage", "uas"]
        );
    }
}
