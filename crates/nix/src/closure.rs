//! A closure: store paths with all that they refer to, as `nix path-info --recursive --json` tells.
//!
//! Read are the list of Nix 2.8 and the map of 2.19 and newer, with hashes as SRI, base 32, hexadecimal, or an object.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Nix, Result, hash::nar_hash_hex};

/// What Nix knows of one valid store path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathInfo {
    /// The absolute store path, `/nix/store/<hash>-<name>`.
    pub path: String,
    /// SHA-256 of the path's NAR serialisation, lower-case hexadecimal without a prefix.
    pub nar_hash: String,
    /// Length of the NAR serialisation in bytes.
    pub nar_size: u64,
    /// Store paths that this one refers to (itself included where it does), sorted.
    pub references: Vec<String>,
}

/// A set of store paths that holds every reference of its members, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// The members, sorted by [`PathInfo::path`].
    pub paths: Vec<PathInfo>,
}

impl Closure {
    /// The sum of the NAR sizes in bytes.
    pub fn nar_size(&self) -> u64 {
        self.paths.iter().map(|info| info.nar_size).sum()
    }
}

/// Paths asked for in one call: far below the kernel's limit for arguments.
const CHUNK: usize = 1000;
const COMMAND: &str = "nix path-info --recursive --json";

impl Nix {
    /// The closure of valid store paths.
    ///
    /// # Errors
    /// [`Error::Command`] if a path is not valid, [`Error::Output`] if Nix's JSON is of an unknown shape.
    pub fn closure<P: AsRef<str>>(&self, roots: &[P]) -> Result<Closure> {
        self.path_infos(None, roots, true)
    }

    /// What Nix knows of one valid store path.
    ///
    /// # Errors
    /// As [`Nix::closure`].
    pub fn path_info(&self, path: &str) -> Result<PathInfo> {
        let closure = self.path_infos(None, &[path], false)?;
        closure
            .paths
            .into_iter()
            .next()
            .ok_or_else(|| malformed("no path"))
    }

    /// From this machine's store or another one.
    pub(crate) fn path_infos<P: AsRef<str>>(
        &self,
        store: Option<&str>,
        roots: &[P],
        recursive: bool,
    ) -> Result<Closure> {
        let mut paths = Vec::new();
        for chunk in roots.chunks(CHUNK) {
            let mut command = self.nix();
            command.args(["path-info", "--json"]);
            command.args(store.into_iter().flat_map(|store| ["--store", store]));
            if recursive {
                command.arg("--recursive");
            }
            command.args(chunk.iter().map(AsRef::as_ref));
            paths.extend(parse(self.run_json(command, COMMAND)?)?.paths);
        }
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        paths.dedup_by(|a, b| a.path == b.path);
        Ok(Closure { paths })
    }
}

fn parse(json: Value) -> Result<Closure> {
    let mut paths = match json {
        Value::Array(list) => list
            .iter()
            .map(|info| {
                let path = info["path"]
                    .as_str()
                    .ok_or_else(|| malformed("no `path`"))?;
                path_info(path, info)
            })
            .collect::<Result<Vec<_>>>()?,
        Value::Object(map) => map
            .iter()
            .map(|(path, info)| path_info(path, info))
            .collect::<Result<Vec<_>>>()?,
        _ => return Err(malformed("neither a list nor a map")),
    };
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    paths.dedup_by(|a, b| a.path == b.path);
    Ok(Closure { paths })
}

fn path_info(path: &str, info: &Value) -> Result<PathInfo> {
    if info.is_null() || info["valid"] == Value::Bool(false) {
        return Err(malformed(&format!("{path} is not in the store")));
    }
    let hash = match &info["narHash"] {
        Value::String(hash) => hash.clone(),
        object @ Value::Object(_) => match (&object["algorithm"], &object["hash"]) {
            (Value::String(algorithm), Value::String(hash)) => {
                let separator = if hash.ends_with('=') { '-' } else { ':' };
                format!("{algorithm}{separator}{hash}")
            }
            _ => return Err(malformed(&format!("{path}: unknown `narHash`"))),
        },
        _ => return Err(malformed(&format!("{path}: no `narHash`"))),
    };
    let mut references = info["references"]
        .as_array()
        .ok_or_else(|| malformed(&format!("{path}: no `references`")))?
        .iter()
        .map(|reference| {
            reference
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| malformed(&format!("{path}: a reference that is no string")))
        })
        .collect::<Result<Vec<_>>>()?;
    references.sort();
    Ok(PathInfo {
        nar_hash: nar_hash_hex(&hash)
            .ok_or_else(|| malformed(&format!("{path}: `narHash` {hash:?} is no SHA-256")))?,
        nar_size: info["narSize"]
            .as_u64()
            .ok_or_else(|| malformed(&format!("{path}: no `narSize`")))?,
        path: path.to_owned(),
        references,
    })
}

fn malformed(detail: &str) -> Error {
    Error::Output {
        command: COMMAND.to_owned(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HASH: &str = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

    #[test]
    fn old_list_and_new_map_give_the_same_closure() {
        let list = json!([
            { "path": "/nix/store/b-b", "narHash": HASH, "narSize": 2, "references": ["/nix/store/b-b", "/nix/store/a-a"] },
            { "path": "/nix/store/a-a", "narHash": HASH, "narSize": 1, "references": [] },
        ]);
        let map = json!({
            "/nix/store/b-b": { "narHash": HASH, "narSize": 2, "references": ["/nix/store/a-a", "/nix/store/b-b"], "ca": null },
            "/nix/store/a-a": { "narHash": { "algorithm": "sha256", "format": "base64", "hash": &HASH[7..] }, "narSize": 1, "references": [] },
        });
        let closure = parse(list).unwrap();
        assert_eq!(closure, parse(map).unwrap());
        assert_eq!(closure.nar_size(), 3);
        assert_eq!(closure.paths[0].path, "/nix/store/a-a");
        assert_eq!(
            closure.paths[1].references,
            ["/nix/store/a-a", "/nix/store/b-b"]
        );
        assert!(closure.paths[0].nar_hash.starts_with("2cf24dba5fb0a30e"));
    }

    #[test]
    fn an_invalid_path_is_an_error() {
        for json in [
            json!({ "/nix/store/a-a": null }),
            json!([{ "path": "/nix/store/a-a", "valid": false }]),
            json!("text"),
            json!([{ "path": "/nix/store/a-a", "narHash": "md5:x", "narSize": 1, "references": [] }]),
        ] {
            assert!(matches!(parse(json), Err(Error::Output { .. })));
        }
    }
}
