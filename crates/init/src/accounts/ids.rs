//! `ids.json`, version 1: which numbers have been given to whom, so that a user who goes and comes back finds its files its own; and what was declared
//! the last time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic_file::{self, Ownership};
use crate::config;
use crate::error::Result;

/// What is remembered from one activation to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ids {
    /// Numbers given to users.
    pub users: BTreeMap<String, u32>,
    /// Numbers given to groups.
    pub groups: BTreeMap<String, u32>,
    /// The first of the subordinate ids given to users.
    pub subordinate: BTreeMap<String, u32>,
    /// The users that the last configuration declared.
    pub declared_users: BTreeSet<String>,
    /// The groups that the last configuration declared.
    pub declared_groups: BTreeSet<String>,
}

impl Ids {
    /// Reads the file; without one, nothing is remembered.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self> {
        if path.exists() {
            config::read(path)
        } else {
            Ok(Self::default())
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        #[derive(Serialize)]
        struct Document<'a> {
            version: u32,
            #[serde(flatten)]
            ids: &'a Ids,
        }
        let text = serde_json::to_string_pretty(&Document {
            version: config::VERSION,
            ids: self,
        })
        .unwrap_or_default()
            + "\n";
        atomic_file::write(path, text.as_bytes(), Ownership::root(0o644)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back() {
        let mut ids = Ids::default();
        ids.users.insert("nixos".to_owned(), 1000);
        ids.declared_groups.insert("wheel".to_owned());
        let text = serde_json::json!({ "version": 1, "users": { "nixos": 1000 }, "declaredGroups": ["wheel"] }).to_string();
        assert_eq!(
            config::parse::<Ids>(text.as_bytes(), Path::new("ids.json")).unwrap(),
            ids
        );
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            Ids::read(&folder.path().join("ids.json")).unwrap(),
            Ids::default()
        );
        if rustix::process::geteuid().is_root() {
            ids.write(&folder.path().join("ids.json")).unwrap();
            assert_eq!(Ids::read(&folder.path().join("ids.json")).unwrap(), ids);
        }
    }
}
