//! Reading `.deb` files: deb(5), format 2.0, an `ar` archive of `debian-binary`, `control.tar*` and `data.tar*`.
//!
//! Compression: none, gzip, xz and zstd. Not supported: bzip2 and lzma members, which no current archive uses.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A `.deb` file that can be read again and again.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
}

/// What dpkg itself reads of a package.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// The `control` file.
    pub control: String,
    /// The script that runs after unpacking, if the package has one.
    pub postinst: Option<String>,
}

impl Deb {
    /// Names the file; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the package's control file and its `postinst`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a package.
    pub fn control(&self) -> Result<Control> {
        let mut control = None;
        let mut postinst = None;
        self.member("control.tar", |reader| {
            let mut archive = tar::Archive::new(reader);
            for entry in archive.entries().map_err(Error::io("read", &self.path))? {
                let mut entry = entry.map_err(Error::io("read", &self.path))?;
                let name = entry.path_bytes().into_owned();
                let slot = match name.strip_prefix(b"./").unwrap_or(&name) {
                    b"control" => &mut control,
                    b"postinst" => &mut postinst,
                    _ => continue,
                };
                let mut bytes = Vec::new();
                entry
                    .read_to_end(&mut bytes)
                    .map_err(Error::io("read", &self.path))?;
                *slot = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(())
        })?;
        let control = control.ok_or_else(|| self.malformed("it has no control file"))?;
        Ok(Control { control, postinst })
    }

    /// Hands the package's files to `read`, as a tar archive that has not been read yet.
    ///
    /// # Errors
    /// When the file cannot be read or is not a package, and whatever `read` gives.
    pub fn data<T>(
        &self,
        read: impl FnOnce(tar::Archive<&mut dyn Read>) -> Result<T>,
    ) -> Result<T> {
        self.member("data.tar", |reader| read(tar::Archive::new(reader)))
    }

    /// An error about this file.
    pub(crate) fn malformed(&self, reason: impl Into<String>) -> Error {
        Error::Deb {
            deb: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// Finds the member `stem` plus a suffix that tells its compression, and hands its decompressed bytes to `read`.
    fn member<T>(&self, stem: &str, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let file = fs::File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let mut archive = ar::Archive::new(BufReader::new(file));
        let mut is_first = true;
        while let Some(entry) = archive.next_entry() {
            let entry = entry.map_err(|error| self.malformed(error.to_string()))?;
            let name = String::from_utf8_lossy(entry.header().identifier())
                .trim_end_matches('/')
                .to_owned();
            if is_first && name != "debian-binary" {
                return Err(self.malformed("its first member is not `debian-binary`"));
            }
            is_first = false;
            let Some(suffix) = name.strip_prefix(stem) else {
                continue;
            };
            let mut reader: Box<dyn Read> = match suffix {
                "" => Box::new(entry),
                ".gz" => Box::new(flate2::read::MultiGzDecoder::new(entry)),
                ".xz" => Box::new(liblzma::read::XzDecoder::new_multi_decoder(entry)),
                ".zst" => Box::new(
                    zstd::Decoder::new(entry).map_err(Error::io("decompress", &self.path))?,
                ),
                _ => {
                    return Err(self.malformed(format!(
                        "its member `{name}` is compressed in a way that is not known here"
                    )));
                }
            };
            return read(&mut *reader);
        }
        Err(self.malformed(format!("it has no member `{stem}`")))
    }
}
