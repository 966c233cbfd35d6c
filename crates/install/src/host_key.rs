//! The installed host's own ssh host key, made on the target: never the live machine's, which everybody with the medium has.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use flk_identity::HostKey;

use crate::root::inside;
use crate::system::System;
use crate::{Error, Result};

const PRIVATE: &str = "ssh/ssh_host_ed25519_key";
const PUBLIC: &str = "ssh/ssh_host_ed25519_key.pub";

/// Makes the key, unless the target has one, and gives its fingerprint.
///
/// # Errors
/// [`Error::Io`], [`Error::HostKey`].
pub(crate) fn settle(root: &Path, system: &System, host: &str) -> Result<String> {
    let etc = inside(root, &system.etc);
    let (private, public) = (etc.join(PRIVATE), etc.join(PUBLIC));
    // The public one is written first: both are there, or the key is made anew.
    if private.exists() && public.exists() {
        let line = fs::read_to_string(&public).map_err(Error::io("read", &public))?;
        return Ok(flk_identity::fingerprint(&line)?);
    }
    let folder = etc.join("ssh");
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(Error::io("create", &folder))?;
    let key = HostKey::generate(&format!("root@{host}"))?;
    write(&public, key.public_file()?.as_bytes(), 0o644)?;
    write(&private, key.private_file()?.as_bytes(), 0o600)?;
    Ok(key.fingerprint())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let new = path.with_extension("flk-new");
    let _ = fs::remove_file(&new);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut file: File| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    written.map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::LoaderKind;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[test]
    fn a_key_is_made_once_and_is_secret() {
        let root = tempfile::tempdir().unwrap();
        let system = System {
            toplevel: String::new(),
            label: String::new(),
            loader: LoaderKind::None,
            esp: None,
            grub_devices: Vec::new(),
            boot_files: Vec::new(),
            file_systems: Vec::new(),
            etc: PathBuf::from("/var/lib/flk/etc/upper"),
            is_built_in: true,
        };
        let first = settle(root.path(), &system, "box").unwrap();
        assert!(first.starts_with("SHA256:"));
        assert_eq!(settle(root.path(), &system, "box").unwrap(), first);
        let private = root.path().join("var/lib/flk/etc/upper").join(PRIVATE);
        let mode = fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        // Cut off between the two: the half is not taken.
        fs::remove_file(&private).unwrap();
        assert_ne!(settle(root.path(), &system, "box").unwrap(), first);
    }
}
