//! Pinning: the newest signed indices of a suite and of its updates.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::download::{Download, download};
use super::lock::{Archive, Index, Lock};
use super::mirror::{DEBIAN, MIRROR_VARIABLE, Mirrors, SECURITY, SECURITY_MIRROR_VARIABLE};
use super::release::Release;
use super::signature::Keyring;
use super::{Client, File};
use crate::error::{Error, Result};
use flk_address::Address;

/// What to pin.
#[derive(Debug)]
pub struct Update<'a> {
    /// The suite's codename: `trixie`. `<suite>-updates` and `<suite>-security` are taken along.
    pub suite: &'a str,
    /// `main`, `non-free-firmware`.
    pub components: &'a [&'a str],
    /// The keys that are trusted to sign.
    pub keyring: &'a Keyring,
    /// The time by which a signature or a suite is out of date.
    pub now: SystemTime,
    /// Where the indices go, each in a folder of its digest, under its store name.
    pub directory: &'a Path,
}

/// What was pinned.
#[derive(Debug)]
pub struct Updated {
    /// The mirrors that have been proven.
    pub mirrors: Mirrors,
    /// The pin.
    pub lock: Lock,
    /// The indices that it names, and where they are.
    pub files: Vec<(File, PathBuf)>,
    /// What the machine's mirrors do not have, a sentence each.
    pub missing: Vec<String>,
}

/// More than any `InRelease` has, in bytes.
const RELEASE_LIMIT: u64 = 16 << 20;

/// Fetches and verifies the signed descriptions of the suites, then the indices that they name.
///
/// A suite of updates that a mirror does not have, and a security mirror that the machine does not know, are told in
/// [`Updated::missing`]. `progress` gets the number of bytes of indices that are there, as it grows.
///
/// # Errors
/// When the suite itself is not there, a signature is not good, a suite is out of date, or a file is not what was signed.
pub fn update(
    client: &Client,
    mirrors: &Mirrors,
    options: &Update<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Updated> {
    let updates = format!("{}-updates", options.suite);
    let security = format!("{}-security", options.suite);
    let mut archives = Vec::new();
    let mut missing = Vec::new();
    let mut mirrors = mirrors.clone();
    for (mirror, suite, is_needed) in [
        (DEBIAN, options.suite, true),
        (DEBIAN, updates.as_str(), false),
        (SECURITY, security.as_str(), false),
    ] {
        if mirrors.base(mirror).is_none() {
            let variable = if mirror == SECURITY {
                SECURITY_MIRROR_VARIABLE
            } else {
                MIRROR_VARIABLE
            };
            missing.push(format!(
                "this machine's apt sources name no mirror for `{suite}`, and {variable} is not set"
            ));
            continue;
        }
        match first_that_has(client, &mirrors, options, (mirror, suite)) {
            Ok((base, found)) => {
                mirrors.proven(mirror, &base);
                archives.extend(found);
            }
            Err(Error::NoSuite { .. }) if !is_needed => {
                missing.push(format!("the mirror `{mirror}` has no suite `{suite}`"));
            }
            // What claims to be the security archive and is not does not keep the packages from being pinned.
            Err(error @ Error::NotDebian { .. }) if !is_needed => missing.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let lock = Lock::new(options.suite, archives);
    let files = lock.files();
    let paths = download(
        &files,
        &Download {
            client,
            mirrors: &mirrors,
            directory: options.directory,
            threads: 4,
        },
        progress,
    )?;
    Ok(Updated {
        mirrors,
        lock,
        files: files.into_iter().zip(paths).collect(),
        missing,
    })
}

/// The first of what may be the mirror that proves to be it, by an `InRelease` that Debian has signed; and the pins of the suite.
fn first_that_has(
    client: &Client,
    mirrors: &Mirrors,
    options: &Update<'_>,
    (mirror, suite): (&str, &str),
) -> Result<(Address, Vec<Archive>)> {
    let bases = mirrors.bases(mirror);
    let mut rejected = Vec::new();
    let mut only = None;
    for base in bases {
        let is_given = mirrors.is_given(mirror);
        let failure = match suite_archives(client, base, is_given, options, (mirror, suite)) {
            Ok(Some(found)) => return Ok((base.clone(), found)),
            Ok(None) => Error::NoSuite {
                suite: suite.to_owned(),
                address: release_address(base, suite),
            },
            Err(failure) => failure,
        };
        rejected.push(match std::error::Error::source(&failure) {
            Some(source) => format!("{failure}: {source}"),
            None => failure.to_string(),
        });
        only = Some(failure);
    }
    match only {
        // Of one alone that the user named, or that did not answer, what is wrong with it.
        Some(failure)
            if bases.len() == 1
                && (mirrors.is_given(mirror) || matches!(failure, Error::Fetch { .. })) =>
        {
            Err(failure)
        }
        _ => Err(Error::NotDebian {
            variable: if mirror == SECURITY {
                SECURITY_MIRROR_VARIABLE
            } else {
                MIRROR_VARIABLE
            },
            rejected,
        }),
    }
}

fn release_address(base: &Address, suite: &str) -> Address {
    base.join(&format!("dists/{suite}/InRelease"))
}

/// The pins of one suite's components. `None` when the mirror does not have the suite.
fn suite_archives(
    client: &Client,
    base: &Address,
    is_given: bool,
    options: &Update<'_>,
    (mirror, suite): (&str, &str),
) -> Result<Option<Vec<Archive>>> {
    let address = release_address(base, suite);
    let Some(bytes) = client.fetch(&address, RELEASE_LIMIT)? else {
        return Ok(None);
    };
    let text = options.keyring.verify(
        &String::from_utf8_lossy(&bytes),
        address.clone(),
        options.now,
    )?;
    let fault = |reason: String| Error::Release {
        address: address.clone(),
        reason,
    };
    let release = Release::parse(&text, suite, options.now).map_err(fault)?;
    // Whom the user names he trusts, if the keyring does.
    if !is_given && let Some(origin) = release.foreign_origin() {
        return Err(fault(format!("is of `{origin}`, not of Debian")));
    }
    options
        .components
        .iter()
        .map(|component| {
            let plain = format!("{component}/binary-amd64/Packages.xz");
            let listed = release
                .listed(&plain)
                .ok_or_else(|| fault(format!("lists no `{plain}`")))?;
            let path = if release.has_by_hash() {
                format!(
                    "dists/{suite}/{component}/binary-amd64/by-hash/SHA256/{}",
                    listed.sha256
                )
            } else {
                format!("dists/{suite}/{plain}")
            };
            Ok(Archive {
                mirror: mirror.to_owned(),
                suite: suite.to_owned(),
                component: (*component).to_owned(),
                date: release.date.to_string(),
                index: Index {
                    path,
                    sha256: listed.sha256,
                    size: listed.size,
                },
            })
        })
        .collect::<Result<Vec<_>>>()
        .map(Some)
}
