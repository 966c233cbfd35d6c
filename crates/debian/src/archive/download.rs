//! Downloading files that are known by their digest, several at once.
//!
//! A file is written beside its place and renamed when its size and digest are right, so whatever is in place is good. A
//! connection that breaks is taken up where it broke; a run that was killed starts its unfinished files anew.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use flk_address::Address;
use sha2::{Digest, Sha256};

use super::client::{ATTEMPTS, Answer, is_passing, pause};
use super::{Client, File, Mirrors};
use crate::error::{Error, Result};

/// How and where to download.
#[derive(Debug)]
pub struct Download<'a> {
    /// The connections.
    pub client: &'a Client,
    /// Where the files are to be had.
    pub mirrors: &'a Mirrors,
    /// Where they go: `<directory>/<sha256>/<name>`.
    pub directory: &'a Path,
    /// How many at once; eight is good.
    pub threads: usize,
}

/// Downloads files, each checked against its size and its digest, and gives their paths in the same order.
///
/// A file that is in place already is checked and kept. `progress` gets the number of bytes that are there, of all files
/// together; it shrinks when a damaged file has to be fetched anew.
///
/// # Errors
/// The first failure, after which no other file is begun: [`Error::Gone`] when a mirror no longer has a file.
pub fn download(
    files: &[File],
    options: &Download<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<PathBuf>> {
    let next = AtomicUsize::new(0);
    let state = State {
        options,
        good: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        has_failed: AtomicBool::new(false),
        progress,
    };
    let results: Vec<Mutex<Option<Result<PathBuf>>>> =
        files.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, files.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(position) else {
                        break;
                    };
                    if state.has_failed.load(Ordering::Relaxed) {
                        break;
                    }
                    let result = state.download(file);
                    if result.is_err() {
                        state.has_failed.store(true, Ordering::Relaxed);
                    }
                    if let Ok(mut slot) = results[position].lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    let mut paths = Vec::with_capacity(files.len());
    let mut is_complete = true;
    for result in results {
        match result.into_inner().ok().flatten() {
            Some(Ok(path)) => paths.push(path),
            Some(Err(error)) => return Err(error),
            // Not begun: a failure follows.
            None => is_complete = false,
        }
    }
    debug_assert!(is_complete, "a file was not begun though none failed");
    Ok(paths)
}

struct State<'a> {
    options: &'a Download<'a>,
    /// Which of the addresses had a file.
    good: AtomicUsize,
    done: AtomicU64,
    has_failed: AtomicBool,
    progress: &'a (dyn Fn(u64) + Sync),
}

/// Why an attempt did not end well.
enum Trouble {
    /// Another attempt may.
    Passing(Error),
    /// No other will.
    Lasting(Error),
}

impl Trouble {
    fn into_error(self) -> Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

/// What has arrived of a file.
struct Arrived {
    file: fs::File,
    digest: Sha256,
    length: u64,
}

impl State<'_> {
    fn download(&self, file: &File) -> Result<PathBuf> {
        let folder = self.options.directory.join(&file.sha256);
        let path = folder.join(&file.name);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        if is_in_place(file, &path)? {
            self.advance(file.size);
            return Ok(path);
        }
        let addresses = self.options.mirrors.addresses(&file.mirror, &file.path)?;
        let beside = folder.join(format!("{}.{}", file.name, std::process::id()));
        let mut arrived = Arrived {
            file: fs::File::create(&beside).map_err(Error::io("create", &beside))?,
            digest: Sha256::new(),
            length: 0,
        };
        let result = self.download_from(file, &addresses, (&beside, &mut arrived));
        let result =
            result.and_then(|()| fs::rename(&beside, &path).map_err(Error::io("create", &path)));
        if result.is_err() {
            // The failure itself is the one to tell.
            let _ = fs::remove_file(&beside);
        }
        result.map(|()| path)
    }

