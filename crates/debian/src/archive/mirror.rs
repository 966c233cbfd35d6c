//! Which mirrors the machine uses: apt's sources, sources.list(5), in both of their forms.
//!
//! Understood are `http:` and `https:` addresses and lists of them (`mirror+file:`). No address is built in. A machine without apt, live or installed by
//! flk, has a record of them instead: `mirrors.json`, version 1 (ARCHITECTURE.md).

use std::fs;
use std::io;
use std::path::Path;

use flk_address::Address;
use serde::{Deserialize, Serialize};

use crate::control;
use crate::error::{Error, Result};

/// Names the main archive's mirror.
pub const MIRROR_VARIABLE: &str = "FLK_DEBIAN_MIRROR";
/// Names the security archive's mirror.
pub const SECURITY_MIRROR_VARIABLE: &str = "FLK_DEBIAN_SECURITY_MIRROR";

/// The name of the main archive in locks and indices.
pub(crate) const DEBIAN: &str = "debian";
/// The name of the security archive in locks and indices.
pub(crate) const SECURITY: &str = "debian-security";

/// The version of `mirrors.json`.
const VERSION: u32 = 1;

/// The base addresses of the archives, without a slash at the end: for each archive those that may be its mirror, the likeliest first.
///
/// What apt's sources say is a guess: other archives have suites called `stable` and components called `main` as well. [`super::update`] proves a mirror
/// by what it has signed, and a download by its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    debian: Candidates,
    security: Candidates,
    passed_over: Vec<String>,
}

/// What may be an archive's mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Candidates {
    addresses: Vec<Address>,
    /// The user said it, so there is no other.
    is_given: bool,
}

impl Candidates {
    fn of(given: Option<Address>, found: Vec<Address>, record: Option<&Candidates>) -> Self {
        let is_given = given.is_some();
        let mut addresses: Vec<Address> = given.into_iter().collect();
        if !is_given {
            let recorded = record.map(|record| record.addresses.as_slice());
            for address in found.iter().chain(recorded.unwrap_or_default()) {
                if !addresses.contains(address) {
                    addresses.push(address.clone());
                }
            }
        }
        Self {
            addresses,
            is_given,
        }
    }

    /// Puts one that is known to be good first.
    fn prefer(&mut self, good: &Candidates) {
        let is_good = |address: &Address| good.addresses.contains(&address.without_user());
        // Stable: the order is kept otherwise.
        self.addresses.sort_by_key(|address| !is_good(address));
    }
}

/// `mirrors.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    debian: String,
    #[serde(
        rename = "debian-security",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    security: Option<String>,
}

/// One line, or one paragraph, of apt's sources.
#[derive(Debug, Default)]
struct Source {
    addresses: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    is_signed_by_debian: bool,
}

impl Mirrors {
    /// Finds the mirrors: those given (the values of [`MIRROR_VARIABLE`] and [`SECURITY_MIRROR_VARIABLE`]), else what apt's sources in `apt`
    /// (`/etc/apt`) say, else those of a record. The security mirror may be missing.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when there is no main mirror.
    pub fn discover(
        apt: &Path,
        (debian, security): (Option<&str>, Option<&str>),
        record: Option<&Mirrors>,
    ) -> Result<Self> {
        let given = |value: Option<&str>| {
            value
                .map(|value| value.trim().trim_end_matches('/'))
                .filter(|value| !value.is_empty())
                .map(Address::from)
        };
        let (sources, passed_over) = read_sources(apt);
        let found = Self {
            debian: Candidates::of(
                given(debian),
                choose(&sources, is_main_suite),
                record.map(|record| &record.debian),
            ),
            security: Candidates::of(
                given(security),
                choose(&sources, is_security_suite),
                record.map(|record| &record.security),
            ),
            passed_over,
        };
        if found.debian.addresses.is_empty() {
            return Err(Error::NoMirror {
                variable: MIRROR_VARIABLE,
                sources: apt.to_owned(),
                rejected: found.passed_over,
            });
        }
        Ok(found)
    }

    /// Apt's sources that could not be read, a sentence each.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Puts mirrors first that have been proven, as a record has them.
    #[must_use]
    pub fn preferring(mut self, proven: &Mirrors) -> Self {
        self.debian.prefer(&proven.debian);
        self.security.prefer(&proven.security);
        self
    }

