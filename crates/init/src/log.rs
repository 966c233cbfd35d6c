//! Where messages go: the kernel's log, and, when the kernel does not print them, every console that it was given.
//!
//! A message that a person must see is written to `/dev/kmsg`; when the console log level keeps it back (`quiet`), it is also written to each
//! terminal in `/sys/class/tty/console/active`, so it is seen once on each of them: screen and serial line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::error::InitError;

/// Levels of `syslog(2)`.
const ERROR: u8 = 3;
const NOTICE: u8 = 5;
const INFO: u8 = 6;
/// Facility `daemon`, so that the journal does not take the line for the kernel's own.
const FACILITY: u8 = 3 << 3;

/// The messages of one stage.
#[derive(Debug)]
pub struct Log {
    prefix: &'static str,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Boot {
        kmsg: Option<File>,
        consoles: Vec<Console>,
    },
    Stderr,
}

/// A terminal that shows the boot.
#[derive(Debug)]
pub struct Console {
    /// Its device node.
    pub path: PathBuf,
    file: File,
}

impl Log {
    /// For a stage of the boot: kernel log and consoles. `/dev`, `/proc` and `/sys` should be there; what is missing is done without.
    pub fn boot(prefix: &'static str) -> Self {
        // Ten messages in five seconds is what the kernel allows otherwise.
        let _ = std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg").ok();
        Self {
            prefix,
            sink: Sink::Boot {
                kmsg,
                consoles: consoles(),
            },
        }
    }

    /// For a program on a running system: standard error.
    pub fn stderr(prefix: &'static str) -> Self {
        Self {
            prefix,
            sink: Sink::Stderr,
        }
    }

    /// Something for the log; a quiet boot does not show it.
    pub fn info(&self, message: &str) {
        self.write(INFO, message, false);
    }

    /// Something that the person in front of the machine must see.
    pub fn notice(&self, message: &str) {
        self.write(NOTICE, message, true);
    }

    /// A failure in one's own words.
    pub fn error(&self, message: &str) {
        self.write(ERROR, message, true);
    }

    /// A failure with its causes and its hint.
    pub fn failure(&self, error: &InitError) {
        for line in render(error) {
            self.error(&line);
        }
    }

    /// The terminals that show the boot.
    pub fn consoles(&self) -> &[Console] {
        match &self.sink {
            Sink::Boot { consoles, .. } => consoles,
            Sink::Stderr => &[],
        }
    }

    fn write(&self, level: u8, message: &str, must_be_seen: bool) {
        for line in message.lines().filter(|line| !line.is_empty()) {
            let line = format!("{}: {line}", self.prefix);
            match &self.sink {
                Sink::Stderr => {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
                Sink::Boot { kmsg, consoles } => {
                    let logged = kmsg.as_ref().is_some_and(|mut kmsg| {
                        kmsg.write_all(format!("<{}>{line}\n", FACILITY | level).as_bytes())
                            .is_ok()
                    });
                    if must_be_seen && !(logged && kernel_prints(level)) {
                        for console in consoles {
                            console.print(&line);
                        }
                    }
                }
            }
        }
    }
}

impl Console {
    fn print(&self, line: &str) {
        let _ = (&self.file).write_all(format!("{line}\r\n").as_bytes());
    }

    /// Whether somebody has typed a line since the last time.
    pub fn has_input(&self) -> bool {
        let mut typed = false;
        let mut buffer = [0; 256];
        while matches!((&self.file).read(&mut buffer), Ok(count) if count > 0) {
            typed = true;
        }
        typed
    }
}

/// An error's lines: `error:`, `caused by:`, `hint:`.
pub fn render(error: &InitError) -> Vec<String> {
    let mut lines = vec![format!("error: {error}")];
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        lines.push(format!("caused by: {inner}"));
        cause = inner.source();
    }
    lines.extend(error.hint().map(|hint| format!("hint: {hint}")));
    lines
}

/// Whether the kernel prints messages of this level on its consoles.
fn kernel_prints(level: u8) -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse::<u8>().ok())
        .is_some_and(|limit| level < limit)
}

fn consoles() -> Vec<Console> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let mut found: Vec<Console> = active.split_whitespace().filter_map(open_active).collect();
    if found.is_empty() {
        found.extend(open("/dev/console"));
    }
    found
}

/// `tty0` is whichever virtual terminal is in front and can control no session: the first one stands for it.
fn open_active(name: &str) -> Option<Console> {
    open(&format!(
        "/dev/{}",
        if name == "tty0" { "tty1" } else { name }
    ))
}

fn open(path: &str) -> Option<Console> {
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).ok()?)
        .open(path)
        .ok()?;
    Some(Console {
        path: path.into(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_rendered_with_cause_and_hint() {
        let error = InitError::Mount {
            device: "/dev/sr0".to_owned(),
            fs_type: "iso9660".to_owned(),
            mount_point: "/iso".into(),
            source: rustix::io::Errno::IO.into(),
        };
        assert_eq!(
            render(&error),
            [
                "error: cannot mount /dev/sr0 as iso9660 on /iso",
                "caused by: Input/output error (os error 5)",
                "hint: /dev/sr0 cannot be read: try another port, another stick, or write it again"
            ]
        );
    }
}
