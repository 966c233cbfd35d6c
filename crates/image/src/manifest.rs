//! `image.json`, version 1 (ARCHITECTURE.md): what `nix/image.nix` says of a live system.

use std::fs;
use std::path::Path;

use flk_squashfs::Codec;
use serde::{Deserialize, Serialize};

use crate::{Error, FileName};

/// The version of the document that this crate reads.
const VERSION: u32 = 1;
/// ECMA-119, 8.4.8: the volume identifier has 32 bytes.
const VOLUME_ID_MAX: usize = 32;

/// The manifest of an ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The document's version, 1.
    pub version: u32,
    /// The host's name.
    pub host: String,
    /// The machine's name on the link, `networking.hostName`; a flk of before did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Nix's name for the platform, `x86_64-linux`.
    pub system: String,
    /// `debian` or `nixpkgs`.
    pub channel: String,
    /// The volume ID, by which the live initrd finds its medium. At most 32 bytes.
    pub volume_id: String,
    /// The base name of the ISO.
    pub file_name: FileName,
    /// Store path of the live system.
    pub live_toplevel: String,
    /// Store path of the host's own system.
    pub host_toplevel: String,
    /// Store paths whose closure is to be in the store image, both toplevels among them.
    pub store_roots: Vec<String>,
    /// How the store image is compressed.
    pub compression: Compression,
    /// What else lies on the ISO.
    pub contents: Vec<Content>,
    /// What boots it.
    pub boot: Boot,
}

/// How the store image is compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compression {
    /// `zstd`, `xz`, `gzip`, `lz4` or `none`.
    pub codec: String,
    /// The codec's level, where it has levels; null: the codec's default.
    #[serde(default)]
    pub level: Option<u32>,
    /// Block size in bytes, a power of two from 4096 to 1 MiB.
    pub block_size: u32,
}

/// A file or folder of the store, and its place on the ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// A path in the Nix store. A link is followed.
    pub source: String,
    /// Its place on the ISO; the leading `/` may be missing.
    pub target: String,
}

/// What boots the ISO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// BIOS, by El Torito and by the MBR; null: not at all.
    pub bios: Option<BiosBoot>,
    /// UEFI, by El Torito and by the GPT; null: not at all.
    pub efi: Option<EfiBoot>,
}

/// How a BIOS boots the ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BiosBoot {
    /// The El Torito image, a file on the ISO.
    pub image: String,
    /// An isohybrid boot sector, a path in the Nix store; null: the ISO does not boot as a disk.
    pub mbr: Option<String>,
}

/// How a UEFI firmware boots the ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EfiBoot {
    /// A FAT file system, a file on the ISO.
    pub image: String,
}

impl Manifest {
    /// Reads and checks `image.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ManifestSyntax`], and [`Error::Manifest`] for a value that no ISO can have.
    pub fn read(path: &Path) -> Result<Manifest, Error> {
        let text = fs::read(path).map_err(Error::io("read", path))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|source| Error::ManifestSyntax {
                path: path.into(),
                source,
            })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`Error::Manifest`] with the field and the reason.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |field, reason: String| Err(Error::Manifest { field, reason });
        if self.version != VERSION {
            return wrong(
                "version",
                format!(
                    "it is {}, this flk knows {VERSION}: the repository's input `flk` and the flk on the path differ, run `flk update`",
                    self.version
                ),
            );
        }
        if self.host.is_empty() || self.host.contains(['/', '\n']) || self.host.starts_with('.') {
            return wrong("host", format!("{:?} is no host name", self.host));
        }
        if self.volume_id.is_empty() || self.volume_id.len() > VOLUME_ID_MAX {
            return wrong(
                "volumeId",
                format!(
                    "{:?} has {} bytes, 1 to {VOLUME_ID_MAX} are possible: set isoImage.volumeID",
                    self.volume_id,
                    self.volume_id.len()
                ),
            );
        }
        // What udev leaves as it is in /dev/disk/by-label, where the initrd looks for it.
        let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c);
        if !self.volume_id.chars().all(plain) {
            return wrong(
                "volumeId",
                format!(
                    "{:?} has characters other than A to Z, a to z, 0 to 9 and # + - . : = @ _: set isoImage.volumeID",
                    self.volume_id
                ),
            );
        }
        self.compression.check()
    }
}

impl Compression {
    /// Reads `zstd`, `zstd:19`, `gzip:9`, `xz`, `lz4` or `none`; blocks of so many bytes.
    ///
    /// # Errors
    /// [`Error::Manifest`] for a codec, level or block size that there is not.
    pub fn parse(text: &str, block_size: u32) -> Result<Compression, Error> {
        let (codec, level) = match text.split_once(':') {
            Some((codec, level)) => (codec, Some(level)),
            None => (text, None),
        };
        let level = level.map(|level| {
            level.parse().map_err(|_| Error::Manifest {
                field: "compression.level",
                reason: format!("{level:?} is no number"),
            })
        });
        let compression = Compression {
            codec: codec.into(),
            level: level.transpose()?,
            block_size,
        };
        compression.check()?;
        Ok(compression)
    }

