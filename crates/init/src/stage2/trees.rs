//! The two trees of a generation: `/usr`, a read-only bind of its `sw`, and `/etc`, an overlay of its `etc` with what is written on the machine.
//!
//! On a running system both are exchanged in one move: the new tree is made without a place, goes beneath the old one, and the old one is taken off
//! ([`put_in_place`]). For `/etc`, old and new overlay share their writable layer for that moment. The kernel warns of that ("upperdir is in-use")
//! because what one overlay has in its cache the other does not see; here the old one is read no more after the move, but by files that are open.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::mount::mount_bind;

use crate::error::{InitError, IoContext, Result};
use crate::mount::{
    bind_tree, create_folder, is_mount_point, make_read_only, overlay_tree, prepare_overlay,
    put_in_place,
};
use crate::mount_options::OverlayFolders;

/// Step 2, `/usr`.
pub(super) fn mount_usr(toplevel: &Path) -> Result<()> {
    let tree = part(toplevel, "sw")?;
    let usr = Path::new("/usr");
    if is_mount_point(usr) && is_same(&tree, usr) {
        return Ok(());
    }
    put_in_place(&bind_tree(&tree)?, usr)?;
    make_read_only(usr)
}

/// Step 2, `/etc`.
pub(super) fn mount_etc(toplevel: &Path, state: &Path) -> Result<()> {
    let lower = part(toplevel, "etc")?;
    let (upper, work) = (state.join("etc/upper"), state.join("etc/work"));
    create_folder(state, 0o755)?;
    prepare_overlay(&OverlayFolders {
        lower: None,
        upper: Some(upper.clone()),
        work: Some(work.clone()),
    })?;
    let etc = Path::new("/etc");
    let tree = overlay_tree(&lower, &upper, &work).map_err(|error| match error {
        InitError::Mount {
            device,
            fs_type,
            source,
            ..
        } => InitError::Mount {
            device,
            fs_type,
            mount_point: etc.to_owned(),
            source,
        },
        other => other,
    })?;
    put_in_place(&tree, etc)
}

/// The store of an installed system is a folder of the root; only Nix may write to it, which makes it writable for itself alone.
pub(super) fn protect_store() -> Result<()> {
    let store = Path::new("/nix/store");
    if is_mount_point(store) {
        return Ok(());
    }
    mount_bind(store, store).at("bind", store)?;
    make_read_only(store)
}

fn part(toplevel: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = toplevel.join(name);
    match fs::canonicalize(&path) {
        Ok(resolved) if resolved.is_dir() => Ok(resolved),
        _ => Err(InitError::Missing {
            what: "a part of the system",
            path,
            hint: "the system is not complete in the store: boot another generation, or copy it again",
        }),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| (metadata.dev(), metadata.ino()))
            .ok()
    };
    identity(a).is_some_and(|a| Some(a) == identity(b))
}
