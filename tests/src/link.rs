//! A link of a test's own: a network namespace with one bridge, machines' taps on it, and an operator who sits at the bridge.
//!
//! The namespace has no name, and ends with the test. A private mount namespace belongs to it, in which `/run` is empty
//! and names resolve through mDNS only (avahi's, by `libnss-mdns`), as on a desktop.
//!
//! The bridge is called `eno1`, so that the commands of the user's page work as they are written.

use crate::{
    BenchError,
    command::{Output, mortal, run},
    keeper::Keeper,
    until,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    cell::Cell,
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    process::Command,
    time::Duration,
};

/// The operator's interface on every [`Link`].
pub const INTERFACE: &str = "eno1";

/// What the operator's machine looks like inside; `$1` is the folder with its files.
const SETUP: &str = r#"
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/dbus /run/avahi-daemon /run/flk
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
ip link set lo up
ip link add eno1 address 52:54:00:0b:e9:c4 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set eno1 up
echo ready
exec cat
"#;

/// A network with nothing on it but the operator and the machines of one test.
pub struct Link {
    keeper: Keeper,
    taps: Cell<u32>,
    files: tempfile::TempDir,
}

impl Link {
    /// Makes the link and waits until the operator's own link-local address is there.
    ///
    /// # Errors
    /// When namespaces, bridges or taps are not to be had here.
    pub fn new() -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-link-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        let nsswitch = files.path().join("nsswitch.conf");
        std::fs::write(
            &nsswitch,
            "passwd: files\ngroup: files\nhosts: files mdns6_minimal\n",
        )
        .map_err(BenchError::file(&nsswitch))?;
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["sh", "-euc", SETUP, "link"])
            .arg(files.path());
        let keeper = Keeper::start(&mut command, "a network with a bridge")?;
        let link = Link {
            keeper,
            taps: Cell::new(0),
            files,
        };
        // A bridge without a port has no carrier, and without a carrier no address.
        link.tap()?;
        Ok(link)
    }

    /// A command that runs on this link: in its network, with its `/run`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.enter();
        command.arg(program);
        command
    }

    /// Like [`Link::command`], for what keeps running: it ends with the test.
    pub(crate) fn daemon(&self, program: &str) -> Command {
        mortal(self.enter(), program)
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--net",
            "--mount",
            "--target",
            &self.keeper.id().to_string(),
            "--",
        ]);
        command
    }

    /// Runs a command line on this link to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, BenchError> {
        run(self.command(program).args(arguments))
    }

    /// A new tap on the bridge, for one machine's card; gives its name.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn tap(&self) -> Result<String, BenchError> {
        let name = format!("tap{}", self.taps.get());
        self.taps.set(self.taps.get() + 1);
        self.run("ip", &["tuntap", "add", "dev", &name, "mode", "tap"])?
            .success()?;
        self.run("ip", &["link", "set", &name, "master", INTERFACE, "up"])?
            .success()?;
        Ok(name)
    }

    /// A socket that listens on this link, at an address that the operator has there.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn listen(&self, address: SocketAddr) -> Result<TcpListener, BenchError> {
        let network = format!("/proc/{}/ns/net", self.keeper.id());
        let network = File::open(&network).map_err(BenchError::file(network))?;
        // A socket stays in the network in which it was made; the thread that went there is not needed any more.
        let made = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind(address)
        });
        made.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(BenchError::file("a socket on the link"))
    }

    /// Another link, with the operator at its bridge `interface`, whose address ends in `last`.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn add_bridge(&self, interface: &str, last: u8) -> Result<(), BenchError> {
        let line = format!(
            "link add {interface} address 52:54:00:0b:e9:{last:02x} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        );
        let words: Vec<&str> = line.split(' ').collect();
        self.run("ip", &words)?.success()?;
        self.run("ip", &["link", "set", interface, "up"])?
            .success()
            .map(drop)
    }

    /// Drops what comes to the operator by these rules, in nftables' words, and by no others; `""` lets everything in.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn drop_what(&self, rules: &str) -> Result<(), BenchError> {
        let text = format!(
            "flush ruleset\ntable inet t {{ chain in {{ type filter hook input priority 0; {rules}\n}}\n}}\n"
        );
        let file = self.files.path().join("rules.nft");
        std::fs::write(&file, text).map_err(BenchError::file(&file))?;
        self.run("nft", &["-f", &file.to_string_lossy()])?
            .success()
            .map(drop)
    }

    /// Cuts a machine's tap off the bridge, or joins it again.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn join(&self, tap: &str, joined: bool) -> Result<(), BenchError> {
        let arguments: &[&str] = if joined {
            &["link", "set", tap, "master", INTERFACE]
        } else {
            &["link", "set", tap, "nomaster"]
        };
        self.run("ip", arguments)?.success().map(drop)
    }

    /// Waits until the operator's link-local address may be used; needs a machine on the link, for the carrier.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`].
    pub fn wait_for_address(&self) -> Result<(), BenchError> {
        until(
            "the operator's link-local address",
            Duration::from_secs(60),
            || {
                let output = self
                    .run("ip", &["-6", "addr", "show", "dev", INTERFACE])
                    .map_err(|e| e.to_string())?;
                let usable =
                    output.stdout.contains("scope link") && !output.stdout.contains("tentative");
                if usable { Ok(()) } else { Err(output.all()) }
            },
        )
    }

    /// Pings `address` on this link once, waiting two seconds.
    ///
    /// # Errors
    /// When `ping` does not work at all, which is not the same as no answer.
    pub fn answers(&self, address: &str) -> Result<bool, BenchError> {
        let output = self.run(
            "ping",
            &["-6", "-c", "1", "-W", "2", "-I", INTERFACE, address],
        )?;
        // iputils: 0 an answer, 1 none, 2 any other error.
        if output.code == Some(1) {
            Ok(false)
        } else {
            output.success().map(|_| true)
        }
    }

    /// Waits until `address` answers a ping.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with the neighbour table.
    pub fn wait_for_answer(&self, address: &str, limit: Duration) -> Result<(), BenchError> {
        until(&format!("an answer from {address}"), limit, || {
            match self.answers(address) {
                Ok(true) => Ok(()),
                Ok(false) => Err(self
                    .neighbours()
                    .map_or_else(|e| e.to_string(), |table| format!("neighbours:\n{table}"))),
                Err(e) => Err(e.to_string()),
            }
        })
    }

    /// The operator's neighbour table, as `ip -6 neigh show` prints it.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn neighbours(&self) -> Result<String, BenchError> {
        Ok(self.run("ip", &["-6", "neigh", "show"])?.success()?.stdout)
    }

    /// Forgets all neighbours, so that the next answer is a fresh one.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn forget_neighbours(&self) -> Result<(), BenchError> {
        self.run("ip", &["-6", "neigh", "flush", "dev", INTERFACE])?
            .success()
            .map(drop)
    }

    /// A folder for small files of this link, removed with it.
    pub(crate) fn files(&self) -> &std::path::Path {
        self.files.path()
    }
}
