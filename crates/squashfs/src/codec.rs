//! Compressing and decompressing single blocks, and the codecs' options on the disk (format 3).
//!
//! zstd and xz are their authors' C libraries, gzip is libdeflate's zlib streams, LZ4 is `lz4_flex`. Not supported: writing LZ4 in its high-compression
//! mode, gzip's strategies and windows, xz's branch filters (they are read); LZO and the old LZMA in either direction.

use std::fmt;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use crate::error::{Error, Result};
use crate::format::{CodecId, METADATA_LEN, put16, put32};

/// What an image is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Nothing is compressed.
    None,
    /// zlib, level 1 to 9.
    Gzip(u8),
    /// xz, preset 6 with a dictionary of the block size.
    Xz,
    /// LZ4, its fast mode.
    Lz4,
    /// Zstandard, level 1 to 22.
    Zstd(u8),
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::None => f.write_str("none"),
            Codec::Gzip(level) => write!(f, "gzip:{level}"),
            Codec::Xz => f.write_str("xz"),
            Codec::Lz4 => f.write_str("lz4"),
            Codec::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

/// What compresses: another version may give other bytes, which a test holds against Cargo.lock.
const LIBDEFLATE: &str = "libdeflate-sys 1.26.1";
const LIBLZMA: &str = "liblzma-sys 0.4.9";
const LZ4_FLEX: &str = "lz4_flex 0.13.1";
const ZSTD: &str = "zstd-sys 2.1.3+zstd.1.5.7";

impl Codec {
    /// The library that compresses, and its version: packed bytes are the same only with the same one.
    pub fn version(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip(_) => LIBDEFLATE,
            Codec::Xz => LIBLZMA,
            Codec::Lz4 => LZ4_FLEX,
            Codec::Zstd(_) => ZSTD,
        }
    }

    /// What the superblock says. An image without compression names gzip, as `mksquashfs` has it: every kernel has that.
    pub fn id(self) -> CodecId {
        match self {
            Codec::None | Codec::Gzip(_) => CodecId::Gzip,
            Codec::Xz => CodecId::Xz,
            Codec::Lz4 => CodecId::Lz4,
            Codec::Zstd(_) => CodecId::Zstd,
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let (range, reason) = match self {
            Codec::Gzip(_) => (1..=9, "gzip has levels 1 to 9"),
            Codec::Zstd(_) => (1..=22, "zstd has levels 1 to 22"),
            Codec::None | Codec::Xz | Codec::Lz4 => return Ok(()),
        };
        let (Codec::Gzip(level) | Codec::Zstd(level)) = self else {
            return Ok(());
        };
        if range.contains(&level) {
            return Ok(());
        }
        Err(Error::Option {
            option: "the compression level",
            value: level.to_string(),
            reason,
        })
    }

    /// The metadata block after the superblock, header included. xz has none where the kernel's own default is meant: the kernel takes no dictionary
    /// smaller than a metadata block from there.
    pub(crate) fn options(self, block_size: u32) -> Vec<u8> {
        let mut options = Vec::new();
        match self {
            Codec::None => {}
            Codec::Gzip(level) => {
                put32(&mut options, level.into());
                put16(&mut options, 15);
                put16(&mut options, 0);
            }
            Codec::Xz if block_size >= METADATA_LEN as u32 => {
                put32(&mut options, block_size);
                put32(&mut options, 0);
            }
            Codec::Xz => {}
            Codec::Lz4 => {
                put32(&mut options, 1);
                put32(&mut options, 0);
            }
            Codec::Zstd(level) => put32(&mut options, level.into()),
        }
        if options.is_empty() {
            return options;
        }
        let mut block = Vec::new();
        put16(
            &mut block,
            options.len() as u16 | crate::format::METADATA_STORED,
        );
        block.extend_from_slice(&options);
        block
    }
}

/// A codec's working memory for compressing.
pub(crate) enum Compressor {
    None,
    Gzip(Box<libdeflater::Compressor>),
    Xz { block_size: u32 },
    Lz4,
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl Compressor {
    pub(crate) fn new(codec: Codec, block_size: u32) -> Result<Compressor> {
        Ok(match codec {
            Codec::None => Compressor::None,
            Codec::Gzip(level) => {
                let level = libdeflater::CompressionLvl::new(level.into())
                    .map_err(|_| failed(codec, "no such level"))?;
                Compressor::Gzip(Box::new(libdeflater::Compressor::new(level)))
            }
            Codec::Xz => Compressor::Xz { block_size },
            Codec::Lz4 => Compressor::Lz4,
            Codec::Zstd(level) => {
                let context = zstd::bulk::Compressor::new(level.into())
                    .map_err(|error| failed(codec, &error.to_string()))?;
                Compressor::Zstd(Box::new(context))
            }
        })
    }

    /// Compresses `input` into `out`. `false`, and nothing of use in `out`, where that does not make it smaller.
    pub(crate) fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        match self {
            Compressor::None => return Ok(false),
            Compressor::Gzip(context) => {
                out.resize(context.zlib_compress_bound(input.len()), 0);
                let length = context
                    .zlib_compress(input, out)
                    .map_err(|error| failed(Codec::Gzip(0), &format!("{error:?}")))?;
                out.truncate(length);
            }
            Compressor::Xz { block_size } => compress_xz(input, *block_size, out)?,
            Compressor::Lz4 => {
                out.resize(lz4_flex::block::get_maximum_output_size(input.len()), 0);
                let length = lz4_flex::block::compress_into(input, out)
                    .map_err(|error| failed(Codec::Lz4, &error.to_string()))?;
                out.truncate(length);
            }
            Compressor::Zstd(context) => {
                out.reserve(zstd::zstd_safe::compress_bound(input.len()));
                context
                    .compress_to_buffer(input, out)
                    .map_err(|error| failed(Codec::Zstd(0), &error.to_string()))?;
            }
        }
        Ok(out.len() < input.len())
    }
}

