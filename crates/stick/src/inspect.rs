//! What an image is and holds, by its bytes alone: nothing is mounted, and no right but that of reading is needed.
//!
//! Images of others are shown as far as they say something: volume, boot entries, partitions, files.

mod store;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use flk_image::Build;
use flk_iso9660::Kind;
use flk_iso9660::format::el_torito::Platform;
use flk_squashfs::Extracted;
use serde::Serialize;

pub use store::{Difference, Store, StorePath};

use crate::{Error, Result, container};

/// The store on an ISO of flk, and of NixOS.
pub(crate) const STORE: &str = "/nix-store.squashfs";
/// Where an ISO by flk says what it is.
pub const BUILD: &str = "/flk/build.json";
const HOST_KEY: &str = "/flk/ssh_host_ed25519_key";
const HOST_KEY_PUBLIC: &str = "/flk/ssh_host_ed25519_key.pub";
/// Documents on an ISO are not longer than so many bytes.
const MOST_TEXT: u64 = 1 << 20;
/// So many files of an image are looked at.
const MOST_FILES: usize = 1 << 20;
/// What a boot menu gives the live system by.
const INIT: &str = "init=/nix/store/";
/// Bytes of a sector, as MBR and GPT count.
const SECTOR: u64 = 512;

/// How an image starts a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// `BIOS`, `UEFI`, or El Torito's number of another.
    pub platform: String,
    /// Where its program begins, in bytes.
    pub offset: u64,
    /// The file on the image that begins there, if there is one.
    pub file: Option<String>,
}

/// A partition, if the image is a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// `MBR` or `GPT`.
    pub table: &'static str,
    /// Its type: a number, or a GUID.
    pub kind: String,
    /// Its name, or empty.
    pub name: String,
    /// Its first byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// What an image is and holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Bytes of the image; of a device, what the volume takes of it.
    pub size: u64,
    /// The volume's name.
    pub volume_id: String,
    /// What made it, in its own words.
    pub application_id: String,
    /// When it was made, as the volume says: seconds since 1970.
    pub created: Option<i64>,
    /// What flk says of it; none on images of others.
    pub build: Option<Build>,
    /// How it starts.
    pub boot: Vec<BootEntry>,
    /// What it is as a disk.
    pub partitions: Vec<Partition>,
    /// The live system's store path, by the boot menu.
    pub live_toplevel: Option<String>,
    /// The public half of the live machine's ssh host key.
    pub host_key: Option<String>,
    /// The private half is on it: whoever has the image can pose as that machine.
    pub has_private_key: bool,
    /// Who may log in: user and public key.
    pub authorized_keys: Vec<(String, String)>,
    /// Files and what they take, in bytes, the largest first.
    pub files: Vec<(String, u64)>,
    /// The store, if there is one.
    pub store: Option<Store>,
}

/// An image that is open.
pub(crate) type Image = flk_iso9660::Image<File>;

/// Looks at an image, in a file or on a device.
///
/// # Errors
/// [`Error::Io`]; [`Error::Iso`] and [`Error::Squashfs`] when it is damaged, or none.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let (mut image, mut other) = open(path)?;
    let length = other
        .seek(SeekFrom::End(0))
        .map_err(Error::io("read", path))?;
    let iso = |source| Error::Iso {
        path: path.to_owned(),
        source,
    };
    let volume = image.volume();
    let size = u64::from(volume.blocks) * flk_iso9660::format::BLOCK as u64;
    let created = volume.created.map(|time| time.0);
    let files = files(&mut image).map_err(iso)?;
    let mut text = |name: &str| text(&mut image, name).map_err(iso);
    let build = text(BUILD)?.and_then(|text| serde_json::from_str(&text).ok());
    let host_key = text(HOST_KEY_PUBLIC)?.map(|line| line.trim().to_owned());
    let live_toplevel = files
        .iter()
        .filter(|(name, _, _)| name.ends_with(".cfg"))
        .find_map(|(name, _, _)| text(name).ok().flatten().and_then(|text| init(&text)));
    let store = match image.find(STORE.as_bytes()).map_err(iso)? {
        Some(entry) if entry.kind == Kind::File && !entry.extents.is_empty() => {
            let start = entry.extents[0].offset;
            Some(Store::read(path, other, start, entry.length())?)
        }
        _ => None,
    };
    let authorized_keys = match (&store, &live_toplevel) {
        (Some(store), Some(toplevel)) => store.authorized_keys(toplevel),
        _ => Vec::new(),
    };
    Ok(Inspection {
        size: size.min(length),
        volume_id: image.volume_id(),
        application_id: image.application_id(),
        created,
        boot: boot(&mut image, &files).map_err(iso)?,
        partitions: partitions(&mut image).map_err(iso)?,
        has_private_key: files.iter().any(|(name, _, _)| name == HOST_KEY),
        build,
        live_toplevel,
        host_key,
        authorized_keys,
        files: largest(files),
        store,
    })
}

