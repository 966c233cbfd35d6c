//! Step 4, `/run/wrappers/bin`: copies of programs that carry privileges, for the store cannot hold any.
//!
//! Each activation fills a new folder and then turns the link `bin` to it, so a wrapper is never missing or half made.

use std::fs::{self, File};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{XattrFlags, fsetxattr};
use rustix::mount::MountFlags;

use super::capabilities;
use crate::accounts::Database;
use crate::atomic_file;
use crate::config::Wrapper;
use crate::error::{InitError, IoContext, Result};
use crate::mount::{Request, create_folder, is_mount_point};
use crate::mount_options::MountOptions;

/// Installs the wrappers. Gives those that could not be.
pub(super) fn install(wrappers: &[Wrapper], etc: &Path, place: &Path) -> Result<Vec<InitError>> {
    if !is_mount_point(place) {
        // Unlike /run it must honour setuid bits.
        let options = MountOptions {
            flags: MountFlags::NODEV,
            data: vec!["mode=0755".to_owned()],
            ..MountOptions::default()
        };
        Request {
            source: Path::new("tmpfs"),
            target: place,
            fs_type: "tmpfs",
        }
        .mount(&options)?;
    }
    let database = Database::read(etc)?;
    let folder = (0..)
        .map(|number| format!("wrappers.{number}"))
        .find(|name| !place.join(name).exists())
        .unwrap_or_default();
    create_folder(&place.join(&folder), 0o755)?;
    let installed = wrappers
        .iter()
        .map(|wrapper| install_one(wrapper, &place.join(&folder), &database));
    let problems = installed.filter_map(Result::err).collect();
    atomic_file::link(Path::new(&folder), &place.join("bin"))?;
    for entry in fs::read_dir(place).at("read", place)?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("wrappers.") && name != *folder {
            fs::remove_dir_all(entry.path()).at("remove", entry.path())?;
        }
    }
    Ok(problems)
}

fn install_one(wrapper: &Wrapper, folder: &Path, database: &Database) -> Result<()> {
    let wrong = |problem: String| InitError::Account {
        subject: format!("wrapper '{}'", wrapper.name),
        problem,
    };
    if wrapper.name.is_empty() || wrapper.name.contains('/') || wrapper.name.starts_with('.') {
        return Err(wrong("this is no name for a program".to_owned()));
    }
    let mode = u32::from_str_radix(&wrapper.mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    let mode = mode.ok_or_else(|| wrong(format!("the mode '{}' is not octal", wrapper.mode)))?;
    let uid = database
        .uid(&wrapper.owner)
        .ok_or_else(|| wrong(format!("its owner '{}' does not exist", wrapper.owner)))?;
    let gid = database
        .gid(&wrapper.group)
        .ok_or_else(|| wrong(format!("its group '{}' does not exist", wrapper.group)))?;
    let attribute = wrapper
        .capabilities
        .as_deref()
        .map(capabilities::encode)
        .transpose()?;
    let target = folder.join(&wrapper.name);
    let mut source = File::open(&wrapper.source).at("open", &wrapper.source)?;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&target)
        .at("create", &target)?;
    let written = std::io::copy(&mut source, &mut file)
        .and_then(|_| fchown(&file, Some(uid), Some(gid)))
        // After the owner: a change of owner takes the setuid bit and the capabilities away.
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .and_then(|()| match &attribute {
            Some(value) => Ok(fsetxattr(
                &file,
                "security.capability",
                value,
                XattrFlags::empty(),
            )?),
            None => Ok(()),
        });
    if written.is_err() {
        let _ = fs::remove_file(&target);
    }
    written.at("write", &target)
}
