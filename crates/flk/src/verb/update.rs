//! draft
use crate::error::Result;
use std::path::PathBuf;
/// Renew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    flake: Option<PathBuf>,
}
pub(crate) fn run(_: Args) -> Result<()> {
    Ok(())
}
