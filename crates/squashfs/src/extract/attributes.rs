//! Owners, modes, extended attributes and times, as an image has them.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, futimens, lsetxattr, utimensat,
};
use rustix::io::Errno;

use super::refused;
use crate::error::Result;
use crate::read::{Image, Inode, InodeKind, ReadAt};

/// Gives what was made its attributes.
pub(super) struct Giver<'e, R> {
    image: &'e Image<R>,
    is_root: bool,
    left_out: AtomicU64,
}

impl<'e, R: ReadAt> Giver<'e, R> {
    pub(super) fn new(image: &'e Image<R>) -> Giver<'e, R> {
        Giver {
            image,
            is_root: rustix::process::geteuid().is_root(),
            left_out: AtomicU64::new(0),
        }
    }

    /// Extended attributes that could not be given.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// To what lies at `path`, and is open as `file` if it is a file. Links are not followed.
    pub(super) fn give(&self, inode: &Inode, path: &Path, file: Option<&File>) -> Result<()> {
        let xattrs = self.image.xattrs(inode)?;
        let given = self.owner(inode, path, file).and_then(|()| {
            // Before the mode: of what is read-only, its owner may set none (xattr(7)).
            for (name, value) in &xattrs {
                self.xattr(path, file, name, value)?;
            }
            mode(inode, path, file)?;
            // Last: what is above would change it.
            modified(inode.mtime, path, file)
        });
        given.map_err(|errno| refused(path)(errno.into()))
    }

    /// The owner, whose change takes setuid and capabilities away.
    fn owner(&self, inode: &Inode, path: &Path, file: Option<&File>) -> Result<(), Errno> {
        if !self.is_root {
            return Ok(());
        }
        let (uid, gid) = (
            Some(Uid::from_raw(inode.uid)),
            Some(Gid::from_raw(inode.gid)),
        );
        match file {
            Some(file) => fchown(file, uid, gid),
            None => chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    fn xattr(
        &self,
        path: &Path,
        file: Option<&File>,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), Errno> {
        let set = match file {
            _ if !self.is_root && !name.starts_with(b"user.") => Err(Errno::NOTSUP),
            Some(file) => fsetxattr(file, name, value, XattrFlags::empty()),
            None => lsetxattr(path, name, value, XattrFlags::empty()),
        };
        match set {
            Err(Errno::NOTSUP) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            set => set,
        }
    }
}

fn mode(inode: &Inode, path: &Path, file: Option<&File>) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(inode.permissions.into());
    match file {
        Some(file) => fchmod(file, mode),
        None if matches!(inode.kind, InodeKind::Symlink(_)) => Ok(()),
        None => chmodat(CWD, path, mode, AtFlags::empty()),
    }
}

fn modified(mtime: u32, path: &Path, file: Option<&File>) -> Result<(), Errno> {
    let left = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    };
    let times = Timestamps {
        last_access: left,
        last_modification: Timespec {
            tv_sec: mtime.into(),
            tv_nsec: 0,
        },
    };
    match file {
        Some(file) => futimens(file, &times),
        None => utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW),
    }
}
