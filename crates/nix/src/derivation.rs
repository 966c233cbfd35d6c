//! Derivations as JSON: `nix show-derivation` (2.8) and `nix derivation show` (2.15 and newer, also its wrapped form).
//!
//! flk looks for one kind only: a file of a mirror, a fixed output that flk downloads before it asks Nix to build (ARCHITECTURE.md, "Files of the
//! archive").

use serde_json::Value;

use crate::{Error, Nix, Result, Version};

/// Derivations asked for in one call: far below the kernel's limit for arguments.
const CHUNK: usize = 400;
const COMMAND: &str = "nix derivation show";

/// A file of a mirror that a derivation stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveFile {
    /// The derivation.
    pub derivation: String,
    /// Its name, and so the file's name in the store.
    pub name: String,
    /// Which mirror: `debian` or `debian-security`.
    pub mirror: String,
    /// The path relative to that mirror.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Nix {
    /// Those of the derivations that are files of a mirror, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Command`] if a derivation is not in the store, [`Error::Output`] if one of flk's own variables is malformed.
    pub fn archive_files(&self, derivations: &[String]) -> Result<Vec<ArchiveFile>> {
        let mut files = Vec::new();
        for chunk in derivations.chunks(CHUNK) {
            let mut command = self.nix();
            let renamed = Version {
                major: 2,
                minor: 15,
            };
            command.args(if self.version() >= renamed {
                ["derivation", "show"].as_slice()
            } else {
                ["show-derivation"].as_slice()
            });
            command.args(chunk);
            files.extend(parse(&self.run_json(command, COMMAND)?)?);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

fn parse(json: &Value) -> Result<Vec<ArchiveFile>> {
    let derivations = json.get("derivations").unwrap_or(json);
    let derivations = derivations.as_object().ok_or_else(|| Error::Output {
        command: COMMAND.to_owned(),
        detail: "not a map".to_owned(),
    })?;
    derivations
        .iter()
        .filter(|(_, value)| value["env"].get("flkPath").is_some())
        .map(|(derivation, value)| {
            let variable = |name: &str| {
                value["env"][name].as_str().ok_or_else(|| Error::Output {
                    command: COMMAND.to_owned(),
                    detail: format!("{derivation} has `flkPath` but no `{name}`"),
                })
            };
            Ok(ArchiveFile {
                derivation: derivation.clone(),
                name: variable("name")?.to_owned(),
                mirror: variable("flkMirror")?.to_owned(),
                path: variable("flkPath")?.to_owned(),
                size: variable("flkSize")?.parse().map_err(|_| Error::Output {
                    command: COMMAND.to_owned(),
                    detail: format!("{derivation}: `flkSize` is no number"),
                })?,
                sha256: variable("flkSha256")?.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_files_of_a_mirror_are_found_in_both_shapes() {
        let derivations = json!({
            "/nix/store/a.drv": { "env": { "name": "x" } },
            "/nix/store/b.drv": { "env": { "name": "htop.deb", "flkMirror": "debian", "flkPath": "pool/h.deb", "flkSize": "12", "flkSha256": "ab" } },
        });
        let expected = [ArchiveFile {
            derivation: "/nix/store/b.drv".to_owned(),
            name: "htop.deb".to_owned(),
            mirror: "debian".to_owned(),
            path: "pool/h.deb".to_owned(),
            size: 12,
            sha256: "ab".to_owned(),
        }];
        assert_eq!(parse(&derivations).unwrap(), expected);
        assert_eq!(
            parse(&json!({ "version": 4, "derivations": derivations })).unwrap(),
            expected
        );
    }

    #[test]
    fn an_incomplete_file_is_an_error() {
        let json = json!({ "/nix/store/b.drv": { "env": { "name": "x", "flkPath": "p" } } });
        let error = parse(&json).unwrap_err().to_string();
        assert!(error.contains("flkMirror"), "{error}");
    }
}
