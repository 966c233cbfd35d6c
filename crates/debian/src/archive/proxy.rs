//! Which proxy an address is reached through: apt's settings (apt-transport-http(1)), and the environment's.
//!
//! What the environment says comes before what apt is told for every host, and after what apt is told for one. Not supported: SOCKS
//! proxies other than ureq's, programs that find a proxy (`Acquire::http::Proxy-Auto-Detect`).

use flk_address::Address;

use super::mirror::split_quoted;

/// Proxies by scheme and host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Address>,
    https: Option<Address>,
    /// By host, what apt is told; `None`: none at all.
    hosts: Vec<(String, String, Option<Address>)>,
    /// Hosts that are reached directly: names, and ends of names with a dot before them; `*`: all.
    direct: Vec<String>,
}

impl Proxies {
    /// What `apt-config dump` says (empty where there is no apt), and the environment, whose variables `variable` gives.
    pub fn find(apt: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut proxies = Self::default();
        for line in apt.lines() {
            proxies.take(line);
        }
        let named = |names: &[&str]| {
            let value = names.iter().find_map(|name| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some(value)
            })?;
            Some(with_scheme(&value))
        };
        // For https, `http_proxy` has always served as well; only a program in a web server must not take it in capitals.
        let all = named(&["all_proxy", "ALL_PROXY"]);
        let http = named(&["http_proxy"]).or_else(|| all.clone());
        let https = named(&["https_proxy", "HTTPS_PROXY", "http_proxy"]).or(all);
        proxies.http = http.or(proxies.http);
        proxies.https = https.or(proxies.https);
        let direct = ["no_proxy", "NO_PROXY"]
            .iter()
            .find_map(|name| variable(name));
        proxies.direct = direct
            .unwrap_or_default()
            .split([',', ' '])
            .map(|host| host.trim().trim_start_matches("*.").to_ascii_lowercase())
            .filter(|host| !host.is_empty())
            .collect();
        proxies
    }

    /// A line of the dump: `Acquire::http::Proxy "http://…";`, `Acquire::http::Proxy::HOST "DIRECT";`.
    fn take(&mut self, line: &str) {
        let Some((name, value)) = split_quoted(line) else {
            return;
        };
        let mut parts = name.split("::");
        let is = |part: Option<&str>, name: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(name))
        };
        if !is(parts.next(), "Acquire") {
            return;
        }
        let scheme = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !is(parts.next(), "Proxy") || value.is_empty() {
            return;
        }
        let host = parts.collect::<Vec<_>>().join("::").to_ascii_lowercase();
        let proxy = (!value.eq_ignore_ascii_case("DIRECT")).then(|| with_scheme(value));
        match (scheme.as_str(), host.is_empty()) {
            ("http", true) => {
                // Apt's https goes by its own setting, or by this one.
                self.http.clone_from(&proxy);
                if self.https.is_none() {
                    self.https = proxy;
                }
            }
            ("https", true) => self.https = proxy,
            ("http" | "https", false) => self.hosts.push((scheme, host, proxy)),
            _ => {}
        }
    }

    /// The proxy for an address; `None`: it is reached directly.
    pub(crate) fn of(&self, address: &Address) -> Option<&Address> {
        let (scheme, host) = (address.scheme(), address.host());
        let own = self
            .hosts
            .iter()
            .rfind(|(of, name, _)| *of == scheme && *name == host);
        if let Some((.., proxy)) = own {
            return proxy.as_ref();
        }
        let is_direct = self.direct.iter().any(|name| {
            let name = name.trim_start_matches('.');
            name == "*" || host == name || host.ends_with(&format!(".{name}"))
        });
        let proxy = match scheme.as_str() {
            "https" => &self.https,
            _ => &self.http,
        };
        proxy.as_ref().filter(|_| !is_direct)
    }

    /// Each proxy once.
    pub(crate) fn all(&self) -> Vec<&Address> {
        let hosts = self.hosts.iter().filter_map(|(.., proxy)| proxy.as_ref());
        let mut all: Vec<&Address> = self.http.iter().chain(&self.https).chain(hosts).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// `proxy:3128` is one of HTTP.
fn with_scheme(text: &str) -> Address {
    if text.contains("://") {
        Address::from(text.trim_end_matches('/'))
    } else {
        Address::from(format!("http://{}", text.trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(apt: &str, variables: &[(&str, &str)]) -> Proxies {
        Proxies::find(apt, |name| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_proxy_is_found_by_scheme_and_host() {
        const APT: &str = "Acquire \"\";\nAcquire::http \"\";\nAcquire::http::Proxy \"http://a:3142/\";\nAcquire::http::Proxy::near.example \"DIRECT\";\n";
        let (http, https) = ("http://m.example/x", "https://m.example/x");
        let near = "http://Near.example:80/x";
        for (apt, variables, address, expected) in [
            ("", &[][..], http, None),
            (APT, &[], http, Some("http://a:3142")),
            (APT, &[], https, Some("http://a:3142")),
            (APT, &[], near, None),
            (
                "acquire::HTTPS::proxy \"http://b:1\";",
                &[],
                https,
                Some("http://b:1"),
            ),
            ("acquire::HTTPS::proxy \"http://b:1\";", &[], http, None),
            (
                "Acquire::https::Proxy \"DIRECT\";\nAcquire::http::Proxy \"http://a\";",
                &[],
                http,
                Some("http://a"),
            ),
            (
                APT,
                &[("http_proxy", "e:8080")],
                http,
                Some("http://e:8080"),
            ),
            (APT, &[("http_proxy", "e:8080")], near, None),
            ("", &[("http_proxy", "http://e")], https, Some("http://e")),
            ("", &[("https_proxy", "http://s")], https, Some("http://s")),
            ("", &[("https_proxy", "http://s")], http, None),
            ("", &[("ALL_PROXY", "http://l")], http, Some("http://l")),
            (APT, &[("http_proxy", " ")], http, Some("http://a:3142")),
            (APT, &[("no_proxy", "localhost,.example")], http, None),
            (APT, &[("NO_PROXY", "m.example")], http, None),
            (
                APT,
                &[("no_proxy", "xm.example")],
                http,
                Some("http://a:3142"),
            ),
            (APT, &[("no_proxy", "*")], http, None),
        ] {
            let proxies = find(apt, variables);
            let found = proxies.of(&Address::from(address)).map(Address::expose);
            assert_eq!(found, expected, "{apt} {variables:?} {address}");
        }
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let proxies = find("", &[("http_proxy", "http://op:hidden@p:1")]);
        assert!(!format!("{proxies:?}").contains("hidden"));
        let bad = find("", &[("http_proxy", "nonsense://op:hidden@p:1")]);
        let error = super::super::Client::new(bad).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let text = format!("{error} {error:?} {source} {source:?}");
        assert!(text.contains("proxy") && !text.contains("hidden"), "{text}");
    }
}
