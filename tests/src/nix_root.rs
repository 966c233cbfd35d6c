//! A root of its own with another version of Nix: Debian's packages, unpacked, on the operator's kernel.
//!
//! Mounts, processes and network are private to it: the packages are the lower layer of an overlay, `/nix` is empty, and the only
//! network device is `lo`. It lives as long as its keeper, a `cat` that waits on a pipe from the test, and everything that runs there ends
//! with it. flk is at `/flk`.
//!
//! Not supported: systemd; the daemon is started by hand.

mod packages;

use crate::{BenchError, bench::folder, binary, command::Output, keeper::Keeper, run, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Debian's releases whose Nix flk is tried with, and the versions that they have at least.
pub const RELEASES: [Release; 3] = [
    Release {
        suite: "bookworm",
        version: "2.8",
    },
    Release {
        suite: "trixie",
        version: "2.26",
    },
    Release {
        suite: "testing",
        version: "2.34",
    },
];

/// A release of Debian, with its Nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its name on a mirror.
    pub suite: &'static str,
    /// What Nix says it is, in short; a later one does as well where the release goes on (`testing`).
    pub version: &'static str,
}

impl Release {
    /// Where its packages are unpacked.
    fn folder(self) -> PathBuf {
        folder().join("nix").join(self.suite)
    }

    /// Whether its packages are here.
    pub fn is_here(self) -> bool {
        packages::is_here(&self.folder())
    }

    /// Fetches and unpacks its packages, if they are not here. Only set-up calls this: it needs a mirror and apt.
    ///
    /// # Errors
    /// When apt fails, with what it said.
    pub fn provide(self) -> Result<(), BenchError> {
        packages::provide(self.suite, &self.folder())
    }
}

/// How Nix gets at the store of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The store is the user's with this number; there is no daemon.
    Single(u32),
    /// The store is root's, and a daemon serves it.
    Daemon,
}

/// A user of a root. `/etc/nix/nix.conf` trusts `root` and `you`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: &'static str,
    /// Its number; its group is the one of all users.
    pub uid: u32,
}

impl User {
    /// The administrator.
    pub const ROOT: User = User {
        name: "root",
        uid: 0,
    };
    /// A user whom Nix trusts.
    pub const YOU: User = User {
        name: "you",
        uid: 1000,
    };
    /// A user whom it does not.
    pub const GUEST: User = User {
        name: "guest",
        uid: 1001,
    };

    /// The home folder.
    pub fn home(self) -> String {
        match self.uid {
            0 => "/root".into(),
            _ => format!("/home/{}", self.name),
        }
    }

    fn gid(self) -> u32 {
        if self.uid == 0 { 0 } else { USERS }
    }
}

/// The group `users`.
const USERS: u32 = 100;
/// The group of Nix's build users, where there is a daemon.
const BUILDERS: u32 = 30000;
/// How many of them.
const BUILD_USERS: u32 = 4;
const PATH: &str = "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin";

/// `$1`: an empty folder, `$2`: the packages, `$3`: the folder of flk's programs, `$4`: whose the store is.
const SETUP: &str = r#"
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mkdir -p proc dev sys run tmp nix flk old
mount -t proc proc proc
mount --rbind /dev dev
mount --bind "$3" flk
for place in run nix; do mount -t tmpfs -o mode=0755 tmpfs "$place"; done
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p nix/var/nix
chown -R "$4" nix
ip link set lo up
pivot_root . old
umount -l old
echo ready
exec cat
"#;

/// The root of a machine with another Nix.
pub struct NixRoot {
    keeper: Keeper,
    /// The keeper's shell, which is in the root's processes.
    inside: u32,
    daemon: Option<Child>,
    release: Release,
    _files: tempfile::TempDir,
}

