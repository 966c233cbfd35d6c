//! Signals: Ctrl-C, SIGTERM and SIGHUP end the work in order; the viewer of a session passes them on to the worker instead.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{ownership, ui};

/// What is said of work that was interrupted.
pub(crate) const INTERRUPTED: &str = "error: interrupted\n";
/// How long a verb has to remove what it has begun, if it does not wait for Nix.
const GRACE: Duration = Duration::from_secs(2);
/// How long Nix has to end its builders.
const NIX_GRACE: Duration = Duration::from_secs(5);

/// What this process does with a signal.
#[derive(Clone, Copy)]
enum Role {
    /// It ends its work.
    Alone,
    /// It shows what another process does, and that one is to end.
    Viewer(Pid),
    /// It belongs to no terminal, so none can hang up.
    Worker,
    /// It does what is worse half done than not; this is why.
    Busy(&'static str),
}

static ROLE: Mutex<Role> = Mutex::new(Role::Alone);
static PASSED_ON: AtomicBool = AtomicBool::new(false);

/// What this process is making, and what is of no use without it.
static DEBRIS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A file or directory that goes if this process is interrupted; of no effect once dropped.
pub(crate) struct Debris(PathBuf);

impl Debris {
    /// This path, which must be this process's own.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        debris().push(path.clone());
        Self(path)
    }
}

impl Drop for Debris {
    fn drop(&mut self) {
        let mut debris = debris();
        if let Some(index) = debris.iter().rposition(|path| *path == self.0) {
            debris.remove(index);
        }
    }
}

fn debris() -> MutexGuard<'static, Vec<PathBuf>> {
    DEBRIS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes it all. Threads that still write may make files anew in the meantime, so it is tried again.
fn clear() {
    for path in debris().iter() {
        for _ in 0..10 {
            let removed = match path.symlink_metadata() {
                Err(_) => break,
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
            };
            if removed.is_ok() {
                break;
            }
        }
    }
}

/// Begins to listen.
pub(crate) fn handle() {
    // Fails only for signals that cannot be handled.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let role = *ROLE.lock().unwrap_or_else(PoisonError::into_inner);
            match (role, signal) {
                (Role::Alone, _) | (Role::Worker, SIGINT | SIGTERM) => stop(),
                (Role::Worker, _) => {}
                (Role::Busy(why), SIGINT | SIGTERM) => {
                    ui::note(format_args!("note: {why}; wait for its end"))
                }
                (Role::Busy(_), _) => {}
                (Role::Viewer(_), SIGHUP) => std::process::exit(1),
                (Role::Viewer(worker), SIGINT) => pass_on(worker, Signal::INT),
                (Role::Viewer(worker), _) => pass_on(worker, Signal::TERM),
            }
        }
    });
}

/// From now on this process is the viewer of that worker.
pub(crate) fn pass_on_to(worker: Pid) {
    become_a(Role::Viewer(worker));
}

/// From now on this process is a worker.
pub(crate) fn ignore_hangup() {
    become_a(Role::Worker);
}

/// Does what no signal is to cut off, and says why to whoever tries.
pub(crate) fn not_during<T>(why: &'static str, work: impl FnOnce() -> T) -> T {
    let role = ROLE.lock().map_or(Role::Alone, |role| *role);
    become_a(Role::Busy(why));
    let done = work();
    become_a(role);
    done
}

/// Ends this process at once if a signal has wanted that: for work that may be cut off anywhere.
pub(crate) fn obey() {
    if flk_nix::is_interrupted() {
        leave();
    }
}

/// Whether a viewer's user wanted the worker to end.
pub(crate) fn was_passed_on() -> bool {
    PASSED_ON.load(Ordering::SeqCst)
}

fn become_a(role: Role) {
    *ROLE.lock().unwrap_or_else(PoisonError::into_inner) = role;
}

fn pass_on(worker: Pid, signal: Signal) {
    PASSED_ON.store(true, Ordering::SeqCst);
    // At its very beginning a worker has no group of its own yet.
    if kill_process_group(worker, signal).is_err() {
        let _ = kill_process(worker, signal);
    }
}

/// Ends Nix with all its builders; the verb that waits for it then fails, and removes what it has begun. Elsewhere it has a moment for that: outputs
/// are written beside their target, and the next run removes what is left of them.
fn stop() {
    let waiting = flk_nix::is_running();
    flk_nix::interrupt();
    if waiting {
        std::thread::sleep(NIX_GRACE);
        // Not in order, then.
        flk_nix::interrupt();
    }
    std::thread::sleep(GRACE);
    leave();
}

fn leave() -> ! {
    clear();
    ownership::give_back();
    ui::failure(INTERRUPTED);
    ui::end(1);
    std::process::exit(1);
}
