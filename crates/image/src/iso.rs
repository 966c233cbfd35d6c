//! What is on the ISO, in the words of [`flk_iso9660`].
//!
//! The order on the ISO: what a boot loader reads, the repository, what is of this build alone, the store image, its digests. The
//! store image begins at a whole MiB, so that a few bytes more before it leave it where it was.

use std::collections::BTreeMap;
use std::path::Path;

use flk_iso9660::{
    Attributes, BiosBoot, Boot, BootCode, Content, ContentId, Disk, EfiBoot, Folder, Guid, Node,
    Options, Time, Tree,
};

use crate::Error;
use crate::contents::Node as Laid;
use crate::digests;
use crate::layout::{Layout, REPOSITORY, STORE_IMAGE, normal};
use crate::manifest::Manifest;
use crate::packed::TIME;
use crate::stamp::Stamp;

/// Where the store image begins is a multiple of this.
const STORE_ALIGNMENT: u64 = 1 << 20;
/// Room for folders and volume descriptors, so that some files more leave all others where they are.
const METADATA_ROOM: u64 = 1 << 20;
/// No digests are longer: a file of one directory record.
const DIGESTS_MAX: u64 = 1 << 31;

/// A file of this build alone: its place, its bytes, its mode.
pub(crate) struct OwnFile {
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
}

/// The tree, whose store image has at most `most` bytes; the store image comes first of what is streamed, then the digests.
pub(crate) fn tree(
    layout: &Layout,
    manifest: &Manifest,
    own: Vec<OwnFile>,
    most: u64,
) -> Result<Tree, Error> {
    let mut tree = Tree::new(attributes(0o755));
    // It is patched, so nothing else may share it.
    let patched = match &manifest.boot.bios {
        Some(bios) => Some(normal(&bios.image)?),
        None => None,
    };
    let mut contents = Contents::default();
    // The repository changes most often: it comes after the rest.
    let (repository, others): (Vec<_>, Vec<_>) = layout
        .nodes
        .iter()
        .partition(|(place, _)| Path::new(place).starts_with(REPOSITORY));
    for (place, node) in others.into_iter().chain(repository) {
        let node = match node {
            Laid::Folder => Node::Folder(Folder {
                attributes: attributes(0o755),
                entries: BTreeMap::new(),
            }),
            Laid::File {
                source,
                size,
                mode,
                digest,
            } => {
                let shared = patched.as_ref() != Some(place);
                let content = Content::file(source, *size);
                Node::File {
                    attributes: attributes(*mode),
                    content: contents.add(&mut tree, content, shared.then_some(*digest)),
                }
            }
            Laid::Link { to, .. } => Node::Link {
                attributes: attributes(0o777),
                target: to.as_os_str().as_encoded_bytes().to_vec(),
            },
        };
        tree.insert(place.as_bytes(), node).map_err(Error::iso)?;
    }
    for OwnFile { place, bytes, mode } in own {
        tree.insert_file(place.as_bytes(), attributes(mode), Content::bytes(bytes))
            .map_err(Error::iso)?;
    }
    let store = Content::streamed(most).aligned(STORE_ALIGNMENT);
    let digests = Content::streamed(DIGESTS_MAX).aligned(digests::BLOCK);
    for (place, content) in [(STORE_IMAGE, store), (digests::PLACE, digests)] {
        tree.insert_file(place.as_bytes(), attributes(0o444), content)
            .map_err(Error::iso)?;
    }
    Ok(tree)
}

/// Files with the same content are stored once, whether or not the store that they come from has linked them to each other.
#[derive(Default)]
struct Contents(BTreeMap<[u8; 32], ContentId>);

impl Contents {
    fn add(
        &mut self,
        tree: &mut Tree,
        content: Content,
        digest: Option<blake3::Hash>,
    ) -> ContentId {
        let Some(digest) = digest else {
            return tree.add(content);
        };
        *self
            .0
            .entry(*digest.as_bytes())
            .or_insert_with(|| tree.add(content))
    }
}

fn attributes(mode: u32) -> Attributes {
    Attributes::root(mode, Time(TIME.into()))
}

/// Names, times and how it boots; `mbr` are the bytes of [`Layout::mbr`].
pub(crate) fn options(manifest: &Manifest, stamp: &Stamp, mbr: Option<Vec<u8>>) -> Options {
    let mut options = Options::new(&manifest.volume_id);
    options.application_id = stamp.text();
    options.time = Time(TIME.into());
    options.metadata_room = METADATA_ROOM;
    let code = mbr.map(BootCode::new);
    let is_grub = code
        .as_ref()
        .is_some_and(|code| code.kind == flk_iso9660::CodeKind::Grub);
    let boot = &manifest.boot;
    options.boot = Boot {
        bios: boot.bios.as_ref().map(|bios| match is_grub {
            true => BiosBoot::grub(bios.image.as_bytes()),
            false => BiosBoot::isolinux(bios.image.as_bytes()),
        }),
        efi: boot.efi.as_ref().map(|efi| EfiBoot {
            image: efi.image.clone().into_bytes(),
        }),
        disk: (code.is_some() || boot.efi.is_some()).then(|| Disk {
            guid: guid(stamp.build.as_str()),
            code,
        }),
    };
    options
}

/// From the build id.
fn guid(build: &str) -> Guid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&blake3::hash(build.as_bytes()).as_bytes()[..16]);
    Guid::of_digest(bytes)
}
