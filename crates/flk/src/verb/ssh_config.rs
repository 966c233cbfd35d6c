//! `flk ssh-config`: what `flk ssh` does, as a stanza for everything that runs ssh.

use std::path::PathBuf;

use crate::{
    error::Result,
    ui,
    verb::ssh::destination::{Destination, Target},
};

/// Print a stanza of ssh's configuration for a verified machine.
///
/// For ssh, scp, rsync, `nix copy`, Ansible and whatever else runs ssh: with the machine's EUI-64 address and the one key that is accepted.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "  flk ssh-config NixOS > NixOS.ssh\n  scp -F NixOS.ssh FILE NixOS:\n  NIX_SSHOPTS='-F NixOS.ssh' nix copy --to ssh://NixOS PATH\n\nor `Include` the file in ~/.ssh/config, before any other `Host`."
)]
pub(crate) struct Args {
    /// A host, such as NixOS, or an address, such as fe80::47%eno1; USER@ before it.
    #[arg(value_name = "HOST|ADDRESS")]
    target: Target,
    /// The name in the stanza, instead of what was given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The repository with identities.toml; without it, the one around the current folder, if any.
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let destination = Destination::find(&args.target, args.flake.as_deref())?;
    ui::data(stanza(&destination, args.name.as_deref()));
    Ok(())
}

fn stanza(destination: &Destination, name: Option<&str>) -> String {
    let mut lines = vec![format!("Host {}", name.unwrap_or(&destination.name))];
    for (keyword, value) in destination.options() {
        lines.push(format!("  {keyword} {value}"));
    }
    lines.join("\n")
}
