//! Which services run programs or libraries that the new system has otherwise: a library's update changes no unit.
//!
//! What a process has mapped (`proc_pid_maps(5)`) lies in the store, and is found under `/usr` in the system that it came from: where the new system has another
//! file of that name, or none, the process is out of date. Not supported: libraries that are not below `/usr`; a unit that names such says so by its own text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::system_units::SystemUnits;

const STORE: &str = "/nix/store/";
const CGROUPS: &str = "/sys/fs/cgroup";

/// The services out of date, of these with their control groups.
pub(super) fn outdated(
    old: &SystemUnits,
    new: &SystemUnits,
    groups: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    // A handful of libraries is in every process.
    let mut known = BTreeMap::new();
    let mut is_old = |file: String| {
        *known
            .entry(file)
            .or_insert_with_key(|file| is_outdated(old, new, file))
    };
    groups
        .iter()
        .filter(|(_, group)| {
            processes(&Path::new(CGROUPS).join(group.trim_start_matches('/')))
                .iter()
                .any(|process| mapped(*process).into_iter().any(&mut is_old))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

fn is_outdated(old: &SystemUnits, new: &SystemUnits, file: &str) -> bool {
    let Some((_, path)) = file
        .strip_prefix(STORE)
        .and_then(|path| path.split_once('/'))
    else {
        return false;
    };
    let place = PathBuf::from(file);
    let has = |system: &SystemUnits| system.locate(&format!("/{path}")) == Some(place.clone());
    has(old) && !has(new)
}

/// The processes of a control group and those below it.
fn processes(group: &Path) -> Vec<u32> {
    let mut found: Vec<u32> = fs::read_to_string(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(processes(&entry.path()));
        }
    }
    found
}

/// The files of the store that a process has mapped. None of a process that has ended.
fn mapped(process: u32) -> BTreeSet<String> {
    let maps = fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
    files(&String::from_utf8_lossy(&maps))
}

fn files(maps: &str) -> BTreeSet<String> {
    maps.lines()
        .filter_map(|line| line.find(STORE).map(|at| &line[at..]))
        .map(|path| path.strip_suffix(" (deleted)").unwrap_or(path).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn maps_name_files_of_the_store_once() {
        let maps = "55d0-55d1 r--p 00000000 08:01 12 /nix/store/h-a-deb/usr/bin/a\n\
                    55d1-55d2 r-xp 00001000 08:01 12 /nix/store/h-a-deb/usr/bin/a\n\
                    7f00-7f01 rw-p 00000000 00:00 0 [heap]\n7f01-7f02 rw-p 00000000 00:00 0 \n\
                    7f02-7f03 r--p 00000000 08:01 13 /nix/store/h-b-deb/usr/lib/b c.so (deleted)\n\
                    7f04-7f05 r--s 00000000 08:01 14 /var/log/journal/x\n";
        let expected = [
            "/nix/store/h-a-deb/usr/bin/a",
            "/nix/store/h-b-deb/usr/lib/b c.so",
        ];
        assert_eq!(files(maps), expected.map(ToOwned::to_owned).into());
    }

    #[test]
    fn a_file_is_outdated_when_only_the_old_system_has_it_there() {
        let folder = tempfile::tempdir().unwrap();
        let system = |name: &str, target: &str| {
            let top = folder.path().join(name);
            fs::create_dir_all(top.join("sw/bin")).unwrap();
            symlink(target, top.join("sw/bin/sh")).unwrap();
            SystemUnits::of(&top)
        };
        let (here, there) = ("/proc/self/stat", "/proc/self/status");
        let (one, two) = (system("one", here), system("two", there));
        // The store is not the test's to write to: outside it nothing is ever out of date.
        assert!(!is_outdated(&one, &two, here));
        assert_eq!(one.locate("/usr/bin/sh"), fs::canonicalize(here).ok());
        assert_eq!(one.locate("/usr/bin/none"), None);
        assert_eq!(one.locate("/var/x"), None);
    }

    #[test]
    fn a_group_has_its_processes_and_those_below() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("cgroup.procs"), "1\n").unwrap();
        fs::write(folder.path().join("a/b/cgroup.procs"), "2\n3\n").unwrap();
        assert_eq!(processes(folder.path()), [1, 2, 3]);
        assert!(mapped(0).is_empty());
    }
}
