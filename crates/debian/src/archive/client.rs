//! Fetching over HTTP and HTTPS, with the trouble that mirrors make: slow answers, cut connections, busy servers.

use std::io::{self, Read};
use std::time::Duration;

use ureq::unversioned::transport::DefaultConnector;

use flk_address::Address;

use super::proxy::Proxies;
use super::resolver::SystemResolver;
use crate::error::{Error, Result};

/// Connections to mirrors. One for all threads.
#[derive(Debug, Clone)]
pub struct Client {
    proxies: Proxies,
    direct: ureq::Agent,
    /// By the proxy that they go through.
    agents: Vec<(Address, ureq::Agent)>,
}

/// What a mirror answered.
pub(crate) enum Answer {
    /// The file, from the byte that was asked for or from its first.
    Body {
        reader: Box<dyn Read + Send>,
        /// Whether it starts where it was asked to.
        is_rest: bool,
    },
    /// There is no such file.
    Absent,
}

/// How often a file is asked for before giving up.
pub(crate) const ATTEMPTS: u32 = 5;
/// How long to wait for any answer.
const REACH: Duration = Duration::from_secs(8);

impl Client {
    /// A client that goes through these proxies.
    ///
    /// # Errors
    /// When a proxy's address is none.
    pub fn new(proxies: Proxies) -> Result<Self> {
        let mut agents = Vec::new();
        for address in proxies.all() {
            let proxy = ureq::Proxy::new(address.expose()).map_err(|source| Error::Proxy {
                address: address.clone(),
                source: Box::new(source).into(),
            })?;
            agents.push((address.clone(), agent(Some(proxy))));
        }
        Ok(Self {
            proxies,
            direct: agent(None),
            agents,
        })
    }

    /// The connections for an address.
    fn agent(&self, address: &Address) -> &ureq::Agent {
        let proxy = self.proxies.of(address);
        let agent = self.agents.iter().find(|(own, _)| Some(own) == proxy);
        agent.map_or(&self.direct, |(_, agent)| agent)
    }

    /// Asks once, for seconds and not minutes, whether an address answers at all; what it answers does not matter.
    ///
    /// # Errors
    /// [`Error::Fetch`] when nobody does.
    pub fn reach(&self, address: &Address) -> Result<()> {
        let asked = self
            .agent(address)
            .head(address.expose())
            .config()
            .timeout_global(Some(REACH))
            .build()
            .call();
        match asked {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Fetch {
                address: address.clone(),
                source: Box::new(source).into(),
            }),
        }
    }

    /// Asks once for a file, from the byte `start` on.
    pub(crate) fn ask(&self, address: &Address, start: u64) -> Result<Answer, Box<ureq::Error>> {
        let mut request = self.agent(address).get(address.expose());
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let response = request.call().map_err(Box::new)?;
        let status = response.status().as_u16();
        match status {
            200 | 206 => Ok(Answer::Body {
                is_rest: status == 206,
                reader: Box::new(
                    response
                        .into_body()
                        .into_with_config()
                        .limit(u64::MAX)
                        .reader(),
                ),
            }),
            404 | 410 => Ok(Answer::Absent),
            other => Err(Box::new(ureq::Error::StatusCode(other))),
        }
    }

    /// Fetches a small file whole. `None` when the mirror has none.
    ///
    /// # Errors
    /// When the mirror cannot be reached, or the file has more than `limit` bytes.
    pub(crate) fn fetch(&self, address: &Address, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.fetch_once(address, limit) {
                Ok(content) => return Ok(content),
                Err(source) if attempt >= ATTEMPTS || !is_passing(&source) => {
                    return Err(Error::Fetch {
                        address: address.clone(),
                        source: source.into(),
                    });
                }
                Err(_) => std::thread::sleep(pause(attempt)),
            }
        }
    }

    fn fetch_once(
        &self,
        address: &Address,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Box<ureq::Error>> {
        let Answer::Body { reader, .. } = self.ask(address, 0)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        reader
            .take(limit + 1)
            .read_to_end(&mut content)
            .map_err(|source| Box::new(ureq::Error::Io(source)))?;
        if content.len() as u64 > limit {
            return Err(Box::new(ureq::Error::Io(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {limit} bytes"),
            ))));
        }
        Ok(Some(content))
    }
}

fn agent(proxy: Option<ureq::Proxy>) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .proxy(proxy)
        .http_status_as_error(false)
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .max_idle_connections(16)
        .max_idle_connections_per_host(8)
        .user_agent(concat!("flk/", env!("CARGO_PKG_VERSION")))
        .build();
    ureq::Agent::with_parts(
        config,
        DefaultConnector::default(),
        SystemResolver::default(),
    )
}

/// Whether another attempt may end otherwise.
pub(crate) fn is_passing(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::StatusCode(status) => *status >= 500 || matches!(status, 408 | 429),
        ureq::Error::Io(source) => source.kind() != io::ErrorKind::FileTooLarge,
        ureq::Error::Timeout(_)
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_)
        | ureq::Error::HostNotFound => true,
        _ => false,
    }
}

/// How long to wait after the attempt of this number: half a second, then twice as long each time.
pub(crate) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(250) * 2_u32.saturating_pow(attempt)
}
