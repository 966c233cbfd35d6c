//! Which mirrors the machine uses: apt's sources, sources.list(5), in both of their forms.
//!
//! Understood are `http:` and `https:` addresses and lists of them (`mirror+file:`). No address is built in.

use std::fs;
use std::path::Path;

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

/// The base addresses of the archives, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    debian: String,
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
    /// Finds the mirrors: `debian` and `security` where given (the values of [`MIRROR_VARIABLE`] and
    /// [`SECURITY_MIRROR_VARIABLE`]), else what apt's sources in `apt` (`/etc/apt`) say. The security mirror may be missing.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when there is no main mirror; when a source cannot be read.
    pub fn discover(apt: &Path, debian: Option<&str>, security: Option<&str>) -> Result<Self> {
        let given = |value: Option<&str>| {
            value
                .map(|value| value.trim().trim_end_matches('/').to_owned())
                .filter(|value| !value.is_empty())
        };
        let sources = read_sources(apt)?;
        let debian = given(debian)
            .or_else(|| choose(&sources, is_main_suite))
            .ok_or_else(|| Error::NoMirror {
                variable: MIRROR_VARIABLE,
                sources: apt.to_owned(),
            })?;
        let security = given(security).or_else(|| choose(&sources, is_security_suite));
        Ok(Self { debian, security })
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
    pub(crate) fn address(&self, mirror: &str, path: &str) -> Result<String> {
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
        Mirrors::discover(apt.path(), None, None)
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
        let given = Mirrors::discover(Path::new("/nowhere"), Some("http://x/debian/"), Some(" "));
        let given = given.unwrap();
        assert_eq!(given.base("debian"), Some("http://x/debian"));
        assert_eq!(given.base("debian-security"), None);
    }
}
