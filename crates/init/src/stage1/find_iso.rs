//! The live medium: found as a device, or (`findiso=`) as an ISO that lies as a file on a disk or stick; in place, or (`copytoram`) in memory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, unmount};

use super::search::Wanted;
use super::{Boot, check_medium, copy_to_ram, file_systems};
use crate::config::FileSystem;
use crate::device::DeviceName;
use crate::error::{IoContext, Result};
use crate::loop_device::{self, LoopDevice};
use crate::mount::make_read_only;
use crate::mount_options::MountOptions;
use crate::probe::probe;
use crate::root_path::resolve_in_root;

/// Where the disk with the ISO file stays mounted; `/run` moves on to the new root.
const ISO_SOURCE: &str = "/run/flk/iso-source";
/// Where the medium is mounted while it is copied to memory.
const MEDIUM: &str = "/run/flk/medium";

/// The device with the medium's file system.
struct Medium {
    node: PathBuf,
    /// For an ISO file: the loop device, to be kept until it is mounted.
    from_file: Option<LoopDevice>,
}

impl Boot {
    /// Finds and mounts the medium.
    pub(super) fn mount_medium(
        &mut self,
        file_system: &FileSystem,
        name: &DeviceName,
        target: &Path,
        options: &MountOptions,
    ) -> Result<()> {
        let medium = match self.request.find_iso.clone() {
            Some(path) => self.wait_for_iso_file(&path, name)?,
            None => {
                let wanted = Wanted::device(name, true, options.may_fail);
                let Some(node) = self.wait_for_device(name, &wanted)? else {
                    return Err(file_systems::absent(file_system));
                };
                Some(Medium {
                    node,
                    from_file: None,
                })
            }
        };
        let Some(medium) = medium else {
            return Err(file_systems::absent(file_system));
        };
        if self.request.check_medium {
            check_medium::check(&medium.node, &self.log)?;
        }
        if !self.request.copy_to_ram {
            return self.mount_found(&file_system.fs_type, &medium.node, target, options);
        }
        let place = Path::new(MEDIUM);
        self.mount_found(&file_system.fs_type, &medium.node, place, options)?;
        let fits = copy_to_ram::copy(place, target, &self.log)?;
        unmount(place, UnmountFlags::empty()).at("unmount", place)?;
        if !fits {
            return self.mount_found(&file_system.fs_type, &medium.node, target, options);
        }
        if options.flags.contains(MountFlags::RDONLY) {
            make_read_only(target)?;
        }
        if medium.from_file.is_some() {
            drop(medium);
            // The kernel frees the loop device, and with it the file, a moment after its last user has gone.
            if let Err(error) = unmount(ISO_SOURCE, UnmountFlags::DETACH) {
                self.log
                    .info(&format!("cannot unmount {ISO_SOURCE}: {error}"));
            }
        }
        self.log
            .notice("the medium is in memory and can be removed");
        Ok(())
    }

    fn wait_for_iso_file(&mut self, path: &Path, name: &DeviceName) -> Result<Option<Medium>> {
        let wanted = Wanted {
            what: format!("a file system with {} on it", path.display()),
            advice: "check the path in findiso=, and that the disk with the file is connected"
                .to_owned(),
            may_fail: false,
        };
        let mut looked_at = HashSet::new();
        self.wait_for(&wanted, &mut |boot| {
            let mountable = boot.devices.mountable();
            // A stick that was taken out and put in again is looked at again.
            looked_at.retain(|node| mountable.iter().any(|(other, _)| other == node));
            for (node, fs_type) in mountable {
                if looked_at.insert(node.clone())
                    && let Some(medium) = boot.iso_on(&node, fs_type, path, name)
                {
                    return Ok(Some(medium));
                }
            }
            Ok(None)
        })
    }

    /// The ISO on one file system, if it is there and the one that is looked for.
    fn iso_on(
        &mut self,
        node: &Path,
        fs_type: &str,
        path: &Path,
        name: &DeviceName,
    ) -> Option<Medium> {
        let source = Path::new(ISO_SOURCE);
        let options = MountOptions {
            flags: MountFlags::RDONLY,
            ..MountOptions::default()
        };
        if let Err(error) = self.mount_found(fs_type, node, source, &options) {
            self.log.info(&error.to_string());
            return None;
        }
        let medium = self.iso_in(source, path, name, node);
        if medium.is_none() {
            let _ = unmount(source, UnmountFlags::empty());
        }
        medium
    }

    fn iso_in(
        &mut self,
        source: &Path,
        path: &Path,
        name: &DeviceName,
        disk: &Path,
    ) -> Option<Medium> {
        let file = resolve_in_root(source, path)
            .ok()
            .filter(|file| file.is_file())?;
        let found = format!("{} on {}", path.display(), disk.display());
        if let DeviceName::Label(wanted) = name {
            let identity = std::fs::File::open(&file)
                .ok()
                .and_then(|file| probe(&file).ok()?);
            let label = identity.and_then(|identity| identity.label);
            if label.as_deref() != Some(wanted) {
                self.log.notice(&format!(
                    "{found} is passed over: its volume ID is {}, not {wanted}",
                    label.as_deref().unwrap_or("missing")
                ));
                return None;
            }
        }
        let attached = self
            .loader
            .load("loop")
            .and_then(|()| loop_device::attach(&file, (0, 0)));
        match attached {
            Ok(device) => {
                self.log.info(&format!("the medium is {found}"));
                Some(Medium {
                    node: device.node.clone(),
                    from_file: Some(device),
                })
            }
            Err(error) => {
                self.log.failure(&error);
                None
            }
        }
    }
}
