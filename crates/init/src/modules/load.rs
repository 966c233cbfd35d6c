//! Loading modules through `finit_module(2)`, several at a time, each after what it needs.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::tables::{ModuleId, ModuleTables};
use crate::cmdline::CommandLine;
use crate::error::{InitError, Result};
use crate::log::Log;

/// `MODULE_INIT_COMPRESSED_FILE`, `include/uapi/linux/module.h`: the kernel unpacks the file.
const COMPRESSED: std::ffi::c_int = 4;
/// More than this many at once only makes them wait for the same locks.
const WORKERS: usize = 3;

/// Loads modules in threads of its own.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tables: ModuleTables,
    directory: PathBuf,
    command_line: CommandLine,
    blacklist: HashSet<String>,
    log: Arc<Log>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<ModuleId>,
    /// Queued, running or done: what need not be queued again.
    taken: BTreeSet<ModuleId>,
    running: usize,
    done: BTreeSet<ModuleId>,
    stopped: bool,
}

impl Loader {
    /// Reads the tables of the running kernel and starts the threads.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn start(directory: &Path, command_line: &CommandLine, log: &Arc<Log>) -> Result<Self> {
        let tables = ModuleTables::read(directory)?;
        let blacklist = command_line
            .list("modprobe.blacklist")
            .iter()
            .map(|name| name.replace('-', "_"))
            .collect();
        let shared = Arc::new(Shared {
            tables,
            directory: directory.to_owned(),
            command_line: command_line.clone(),
            blacklist,
            log: Arc::clone(log),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let workers = (0..WORKERS)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.work())
            })
            .collect();
        Ok(Self { shared, workers })
    }

    /// Queues what a device's alias asks for. Nothing happens where the initrd has no module for it.
    pub fn request_alias(&self, alias: &str) {
        let ids = self.shared.tables.resolve(alias);
        let wanted = ids.into_iter().filter(|&id| {
            !self
                .shared
                .blacklist
                .contains(&self.shared.tables.module(id).name)
        });
        self.queue(wanted);
    }

    /// Queues modules by name and says which are not in the initrd.
    pub fn request_names(&self, names: &[String]) {
        for name in names {
            let ids = self.shared.tables.resolve(name);
            if ids.is_empty() && !self.is_present(name) {
                self.shared
                    .log
                    .notice(&format!("no kernel module '{name}' in the initrd"));
            }
            self.queue(ids.into_iter());
        }
    }

    /// Loads by name or alias, and waits for it.
    ///
    /// # Errors
    /// The initrd has no such module, and the kernel has it neither built in nor loaded.
    pub fn load(&self, name: &str) -> Result<()> {
        let ids = self.shared.tables.resolve(name);
        if ids.is_empty() {
            return if self.is_present(name) {
                Ok(())
            } else {
                Err(InitError::NoModule {
                    name: name.to_owned(),
                })
            };
        }
        self.queue(ids.iter().copied());
        let mut state = self.shared.lock();
        while !state.stopped && !ids.iter().all(|id| state.done.contains(id)) {
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Whether every queued module has been dealt with.
    pub fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        state.queue.is_empty() && state.running == 0
    }

    /// Drops what is still queued and waits for what is being loaded.
    pub fn stop(self) {
        {
            let mut state = self.shared.lock();
            state.stopped = true;
            state.queue.clear();
            self.shared.changed.notify_all();
        }
        for worker in self.workers {
            let _ = worker.join();
        }
    }

    fn is_present(&self, name: &str) -> bool {
        self.shared.tables.is_builtin(name)
            || Path::new("/sys/module")
                .join(name.replace('-', "_"))
                .exists()
    }

    fn queue(&self, ids: impl Iterator<Item = ModuleId>) {
        let mut state = self.shared.lock();
        for id in ids {
            if state.taken.contains(&id) {
                continue;
            }
            for next in self.shared.tables.load_order(id) {
                if state.taken.insert(next) {
                    state.queue.push_back(next);
                }
            }
        }
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let Some(id) = self.take_ready(&mut state) else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.running += 1;
            drop(state);
            let module = self.tables.module(id);
            let path = self.directory.join(&module.path);
            if let Err(error) = insert(
                &module.name,
                &path,
                &self.command_line.module_parameters(&module.name),
            ) {
                self.log.failure(&error);
            }
            state = self.lock();
            state.running -= 1;
            state.done.insert(id);
            self.changed.notify_all();
        }
    }

    /// The first module in the queue that waits for no other one. Should soft dependencies go round in a circle, the first one goes.
    fn take_ready(&self, state: &mut State) -> Option<ModuleId> {
        let waits = |id: &ModuleId| {
            self.tables
                .module(*id)
                .needs
                .iter()
                .any(|need| state.taken.contains(need) && !state.done.contains(need))
        };
        let soft = |id: &ModuleId| {
            let before = self
                .tables
                .module(*id)
                .before
                .iter()
                .flat_map(|name| self.tables.resolve(name));
            before.into_iter().any(|other| {
                other != *id && state.taken.contains(&other) && !state.done.contains(&other)
            })
        };
        let ready = state.queue.iter().position(|id| !waits(id) && !soft(id));
        let ready = ready.or_else(|| {
            if state.running == 0 {
                state.queue.iter().position(|id| !waits(id))
            } else {
                None
            }
        });
        ready.and_then(|index| state.queue.remove(index))
    }
}

/// Loads by name or alias in this thread: what the kernel asks of `/sbin/modprobe`.
///
/// # Errors
/// There is no such module, or the kernel refuses it.
pub fn load_now(directory: &Path, command_line: &CommandLine, request: &str) -> Result<()> {
    let tables = ModuleTables::read(directory)?;
    let ids = tables.resolve(request);
    if ids.is_empty() && !tables.is_builtin(request) {
        return Err(InitError::NoModule {
            name: request.to_owned(),
        });
    }
    let blacklist = command_line.list("modprobe.blacklist");
    for id in ids {
        if blacklist.contains(&tables.module(id).name) {
            continue;
        }
        for next in tables.load_order(id) {
            let module = tables.module(next);
            let result = insert(
                &module.name,
                &directory.join(&module.path),
                &command_line.module_parameters(&module.name),
            );
            if next == id {
                result?;
            }
        }
    }
    Ok(())
}

/// Hands one file to the kernel. A module that is loaded already is fine, and so is one whose hardware is not there.
fn insert(name: &str, path: &Path, parameters: &str) -> Result<()> {
    let failed = |source| InitError::Module {
        name: name.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let parameters = std::ffi::CString::new(parameters).unwrap_or_default();
    let compressed = path.extension().is_some_and(|extension| extension != "ko");
    match rustix::system::finit_module(&file, &parameters, if compressed { COMPRESSED } else { 0 })
    {
        Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
        Err(error) => Err(failed(error.into())),
    }
}
