//! Store paths, copied in parallel: each under a temporary name beside its place, its NAR hash checked on the way, and renamed when it is whole and right.
//! What a run that was cut off has left under a temporary name is gone on with.
//!
//! What has come is on its way to the disk early; that everything is there takes one `syncfs` for all of it, later.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use flk_nix::PathInfo;

use crate::execute::sync;
use crate::nar::Serialiser;
use crate::patch::remove;
use crate::root::TEMPORARY_PREFIX;
use crate::{Error, Result};

/// Whenever so many bytes have come, the disk is to have them.
const WRITE_BACK: u64 = 128 << 20;

/// How often the bytes that have come are told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// What to do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// It is not there: copy it.
    Copy,
    /// It is there, but not registered: keep it if its hash is right, else copy it.
    Check,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Bytes written.
    pub(crate) written: u64,
    /// Paths that were there and right.
    pub(crate) kept: usize,
}

/// Removes what an earlier run left half done and this one does not go on with.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn remove_leftovers(store: &Path, tasks: &[(&PathInfo, Task)]) -> Result<()> {
    let wanted: HashSet<OsString> = tasks
        .iter()
        .filter(|(_, task)| *task == Task::Copy)
        .map(|(info, _)| temporary_name(Path::new(&info.path)))
        .collect();
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io("read", store))?,
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("read", store))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(TEMPORARY_PREFIX) && !wanted.contains(&name) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Brings the paths to `store`. `progress` gets the bytes that were dealt with, as they come.
///
/// # Errors
/// The first failure; what is whole by then stays.
pub(crate) fn bring(
    tasks: &[(&PathInfo, Task)],
    source: &Path,
    store: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Done> {
    let mut order = tasks.to_vec();
    order.sort_by_key(|(info, _)| Reverse(info.nar_size));
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(order.len().max(1));
    let work = Work {
        order,
        source,
        store,
        next: AtomicUsize::new(0),
        come: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        // Nothing is sent on it: it is closed when the last thread is done.
        let (end, ended) = mpsc::channel::<()>();
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (work, end) = (&work, end.clone());
                scope.spawn(move || {
                    let _end = end;
                    work.run()
                })
            })
            .collect();
        drop(end);
        let (request, requests) = mpsc::sync_channel(1);
        let writing_back = scope.spawn(|| work.write_back(requests));
        let (mut told, mut requested) = (0, 0);
        loop {
            let is_over = ended.recv_timeout(PROGRESS_INTERVAL) != Err(RecvTimeoutError::Timeout);
            let come = work.come.load(Ordering::Relaxed);
            if come > told {
                progress(come - told);
                told = come;
            }
            if is_over {
                break;
            }
            if come - requested >= WRITE_BACK && request.try_send(()).is_ok() {
                requested = come;
            }
        }
        drop(request);
        let mut total = Done::default();
        let mut failure = None;
        for worker in workers {
            let (done, error) = result_of(worker);
            total.written += done.written;
            total.kept += done.kept;
            failure = failure.or(error);
        }
        failure = failure.or(result_of(writing_back).err());
        failure.map_or(Ok(total), Err)
    })
}

/// What the threads share.
struct Work<'a> {
    /// The largest first, so that no thread is left alone with it at the end.
    order: Vec<(&'a PathInfo, Task)>,
    source: &'a Path,
    store: &'a Path,
    /// What is next in the order.
    next: AtomicUsize,
    /// Bytes that were dealt with.
    come: AtomicU64,
    /// Something failed.
    is_stopped: AtomicBool,
}

