//! Disks that lie, and disks that go away: real block devices of the kernel (loop) over a file that the test itself serves (FUSE), so that it decides what
//! becomes of each write, and when.
//!
//! The file is served past the page cache (`FOPEN_DIRECT_IO`), so what is read from the device is what the disk has. Not supported: sectors of other sizes.

use crate::{BenchError, LoopDevice, Need, run};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use std::{
    ffi::OsStr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

/// The file's name.
const NAME: &str = "disk";
/// The file.
const INODE: INodeNo = INodeNo(2);
/// The kernel may believe what it was told for so long.
const BELIEVED: Duration = Duration::from_secs(3600);
/// Bytes that a disk places at once.
const SECTOR: usize = 512;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Writes that have this byte are lost, and nobody is told.
    Drops(u64),
    /// One bit of this byte is stored wrong.
    Flips(u64),
    /// What is written to the first byte's sector gets to the second's.
    Misplaces(u64, u64),
    /// It has only so many bytes, and begins again after them.
    Wraps(u64),
    /// It has only so many bytes, and what is written beyond them is lost.
    Ends(u64),
    /// It is pulled out: half of what is being written arrives, and from then on there is nothing.
    Gone,
}

type Cue = (u64, Box<dyn FnOnce() -> Fault + Send>);

struct State {
    bytes: Vec<u8>,
    fault: Fault,
    is_gone: bool,
    written: u64,
    cue: Option<Cue>,
}

impl State {
    /// Where a sector is; nowhere, where the disk has none.
    fn place(&self, offset: u64) -> Option<usize> {
        let sector = SECTOR as u64;
        let place = match self.fault {
            Fault::Wraps(capacity) => offset % capacity,
            Fault::Ends(capacity) if offset >= capacity => return None,
            Fault::Misplaces(from, to) if offset == from / sector * sector => to / sector * sector,
            _ => offset,
        };
        Some(place as usize)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
        if self.is_gone {
            return Err(Errno::EIO);
        }
        let end = self.bytes.len().min(offset as usize + length);
        let mut bytes = vec![0; end.saturating_sub(offset as usize)];
        for (number, sector) in bytes.chunks_mut(SECTOR).enumerate() {
            let at = offset + (number * SECTOR) as u64;
            // A write that went astray is not found where it belongs.
            let place = match self.fault {
                Fault::Misplaces(..) => Some(at as usize),
                _ => self.place(at),
            };
            if let Some(place) = place {
                sector.copy_from_slice(&self.bytes[place..place + sector.len()]);
            }
        }
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        if self.is_gone {
            return Err(Errno::EIO);
        }
        if self
            .cue
            .as_ref()
            .is_some_and(|(byte, _)| *byte < self.written + bytes.len() as u64)
            && let Some((_, act)) = self.cue.take()
        {
            self.fault = act();
        }
        self.written += bytes.len() as u64;
        let has = |at: u64| (offset..offset + bytes.len() as u64).contains(&at);
        let mut bytes = bytes.to_vec();
        match self.fault {
            Fault::Drops(at) if has(at) => return Ok(()),
            Fault::Flips(at) if has(at) => bytes[(at - offset) as usize] ^= 0x10,
            Fault::Gone => {
                self.is_gone = true;
                bytes.truncate(bytes.len() / 2 / SECTOR * SECTOR);
            }
            _ => {}
        }
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            if let Some(place) = self.place(offset + (number * SECTOR) as u64) {
                self.bytes[place..place + sector.len()].copy_from_slice(sector);
            }
        }
        match self.is_gone {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }
}

/// A disk of the test's own.
pub struct FaultyDisk {
    device: Option<LoopDevice>,
    session: Option<BackgroundSession>,
    folder: tempfile::TempDir,
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    /// What such a disk needs.
    pub const NEEDS: &'static [Need] = &[
        Need::Root,
        Need::Program("losetup"),
        Need::File("/dev/loop-control"),
        Need::File("/dev/fuse"),
    ];

    /// A disk that has these bytes, and nothing wrong.
    ///
    /// # Errors
    /// When the kernel refuses the file system, or the loop device.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BenchError> {
        let state = Arc::new(Mutex::new(State {
            bytes,
            fault: Fault::None,
            is_gone: false,
            written: 0,
            cue: None,
        }));
        let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("faulty-disk".into())];
        let session = fuser::spawn_mount2(Served(state.clone()), folder.path(), &config)
            .map_err(BenchError::file(folder.path()))?;
        let mut disk = FaultyDisk {
            device: None,
            session: Some(session),
            folder,
            state,
        };
        disk.device = Some(LoopDevice::over(&disk.folder.path().join(NAME), &[])?);
        Ok(disk)
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        self.device.as_ref().map_or(Path::new(""), LoopDevice::path)
    }

    /// What is wrong with it from now on; nothing was written to it yet.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.is_gone = false;
        state.written = 0;
        state.cue = None;
    }

    /// When so many bytes have been written and the kernel comes with the next ones, `act` is called before that is done, and says what is wrong from then on.
    pub fn at_byte(&self, byte: u64, act: impl FnOnce() -> Fault + Send + 'static) {
        self.set(Fault::None);
        self.state().cue = Some((byte, Box::new(act)));
    }

    /// What it has. Nothing is in flight when this is read.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// Gives it other content, of the same length.
    pub fn fill(&self, bytes: &[u8]) {
        self.state().bytes.copy_from_slice(bytes);
    }

    /// How many bytes were written to it; in how many pieces, the kernel decides.
    pub fn written(&self) -> u64 {
        self.state().written
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        // The device needs an answer to everything, or it hangs.
        drop(self.device.take());
        drop(self.session.take());
        let _ = run(Command::new("umount").arg("--lazy").arg(self.folder.path()));
    }
}

/// A file system of one file.
struct Served(Arc<Mutex<State>>);

impl Served {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let is_file = inode == INODE;
        let size = match is_file {
            true => self.state().bytes.len() as u64,
            false => 0,
        };
        FileAttr {
            ino: inode,
            size,
            blocks: size / SECTOR as u64,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: match is_file {
                true => FileType::RegularFile,
                false => FileType::Directory,
            },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == NAME {
            true => reply.entry(&BELIEVED, &self.attributes(INODE), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&BELIEVED, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.state().read(offset, size as usize);
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.state().write(offset, data);
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let is_gone = self.state().is_gone;
        match is_gone {
            true => reply.error(Errno::EIO),
            false => reply.ok(),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
