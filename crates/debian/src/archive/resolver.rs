//! Host names, by the machine's own name service: `getent ahosts` (getent(1)), whatever nsswitch.conf(5) says there.
//!
//! flk is a static program. The C library's own resolver would load that of another C library into it, and end the process where the two differ in version,
//! as on a live machine. Where there is no `getent`, there is nothing better.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, config::Config};

/// As many as the library keeps.
const MOST: usize = 16;

/// Asks the machine.
#[derive(Debug, Default)]
pub(crate) struct SystemResolver {
    fallback: DefaultResolver,
}

impl Resolver for SystemResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(host), Some(port)) = (uri.host(), port(uri)) else {
            return self.fallback.resolve(uri, config, timeout);
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match ask(host, &timeout)? {
                Some(addresses) => addresses,
                None => return self.fallback.resolve(uri, config, timeout),
            },
        };
        let sockets = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port));
        let mut resolved = self.empty();
        for socket in config
            .ip_family()
            .keep_wanted(sockets.collect::<Vec<_>>().into_iter())
            .take(MOST)
        {
            resolved.push(socket);
        }
        if resolved.is_empty() {
            return Err(Error::HostNotFound);
        }
        Ok(resolved)
    }
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme()? {
        scheme if *scheme == Scheme::HTTP => Some(80),
        scheme if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    })
}

/// The addresses of a host; `None` when there is no `getent` to ask.
fn ask(host: &str, timeout: &NextTimeout) -> Result<Option<Vec<IpAddr>>, Error> {
    let child = Command::new("getent")
        .args(["ahosts", "--", host])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut output = child.stdout.take();
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut text = String::new();
        if let Some(output) = &mut output {
            let _ = output.read_to_string(&mut text);
        }
        let _ = sender.send(text);
    });
    let text = if timeout.after.is_not_happening() {
        receiver.recv().unwrap_or_default()
    } else {
        match receiver.recv_timeout(*timeout.after) {
            Ok(text) => text,
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::Timeout(timeout.reason));
            }
        }
    };
    let _ = child.wait();
    match addresses(&text) {
        found if found.is_empty() => Err(Error::HostNotFound),
        found => Ok(Some(found)),
    }
}

/// The addresses in what `getent ahosts` prints, each once, in its order (RFC 6724).
fn addresses(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let address = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok());
        if let Some(address) = address
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_once_and_in_order() {
        let text = "2001:db8::7  STREAM mirror.example\n2001:db8::7  DGRAM\n192.0.2.7  STREAM\n192.0.2.7  RAW\nfe80::1%eno1 STREAM\n";
        let expected: [IpAddr; 2] = ["2001:db8::7".parse().unwrap(), "192.0.2.7".parse().unwrap()];
        assert_eq!(addresses(text), expected);
        assert_eq!(addresses(""), Vec::<IpAddr>::new());
    }

    #[test]
    fn a_port_is_given_or_the_schemes() {
        for (uri, expected) in [
            ("http://mirror.example/debian", Some(80)),
            ("https://mirror.example/", Some(443)),
            ("http://[2001:db8::7]:3142/", Some(3142)),
            ("/debian", None),
        ] {
            assert_eq!(port(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
