//! Stage 1: `/init` in the initrd. Loads drivers, finds the devices, mounts what the system needs, and moves on to it.
//!
//! ARCHITECTURE.md, "A system on the built-in channel". The order of things: the kernel's own file systems; drivers (`kernelModules`, then by alias);
//! the file systems of `stage1.json` one after another under [`NEW_ROOT`], each waited for; then the change of roots. A step that fails is said on every
//! console and tried again after somebody looked into it.
//!
//! Not supported: LUKS, LVM, RAID, ZFS, network roots, resuming from swap.

pub mod check;
mod check_medium;
mod copy_to_ram;
mod file_systems;
mod find_iso;
mod search;
mod switch_root;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::cmdline::{BootRequest, CommandLine};
use crate::config::{self, Stage1};
use crate::devices::Devices;
use crate::error::{IoContext, Result};
use crate::kernel_mounts;
use crate::log::Log;
use crate::modules::Loader;
use crate::mount_options::MountOptions;
use crate::rescue;

/// Where the new root is put together.
pub const NEW_ROOT: &str = "/sysroot";
/// What there is to do.
pub const DOCUMENT: &str = "/etc/flk/stage1.json";
/// The program that the kernel calls for modules it needs by itself (`CONFIG_MODPROBE_PATH`).
const MODPROBE: &str = "/sbin/modprobe";

/// What stage 1 has in hand.
struct Boot {
    log: Arc<Log>,
    request: BootRequest,
    loader: Loader,
    devices: Devices,
}

/// Boots. Does not return: PID 1 must not.
pub fn run() -> ! {
    let mounted = kernel_mounts::mount_first();
    let log = Arc::new(Log::boot("flk"));
    let command_line =
        CommandLine::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default());
    let request = BootRequest::new(&command_line);
    if let Err(error) = mounted {
        log.failure(&error);
    }
    use_console(&log);
    loop {
        let Err(error) =
            prepare(&log, &command_line, &request).and_then(|(boot, stage1)| boot.run(&stage1));
        rescue::wait_for_help(&log, &request, &error);
    }
}

/// The folder with this kernel's modules: `/lib/modules/<release>`.
pub fn modules_folder() -> PathBuf {
    Path::new("/lib/modules").join(rustix::system::uname().release().to_string_lossy().as_ref())
}

fn prepare(
    log: &Arc<Log>,
    command_line: &CommandLine,
    request: &BootRequest,
) -> Result<(Boot, Stage1)> {
    let stage1: Stage1 = config::read(Path::new(DOCUMENT))?;
    log.info(&format!("stage 1 of {}", stage1.host_name));
    provide_modprobe(log);
    let loader = Loader::start(&modules_folder(), command_line, log)?;
    loader.request_names(&stage1.kernel_modules);
    // Drives without a medium are asked for one every two seconds.
    let _ = std::fs::write("/sys/module/block/parameters/events_dfl_poll_msecs", "2000");
    let devices = Devices::start(&loader)?;
    Ok((
        Boot {
            log: Arc::clone(log),
            request: request.clone(),
            loader,
            devices,
        },
        stage1,
    ))
}

impl Boot {
    fn run(mut self, stage1: &Stage1) -> Result<std::convert::Infallible> {
        if self.request.shell_first && !rescue::open_shell_on_all(&self.log) {
            self.log
                .notice("flk.debug1: there is no shell in this initrd");
        }
        for file_system in &file_systems::requested(&stage1.file_systems, &self.request) {
            while let Err(error) = self.mount(file_system) {
                if MountOptions::parse(file_system.options.iter().map(String::as_str)).may_fail {
                    self.log.failure(&error);
                    self.log.notice(&format!(
                        "going on without {}",
                        file_system.mount_point.display()
                    ));
                    break;
                }
                rescue::wait_for_help(&self.log, &self.request, &error);
            }
        }
        // Stage 2 makes /etc of it, and has no modules before it has.
        if let Err(error) = self.loader.load("overlay") {
            self.log.failure(&error);
        }
        self.loader.stop();
        let root = Path::new(NEW_ROOT);
        let init = loop {
            match switch_root::find_init(root, self.request.init.as_deref()) {
                Ok(init) => break init,
                Err(error) => rescue::wait_for_help(&self.log, &self.request, &error),
            }
        };
        self.log.info(&format!("executing {}", init.display()));
        switch_root::switch(root, &init)
    }
}

/// The kernel opened its console before there was a `/dev` of ours; what is started from here should have the real one.
fn use_console(log: &Log) {
    let opened = rustix::fs::open("/dev/console", OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
    match opened {
        Ok(console) => {
            let _ = rustix::stdio::dup2_stdin(&console);
            let _ = rustix::stdio::dup2_stdout(&console);
            let _ = rustix::stdio::dup2_stderr(&console);
        }
        Err(error) => log.info(&format!("cannot open /dev/console: {error}")),
    }
}

/// Lets the kernel's own requests for modules (character sets, checksums) come to this program.
fn provide_modprobe(log: &Log) {
    let path = Path::new(MODPROBE);
    if path.exists() {
        return;
    }
    let linked = crate::mount::create_folder(Path::new("/sbin"), 0o755)
        .and_then(|()| std::os::unix::fs::symlink("/init", path).at("create", path));
    if let Err(error) = linked {
        log.failure(&error);
    }
}