    /// These mirrors with nothing but a proven one for an archive.
    pub(crate) fn proven(&mut self, mirror: &str, address: &Address) {
        let candidates = match mirror {
            SECURITY => &mut self.security,
            _ => &mut self.debian,
        };
        candidates.addresses = vec![address.clone()];
    }

    /// Reads a record, `mirrors.json`; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Json`] when it is something else.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read", path))?,
        };
        let record: Record = serde_json::from_slice(&text).map_err(|source| Error::Json {
            path: path.to_owned(),
            source,
        })?;
        let one = |address: Option<String>| Candidates {
            addresses: address.into_iter().map(Address::from).collect(),
            is_given: false,
        };
        Ok((record.version == VERSION).then_some(Self {
            debian: one(Some(record.debian)),
            security: one(record.security),
            passed_over: Vec::new(),
        }))
    }

    /// The record of these mirrors. Names and passwords of users are left out: anybody may read it.
    pub fn record(&self) -> String {
        let plain = |mirror| {
            let base: Option<&Address> = self.base(mirror);
            base.map(|base| base.without_user().expose().to_owned())
        };
        let record = Record {
            version: VERSION,
            debian: plain(DEBIAN).unwrap_or_default(),
            security: plain(SECURITY),
        };
        // Strings and a number always have a JSON form.
        serde_json::to_string(&record).unwrap_or_default() + "\n"
    }

    /// The base addresses of what may be the mirror of an archive, by its name in locks and indices, `debian` or `debian-security`.
    pub fn bases(&self, name: &str) -> &[Address] {
        match name {
            DEBIAN => &self.debian.addresses,
            SECURITY => &self.security.addresses,
            _ => &[],
        }
    }

    /// The likeliest of them.
    pub fn base(&self, name: &str) -> Option<&Address> {
        self.bases(name).first()
    }

    /// Whether the user said which mirror it is.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        match name {
            SECURITY => self.security.is_given,
            _ => self.debian.is_given,
        }
    }

    /// The address of a file at the likeliest mirror.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when this machine has no mirror of that name.
    pub fn address(&self, mirror: &str, path: &str) -> Result<Address> {
        self.addresses(mirror, path)
            .map(|addresses| addresses[0].clone())
    }

    /// The addresses of a file at everything that may be the mirror; at least one.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when this machine has no mirror of that name.
    pub(crate) fn addresses(&self, mirror: &str, path: &str) -> Result<Vec<Address>> {
        let bases = self.bases(mirror);
        if bases.is_empty() {
            return Err(Error::NoMirror {
                variable: if mirror == SECURITY {
                    SECURITY_MIRROR_VARIABLE
                } else {
                    MIRROR_VARIABLE
                },
                sources: Path::new("apt").to_owned(),
                rejected: self.passed_over.clone(),
            });
        }
        Ok(bases.iter().map(|base| base.join(path)).collect())
    }
}

/// The addresses of the sources that have such a suite and the component `main`; those that are surely Debian's come before those that only call
/// their suite as Debian does.
fn choose(sources: &[Source], is_wanted: fn(&str) -> bool) -> Vec<Address> {
    let mut candidates: Vec<(bool, &String)> = sources
        .iter()
        .filter(|source| {
            source.suites.iter().any(|suite| is_wanted(suite))
                && source
                    .components
                    .iter()
                    .any(|component| component == "main")
        })
        .flat_map(|source| {
            source.addresses.iter().map(|address| {
                let is_sure = source.is_signed_by_debian
                    || address.ends_with("/debian")
                    || address.ends_with("/debian-security");
                (!is_sure, address)
            })
        })
        .collect();
    // Stable: the first of the best.
    candidates.sort_by_key(|(is_unsure, _)| *is_unsure);
    let mut addresses = Vec::new();
    for (_, address) in candidates {
        let address = Address::from(address.as_str());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Suites of Debian's own archive. Other distributions' sources have other ones.
const SUITES: [&str; 14] = [
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "stable",
    "oldstable",
    "oldoldstable",
    "testing",
    "unstable",
    "experimental",
    "rc-buggy",
];

fn is_main_suite(suite: &str) -> bool {
    SUITES.contains(&suite)
}

fn is_security_suite(suite: &str) -> bool {
    suite
        .strip_suffix("-security")
        .or_else(|| suite.strip_suffix("/updates"))
        .is_some_and(is_main_suite)
}

/// All sources in the order in which apt reads them, and a sentence for each file that cannot be read: a list of somebody's that only root may read.
fn read_sources(apt: &Path) -> (Vec<Source>, Vec<String>) {
    let mut files = vec![apt.join("sources.list")];
    let parts = apt.join("sources.list.d");
    let mut passed_over = Vec::new();
    let mut pass_over = |path: &Path, error: &io::Error| {
        passed_over.push(format!("{} is passed over: {error}", path.display()));
    };
    match fs::read_dir(&parts) {
        Ok(entries) => {
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            names.sort();
            files.extend(names);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => pass_over(&parts, &error),
    }
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let suffix = file.extension().and_then(|suffix| suffix.to_str());
        if !matches!(suffix, Some("list" | "sources")) {
            continue;
        }
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                pass_over(file, &error);
                continue;
            }
        };
        match suffix {
            Some("list") => sources.extend(text.lines().filter_map(parse_line)),
            _ => sources.extend(parse_paragraphs(&text)),
        }
    }
    for source in &mut sources {
        source.addresses = source
            .addresses
            .iter()
            .flat_map(|address| expand(address))
            .collect();
    }
    (sources, passed_over)
}

