//! `flk-init`: what it does depends on how it is called.
//!
//! - as `<toplevel>/init`, with `stage2.json` beside it: stage 2;
//! - as PID 1 with `/etc/flk/stage1.json`: stage 1;
//! - as `/sbin/modprobe` of the initrd, by the kernel: loads a module;
//! - as `<toplevel>/bin/switch-to-configuration ACTION`: makes a system the one that runs or boots;
//! - `flk-init activate TOPLEVEL`: activates a system on a running machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flk_init::cmdline::{BootRequest, CommandLine};
use flk_init::log::Log;
use flk_init::{InitError, modules, rescue, stage1, stage2, switch};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = PathBuf::from(arguments.next().unwrap_or_default());
    let arguments: Vec<OsString> = arguments.collect();
    let name = program.file_name().unwrap_or_default();
    let is_first = rustix::process::getpid().is_init();
    if name == "init"
        && program
            .parent()
            .is_some_and(|toplevel| toplevel.join(stage2::DOCUMENT).exists())
    {
        return guarded(is_first, "flk-init", || stage2::boot(&program));
    }
    if is_first && Path::new(stage1::DOCUMENT).exists() {
        return guarded(true, "flk", || stage1::run());
    }
    let log = Log::stderr("flk-init");
    match (
        name.to_str(),
        arguments.first().and_then(|argument| argument.to_str()),
    ) {
        (Some("modprobe"), _) => modprobe(&arguments),
        (Some("switch-to-configuration"), _) => switch::main(&program, &arguments, &log),
        (_, Some(rescue::SHELL_ARGUMENT)) if arguments.len() == 2 => finish(
            &log,
            rescue::become_shell(Path::new(&arguments[1])).map(|_| 0),
        ),
        (_, Some("activate")) if arguments.len() == 2 => {
            finish(&log, stage2::activate(Path::new(&arguments[1]), &log))
        }
        _ if is_first => guarded(true, "flk-init", || {
            let log = Log::boot("flk-init");
            let error = InitError::Missing {
                what: "what to boot",
                path: stage1::DOCUMENT.into(),
                hint: "neither an initrd's stage1.json nor a system's stage2.json is there: choose another entry in the boot menu",
            };
            loop {
                rescue::wait_for_help(&log, &BootRequest::new(&CommandLine::default()), &error);
            }
        }),
        _ => {
            log.failure(&InitError::Usage);
            ExitCode::from(2)
        }
    }
}

fn finish(log: &Log, result: flk_init::Result<usize>) -> ExitCode {
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            log.error(&format!(
                "activated, but for {failures} failure(s) named above"
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            log.failure(&error);
            ExitCode::FAILURE
        }
    }
}

/// What the kernel calls: `modprobe -q -- NAME`. Its own messages say what is missing.
fn modprobe(arguments: &[OsString]) -> ExitCode {
    let line = CommandLine::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default());
    let names = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .filter(|argument| !argument.starts_with('-'));
    let mut code = ExitCode::SUCCESS;
    for name in names {
        if modules::load_now(&stage1::modules_folder(), &line, name).is_err() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Runs what never returns. Should it panic as PID 1, the kernel would too: then it is said, and the machine waits.
fn guarded(
    is_first: bool,
    prefix: &'static str,
    run: impl FnOnce() -> std::convert::Infallible + std::panic::UnwindSafe,
) -> ExitCode {
    if std::panic::catch_unwind(run).is_err() && is_first {
        let log = Log::boot(prefix);
        log.error("error: this is a mistake in flk-init itself; the lines above say where");
        log.notice("hint: note them, and restart with Ctrl-Alt-Del");
        let request = BootRequest::new(&CommandLine::parse(
            &std::fs::read_to_string("/proc/cmdline").unwrap_or_default(),
        ));
        let error = InitError::Program {
            program: "flk-init".to_owned(),
            status: "panicked".to_owned(),
        };
        loop {
            rescue::wait_for_help(&log, &request, &error);
        }
    }
    ExitCode::FAILURE
}
