//! Root: a verb that must run as root runs itself again under sudo(8), doas(1) or run0(1).
//!
//! flk's own path and the arguments stay. Of the environment, only what flk reads is passed on: the rest of it, and what a program without the user's
//! permission would run with, is the business of those programs. Their own policy decides whether the user may; flk only asks.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::Access;

use crate::{
    error::{Context, Failure, Result},
    place,
    shell::quoted,
    ui,
};

/// Where NixOS and the built-in channel have the sudo that is setuid: the one in the system's own `bin` is not.
const WRAPPERS: &str = "/run/wrappers/bin";
/// Set for the second run, which must not start a third.
const MARK: &str = "FLK_AS_ROOT";
/// What flk, and the Nix and git that it starts, read from the environment and root's would not have.
const PASSED: [&str; 15] = [
    "FLK_DEBIAN_MIRROR",
    "FLK_DEBIAN_SECURITY_MIRROR",
    "FLK_DEBIAN_KEYRING",
    "FLK_RUN_DIR",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "GC_INITIAL_HEAP_SIZE",
    "NIX_SSL_CERT_FILE",
    "NO_COLOR",
];

/// A program that runs another one as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elevator {
    Sudo,
    Doas,
    Run0,
}

impl Elevator {
    /// In the order in which they are tried. run0 is on machines that use one of the others.
    const ALL: [Self; 3] = [Self::Sudo, Self::Doas, Self::Run0];

    fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Doas => "doas",
            Self::Run0 => "run0",
        }
    }

    /// The option that makes it fail rather than ask.
    fn quiet(self) -> &'static str {
        match self {
            Self::Sudo | Self::Doas => "-n",
            Self::Run0 => "--no-ask-password",
        }
    }

    /// How variables of these names get to the program: sudo and run0 take them from their own environment, so that no value is seen in the list of
    /// processes or in a log. doas takes none, and values are given to env(1), see [`environment`].
    fn options(self, names: &[&str]) -> Vec<OsString> {
        match self {
            Self::Sudo if names.is_empty() => Vec::new(),
            Self::Sudo => vec![format!("--preserve-env={}", names.join(",")).into()],
            Self::Doas => Vec::new(),
            Self::Run0 => names
                .iter()
                .map(|name| format!("--setenv={name}").into())
                .collect(),
        }
    }
}

/// Returns where this process is root's. Otherwise runs flk as root in its place, with the same arguments.
///
/// # Errors
/// Where no program of that kind is there, or none works without a question and there is no terminal to ask on.
pub(crate) fn require(what: &str) -> Result<()> {
    require_with(what, env::args_os().skip(1).collect())
}

/// [`require`] with other arguments.
pub(crate) fn require_with(what: &str, arguments: Vec<OsString>) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let refusal = || Failure::new(format!("{what} must run as root"));
    if env::var_os(MARK).is_some() {
        return Err(refusal().hint("log in as root"));
    }
    let found: Vec<(Elevator, PathBuf)> = Elevator::ALL
        .into_iter()
        .filter_map(|elevator| Some((elevator, program(elevator)?)))
        .collect();
    let without_question = found
        .iter()
        .find(|(elevator, program)| runs_without_question(*elevator, program));
    let chosen = without_question.or_else(|| found.first().filter(|_| can_ask()));
    let Some((elevator, program)) = chosen else {
        let hint = match found.first() {
            Some((elevator, _)) => format!(
                "run it with `{}`; there is no terminal here to ask for a password",
                elevator.name()
            ),
            None => "run it with `sudo`, or log in as root".to_owned(),
        };
        return Err(refusal().hint(hint));
    };
    let executable =
        env::current_exe().context(|| "cannot find flk's own program file".to_owned())?;
    let line: Vec<_> = arguments.iter().map(|word| shown(word)).collect();
    ui::note(format_args!(
        "note: {what} must run as root: running `{} flk {}`",
        elevator.name(),
        line.join(" ")
    ));
    let error = command(*elevator, program, &executable, &arguments).exec();
    Err(Failure::new(format!("cannot run {}", program.display())).because(error))
}

/// Whether a path leads to a block device that this user cannot open like that.
pub(crate) fn is_device_of_root(path: &Path, access: Access) -> bool {
    let is_device = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
    is_device && rustix::fs::access(path, access).is_err()
}

fn program(elevator: Elevator) -> Option<PathBuf> {
    let wrapper = Path::new(WRAPPERS).join(elevator.name());
    if wrapper.exists() {
        return Some(wrapper);
    }
    place::program(elevator.name(), &[])
}

