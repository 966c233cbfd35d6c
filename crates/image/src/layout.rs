//! What lies where on the ISO, before the store image and the host key, which follow from it.

use std::collections::BTreeMap;

use crate::Error;
use crate::contents::{Node, Store, walk};
use crate::manifest::Manifest;
use crate::write::Options;

/// The store image's place.
pub(crate) const STORE_IMAGE: &str = "/nix-store.squashfs";
/// The repository's place.
pub(crate) const REPOSITORY: &str = "/devos";
/// The place of what is not in the store.
pub(crate) const OWN: &str = "/flk";

/// The nodes of an ISO by their absolute place, and what is outside of its tree.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) nodes: BTreeMap<String, Node>,
    /// The boot sector that makes the ISO bootable as a disk.
    pub(crate) mbr: Option<Node>,
}

impl Layout {
    /// Contents and repository.
    pub(crate) fn of(manifest: &Manifest, options: &Options) -> Result<Layout, Error> {
        let store = Store(&options.store);
        let mut layout = Layout {
            nodes: BTreeMap::new(),
            mbr: None,
        };
        for content in &manifest.contents {
            let target = normal(&content.target)?;
            layout.put(walk(&store.resolve(&content.source)?, &target)?)?;
        }
        if let Some(repository) = &options.repository {
            layout.put(walk(repository, REPOSITORY)?)?;
        }
        for own in [OWN, STORE_IMAGE] {
            if let Some(node) = layout.nodes.get(own) {
                return Err(Error::TargetTwice {
                    target: own.into(),
                    first: node.origin(),
                    second: "what flk itself puts there".into(),
                });
            }
        }
        if let Some(bios) = &manifest.boot.bios {
            layout.boot_file("boot.bios.image", &bios.image)?;
            if let Some(mbr) = &bios.mbr {
                layout.mbr = Some(Node::file(&store.resolve(mbr)?, 0o444)?);
            }
        }
        if let Some(efi) = &manifest.boot.efi {
            layout.boot_file("boot.efi.image", &efi.image)?;
        }
        Ok(layout)
    }

    /// Puts nodes; folders merge, nothing else does.
    pub(crate) fn put(&mut self, nodes: BTreeMap<String, Node>) -> Result<(), Error> {
        for (target, node) in nodes {
            for (at, _) in target.match_indices('/').skip(1) {
                let folder = self
                    .nodes
                    .entry(target[..at].into())
                    .or_insert(Node::Folder);
                if *folder != Node::Folder {
                    return Err(Error::TargetTwice {
                        target: target[..at].into(),
                        first: folder.origin(),
                        second: "a folder".into(),
                    });
                }
            }
            match self.nodes.get(&target) {
                Some(there) if there == &node => {}
                Some(there) => {
                    return Err(Error::TargetTwice {
                        target,
                        first: there.origin(),
                        second: node.origin(),
                    });
                }
                None => {
                    self.nodes.insert(target, node);
                }
            }
        }
        Ok(())
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        let sizes = self.nodes.values().map(|node| match node {
            Node::File { size, .. } => *size,
            _ => 0,
        });
        sizes.sum()
    }

    fn boot_file(&self, field: &'static str, image: &str) -> Result<(), Error> {
        match self.nodes.get(&normal(image)?) {
            Some(Node::File { .. }) => Ok(()),
            _ => Err(Error::Manifest {
                field,
                reason: format!("{image} is not among the files of `contents`"),
            }),
        }
    }
}

/// A target with one leading `/` and none at its end.
pub(crate) fn normal(target: &str) -> Result<String, Error> {
    let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty()).collect();
    let wrong = |reason: &str| Error::Manifest {
        field: "contents.target",
        reason: format!("{target:?} {reason}"),
    };
    if parts.is_empty() {
        return Err(wrong("is the root of the ISO"));
    }
    if parts.iter().any(|part| *part == "." || *part == "..") || target.contains('\n') {
        return Err(wrong("has a `.`, a `..` or a line break"));
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_absolute_and_plain() {
        for (given, expected) in [
            ("boot/bzImage", "/boot/bzImage"),
            ("/devos/", "/devos"),
            ("//a///b", "/a/b"),
        ] {
            assert_eq!(normal(given).unwrap(), expected);
        }
        for given in ["", "/", "/a/../b", "./a", "a\nb"] {
            assert!(normal(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn folders_merge_and_files_do_not() {
        let file = |text: &[u8]| Node::File {
            source: "/s".into(),
            size: 1,
            mode: 0o444,
            digest: blake3::hash(text),
        };
        let mut layout = Layout {
            nodes: BTreeMap::new(),
            mbr: None,
        };
        layout
            .put(BTreeMap::from([("/boot/a".to_string(), file(b"a"))]))
            .unwrap();
        layout
            .put(BTreeMap::from([
                ("/boot".to_string(), Node::Folder),
                ("/boot/b".to_string(), file(b"b")),
                ("/boot/a".to_string(), file(b"a")),
            ]))
            .unwrap();
        assert_eq!(
            layout.nodes.keys().collect::<Vec<_>>(),
            ["/boot", "/boot/a", "/boot/b"]
        );
        for (target, node) in [
            ("/boot/a", file(b"c")),
            ("/boot/a/below", file(b"c")),
            ("/boot", file(b"c")),
        ] {
            let twice = layout.put(BTreeMap::from([(target.to_string(), node)]));
            assert!(matches!(twice, Err(Error::TargetTwice { .. })), "{target}");
        }
    }
}
