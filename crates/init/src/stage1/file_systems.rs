//! Mounting the file systems of `stage1.json` under the new root.

use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use super::search::Wanted;
use super::{Boot, NEW_ROOT, check};
use crate::cmdline::BootRequest;
use crate::config::FileSystem;
use crate::device::DeviceName;
use crate::error::{InitError, Result};
use crate::loop_device;
use crate::mount::{Request, prepare_overlay};
use crate::mount_options::MountOptions;
use crate::root_path::resolve_in_root;

/// The file systems with what `root=`, `rootfstype=` and `rootflags=` say of `/`.
pub(super) fn requested(configured: &[FileSystem], request: &BootRequest) -> Vec<FileSystem> {
    let mut file_systems = configured.to_vec();
    for file_system in file_systems
        .iter_mut()
        .filter(|file_system| file_system.mount_point == Path::new("/"))
    {
        if let Some(root) = &request.root {
            file_system.device.clone_from(root);
            // The options of a tmpfs mean nothing to a disk.
            if file_system.fs_type == "tmpfs" {
                file_system.options.clear();
            }
            "auto".clone_into(&mut file_system.fs_type);
        }
        if let Some(fs_type) = &request.root_fs_type {
            file_system.fs_type.clone_from(fs_type);
        }
        if let Some(flags) = &request.root_flags {
            file_system.options = vec![flags.clone()];
        }
    }
    file_systems
}

impl Boot {
    /// Mounts one file system, waiting for its device.
    pub(super) fn mount(&mut self, file_system: &FileSystem) -> Result<()> {
        let root = Path::new(NEW_ROOT);
        let target = resolve_in_root(root, &file_system.mount_point)?;
        let mut options = MountOptions::parse(file_system.options.iter().map(String::as_str));
        let name = DeviceName::parse(&file_system.device);
        if file_system.medium {
            return self.mount_medium(file_system, &name, &target, &options);
        }
        let source = match &name {
            DeviceName::Nothing(_) => PathBuf::from(&file_system.device),
            DeviceName::InRoot(path) => resolve_in_root(root, path)?,
            _ => {
                let wanted = Wanted::device(&name, false, options.may_fail);
                let Some(node) = self.wait_for_device(&name, &wanted)? else {
                    return Err(absent(file_system));
                };
                if file_system.check {
                    let fs_type = self.actual_type(&file_system.fs_type, &node);
                    check::check(&fs_type, &node, self.request.check, &self.log)?;
                }
                node
            }
        };
        if file_system.fs_type == "overlay" {
            let folders = options.move_overlay(&|path| resolve_in_root(root, path))?;
            prepare_overlay(&folders)?;
        }
        self.mount_found(&file_system.fs_type, &source, &target, &options)
    }

    /// Mounts what has been found: a device, a file through a loop device, a folder, or nothing at all.
    pub(super) fn mount_found(
        &mut self,
        fs_type: &str,
        source: &Path,
        target: &Path,
        options: &MountOptions,
    ) -> Result<()> {
        let found = source;
        let is_bind = options.flags.contains(MountFlags::BIND);
        let looped = if options.as_loop || (!is_bind && source.is_file()) {
            if !source.exists() {
                return Err(InitError::Missing {
                    what: "a file system's image",
                    path: in_new_root(source).into(),
                    hint: "the medium is not complete, or of another build: write it again",
                });
            }
            self.loader.load("loop")?;
            Some(loop_device::attach(source, options.loop_range)?)
        } else {
            None
        };
        let source = looped
            .as_ref()
            .map_or(source, |device| device.node.as_path());
        let fs_type = self.actual_type(fs_type, source);
        if !is_bind {
            self.load_file_system(&fs_type);
        }
        let mounted = Request {
            source,
            target,
            fs_type: &fs_type,
        }
        .mount(options);
        // A person knows the file and the place in the system, not the loop device and the place for now.
        mounted.map_err(|error| match error {
            InitError::Mount {
                fs_type, source, ..
            } => InitError::Mount {
                device: in_new_root(found),
                fs_type,
                mount_point: in_new_root(target).into(),
                source,
            },
            other => other,
        })?;
        self.log.info(&format!(
            "mounted {} on {}",
            source.display(),
            in_new_root(target)
        ));
        Ok(())
    }

    /// For `auto`, what the superblock says.
    fn actual_type(&self, fs_type: &str, source: &Path) -> String {
        if fs_type != "auto" {
            return fs_type.to_owned();
        }
        let known = self
            .devices
            .identity(source)
            .map(|identity| identity.fs_type);
        let read = || {
            std::fs::File::open(source)
                .ok()
                .and_then(|file| crate::probe::probe(&file).ok()?)
                .map(|identity| identity.fs_type)
        };
        known.or_else(read).unwrap_or("auto").to_owned()
    }

    /// Loads the driver of a file system. Whether there is one, mounting will tell.
    fn load_file_system(&self, fs_type: &str) {
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if known
            .lines()
            .any(|line| line.split_whitespace().next_back() == Some(fs_type))
        {
            return;
        }
        if let Err(error) = self
            .loader
            .load(&format!("fs-{fs_type}"))
            .or_else(|_| self.loader.load(fs_type))
        {
            self.log.info(&error.to_string());
        }
    }
}

/// A path as it will be called after the change of roots.
fn in_new_root(path: &Path) -> String {
    path.strip_prefix(NEW_ROOT).map_or_else(
        |_| path.display().to_string(),
        |path| Path::new("/").join(path).display().to_string(),
    )
}

/// The error for a device that may be done without.
pub(super) fn absent(file_system: &FileSystem) -> InitError {
    InitError::NoDevice {
        device: file_system.device.clone(),
        seconds: 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::CommandLine;

    #[test]
    fn the_command_line_has_the_last_word_on_the_root() {
        let root = FileSystem {
            mount_point: "/".into(),
            device: "tmpfs".into(),
            fs_type: "tmpfs".into(),
            options: vec!["mode=0755".into()],
            medium: false,
            check: false,
        };
        let iso = FileSystem {
            mount_point: "/iso".into(),
            ..root.clone()
        };
        let of = |line: &str| {
            requested(
                &[root.clone(), iso.clone()],
                &BootRequest::new(&CommandLine::parse(line)),
            )
        };
        assert_eq!(of("quiet"), [root.clone(), iso.clone()]);
        let disk = of("root=LABEL=nixos");
        assert_eq!(
            (
                disk[0].device.as_str(),
                disk[0].fs_type.as_str(),
                disk[0].options.len()
            ),
            ("LABEL=nixos", "auto", 0)
        );
        assert_eq!(disk[1], iso);
        let full = of("root=/dev/vda2 rootfstype=btrfs rootflags=subvol=@,ro");
        assert_eq!(
            (full[0].fs_type.as_str(), full[0].options.as_slice()),
            ("btrfs", &["subvol=@,ro".to_owned()][..])
        );
    }
}