/// Copies a file out of an image, or out of the store in it (`/nix/store/…`); gives its bytes' number.
///
/// # Errors
/// [`Error::NotOnImage`]; those of [`inspect`].
pub fn extract(path: &Path, name: &str, out: &mut dyn Write) -> Result<u64> {
    let missing = || not_on(path, name);
    if name.starts_with("/nix/store/") {
        return store_on(path, name)?
            .extract(name, out)?
            .ok_or_else(missing);
    }
    let (mut image, _) = open(path)?;
    let iso = |source| Error::Iso {
        path: path.to_owned(),
        source,
    };
    let entry = image.find(name.as_bytes()).map_err(iso)?;
    let entry = entry
        .filter(|entry| entry.kind == Kind::File)
        .ok_or_else(missing)?;
    let mut reader = image.file(&entry).map_err(iso)?;
    copy(&mut reader, out, (path, name))
}

/// Copies a file of an image, and tells failures of the image from those of what it is written to.
pub(crate) fn copy(
    reader: &mut dyn Read,
    out: &mut dyn Write,
    (path, name): (&Path, &str),
) -> Result<u64> {
    let mut out = Output { out, error: None };
    let copied = std::io::copy(reader, &mut out);
    match out.error {
        Some(source) => Err(Error::Output {
            name: name.to_owned(),
            source,
        }),
        None => copied.map_err(Error::io("read", path)),
    }
}

/// Where something is extracted to; it remembers its own failures, which are not those of the image.
struct Output<'a> {
    out: &'a mut dyn Write,
    error: Option<std::io::Error>,
}

impl Output<'_> {
    fn note<T>(&mut self, done: std::io::Result<T>) -> std::io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.error = Some(error);
            }
            kind.into()
        })
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.out.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.out.flush();
        self.note(done)
    }
}

/// Extracts a folder of the store in an image (`/nix/store/…`), with all that is in it, to `to`, which must not exist yet. `None`: it is no such folder.
///
/// # Errors
/// [`Error::Squashfs`]; those of [`inspect`].
pub fn extract_folder(path: &Path, name: &str, to: &Path) -> Result<Option<Extracted>> {
    if !name.starts_with("/nix/store/") {
        return Ok(None);
    }
    store_on(path, name)?.extract_folder(name, to)
}

/// The store of an image, for what should be in it.
fn store_on(path: &Path, name: &str) -> Result<Store> {
    let (mut image, other) = open(path)?;
    let entry = image.find(STORE.as_bytes()).map_err(|source| Error::Iso {
        path: path.to_owned(),
        source,
    })?;
    let entry = entry.filter(|entry| !entry.extents.is_empty());
    let entry = entry.ok_or_else(|| not_on(path, name))?;
    Store::read(path, other, entry.extents[0].offset, entry.length())
}

fn not_on(path: &Path, name: &str) -> Error {
    Error::NotOnImage {
        path: path.to_owned(),
        name: name.to_owned(),
    }
}

