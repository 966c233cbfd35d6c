//! The handle: where Nix is, which version, and the settings that each call gets.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    Error, Result,
    configuration::Configuration,
    process::{self, Output},
    request::Request,
    text::plain,
};

/// Where the official installer puts Nix, for shells that have not read its profile script.
const INSTALLED: &str = "/nix/var/nix/profiles/default/bin";
const OLDEST: Version = Version { major: 2, minor: 8 };

/// A version of Nix, as far as flk minds: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads what `nix --version` prints: `nix (Nix) 2.8.0`, `nix (Lix, like Nix) 2.91.1`, `nix (Determinate Nix 3.5.2) 2.28.3`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.lines().next()?.split_whitespace().last()?.split('.');
        let number = |text: Option<&str>| {
            let digits: String = text?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        Some(Self {
            major: number(numbers.next())?,
            minor: number(numbers.next())?,
        })
    }
}

/// How flk runs Nix.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// No public cache has what will be built: leave the default substituter out, unless the user has configured others.
    pub without_default_substituter: bool,
    /// The heap that an evaluation begins with, in bytes: the garbage collector runs first when it is full. `None`: Nix's own.
    pub initial_heap: Option<u64>,
}

/// Nix on this machine.
#[derive(Debug)]
pub struct Nix {
    program: PathBuf,
    version: Version,
    options: Options,
    request: Request,
    configuration: OnceLock<Configuration>,
    unsandboxed: AtomicBool,
}

impl Nix {
    /// Finds `nix` on a search path (the value of `PATH`), or where the official installer puts it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooOld`], [`Error::UnknownVersion`], or [`Error::Run`].
    pub fn find(search_path: &OsStr, options: Options) -> Result<Self> {
        let program = std::env::split_paths(search_path)
            .chain([PathBuf::from(INSTALLED)])
            .map(|folder| folder.join("nix"))
            .find(|program| is_executable(program))
            .ok_or(Error::NotFound)?;
        let mut command = Command::new(&program);
        command.arg("--version");
        let output = process::run(command, &mut |_| {})?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let Some(version) = Version::parse(&text) else {
            return Err(Error::UnknownVersion {
                program,
                output: text,
            });
        };
        if version < OLDEST {
            return Err(Error::TooOld {
                program,
                found: version,
            });
        }
        Ok(Self {
            program,
            version,
            options,
            request: Request::default(),
            configuration: OnceLock::new(),
            unsandboxed: AtomicBool::new(false),
        })
    }

    /// The version found.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The program found.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The settings this handle was made with.
    pub fn options(&self) -> Options {
        self.options
    }

    /// The same Nix with other settings.
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same Nix with what the user asks of it.
    pub fn with_request(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// What the user asks of Nix.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether Nix's sandbox turned out not to work here, so builds run without it.
    pub fn is_unsandboxed(&self) -> bool {
        self.unsandboxed.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up_sandbox(&self) {
        self.unsandboxed.store(true, Ordering::Relaxed);
    }

    /// `nix` with flk's settings.
    pub(crate) fn nix(&self) -> Command {
        self.with_settings(Command::new(&self.program))
    }

    /// `nix-store` with flk's settings, from the folder where `nix` is.
    pub(crate) fn nix_store(&self) -> Command {
        let beside = self.program.with_file_name("nix-store");
        let program = if is_executable(&beside) {
            beside
        } else {
            PathBuf::from("nix-store")
        };
        self.with_settings(Command::new(program))
    }

    /// Runs a command to its end; a failure is [`Error::Command`] with the last thing Nix said.
    pub(crate) fn run(&self, command: Command, name: &str) -> Result<Vec<u8>> {
        let Output {
            status,
            stdout,
            stderr,
        } = process::run(command, &mut |_| {})?;
        if status.success() {
            return Ok(stdout);
        }
        Err(Error::Command {
            command: name.to_owned(),
            message: last_error(&stderr),
        })
    }

    /// [`Nix::run`] for a command that prints text.
    pub(crate) fn run_text(&self, command: Command, name: &str) -> Result<String> {
        let stdout = self.run(command, name)?;
        Ok(String::from_utf8_lossy(&stdout).trim_end().to_owned())
    }

    /// [`Nix::run`] for a command that prints JSON.
    pub(crate) fn run_json(&self, command: Command, name: &str) -> Result<serde_json::Value> {
        let stdout = self.run(command, name)?;
        serde_json::from_slice(&stdout).map_err(|source| Error::Json {
            command: name.to_owned(),
            source,
        })
    }

    /// The addresses of the substituters that Nix asks.
    pub fn substituters(&self) -> &[String] {
        let configuration = self.configuration();
        if self.options.without_default_substituter && configuration.substituters_are_default {
            return &[];
        }
        &configuration.substituters
    }

    fn configuration(&self) -> &Configuration {
        self.configuration
            .get_or_init(|| Configuration::read(&self.program, self.version))
    }

    fn with_settings(&self, mut command: Command) -> Command {
        command.args([
            "--option",
            "extra-experimental-features",
            "nix-command flakes",
        ]);
        let configuration = self.configuration();
        if configuration.lacks_build_users() {
            command.args(["--option", "build-users-group", ""]);
        }
        if self.options.without_default_substituter
            && configuration.substituters_are_default
            && !self.request.sets("substituters")
        {
            command.args(["--option", "substituters", ""]);
        }
        if self.is_unsandboxed() {
            command.args(["--option", "sandbox", "false"]);
        }
        for (name, value) in &self.request.settings {
            command.args(["--option", name, value]);
        }
        command
    }
}

/// The last `error:` of Nix's messages, or all of them.
pub(crate) fn last_error(stderr: &str) -> String {
    let text = plain(stderr);
    let start = text
        .match_indices("error:")
        .map(|(start, _)| start)
        .filter(|start| {
            text[..*start]
                .rsplit('\n')
                .next()
                .is_some_and(|lead| lead.trim().is_empty())
        })
        .last();
    match start {
        Some(start) => text[start + "error:".len()..].trim().to_owned(),
        None => text.trim().to_owned(),
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_forks_are_read() {
        for (line, major, minor) in [
            ("nix (Nix) 2.8.0", 2, 8),
            ("nix (Nix) 2.26.3\n", 2, 26),
            ("nix (Nix) 2.31.0pre20250712_b1245123", 2, 31),
            ("nix (Lix, like Nix) 2.91.1", 2, 91),
            ("nix (Determinate Nix 3.5.2) 2.28.3", 2, 28),
            ("nix (Nix) 2.4pre20210601_5985b8b", 2, 4),
        ] {
            assert_eq!(
                Version::parse(line),
                Some(Version { major, minor }),
                "{line}"
            );
        }
        assert_eq!(Version::parse("nix"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn the_last_error_is_reported() {
        assert_eq!(
            last_error(
                "warning: error: cannot reach x\n\u{1b}[31;1merror:\u{1b}[0m path 'y' is not valid\n"
            ),
            "path 'y' is not valid"
        );
        assert_eq!(last_error("no such option\n"), "no such option");
    }
}
