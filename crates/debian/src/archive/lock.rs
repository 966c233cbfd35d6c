//! `flk.lock`, the built-in channel's pin: ARCHITECTURE.md, "flk.lock".

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::File;
use crate::error::{Error, Result};

/// The version of the lock's form.
const VERSION: u32 = 1;

/// What is pinned: the signed indices of some suites at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    version: u32,
    channel: String,
    /// The suite that was asked for: `trixie`.
    pub suite: String,
    architecture: String,
    /// Every suite and component that is pinned.
    pub archives: Vec<Archive>,
}

/// One component of one suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// `debian` or `debian-security`.
    pub mirror: String,
    /// `trixie`, `trixie-updates`, `trixie-security`.
    pub suite: String,
    /// `main`, `non-free-firmware`.
    pub component: String,
    /// When the suite was signed, as RFC 3339 writes it.
    pub date: String,
    /// The component's list of packages.
    pub index: Index,
}

/// A list of packages, `Packages.xz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Relative to the mirror, by its digest: it stays there when the suite moves on, for a time.
    pub path: String,
    /// In hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

impl Lock {
    /// A lock of these archives.
    pub fn new(suite: &str, archives: Vec<Archive>) -> Self {
        Self {
            version: VERSION,
            channel: "debian".to_owned(),
            suite: suite.to_owned(),
            architecture: "amd64".to_owned(),
            archives,
        }
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// When the file cannot be read, is not JSON of this shape, or is of another version or channel.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let json = |source| Error::Json {
            path: path.to_owned(),
            source,
        };
        let fault = |reason: String| Error::Lock {
            path: path.to_owned(),
            reason,
        };
        // The version first: a later one may have another shape.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(json)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            return Err(fault(match version {
                Some(version) => format!(
                    "it has version {version}, this flk reads version {VERSION}; another flk wrote it"
                ),
                None => "it has no version".to_owned(),
            }));
        }
        let lock: Self = serde_json::from_value(value).map_err(json)?;
        if lock.channel != "debian" || lock.architecture != "amd64" {
            return Err(fault(format!(
                "it pins the channel `{}` for `{}`, not `debian` for `amd64`",
                lock.channel, lock.architecture
            )));
        }
        Ok(lock)
    }

    /// Writes the lock beside `path` and renames it.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension(format!("lock.{}", std::process::id()));
        fs::write(&beside, self.to_text()).map_err(Error::io("write", &beside))?;
        fs::rename(&beside, path).map_err(|source| {
            // What cannot be renamed is no use to anybody; the first failure is the one to tell.
            let _ = fs::remove_file(&beside);
            Error::io("replace", path)(source)
        })
    }

    /// The lock's text: the same lock gives the same bytes.
    pub fn to_text(&self) -> String {
        // Strings and numbers always serialize.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The pinned indices as files to download.
    pub fn files(&self) -> Vec<File> {
        self.archives.iter().map(Archive::file).collect()
    }
}

impl Archive {
    /// The index as a file to download, with its name in the store.
    pub fn file(&self) -> File {
        File {
            mirror: self.mirror.clone(),
            path: self.index.path.clone(),
            size: self.index.size,
            sha256: self.index.sha256.clone(),
            name: format!("index-{}-{}.xz", self.suite, self.component),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        Lock::new(
            "trixie",
            vec![Archive {
                mirror: "debian".to_owned(),
                suite: "trixie".to_owned(),
                component: "main".to_owned(),
                date: "2026-09-12T07:55:41Z".to_owned(),
                index: Index {
                    path: "dists/trixie/main/binary-amd64/by-hash/SHA256/7778".to_owned(),
                    sha256: "7778".to_owned(),
                    size: 9_678_380,
                },
            }],
        )
    }

    #[test]
    fn the_lock_is_the_contracts_json_and_is_read_back() {
        let expected = serde_json::json!({
            "version": 1, "channel": "debian", "suite": "trixie", "architecture": "amd64",
            "archives": [
                { "mirror": "debian", "suite": "trixie", "component": "main", "date": "2026-09-12T07:55:41Z",
                  "index": { "path": "dists/trixie/main/binary-amd64/by-hash/SHA256/7778", "sha256": "7778", "size": 9_678_380 } } ]
        });
        let written: serde_json::Value = serde_json::from_str(&lock().to_text()).unwrap();
        assert_eq!(written, expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flk.lock");
        lock().write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(lock().files()[0].name, "index-trixie-main.xz");
    }

    #[test]
    fn another_version_is_refused_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flk.lock");
        fs::write(&path, r#"{ "version": 2, "pins": {} }"#).unwrap();
        let error = Lock::read(&path).unwrap_err().to_string();
        assert!(error.contains("it has version 2"), "{error}");
    }
}
