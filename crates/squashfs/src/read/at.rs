//! Where an image's bytes come from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Something that can be read at any place, by several threads at once.
pub trait ReadAt {
    /// How many bytes there are.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on, or fails.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        use std::io::{Seek, SeekFrom};
        let length = self.metadata()?.len();
        // A device has a length only for who looks for its end.
        if length == 0 {
            return (&mut &*self).seek(SeekFrom::End(0));
        }
        Ok(length)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }
}

impl ReadAt for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|from| self.get(from..from.checked_add(bytes.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(part);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        self.as_slice().length()
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(bytes, offset)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(bytes, offset)
    }
}

/// A part of something, as an image in an ISO is.
#[derive(Debug, Clone)]
pub struct Section<R> {
    /// The whole.
    pub inner: R,
    /// Where the part begins, bytes.
    pub start: u64,
    /// How long it is, bytes.
    pub length: u64,
}

impl<R: ReadAt> ReadAt for Section<R> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let offset = offset
            .checked_add(self.start)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.inner.read_exact_at(bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_it_should() {
        let section = Section {
            inner: b"0123456789".to_vec(),
            start: 3,
            length: 4,
        };
        let mut bytes = [0; 2];
        section.read_exact_at(&mut bytes, 2).unwrap();
        assert_eq!(&bytes, b"56");
        assert!(section.read_exact_at(&mut bytes, 3).is_err());
        assert!(section.read_exact_at(&mut bytes, u64::MAX).is_err());
    }
}
