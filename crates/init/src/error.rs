//! What can go wrong while a system comes up, with the path or device, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of stage 1, stage 2 or the activation.
///
/// `Display` says what failed and where; the cause is `source()`, the advice is [`InitError::hint`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A system call on a path failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The verb: `read`, `write`, `create`, …
        action: &'static str,
        /// The path it was about.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A document (`stage1.json`, `stage2.json`, `ids.json`) does not read as what it should be.
    #[error("{} is not a valid document", path.display())]
    Document {
        /// The document.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// A document is of a version that this program does not know.
    #[error("{} is of version {found}, and this flk-init reads version {known}", path.display())]
    Version {
        /// The document.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// A file system could not be mounted.
    #[error("cannot mount {device} as {fs_type} on {}", mount_point.display())]
    Mount {
        /// The device, or the file system's name when it has none.
        device: String,
        /// The type asked for.
        fs_type: String,
        /// Where it should have gone.
        mount_point: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file system has damage that is not mended without a person.
    #[error("the file system on {} is damaged", device.display())]
    FileSystem {
        /// The device.
        device: PathBuf,
    },
    /// The medium is not what it was when it was made.
    #[error("the medium on {} is damaged: {damage}", device.display())]
    Damaged {
        /// The device.
        device: PathBuf,
        /// Where, and in which files.
        damage: String,
    },
    /// The medium cannot be checked.
    #[error("the medium on {} cannot be checked", device.display())]
    Unchecked {
        /// The device.
        device: PathBuf,
        /// Why not.
        source: Box<flk_stick::Error>,
    },
    /// A kernel module could not be loaded.
    #[error("cannot load kernel module {name}")]
    Module {
        /// The module's name, underscores for dashes.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// No such module or alias is in the initrd.
    #[error("no kernel module for '{name}' is in the initrd")]
    NoModule {
        /// The name or alias asked for.
        name: String,
    },
    /// Something that the medium or the root file system should carry is not there.
    #[error("{what} is not there: {}", path.display())]
    Missing {
        /// What it is: `the system to boot`, `the store image`, …
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// A device did not appear.
    #[error("{device} did not appear within {seconds} s")]
    NoDevice {
        /// The device as the configuration names it.
        device: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Too many symbolic links in a row.
    #[error("too many levels of symbolic links at {}", path.display())]
    LinkLoop {
        /// Where it started.
        path: PathBuf,
    },
    /// A line of `passwd`, `group` or the like cannot be what the configuration asks for.
    #[error("{subject}: {problem}")]
    Account {
        /// `user 'nixos'`, `group 'wheel'`.
        subject: String,
        /// What is wrong.
        problem: String,
    },
    /// A capability text that is not understood.
    #[error("'{text}' is not a set of capabilities")]
    Capabilities {
        /// The text, as in `cap_net_raw+ep`.
        text: String,
    },
    /// A program that was started failed.
    #[error("{program} failed: {status}")]
    Program {
        /// Its path.
        program: String,
        /// Its exit status, in words.
        status: String,
    },
    /// An action that `switch-to-configuration` does not know.
    #[error("switch-to-configuration does not know '{action}'")]
    Action {
        /// What was asked for.
        action: String,
    },
    /// Another switch is under way.
    #[error("another switch of this system is under way")]
    Busy {
        /// The lock that it holds.
        path: PathBuf,
    },
    /// What runs is no system that this one could take the place of.
    #[error("what runs here is not a system of flk's built-in channel: {}", path.display())]
    OtherChannel {
        /// Where the running system should be.
        path: PathBuf,
    },
    /// The command line of `flk-init` is not one that it knows.
    #[error("usage: flk-init activate TOPLEVEL")]
    Usage,
}

/// The result of everything here.
pub type Result<T, E = InitError> = std::result::Result<T, E>;

impl InitError {
    /// Says what to try, where there is something to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Document { .. } | Self::Version { .. } => {
                Some("the initrd and the system are not of one build: build the image or the generation again".to_owned())
            }
            Self::Mount { device, source, .. } => Some(match rustix::io::Errno::from_io_error(source) {
                Some(rustix::io::Errno::NODEV) => {
                    "the kernel does not know this file system: add its module to boot.initrd.availableKernelModules".to_owned()
                }
                Some(rustix::io::Errno::INVAL | rustix::io::Errno::UCLEAN) => {
                    format!("{device} may be damaged, incomplete or of another type: check or write it again")
                }
                Some(rustix::io::Errno::IO) => {
                    format!("{device} cannot be read: try another port, another stick, or write it again")
                }
                _ => return None,
            }),
            Self::FileSystem { device } => Some(format!(
                "in the shell, `e2fsck -f {}` mends it, asking what to do; or start with fsck.mode=skip",
                device.display()
            )),
            Self::Damaged { .. } => Some(
                "nothing was started from it; write it again (`flk write` replaces what is wrong), or use another one".to_owned(),
            ),
            Self::NoModule { .. } => Some("add it to boot.initrd.availableKernelModules".to_owned()),
            Self::Action { .. } => Some("say switch, test, boot or dry-activate".to_owned()),
            Self::Busy { .. } => Some("wait until it has ended".to_owned()),
            Self::OtherChannel { .. } => Some(
                "`switch-to-configuration boot`, then restart the machine".to_owned(),
            ),
            Self::Missing { hint, .. } => Some((*hint).to_owned()),
            _ => None,
        }
    }
}

/// Puts the verb and the path to a failed system call.
pub(crate) trait IoContext<T> {
    /// Turns the error into [`InitError::Io`].
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| InitError::Io {
            action,
            path: path.as_ref().to_owned(),
            source: source.into(),
        })
    }
}
