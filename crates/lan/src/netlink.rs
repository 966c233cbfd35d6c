//! rtnetlink(7), blocking: dumps, requests with their acknowledgement, and the kernel's announcements.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Error;

/// Multicast groups (linux/rtnetlink.h): links come, go and change; so do addresses.
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

/// Set in a dump during which something changed (linux/netlink.h).
const NLM_F_DUMP_INTR: u16 = 0x10;
/// A dump that is interrupted more often than this is taken as it is: the change that interrupts it is announced, too.
const DUMPS_MAX: u32 = 5;

/// A socket for questions.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> Result<Netlink, Error> {
        Ok(Netlink {
            socket: open("open a socket")?,
            sequence: 0,
        })
    }

    /// All that there is of a kind.
    pub(crate) fn dump(
        &mut self,
        action: &'static str,
        question: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let failed = |source| Error::Netlink { action, source };
        let mut dumps = 0;
        loop {
            self.send(question.clone(), NLM_F_DUMP).map_err(failed)?;
            let (answers, interrupted) = self.answers().map_err(failed)?;
            dumps += 1;
            if !interrupted || dumps == DUMPS_MAX {
                return Ok(answers);
            }
        }
    }

    /// Something that is to be done; the error is the kernel's.
    pub(crate) fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(message, flags | NLM_F_ACK)?;
        self.answers().map(|_| ())
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(|_| ())
    }

    /// Everything up to the end of the answer, and whether the dump was interrupted.
    fn answers(&mut self) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = &bytes[..];
            while let Some((header, message, after)) = first(rest) {
                rest = after;
                if header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match message {
                    Some(NetlinkPayload::Done(_)) => return Ok((answers, interrupted)),
                    Some(NetlinkPayload::Error(error)) => {
                        return match error.code {
                            None => Ok((answers, interrupted)),
                            Some(_) => Err(error.to_io()),
                        };
                    }
                    Some(NetlinkPayload::InnerMessage(answer)) => answers.push(answer),
                    _ => {}
                }
            }
        }
    }
}

type Payload = NetlinkPayload<RouteNetlinkMessage>;

/// Splits the first message off a datagram. A message that cannot be decoded (a newer kernel's) is `None` for its payload.
fn first(bytes: &[u8]) -> Option<(NetlinkHeader, Option<Payload>, &[u8])> {
    /// linux/netlink.h: length, type, flags, sequence number, port.
    const HEADER: usize = 16;
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if length < HEADER || length > bytes.len() {
        return None;
    }
    let mut header = NetlinkHeader::default();
    header.flags = u16::from_ne_bytes(bytes[6..8].try_into().ok()?);
    header.sequence_number = u32::from_ne_bytes(bytes[8..12].try_into().ok()?);
    let payload = NetlinkMessage::deserialize(&bytes[..length])
        .ok()
        .map(|message| message.payload);
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((header, payload, &bytes[next..]))
}

/// A socket that hears when links or addresses change.
pub(crate) struct Announcements {
    socket: Socket,
}

impl Announcements {
    pub(crate) fn open() -> Result<Announcements, Error> {
        let socket = open("listen for changes")?;
        let listen = || {
            socket.add_membership(RTNLGRP_LINK)?;
            socket.add_membership(RTNLGRP_IPV4_IFADDR)?;
            socket.add_membership(RTNLGRP_IPV6_IFADDR)?;
            socket.set_non_blocking(true)
        };
        listen().map_err(|source| Error::Netlink {
            action: "listen for changes",
            source,
        })?;
        Ok(Announcements { socket })
    }

    /// Waits until something changes, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let failed = |source| Error::Netlink {
            action: "listen for changes",
            source,
        };
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut polled, timeout.as_ref()) {
            // A signal: whoever waits looks around, and waits again.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        self.drain().map(drop)
    }

    /// Takes what was announced; says whether there was something.
    ///
    /// What has changed is asked for anew, so what was said is not looked at, nor is it a loss if some was dropped.
    pub(crate) fn drain(&self) -> Result<bool, Error> {
        let mut buffer = Vec::with_capacity(1 << 16);
        let mut changed = false;
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changed),
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Netlink {
                        action: "listen for changes",
                        source,
                    });
                }
            }
        }
    }
}

impl AsFd for Announcements {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const ENOBUFS: i32 = rustix::io::Errno::NOBUFS.raw_os_error();

fn open(action: &'static str) -> Result<Socket, Error> {
    let connect = || {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(socket)
    };
    connect().map_err(|source| Error::Netlink { action, source })
}
