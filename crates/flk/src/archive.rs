//! draft
use crate::{error::Result, workspace::Workspace};
use flk_nix::ArchiveFile;
use std::path::Path;
pub(crate) fn provide_indices(_: &Workspace) -> Result<()> {
    Ok(())
}
pub(crate) fn provide(_: &Workspace, _: &[ArchiveFile]) -> Result<()> {
    Ok(())
}
pub(crate) fn pin(_: &Path) -> Result<()> {
    Ok(())
}
