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
        match suite_archives(client, mirrors, options, (mirror, suite))? {
            Some(found) => archives.extend(found),
            None if is_needed => {
                return Err(Error::NoSuite {
                    suite: suite.to_owned(),
                    address: release_address(mirrors, mirror, suite)?,
                });
            }
            None => missing.push(format!("the mirror `{mirror}` has no suite `{suite}`")),
        }
    }
    let lock = Lock::new(options.suite, archives);
    let files = lock.files();
    let paths = download(
        &files,
        &Download {
            client,
            mirrors,
            directory: options.directory,
            threads: 4,
        },
        progress,
    )?;
    Ok(Updated {
        lock,
        files: files.into_iter().zip(paths).collect(),
        missing,
    })
}

fn release_address(mirrors: &Mirrors, mirror: &str, suite: &str) -> Result<String> {
    mirrors.address(mirror, &format!("dists/{suite}/InRelease"))
}

/// The pins of one suite's components. `None` when the mirror does not have the suite.
fn suite_archives(
    client: &Client,
    mirrors: &Mirrors,
    options: &Update<'_>,
    (mirror, suite): (&str, &str),
) -> Result<Option<Vec<Archive>>> {
    let address = release_address(mirrors, mirror, suite)?;
    let Some(bytes) = client.fetch(&address, RELEASE_LIMIT)? else {
        return Ok(None);
    };
    let text = options
        .keyring
        .verify(&String::from_utf8_lossy(&bytes), &address, options.now)?;
    let fault = |reason: String| Error::Release {
        address: address.clone(),
        reason,
    };
    let release = Release::parse(&text, suite, options.now).map_err(fault)?;
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
