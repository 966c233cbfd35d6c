//! The boot loader, by the system's own program: `bin/switch-to-configuration boot` in a chroot of the target, as `nixos-install` has it.
//!
//! It runs in a mount namespace of a thread's own, so `/dev`, `/proc`, `/sys` and `/run` are gone from the target with the thread, whatever happens. A NixOS is
//! activated there first, as `nixos-enter` has it: what installs its boot loader may count on users, `/etc` and the machine's id.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::thread::UnshareFlags;

use crate::root::inside;
use crate::{Error, Result};

/// Seen from the target.
const SWITCH: &str = "/nix/var/nix/profiles/system/bin/switch-to-configuration";
const ACTIVATE: &str = "/nix/var/nix/profiles/system/activate";
/// Programs of the target, for those that NixOS's own script calls.
const PATH: &str =
    "/nix/var/nix/profiles/system/sw/bin:/nix/var/nix/profiles/system/sw/sbin:/usr/bin:/usr/sbin";

/// Installs the boot loader for all generations of the target's system profile, and gives what the program had to say, by lines.
///
/// # Errors
/// [`Error::Program`] with what it printed; [`Error::Io`] when the chroot cannot be made.
pub(crate) fn install(root: &Path, is_built_in: bool) -> Result<Vec<String>> {
    for folder in ["dev", "proc", "sys", "run", "tmp"] {
        let path = root.join(folder);
        if !path.exists() {
            fs::create_dir(&path).map_err(Error::io("create", &path))?;
        }
    }
    if !is_built_in {
        // GRUB's installer looks there.
        let mtab = root.join("etc/mtab");
        if fs::symlink_metadata(&mtab).is_err() {
            symlink("/proc/mounts", &mtab).map_err(Error::io("create", &mtab))?;
        }
    }
    let output = std::thread::scope(|scope| {
        scope
            .spawn(|| run_inside(root, is_built_in))
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(text.lines().map(str::to_owned).collect());
    }
    Err(Error::Program {
        program: format!("{SWITCH} boot"),
        status: output.status,
        output: text,
    })
}

/// Restarts this machine, as a user would: `systemctl reboot`.
///
/// # Errors
/// [`Error::Program`], [`Error::Io`].
pub fn restart() -> Result<()> {
    let output = Command::new("systemctl")
        .arg("reboot")
        .output()
        .map_err(Error::io("run", Path::new("systemctl")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program: "systemctl reboot".to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// For a thread that ends afterwards: it has left the process's mounts and root.
fn run_inside(root: &Path, is_built_in: bool) -> Result<Output> {
    leave_live_machine().map_err(Error::errno("make a mount namespace for", root))?;
    let top = Path::new("/");
    mount_change(
        top,
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(Error::errno("make private the mounts of", top))?;
    for folder in ["/dev", "/proc", "/sys"] {
        let place = inside(root, Path::new(folder));
        mount_bind_recursive(folder, &place).map_err(Error::errno("mount", &place))?;
    }
    let run = root.join("run");
    mount(
        "tmpfs",
        &run,
        "tmpfs",
        MountFlags::empty(),
        Some(c"mode=0755"),
    )
    .map_err(Error::errno("mount", &run))?;
    rustix::process::chroot(root).map_err(Error::errno("change to", root))?;
    rustix::process::chdir("/").map_err(Error::errno("change to", root))?;
    if !is_built_in {
        // What fails in it is not said, as little as by NixOS's own installer: the first boot does it all again.
        let _ = inside_target(ACTIVATE).env("IN_NIXOS_ENTER", "1").output();
    }
    inside_target(SWITCH)
        .arg("boot")
        .env("NIXOS_INSTALL_BOOTLOADER", "1")
        .output()
        .map_err(Error::io("run", Path::new(SWITCH)))
}

fn inside_target(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env(
            "LOCALE_ARCHIVE",
            "/nix/var/nix/profiles/system/sw/lib/locale/locale-archive",
        )
        .stdin(Stdio::null());
    command
}

#[expect(
    unsafe_code,
    reason = "unshare can break what relies on shared descriptors; only mounts, root and host name are left here"
)]
fn leave_live_machine() -> rustix::io::Result<()> {
    let all = UnshareFlags::NEWNS | UnshareFlags::FS | UnshareFlags::NEWUTS;
    // SAFETY: without FILES no file descriptor table is split, so no descriptor that Rust owns changes its meaning.
    unsafe { rustix::thread::unshare_unsafe(all) }
}
