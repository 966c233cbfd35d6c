//! The structures of squashfs 4.0 as they lie on the disk, and their constants.
//!
//! After the Linux kernel's Documentation/filesystems/squashfs.rst (sections named `kernel 3.x`) and the public description of the format, "The
//! Squashfs binary format" (sections named `format N`). Everything is little-endian and packed. Versions before 4.0 and big-endian images are not
//! supported.

mod inode;

pub(crate) use inode::{Fields, InodeBody, InodeHeader};

use crate::error::{Error, Result};

/// `hsqs` (format 2).
pub(crate) const MAGIC: u32 = 0x7371_7368;
/// Length of the superblock, bytes.
pub const SUPERBLOCK_LEN: usize = 96;
/// A metadata block unpacks to at most so many bytes; all but a table's last to exactly so many (kernel 3.2, format 1.2).
pub(crate) const METADATA_LEN: usize = 8192;
/// In a metadata block's 16-bit header: the block is stored as it is (format 1.2).
pub(crate) const METADATA_STORED: u16 = 0x8000;
/// Smallest and largest data block (kernel 1, format 2).
pub(crate) const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 4096..=1 << 20;
/// A table that is not there.
pub(crate) const NO_TABLE: u64 = u64::MAX;
/// A file without a fragment (format 4.2).
pub(crate) const NO_FRAGMENT: u32 = u32::MAX;
/// An inode without extended attributes.
pub(crate) const NO_XATTRS: u32 = u32::MAX;
/// Entries in a directory's header, at most (kernel 3.4, format 5).
pub(crate) const DIRECTORY_RUN: usize = 256;
/// What a directory's size is more than its listing is long: `.` and `..` (format 5).
pub(crate) const DIRECTORY_EXTRA: u32 = 3;
/// Bytes of a name, at most: Linux's own limit is one less than the format's.
pub(crate) const NAME_LEN: usize = 255;
/// Bytes of a symbolic link's target, at most.
pub(crate) const TARGET_LEN: usize = 65_535;

/// Bytes of one entry in the fragment table (kernel 3.5).
pub(crate) const FRAGMENT_ENTRY_LEN: usize = 16;
/// Bytes of one entry in the xattr id table (kernel 3.8).
pub(crate) const XATTR_ENTRY_LEN: usize = 16;
/// In an attribute's type: the value lies elsewhere, and here is a reference to it (kernel 3.8).
pub(crate) const XATTR_ELSEWHERE: u16 = 0x100;
/// Prefixes of attributes by type (kernel 3.8).
pub(crate) const XATTR_PREFIXES: [&str; 3] = ["user.", "trusted.", "security."];

/// The superblock's flags (format 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// The inode table is not compressed.
    pub const STORED_INODES: Flags = Flags(0x0001);
    /// Data blocks are not compressed.
    pub const STORED_DATA: Flags = Flags(0x0002);
    /// Fragments are not compressed.
    pub const STORED_FRAGMENTS: Flags = Flags(0x0008);
    /// There are no fragments.
    pub const NO_FRAGMENTS: Flags = Flags(0x0010);
    /// The tails of large files are in fragments, too.
    pub const ALWAYS_FRAGMENTS: Flags = Flags(0x0020);
    /// Equal files were stored once.
    pub const DUPLICATES: Flags = Flags(0x0040);
    /// There is an export table.
    pub const EXPORTABLE: Flags = Flags(0x0080);
    /// Extended attributes are not compressed.
    pub const STORED_XATTRS: Flags = Flags(0x0100);
    /// There are no extended attributes.
    pub const NO_XATTRS: Flags = Flags(0x0200);
    /// The codec's options follow the superblock.
    pub const CODEC_OPTIONS: Flags = Flags(0x0400);
    /// The id table is not compressed.
    pub const STORED_IDS: Flags = Flags(0x0800);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// The codec that a superblock names (format 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecId {
    /// zlib streams.
    Gzip,
    /// Headerless LZMA of kernels before 2.6.38; not read.
    Lzma,
    /// LZO; not read.
    Lzo,
    /// xz streams.
    Xz,
    /// LZ4 blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl CodecId {
    pub(crate) fn from_number(number: u16) -> Option<CodecId> {
        use CodecId::*;
        [Gzip, Lzma, Lzo, Xz, Lz4, Zstd]
            .into_iter()
            .find(|id| id.number() == number)
    }

    pub(crate) fn number(self) -> u16 {
        match self {
            CodecId::Gzip => 1,
            CodecId::Lzma => 2,
            CodecId::Lzo => 3,
            CodecId::Xz => 4,
            CodecId::Lz4 => 5,
            CodecId::Zstd => 6,
        }
    }

    /// What it is called on `mksquashfs`'s command line.
    pub fn name(self) -> &'static str {
        match self {
            CodecId::Gzip => "gzip",
            CodecId::Lzma => "lzma",
            CodecId::Lzo => "lzo",
            CodecId::Xz => "xz",
            CodecId::Lz4 => "lz4",
            CodecId::Zstd => "zstd",
        }
    }
}

