//! `cargo xtask nixos`: flk's whole road on NixOS's own modules, from `flk hosts` to a rollback on the installed host.
//!
//! `xtask/nixos/README.md` says what the two kinds of binaries are, and what the bench cannot show.

mod repository;
mod road;
mod tree;

use crate::{Result, build, target};
use clap::{Args, ValueEnum};

/// Where the packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Binaries {
    /// NixOS 20.09's modules over Debian's binaries; needs a mirror alone
    Debian,
    /// The nixpkgs as it is, built or fetched from its binary cache
    Cache,
}

/// The stages, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Stage {
    /// `flk hosts` and `flk iso`
    Iso,
    /// The live machine by BIOS
    Bios,
    /// The live machine by UEFI
    Uefi,
    /// `flk install`, and the installed host's first boot
    Install,
    /// `flk switch` and `flk rollback` on the host
    Switch,
}

/// What to check.
#[derive(Args)]
pub(crate) struct Options {
    /// The nixpkgs: a directory, or a flake reference
    #[arg(long, value_name = "DIR|REF")]
    nixpkgs: String,
    /// Where its packages come from
    #[arg(long, value_enum, default_value_t = Binaries::Cache)]
    binaries: Binaries,
    /// The last stage to run
    #[arg(long, value_enum, default_value_t = Stage::Switch)]
    until: Stage,
}

/// Runs the stages.
pub(crate) fn run(options: &Options) -> Result<()> {
    // Whoever names a folder of flk's programs has them.
    if std::env::var_os("FLK_TEST_BIN").is_none() {
        build::release()?;
    }
    let folder = target().join("nixos");
    let nixpkgs = match options.binaries {
        Binaries::Debian => tree::assemble(&options.nixpkgs, &folder)?,
        Binaries::Cache => tree::reference(&options.nixpkgs)?,
    };
    let repository = repository::Repository::make(&folder, &nixpkgs)?;
    road::walk(&repository, options.until)
}
