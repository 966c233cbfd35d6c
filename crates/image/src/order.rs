//! The order of store paths in the image: what changes least comes first, so that a small change leaves most bytes where they are.
//!
//! Small paths come after all others: they are what configuration makes, and one more of them, or one less, moves what comes
//! behind it, which is little. Within these two parts a path stands before all that depends on it, and among what this leaves
//! free, one that more of the closure depends on comes first: a changed path changes whatever depends on it.

use std::collections::{BTreeMap, BTreeSet};

use flk_nix::{Closure, PathInfo};

/// Digits of a store path's hash, before the dash and the name.
const HASH_LEN: usize = 32;

/// Bytes of a NAR from which on a path is not small. Of the template's closure the smaller ones are a third by number, and half
/// a megabyte packed.
const SMALL: u64 = 64 << 10;

/// The paths of a closure: large ones, then small ones, each dependencies before dependents, whatever the order in which the
/// closure has them.
pub(crate) fn by_steadiness(closure: &Closure) -> Vec<&PathInfo> {
    let mut paths: Vec<&PathInfo> = closure.paths.iter().collect();
    paths.sort_by(|a, b| stable_name(&a.path).cmp(&stable_name(&b.path)));
    let counts = dependents(&paths);
    let mut order: Vec<usize> = (0..paths.len()).collect();
    // A dependency has strictly more dependents than any of these. The sort keeps the order of names.
    order.sort_by_key(|at| (paths[*at].nar_size < SMALL, std::cmp::Reverse(counts[*at])));
    order.into_iter().map(|at| paths[at]).collect()
}

/// The name, and only then the hash: that of a path that was built anew is another one.
fn stable_name(path: &str) -> (&str, &str) {
    let base = path.rsplit('/').next().unwrap_or(path);
    (base.get(HASH_LEN..).unwrap_or(base), base)
}

/// How many paths depend on each, directly or not, itself left out.
fn dependents(paths: &[&PathInfo]) -> Vec<u32> {
    let index: BTreeMap<&str, usize> = paths
        .iter()
        .enumerate()
        .map(|(at, info)| (info.path.as_str(), at))
        .collect();
    let dependencies: Vec<BTreeSet<usize>> = paths
        .iter()
        .enumerate()
        .map(|(at, info)| {
            let known = info.references.iter().filter_map(|r| index.get(r.as_str()));
            known
                .copied()
                .filter(|dependency| *dependency != at)
                .collect()
        })
        .collect();
    let mut waiting = vec![0u32; paths.len()];
    for dependency in dependencies.iter().flatten() {
        waiting[*dependency] += 1;
    }
    let words = paths.len().div_ceil(64);
    let mut sets = vec![Vec::new(); paths.len()];
    let mut counts = vec![0; paths.len()];
    let mut open: Vec<usize> = (0..paths.len()).filter(|at| waiting[*at] == 0).collect();
    while let Some(at) = open.pop() {
        let mut set = std::mem::take(&mut sets[at]);
        set.resize(words, 0u64);
        counts[at] = set.iter().map(|word| word.count_ones()).sum();
        set[at / 64] |= 1 << (at % 64);
        for dependency in &dependencies[at] {
            let theirs = &mut sets[*dependency];
            theirs.resize(words, 0);
            for (to, from) in theirs.iter_mut().zip(&set) {
                *to |= from;
            }
            waiting[*dependency] -= 1;
            if waiting[*dependency] == 0 {
                open.push(*dependency);
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(letter: char, name: &str, references: &[(char, &str)]) -> PathInfo {
        let path = |letter: char, name: &str| {
            format!("/nix/store/{}-{name}", letter.to_string().repeat(HASH_LEN))
        };
        PathInfo {
            path: path(letter, name),
            nar_hash: String::new(),
            nar_size: 0,
            references: references.iter().map(|(l, n)| path(*l, n)).collect(),
        }
    }

    fn names(closure: &Closure) -> Vec<&str> {
        let order = by_steadiness(closure);
        order.iter().map(|info| &info.path[44..]).collect()
    }

    #[test]
    fn dependencies_come_first_in_whatever_order_the_closure_is() {
        let mut paths = vec![
            info('a', "system", &[('a', "system"), ('b', "etc"), ('d', "sh")]),
            info('b', "etc", &[('c', "unit"), ('d', "sh")]),
            info('c', "unit", &[('d', "sh")]),
            info('d', "sh", &[('e', "libc")]),
            info('e', "libc", &[]),
            info('f', "alone", &[]),
        ];
        let expected = ["libc", "sh", "unit", "etc", "alone", "system"];
        for _ in 0..paths.len() {
            paths.rotate_left(1);
            let closure = Closure {
                paths: paths.clone(),
            };
            assert_eq!(names(&closure), expected);
        }
    }

    #[test]
    fn one_more_small_path_moves_no_large_one() {
        let large = |letter, name, references: &[(char, &str)]| PathInfo {
            nar_size: SMALL,
            ..info(letter, name, references)
        };
        let closure = Closure {
            paths: vec![
                info('a', "system", &[('b', "text"), ('c', "tool")]),
                info('b', "text", &[]),
                large('c', "tool", &[('d', "libc")]),
                large('d', "libc", &[]),
                large('e', "alone", &[]),
            ],
        };
        assert_eq!(names(&closure), ["libc", "tool", "alone", "text", "system"]);
    }

    #[test]
    fn a_path_built_anew_keeps_its_place() {
        let closure = |letter| Closure {
            paths: vec![
                info('b', "one", &[]),
                info(letter, "two", &[]),
                info('a', "three", &[]),
            ],
        };
        assert_eq!(names(&closure('0')), names(&closure('z')));
    }
}