    /// The codec with its level, or with `mksquashfs`'s default, which is what a configuration without a level means.
    ///
    /// # Errors
    /// [`Error::Manifest`] for a codec or level that there is not.
    pub(crate) fn codec(&self) -> Result<Codec, Error> {
        self.check()?;
        let level = |default| self.level.map_or(default, |level| level as u8);
        Ok(match self.codec.as_str() {
            "zstd" => Codec::Zstd(level(15)),
            "gzip" => Codec::Gzip(level(9)),
            "xz" => Codec::Xz,
            "lz4" => Codec::Lz4,
            _ => Codec::None,
        })
    }

    /// Levels that the codec has; `None`: a codec without levels.
    fn levels(&self) -> Result<Option<(u32, u32)>, Error> {
        match self.codec.as_str() {
            "zstd" => Ok(Some((1, 22))),
            "gzip" => Ok(Some((1, 9))),
            "xz" | "lz4" | "none" => Ok(None),
            other => Err(Error::Manifest {
                field: "compression.codec",
                reason: format!("{other:?} is none of zstd, xz, gzip, lz4, none"),
            }),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let block = self.block_size;
        if !block.is_power_of_two() || !(4096..=1 << 20).contains(&block) {
            return Err(Error::Manifest {
                field: "compression.blockSize",
                reason: format!("{block} is not a power of two from 4096 to 1048576"),
            });
        }
        match (self.levels()?, self.level) {
            (Some((low, high)), Some(level)) if !(low..=high).contains(&level) => {
                Err(Error::Manifest {
                    field: "compression.level",
                    reason: format!("{} has the levels {low} to {high}, not {level}", self.codec),
                })
            }
            (None, Some(level)) => Err(Error::Manifest {
                field: "compression.level",
                reason: format!("{} has no levels, yet level {level} is given", self.codec),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"{ "version": 1,
      "host": "NixOS", "system": "x86_64-linux", "channel": "debian",
      "volumeId": "flk-NixOS", "fileName": "NixOS.iso",
      "liveToplevel": "/nix/store/a", "hostToplevel": "/nix/store/b",
      "storeRoots": ["/nix/store/a", "/nix/store/b"],
      "compression": { "codec": "zstd", "level": 6, "blockSize": 1048576 },
      "contents": [ { "source": "/nix/store/k", "target": "/boot/bzImage" } ],
      "boot": { "bios": { "image": "/isolinux/isolinux.bin", "mbr": "/nix/store/m/isohdpfx.bin" }, "efi": null } }"#;

    #[test]
    fn reads_the_document_of_the_architecture() {
        let manifest: Manifest = serde_json::from_str(EXAMPLE).unwrap();
        manifest.check().unwrap();
        assert_eq!(manifest.volume_id, "flk-NixOS");
        assert_eq!(manifest.compression.level, Some(6));
        assert!(manifest.boot.efi.is_none());
        let again: Manifest =
            serde_json::from_str(&serde_json::to_string(&manifest).unwrap()).unwrap();
        assert_eq!(again, manifest);
    }

    #[test]
    fn compression_is_read_from_words() {
        for (text, codec) in [
            ("zstd:19", Codec::Zstd(19)),
            ("zstd", Codec::Zstd(15)),
            ("gzip:1", Codec::Gzip(1)),
            ("xz", Codec::Xz),
            ("lz4", Codec::Lz4),
            ("none", Codec::None),
        ] {
            let compression = Compression::parse(text, 4096).unwrap();
            assert_eq!(compression.codec().unwrap(), codec, "{text}");
        }
        for text in ["", "lzo", "zstd:", "zstd:23", "zstd:x", "xz:6", "zstd:3:4"] {
            assert!(Compression::parse(text, 4096).is_err(), "{text}");
        }
        assert!(Compression::parse("xz", 5000).is_err());
    }

    #[test]
    fn the_isos_name_stays_in_its_directory() {
        for name in ["../../README.md", "/etc/passwd", ".."] {
            let text = EXAMPLE.replacen("NixOS.iso", name, 1);
            let error = serde_json::from_str::<Manifest>(&text)
                .unwrap_err()
                .to_string();
            assert!(error.contains("is no file name"), "{error}");
        }
    }

    #[test]
    fn says_which_field_is_wrong() {
        let table: [(&str, &str, &str); 7] = [
            (
                "\"version\": 1",
                "\"version\": 2",
                "version is wrong: it is 2",
            ),
            ("flk-NixOS", "", "volumeId"),
            (
                "flk-NixOS",
                "a name with spaces",
                "characters other than A to Z",
            ),
            (
                "flk-NixOS",
                "flk-a-host-name-that-is-much-too-long-for-it",
                "has 44 bytes",
            ),
            ("1048576", "1000000", "power of two"),
            ("\"zstd\"", "\"brotli\"", "none of zstd"),
            ("\"level\": 6", "\"level\": 23", "levels 1 to 22, not 23"),
        ];
        for (from, to, expected) in table {
            let manifest: Manifest = serde_json::from_str(&EXAMPLE.replacen(from, to, 1)).unwrap();
            let message = manifest.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