/// `NAME "VALUE";`, as `apt-config dump` writes it.
pub(super) fn split_quoted(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().split_once(' ')?;
    let value = rest.trim().strip_prefix('"')?.strip_suffix("\";")?;
    Some((name, value))
}

/// `deb [ option=value … ] address suite component …`
fn parse_line(line: &str) -> Option<Source> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        addresses: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        is_signed_by_debian: options.contains("debian-archive-keyring"),
    })
}

fn parse_paragraphs(text: &str) -> Vec<Source> {
    control::parse(text)
        .iter()
        .filter(|paragraph| {
            let is_enabled = paragraph.get("Enabled").is_none_or(|value| {
                !matches!(
                    value.to_ascii_lowercase().as_str(),
                    "no" | "false" | "off" | "0"
                )
            });
            let is_binary = paragraph
                .get("Types")
                .is_some_and(|types| types.split_whitespace().any(|kind| kind == "deb"));
            is_enabled && is_binary
        })
        .map(|paragraph| {
            let words = |name: &str| {
                paragraph
                    .get(name)
                    .unwrap_or_default()
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect()
            };
            Source {
                addresses: words("URIs"),
                suites: words("Suites"),
                components: words("Components"),
                is_signed_by_debian: paragraph
                    .get("Signed-By")
                    .is_some_and(|keyring| keyring.contains("debian-archive-keyring")),
            }
        })
        .collect()
}

