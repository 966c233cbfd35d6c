//! The file systems that the kernel itself provides, where programs look for them. What is mounted already is left alone.

use std::path::Path;

use rustix::mount::MountFlags;

use crate::error::Result;
use crate::mount::{Request, is_mount_point};
use crate::mount_options::MountOptions;

/// `/proc`, `/sys`, `/dev` and `/run`: what stage 1 begins with.
///
/// # Errors
/// The kernel refuses one of them.
pub fn mount_first() -> Result<()> {
    let secure = MountFlags::NOSUID
        .union(MountFlags::NOEXEC)
        .union(MountFlags::NODEV);
    mount(&[
        ("/proc", "proc", secure, ""),
        ("/sys", "sysfs", secure, ""),
        ("/dev", "devtmpfs", MountFlags::NOSUID, "mode=0755"),
        (
            "/run",
            "tmpfs",
            MountFlags::NOSUID.union(MountFlags::NODEV),
            "mode=0755",
        ),
    ])
}

/// `/dev/pts` and `/dev/shm`, of which stage 1 has no need.
///
/// # Errors
/// The kernel refuses one of them.
pub fn mount_rest() -> Result<()> {
    mount(&[
        // Group 5 is `tty`.
        (
            "/dev/pts",
            "devpts",
            MountFlags::NOSUID.union(MountFlags::NOEXEC),
            "mode=0620,gid=5,ptmxmode=0666",
        ),
        (
            "/dev/shm",
            "tmpfs",
            MountFlags::NOSUID.union(MountFlags::NODEV),
            "mode=1777",
        ),
    ])
}

fn mount(list: &[(&str, &str, MountFlags, &str)]) -> Result<()> {
    for &(target, fs_type, flags, data) in list {
        // Without /proc nothing is known to be mounted; it comes first.
        if is_mount_point(Path::new(target)) {
            continue;
        }
        let data = if data.is_empty() {
            Vec::new()
        } else {
            vec![data.to_owned()]
        };
        let options = MountOptions {
            flags,
            data,
            ..MountOptions::default()
        };
        Request {
            source: Path::new(fs_type),
            target: Path::new(target),
            fs_type,
        }
        .mount(&options)?;
    }
    Ok(())
}
