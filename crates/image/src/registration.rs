//! `nix-path-registration`: what `nix-store --load-db` reads.
//!
//! Per path, one value a line: path, NAR hash, NAR size, deriver (empty here), number of references, each reference.

use std::fmt::Write as _;

use flk_nix::Closure;

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

#[cfg(test)]
mod tests {
    use super::*;
    use flk_nix::PathInfo;

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
    }
}