/// An address that can be fetched from; those in the file for a list of mirrors; nothing for other transports.
fn expand(address: &str) -> Vec<String> {
    let is_fetchable =
        |address: &str| address.starts_with("http://") || address.starts_with("https://");
    if is_fetchable(address) {
        return vec![address.trim_end_matches('/').to_owned()];
    }
    let Some(file) = address.strip_prefix("mirror+file:") else {
        return Vec::new();
    };
    let file = format!("/{}", file.trim_start_matches('/'));
    // A list that is not there names no mirror, as apt has it.
    fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|address| is_fetchable(address))
        .map(|address| address.trim_end_matches('/').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discover(files: &[(&str, &str)]) -> Result<Mirrors> {
        let apt = tempfile::tempdir().unwrap();
        fs::create_dir(apt.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(apt.path().join(name), text).unwrap();
        }
        Mirrors::discover(apt.path(), (None, None), None)
    }

    #[test]
    fn both_forms_of_sources_are_read() {
        let line = (
            "sources.list",
            "# deb http://no.example/debian trixie main\n\
             deb-src http://src.example/debian bookworm main\n\
             deb [arch=amd64 trusted=yes] http://one.example/debian/ bookworm main contrib # yes\n\
             deb http://one.example/debian-security bookworm-security main\n",
        );
        let mirrors = discover(&[line]).unwrap();
        assert_eq!(
            mirrors.base("debian").map(Address::expose),
            Some("http://one.example/debian")
        );
        assert_eq!(
            mirrors.base("debian-security").map(Address::expose),
            Some("http://one.example/debian-security")
        );

        let paragraph = (
            "sources.list.d/debian.sources",
            "Types: deb deb-src\nURIs: cdrom:[x] https://two.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: https://off.example/debian-security\nSuites: trixie-security\nComponents: main\n",
        );
        let mirrors = discover(&[paragraph]).unwrap();
        assert_eq!(
            mirrors.base("debian").map(Address::expose),
            Some("https://two.example/debian")
        );
        assert_eq!(mirrors.base("debian-security").map(Address::expose), None);
    }

    #[test]
    fn other_peoples_archives_are_not_debian() {
        let others = (
            "sources.list.d/a.list",
            "deb https://other.example/apt bookworm main\n\
             deb https://docker.example/linux/debian bookworm stable\n\
             deb http://ubuntu.example/ubuntu noble main\n",
        );
        let debian = (
            "sources.list.d/b.sources",
            "Types: deb\nURIs: http://real.example/mirror\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        );
        let mirrors = discover(&[others, debian]).unwrap();
        // The other one is asked if that is none.
        let bases: Vec<&str> = mirrors
            .bases("debian")
            .iter()
            .map(Address::expose)
            .collect();
        assert_eq!(
            bases,
            ["http://real.example/mirror", "https://other.example/apt"]
        );
        assert_eq!(mirrors.base("debian-security"), None);
    }

    #[test]
    fn what_cannot_be_read_and_is_not_needed_is_passed_over() {
        let apt = tempfile::tempdir().unwrap();
        let parts = apt.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        // A file that not even root can read from its beginning.
        std::os::unix::fs::symlink("/proc/self/mem", parts.join("private.list")).unwrap();
        fs::write(
            parts.join("latin.list"),
            b"# \xfc\ndeb http://one.example/debian trixie main\n",
        )
        .unwrap();
        let mirrors = Mirrors::discover(apt.path(), (None, None), None).unwrap();
        assert_eq!(
            mirrors.base("debian").map(Address::expose),
            Some("http://one.example/debian")
        );
        let [line] = mirrors.passed_over() else {
            panic!("{:?}", mirrors.passed_over());
        };
        assert!(line.contains("private.list is passed over: "), "{line}");
        // Where it is needed, the error says so.
        fs::remove_file(parts.join("latin.list")).unwrap();
        let error = Mirrors::discover(apt.path(), (None, None), None).unwrap_err();
        assert!(
            error.to_string().contains("private.list is passed over"),
            "{error}"
        );
    }

    #[test]
    fn what_is_proven_comes_first() {
        let line = (
            "sources.list",
            "deb http://a.example/debian trixie main\ndeb http://me:x@b.example/debian trixie main\ndeb http://c.example/x trixie main\n",
        );
        let mirrors = discover(&[line]).unwrap();
        let given = (Some("http://b.example/debian"), None);
        let proven = Mirrors::discover(Path::new("/nowhere"), given, None).unwrap();
        let bases: Vec<String> = mirrors
            .preferring(&proven)
            .bases("debian")
            .iter()
            .map(|base| base.expose().to_owned())
            .collect();
        assert_eq!(
            bases,
            [
                "http://me:x@b.example/debian",
                "http://a.example/debian",
                "http://c.example/x"
            ]
        );
    }

    #[test]
    fn no_mirror_is_an_error_that_says_what_to_set() {
        let error = discover(&[]).unwrap_err().to_string();
        assert!(error.contains("set FLK_DEBIAN_MIRROR"), "{error}");
        let given = (Some("http://x/debian/"), Some(" "));
        let given = Mirrors::discover(Path::new("/nowhere"), given, None).unwrap();
        assert_eq!(
            given.base("debian").map(Address::expose),
            Some("http://x/debian")
        );
        assert_eq!(given.base("debian-security").map(Address::expose), None);
    }

    #[test]
    fn a_record_comes_last_and_has_no_passwords() {
        let given = (
            Some("http://me:secret@one.example:80/debian"),
            Some("https://two.example/a@b"),
        );
        let mirrors = Mirrors::discover(Path::new("/nowhere"), given, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mirrors.json");
        assert_eq!(Mirrors::read(&file).unwrap(), None);
        fs::write(&file, mirrors.record()).unwrap();
        let record = Mirrors::read(&file).unwrap().unwrap();
        assert_eq!(
            record.base("debian").map(Address::expose),
            Some("http://one.example:80/debian")
        );
        assert_eq!(
            record.base("debian-security").map(Address::expose),
            Some("https://two.example/a@b")
        );

        let discover = |given| Mirrors::discover(Path::new("/nowhere"), given, Some(&record));
        assert_eq!(discover((None, None)).unwrap(), record);
        let given = discover((Some("http://x"), None)).unwrap();
        assert_eq!(given.base("debian").map(Address::expose), Some("http://x"));
        assert_eq!(given.security, record.security);
        fs::write(&file, "{}").unwrap();
        assert!(Mirrors::read(&file).is_err());
    }
}
