//! Which mirrors the machine uses: apt's sources, sources.list(5), in both of their forms.
//!
//! Understood are `http:` and `https:` addresses and lists of them (`mirror+file:`). No address is built in. A machine without apt, live or installed by
//! flk, has a record of them instead: `mirrors.json`, version 1 (ARCHITECTURE.md).

use std::fs;
use std::path::Path;

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

/// The base addresses of the archives, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    debian: String,
    security: Option<String>,
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
    /// [`Error::NoMirror`] when there is no main mirror; when a source cannot be read.
    pub fn discover(
        apt: &Path,
        (debian, security): (Option<&str>, Option<&str>),
        record: Option<&Mirrors>,
    ) -> Result<Self> {
        let given = |value: Option<&str>| {
            value
                .map(|value| value.trim().trim_end_matches('/').to_owned())
                .filter(|value| !value.is_empty())
        };
        let sources = read_sources(apt)?;
        let debian = given(debian)
            .or_else(|| choose(&sources, is_main_suite))
            .or_else(|| record.map(|record| record.debian.clone()))
            .ok_or_else(|| Error::NoMirror {
                variable: MIRROR_VARIABLE,
                sources: apt.to_owned(),
            })?;
        let security = given(security)
            .or_else(|| choose(&sources, is_security_suite))
            .or_else(|| record.and_then(|record| record.security.clone()));
        Ok(Self { debian, security })
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
        Ok((record.version == VERSION).then_some(Self {
            debian: record.debian,
            security: record.security,
        }))
    }

    /// The record of these mirrors. Names and passwords of users are left out: anybody may read it.
    pub fn record(&self) -> String {
        let record = Record {
            version: VERSION,
            debian: without_user(&self.debian),
            security: self.security.as_deref().map(without_user),
        };
        // Strings and a number always have a JSON form.
        serde_json::to_string(&record).unwrap_or_default() + "\n"
    }

    /// The base address of an archive by its name in locks and indices, `debian` or `debian-security`.
    pub fn base(&self, name: &str) -> Option<&str> {
        match name {
            DEBIAN => Some(&self.debian),
            SECURITY => self.security.as_deref(),
            _ => None,
        }
    }

    /// The address of a file.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when this machine has no mirror of that name.
    pub fn address(&self, mirror: &str, path: &str) -> Result<String> {
        let base = self.base(mirror).ok_or_else(|| Error::NoMirror {
            variable: if mirror == SECURITY {
                SECURITY_MIRROR_VARIABLE
            } else {
                MIRROR_VARIABLE
            },
            sources: Path::new("apt").to_owned(),
        })?;
        Ok(format!("{base}/{path}"))
    }
}

/// `http://user:password@host/path` → `http://host/path`.
fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The address of the first source that has such a suite and the component `main`; one that is surely Debian's comes before
/// one that only calls its suite as Debian does.
fn choose(sources: &[Source], is_wanted: fn(&str) -> bool) -> Option<String> {
    let mut candidates: Vec<(bool, &String)> = sources
        .iter()
        .filter(|source| {
            source.suites.iter().any(|suite| is_wanted(suite))
                && source
                    .components
                    .iter()
                    .any(|component| component == "main")
        })
        .filter_map(|source| {
            let address = source.addresses.first()?;
            let is_sure = source.is_signed_by_debian
                || address.ends_with("/debian")
                || address.ends_with("/debian-security");
            Some((!is_sure, address))
        })
        .collect();
    // Stable: the first of the best.
    candidates.sort_by_key(|(is_unsure, _)| *is_unsure);
    candidates.first().map(|(_, address)| (*address).clone())
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

/// All sources in the order in which apt reads them.
fn read_sources(apt: &Path) -> Result<Vec<Source>> {
    let mut files = vec![apt.join("sources.list")];
    let parts = apt.join("sources.list.d");
    if parts.is_dir() {
        let mut names = fs::read_dir(&parts)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(Error::io("list", &parts))?;
        names.sort();
        files.extend(names);
    }
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let read = || fs::read_to_string(file).map_err(Error::io("read", file));
        match file.extension().and_then(|suffix| suffix.to_str()) {
            Some("list") => sources.extend(read()?.lines().filter_map(parse_line)),
            Some("sources") => sources.extend(parse_paragraphs(&read()?)),
            _ => {}
        }
    }
    for source in &mut sources {
        source.addresses = source
            .addresses
            .iter()
            .flat_map(|address| expand(address))
            .collect();
    }
    Ok(sources)
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
        assert_eq!(mirrors.base("debian"), Some("http://one.example/debian"));
        assert_eq!(
            mirrors.base("debian-security"),
            Some("http://one.example/debian-security")
        );

        let paragraph = (
            "sources.list.d/debian.sources",
            "Types: deb deb-src\nURIs: cdrom:[x] https://two.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: https://off.example/debian-security\nSuites: trixie-security\nComponents: main\n",
        );
        let mirrors = discover(&[paragraph]).unwrap();
        assert_eq!(mirrors.base("debian"), Some("https://two.example/debian"));
        assert_eq!(mirrors.base("debian-security"), None);
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
        assert_eq!(mirrors.base("debian"), Some("http://real.example/mirror"));
    }

    #[test]
    fn no_mirror_is_an_error_that_says_what_to_set() {
        let error = discover(&[]).unwrap_err().to_string();
        assert!(error.contains("set FLK_DEBIAN_MIRROR"), "{error}");
        let given = (Some("http://x/debian/"), Some(" "));
        let given = Mirrors::discover(Path::new("/nowhere"), given, None).unwrap();
        assert_eq!(given.base("debian"), Some("http://x/debian"));
        assert_eq!(given.base("debian-security"), None);
    }

    #[test]
    fn a_record_comes_last_and_has_no_passwords() {
        let mirrors = Mirrors {
            debian: "http://me:secret@one.example:80/debian".to_owned(),
            security: Some("https://two.example/a@b".to_owned()),
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mirrors.json");
        assert_eq!(Mirrors::read(&file).unwrap(), None);
        fs::write(&file, mirrors.record()).unwrap();
        let record = Mirrors::read(&file).unwrap().unwrap();
        assert_eq!(record.base("debian"), Some("http://one.example:80/debian"));
        assert_eq!(
            record.base("debian-security"),
            Some("https://two.example/a@b")
        );

        let discover = |given| Mirrors::discover(Path::new("/nowhere"), given, Some(&record));
        assert_eq!(discover((None, None)).unwrap(), record);
        let given = discover((Some("http://x"), None)).unwrap();
        assert_eq!(given.base("debian"), Some("http://x"));
        assert_eq!(given.security, record.security);
        fs::write(&file, "{}").unwrap();
        assert!(Mirrors::read(&file).is_err());
    }
}
