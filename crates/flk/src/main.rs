//! flk: from a host file to a running machine. The command line; everything that a verb does is in `verb/`.

mod archive;
mod channel;
mod closure;
mod elevation;
mod embedded;
mod error;
mod evaluation;
mod flk_toml;
mod git;
mod hosts_folder;
mod image;
mod interruption;
mod live_settings;
mod lock;
mod logins;
mod ownership;
mod place;
mod refusal;
mod repository;
mod request;
mod running_system;
mod session;
mod shell;
mod sources;
mod spelling;
mod ui;
mod verb;
mod visibility;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// From a host file to a running machine.
///
/// A repository holds hosts, one file each: hosts/NixOS.nix. flk turns a host into a live ISO that boots on BIOS and UEFI
/// machines, from a stick, a CD or a disk image, and that answers on its link as HOST.local and at fe80::47. There, flk installs
/// the host onto the machine's disk; and on the installed host, flk switches it to what the repository has become.
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
    #[command(flatten)]
    nix: request::Args,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(verb::init::Args),
    Cache(verb::cache::Args),
    Discover(verb::discover::Args),
    Generations(verb::generations::Args),
    Hosts(verb::hosts::Args),
    Identity(verb::identity::Args),
    Inspect(verb::inspect::Args),
    Install(verb::install::Args),
    Iso(verb::iso::Args),
    Pack(verb::pack::Args),
    Pins(verb::pins::Args),
    Rollback(verb::rollback::Args),
    Ssh(verb::ssh::Args),
    SshConfig(verb::ssh_config::Args),
    Switch(verb::switch::Args),
    Up(verb::up::Args),
    Update(verb::update::Args),
    Verify(verb::verify::Args),
    Vm(verb::vm::Args),
    Write(verb::write::Args),
    Live(verb::live::Args),
    Util(verb::util::Args),
}

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    interruption::handle();
    let done = |()| 0;
    if let Err(failure) = cli.nix.keep() {
        ui::failure(&failure.render());
        return ExitCode::from(2);
    }
    let outcome = match cli.verb {
        Verb::Init(args) => verb::init::run(args).map(done),
        Verb::Cache(args) => verb::cache::run(args).map(done),
        Verb::Discover(args) => verb::discover::run(args).map(done),
        Verb::Generations(args) => verb::generations::run(args).map(done),
        Verb::Hosts(args) => verb::hosts::run(args).map(done),
        Verb::Identity(args) => verb::identity::run(args).map(done),
        Verb::Inspect(args) => verb::inspect::run(args).map(done),
        Verb::Install(args) => verb::install::run(args),
        Verb::Iso(args) => verb::iso::run(args).map(done),
        Verb::Pack(args) => verb::pack::run(args).map(done),
        Verb::Pins(args) => verb::pins::run(args).map(done),
        Verb::Rollback(args) => verb::rollback::run(args),
        Verb::Ssh(args) => verb::ssh::run(args),
        Verb::SshConfig(args) => verb::ssh_config::run(args).map(done),
        Verb::Switch(args) => verb::switch::run(args),
        Verb::Up(args) => verb::up::run(&args).map(done),
        Verb::Update(args) => verb::update::run(args).map(done),
        Verb::Verify(args) => verb::verify::run(args).map(done),
        Verb::Vm(args) => verb::vm::run(args).map(done),
        Verb::Write(args) => verb::write::run(args).map(done),
        Verb::Live(args) => verb::live::run(args).map(done),
        Verb::Util(args) => verb::util::run(args).map(done),
    };
    let code = outcome.unwrap_or_else(|failure| {
        // What an interruption makes fail is of no interest.
        if flk_nix::is_interrupted() {
            ui::failure(interruption::INTERRUPTED);
        } else {
            ui::failure(&failure.render());
        }
        1
    });
    let code = written(code);
    ownership::give_back();
    ui::end(code);
    ExitCode::from(code)
}

/// The exit code of a run, which has failed if its output was not written.
fn written(code: u8) -> u8 {
    let Some(error) = ui::output_error() else {
        return code;
    };
    let failure = error::Failure::new("cannot write to standard output").because(error);
    ui::failure(&failure.render());
    code.max(1)
}

/// What clap says instead of running a verb: an error, or help, which goes to standard output.
fn refuse(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    match error.print() {
        Err(failed) if code == 0 && failed.kind() != std::io::ErrorKind::BrokenPipe => {
            let failure = error::Failure::new("cannot write to standard output").because(failed);
            ui::failure(&failure.render());
            ExitCode::FAILURE
        }
        _ => ExitCode::from(code),
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    // So that a verb knows of the options that every verb has.
    command.build();
    let arguments = spelling::settle(&command, std::env::args_os().collect())?;
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
