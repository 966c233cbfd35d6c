//! Stage 2: `<toplevel>/init`. Gives the root its shape and executes systemd; `flk-init activate` does the same on a running system.
//!
//! ARCHITECTURE.md, "A system on the built-in channel", the five steps. All of it can be done again at any time. Only `/usr` and `/etc` must succeed; what
//! else fails is said, and the boot goes on, for a machine that comes up without one wrapper is worth more than one that does not.
//!
//! Not supported: removing files from the writable layer of `/etc` that an earlier generation wrote there. Stopping and starting units is [`crate::switch`]'s part.

mod account_step;
mod activation;
mod capabilities;
mod homes;
mod host_identity;
mod layout;
mod trees;
mod wrappers;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::atomic_file;
use crate::cmdline::{BootRequest, CommandLine};
use crate::config::{self, Stage2};
use crate::error::{InitError, IoContext, Result};
use crate::kernel_mounts;
use crate::log::Log;
use crate::mount::make_writable;
use crate::rescue;

/// What a toplevel says of itself.
pub const DOCUMENT: &str = "stage2.json";
/// What stage 2 becomes.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";
/// Where programs find programs.
const PATH: &str = "/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

/// Boots the toplevel whose `init` this program was called as. Does not return: PID 1 must not.
pub fn boot(init: &Path) -> ! {
    let mounted = kernel_mounts::mount_first().and_then(|()| kernel_mounts::mount_rest());
    let log = Log::boot("flk-init");
    let request = BootRequest::new(&CommandLine::parse(
        &fs::read_to_string("/proc/cmdline").unwrap_or_default(),
    ));
    if let Err(error) = mounted {
        log.failure(&error);
    }
    loop {
        let Err(error) = prepare(init, &log).and_then(|()| execute_systemd(&log));
        rescue::wait_for_help(&log, &request, &error);
    }
}

/// Makes a toplevel the running system's: steps 2 to 5, and then `/run/current-system`. Gives the number of things that failed and were said.
///
/// # Errors
/// The toplevel is none, or `/usr` or `/etc` cannot be replaced; the old ones are then in place.
pub fn activate(toplevel: &Path, log: &Log) -> Result<usize> {
    let mut steps = Steps::read(toplevel, log)?;
    steps.shape()?;
    let linked = layout::link_current_system(&steps.toplevel);
    steps.go_on("link /run/current-system", linked);
    Ok(steps.failures)
}

fn prepare(init: &Path, log: &Log) -> Result<()> {
    make_writable(Path::new("/"))?;
    let mut steps = Steps::read(init.parent().unwrap_or(Path::new("/")), log)?;
    log.info(&format!("booting {}", steps.toplevel.display()));
    let links = layout::link_booted_system(&steps.toplevel)
        .and_then(|()| layout::link_current_system(&steps.toplevel));
    steps.go_on("link the booted system", links);
    steps.shape()
}

fn execute_systemd(log: &Log) -> Result<std::convert::Infallible> {
    if !Path::new(SYSTEMD).exists() {
        return Err(InitError::Missing {
            what: "systemd",
            path: SYSTEMD.into(),
            hint: "the system was built without systemd: boot another generation, or build this one again",
        });
    }
    log.info("starting systemd");
    let mut command = Command::new(SYSTEMD);
    command
        .arg0("systemd")
        .env_clear()
        .env("TERM", "linux")
        .env("PATH", PATH);
    Err(command.exec()).at("execute", SYSTEMD)
}

/// One activation under way.
struct Steps<'a> {
    toplevel: PathBuf,
    configuration: Stage2,
    log: &'a Log,
    failures: usize,
}

impl<'a> Steps<'a> {
    fn read(toplevel: &Path, log: &'a Log) -> Result<Self> {
        let toplevel = fs::canonicalize(toplevel).at("find the system", toplevel)?;
        let configuration = config::read(&toplevel.join(DOCUMENT))?;
        Ok(Self {
            toplevel,
            configuration,
            log,
            failures: 0,
        })
    }

    /// Steps 2 to 5.
    fn shape(&mut self) -> Result<()> {
        for problem in layout::create(Path::new("/")) {
            self.failed("lay out the root", &problem);
        }
        trees::mount_usr(&self.toplevel)?;
        // Before /etc, for the kernel may ask /sbin/modprobe for the overlay's module.
        for problem in layout::link_into_usr(Path::new("/")) {
            self.failed("link into /usr", &problem);
        }
        trees::mount_etc(&self.toplevel, &self.configuration.state_directory)?;
        let protected = trees::protect_store();
        self.go_on("make /nix/store read-only", protected);

        let etc = Path::new("/etc");
        let identity = host_identity::settle(etc, Path::new("/var"), &self.configuration.host_name);
        self.go_on("settle the machine's identity", identity);
        self.accounts(etc);
        for problem in homes::create(&self.configuration.users, etc) {
            self.failed("make a home folder", &problem);
        }
        match wrappers::install(
            &self.configuration.wrappers,
            etc,
            Path::new("/run/wrappers"),
        ) {
            Ok(problems) => problems
                .iter()
                .for_each(|problem| self.failed("install a wrapper", problem)),
            Err(problem) => self.failed("install the wrappers", &problem),
        }
        if let Some(script) = self.configuration.activation.clone() {
            let ran = activation::run(&script, &self.toplevel, self.log);
            self.go_on("run the activation script", ran);
        }
        Ok(())
    }

    fn accounts(&mut self, etc: &Path) {
        match account_step::update(&self.configuration, etc, self.log) {
            Ok(warnings) => warnings
                .iter()
                .for_each(|warning| self.log.notice(&format!("warning: {warning}"))),
            Err(problem) => self.failed("update users and groups", &problem),
        }
    }

    fn go_on(&mut self, what: &str, result: Result<()>) {
        if let Err(problem) = result {
            self.failed(what, &problem);
        }
    }

    fn failed(&mut self, what: &str, problem: &InitError) {
        self.failures += 1;
        self.log
            .error(&format!("could not {what}, going on without"));
        self.log.failure(problem);
    }
}

/// A link at a place of the system's own, such as `/run/current-system`.
fn link(target: &Path, path: &str) -> Result<()> {
    atomic_file::link(target, Path::new(path))
}
