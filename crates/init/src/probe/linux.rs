//! The file systems and containers of Linux: where each keeps its magic, label and UUID (the kernel's own headers; `cryptsetup`'s on-disk formats).

use super::{Identity, Source, text, text_utf16, uuid};

/// LUKS1 specification 1.2.3, table 1; LUKS2 specification 2.1: the header's first sector.
pub(super) fn luks(source: &Source<'_>) -> Option<Identity> {
    if !source.is(0, b"LUKS\xba\xbe") {
        return None;
    }
    let label = if source.bytes(6, 2)? == [0, 2] {
        text(source.bytes(24, 48)?)
    } else {
        None
    };
    Some(Identity {
        fs_type: "crypto_LUKS",
        label,
        uuid: text(source.bytes(168, 40)?),
    })
}

/// LVM2's `label_header`, in one of the first four sectors.
pub(super) fn lvm(source: &Source<'_>) -> Option<Identity> {
    let start = (0..4)
        .map(|sector| sector * 512)
        .find(|&start| source.is(start, b"LABELONE") && source.is(start + 24, b"LVM2 001"))?;
    Some(Identity {
        fs_type: "LVM2_member",
        label: None,
        uuid: text(source.bytes(start + 32, 32)?),
    })
}

/// `mdp_superblock_1` at the start (1.1) or at 4 KiB (1.2); those at the end (0.90, 1.0) are not looked for.
pub(super) fn raid(source: &Source<'_>) -> Option<Identity> {
    const MAGIC: u32 = 0xa92b_4efc;
    let start = [0, 4096]
        .into_iter()
        .find(|&start| source.u32(start) == Some(MAGIC) && source.u32(start + 4) == Some(1))?;
    Some(Identity {
        fs_type: "linux_raid_member",
        label: text(source.bytes(start + 32, 32)?),
        uuid: uuid(source.bytes(start + 16, 16)?),
    })
}

/// `squashfs_super_block`, version 4: it has neither label nor UUID.
pub(super) fn squashfs(source: &Source<'_>) -> Option<Identity> {
    (source.is(0, b"hsqs") && source.u16(28) == Some(4)).then_some(Identity {
        fs_type: "squashfs",
        label: None,
        uuid: None,
    })
}

/// `erofs_super_block`, at 1 KiB.
pub(super) fn erofs(source: &Source<'_>) -> Option<Identity> {
    if source.u32(1024)? != 0xe0f5_e1e2 {
        return None;
    }
    Some(Identity {
        fs_type: "erofs",
        label: text(source.bytes(1024 + 64, 16)?),
        uuid: uuid(source.bytes(1024 + 48, 16)?),
    })
}

/// `xfs_dsb`.
pub(super) fn xfs(source: &Source<'_>) -> Option<Identity> {
    if !source.is(0, b"XFSB") {
        return None;
    }
    Some(Identity {
        fs_type: "xfs",
        label: text(source.bytes(108, 12)?),
        uuid: uuid(source.bytes(32, 16)?),
    })
}

/// `btrfs_super_block`, at 64 KiB.
pub(super) fn btrfs(source: &Source<'_>) -> Option<Identity> {
    const START: usize = 0x10000;
    if !source.is(START + 0x40, b"_BHRfS_M") {
        return None;
    }
    Some(Identity {
        fs_type: "btrfs",
        label: text(source.bytes(START + 0x12b, 256)?),
        uuid: uuid(source.bytes(START + 0x20, 16)?),
    })
}

/// `ext4_super_block`, at 1 KiB. Which of the three it is, its features say: ext4 has some that the ext3 driver never knew.
pub(super) fn ext(source: &Source<'_>) -> Option<Identity> {
    const START: usize = 1024;
    const HAS_JOURNAL: u32 = 0x4;
    const JOURNAL_DEVICE: u32 = 0x8;
    /// `filetype`, `needs_recovery`, `meta_bg`.
    const EXT3_INCOMPATIBLE: u32 = 0x2 | 0x4 | 0x10;
    /// `sparse_super`, `large_file`, `btree_dir`.
    const EXT3_READ_ONLY: u32 = 0x1 | 0x2 | 0x4;
    if source.u16(START + 56)? != 0xef53 {
        return None;
    }
    let (compatible, incompatible, read_only) = (
        source.u32(START + 92)?,
        source.u32(START + 96)?,
        source.u32(START + 100)?,
    );
    let fs_type = if incompatible & JOURNAL_DEVICE != 0 {
        "jbd"
    } else if incompatible & !EXT3_INCOMPATIBLE != 0 || read_only & !EXT3_READ_ONLY != 0 {
        "ext4"
    } else if compatible & HAS_JOURNAL != 0 {
        "ext3"
    } else {
        "ext2"
    };
    Some(Identity {
        fs_type,
        label: text(source.bytes(START + 120, 16)?),
        uuid: uuid(source.bytes(START + 104, 16)?),
    })
}

/// `f2fs_super_block`, at 1 KiB.
pub(super) fn f2fs(source: &Source<'_>) -> Option<Identity> {
    if source.u32(1024)? != 0xf2f5_2010 {
        return None;
    }
    Some(Identity {
        fs_type: "f2fs",
        label: text_utf16(source.bytes(1024 + 124, 1024)?),
        uuid: uuid(source.bytes(1024 + 108, 16)?),
    })
}

/// `swap_header`: the magic at the end of the first page, of 4, 8, 16 or 64 KiB.
pub(super) fn swap(source: &Source<'_>) -> Option<Identity> {
    let pages = [4096, 8192, 16384, 65536];
    pages
        .into_iter()
        .find(|&page| source.is(page - 10, b"SWAPSPACE2"))?;
    Some(Identity {
        fs_type: "swap",
        label: text(source.bytes(1024 + 28, 16)?),
        uuid: uuid(source.bytes(1024 + 12, 16)?),
    })
}
