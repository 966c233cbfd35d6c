//! The bench itself: what a test needs of this machine, few tests at a time, and where its logs go.

use crate::BenchError;
use std::{
    env,
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// Something that a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The user is root: networks and raw devices are made.
    Root,
    /// `/dev/net/tun`, for the machines' cards.
    Tun,
    /// A program on the path.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// flk's own release binaries, which `cargo xtask` builds.
    Flk,
    /// Other versions of Nix than this machine's ([`crate::RELEASES`]), which `cargo xtask` fetches.
    OtherNix,
}

impl Need {
    /// What peers in network namespaces need.
    pub const PEERS: &'static [Need] = &[
        Need::Root,
        Need::Tun,
        Need::Flk,
        Need::Program("ip"),
        Need::Program("nft"),
        Need::Program("ssh"),
        Need::Program("ssh-keygen"),
        Need::Program("nsenter"),
        Need::Program("setpriv"),
        Need::File("/usr/sbin/sshd"),
    ];

    /// What machines in QEMU on a link of their own need.
    pub const MACHINES: &'static [Need] = &[
        Need::Root,
        Need::Tun,
        Need::Flk,
        Need::Program("nix"),
        Need::Program("git"),
        Need::Program("xorriso"),
        Need::Program("qemu-system-x86_64"),
        Need::Program("ip"),
        Need::Program("ping"),
        Need::Program("ssh"),
        Need::Program("ssh-keygen"),
        Need::Program("nsenter"),
        Need::Program("setpriv"),
        Need::File("/usr/share/OVMF"),
    ];

    /// What a live machine's root without a machine needs ([`crate::LiveRoot`]), with a disk for it.
    pub const LIVE_ROOT: &'static [Need] = &[
        Need::Program("unshare"),
        Need::Program("nsenter"),
        Need::Program("ip"),
        Need::Program("findmnt"),
        Need::Program("mkfs.ext4"),
        Need::Program("e2fsck"),
        Need::File("/dev/loop-control"),
    ];

    /// What block devices of a test's own need.
    pub const LOOP_DEVICES: &'static [Need] = &[
        Need::Root,
        Need::Program("losetup"),
        Need::File("/dev/loop-control"),
    ];

    /// What another machine's mDNS client needs.
    pub const MDNS: &'static [Need] = &[
        Need::Program("avahi-daemon"),
        Need::Program("avahi-resolve"),
        Need::Program("avahi-browse"),
        Need::Program("dbus-daemon"),
        Need::File("/usr/lib/x86_64-linux-gnu/libnss_mdns6_minimal.so.2"),
    ];

    /// What flk needs to evaluate and to build.
    pub const BUILDS: &'static [Need] = &[
        Need::Root,
        Need::Flk,
        Need::Program("nix"),
        Need::Program("git"),
        Need::Program("ssh-keygen"),
        Need::Program("xorriso"),
    ];

    /// Why it is not here, if it is not.
    fn missing(self) -> Option<String> {
        match self {
            Need::Root => (!is_root()).then(|| "root".into()),
            Need::Tun => (!Path::new("/dev/net/tun").exists()).then(|| "/dev/net/tun".into()),
            Need::Program(name) => (!on_path(name)).then(|| format!("the program {name}")),
            Need::File(path) => (!Path::new(path).exists()).then(|| path.into()),
            Need::Flk => ["flk", "flk-debian", "flk-init"]
                .iter()
                .map(|name| crate::binary(name))
                .find(|path| !path.exists())
                .map(|path| format!("{} (`cargo xtask test` builds it)", path.display())),
            Need::OtherNix => crate::RELEASES
                .iter()
                .find(|release| !release.is_here())
                .map(|release| {
                    let (suite, version) = (release.suite, release.version);
                    format!("Nix {version} of Debian {suite} (`cargo xtask setup` fetches it)")
                }),
        }
    }
}

/// How many tests may use this machine at a time.
const PLACES: usize = 2;
/// How often a test that waits for a place looks whether one is free.
const WAIT: Duration = Duration::from_millis(300);

/// The right to use this machine for one test, together with few others; more of them wait until it is dropped.
pub struct Bench {
    promise: &'static str,
    _place: File,
}

impl Bench {
    /// Opens the bench for the test of `promise`.
    ///
    /// When something is missing, there is no bench (`Ok(None)`), as [`can_prove`] has said.
    ///
    /// # Errors
    /// When the folder for logs cannot be written.
    ///
    /// # Panics
    /// In CI, when something is missing.
    pub fn open(promise: &'static str, needs: &[&[Need]]) -> Result<Option<Self>, BenchError> {
        if !can_prove(promise, needs) {
            return Ok(None);
        }
        let folder = folder();
        fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        Ok(Some(Bench {
            promise,
            _place: place(&folder)?,
        }))
    }

    /// Where this test's consoles are logged.
    pub fn logs(&self) -> PathBuf {
        folder().join("logs").join(self.promise)
    }
}

/// Whether this machine has what the test of `promise` needs, for tests that need no place on the bench.
///
/// When something is missing, that is a failure where `CI=true`; elsewhere one line on standard error says that the test is skipped
/// and why.
///
/// # Panics
/// In CI, when something is missing.
pub fn can_prove(promise: &str, needs: &[&[Need]]) -> bool {
    let missing: Vec<String> = needs
        .iter()
        .copied()
        .flatten()
        .filter_map(|need| need.missing())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{promise} needs {missing}"
    );
    // Not by eprintln!: the harness would keep it to itself when the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {promise}: this machine lacks {missing}"
    );
    false
}

/// One of the places, when one is free.
fn place(folder: &Path) -> Result<File, BenchError> {
    loop {
        for number in 0..PLACES {
            let path = folder.join(format!("place-{number}"));
            let file = File::create(&path).map_err(BenchError::file(&path))?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(BenchError::file(&path)(error)),
            }
        }
        thread::sleep(WAIT);
    }
}

/// Where the bench keeps what outlives a test: `bench` in the target folder.
pub(crate) fn folder() -> PathBuf {
    target_folder().join("bench")
}

/// Cargo's target folder.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}

fn is_root() -> bool {
    crate::run(Command::new("id").arg("-u")).is_ok_and(|output| output.stdout.trim() == "0")
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
