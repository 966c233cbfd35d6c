//! Files that appear whole or not at all: private ones, for their owner only, and one that is meant to be committed.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::Error;

/// Whether a file that is there already is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes `bytes` to `path`, mode 0600, its folders 0700. `false`: a file was there, and was kept.
pub(crate) fn put(path: &Path, bytes: &[u8], existing: Existing) -> Result<bool, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("create", folder))?;
    // Mode 0600 is this type's own.
    let mut file = NamedTempFile::new_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", file.path()))?;
    let put = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    match put {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(Error::io("write", path)(error.error)),
    }
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", folder))?;
    Ok(true)
}

/// Writes `bytes` to `path`, for everybody to read; a file that is there keeps its mode.
pub(crate) fn put_readable(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = fs::metadata(path).map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
    let mut file = NamedTempFile::new_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(bytes)
        .and_then(|()| {
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(mode))
        })
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", file.path()))?;
    let written = file.persist(path);
    written.map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}