fn runs_without_question(elevator: Elevator, program: &Path) -> bool {
    Command::new(program)
        .args([elevator.quiet(), "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether there is a terminal on which a password can be typed.
fn can_ask() -> bool {
    use std::io::IsTerminal as _;
    let opened = File::options().read(true).write(true).open("/dev/tty");
    opened.is_ok_and(|terminal| terminal.is_terminal())
}

fn command(
    elevator: Elevator,
    program: &Path,
    executable: &Path,
    arguments: &[OsString],
) -> Command {
    let passed: Vec<&str> = PASSED
        .into_iter()
        .filter(|name| env::var_os(name).is_some())
        .collect();
    let mut command = Command::new(program);
    command
        .args(elevator.options(&passed))
        .arg("env")
        .args(environment(elevator, &passed))
        .arg(executable)
        .args(arguments);
    command
}

/// The assignments for env(1).
fn environment(elevator: Elevator, passed: &[&str]) -> Vec<OsString> {
    let assignment = |name: &str, value: &OsStr| {
        let mut text = OsString::from(format!("{name}="));
        text.push(value);
        text
    };
    let mut assignments = vec![assignment(MARK, OsStr::new(elevator.name()))];
    if elevator != Elevator::Sudo {
        // Git and Nix trust a repository of the user who called; flk gives that user what it writes there.
        let ids = [
            ("SUDO_UID", rustix::process::getuid().as_raw()),
            ("SUDO_GID", rustix::process::getgid().as_raw()),
        ];
        for (name, id) in ids {
            assignments.push(assignment(name, OsStr::new(&id.to_string())));
        }
    }
    if let Some(path) = trusted(&place::search_path()) {
        assignments.push(assignment("PATH", &path));
    }
    if elevator == Elevator::Doas {
        for name in passed {
            // Arguments are seen by everybody: a value with a password stays behind.
            if let Some(value) = env::var_os(name).filter(|value| !value.as_bytes().contains(&b'@'))
            {
                assignments.push(assignment(name, &value));
            }
        }
    }
    assignments
}

/// The part of a search path that nobody but root can put programs into, and the usual directories: so that root finds the same Nix and git as the user,
/// and nothing that somebody else has put there.
fn trusted(path: &OsStr) -> Option<OsString> {
    const USUAL: [&str; 7] = [
        WRAPPERS,
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];
    let mut kept: Vec<PathBuf> = Vec::new();
    let own = env::split_paths(path).filter_map(|directory| fs::canonicalize(directory).ok());
    for directory in own.chain(USUAL.map(PathBuf::from)) {
        if !kept.contains(&directory) && directory.ancestors().all(is_roots) {
            kept.push(directory);
        }
    }
    env::join_paths(kept).ok()
}

/// Whether only root can make or replace entries of a directory; in a sticky one, as the store is, nobody can replace another's.
fn is_roots(directory: &Path) -> bool {
    directory.metadata().is_ok_and(|metadata| {
        let mode = metadata.mode();
        metadata.is_dir()
            && metadata.uid() == 0
            && (mode & 0o022 == 0 || (mode & 0o1000 != 0 && mode & 0o002 == 0))
    })
}

/// An argument as a shell would have to be given it.
fn shown(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    quoted(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_passed_by_name_where_that_is_possible() {
        let names = ["http_proxy", "NO_COLOR"];
        assert_eq!(
            Elevator::Sudo.options(&names),
            ["--preserve-env=http_proxy,NO_COLOR"]
        );
        assert!(Elevator::Sudo.options(&[]).is_empty());
        assert_eq!(
            Elevator::Run0.options(&names),
            ["--setenv=http_proxy", "--setenv=NO_COLOR"]
        );
        for elevator in [Elevator::Sudo, Elevator::Run0] {
            let assignments = environment(elevator, &["HOME"]);
            let is_home = |word: &OsString| word.as_bytes().starts_with(b"HOME=");
            assert!(!assignments.iter().any(is_home), "{assignments:?}");
        }
    }

    #[test]
    fn root_looks_for_programs_only_where_root_puts_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = env::join_paths([dir.path(), Path::new("/usr/bin"), Path::new("relative")]);
        let kept = trusted(&path.unwrap()).unwrap();
        let kept: Vec<PathBuf> = env::split_paths(&kept).collect();
        // Everybody can write to the directory that temporary directories are in.
        assert!(
            !kept.iter().any(|one| one.starts_with(dir.path())),
            "{kept:?}"
        );
        assert!(kept.iter().all(|one| one.is_absolute()), "{kept:?}");
        assert_eq!(
            kept.first().map(PathBuf::as_path),
            Some(Path::new("/usr/bin"))
        );
    }

    #[test]
    fn arguments_are_shown_as_a_shell_reads_them() {
        for (word, expected) in [
            ("--impure", "--impure"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shown(OsStr::new(word)), expected);
        }
    }
}
