//! `flk util`: man pages and shell completions, for those who package flk.

use std::{fs, path::PathBuf};

use clap::{CommandFactory, Subcommand};

use crate::{
    Cli,
    error::{Context, Result},
    ui,
};

/// Man pages and shell completions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the man pages.
    ///
    /// Without a folder, the page of flk itself goes to standard output.
    Man {
        /// The folder to write flk.1, flk-iso.1 and so on to; it is made if missing.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the completions for a shell.
    ///
    /// For bash: `flk util completions bash > ~/.local/share/bash-completion/completions/flk`.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.verb {
        Verb::Man { folder: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            ui::raw_data(&page);
        }
        Verb::Man {
            folder: Some(folder),
        } => {
            fs::create_dir_all(&folder)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
                .context(|| format!("cannot write the man pages to {}", folder.display()))?;
        }
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flk", &mut script);
            ui::raw_data(&script);
        }
    }
    Ok(())
}
