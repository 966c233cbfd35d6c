//! `nix-path-registration`, which says what a store image has: the closure of one path in it.

use std::collections::BTreeSet;
use std::path::Path;

use flk_image::parse_registration;
use flk_nix::Closure;

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
    let mut known = parse_registration(&text).map_err(wrong)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use flk_nix::PathInfo;

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
