//! A live machine's root without a machine: the medium's own files at the places that they have on it, on the operator's kernel.
//!
//! Mounts and network are private to it: `/iso` is the medium, `/nix/store` the medium's store image below an overlay, Nix's
//! database says what the medium registers, `/dev/disk/by-label` has only what was mounted here, and the only network device
//! is `lo`. All else is the operator's own root, as the lower layer of another overlay. It lives as long as its keeper, a
//! `cat` that waits on a pipe from the test, so neither a failed test nor a killed one leaves a mount behind.
//!
//! Not supported: boot loaders (FAT is not in every operator's kernel), systemd, udev.

use crate::{BenchError, command::Output, keeper::Keeper, run, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// `$1`: an empty folder, `$2`: the medium's files, `$3`: its store image, which has flk too.
const SETUP: &str = r#"
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mkdir -p iso mnt nix/store nix/.ro-store nix/.rw-store nix/var usr/local/bin
mount --bind "$2" iso
mount -o remount,bind,ro iso
mount -t squashfs -o loop,ro "$3" nix/.ro-store
mount -t tmpfs -o mode=0755 tmpfs nix/.rw-store
mkdir nix/.rw-store/store nix/.rw-store/work
mount -t overlay -o lowerdir=nix/.ro-store,upperdir=nix/.rw-store/store,workdir=nix/.rw-store/work overlay nix/store
mount -t tmpfs -o mode=0755 tmpfs nix/var
mkdir -p /dev/disk
for place in dev proc sys; do mount --rbind "/$place" "$place"; done
mount -t tmpfs -o mode=0755 tmpfs dev/disk
mkdir dev/disk/by-label
mount -t tmpfs -o mode=0755 tmpfs run
for flk in nix/.ro-store/*-source/bin/flk; do ln -s "/nix/store/${flk#nix/.ro-store/}" usr/local/bin/flk; done
ip link set lo up
chroot . nix-store --load-db <nix/.ro-store/nix-path-registration
# Said from inside: until then, whoever enters the root of this process enters the operator's.
exec chroot . sh -c 'echo ready; exec cat'
"#;

/// `$1`: the root, `$2`: a disk's image, `$3`: where the file system goes below the root, `$4`: its label, `$5`: where it begins
/// on the disk.
const MOUNT: &str = r#"
mount -o "loop,offset=$5" "$2" "$1$3"
ln -sfn "$(findmnt -no SOURCE "$1$3")" "$1/dev/disk/by-label/$4"
"#;

/// The root of a live machine that was started from a medium, with nothing at `/mnt` yet.
pub struct LiveRoot {
    keeper: Keeper,
    files: tempfile::TempDir,
}

impl LiveRoot {
    /// The root of a machine started from the medium whose files are in `medium`.
    ///
    /// # Errors
    /// When this kernel refuses a mount or a name space, with what was said.
    pub fn new(medium: &Path) -> Result<Self, BenchError> {
        Self::with_store(medium, &medium.join("nix-store.squashfs"))
    }

    /// The same with another store image than the medium's own.
    ///
    /// # Errors
    /// As [`LiveRoot::new`].
    pub fn with_store(medium: &Path, store: &Path) -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-live-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["sh", "-euc", SETUP, "live"])
            .arg(files.path())
            .args([medium, store]);
        let keeper = Keeper::start(&mut command, "a live machine's root")?;
        Ok(LiveRoot { keeper, files })
    }

    /// A command that runs as root in the live root, in `/iso/devos`, with nothing of the operator's environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.enter();
        command
            .args(["--root", "--wd", "sh", "-c"])
            .arg("cd /iso/devos && exec \"$0\" \"$@\"")
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin")
            .env("HOME", "/root");
        command
    }

    /// Runs `flk ARGUMENTS…` there to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn flk(&self, arguments: &[&str]) -> Result<Output, BenchError> {
        run(self.command("flk").args(arguments))
    }

    /// Runs a shell script there to its end, and gives what it printed.
    ///
    /// # Errors
    /// [`BenchError::Command`] when it fails.
    pub fn shell(&self, script: &str) -> Result<String, BenchError> {
        let output = run(self.command("sh").args(["-euc", script]))?.success()?;
        Ok(output.stdout)
    }

    /// A path of the live root, as this process may look at it; what is an absolute link there leads elsewhere.
    pub fn path(&self, inside: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(inside.trim_start_matches('/'))
    }

    /// Mounts the file system in `image` at `place`, and gives its device the name that udev would by `label`.
    ///
    /// # Errors
    /// When the kernel does not mount it.
    pub fn mount(&self, image: &Path, place: &str, label: &str) -> Result<(), BenchError> {
        self.mount_part(image, 0, place, label)
    }

    /// The same for the file system that begins `at` so many bytes of a disk.
    ///
    /// # Errors
    /// As [`LiveRoot::mount`].
    pub fn mount_part(
        &self,
        image: &Path,
        at: u64,
        place: &str,
        label: &str,
    ) -> Result<(), BenchError> {
        // The image is among the operator's files, which a command in the live root may not see.
        let mut command = self.enter();
        command.args(["sh", "-euc", MOUNT, "mount"]);
        command
            .arg(self.files.path().join("root"))
            .arg(image)
            .args([place, label, &at.to_string()]);
        run(&mut command)?.success().map(drop)
    }

    /// Takes away what is mounted at `place` and below; its device is gone with it.
    ///
    /// # Errors
    /// When something still uses it.
    pub fn unmount(&self, place: &str) -> Result<(), BenchError> {
        self.shell(&format!("umount -R {place}; rm -f /dev/disk/by-label/*"))
            .map(drop)
    }

    /// Kills everything that runs there, at once and with the signal that nobody can catch, and waits for its end.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with what is still there.
    pub fn kill_all(&self) -> Result<(), BenchError> {
        until(
            "the end of what was killed",
            Duration::from_secs(60),
            || match self.running() {
                running if running.is_empty() => Ok(()),
                running => {
                    let _ = run(Command::new("kill").arg("-KILL").args(&running));
                    Err(running.join(" "))
                }
            },
        )
    }

    /// Sends everything that runs there a signal, by its name.
    ///
    /// # Errors
    /// When `kill` does.
    pub fn signal_all(&self, signal: &str) -> Result<(), BenchError> {
        let mut command = Command::new("kill");
        command.arg(format!("-{signal}")).args(self.running());
        run(&mut command)?.success().map(drop)
    }

    /// The processes in this root's network, its keeper and zombies aside.
    fn running(&self) -> Vec<String> {
        let keeper = self.keeper.id().to_string();
        let network = |id: &str| fs::read_link(format!("/proc/{id}/ns/net")).ok();
        let own = network(&keeper);
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()) && *id != keeper)
            // A zombie has no name space any more.
            .filter(|id| own.is_some() && network(id) == own)
            .collect()
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target"]);
        command.arg(self.keeper.id().to_string());
        command
    }
}

impl Drop for LiveRoot {
    fn drop(&mut self) {
        let _ = self.kill_all();
    }
}