/// Where an inode lies: the metadata block's offset in the inode table, and the inode's in the unpacked block (kernel 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeRef(pub u64);

impl InodeRef {
    pub(crate) fn new(block: u64, offset: u16) -> InodeRef {
        InodeRef(block << 16 | u64::from(offset))
    }

    /// Offset of the metadata block from the table's beginning.
    pub fn block(self) -> u64 {
        self.0 >> 16
    }

    /// Offset in the unpacked block.
    pub fn offset(self) -> u16 {
        self.0 as u16
    }
}

/// A data block's or fragment's size on the disk, as it stands in block lists (kernel 3.3, format 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockWord(pub u32);

impl BlockWord {
    const STORED: u32 = 1 << 24;
    /// A block of zeros that takes no place.
    pub const HOLE: BlockWord = BlockWord(0);

    /// A block of `length` bytes on the disk.
    pub(crate) fn new(length: usize, compressed: bool) -> BlockWord {
        BlockWord(length as u32 | if compressed { 0 } else { Self::STORED })
    }

    /// Bytes on the disk.
    pub fn length(self) -> u32 {
        self.0 & (Self::STORED - 1)
    }

    /// Whether it is compressed.
    pub fn is_compressed(self) -> bool {
        self.0 & Self::STORED == 0
    }

    /// Whether it is a hole.
    pub fn is_hole(self) -> bool {
        self.0 == 0
    }

    /// Whether the bits above size and flag are clear.
    pub(crate) fn is_valid(self) -> bool {
        self.0 >> 25 == 0
    }
}

/// The superblock (kernel 3, format 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// How many inodes there are.
    pub inode_count: u32,
    /// When the image was made, seconds since 1970.
    pub mtime: u32,
    /// Unpacked size of a data block, a power of two.
    pub block_size: u32,
    /// How many fragments there are.
    pub fragment_count: u32,
    /// What everything is compressed with.
    pub codec: CodecId,
    /// Flags.
    pub flags: Flags,
    /// How many ids there are.
    pub id_count: u16,
    /// The root folder.
    pub root: InodeRef,
    /// Length of the image, without padding.
    pub bytes_used: u64,
    /// The id table's list of blocks.
    pub id_table: u64,
    /// The xattr id table's header, or `u64::MAX`.
    pub xattr_table: u64,
    /// The inode table.
    pub inode_table: u64,
    /// The directory table.
    pub directory_table: u64,
    /// The fragment table's list of blocks.
    pub fragment_table: u64,
    /// The export table's list of blocks, or `u64::MAX`.
    pub export_table: u64,
}

