//! When the boot cannot go on: a shell on a console for whoever sits there, or a restart. PID 1 never ends.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::system::{RebootCommand, reboot};

use crate::cmdline::BootRequest;
use crate::error::{InitError, IoContext, Result};
use crate::log::{Console, Log};

/// The argument by which this program starts itself to give a console a shell.
pub const SHELL_ARGUMENT: &str = "--shell-on";

/// Shells that may be there, with the arguments that make them interactive.
const SHELLS: [(&str, &[&str]); 5] = [
    ("/bin/busybox", &["sh", "-i"]),
    ("/bin/sh", &["-i"]),
    ("/bin/bash", &["-i"]),
    ("/usr/bin/bash", &["-i"]),
    ("/usr/bin/sh", &["-i"]),
];

/// Says what failed, and waits for somebody to do something about it. Returns when it should be tried again.
pub fn wait_for_help(log: &Log, request: &BootRequest, error: &InitError) {
    log.failure(error);
    if let Some(delay) = request.restart_after {
        log.error(&format!("restarting in {} s", delay.as_secs()));
        std::thread::sleep(delay);
        restart(log);
    }
    if request.shell_on_fail && open_shell_on_all(log) {
        return;
    }
    offer_shell(log);
    let mut repeat = Instant::now();
    loop {
        if answer(log) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
        if repeat.elapsed() > Duration::from_secs(60) {
            log.failure(error);
            offer_shell(log);
            repeat = Instant::now();
        }
    }
}

/// Says how to get a shell, or that there is none.
pub fn offer_shell(log: &Log) {
    log.notice(match shell() {
        Some(_) => {
            "press Enter for a shell; leave it with 'exit' to try again; Ctrl-Alt-Del restarts"
        }
        None => "there is no shell in this initrd; press Enter to try again; Ctrl-Alt-Del restarts",
    });
}

/// Gives a shell to whoever pressed Enter. Says whether somebody had.
pub fn answer(log: &Log) -> bool {
    // Every console is read, so that a key pressed on two of them counts once.
    let pressed: Vec<&Console> = log
        .consoles()
        .iter()
        .filter(|console| console.has_input())
        .collect();
    let Some(console) = pressed.first() else {
        return false;
    };
    if shell().is_some() {
        run_shell(log, console);
    }
    true
}

/// A shell on every console; returns when one of them is left. False where there is no shell or no console.
pub fn open_shell_on_all(log: &Log) -> bool {
    if shell().is_none() {
        return false;
    }
    let mut shells: Vec<_> = log
        .consoles()
        .iter()
        .filter_map(|console| start_shell(log, console))
        .collect();
    if shells.is_empty() {
        return false;
    }
    log.notice("a shell is open on every console; leave it with 'exit' to go on");
    while !shells
        .iter_mut()
        .any(|shell| !matches!(shell.try_wait(), Ok(None)))
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    for shell in &mut shells {
        let _ = shell.kill();
        let _ = shell.wait();
    }
    true
}

fn run_shell(log: &Log, console: &Console) {
    log.info(&format!("a shell on {}", console.path.display()));
    if let Some(mut shell) = start_shell(log, console) {
        let _ = shell.wait();
    }
}

fn start_shell(log: &Log, console: &Console) -> Option<std::process::Child> {
    let started = Command::new("/proc/self/exe")
        .arg0("flk-init")
        .arg(SHELL_ARGUMENT)
        .arg(&console.path)
        .spawn();
    started
        .inspect_err(|error| {
            log.error(&format!(
                "cannot start a shell on {}: {error}",
                console.path.display()
            ))
        })
        .ok()
}

/// Becomes a shell that a terminal controls. This is its own process, for a session has to be its own.
///
/// # Errors
/// The terminal cannot be opened, or there is no shell.
pub fn become_shell(terminal: &Path) -> Result<std::convert::Infallible> {
    let (program, arguments) = shell().ok_or_else(no_shell)?;
    rustix::process::setsid().at("start a session on", terminal)?;
    // The first terminal that the leader of a session opens is what controls it.
    let opened = rustix::fs::open(terminal, OFlags::RDWR, Mode::empty()).at("open", terminal)?;
    rustix::stdio::dup2_stdin(&opened).at("use", terminal)?;
    rustix::stdio::dup2_stdout(&opened).at("use", terminal)?;
    rustix::stdio::dup2_stderr(&opened).at("use", terminal)?;
    let _ = writeln!(std::io::stdout(), "\r");
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear();
    command.envs([
        ("TERM", "linux"),
        ("HOME", "/root"),
        ("PATH", "/bin:/sbin:/usr/bin:/usr/sbin"),
        ("PS1", "flk:\\w# "),
    ]);
    Err(command.exec()).at("execute", program)
}

fn no_shell() -> InitError {
    InitError::Missing {
        what: "a shell",
        path: PathBuf::from(SHELLS[0].0),
        hint: "add one to the initrd: boot.initrd.extraFiles",
    }
}

fn shell() -> Option<(&'static str, &'static [&'static str])> {
    SHELLS
        .into_iter()
        .find(|(path, _)| Path::new(path).is_file())
}

/// Restarts the machine.
pub fn restart(log: &Log) -> ! {
    rustix::fs::sync();
    loop {
        if let Err(error) = reboot(RebootCommand::Restart) {
            log.error(&format!("cannot restart: {error}"));
        }
        std::thread::sleep(Duration::from_secs(10));
    }
}
