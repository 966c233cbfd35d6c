//! A machine without a machine: a network namespace with a card on a [`Link`], a real sshd, and an announcer of the test's own.

use crate::{
    Announcement, BenchError, KeyPair, Link, Mac, Operator,
    command::{Output, mortal, run},
    fingerprint,
    keeper::Keeper,
    link::INTERFACE,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket},
    os::fd::AsFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
const ALIAS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x47);
/// The card's name inside.
const CARD: &str = "eth0";
/// For `Command`: it is in no user's path.
const SSHD: &str = "/usr/sbin/sshd";

/// What the machine is at first.
const SETUP: &str = "mkdir -p /run/sshd; ip link set lo up; echo ready; exec cat";

/// A machine on a link, ended when dropped.
pub struct Peer {
    keeper: Keeper,
    mac: Mac,
    sshd: Option<Child>,
    log: PathBuf,
    announcers: Vec<JoinHandle<()>>,
    /// For the announcers: it is over; this machine holds the alias.
    is_over: Arc<AtomicBool>,
    has_alias: Arc<AtomicBool>,
    files: tempfile::TempDir,
}

impl Peer {
    /// Puts a card with this address on the link, on the bridge `bridge`.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn new(link: &Link, bridge: &str, mac: Mac) -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-peer-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        let mut command = link.daemon("unshare");
        command.args(["--net", "sh", "-euc", SETUP]);
        let keeper = Keeper::start(&mut command, "a machine on a link")?;
        let peer = Peer {
            log: files.path().join("sshd.log"),
            keeper,
            mac,
            sshd: None,
            announcers: Vec::new(),
            is_over: Arc::default(),
            has_alias: Arc::default(),
            files,
        };
        peer.plug(link, bridge, CARD, mac)?;
        Ok(peer)
    }

    /// A live machine of the operator's ISO of this build and host, with the ISO's key, on the operator's first interface.
    ///
    /// # Errors
    /// When the kernel refuses it, or sshd does not start.
    pub fn live(
        operator: &Operator<'_>,
        last: u8,
        (build, host): (&str, &str),
        key: &KeyPair,
    ) -> Result<Self, BenchError> {
        let mut peer = Peer::on(operator.link(), last)?;
        peer.serve(key, &operator.key)?;
        let print = fingerprint(&key.public())?;
        peer.announce(&Announcement::live(host, build, &print))?;
        Ok(peer)
    }

    /// Gives it a card `card`, on the bridge `bridge`.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn plug(&self, link: &Link, bridge: &str, card: &str, mac: Mac) -> Result<(), BenchError> {
        let id = self.keeper.id().to_string();
        let outside = format!("{card}.{id}");
        link.run(
            "ip",
            &[
                "link",
                "add",
                &outside,
                "type",
                "veth",
                "peer",
                "name",
                card,
                "netns",
                &id,
                "address",
                &mac.to_string(),
            ],
        )?
        .success()?;
        link.run("ip", &["link", "set", &outside, "master", bridge, "up"])?
            .success()?;
        self.run("ip", &["link", "set", card, "up"])?
            .success()
            .map(drop)
    }

    /// A peer on the operator's first interface.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn on(link: &Link, last: u8) -> Result<Self, BenchError> {
        Peer::new(link, INTERFACE, Mac::qemu(last))
    }

    /// Its card's address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// A command that runs on this peer.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.enter();
        command.arg(program);
        command
    }

    /// Runs a command on this peer to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, BenchError> {
        run(self.command(program).args(arguments))
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        let id = self.keeper.id().to_string();
        command.args(["--net", "--mount", "--target", &id, "--"]);
        command
    }

    /// Gives it the alias at once, without looking whether somebody has it.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn take_alias(&self) -> Result<(), BenchError> {
        self.run("ip", &["addr", "add", "fe80::47/64", "dev", CARD, "nodad"])?
            .success()?;
        self.has_alias.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Starts OpenSSH's server with this host key; root may log in with `user`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self, host_key: &KeyPair, user: &KeyPair) -> Result<(), BenchError> {
        self.serve_with(host_key, user, &[])
    }

    /// The same with further lines of its configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_with(
        &mut self,
        host_key: &KeyPair,
        user: &KeyPair,
        lines: &[String],
    ) -> Result<(), BenchError> {
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        let log = File::create(&self.log).map_err(BenchError::file(&self.log))?;
        let keys = self.files.path().join("authorized_keys");
        fs::copy(user.public(), &keys).map_err(BenchError::file(&keys))?;
        let mut sshd = mortal(self.enter(), SSHD);
        for line in lines {
            sshd.args(["-o", line]);
        }
        let sshd = sshd
            .args([
                "-D",
                "-e",
                "-f",
                "/dev/null",
                "-o",
                "PidFile=none",
                "-o",
                "StrictModes=no",
            ])
            .args([
                "-o",
                "PermitRootLogin=yes",
                "-o",
                "PasswordAuthentication=no",
            ])
            .args([
                "-o",
                "Subsystem=sftp internal-sftp",
                "-o",
                "LogLevel=VERBOSE",
                "-o",
                "LoginGraceTime=20",
            ])
            .arg("-o")
            .arg(format!("AuthorizedKeysFile={}", keys.display()))
            .arg("-o")
            .arg(format!("HostKey={}", host_key.private.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| BenchError::Start {
                program: SSHD.into(),
                source,
            })?;
        self.sshd = Some(sshd);
        Ok(())
    }

    /// What sshd has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Answers multicast DNS over IPv6 from now on.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn announce(&mut self, announcement: &Announcement) -> Result<(), BenchError> {
        self.announce_by(self.socket()?, announcement)
    }

    /// The same over IPv4, at this address of a /24.
    ///
    /// # Errors
    /// When the kernel refuses the address, or there is no socket to be had.
    pub fn announce_at(
        &mut self,
        address: Ipv4Addr,
        announcement: &Announcement,
    ) -> Result<(), BenchError> {
        self.run(
            "ip",
            &["addr", "add", &format!("{address}/24"), "dev", CARD],
        )?
        .success()?;
        let socket = self.within(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
            socket.join_multicast_v4(&GROUP_V4, &address)?;
            Ok(socket)
        })?;
        self.announce_by(socket, announcement)
    }

    fn announce_by(
        &mut self,
        socket: UdpSocket,
        announcement: &Announcement,
    ) -> Result<(), BenchError> {
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .map_err(BenchError::file("a socket of the peer"))?;
        let own = self.mac.link_local();
        let (announcement, is_over, has_alias) = (
            announcement.clone(),
            self.is_over.clone(),
            self.has_alias.clone(),
        );
        self.announcers.push(std::thread::spawn(move || {
            let mut buffer = [0; 9000];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let asks = buffer[..length].windows(5).any(|part| part == b"\x04_flk");
                // The answers of others come here, too.
                if asks && buffer[2] & 0x80 == 0 {
                    let addresses = [own, ALIAS];
                    let count = 1 + usize::from(has_alias.load(Ordering::Relaxed));
                    let _ = socket.send_to(&announcement.message(&addresses[..count]), from);
                }
            }
        }));
        Ok(())
    }

    /// A socket in this peer's network that hears what is sent to the group.
    fn socket(&self) -> Result<UdpSocket, BenchError> {
        self.within(|| {
            let socket = of_ipv6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, PORT, 0, 0))?;
            let link = rustix::net::netdevice::name_to_index(&socket, CARD)?;
            socket.join_multicast_v6(&GROUP, link)?;
            Ok(socket)
        })
    }

    /// Makes something in this peer's network, where it stays.
    fn within<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, BenchError> {
        let network = format!("/proc/{}/ns/net", self.keeper.id());
        let network = File::open(&network).map_err(BenchError::file(network))?;
        let made = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            make()
        });
        made.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(BenchError::file("a socket of the peer"))
    }

    /// Waits until its own address may be used.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`].
    pub fn wait_for_address(&self) -> Result<(), BenchError> {
        crate::until("a peer's address", Duration::from_secs(60), || {
            let shown = self
                .run("ip", &["-6", "addr", "show", "dev", CARD])
                .map_err(|e| e.to_string())?;
            let usable = shown.stdout.contains(&self.mac.link_local().to_string())
                && !shown.stdout.contains("tentative");
            if usable { Ok(()) } else { Err(shown.all()) }
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for announcer in self.announcers.drain(..) {
            let _ = announcer.join();
        }
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }
}

/// Packets that are being sent.
pub struct Flood {
    over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Flood {
    /// Ends it; says how many packets were sent.
    pub fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

impl Peer {
    /// Sends forged answers and damaged ones, from all of this peer's addresses in turn: `count` at once, and on until it is ended.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn flood(&self, count: usize, to: SocketAddrV6) -> Result<Flood, BenchError> {
        let network = format!("/proc/{}/ns/net", self.keeper.id());
        let network = File::open(&network).map_err(BenchError::file(network))?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            let went = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            assert!(went.is_ok(), "{went:?}");
            let mut sent = 0;
            while !ends.load(Ordering::Relaxed) || sent < count {
                let n = sent % 2000;
                let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfee0, n as u16);
                let from = SocketAddrV6::new(address, PORT, 0, to.scope_id());
                let Ok(socket) = of_ipv6(from) else { continue };
                let lie = Announcement::live("NixOS", &format!("{sent:032x}"), "SHA256:forged");
                let mut message = lie.message(&[address]);
                match sent % 4 {
                    0 => message.truncate(message.len() * (sent % 97) / 97),
                    1 => {
                        let at = sent * 7919 % message.len();
                        message[at] ^= 0xff;
                    }
                    _ => {}
                }
                if socket.send_to(&message, to).is_ok() {
                    sent += 1;
                }
                if sent > count {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
            sent
        });
        Ok(Flood { over, thread })
    }
}

/// A socket that leaves IPv4's port to others, and to several their own addresses.
fn of_ipv6(from: SocketAddrV6) -> rustix::io::Result<UdpSocket> {
    use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
    let socket = socket(AddressFamily::INET6, SocketType::DGRAM, None)?;
    sockopt::set_ipv6_v6only(&socket, true)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &from)?;
    Ok(socket.into())
}
