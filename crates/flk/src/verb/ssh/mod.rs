//! `flk ssh`: a login to a machine on the link that has proven its key, by the user's own ssh.

pub(crate) mod destination;

use std::{os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use self::destination::{Destination, Target};
use crate::{
    error::{Context, Failure, Result},
    place, ui,
    verb::identity::learn,
};

/// Log in to a live machine, or to an installed host, by its verified key.
///
/// The machine is found on the link and dialled at its EUI-64 address; ssh accepts the key that is pinned for its ISO, or registered in
/// identities.toml, and no other. Your own known_hosts is neither read nor written; agent, ProxyJump and all else of your ssh configuration
/// hold. A host that is registered, but not on a link of this machine, is reached as ssh's configuration says.
///
/// After `flk ssh HOST flk install HOST --yes`, the key of the installed host is read over the same verified way and recorded in
/// identities.toml, so that the first login to the installed host is verified as well.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// A host, such as NixOS, or an address, such as fe80::47%eno1; USER@ before it. Without USER@, the user of a live machine is the one
    /// who has your key: nixos, as a rule.
    #[arg(value_name = "HOST|ADDRESS")]
    target: Target,
    /// The repository with identities.toml; without it, the one around the current folder, if any.
    #[arg(long, value_name = "DIR")]
    flake: Option<PathBuf>,
    /// What to run there, with its arguments, as with ssh; without it, a shell. flk's own options come before it.
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the verb; gives the exit code, which is ssh's.
pub(crate) fn run(args: Args) -> Result<u8> {
    let destination = Destination::find(&args.target, args.flake.as_deref())?;
    let mut ssh = ssh(&destination)?;
    ssh.arg("--").arg(&destination.name).args(&args.command);
    let learns = learn::installation(&args.command).filter(|_| destination.is_live());
    let Some(installed) = learns else {
        let failed = ssh.exec();
        return Err(Failure::new("cannot run ssh").because(failed));
    };
    let status = ssh.status().context(|| "cannot run ssh".into())?;
    if !status.success() {
        // 255 is ssh's own failure, and what a signal leaves is nobody's.
        return Ok(status
            .code()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(255));
    }
    if let Err(failure) = learn::learn(&destination, &installed, args.flake.as_deref()) {
        ui::failure(&failure.render());
        ui::note(format_args!(
            "{0} is installed, but its identity is not recorded; while the live machine runs: `flk identity learn {0} --root {1}`",
            installed.host, installed.root
        ));
        return Ok(1);
    }
    Ok(0)
}

/// `ssh` with the options that a destination demands, without a destination yet.
pub(crate) fn ssh(destination: &Destination) -> Result<Command> {
    let program = place::program("ssh", &[]).ok_or_else(|| {
        Failure::new("there is no ssh on this machine")
            .hint("on Debian and Ubuntu: `apt install openssh-client`")
    })?;
    let mut command = Command::new(program);
    for (name, value) in destination.options() {
        command.arg("-o").arg(format!("{name}={value}"));
    }
    Ok(command)
}

impl Destination {
    /// Whether it is a live machine, rather than an installed host.
    pub(crate) fn is_live(&self) -> bool {
        self.build().is_some()
    }

    /// The build of the live machine's ISO.
    pub(crate) fn build(&self) -> Option<&str> {
        self.pin().map(|pin| pin.build.as_str())
    }

    /// The pin by which the live machine is known.
    pub(crate) fn pin(&self) -> Option<&flk_identity::Pin> {
        match &self.found.as_ref()?.verdict {
            flk_identity::Verdict::Verified(pin) => Some(pin),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: super::Args,
    }

    #[test]
    fn trailing_words_are_the_command() {
        for (line, command) in [
            ("ssh NixOS", ""),
            ("ssh NixOS uname -a", "uname -a"),
            ("ssh NixOS -- uname -a", "uname -a"),
            ("ssh --flake DIR NixOS ls --flake -- x", "ls --flake -- x"),
            (
                "ssh me@NixOS.local sudo flk install NixOS --yes",
                "sudo flk install NixOS --yes",
            ),
        ] {
            let parsed = Line::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(parsed.args.command.join(" "), command, "{line}");
            assert_eq!(
                parsed.args.flake.is_some(),
                line.contains("--flake DIR"),
                "{line}"
            );
        }
    }
}
