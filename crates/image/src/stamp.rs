//! Which build an ISO is, read from the ISO's first sectors.
//!
//! The stamp lies in the application identifier of the primary volume descriptor (ECMA-119, 8.4.22: byte positions 575 to
//! 702, padded with spaces), as `FLK BUILD=<32 hex> KEY=<32 hex>`; the field knows no lower case. The key is the start of
//! the BLAKE3 digest of its fingerprint.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{BuildId, Error};

const SECTOR: u64 = 2048;
/// ECMA-119, 6.2.1: the system area is sectors 0 to 15.
const PRIMARY_VOLUME_DESCRIPTOR: u64 = 16 * SECTOR;
const STANDARD_IDENTIFIER: &[u8; 6] = b"\x01CD001";
/// ECMA-119, 8.4.8: volume space size in sectors, little-endian first.
const SPACE_SIZE: usize = 80;
const APPLICATION: std::ops::Range<usize> = 574..702;

/// What an ISO says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its build id.
    pub build: BuildId,
    /// Its ssh host key, digested.
    key: Option<String>,
}

impl Stamp {
    /// Of a build with the host key of this fingerprint (`SHA256:…`).
    pub fn new(build: BuildId, fingerprint: Option<&str>) -> Stamp {
        let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..32].to_string();
        Stamp {
            build,
            key: fingerprint.map(digest),
        }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        let text = match &self.key {
            Some(key) => format!("flk build={} key={key}", self.build),
            None => format!("flk build={}", self.build),
        };
        text.to_ascii_uppercase()
    }

    fn parse(text: &str) -> Option<Stamp> {
        let text = text.trim_end().to_ascii_lowercase();
        let fields = text.strip_prefix("flk build=")?;
        let (build, key) = match fields.split_once(" key=") {
            Some((build, key)) => (build, Some(key.to_string())),
            None => (fields, None),
        };
        Some(Stamp {
            build: build.parse().ok()?,
            key,
        })
    }
}

/// The stamp of an ISO; `None` when there is no such file, when it is no ISO that flk made, or when it was cut short.
///
/// # Errors
/// [`Error::Io`] when the file is there but cannot be read.
pub fn stamp(iso: &Path) -> Result<Option<Stamp>, Error> {
    match read(iso) {
        Ok(stamp) => Ok(stamp),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
            Ok(None)
        }
        Err(error) => Err(Error::io("read", iso)(error)),
    }
}

fn read(iso: &Path) -> io::Result<Option<Stamp>> {
    let mut file = File::open(iso)?;
    let length = file.metadata()?.len();
    let mut descriptor = [0; SECTOR as usize];
    file.seek(SeekFrom::Start(PRIMARY_VOLUME_DESCRIPTOR))?;
    file.read_exact(&mut descriptor)?;
    if &descriptor[..6] != STANDARD_IDENTIFIER {
        return Ok(None);
    }
    let mut sectors = [0; 4];
    sectors.copy_from_slice(&descriptor[SPACE_SIZE..SPACE_SIZE + 4]);
    if length < u64::from(u32::from_le_bytes(sectors)) * SECTOR {
        return Ok(None);
    }
    Ok(std::str::from_utf8(&descriptor[APPLICATION])
        .ok()
        .and_then(Stamp::parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let build: BuildId = "00112233445566778899aabbccddeeff".parse().unwrap();
        let key = "SHA256:7iBXQQkPrsTTT7nMAhHKTmZzrlHSoXJmwbkZBG8oYtw";
        for key in [None, Some(key)] {
            let stamp = Stamp::new(build.clone(), key);
            assert!(stamp.text().len() <= APPLICATION.len());
            assert_eq!(Stamp::parse(&format!("{:128}", stamp.text())), Some(stamp));
        }
        assert_eq!(Stamp::parse("GRUB"), None);
    }

    #[test]
    fn no_file_and_no_iso_have_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.iso");
        assert_eq!(stamp(&path).unwrap(), None);
        std::fs::write(&path, "short").unwrap();
        assert_eq!(stamp(&path).unwrap(), None);
        std::fs::write(&path, vec![0; 40_000]).unwrap();
        assert_eq!(stamp(&path).unwrap(), None);
    }
}
