//! Certificate authorities: the bundle and the folder that `update-ca-certificates` makes of `ca-certificates`' files.
//!
//! Every certificate that a package ships below `/usr/share/ca-certificates` is trusted. Not made: OpenSSL's links by hash.

use std::path::PathBuf;

use super::folder;
use super::raw::Raw;
use crate::error::{Error, Result};

/// One certificate of a package.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Its name in `/etc/ssl/certs`: `NAME.pem`.
    pub(crate) name: String,
    /// Its place on the system, below `/usr/share/ca-certificates`.
    pub(crate) installed: PathBuf,
    /// Its text.
    pub(crate) content: Vec<u8>,
}

/// All certificates, in the order of their paths.
pub(crate) fn certificates(raws: &[Raw]) -> Result<Vec<Certificate>> {
    let mut certificates = Vec::new();
    for raw in raws {
        let root = raw.path.join("usr/share/ca-certificates");
        for group in folder::list_if_present(&root)? {
            for file in folder::list_if_present(&root.join(&group))? {
                let path = root.join(&group).join(&file);
                let name = file.to_string_lossy();
                let Some(stem) = name.strip_suffix(".crt") else {
                    continue;
                };
                let stem: String = stem
                    .chars()
                    .map(|character| match character {
                        ' ' | ',' => '_',
                        '(' | ')' => '=',
                        other => other,
                    })
                    .collect();
                certificates.push(Certificate {
                    name: format!("{stem}.pem"),
                    installed: PathBuf::from("/usr/share/ca-certificates")
                        .join(&group)
                        .join(&file),
                    content: std::fs::read(&path).map_err(Error::io("read", &path))?,
                });
            }
        }
    }
    certificates.sort_by(|a, b| a.installed.cmp(&b.installed));
    Ok(certificates)
}

/// All certificates in one file, each ended by a newline.
pub(crate) fn bundle(certificates: &[Certificate]) -> Vec<u8> {
    let mut bundle = Vec::new();
    for certificate in certificates {
        bundle.extend_from_slice(&certificate.content);
        if !certificate.content.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    bundle
}
