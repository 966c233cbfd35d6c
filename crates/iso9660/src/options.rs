//! What is not in the tree: the volume's names and times, and how the image boots.

use crate::Error;
use crate::format::gpt::Guid;
use crate::format::mbr::{self, CodeKind};
use crate::format::time::Time;

/// Of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The volume's name, by which systems find it: at most 32 bytes of printable ASCII. Joliet has its first 16.
    pub volume_id: String,
    /// At most 128 bytes of printable ASCII, as the two that follow.
    pub application_id: String,
    /// Who publishes it.
    pub publisher_id: String,
    /// Who made the data.
    pub preparer_id: String,
    /// At most 32 bytes of printable ASCII.
    pub system_id: String,
    /// Of creation and modification.
    pub time: Time,
    /// Whether there are names for Windows.
    pub joliet: bool,
    /// Room in bytes that is kept for all that is before the files' contents, so that small changes of the tree leave
    /// them where they are.
    pub metadata_room: u64,
    /// How it boots.
    pub boot: Boot,
}

impl Options {
    /// With Joliet, not bootable, made in 1970.
    pub fn new(volume_id: impl Into<String>) -> Options {
        Options {
            volume_id: volume_id.into(),
            application_id: String::new(),
            publisher_id: String::new(),
            preparer_id: String::new(),
            system_id: String::new(),
            time: Time(0),
            joliet: true,
            metadata_room: 0,
            boot: Boot::default(),
        }
    }

    /// Whether all can be written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (option, text, most) in [
            ("volume identifier", &self.volume_id, 32),
            ("system identifier", &self.system_id, 32),
            ("application identifier", &self.application_id, 128),
            ("publisher identifier", &self.publisher_id, 128),
            ("preparer identifier", &self.preparer_id, 128),
        ] {
            let fail = |reason| Err(Error::Option { option, reason });
            if text.len() > most {
                return fail(format!(
                    "{text:?} has {} bytes, more than {most}",
                    text.len()
                ));
            }
            if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return fail(format!("{text:?} is not printable ASCII"));
            }
        }
        if !self.time.is_representable() {
            return Err(Error::Option {
                option: "time",
                reason: format!("{:?} is not between the years 1900 and 2155", self.time),
            });
        }
        let Some(disk) = &self.boot.disk else {
            return Ok(());
        };
        if let Some(code) = &disk.code {
            let fail = |reason| {
                Err(Error::Option {
                    option: "boot code",
                    reason,
                })
            };
            let length = code.bytes.len();
            if length > mbr::MAX_CODE {
                return fail(format!(
                    "it has {length} bytes, more than {}",
                    mbr::MAX_CODE
                ));
            }
            if self.boot.bios.is_none() {
                return fail("there is no BIOS boot image that it could start".into());
            }
        }
        Ok(())
    }
}

/// How an image boots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// From a CD by BIOS.
    pub bios: Option<BiosBoot>,
    /// From a CD by UEFI; with [`Boot::disk`] also from a disk.
    pub efi: Option<EfiBoot>,
    /// From a disk (a USB stick).
    pub disk: Option<Disk>,
}

impl Boot {
    /// Whether there is a GPT: as a disk, with something for UEFI.
    pub(crate) fn has_gpt(&self) -> bool {
        self.disk.is_some() && self.efi.is_some()
    }
}

/// A boot image for BIOS, without emulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BiosBoot {
    /// The path of a file of the tree.
    pub image: Vec<u8>,
    /// How much of it the BIOS loads, in sectors of 512 bytes; 4 for isolinux and GRUB.
    pub load_sectors: u16,
    /// Whether bytes 8 to 63 become the boot information table.
    pub info_table: bool,
    /// Whether the eight bytes at 2548 become the disk sector at which GRUB's `diskboot` goes on.
    pub grub_info: bool,
}

impl BiosBoot {
    /// As `isolinux.bin` wants it.
    pub fn isolinux(image: impl Into<Vec<u8>>) -> BiosBoot {
        BiosBoot {
            image: image.into(),
            load_sectors: 4,
            info_table: true,
            grub_info: false,
        }
    }

    /// As an image of `grub-mkimage -O i386-pc-eltorito` wants it.
    pub fn grub(image: impl Into<Vec<u8>>) -> BiosBoot {
        BiosBoot {
            grub_info: true,
            ..BiosBoot::isolinux(image)
        }
    }
}

/// A FAT file system with a boot loader for UEFI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfiBoot {
    /// The path of a file of the tree. With [`Boot::disk`] it begins at a multiple of [`EfiBoot::ALIGNMENT`].
    pub image: Vec<u8>,
}

impl EfiBoot {
    /// Where partition tools want partitions to begin.
    pub const ALIGNMENT: u64 = 1 << 20;
}

/// What makes of the image a disk: an MBR, and a GPT when there is something for UEFI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The disk's; those of partitions and the MBR's signature follow from it.
    pub guid: Guid,
    /// What a BIOS starts.
    pub code: Option<BootCode>,
}

/// Boot code for the MBR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCode {
    /// At most 512 bytes, of which those from 432 on are replaced.
    pub bytes: Vec<u8>,
    /// Whose it is.
    pub kind: CodeKind,
}

impl BootCode {
    /// Of the kind that it seems to be.
    pub fn new(bytes: impl Into<Vec<u8>>) -> BootCode {
        let bytes = bytes.into();
        let kind = CodeKind::of(&bytes);
        BootCode { bytes, kind }
    }
}

/// What is read into memory to be patched can have this many bytes.
pub(crate) const MAX_PATCHED: u64 = 64 << 20;
/// An image of whole such runs of blocks, as DVDs have them.
pub(crate) const TAIL: u64 = 16;
