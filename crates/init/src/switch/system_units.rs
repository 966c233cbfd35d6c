//! The units of a toplevel: those of `etc/systemd/system`, then those that packages ship, with the drop-ins of both (systemd.unit(5), "Unit File Load Path").
//!
//! Also what the programs and files are that a service names: a package may change without a letter of its unit changing. Not supported: units that
//! generators make or that somebody put into `/etc` by hand (a switch leaves them alone), drop-ins for whole kinds (`service.d/`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::unit_file::UnitFile;

/// Below the toplevel, the first that has a unit wins.
const FOLDERS: [&str; 2] = ["etc/systemd/system", "sw/lib/systemd/system"];

/// A unit as a toplevel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemUnit {
    /// What its files say.
    pub file: UnitFile,
    /// The files that it names for its programs, each with what it is: where in the store it lies, or its content.
    pub programs: BTreeMap<String, String>,
    /// Whether a package ships it and the configuration only adds to it.
    pub is_shipped: bool,
}

/// The units of one toplevel.
#[derive(Debug, Clone)]
pub struct SystemUnits {
    toplevel: PathBuf,
}

impl SystemUnits {
    /// Those of this toplevel.
    pub fn of(toplevel: &Path) -> Self {
        Self {
            toplevel: toplevel.to_owned(),
        }
    }

    /// A unit, an instance of a template too. None where there is none, or where it is masked.
    pub fn find(&self, name: &str) -> Option<SystemUnit> {
        let template = template_of(name);
        let names = [Some(name), template.as_deref()];
        let (base, path, is_shipped) = names.into_iter().flatten().find_map(|name| {
            FOLDERS.iter().enumerate().find_map(|(index, folder)| {
                let path = self.toplevel.join(folder).join(name);
                fs::symlink_metadata(&path).ok()?;
                Some((name, path, index > 0))
            })
        })?;
        let path = self.resolve(&path)?;
        if path == Path::new("/dev/null") {
            return None;
        }
        let mut file = UnitFile::default();
        file.add(&read(&path)?);
        // Those of the template first, and of the packages before the configuration's.
        let mut of = vec![base];
        if base != name {
            of.push(name);
        }
        for name in of {
            for folder in FOLDERS.iter().rev() {
                for drop_in in drop_ins(&self.toplevel.join(folder).join(format!("{name}.d"))) {
                    file.add(&read(&drop_in).unwrap_or_default());
                }
            }
        }
        let programs = self.programs(&file);
        Some(SystemUnit {
            file,
            programs,
            is_shipped,
        })
    }

    /// The file system table.
    pub fn fstab(&self) -> String {
        read(&self.toplevel.join("etc/fstab")).unwrap_or_default()
    }

    /// Where a file that the running system has under `/usr` or `/etc` lies in the store, in this system. None for other paths, and where there is none.
    pub fn locate(&self, path: &str) -> Option<PathBuf> {
        fs::canonicalize(self.inside(path)?).ok()
    }

    fn inside(&self, path: &str) -> Option<PathBuf> {
        let rest = path.strip_prefix('/')?;
        let top = rest.split('/').next()?;
        Some(match top {
            "usr" => self.toplevel.join("sw").join(rest.strip_prefix("usr/")?),
            "bin" | "sbin" | "lib" | "lib64" => self.toplevel.join("sw").join(rest),
            "etc" => self.toplevel.join(rest),
            _ => return None,
        })
    }

