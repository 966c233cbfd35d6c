//! Derivations as JSON: `nix show-derivation` (2.8) and `nix derivation show` (2.15 and newer, also its wrapped form).
//!
//! One kind flk treats apart: a file of a mirror, a fixed output that flk downloads before it asks Nix to build (ARCHITECTURE.md, "Files of the
//! archive"). Outputs whose paths follow from their content (content-addressed derivations) have none here.

use std::collections::BTreeMap;

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

/// A derivation, as far as flk asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// The `.drv`.
    pub path: String,
    /// The store path of each output, by the output's name.
    pub outputs: BTreeMap<String, String>,
    /// The derivations that it needs, with the names of the outputs that it needs of each.
    pub derivations: BTreeMap<String, Vec<String>>,
    /// The other store paths that it needs.
    pub sources: Vec<String>,
    /// Set if it stands for a file of a mirror.
    pub file: Option<ArchiveFile>,
    /// Set if it fetches something known by its hash: the addresses, as far as it says them.
    pub fetches: Option<Vec<String>>,
}

impl Nix {
    /// Derivations, in the order of their paths.
    ///
    /// # Errors
    /// [`Error::Command`] if one is not in the store, [`Error::Output`] if Nix's JSON is of an unknown shape.
    pub fn derivations<P: AsRef<str>>(&self, paths: &[P]) -> Result<Vec<Derivation>> {
        let mut derivations = Vec::new();
        for chunk in paths.chunks(CHUNK) {
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
            command.args(chunk.iter().map(AsRef::as_ref));
            derivations.extend(parse(&self.run_json(command, COMMAND)?)?);
        }
        derivations.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(derivations)
    }

    /// Those of the derivations that are files of a mirror, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Command`] if a derivation is not in the store, [`Error::Output`] if one of flk's own variables is malformed.
    pub fn archive_files(&self, derivations: &[String]) -> Result<Vec<ArchiveFile>> {
        let mut files: Vec<ArchiveFile> = self
            .derivations(derivations)?
            .into_iter()
            .filter_map(|derivation| derivation.file)
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

fn parse(json: &Value) -> Result<Vec<Derivation>> {
    let derivations = json.get("derivations").unwrap_or(json);
    derivations
        .as_object()
        .ok_or_else(|| malformed("not a map".to_owned()))?
        .iter()
        .map(|(path, value)| derivation(&absolute(path), value))
        .collect()
}

fn derivation(path: &str, value: &Value) -> Result<Derivation> {
    let env = &value["env"];
    let outputs = entries(&value["outputs"])
        .filter_map(|(name, output)| Some((name.clone(), absolute(output["path"].as_str()?))))
        .collect();
    // Nix 2.32 has put both kinds of inputs into one object.
    let inputs = |old: &str, new: &str| match value.get("inputs") {
        Some(inputs) => inputs[new].clone(),
        None => value[old].clone(),
    };
    let derivations = entries(&inputs("inputDrvs", "drvs"))
        .map(|(path, wanted)| {
            let names = wanted.get("outputs").unwrap_or(wanted);
            (absolute(path), strings(names).collect())
        })
        .collect();
    let is_fixed = env.get("outputHash").is_some()
        || entries(&value["outputs"]).any(|(_, output)| output.get("hash").is_some());
    let addresses = ["url", "urls"]
        .iter()
        .filter_map(|name| env[*name].as_str())
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    let file = archive_file(path, env)?;
    Ok(Derivation {
        path: path.to_owned(),
        outputs,
        derivations,
        sources: strings(&inputs("inputSrcs", "srcs"))
            .map(|path| absolute(&path))
            .collect(),
        fetches: (is_fixed && file.is_none()).then_some(addresses),
        file,
    })
}

fn archive_file(derivation: &str, env: &Value) -> Result<Option<ArchiveFile>> {
    if env.get("flkPath").is_none() {
        return Ok(None);
    }
    let variable = |name: &str| {
        env[name]
            .as_str()
            .ok_or_else(|| malformed(format!("{derivation} has `flkPath` but no `{name}`")))
    };
    Ok(Some(ArchiveFile {
        derivation: derivation.to_owned(),
        name: variable("name")?.to_owned(),
        mirror: variable("flkMirror")?.to_owned(),
        path: variable("flkPath")?.to_owned(),
        size: variable("flkSize")?
            .parse()
            .map_err(|_| malformed(format!("{derivation}: `flkSize` is no number")))?,
        sha256: variable("flkSha256")?.to_owned(),
    }))
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}

fn strings(list: &Value) -> impl Iterator<Item = String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str().map(str::to_owned))
}

/// Newer versions leave the store's folder out.
fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/nix/store/{path}")
    }
}

fn malformed(detail: String) -> Error {
    Error::Output {
        command: COMMAND.to_owned(),
        detail,
    }
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
        let files = |json: &serde_json::Value| -> Vec<ArchiveFile> {
            let derivations = parse(json).unwrap();
            derivations.into_iter().filter_map(|d| d.file).collect()
        };
        assert_eq!(files(&derivations), expected);
        assert_eq!(
            files(&json!({ "version": 4, "derivations": derivations })),
            expected
        );
    }

    #[test]
    fn inputs_and_outputs_are_found_in_all_shapes() {
        let expected = Derivation {
            path: "/nix/store/b.drv".to_owned(),
            outputs: BTreeMap::from([("out".to_owned(), "/nix/store/b".to_owned())]),
            derivations: BTreeMap::from([("/nix/store/a.drv".to_owned(), vec!["lib".to_owned()])]),
            sources: vec!["/nix/store/s".to_owned()],
            file: None,
            fetches: Some(vec!["https://x/y".to_owned()]),
        };
        let env = json!({ "outputHash": "ab", "url": "https://x/y" });
        for json in [
            json!({ "/nix/store/b.drv": { "env": env, "outputs": { "out": { "path": "/nix/store/b" } },
                "inputDrvs": { "/nix/store/a.drv": ["lib"] }, "inputSrcs": ["/nix/store/s"] } }),
            json!({ "/nix/store/b.drv": { "env": env, "outputs": { "out": { "path": "/nix/store/b" } },
                "inputDrvs": { "/nix/store/a.drv": { "outputs": ["lib"], "dynamicOutputs": {} } }, "inputSrcs": ["/nix/store/s"] } }),
            json!({ "version": 4, "derivations": { "b.drv": { "env": env, "outputs": { "out": { "path": "b" } },
                "inputs": { "drvs": { "a.drv": { "outputs": ["lib"] } }, "srcs": ["s"] } } } }),
        ] {
            assert_eq!(parse(&json).unwrap(), std::slice::from_ref(&expected));
        }
    }

    #[test]
    fn an_incomplete_file_is_an_error() {
        let json = json!({ "/nix/store/b.drv": { "env": { "name": "x", "flkPath": "p" } } });
        let error = parse(&json).unwrap_err().to_string();
        assert!(error.contains("flkMirror"), "{error}");
    }
}
