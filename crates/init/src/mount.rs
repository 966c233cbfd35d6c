//! Mounting: what stage 1 and stage 2 ask of `mount(2)` and of the newer calls (`fsopen(2)`, `move_mount(2)`).

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_bind,
    mount_bind_recursive, mount_remount, move_mount, open_tree, unmount,
};

use crate::error::{InitError, IoContext, Result};
use crate::mount_options::{MountOptions, OverlayFolders};

/// One call of `mount(2)`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The device, or the type's name where there is none.
    pub source: &'a Path,
    /// Where to; it is made when it is not there.
    pub target: &'a Path,
    /// The type.
    pub fs_type: &'a str,
}

impl Request<'_> {
    fn failed(&self, source: Errno) -> InitError {
        InitError::Mount {
            device: self.source.display().to_string(),
            fs_type: self.fs_type.to_owned(),
            mount_point: self.target.to_owned(),
            source: source.into(),
        }
    }

    /// Mounts, or binds where the options say so.
    ///
    /// # Errors
    /// The mount point cannot be made, or the kernel refuses.
    pub fn mount(&self, options: &MountOptions) -> Result<()> {
        if options.flags.contains(MountFlags::BIND) {
            return self.bind(options);
        }
        create_folder(self.target, 0o755)?;
        let data = std::ffi::CString::new(options.data()).unwrap_or_default();
        match mount(
            self.source,
            self.target,
            self.fs_type,
            options.flags,
            Some(data.as_c_str()),
        ) {
            // A device that is write-protected: as mount(8) does.
            Err(Errno::ROFS | Errno::ACCESS) if !options.flags.contains(MountFlags::RDONLY) => {
                mount(
                    self.source,
                    self.target,
                    self.fs_type,
                    options.flags | MountFlags::RDONLY,
                    Some(data.as_c_str()),
                )
                .map_err(|error| self.failed(error))
            }
            result => result.map_err(|error| self.failed(error)),
        }
    }

    fn bind(&self, options: &MountOptions) -> Result<()> {
        if self.source.is_dir() {
            create_folder(self.target, 0o755)?;
        } else if !self.target.exists() {
            fs::write(self.target, "").at("create", self.target)?;
        }
        let bound = if options.flags.contains(MountFlags::REC) {
            mount_bind_recursive(self.source, self.target)
        } else {
            mount_bind(self.source, self.target)
        };
        bound.map_err(|error| self.failed(error))?;
        let rest = options.flags & !(MountFlags::BIND | MountFlags::REC);
        if rest.is_empty() {
            return Ok(());
        }
        // The kernel reads the other flags of a bind mount in a second call only.
        mount_remount(self.target, MountFlags::BIND | rest, "").map_err(|error| self.failed(error))
    }
}

/// Makes a folder and those above it; one that is there is left as it is.
///
/// # Errors
/// It cannot be made.
pub fn create_folder(path: &Path, mode: u32) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent()
        && !parent.is_dir()
    {
        create_folder(parent, 0o755)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists || !path.is_dir() => {
            Err(error).at("create", path)
        }
        // The mode that was asked for, whatever the umask.
        _ => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("set the mode of", path)
        }
    }
}

/// Makes an overlay's upper and work folders; a new upper one gets the lower's mode and owner, for it is whose the overlay shows.
///
/// # Errors
/// They cannot be made.
pub fn prepare_overlay(folders: &OverlayFolders) -> Result<()> {
    if let Some(work) = &folders.work {
        create_folder(work, 0o700)?;
    }
    if let Some(upper) = &folders.upper
        && !upper.is_dir()
    {
        create_folder(upper, 0o755)?;
        if let Some(lower) = &folders.lower
            && let Ok(metadata) = fs::metadata(lower)
        {
            fs::set_permissions(upper, fs::Permissions::from_mode(metadata.mode() & 0o7777))
                .at("set the mode of", upper)?;
            std::os::unix::fs::chown(upper, Some(metadata.uid()), Some(metadata.gid()))
                .at("set the owner of", upper)?;
        }
    }
    Ok(())
}

/// Whether something is mounted at a path: its device or its place in the file system differ from the folder's above.
pub fn is_mount_point(path: &Path) -> bool {
    let Ok(resolved) = fs::canonicalize(path) else {
        return false;
    };
    mount_points().contains(&resolved)
}

