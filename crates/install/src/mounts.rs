//! What is mounted where: at a place, and above it.

use std::path::Path;

pub(crate) use flk_mounts::Mount;
use flk_mounts::{TABLE, read};

use crate::{Error, Result};

/// All mounts of this process, in the order in which they were made: of two at one place the later one is seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads the table.
    pub(crate) fn read() -> Result<Mounts> {
        read()
            .map(Mounts)
            .map_err(Error::io("read", Path::new(TABLE)))
    }

    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Mounts {
        Mounts(flk_mounts::parse(text))
    }

    /// What is mounted at this place, which has no links in it.
    pub(crate) fn at(&self, point: &Path) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.point == point)
    }

    /// The mount in which a path lies, or would lie.
    pub(crate) fn holding(&self, path: &Path) -> Option<&Mount> {
        path.ancestors().find_map(|ancestor| self.at(ancestor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_is_seen() {
        let mounts = Mounts::parse(
            "21 1 0:20 / / rw,relatime - tmpfs tmpfs rw,mode=755\n\
             36 21 254:2 / /mnt rw,relatime shared:9 - ext4 /dev/vda2 rw\n\
             37 36 254:1 / /mnt/boot rw - vfat /dev/vda1 ro,fmask=0022\n\
             39 21 8:1 / /mnt rw - xfs /dev/vdb rw\n",
        );
        let at = |path: &str| {
            mounts
                .at(Path::new(path))
                .map(|mount| mount.fs_type.as_str())
        };
        assert_eq!(at("/mnt"), Some("xfs"));
        assert_eq!(at("/mnt/boot"), Some("vfat"));
        assert_eq!(at("/mnt/nix"), None);
        assert!(mounts.at(Path::new("/mnt/boot")).unwrap().is_read_only);
        assert!(!mounts.at(Path::new("/mnt")).unwrap().is_read_only);
        let holding = |path: &str| mounts.holding(Path::new(path)).unwrap().point.clone();
        assert_eq!(holding("/mnt/boot/EFI"), Path::new("/mnt/boot"));
        assert_eq!(holding("/home"), Path::new("/"));
    }
}
