//! The options that every verb passes on to Nix.

use std::sync::OnceLock;

use flk_nix::Request;

use crate::error::{Failure, Result};

/// What the command line asked of Nix, for whoever looks for Nix later.
static REQUEST: OnceLock<Request> = OnceLock::new();

/// Nix's own options, as `nix build` has them.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Passed on to Nix")]
pub(crate) struct Args {
    /// Machines that build: `ssh-ng://you@machine aarch64-linux`, or @FILE.
    #[arg(long, global = true, value_name = "MACHINES", hide_short_help = true)]
    builders: Option<String>,
    /// Where store paths are fetched from, instead of what nix.conf says.
    #[arg(long, global = true, value_name = "URLS", hide_short_help = true)]
    substituters: Option<String>,
    /// How Nix gets at this machine's store: daemon, local, or auto.
    #[arg(long, global = true, value_name = "STORE", hide_short_help = true)]
    store: Option<String>,
    /// A setting of nix.conf; may be given several times.
    #[arg(long, global = true, num_args = 2, value_names = ["NAME", "VALUE"], hide_short_help = true)]
    option: Vec<String>,
    /// Another flake for an input; may be given several times.
    #[arg(long, global = true, num_args = 2, value_names = ["INPUT", "REF"], hide_short_help = true)]
    override_input: Vec<String>,
    /// Let the evaluation look at the environment and at any file.
    #[arg(long, global = true, hide_short_help = true)]
    impure: bool,
    /// Fetch nothing.
    #[arg(long, global = true, hide_short_help = true)]
    offline: bool,
    /// Build the rest when something fails.
    #[arg(long, global = true, hide_short_help = true)]
    keep_going: bool,
}

impl Args {
    /// Keeps it for [`request`].
    pub(crate) fn keep(&self) -> Result<()> {
        let mut request = Request {
            impure: self.impure,
            overrides: pairs(&self.override_input),
            settings: pairs(&self.option),
        };
        if let Some(store) = &self.store {
            let is_here = ["daemon", "local", "auto"].contains(&store.as_str())
                || store.starts_with("unix://");
            if !is_here {
                return Err(Failure::new(format!(
                    "--store {store}: flk reads what Nix makes from this machine's /nix/store"
                ))
                .hint("to build on another machine: --builders 'ssh-ng://MACHINE SYSTEM'; to fetch from another store: --substituters"));
            }
            request.set("store", store);
        }
        for (name, value) in [
            ("builders", &self.builders),
            ("substituters", &self.substituters),
        ] {
            if let Some(value) = value {
                request.set(name, value);
            }
        }
        if self.keep_going {
            request.set("keep-going", "true");
        }
        if self.offline {
            request.set_offline();
        }
        let _ = REQUEST.set(request);
        Ok(())
    }
}

/// What the command line asked of Nix.
pub(crate) fn request() -> Request {
    REQUEST.get().cloned().unwrap_or_default()
}

fn pairs(words: &[String]) -> Vec<(String, String)> {
    words
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}
