//! `nix-path-registration`, read: what a store image says of its paths. `flk_image::registration` writes it.
//!
//! Per path, one value a line: path, NAR hash, NAR size, deriver, number of references, each reference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flk_nix::{Closure, PathInfo, nar_hash_hex};

use crate::{Error, Result};

/// The closure of a store path, as a registration knows it; `None` when it does not know the path.
///
/// # Errors
/// [`Error::Io`]; [`Error::Document`] when it is no registration, or does not know a reference.
pub fn closure_of(registration: &Path, path: &str) -> Result<Option<Closure>> {
    let text = std::fs::read_to_string(registration).map_err(Error::io("read", registration))?;
    let wrong = |reason: String| Error::Document {
        path: registration.to_owned(),
        reason,
    };
    let mut known = parse(&text).map_err(wrong)?;
    if !known.contains_key(path) {
        return Ok(None);
    }
    let mut wanted = vec![path.to_owned()];
    let mut seen = BTreeSet::from([path.to_owned()]);
    let mut paths = Vec::new();
    while let Some(next) = wanted.pop() {
        let info = known
            .remove(&next)
            .ok_or_else(|| wrong(format!("{next} is referred to, but not registered")))?;
        for reference in &info.references {
            if seen.insert(reference.clone()) {
                wanted.push(reference.clone());
            }
        }
        paths.push(info);
    }
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(Closure { paths }))
}

fn parse(text: &str) -> Result<BTreeMap<String, PathInfo>, String> {
    let mut lines = text.lines().enumerate();
    let mut known = BTreeMap::new();
    while let Some((index, path)) = lines.next() {
        let mut next = |what: &str| {
            lines
                .next()
                .map(|(_, line)| line)
                .ok_or_else(|| format!("it ends before the {what} of {path}"))
        };
        if !path.starts_with("/nix/store/") || path["/nix/store/".len()..].contains('/') {
            return Err(format!("line {}: {path:?} is no store path", index + 1));
        }
        let hash = next("hash")?;
        let nar_hash =
            nar_hash_hex(hash).ok_or_else(|| format!("{hash:?} is no hash (of {path})"))?;
        let size = next("size")?;
        let nar_size = size
            .parse()
            .map_err(|_| format!("{size:?} is no size (of {path})"))?;
        next("deriver")?;
        let count = next("number of references")?;
        let count: usize = count
            .parse()
            .map_err(|_| format!("{count:?} is no number of references (of {path})"))?;
        let references = (0..count)
            .map(|_| next("references").map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()?;
        known.insert(
            path.to_owned(),
            PathInfo {
                path: path.to_owned(),
                nar_hash,
                nar_size,
                references,
            },
        );
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, references: &[&str]) -> PathInfo {
        PathInfo {
            path: format!("/nix/store/{name}"),
            nar_hash: "ab".repeat(32),
            nar_size: 7,
            references: references
                .iter()
                .map(|name| format!("/nix/store/{name}"))
                .collect(),
        }
    }

    #[test]
    fn a_closure_is_what_is_referred_to_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("registration");
        let all = Closure {
            paths: vec![
                info("a", &["a", "c"]),
                info("b", &[]),
                info("c", &["d"]),
                info("d", &["c"]),
            ],
        };
        std::fs::write(&file, flk_image::registration(&all)).unwrap();
        let closure = closure_of(&file, "/nix/store/a").unwrap().unwrap();
        assert_eq!(
            closure.paths,
            [
                all.paths[0].clone(),
                all.paths[2].clone(),
                all.paths[3].clone()
            ]
        );
        assert_eq!(closure_of(&file, "/nix/store/x").unwrap(), None);
    }

    #[test]
    fn damage_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("registration");
        let good = flk_image::registration(&Closure {
            paths: vec![info("a", &["b"])],
        });
        let cut: String = good
            .lines()
            .take(3)
            .map(|line| format!("{line}\n"))
            .collect();
        for (text, expected) in [
            (good.clone(), "/nix/store/b is referred to"),
            (cut, "ends before the deriver"),
            (good.replace("sha256:ab", "sha256:x"), "is no hash"),
            (good.replace("\n7\n", "\n-\n"), "is no size"),
            ("hello\n".into(), "line 1: \"hello\" is no store path"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = closure_of(&file, "/nix/store/a").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