    /// Follows the links of a unit's file; those into `/usr` and `/etc` are meant for this toplevel.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let Ok(target) = fs::read_link(&path) else {
                return Some(path);
            };
            path = match target.to_str().and_then(|target| self.inside(target)) {
                Some(inside) => inside,
                None => path.parent()?.join(target),
            };
        }
        None
    }

    fn programs(&self, file: &UnitFile) -> BTreeMap<String, String> {
        let Some(service) = file.sections().get("Service") else {
            return BTreeMap::new();
        };
        let lines = service
            .iter()
            .filter(|(key, _)| key.starts_with("Exec"))
            .flat_map(|(_, values)| values);
        let words = lines.flat_map(|line| line.split_whitespace());
        // Prefixes of a command (systemd.service(5)), and options with a value.
        let words = words.filter_map(|word| {
            let word = word.rsplit('=').next().unwrap_or(word);
            let word = word.trim_start_matches(['@', '-', ':', '+', '!', '|', '"', '\'']);
            Some(word.trim_end_matches(['"', '\'', ';'])).filter(|word| word.starts_with('/'))
        });
        words
            .filter_map(|word| Some((word.to_owned(), self.what_is(word)?)))
            .collect()
    }

    /// A file that is in a package is known by its place, one that was made with the system by its content.
    fn what_is(&self, path: &str) -> Option<String> {
        let place = self.locate(path)?;
        if !place.is_file() {
            return None;
        }
        let made_here = ["etc", "sw"].iter().any(|tree| {
            fs::canonicalize(self.toplevel.join(tree)).is_ok_and(|tree| place.starts_with(tree))
        });
        if made_here {
            let digest = Sha256::digest(fs::read(&place).ok()?);
            return Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Some(place.display().to_string())
    }
}

/// `getty@tty1.service` → `getty@.service`.
pub fn template_of(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
}

fn drop_ins(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "conf"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Option<String> {
    fs::read(path)
        .ok()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_unit_is_put_together_as_systemd_does_it() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let (etc, shipped) = (top.join(FOLDERS[0]), top.join(FOLDERS[1]));
        write(
            &shipped.join("a@.service"),
            "[Service]\nExecStart=/usr/bin/a\n",
        );
        write(&shipped.join("a@.service.d/10.conf"), "[Service]\nNice=1\n");
        write(
            &etc.join("a@.service.d/overrides.conf"),
            "[Service]\nNice=2\n",
        );
        write(&etc.join("a@x.service.d/o.conf"), "[Service]\nNice=3\n");
        write(&etc.join("a@x.service.d/o.txt"), "[Service]\nNice=4\n");
        symlink("/dev/null", etc.join("masked.service")).unwrap();
        write(&shipped.join("masked.service"), "[Unit]\n");
        // A name for a unit of the packages, as a running system has it.
        symlink("/usr/lib/systemd/system/a@.service", etc.join("b@.service")).unwrap();

        let units = SystemUnits::of(top);
        let unit = units.find("a@x.service").unwrap();
        assert_eq!(unit.file.values("Service", "Nice"), ["1", "2", "3"]);
        assert!(unit.is_shipped);
        assert_eq!(
            units
                .find("b@y.service")
                .unwrap()
                .file
                .value("Service", "ExecStart"),
            Some("/usr/bin/a")
        );
        assert_eq!(units.find("masked.service"), None);
        assert_eq!(units.find("c.service"), None);
    }

    #[test]
    fn programs_are_known_by_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        write(&top.join("store/one/bin/a"), "a");
        write(&top.join("store/conf"), "c");
        write(&top.join("sw/bin/shell"), "made with the system");
        write(&top.join("etc/made"), "made with the system");
        symlink(top.join("store/one/bin/a"), top.join("sw/bin/a")).unwrap();
        symlink(top.join("store/conf"), top.join("etc/conf")).unwrap();
        write(
            &top.join(FOLDERS[0]).join("a.service"),
            "[Service]\nExecStart=-@/bin/a a --config=/etc/conf \"/etc/made\" /etc/none /var/x /etc\nExecStop=/usr/bin/shell -c\nWorkingDirectory=/usr\n",
        );
        let unit = SystemUnits::of(top).find("a.service").unwrap();
        let digest = Sha256::digest("made with the system");
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let place = |name: &str| {
            fs::canonicalize(top.join(name))
                .unwrap()
                .display()
                .to_string()
        };
        let expected = [
            ("/bin/a", place("store/one/bin/a")),
            ("/etc/conf", place("store/conf")),
            ("/etc/made", digest.clone()),
            ("/usr/bin/shell", digest),
        ];
        let expected = expected.map(|(path, what)| (path.to_owned(), what));
        assert_eq!(unit.programs, expected.into());
    }

    #[test]
    fn instances_have_templates() {
        for (name, expected) in [
            ("getty@tty1.service", Some("getty@.service")),
            ("a@b.c.service", Some("a@.service")),
            ("getty@.service", None),
            ("a.service", None),
        ] {
            assert_eq!(template_of(name).as_deref(), expected, "{name}");
        }
    }
}