impl Work<'_> {
    /// Does what is next until nothing is left, or one of the threads has failed.
    fn run(&self) -> (Done, Option<Error>) {
        let mut done = Done::default();
        while !self.is_stopped.load(Ordering::Relaxed) {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((info, task)) = self.order.get(next) else {
                break;
            };
            let mut advance = |bytes| {
                self.come.fetch_add(bytes, Ordering::Relaxed);
                !self.is_stopped.load(Ordering::Relaxed)
            };
            let places = (self.source, self.store);
            if let Err(error) = bring_one(info, *task, places, &mut advance, &mut done) {
                let is_first = !self.is_stopped.swap(true, Ordering::Relaxed);
                return (done, is_first.then_some(error));
            }
        }
        (done, None)
    }

    /// Has the disk write what has come whenever that is requested, while more comes: without it, the kernel keeps nearly all of it in memory, and the disk
    /// would begin when the processors are done.
    ///
    /// A failure to write is told to the first that asks for it and to nobody later (syncfs(2)), so it must be heard here.
    fn write_back(&self, requests: mpsc::Receiver<()>) -> Result<()> {
        for () in requests {
            if let Err(error) = sync(self.store) {
                self.is_stopped.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }
}

fn result_of<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn bring_one(
    info: &PathInfo,
    task: Task,
    (source, store): (&Path, &Path),
    advance: &mut dyn FnMut(u64) -> bool,
    done: &mut Done,
) -> Result<()> {
    let name = name_of(info);
    let target = store.join(name);
    let temporary = store.join(temporary_name(Path::new(&info.path)));
    if task == Task::Check {
        // What cannot be read is as good as wrong.
        let found = Serialiser::new(&info.path, &mut |_| true).run(&target, None);
        if found.is_ok_and(|found| found.hash == info.nar_hash) {
            done.kept += 1;
            advance(info.nar_size);
            return Ok(());
        }
        // Most of it may be right: what a disk has lost of it is written again, and nothing else.
        remove(&temporary)?;
        fs::rename(&target, &temporary).map_err(Error::io("set aside", &target))?;
    }
    let mut counted = 0;
    let copied = Serialiser::new(&info.path, &mut |bytes| {
        counted += bytes;
        advance(bytes)
    })
    .run(&source.join(name), Some(&temporary))?;
    if copied.hash != info.nar_hash {
        // The damage is what is to be told.
        let _ = remove(&temporary);
        return Err(Error::Damaged {
            path: info.path.clone(),
            expected: info.nar_hash.clone(),
            found: copied.hash,
        });
    }
    fs::rename(&temporary, &target).map_err(Error::io("put into place", &target))?;
    done.written += copied.written;
    // A NAR is a little longer than the files in it.
    advance(info.nar_size.saturating_sub(counted));
    Ok(())
}

fn name_of(info: &PathInfo) -> &OsStr {
    Path::new(&info.path).file_name().unwrap_or_default()
}

/// What a store path is called in the target's store until it is whole.
pub(crate) fn temporary_name(path: &Path) -> OsString {
    let mut temporary = OsString::from(TEMPORARY_PREFIX);
    temporary.push(path.file_name().unwrap_or_default());
    temporary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nar::nar_hash;
    use std::path::PathBuf;

    struct Stores {
        dir: tempfile::TempDir,
        infos: Vec<PathInfo>,
    }

    impl Stores {
        fn new() -> Stores {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("source");
            fs::create_dir_all(dir.path().join("target")).unwrap();
            let mut infos = Vec::new();
            for index in 0..9_usize {
                let path = source.join(format!("hash-{index}"));
                if index == 4 {
                    fs::write(&path, "a file").unwrap();
                } else {
                    fs::create_dir_all(path.join("bin")).unwrap();
                    fs::write(path.join("bin/program"), vec![index as u8; 1000 * index]).unwrap();
                }
                infos.push(PathInfo {
                    path: format!("/nix/store/hash-{index}"),
                    nar_hash: nar_hash(&path).unwrap(),
                    nar_size: 1000 * index as u64 + 500,
                    references: Vec::new(),
                });
            }
            Stores { dir, infos }
        }

        fn source(&self) -> PathBuf {
            self.dir.path().join("source")
        }

        fn target(&self) -> PathBuf {
            self.dir.path().join("target")
        }

        /// As a second run would decide.
        fn bring(&self) -> Result<(Done, u64)> {
            let tasks: Vec<_> = self
                .infos
                .iter()
                .map(|info| {
                    let name = Path::new(&info.path).file_name().unwrap();
                    let is_there = fs::symlink_metadata(self.target().join(name)).is_ok();
                    (info, if is_there { Task::Check } else { Task::Copy })
                })
                .collect();
            let mut bytes = 0;
            remove_leftovers(&self.target(), &tasks)?;
            let done = bring(&tasks, &self.source(), &self.target(), &mut |count| {
                bytes += count;
            })?;
            Ok((done, bytes))
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.target())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn all_arrive_with_their_hashes() {
        let stores = Stores::new();
        let (done, bytes) = stores.bring().unwrap();
        assert_eq!(done.kept, 0);
        assert_eq!(
            done.written,
            (0..9).filter(|i| *i != 4).map(|i| 1000 * i).sum::<u64>() + 6
        );
        let sizes: u64 = stores.infos.iter().map(|info| info.nar_size).sum();
        assert_eq!(bytes, sizes);
        for info in &stores.infos {
            let name = Path::new(&info.path).file_name().unwrap();
            assert_eq!(
                nar_hash(&stores.target().join(name)).unwrap(),
                info.nar_hash
            );
        }
    }

    #[test]
    fn a_second_run_keeps_what_is_right_and_replaces_what_is_not() {
        let stores = Stores::new();
        stores.bring().unwrap();
        let target = stores.target();
        // As a power cut may leave them: empty, gone, half copied.
        fs::write(target.join("hash-4"), "").unwrap();
        remove(&target.join("hash-7")).unwrap();
        fs::create_dir(target.join(format!("{TEMPORARY_PREFIX}hash-8"))).unwrap();
        // Cut off in the middle of a file.
        remove(&target.join("hash-6")).unwrap();
        let half = target.join(format!("{TEMPORARY_PREFIX}hash-6"));
        fs::create_dir_all(half.join("bin")).unwrap();
        fs::write(half.join("bin/program"), vec![6; 6000]).unwrap();
        fs::write(half.join("bin/other"), "").unwrap();
        let (done, _) = stores.bring().unwrap();
        assert_eq!((done.kept, done.written), (6, 7000 + 6));
        assert_eq!(stores.names().len(), 9);
        assert_eq!(
            stores.bring().unwrap().0,
            Done {
                kept: 9,
                written: 0
            }
        );
    }

    #[test]
    fn damage_is_named_and_leaves_nothing() {
        let mut stores = Stores::new();
        stores.infos[6].nar_hash = "0".repeat(64);
        let error = stores.bring().unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { path, .. } if path == "/nix/store/hash-6"),
            "{error}"
        );
        assert!(!stores.names().contains(&"hash-6".to_owned()));
        // What other threads were at stays, for the next run to go on with.
        assert!(
            !stores
                .names()
                .contains(&format!("{TEMPORARY_PREFIX}hash-6"))
        );

        let stores = Stores::new();
        remove(&stores.source().join("hash-2/bin/program")).unwrap();
        std::os::unix::fs::symlink("/", stores.source().join("hash-2/bin/program")).unwrap();
        assert!(matches!(stores.bring(), Err(Error::Damaged { .. })));
    }
}