impl NixRoot {
    /// Makes the root; with [`Mode::Daemon`], the daemon answers.
    ///
    /// # Errors
    /// When this kernel refuses a mount or a name space, with what was said.
    pub fn new(release: Release, mode: Mode) -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-nix-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        let owner = match mode {
            Mode::Single(uid) => uid,
            Mode::Daemon => 0,
        };
        let programs = binary("flk");
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--kill-child"])
            .args(["sh", "-euc", SETUP, "nix"])
            .arg(files.path())
            .arg(release.folder().join("root"))
            .arg(programs.parent().unwrap_or(Path::new("/")))
            .arg(owner.to_string());
        let keeper = Keeper::start(&mut command, "a root with another Nix")?;
        let id = keeper.id();
        let path = format!("/proc/{id}/task/{id}/children");
        let children = fs::read_to_string(&path).map_err(BenchError::file(&path))?;
        let inside = children.split_whitespace().next();
        let inside = inside.and_then(|id| id.parse().ok());
        let inside = inside.ok_or_else(|| BenchError::Understand {
            what: path,
            text: children.clone(),
        })?;
        let mut root = NixRoot {
            keeper,
            inside,
            daemon: None,
            release,
            _files: files,
        };
        root.write_accounts(mode)?;
        if mode == Mode::Daemon {
            root.start_daemon()?;
        }
        Ok(root)
    }

    /// Which packages it has.
    pub fn release(&self) -> Release {
        self.release
    }

    /// A command that a user runs there at home, with nothing of the operator's environment.
    pub fn command(&self, user: User, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--net", "--pid", "--target"])
            .arg(self.inside.to_string())
            .args(["--root", "--wd", "--setgid", &user.gid().to_string()])
            .args(["--setuid", &user.uid.to_string()])
            .args(["sh", "-c", "cd && exec \"$0\" \"$@\"", program])
            .env_clear()
            .env("PATH", PATH)
            .env("USER", user.name)
            .env("HOME", user.home());
        command
    }

    /// Runs `flk ARGUMENTS…` there to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn flk(&self, user: User, arguments: &[&str]) -> Result<Output, BenchError> {
        run(self.command(user, "/flk/flk").args(arguments))
    }

    /// Runs a shell script there to its end, and gives what it printed.
    ///
    /// # Errors
    /// [`BenchError::Command`] when it fails.
    pub fn shell(&self, user: User, script: &str) -> Result<String, BenchError> {
        let output = run(self.command(user, "sh").args(["-euc", script]))?.success()?;
        Ok(output.stdout)
    }

    /// A path of the root, as this process may look at it; what is an absolute link there leads elsewhere.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.inside)).join(inside.trim_start_matches('/'))
    }

    /// Writes a file there, which is root's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, inside: &str, text: &str) -> Result<(), BenchError> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
        }
        fs::write(&path, text).map_err(BenchError::file(&path))
    }

    /// Nobody reaches the daemon any more, from now on; it ends with the root.
    pub fn stop_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = self.shell(User::ROOT, "rm -f /nix/var/nix/daemon-socket/socket");
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Users and Nix's configuration, in which nothing is enabled that flk needs.
    fn write_accounts(&self, mode: Mode) -> Result<(), BenchError> {
        let mut passwd = String::from("root:x:0:0:root:/root:/bin/bash\n");
        let mut group = format!("root:x:0:\nusers:x:{USERS}:\nnogroup:x:65534:\n");
        for user in [User::YOU, User::GUEST] {
            let (name, uid, home) = (user.name, user.uid, user.home());
            passwd.push_str(&format!("{name}:x:{uid}:{USERS}::{home}:/bin/bash\n"));
        }
        if mode == Mode::Daemon {
            let names: Vec<String> = (1..=BUILD_USERS).map(|n| format!("nixbld{n}")).collect();
            for (name, uid) in names.iter().zip(BUILDERS + 1..) {
                passwd.push_str(&format!(
                    "{name}:x:{uid}:{BUILDERS}::/var/empty:/usr/sbin/nologin\n"
                ));
            }
            group.push_str(&format!("nixbld:x:{BUILDERS}:{}\n", names.join(",")));
        }
        self.write("/etc/passwd", &passwd)?;
        self.write("/etc/group", &group)?;
        self.write(
            "/etc/nix/nix.conf",
            "substituters =\ntrusted-users = root you\nsandbox = true\n",
        )?;
        self.shell(
            User::ROOT,
            "for user in you guest; do mkdir -p /home/$user; chown $user:users /home/$user; done; mkdir -p /root /var/empty",
        )
        .map(drop)
    }

    fn start_daemon(&mut self) -> Result<(), BenchError> {
        let log = self.path("/tmp/daemon.log");
        let log = fs::File::create(&log).map_err(BenchError::file(log))?;
        let daemon = self
            .command(User::ROOT, "nix-daemon")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| BenchError::Start {
                program: "nix-daemon".into(),
                source,
            })?;
        self.daemon = Some(daemon);
        let socket = self.path("/nix/var/nix/daemon-socket/socket");
        until("Nix's daemon", Duration::from_secs(60), || {
            if socket.exists() {
                return Ok(());
            }
            Err(fs::read_to_string(self.path("/tmp/daemon.log")).unwrap_or_default())
        })
    }
}

impl Drop for NixRoot {
    fn drop(&mut self) {
        // With the first of its processes, the kernel ends all others of the root.
        self.keeper.end();
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
    }
}