/// Every mount point of this name space, in the order of mounting.
pub fn mount_points() -> Vec<PathBuf> {
    let mounts = flk_mounts::read().unwrap_or_default();
    mounts.into_iter().map(|mount| mount.point).collect()
}

/// A bind of a folder that is not mounted anywhere yet.
///
/// # Errors
/// The folder is not there, or the kernel refuses.
pub fn bind_tree(folder: &Path) -> Result<OwnedFd> {
    open_tree(
        CWD,
        folder,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .at("bind", folder)
}

/// An overlay that is not mounted anywhere yet.
///
/// # Errors
/// A folder is not there, or the kernel refuses it as a layer.
pub fn overlay_tree(lower: &Path, upper: &Path, work: &Path) -> Result<OwnedFd> {
    let failed = |source: Errno| InitError::Mount {
        device: lower.display().to_string(),
        fs_type: "overlay".to_owned(),
        mount_point: upper.to_owned(),
        source: source.into(),
    };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    for (key, value) in [
        ("source", Path::new("overlay")),
        ("lowerdir", lower),
        ("upperdir", upper),
        ("workdir", work),
    ] {
        fsconfig_set_string(context.as_fd(), key, value).map_err(failed)?;
    }
    fsconfig_create(context.as_fd()).map_err(failed)?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
    .map_err(failed)
}

/// Puts a tree at a path, in the place of what may be mounted there.
///
/// Where something is mounted, the new tree goes beneath it and the old one is then taken off (`MOVE_MOUNT_BENEATH`, Linux 6.5): at no moment is
/// the path without a tree. Older kernels take the old one off first. Whoever has a file of the old tree open keeps it. What is mounted below the
/// path (a single file of `/etc`, say) is mounted at the same place of the new tree.
///
/// # Errors
/// The kernel refuses to mount; then the old tree is still in place, but for kernels before 6.5.
pub fn put_in_place(tree: &OwnedFd, target: &Path) -> Result<()> {
    let attach = |tree: &OwnedFd, target: &Path, flags: MoveMountFlags| {
        move_mount(
            tree.as_fd(),
            "",
            CWD,
            target,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | flags,
        )
    };
    if !is_mount_point(target) {
        return attach(tree, target, MoveMountFlags::empty()).at("mount on", target);
    }
    let inner = mount_points()
        .into_iter()
        .filter(|point| point != target && point.starts_with(target));
    let inner: Vec<_> = inner
        .filter_map(|point| Some((bind_tree(&point).ok()?, point)))
        .collect();
    match attach(tree, target, MoveMountFlags::MOVE_MOUNT_BENEATH) {
        Ok(()) => unmount(target, UnmountFlags::DETACH).at("unmount the old", target)?,
        Err(Errno::INVAL) => {
            unmount(target, UnmountFlags::DETACH).at("unmount the old", target)?;
            attach(tree, target, MoveMountFlags::empty()).at("mount on", target)?;
        }
        Err(error) => return Err(error).at("mount beneath", target),
    }
    for (tree, point) in inner {
        attach(&tree, &point, MoveMountFlags::empty()).at("mount again on", &point)?;
    }
    Ok(())
}

/// Makes a mount read-only, whatever its file system is.
///
/// # Errors
/// It is no mount point, or the kernel refuses.
pub fn make_read_only(mount_point: &Path) -> Result<()> {
    mount_remount(mount_point, MountFlags::BIND | MountFlags::RDONLY, "")
        .at("make read-only", mount_point)
}

/// Makes a file system that was mounted read-only writable, with the flags that it has.
///
/// # Errors
/// The device is write-protected or damaged, or it is no mount point.
pub fn make_writable(mount_point: &Path) -> Result<()> {
    let flags = statvfs(mount_point).at("look at", mount_point)?.f_flag;
    if !flags.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let mut kept = MountFlags::empty();
    for (set, flag) in [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        kept.set(flag, flags.contains(set));
    }
    mount_remount(mount_point, kept, "").at("make writable", mount_point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_told_from_folders() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
    }

    #[test]
    fn folders_get_their_mode_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_folder(&path, 0o1777).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o1777);
        create_folder(&path, 0o700).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o1777);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(create_folder(&folder.path().join("file"), 0o755).is_err());
    }
}