impl Superblock {
    /// The 96 bytes at the image's beginning.
    pub fn to_bytes(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut out = Vec::with_capacity(SUPERBLOCK_LEN);
        put32(&mut out, MAGIC);
        put32(&mut out, self.inode_count);
        put32(&mut out, self.mtime);
        put32(&mut out, self.block_size);
        put32(&mut out, self.fragment_count);
        put16(&mut out, self.codec.number());
        put16(&mut out, self.block_size.trailing_zeros() as u16);
        put16(&mut out, self.flags.0);
        put16(&mut out, self.id_count);
        put16(&mut out, 4);
        put16(&mut out, 0);
        for value in [
            self.root.0,
            self.bytes_used,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        ] {
            put64(&mut out, value);
        }
        let mut bytes = [0; SUPERBLOCK_LEN];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads the superblock. What it points to is checked by [`Image::open`](crate::Image::open).
    pub fn from_bytes(bytes: &[u8; SUPERBLOCK_LEN]) -> Result<Superblock> {
        let no = |reason: String| Error::NotSquashfs { reason };
        let magic = get32(bytes, 0);
        if magic == MAGIC.swap_bytes() {
            return Err(no(
                "it is big-endian, which only versions before 4.0 were".into()
            ));
        }
        if magic != MAGIC {
            return Err(no(format!("its first bytes are {magic:#010x}")));
        }
        let (major, minor) = (get16(bytes, 28), get16(bytes, 30));
        if (major, minor) != (4, 0) {
            return Err(no(format!("its version is {major}.{minor}")));
        }
        let block_size = get32(bytes, 12);
        if !block_size.is_power_of_two() || !BLOCK_SIZES.contains(&block_size) {
            return Err(Error::damaged(
                12,
                "the block size is no power of two from 4 KiB to 1 MiB",
            ));
        }
        if u32::from(get16(bytes, 22)) != block_size.trailing_zeros() {
            return Err(Error::damaged(
                22,
                "the block size's logarithm is not that of the block size",
            ));
        }
        let codec = CodecId::from_number(get16(bytes, 20))
            .ok_or(Error::damaged(20, "the codec's number is unknown"))?;
        Ok(Superblock {
            inode_count: get32(bytes, 4),
            mtime: get32(bytes, 8),
            block_size,
            fragment_count: get32(bytes, 16),
            codec,
            flags: Flags(get16(bytes, 24)),
            id_count: get16(bytes, 26),
            root: InodeRef(get64(bytes, 32)),
            bytes_used: get64(bytes, 40),
            id_table: get64(bytes, 48),
            xattr_table: get64(bytes, 56),
            inode_table: get64(bytes, 64),
            directory_table: get64(bytes, 72),
            fragment_table: get64(bytes, 80),
            export_table: get64(bytes, 88),
        })
    }
}

/// One fragment block (kernel 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FragmentEntry {
    pub(crate) start: u64,
    pub(crate) word: BlockWord,
}

impl FragmentEntry {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        put64(out, self.start);
        put32(out, self.word.0);
        put32(out, 0);
    }

    pub(crate) fn get(bytes: &[u8; FRAGMENT_ENTRY_LEN]) -> FragmentEntry {
        FragmentEntry {
            start: get64(bytes, 0),
            word: BlockWord(get32(bytes, 8)),
        }
    }
}

pub(crate) fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// The caller's slice is of fixed length and long enough.
pub(crate) fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// As [`get16`].
pub(crate) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from(get16(bytes, at)) | u32::from(get16(bytes, at + 2)) << 16
}

/// As [`get16`].
pub(crate) fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from(get32(bytes, at)) | u64::from(get32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            inode_count: 3,
            mtime: 1,
            block_size: 1 << 17,
            fragment_count: 1,
            codec: CodecId::Zstd,
            flags: Flags::DUPLICATES | Flags::EXPORTABLE,
            id_count: 1,
            root: InodeRef::new(0x20, 0x30),
            bytes_used: 0x1234,
            id_table: 1,
            xattr_table: NO_TABLE,
            inode_table: 2,
            directory_table: 3,
            fragment_table: 4,
            export_table: 5,
        }
    }

    #[test]
    fn a_superblock_is_read_as_it_was_written() {
        let bytes = superblock().to_bytes();
        assert_eq!(&bytes[..4], b"hsqs");
        assert_eq!(Superblock::from_bytes(&bytes).unwrap(), superblock());
    }

    #[test]
    fn what_is_no_squashfs_4_0_is_told() {
        for (at, byte, message) in [
            (
                0,
                b'x',
                "this is no squashfs 4.0: its first bytes are 0x73717378",
            ),
            (28, 3, "this is no squashfs 4.0: its version is 3.0"),
            (
                14,
                3,
                "the squashfs is damaged at offset 0xc: the block size is no power of two from 4 KiB to 1 MiB",
            ),
            (
                22,
                9,
                "the squashfs is damaged at offset 0x16: the block size's logarithm is not that of the block size",
            ),
            (
                20,
                7,
                "the squashfs is damaged at offset 0x14: the codec's number is unknown",
            ),
        ] {
            let mut bytes = superblock().to_bytes();
            bytes[at] = byte;
            assert_eq!(
                Superblock::from_bytes(&bytes).unwrap_err().to_string(),
                message
            );
        }
        let mut bytes = superblock().to_bytes();
        bytes[..4].copy_from_slice(b"sqsh");
        assert!(
            Superblock::from_bytes(&bytes)
                .unwrap_err()
                .to_string()
                .contains("big-endian")
        );
    }

    #[test]
    fn block_words_say_size_and_form() {
        let word = BlockWord::new(4096, false);
        assert_eq!((word.length(), word.is_compressed()), (4096, false));
        assert_eq!(word.0, 0x0100_1000);
        assert!(BlockWord::HOLE.is_hole());
        assert!(!BlockWord(1 << 25).is_valid());
    }
}
