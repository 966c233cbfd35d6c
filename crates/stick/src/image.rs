//! The image: a file that starts a machine from a stick (ISO 9660 with an MBR in its system area).

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flk_image::{DIGEST_BLOCK, Digests};
use flk_iso9660::format::{BLOCK, mbr::Mbr};

use crate::{Error, HEAD, Result, container};

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
    digests: Option<Digests>,
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
        if let Some(refusal) = container::refuse(&file, path) {
            return Err(refusal);
        }
        let length = metadata.len();
        if length <= HEAD {
            return Err(no_image("it is too short for an ISO"));
        }
        let mut first = [0; SECTOR as usize];
        file.read_exact_at(&mut first, 0)
            .map_err(Error::io("read", path))?;
        if Mbr::decode(&first).is_none() {
            return Err(no_image("it has no boot sector"));
        }
        let other = file.try_clone().map_err(Error::io("read", path))?;
        let volume = flk_iso9660::Image::open(other).map_err(|_| no_image("it is no ISO 9660"))?;
        let needed = u64::from(volume.volume().blocks) * BLOCK as u64;
        if needed > length {
            return Err(Error::CutShort {
                path: path.to_owned(),
                length,
                needed,
            });
        }
        if length % SECTOR != 0 {
            return Err(no_image("its length is no multiple of 512 bytes"));
        }
        let digests = Digests::find(path).map_err(|source| Error::Digests {
            path: path.to_owned(),
            source,
        })?;
        if let Some(needed) = digests.as_ref().map(|digests| digests.length)
            && needed > length
        {
            return Err(Error::CutShort {
                path: path.to_owned(),
                length,
                needed,
            });
        }
        let application = volume.application_id();
        let build = application.strip_prefix(BUILD);
        Ok(Image {
            path: path.to_owned(),
            length,
            volume_id: volume.volume_id(),
            build: build.and_then(|rest| Some(rest.split_whitespace().next()?.to_owned())),
            digests,
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
            })?;
        self.check(image, offset)
    }

    /// That bytes of it are what they were when it was made, as far as it says so.
    fn check(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let Some(digests) = &self.digests else {
            return Ok(());
        };
        let damaged = |offset| Error::Damaged {
            path: self.path.clone(),
            offset,
        };
        if let Some(at) = digests.first_damaged(bytes, offset) {
            return Err(damaged(at));
        }
        // Blocks that begin before these bytes, or end after them, are read whole.
        let end = offset + bytes.len() as u64;
        for at in [offset, end] {
            let start = at / DIGEST_BLOCK * DIGEST_BLOCK;
            let whole = start..(start + DIGEST_BLOCK).min(digests.length);
            if start >= digests.length
                || whole.start >= offset && whole.end <= end
                || at == start && at == end
            {
                continue;
            }
            let mut block = vec![0; (whole.end - whole.start) as usize];
            self.file
                .read_exact_at(&mut block, whole.start)
                .map_err(Error::io("read", &self.path))?;
            if let Some(at) = digests.first_damaged(&block, whole.start) {
                return Err(damaged(at));
            }
        }
        Ok(())
    }
}