/// An image, and its file once more, for the store in it: each reads at places of its own choice.
pub(crate) fn open(path: &Path) -> Result<(Image, File)> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let other = file.try_clone().map_err(Error::io("read", path))?;
    if let Some(refusal) = container::refuse(&other, path) {
        return Err(refusal);
    }
    let image = Image::open(file).map_err(|source| Error::Iso {
        path: path.to_owned(),
        source,
    })?;
    Ok((image, other))
}

/// Names, bytes and places of all files.
fn files(image: &mut Image) -> std::result::Result<Vec<(String, u64, u64)>, flk_iso9660::Error> {
    let mut files = Vec::new();
    let mut walk = image.walk();
    while let Some((path, entry)) = walk.next(image)? {
        if entry.kind == Kind::File && files.len() < MOST_FILES {
            let place = entry.extents.first().map_or(0, |extent| extent.offset);
            files.push((
                String::from_utf8_lossy(path).into_owned(),
                entry.length(),
                place,
            ));
        }
    }
    Ok(files)
}

fn largest(files: Vec<(String, u64, u64)>) -> Vec<(String, u64)> {
    let mut files: Vec<_> = files
        .into_iter()
        .map(|(name, length, _)| (name, length))
        .collect();
    files.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    files
}

/// A file that is text, and no longer than documents are.
fn text(image: &mut Image, name: &str) -> std::result::Result<Option<String>, flk_iso9660::Error> {
    let Some(entry) = image.find(name.as_bytes())? else {
        return Ok(None);
    };
    if entry.kind != Kind::File || entry.length() > MOST_TEXT {
        return Ok(None);
    }
    let mut text = String::new();
    let read = image.file(&entry)?.read_to_string(&mut text);
    Ok(read.ok().map(|_| text))
}

/// The live system that a boot menu starts.
fn init(menu: &str) -> Option<String> {
    let at = menu.find(INIT)? + "init=".len();
    let path = menu[at..].split(char::is_whitespace).next()?;
    let name = path["/nix/store/".len()..].split('/').next()?;
    Some(format!("/nix/store/{name}"))
}

fn boot(
    image: &mut Image,
    files: &[(String, u64, u64)],
) -> std::result::Result<Vec<BootEntry>, flk_iso9660::Error> {
    let images = image.boot_images()?;
    Ok(images
        .into_iter()
        .map(|boot| {
            let at =
                |(_, length, place): &&(String, u64, u64)| *length > 0 && *place == boot.offset;
            BootEntry {
                platform: match boot.entry.platform {
                    Platform::Bios => "BIOS".to_owned(),
                    Platform::Efi => "UEFI".to_owned(),
                    Platform::Other(number) => format!("El Torito platform {number}"),
                },
                offset: boot.offset,
                file: files.iter().find(at).map(|(name, _, _)| name.clone()),
            }
        })
        .collect())
}

fn partitions(image: &mut Image) -> std::result::Result<Vec<Partition>, flk_iso9660::Error> {
    let Some(tables) = image.disk_tables()? else {
        return Ok(Vec::new());
    };
    let mut found: Vec<Partition> = tables
        .mbr
        .partitions
        .iter()
        .flatten()
        .map(|partition| Partition {
            table: "MBR",
            kind: format!("{:02x}", partition.kind),
            name: String::new(),
            offset: u64::from(partition.start) * SECTOR,
            length: u64::from(partition.sectors) * SECTOR,
        })
        .collect();
    if let Some((_, partitions)) = tables.primary.or(tables.backup) {
        found.extend(partitions.into_iter().map(|partition| Partition {
            table: "GPT",
            kind: format!("{:?}", partition.kind),
            name: partition.name,
            offset: partition.first.saturating_mul(SECTOR),
            length: (partition.last.saturating_sub(partition.first) + 1).saturating_mul(SECTOR),
        }));
    }
    Ok(found)
}

impl Inspection {
    /// The systems from which everything in the store is reached.
    pub fn roots(&self) -> BTreeSet<&str> {
        let host = self
            .build
            .as_ref()
            .and_then(|build| build.host_toplevel.as_deref());
        self.live_toplevel
            .as_deref()
            .into_iter()
            .chain(host)
            .collect()
    }
}
