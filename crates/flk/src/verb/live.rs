//! `flk live`: what runs on the live machine, on any channel. Called by `nix/live.nix`, not by people.

mod banner;
mod hold_alias;
mod prepare;

use std::path::PathBuf;

use clap::Subcommand;

use crate::error::Result;

/// What runs on the live machine.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Install the medium's ssh host key, and have resolved announce this machine.
    ///
    /// Runs once, before sshd and systemd-resolved. Running it again changes nothing.
    Prepare(Roots),
    /// Keep the address fe80::47 on each link, or take it over when it becomes free.
    ///
    /// Runs as long as the machine does, after systemd-networkd.
    HoldAlias,
    /// Print where this machine is to be found, and by which key it is known.
    Banner(Roots),
}

/// Where things are; other folders are for tests.
#[derive(Debug, clap::Args)]
struct Roots {
    /// Where the medium is mounted.
    #[arg(long, value_name = "DIR", default_value = "/iso")]
    medium: PathBuf,
    /// The machine's configuration.
    #[arg(long, value_name = "DIR", default_value = "/etc")]
    etc: PathBuf,
    /// The machine's volatile state.
    #[arg(long, value_name = "DIR", default_value = "/run")]
    run: PathBuf,
}

impl Roots {
    /// `/flk/build.json` on the medium.
    fn build(&self) -> PathBuf {
        self.medium.join("flk/build.json")
    }

    /// A file of the host key on the medium; `end` is empty or `.pub`.
    fn medium_key(&self, end: &str) -> PathBuf {
        self.medium.join(format!("flk/ssh_host_ed25519_key{end}"))
    }

    /// A file for each user, with the keys that let the user in.
    fn authorized_keys(&self) -> PathBuf {
        self.etc.join("ssh/authorized_keys.d")
    }

    /// Where sshd looks for it.
    fn machine_key(&self, end: &str) -> PathBuf {
        self.etc.join(format!("ssh/ssh_host_ed25519_key{end}"))
    }
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.step {
        Step::Prepare(roots) => prepare::run(&roots, &host_name()),
        Step::HoldAlias => hold_alias::run(),
        Step::Banner(roots) => banner::run(&roots, &host_name()),
    }
}

/// As the machine calls itself.
fn host_name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}
