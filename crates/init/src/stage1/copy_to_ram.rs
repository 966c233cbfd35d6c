//! `copytoram`: the whole medium into memory, so that it can be removed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};

use crate::error::{InitError, IoContext, Result};
use crate::log::Log;
use crate::mount::Request;
use crate::mount_options::MountOptions;

/// What must be left for the system itself.
const RESERVE: u64 = 192 << 20;
const PAGE: u64 = 4096;
const CHUNK: usize = 1 << 20;
/// How often to say how far it is.
const WORD: Duration = Duration::from_secs(2);

/// Copies everything under `from` into a new tmpfs on `to`. False, with nothing mounted, where the memory does not suffice.
///
/// # Errors
/// The medium cannot be read, or the tmpfs cannot be mounted or written.
pub(super) fn copy(from: &Path, to: &Path, log: &Log) -> Result<bool> {
    let total = measure(from)?;
    let available = available(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    if available.is_some_and(|available| available < total + RESERVE) {
        log.notice(&format!(
            "not enough memory for copytoram: {} MiB are free, {} MiB are needed; going on from the medium, which must stay connected",
            available.unwrap_or(0) >> 20,
            (total + RESERVE) >> 20
        ));
        return Ok(false);
    }
    // Room for what each file and folder costs beside its content.
    let options = MountOptions {
        data: vec![
            "mode=0755".to_owned(),
            format!("size={}", total + total / 16 + (4 << 20)),
        ],
        ..MountOptions::default()
    };
    Request {
        source: Path::new("tmpfs"),
        target: to,
        fs_type: "tmpfs",
    }
    .mount(&options)?;
    log.notice(&format!(
        "copying the medium to memory: {} MiB",
        total >> 20
    ));
    let mut progress = Progress {
        log,
        total,
        done: 0,
        said: Instant::now(),
    };
    let copied = copy_folder(from, to, &mut progress);
    if copied.is_err() {
        let _ = unmount(to, UnmountFlags::DETACH);
    }
    copied.map(|()| true)
}

struct Progress<'a> {
    log: &'a Log,
    total: u64,
    done: u64,
    said: Instant,
}

impl Progress<'_> {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.said.elapsed() >= WORD {
            self.said = Instant::now();
            let percent = self.done * 100 / self.total.max(1);
            self.log.notice(&format!(
                "copying the medium to memory: {percent} % ({} of {} MiB)",
                self.done >> 20,
                self.total >> 20
            ));
        }
    }
}

/// What the files take in memory, in whole pages.
fn measure(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder).at("read", folder)? {
        let entry = entry.at("read", folder)?;
        let metadata = entry.metadata().at("read", entry.path())?;
        total += if metadata.is_dir() {
            PAGE + measure(&entry.path())?
        } else {
            metadata.len().next_multiple_of(PAGE)
        };
    }
    Ok(total)
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

fn copy_folder(from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<()> {
    for entry in fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = entry.metadata().at("read", &source)?;
        let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
        if metadata.is_dir() {
            fs::create_dir(&target).at("create", &target)?;
            copy_folder(&source, &target, progress)?;
            fs::set_permissions(&target, mode).at("set the mode of", &target)?;
        } else if metadata.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).at("read", &source)?, &target)
                .at("create", &target)?;
        } else if metadata.is_file() {
            copy_file(&source, &target, progress)?;
            fs::set_permissions(&target, mode).at("set the mode of", &target)?;
        }
        std::os::unix::fs::lchown(&target, Some(metadata.uid()), Some(metadata.gid()))
            .at("set the owner of", &target)?;
        if let (Ok(modified), false) = (metadata.modified(), metadata.is_symlink()) {
            let opened = File::open(&target).at("open", &target)?;
            opened
                .set_modified(modified)
                .at("set the time of", &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<()> {
    let mut source = File::open(from).at("open", from)?;
    // Nobody but root reads it before its mode is set.
    let mut target = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .at("create", to)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(InitError::Io {
                    action: "read",
                    path: from.to_owned(),
                    source,
                });
            }
        };
        target.write_all(&buffer[..count]).at("write", to)?;
        progress.add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read() {
        assert_eq!(
            available("MemTotal: 10 kB\nMemAvailable:    2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(available("MemTotal: 10 kB\n"), None);
    }

    #[test]
    fn a_tree_is_copied_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a/key"), vec![7; CHUNK + 1]).unwrap();
        fs::set_permissions(from.join("a/key"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("key", from.join("a/link")).unwrap();
        assert_eq!(measure(&from).unwrap(), 3 * PAGE + CHUNK as u64);
        let log = Log::stderr("test");
        let mut progress = Progress {
            log: &log,
            total: 1,
            done: 0,
            said: Instant::now(),
        };
        copy_folder(&from, &to, &mut progress).unwrap();
        assert_eq!(progress.done, CHUNK as u64 + 1);
        assert_eq!(fs::read(to.join("a/link")).unwrap(), vec![7; CHUNK + 1]);
        assert_eq!(
            fs::metadata(to.join("a/key")).unwrap().mode() & 0o7777,
            0o600
        );
        assert_eq!(
            fs::metadata(to.join("a/key")).unwrap().modified().unwrap(),
            fs::metadata(from.join("a/key"))
                .unwrap()
                .modified()
                .unwrap()
        );
    }
}