fn failed(codec: Codec, reason: &str) -> Error {
    Error::Compress {
        codec: codec.id().name(),
        reason: reason.to_owned(),
    }
}

fn compress_xz(input: &[u8], block_size: u32, out: &mut Vec<u8>) -> Result<()> {
    let fail = |error: liblzma::stream::Error| failed(Codec::Xz, &error.to_string());
    let mut lzma = LzmaOptions::new_preset(6).map_err(fail)?;
    lzma.dict_size(block_size.max(METADATA_LEN as u32));
    let mut filters = Filters::new();
    filters.lzma2(&lzma);
    // The kernel checks CRC32 and nothing longer.
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32).map_err(fail)?;
    out.reserve(input.len() + 1024);
    while !matches!(
        stream
            .process_vec(&input[stream.total_in() as usize..], out, Action::Finish)
            .map_err(fail)?,
        Status::StreamEnd
    ) {
        out.reserve(1024);
    }
    Ok(())
}

/// Codecs' working memory for decompressing.
#[derive(Default)]
pub(crate) struct Decompressor {
    gzip: Option<libdeflater::Decompressor>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

/// Memory that an xz block may ask for: what a dictionary of 1 MiB needs, and some more for filters.
const XZ_MEMORY: u64 = 16 << 20;

impl Decompressor {
    /// Unpacks `input` into the beginning of `out`, and says how long it is; nothing where `input` is damaged or longer than `out`.
    pub(crate) fn decompress(
        &mut self,
        codec: CodecId,
        input: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        match codec {
            CodecId::Gzip => self
                .gzip
                .get_or_insert_with(libdeflater::Decompressor::new)
                .zlib_decompress(input, out)
                .ok(),
            CodecId::Xz => decompress_xz(input, out),
            CodecId::Lz4 => lz4_flex::block::decompress_into(input, out).ok(),
            CodecId::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new().ok()?);
                }
                self.zstd.as_mut()?.decompress_to_buffer(input, out).ok()
            }
            CodecId::Lzma | CodecId::Lzo => None,
        }
    }
}

fn decompress_xz(input: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut stream = Stream::new_stream_decoder(XZ_MEMORY, 0).ok()?;
    loop {
        let before = (stream.total_in(), stream.total_out());
        let status = stream
            .process(
                &input[before.0 as usize..],
                &mut out[before.1 as usize..],
                Action::Finish,
            )
            .ok()?;
        if matches!(status, Status::StreamEnd) {
            return Some(stream.total_out() as usize);
        }
        if before == (stream.total_in(), stream.total_out()) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 4] = [Codec::Gzip(6), Codec::Xz, Codec::Lz4, Codec::Zstd(3)];

    #[test]
    fn every_codec_gives_back_what_it_got() {
        let input: Vec<u8> = (0..30_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut decompressor = Decompressor::default();
        for codec in CODECS {
            let mut packed = Vec::new();
            let mut compressor = Compressor::new(codec, 1 << 17).unwrap();
            // Twice with the same context: the second result must be the first.
            assert!(compressor.compress(&input, &mut packed).unwrap(), "{codec}");
            let first = packed.clone();
            compressor.compress(&input, &mut packed).unwrap();
            assert_eq!(packed, first, "{codec}");
            let mut out = vec![0; input.len()];
            let length = decompressor.decompress(codec.id(), &packed, &mut out);
            assert_eq!(length, Some(input.len()), "{codec}");
            assert_eq!(out, input, "{codec}");
        }
    }

    #[test]
    fn what_is_longer_than_its_place_or_cut_short_is_refused() {
        let input = vec![b'a'; 10_000];
        let mut decompressor = Decompressor::default();
        for codec in CODECS {
            let mut packed = Vec::new();
            let mut compressor = Compressor::new(codec, 1 << 17).unwrap();
            assert!(compressor.compress(&input, &mut packed).unwrap());
            let mut short = vec![0; input.len() - 1];
            assert_eq!(
                decompressor.decompress(codec.id(), &packed, &mut short),
                None,
                "{codec}"
            );
            let mut out = vec![0; input.len()];
            let cut = &packed[..packed.len() - 3];
            assert_ne!(
                decompressor.decompress(codec.id(), cut, &mut out),
                Some(input.len()),
                "{codec}"
            );
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored() {
        for codec in CODECS {
            let mut compressor = Compressor::new(codec, 4096).unwrap();
            assert!(
                !compressor.compress(b"x", &mut Vec::new()).unwrap(),
                "{codec}"
            );
        }
    }

    #[test]
    fn versions_are_those_that_are_built() {
        let lock = include_str!("../../../Cargo.lock");
        for library in [LIBDEFLATE, LIBLZMA, LZ4_FLEX, ZSTD] {
            let (name, version) = library.split_once(' ').unwrap();
            let built = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&built),
                "{library} is not what Cargo.lock has"
            );
        }
    }

    #[test]
    fn levels_have_bounds() {
        assert!(Codec::Zstd(22).check().is_ok());
        let error = Codec::Zstd(23).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the compression level cannot be 23: zstd has levels 1 to 22"
        );
        assert!(Codec::Gzip(0).check().is_err());
    }
}
