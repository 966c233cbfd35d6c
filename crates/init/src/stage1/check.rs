//! Checks ext2, ext3 and ext4 before they are mounted: `e2fsck -p` (e2fsck(8)), which replays a journal, mends what is safe to mend, and ends at once on a file
//! system that was unmounted cleanly.
//!
//! Stage 2 needs a writable root, so systemd comes too late for that. `fsck.mode=` is understood as `systemd-fsck@.service(8)` has it. Not supported: other
//! types; btrfs and xfs have nothing that is to be done at boot.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{InitError, IoContext, Result};
use crate::log::Log;

/// In the initrd where a file system needs it.
const PROGRAM: &str = "/bin/e2fsck";
/// Bits of its exit code.
const UNCORRECTED: i32 = 4;
const CORRECTED: i32 = 1 | 2;

/// `fsck.mode=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Where the file system asks for it.
    Auto,
    /// All of it, whatever it says.
    Force,
    /// Not at all.
    Skip,
}

impl Mode {
    /// Reads the word.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("force") => Self::Force,
            Some("skip") => Self::Skip,
            _ => Self::Auto,
        }
    }
}

/// Checks a device, if its type has a program for that here.
///
/// # Errors
/// [`InitError::FileSystem`] when there is damage that a person has to decide on. That the program itself fails is said, and no error.
pub(super) fn check(fs_type: &str, device: &Path, mode: Mode, log: &Log) -> Result<()> {
    if !matches!(fs_type, "ext2" | "ext3" | "ext4")
        || mode == Mode::Skip
        || !Path::new(PROGRAM).exists()
    {
        return Ok(());
    }
    let mut command = Command::new(PROGRAM);
    command.arg("-p");
    if mode == Mode::Force {
        command.arg("-f");
    }
    let output = command
        .arg(device)
        .stdin(Stdio::null())
        .output()
        .at("run", PROGRAM)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match Verdict::of(output.status.code()) {
        Verdict::Clean => said.lines().for_each(|line| log.info(line)),
        Verdict::Corrected => said.lines().for_each(|line| log.notice(line)),
        Verdict::Damaged => {
            said.lines().for_each(|line| log.error(line));
            return Err(InitError::FileSystem {
                device: device.to_owned(),
            });
        }
        Verdict::Unchecked => {
            let errors = String::from_utf8_lossy(&output.stderr);
            said.lines()
                .chain(errors.lines())
                .for_each(|line| log.error(line));
            log.error(&format!(
                "{} could not be checked ({}), going on",
                device.display(),
                output.status
            ));
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Clean,
    Corrected,
    Damaged,
    Unchecked,
}

impl Verdict {
    /// From the exit code; none when a signal ended the program.
    fn of(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Clean,
            Some(code) if code & UNCORRECTED != 0 => Self::Damaged,
            Some(code) if code & !CORRECTED == 0 => Self::Corrected,
            _ => Self::Unchecked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_have_meanings() {
        for (code, expected) in [
            (Some(0), Verdict::Clean),
            (Some(1), Verdict::Corrected),
            // A restart is asked for where the file system is in use; it is not.
            (Some(3), Verdict::Corrected),
            (Some(4), Verdict::Damaged),
            (Some(12), Verdict::Damaged),
            (Some(8), Verdict::Unchecked),
            (Some(9), Verdict::Unchecked),
            (None, Verdict::Unchecked),
        ] {
            assert_eq!(Verdict::of(code), expected, "{code:?}");
        }
        assert_eq!(Mode::parse(Some("force")), Mode::Force);
        assert_eq!(Mode::parse(None), Mode::Auto);
    }

    #[test]
    fn other_types_are_not_checked() {
        let log = Log::stderr("test");
        let nothing = Path::new("/dev/null/none");
        assert!(check("xfs", nothing, Mode::Force, &log).is_ok());
        assert!(check("ext4", nothing, Mode::Skip, &log).is_ok());
    }
}
