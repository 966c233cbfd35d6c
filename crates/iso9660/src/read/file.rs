//! The bytes of a file.

use std::io::{self, Read, Seek};

use super::Image;
use super::entry::{Entry, Extent, Kind};
use crate::error::Error;

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub struct FileReader<'i, R> {
    image: &'i mut Image<R>,
    extents: std::vec::IntoIter<Extent>,
    /// What is left of the extent that is being read.
    current: Extent,
}

impl<R: Read + Seek> Image<R> {
    /// A file's bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is no file, or not all of it lies within the image.
    pub fn file(&mut self, file: &Entry) -> Result<FileReader<'_, R>, Error> {
        if file.kind != Kind::File {
            return Err(Error::Damaged {
                offset: file.offset(),
                what: "this is no file",
            });
        }
        for extent in file.extents.iter().filter(|extent| extent.length > 0) {
            self.input.check(extent.offset, extent.length.into())?;
        }
        Ok(FileReader {
            image: self,
            extents: file.extents.clone().into_iter(),
            current: Extent {
                offset: 0,
                length: 0,
            },
        })
    }
}

impl<R: Read + Seek> Read for FileReader<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.current.length == 0 {
            match self.extents.next() {
                Some(extent) => self.current = extent,
                None => return Ok(0),
            }
        }
        let count = bytes.len().min(self.current.length as usize);
        self.image
            .input
            .read_at(self.current.offset, &mut bytes[..count])
            .map_err(io::Error::other)?;
        self.current.offset += count as u64;
        self.current.length -= count as u32;
        Ok(count)
    }
}
