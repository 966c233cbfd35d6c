//! flk's three programs in release mode: static, and side by side, as flk needs them.

use crate::{Result, cargo};

/// Builds `flk`, `flk-debian` and `flk-init`.
pub(crate) fn release() -> Result<()> {
    cargo(&[
        "build",
        "--release",
        "--bins",
        "--package",
        "flk",
        "--package",
        "flk-debian",
        "--package",
        "flk-init",
    ])
}
