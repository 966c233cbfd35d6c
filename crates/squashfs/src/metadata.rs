//! Writing metadata: blocks of 8 KiB, each compressed by itself (kernel 3.2, format 1.2), and the tables that are found through a list of their blocks
//! (kernel 3.5 to 3.8, format 6).

use std::io::Write;

use crate::codec::Compressor;
use crate::error::{Error, Result};
use crate::format::{METADATA_LEN, METADATA_STORED, put64};

/// A writer that knows where it is.
pub(crate) struct Output<W> {
    pub(crate) inner: W,
    pub(crate) position: u64,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(inner: W) -> Output<W> {
        Output { inner, position: 0 }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(|source| Error::Write {
            offset: self.position,
            source,
        })?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Zeros up to the next multiple of `alignment`.
    pub(crate) fn align(&mut self, alignment: u64) -> Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut rest = self.position.next_multiple_of(alignment) - self.position;
        while rest > 0 {
            let part = rest.min(ZEROS.len() as u64);
            self.write(&ZEROS[..part as usize])?;
            rest -= part;
        }
        Ok(())
    }
}

/// Packs what is written into metadata blocks.
pub(crate) struct MetadataWriter<'o, W> {
    out: &'o mut Output<W>,
    compressor: Compressor,
    start: u64,
    buffer: Vec<u8>,
    packed: Vec<u8>,
}

impl<'o, W: Write> MetadataWriter<'o, W> {
    /// A table that begins where `out` is.
    pub(crate) fn new(out: &'o mut Output<W>, compressor: Compressor) -> MetadataWriter<'o, W> {
        MetadataWriter {
            start: out.position,
            out,
            compressor,
            buffer: Vec::with_capacity(METADATA_LEN),
            packed: Vec::new(),
        }
    }

    /// Where the next byte goes: its block's offset in the table, and its own in the unpacked block.
    pub(crate) fn position(&self) -> (u64, u16) {
        (self.out.position - self.start, self.buffer.len() as u16)
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let part = bytes.len().min(METADATA_LEN - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.buffer.len() == METADATA_LEN {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let smaller = self.compressor.compress(&self.buffer, &mut self.packed)?;
        let (bytes, flag) = if smaller {
            (&self.packed, 0)
        } else {
            (&self.buffer, METADATA_STORED)
        };
        self.out.write(&(bytes.len() as u16 | flag).to_le_bytes())?;
        self.out.write(bytes)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last block, and gives the codec back.
    pub(crate) fn finish(mut self) -> Result<Compressor> {
        self.flush()?;
        Ok(self.compressor)
    }
}

/// Writes a table and the list of its blocks. Gives back where the list lies, and the codec.
pub(crate) fn write_table<W: Write>(
    out: &mut Output<W>,
    mut compressor: Compressor,
    entries: &[u8],
) -> Result<(u64, Compressor)> {
    let mut list = Vec::new();
    for block in entries.chunks(METADATA_LEN) {
        put64(&mut list, out.position);
        let mut writer = MetadataWriter::new(out, compressor);
        writer.write(block)?;
        compressor = writer.finish()?;
    }
    let at = out.position;
    out.write(&list)?;
    Ok((at, compressor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    #[test]
    fn positions_are_those_of_the_blocks() {
        let mut out = Output::new(Vec::new());
        out.write(b"before").unwrap();
        let compressor = Compressor::new(Codec::None, 4096).unwrap();
        let mut writer = MetadataWriter::new(&mut out, compressor);
        assert_eq!(writer.position(), (0, 0));
        writer.write(&[1; 8191]).unwrap();
        assert_eq!(writer.position(), (0, 8191));
        writer.write(&[2; 1]).unwrap();
        assert_eq!(writer.position(), (8194, 0));
        writer.write(&[3; 2]).unwrap();
        writer.finish().unwrap();
        assert_eq!(out.position, 6 + 8194 + 4);
        assert_eq!(out.inner[6..8], (8192u16 | 0x8000).to_le_bytes());
        assert_eq!(out.inner[6 + 8194..], [2, 0x80, 3, 3]);
    }

    #[test]
    fn output_is_aligned_with_zeros() {
        let mut out = Output::new(Vec::new());
        out.write(b"x").unwrap();
        out.align(10_000).unwrap();
        out.align(10_000).unwrap();
        assert_eq!(out.position, 10_000);
        assert!(out.inner[1..].iter().all(|byte| *byte == 0));
    }
}
