//! The build id: the name of what is on an ISO.
//!
//! BLAKE3, the first 16 bytes in hexadecimal, over a canonical description of everything on the ISO but the id itself and
//! the ssh host key, which is derived from it. Two ISOs with one id carry the same files.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use flk_nix::Closure;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::contents::Node;
use crate::layout::Layout;
use crate::manifest::Manifest;
use crate::registration::registration;
use crate::write::Options;

/// Says what the description is of; changed whenever its shape or the ISO's layout does.
const CONTEXT: &str = "flk 2026-11-23 image build id 5";

/// The id of a build: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildId(String);

/// A text that is no build id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no build id: 32 lower-case hexadecimal digits")]
pub struct NoBuildId(String);

impl BuildId {
    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BuildId {
    type Err = NoBuildId;
    fn from_str(text: &str) -> Result<Self, NoBuildId> {
        BuildId::try_from(text.to_string())
    }
}

impl TryFrom<String> for BuildId {
    type Error = NoBuildId;
    fn try_from(text: String) -> Result<Self, NoBuildId> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(digit) {
            Ok(BuildId(text))
        } else {
            Err(NoBuildId(text))
        }
    }
}

impl From<BuildId> for String {
    fn from(id: BuildId) -> String {
        id.0
    }
}

/// `/flk/build.json` on the ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The document's version, 1.
    pub version: u32,
    /// The build id.
    pub build: BuildId,
    /// The host's name.
    pub host: String,
    /// The version of the flk that made the ISO.
    pub flk: String,
    /// `debian` or `nixpkgs`.
    pub channel: String,
    /// Store path of the host's own system, which this ISO installs. Media that were made before flk could install do not say.
    #[serde(default, rename = "hostToplevel")]
    pub host_toplevel: Option<String>,
    /// Which state of the repository it was made of, if that is under version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Revision>,
}

/// A state of a repository of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit, in hexadecimal.
    pub revision: String,
    /// Tracked files were other than the commit has them.
    pub dirty: bool,
    /// When the commit was made: seconds since 1970. An ISO does not say when itself was made, or it would never be the same twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
}

impl Build {
    /// Reads `build.json`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::ManifestSyntax`] when it is not of this shape.
    pub fn read(path: &Path) -> Result<Build, Error> {
        let text = fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&text).map_err(|source| Error::ManifestSyntax {
            path: path.into(),
            source,
        })
    }
}

/// The id of the ISO that [`write`](crate::write()) makes of these; the host key is not looked at.
///
/// Reads the contents (kernel, initrd, boot files, the repository), but nothing of the closure.
///
/// # Errors
/// Those of [`write`](crate::write()) that come before anything is written.
pub fn build_id(
    manifest: &Manifest,
    closure: &Closure,
    options: &Options,
) -> Result<BuildId, Error> {
    manifest.check()?;
    Ok(id_of(
        manifest,
        closure,
        &Layout::of(manifest, options)?,
        options,
    ))
}

/// The id of a layout.
pub(crate) fn id_of(
    manifest: &Manifest,
    closure: &Closure,
    layout: &Layout,
    options: &Options,
) -> BuildId {
    let mut description = Description(blake3::Hasher::new_derive_key(CONTEXT));
    description.field("flk", &options.flk_version);
    description.field("host", &manifest.host);
    description.field("system", &manifest.system);
    description.field("channel", &manifest.channel);
    description.field("volume", &manifest.volume_id);
    description.field("live", &manifest.live_toplevel);
    description.field("host-toplevel", &manifest.host_toplevel);
    let compression = &manifest.compression;
    description.field("codec", &compression.codec);
    description.field("level", &format!("{:?}", compression.level));
    description.field("block", &compression.block_size.to_string());
    if let Some(bios) = &manifest.boot.bios {
        description.field("bios", &bios.image);
    }
    if let Some(efi) = &manifest.boot.efi {
        description.field("efi", &efi.image);
    }
    if let Some(mbr) = &layout.mbr {
        description.node("mbr", mbr);
    }
    if let Some(mirrors) = &options.mirrors {
        description.field("mirrors", mirrors);
    }
    if let Some(Revision {
        revision,
        dirty,
        time,
    }) = &options.revision
    {
        description.field("repository", &format!("{revision} {dirty} {time:?}"));
    }
    description.field("store", &registration(closure));
    for (target, node) in &layout.nodes {
        description.node(target, node);
    }
    let hash = description.0.finalize();
    BuildId(hash.to_hex()[..32].to_string())
}

/// Fields, each with its lengths, so that no two lists of fields are described alike.
struct Description(blake3::Hasher);

impl Description {
    fn field(&mut self, name: &str, value: &str) {
        for part in [name.as_bytes(), value.as_bytes()] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn node(&mut self, target: &str, node: &Node) {
        match node {
            Node::Folder => self.field(target, "folder"),
            Node::File { mode, digest, .. } => {
                self.field(target, &format!("file {mode:o} {}", digest.to_hex()));
            }
            Node::Link { to, .. } => {
                self.field(target, &format!("link {}", to.to_string_lossy()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_lower_case_digits() {
        assert!(
            "00112233445566778899aabbccddeeff"
                .parse::<BuildId>()
                .is_ok()
        );
        for text in [
            "",
            "00112233445566778899AABBCCDDEEFF",
            "00112233445566778899aabbccddeef",
            "00112233445566778899aabbccddeefg",
        ] {
            assert!(text.parse::<BuildId>().is_err(), "{text}");
        }
    }

    #[test]
    fn build_json_has_the_shape_of_the_architecture() {
        let build = Build {
            version: 1,
            build: "00112233445566778899aabbccddeeff".parse().unwrap(),
            host: "NixOS".into(),
            flk: "0.1.0".into(),
            channel: "debian".into(),
            host_toplevel: Some("/nix/store/h".into()),
            repository: None,
        };
        let old = r#"{"version":1,"build":"00112233445566778899aabbccddeeff","host":"NixOS","flk":"0.1.0","channel":"debian"}"#;
        let json = serde_json::to_string(&build).unwrap();
        assert_eq!(json, old.replace('}', r#","hostToplevel":"/nix/store/h"}"#));
        assert_eq!(serde_json::from_str::<Build>(&json).unwrap(), build);
        let old: Build = serde_json::from_str(old).unwrap();
        assert_eq!(old.host_toplevel, None);
        let build = Build {
            repository: Some(Revision {
                revision: "0123".into(),
                dirty: true,
                time: Some(1_795_392_000),
            }),
            ..build
        };
        let repository = r#","repository":{"revision":"0123","dirty":true,"time":1795392000}}"#;
        let json = json.replace('}', repository);
        assert_eq!(serde_json::to_string(&build).unwrap(), json);
        assert_eq!(serde_json::from_str::<Build>(&json).unwrap(), build);
    }
}
