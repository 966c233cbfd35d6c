//! What is read, with its length.

use std::io::{Read, Seek, SeekFrom};

use crate::error::Error;

#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    length: u64,
}

impl<R: Read + Seek> Input<R> {
    pub(super) fn new(mut inner: R) -> Result<Input<R>, Error> {
        let length = inner.seek(SeekFrom::End(0)).map_err(Error::read(0))?;
        Ok(Input { inner, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` from a place.
    pub(super) fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.check(at, bytes.len() as u64)?;
        self.inner
            .seek(SeekFrom::Start(at))
            .map_err(Error::read(at))?;
        self.inner.read_exact(bytes).map_err(Error::read(at))
    }

    /// Whether so many bytes are there.
    pub(super) fn check(&self, at: u64, length: u64) -> Result<(), Error> {
        match at.checked_add(length) {
            Some(end) if end <= self.length => Ok(()),
            _ => Err(Error::Damaged {
                offset: at.min(self.length),
                what: "something lies beyond the end of the image",
            }),
        }
    }
}
