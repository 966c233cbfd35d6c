//! Files as block devices: the loop driver's ioctls (`include/uapi/linux/loop.h`, `loop(4)`).
//!
//! Devices are made read-only and are freed by the kernel when nobody uses them any more. Needs Linux 5.8 (`LOOP_CONFIGURE`).
// Loop devices are configured by ioctls only, and no safe interface covers them.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl};

use crate::error::{InitError, IoContext, Result};

const CONTROL: &str = "/dev/loop-control";
const GET_FREE: Opcode = 0x4c82;
const CONFIGURE: Opcode = 0x4c0a;
/// `LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR`.
const FLAGS: u32 = 1 | 4;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `LOOP_CTL_GET_FREE`: no argument; the number comes back as the result.
struct GetFree;

// SAFETY: the request takes no pointer, writes no memory, and its result is the device's number.
unsafe impl Ioctl for GetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

/// A loop device, kept as long as this value lives or it is mounted.
#[derive(Debug)]
pub struct LoopDevice {
    /// Its node.
    pub node: PathBuf,
    /// Without a mount, the open file is what keeps the kernel from freeing the device.
    _open: File,
}

/// Makes a file, or a stretch of it (offset and length in bytes, 0 for all of the rest), a read-only block device.
///
/// # Errors
/// The file cannot be opened, the loop driver is not loaded, or the kernel refuses the file.
pub fn attach(file: &Path, (offset, size_limit): (u64, u64)) -> Result<LoopDevice> {
    let backing = File::open(file).at("open", file)?;
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(CONTROL)
        .at("open", CONTROL)?;
    let mut file_name = [0; 64];
    let name = file.as_os_str().as_encoded_bytes();
    let shown = name.len().min(file_name.len() - 1);
    file_name[..shown].copy_from_slice(&name[..shown]);
    let fd = u32::try_from(backing.as_fd().as_raw_fd()).unwrap_or(u32::MAX);
    let info = LoopInfo {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset,
        size_limit,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: FLAGS,
        file_name,
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
    let config = LoopConfig {
        fd,
        block_size: 0,
        info,
        reserved: [0; 8],
    };
    loop {
        // SAFETY: the request is the one that `GetFree` stands for, on the device that knows it.
        let number =
            unsafe { ioctl(&control, GetFree) }.at("find a free loop device through", CONTROL)?;
        let node = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new()
            .read(true)
            .open(&node)
            .at("open", &node)?;
        // SAFETY: `LOOP_CONFIGURE` reads a `struct loop_config`, which `LoopConfig` mirrors field by field.
        match unsafe { ioctl(&device, Setter::<CONFIGURE, LoopConfig>::new(config)) } {
            Ok(()) => {
                return Ok(LoopDevice {
                    node,
                    _open: device,
                });
            }
            // Somebody else took it in between.
            Err(Errno::BUSY) => {}
            Err(error) => {
                return Err(InitError::Io {
                    action: "make a loop device of",
                    path: file.to_owned(),
                    source: error.into(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_kernels_size() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }
}
