//! `InRelease`: what a suite consists of, signed. Debian's repository format, "Release files".

use std::time::SystemTime;

use super::date::Date;
use crate::control::{self, Paragraph};

/// The signed description of a suite.
#[derive(Debug)]
pub(crate) struct Release {
    /// When it was made, as RFC 3339 writes it.
    pub(crate) date: Date,
    paragraph: Paragraph,
}

/// A file that a suite lists.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

impl Release {
    /// Reads the signed text of `suite`'s `InRelease`.
    ///
    /// # Errors
    /// What it lacks, contradicts, or that it is no longer valid at `now`; for a sentence that begins with its address.
    pub(crate) fn parse(text: &str, suite: &str, now: SystemTime) -> Result<Self, String> {
        let paragraph = control::parse(text).into_iter().next().ok_or("is empty")?;
        let field = |name: &str| {
            paragraph
                .get(name)
                .ok_or_else(|| format!("has no field `{name}`"))
        };
        let codename = field("Codename")?;
        let alias = paragraph.get("Suite").unwrap_or_default();
        if codename != suite && alias != suite {
            return Err(format!(
                "is of the suite `{codename}` (`{alias}`), not of `{suite}`"
            ));
        }
        let date = field("Date")?;
        let date =
            Date::parse(date).ok_or_else(|| format!("has the date `{date}`, which is none"))?;
        if let Some(until) = paragraph.get("Valid-Until") {
            let until = Date::parse(until)
                .ok_or_else(|| format!("is valid until `{until}`, which is no date"))?;
            if until.is_before(now) {
                return Err(format!(
                    "was valid until {until}: the mirror is stale, or this machine's clock is wrong"
                ));
            }
        }
        Ok(Self { date, paragraph })
    }

    /// Whether files are to be had by their digest, so that they stay when the suite moves on.
    pub(crate) fn has_by_hash(&self) -> bool {
        self.paragraph.get("Acquire-By-Hash") == Some("yes")
    }

    /// Who made it, if that is not Debian.
    pub(crate) fn foreign_origin(&self) -> Option<&str> {
        let origin = self.paragraph.get("Origin").unwrap_or("nobody");
        (origin != "Debian").then_some(origin)
    }

    /// A file of the suite, by its path in it: `main/binary-amd64/Packages.xz`.
    pub(crate) fn listed(&self, path: &str) -> Option<Listed> {
        self.paragraph.get("SHA256")?.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let (sha256, size, name) = (words.next()?, words.next()?, words.next()?);
            if name != path || sha256.len() != 64 {
                return None;
            }
            Some(Listed {
                sha256: sha256.to_ascii_lowercase(),
                size: size.parse().ok()?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const TEXT: &str = "\
Origin: Debian
Suite: stable-security
Codename: trixie-security
Date: Sat, 21 Nov 2026 00:53:03 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:03 UTC
Acquire-By-Hash: yes
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/Contents-amd64
 f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec       20 main/binary-amd64/Packages.xz
";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn files_are_found_by_their_path() {
        let release = Release::parse(TEXT, "trixie-security", at(1_795_300_000)).unwrap();
        assert_eq!(release.date.to_string(), "2026-11-21T00:53:03Z");
        assert!(release.has_by_hash());
        assert_eq!(release.foreign_origin(), None);
        for (origin, expected) in [("code stable", "code stable"), ("", "")] {
            let text = TEXT.replace("Origin: Debian", &format!("Origin: {origin}"));
            let other = Release::parse(&text, "trixie-security", at(1_795_300_000)).unwrap();
            assert_eq!(other.foreign_origin(), Some(expected));
        }
        assert_eq!(
            release.listed("main/binary-amd64/Packages.xz"),
            Some(Listed {
                sha256: "f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec"
                    .to_owned(),
                size: 20
            })
        );
        assert_eq!(release.listed("main/binary-amd64/Packages"), None);
    }

    #[test]
    fn a_stale_or_wrong_suite_is_refused() {
        let error = Release::parse(TEXT, "trixie-security", at(1_796_000_000)).unwrap_err();
        assert!(
            error.contains("valid until 2026-11-28T00:53:03Z"),
            "{error}"
        );
        let error = Release::parse(TEXT, "trixie", at(1_795_300_000)).unwrap_err();
        assert!(error.contains("not of `trixie`"), "{error}");
    }
}
