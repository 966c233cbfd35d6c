//! flk as its user runs it: the release binary, from a folder, with an environment that has nothing in it by accident.

use crate::{BenchError, bench::target_folder, command::Output, run};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What of the environment reaches flk: where programs are, how to reach the network, which mirror.
const KEPT: [&str; 9] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "FLK_DEBIAN_MIRROR",
];

/// The release binary `name` (`flk`, `flk-debian`, `flk-init`), whether it is there or not.
///
/// `FLK_TEST_BIN` names another folder to take it from.
pub fn binary(name: &str) -> PathBuf {
    env::var_os("FLK_TEST_BIN")
        .map_or_else(
            || target_folder().join("x86_64-unknown-linux-gnu/release"),
            PathBuf::from,
        )
        .join(name)
}

/// The flk command, for one user's home.
#[derive(Debug, Clone)]
pub struct Flk {
    home: PathBuf,
}

impl Flk {
    /// flk for a user whose home is `home`; the folder is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(home: &Path) -> Result<Self, BenchError> {
        fs::create_dir_all(home).map_err(BenchError::file(home))?;
        Ok(Flk { home: home.into() })
    }

    /// The user's home.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The command, in `folder`, without arguments yet.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(binary("flk"));
        command
            .env_clear()
            .current_dir(folder)
            .env("HOME", &self.home);
        for name in KEPT {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs `flk ARGUMENTS…` in `folder` to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Output, BenchError> {
        run(self.command(folder).args(arguments))
    }
}
