//! A connection to a machine on the link that ends in time, whatever the machine does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{Error, LinkLocal};

/// A connection that may be used until its time is over; then reading and writing fail with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    end: Instant,
}

/// Connects to a port of a machine; `time` is for everything together.
///
/// # Errors
/// [`Error::NoLink`]; [`Error::Dial`] when nobody answers there.
pub fn dial(address: &LinkLocal, port: u16, time: Duration) -> Result<Connection, Error> {
    let end = Instant::now() + time;
    let to = address.socket_addr(port)?;
    let connect = || -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&to.into(), time)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let stream = connect().map_err(|source| Error::Dial {
        address: address.clone(),
        port,
        source,
    })?;
    Ok(Connection { stream, end })
}

impl Connection {
    fn rest(&self) -> io::Result<Option<Duration>> {
        let rest = self.end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(rest))
    }
}

/// The system says "try again" when a socket's time is over.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.rest()?)?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.rest()?)?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_sends_a_byte_now_and_then_does_not_hold_it() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut slow, _) = listener.accept().unwrap();
        let dripping = std::thread::spawn(move || {
            while slow.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut connection = Connection {
            stream,
            end: Instant::now() + Duration::from_millis(300),
        };
        let failed = connection.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        dripping.join().unwrap();
    }
}
