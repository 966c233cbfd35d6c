//! `nix-path-registration`, which `nix-store --load-db` reads: written and read.
//!
//! Per path, one value a line: path, NAR hash, NAR size, deriver (empty here), number of references, each reference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flk_nix::{Closure, PathInfo, nar_hash_hex};

/// The registration of a closure, sorted by path.
pub fn registration(closure: &Closure) -> String {
    let mut paths: Vec<_> = closure.paths.iter().collect();
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    let mut text = String::new();
    for info in paths {
        let mut references: Vec<&str> = info.references.iter().map(String::as_str).collect();
        references.sort_unstable();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}\nsha256:{}\n{}\n\n{}",
            info.path,
            info.nar_hash,
            info.nar_size,
            references.len()
        );
        for reference in references {
            text.push_str(reference);
            text.push('\n');
        }
    }
    text
}

/// What a registration says, by store path.
///
/// # Errors
/// What is wrong with it, and in which line or of which path.
pub fn parse_registration(text: &str) -> Result<BTreeMap<String, PathInfo>, String> {
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

    #[test]
    fn is_sorted_and_counts_references() {
        let info = |path: &str, references: &[&str]| PathInfo {
            path: path.into(),
            nar_hash: "ab".repeat(32),
            nar_size: 7,
            references: references.iter().map(|r| r.to_string()).collect(),
        };
        let closure = Closure {
            paths: vec![
                info("/nix/store/b", &["/nix/store/b", "/nix/store/a"]),
                info("/nix/store/a", &[]),
            ],
        };
        let hash = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            registration(&closure),
            format!(
                "/nix/store/a\n{hash}\n7\n\n0\n/nix/store/b\n{hash}\n7\n\n2\n/nix/store/a\n/nix/store/b\n"
            )
        );
        let read = parse_registration(&registration(&closure)).unwrap();
        let paths: Vec<_> = read.into_values().map(|info| info.path).collect();
        assert_eq!(paths, ["/nix/store/a", "/nix/store/b"]);
    }
}
