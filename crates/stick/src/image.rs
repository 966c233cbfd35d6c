//! The image: a file that starts a machine from a stick (ISO 9660 with an MBR in its system area).

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flk_iso9660::format::{BLOCK, mbr::Mbr};

use crate::{Error, HEAD, Result};

/// Bytes that lengths of disks are counted in.
const SECTOR: u64 = 512;
/// How flk says in the volume's application identifier which build it is.
const BUILD: &str = "FLK BUILD=";

/// An image to be written.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    length: u64,
    volume_id: String,
    build: Option<String>,
}

impl Image {
    /// Opens an image, of flk or of somebody else.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::NoImage`] when nothing could start from it as a disk.
    pub fn open(path: &Path) -> Result<Image> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        let no_image = |reason| Error::NoImage {
            path: path.to_owned(),
            reason,
        };
        if !metadata.is_file() {
            return Err(no_image("it is no file"));
        }
        let length = metadata.len();
        if length <= HEAD || length % SECTOR != 0 {
            return Err(no_image("no ISO has its length"));
        }
        let mut first = [0; SECTOR as usize];
        file.read_exact_at(&mut first, 0)
            .map_err(Error::io("read", path))?;
        if Mbr::decode(&first).is_none() {
            return Err(no_image("it has no boot sector"));
        }
        let other = file.try_clone().map_err(Error::io("read", path))?;
        let volume = flk_iso9660::Image::open(other).map_err(|_| no_image("it is no ISO 9660"))?;
        if u64::from(volume.volume().blocks) * BLOCK as u64 > length {
            return Err(no_image("it is cut short"));
        }
        let application = volume.application_id();
        let build = application.strip_prefix(BUILD);
        Ok(Image {
            path: path.to_owned(),
            length,
            volume_id: volume.volume_id(),
            build: build.and_then(|rest| Some(rest.split_whitespace().next()?.to_owned())),
            file,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The volume's name.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// The build of flk that it is, if it is one.
    pub fn build(&self) -> Option<&str> {
        self.build.as_deref()
    }

    /// What it is called where it is written: its build, or else its volume's name.
    pub fn name(&self) -> &str {
        self.build().unwrap_or(&self.volume_id)
    }

    /// Whether a file is this one.
    pub(crate) fn is(&self, other: &std::fs::Metadata) -> bool {
        self.file
            .metadata()
            .is_ok_and(|own| (own.dev(), own.ino()) == (other.dev(), other.ino()))
    }

    /// Fills `bytes` from `offset` on, with zeros beyond the end.
    pub(crate) fn fill(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let here = self.length.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (image, beyond) = bytes.split_at_mut(here);
        beyond.fill(0);
        self.file
            .read_exact_at(image, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::NoImage {
                    path: self.path.clone(),
                    reason: "it has become shorter",
                },
                _ => Error::io("read", &self.path)(error),
            })
    }
}
