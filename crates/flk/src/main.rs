//! flk: from a host file to a running machine. The command line; everything that a verb does is in `verb/`.

mod archive;
mod channel;
mod closure;
mod embedded;
mod error;
mod evaluation;
mod git;
mod lock;
mod place;
mod repository;
mod ui;
mod verb;
mod workspace;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// From a host file to a running machine.
///
/// A repository holds hosts, one file each: hosts/NixOS.nix. flk turns a host into a live ISO that boots on BIOS and UEFI
/// machines, from a stick, a CD or a disk image, and that answers on its link as HOST.local and at fe80::47.
#[derive(Debug, Parser)]
#[command(
    name = "flk",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_long_help = "Two commands from nothing to a live machine:\n\n  flk init box && cd box\n  flk iso NixOS\n\nFurther reading: flk VERB --help"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(verb::init::Args),
    Hosts(verb::hosts::Args),
    Install(verb::install::Args),
    Iso(verb::iso::Args),
    Update(verb::update::Args),
    Vm(verb::vm::Args),
    Live(verb::live::Args),
    Util(verb::util::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    handle_interruption();
    let outcome = match cli.verb {
        Verb::Init(args) => verb::init::run(args),
        Verb::Hosts(args) => verb::hosts::run(args),
        Verb::Install(args) => verb::install::run(args),
        Verb::Iso(args) => verb::iso::run(args),
        Verb::Update(args) => verb::update::run(args),
        Verb::Vm(args) => verb::vm::run(args),
        Verb::Live(args) => verb::live::run(args),
        Verb::Util(args) => verb::util::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // What an interruption makes fail is of no interest.
        Err(_) if flk_nix::is_interrupted() => {
            ui::failure(INTERRUPTED);
            ExitCode::FAILURE
        }
        Err(failure) => {
            ui::failure(&failure.render());
            ExitCode::FAILURE
        }
    }
}

const INTERRUPTED: &str = "error: interrupted\n";
/// How long a verb has to remove what it has begun, if it does not wait for Nix.
const GRACE: Duration = Duration::from_secs(2);
/// How long Nix has to end its builders.
const NIX_GRACE: Duration = Duration::from_secs(5);

/// Ctrl-C and SIGTERM end Nix with all its builders; the verb that waits for it then fails, and removes what it has begun. Elsewhere it has a
/// moment for that: outputs are written beside their target, and the next run removes what is left of them.
fn handle_interruption() {
    let handler = || {
        let waiting = flk_nix::is_running();
        flk_nix::interrupt();
        if waiting {
            std::thread::sleep(NIX_GRACE);
            // Not in order, then.
            flk_nix::interrupt();
        }
        std::thread::sleep(GRACE);
        ui::failure(INTERRUPTED);
        std::process::exit(1);
    };
    // Fails only if a handler is set already.
    let _ = ctrlc::set_handler(handler);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