    /// Asks one after the other of what may be the mirror, the one that had the last file first. The digest says whether what comes is the file.
    fn download_from(
        &self,
        file: &File,
        addresses: &[Address],
        (beside, arrived): (&Path, &mut Arrived),
    ) -> Result<()> {
        let good = self.good.load(Ordering::Relaxed);
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_by_key(|place| *place != good);
        let mut first = None;
        for place in order {
            let mut attempt = 0;
            let failure = loop {
                attempt += 1;
                match self.attempt(file, &addresses[place], (beside, &mut *arrived)) {
                    Ok(()) => {
                        self.good.store(place, Ordering::Relaxed);
                        return Ok(());
                    }
                    Err(Trouble::Passing(_))
                        if attempt < ATTEMPTS && !self.has_failed.load(Ordering::Relaxed) =>
                    {
                        std::thread::sleep(pause(attempt));
                    }
                    Err(Trouble::Passing(error) | Trouble::Lasting(error)) => break error,
                }
            };
            // The likeliest one's failure is the one to tell.
            first.get_or_insert(failure);
            self.restart(beside, arrived).map_err(Trouble::into_error)?;
        }
        first.map_or(Ok(()), Err)
    }

    /// Asks for what is missing and appends it; checks the whole when all of it is there.
    fn attempt(
        &self,
        file: &File,
        address: &Address,
        (beside, arrived): (&Path, &mut Arrived),
    ) -> Result<(), Trouble> {
        let fetch = |source: Box<ureq::Error>| {
            let is_passing = is_passing(&source);
            let error = Error::Fetch {
                address: address.clone(),
                source: source.into(),
            };
            if is_passing {
                Trouble::Passing(error)
            } else {
                Trouble::Lasting(error)
            }
        };
        let answer = self
            .options
            .client
            .ask(address, arrived.length)
            .map_err(fetch)?;
        let Answer::Body {
            mut reader,
            is_rest,
        } = answer
        else {
            return Err(Trouble::Lasting(Error::Gone {
                file: Box::new(file.clone()),
                address: address.clone(),
            }));
        };
        if !is_rest {
            self.restart(beside, arrived)?;
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|source| fetch(Box::new(ureq::Error::Io(source))))?;
            if count == 0 {
                break;
            }
            let bytes = &buffer[..count];
            arrived
                .file
                .write_all(bytes)
                .map_err(|source| Trouble::Lasting(Error::io("write", beside)(source)))?;
            arrived.digest.update(bytes);
            arrived.length += count as u64;
            self.advance(count as u64);
            if arrived.length > file.size {
                break;
            }
        }
        if arrived.length < file.size {
            let source = std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!("it ended after {} of {} bytes", arrived.length, file.size),
            );
            return Err(fetch(Box::new(ureq::Error::Io(source))));
        }
        let length = arrived.length;
        let found = hex::encode(arrived.digest.clone().finalize());
        if length == file.size && found == file.sha256 {
            return Ok(());
        }
        self.restart(beside, arrived)?;
        let reason = if length == file.size {
            format!("its SHA-256 is {found}, not {}", file.sha256)
        } else {
            format!("it has more than {} bytes", file.size)
        };
        Err(Trouble::Passing(Error::Damaged {
            address: address.clone(),
            reason,
        }))
    }

    /// Forgets what has arrived.
    fn restart(&self, beside: &Path, arrived: &mut Arrived) -> Result<(), Trouble> {
        if arrived.length == 0 {
            return Ok(());
        }
        self.done.fetch_sub(arrived.length, Ordering::Relaxed);
        *arrived = Arrived {
            file: fs::File::create(beside)
                .map_err(|source| Trouble::Lasting(Error::io("create", beside)(source)))?,
            digest: Sha256::new(),
            length: 0,
        };
        Ok(())
    }

    fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done);
    }
}

/// Whether the file is there, whole and right.
fn is_in_place(file: &File, path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == file.size => {}
        _ => return Ok(false),
    }
    let mut reader = fs::File::open(path).map_err(Error::io("open", path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = reader.read(&mut buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
    }
    Ok(hex::encode(digest.finalize()) == file.sha256)
}

#[cfg(test)]
mod tests;
