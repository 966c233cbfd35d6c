//! A mirror of the archive on a [`Link`]: it serves the packages that the operator's own store has, by their base names (HTTP/1.1,
//! RFC 9112: GET and HEAD, one request a connection; RFC 9110, 14.2: ranges that begin somewhere and go to the end).

use crate::{BenchError, Link};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

const STORE: &str = "/nix/store";
/// A store path's digest and the hyphen after it.
const DIGEST: usize = 33;

/// A running server. Its threads end with the test's process, its socket's network with the link.
pub struct Mirror {
    address: SocketAddr,
    served: Arc<Mutex<BTreeSet<String>>>,
}

impl Mirror {
    /// Listens on an address that the operator has on the link.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn start(link: &Link, address: SocketAddr) -> Result<Self, BenchError> {
        let listener = link.listen(address)?;
        let address = listener
            .local_addr()
            .map_err(BenchError::file("the mirror's socket"))?;
        let served = Arc::<Mutex<BTreeSet<String>>>::default();
        let names = Arc::clone(&served);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let names = Arc::clone(&names);
                // A client that goes away is its own business.
                thread::spawn(move || answer(&stream, &names));
            }
        });
        Ok(Mirror { address, served })
    }

    /// Its base, as `FLK_DEBIAN_MIRROR` takes it.
    pub fn base(&self) -> String {
        format!("http://{}/debian", self.address)
    }

    /// The base names of what was fetched.
    pub fn served(&self) -> BTreeSet<String> {
        self.served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn answer(stream: &TcpStream, served: &Mutex<BTreeSet<String>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut from = 0;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            from = value
                .trim()
                .strip_prefix("bytes=")
                .and_then(|range| range.strip_suffix('-')?.parse().ok())
                .unwrap_or(0);
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let name = decoded(target.rsplit('/').next().unwrap_or(""));
    let mut out = stream;
    let Some(path) = find(&name) else {
        return out.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = from.min(length);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}",
            length.saturating_sub(1)
        ),
    };
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        length - from
    )?;
    if method == "GET" {
        file.seek(SeekFrom::Start(from))?;
        io::copy(&mut file.take(length), &mut out)?;
        served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name);
    }
    Ok(())
}

/// The store's file of this base name.
fn find(name: &str) -> Option<PathBuf> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+._?=-".contains(c);
    let name: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    fs::read_dir(Path::new(STORE))
        .ok()?
        .flatten()
        .find(|entry| {
            let entry = entry.file_name();
            entry.to_str().and_then(|entry| entry.get(DIGEST..)) == Some(&name)
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
}

/// Undoes `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn names_are_decoded() {
        assert_eq!(decoded("a%2bb_1%7E2.deb"), "a+b_1~2.deb");
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client
            .write_all(b"GET /debian/pool/n/no-such_1.deb HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let served = Mutex::default();
        answer(&server, &served).unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
        assert!(served.lock().unwrap().is_empty());
    }
}
