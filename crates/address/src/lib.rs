//! Addresses of servers (RFC 3986), whose secrets are never shown.
//!
//! An [`Address`] prints without user and password, and without the values of a query that may be secrets; [`Address::expose`] is for the
//! connection itself. [`redact`] does the same to the text of other programs, which has addresses somewhere in it.

use std::fmt;

/// What stands in a secret's place.
const HIDDEN: &str = "***";
/// What the names of a query's secrets have in them.
const SECRET_NAMES: [&str; 7] = [
    "token",
    "secret",
    "passw",
    "signature",
    "credential",
    "auth",
    "apikey",
];
/// How the tokens of forges begin.
const TOKENS: [&str; 8] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
];

/// An address that may have a user and a password, or a token, in it. `Display` and `Debug` do not show them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(String);

impl Address {
    /// The address as it is, for a connection. Not for people, nor for anything that is written down.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The address of a file below this one.
    #[must_use]
    pub fn join(&self, path: &str) -> Address {
        Address(format!("{}/{path}", self.0.trim_end_matches('/')))
    }

    /// The address without its user and password, which anybody may read.
    #[must_use]
    pub fn without_user(&self) -> Address {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return self.clone();
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        Address(format!("{scheme}://{host}{path}"))
    }

    /// The scheme in lower case: `http`.
    pub fn scheme(&self) -> String {
        let scheme = self.0.split_once("://").map_or("", |(scheme, _)| scheme);
        scheme.to_ascii_lowercase()
    }

    /// The host in lower case, without user and port.
    pub fn host(&self) -> String {
        let without = self.without_user();
        let rest = without.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(literal) => literal.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host.to_ascii_lowercase()
    }
}

impl From<String> for Address {
    fn from(text: String) -> Address {
        Address(text)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        Address(text.to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.0))
    }
}

/// A text without the secrets of the addresses in it: users and passwords (but for the user of ssh, who is none), values of queries that are called
/// tokens and the like, and what begins as the tokens of forges do.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(is_end).unwrap_or(after.len());
        let (address, further) = after.split_at(end);
        let is_ssh = before[..at].ends_with("ssh");
        shown.push_str(&without_secrets(address, is_ssh));
        rest = further;
    }
    shown.push_str(rest);
    without_tokens(&shown)
}

/// What ends an address within a text.
fn is_end(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '<' | '>' | '`' | '\'' | '‘' | '’' | '“' | '”')
}

/// An address from behind its `://`.
fn without_secrets(address: &str, is_ssh: bool) -> String {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let authority = &address[..end];
    // A password that is not encoded may have a slash in it: what is no port cannot follow a colon.
    let is_odd = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.ends_with(']') && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
    });
    let end = match address.rfind('@') {
        Some(at) if is_odd && !authority.contains('@') => at + 1,
        _ => end,
    };
    let (authority, path) = address.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) if is_ssh && !user.contains(':') => format!("{user}@{host}"),
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let Some((path, query)) = path.split_once('?') else {
        return authority + path;
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{authority}{path}?{}", parameters.join("&"))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
        || matches!(&*name, "key" | "sig" | "pw")
}

fn without_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let first = TOKENS
            .iter()
            .filter_map(|token| Some((rest.find(token)?, token.len())))
            .min();
        let Some((at, length)) = first else {
            shown.push_str(rest);
            return shown;
        };
        let (before, after) = rest.split_at(at + length);
        shown.push_str(before);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        rest = after.trim_start_matches(is_part);
        // The beginning of a token alone is none.
        if rest.len() != after.len() {
            shown.push_str(HIDDEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (text, expected) in [
            ("http://a.example/debian", "http://a.example/debian"),
            (
                "http://op:hidden@a.example/debian",
                "http://***@a.example/debian",
            ),
            ("http://hidden@a.example:80", "http://***@a.example:80"),
            (
                "http://op:hid@den@a.example/x@y",
                "http://***@a.example/x@y",
            ),
            ("http://op:hid/den@a.example/x", "http://***@a.example/x"),
            ("http://op:hid?den@a.example/x", "http://***@a.example/x"),
            ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
            ("https://a.example/x@y", "https://a.example/x@y"),
            ("ssh://git@a.example/r", "ssh://git@a.example/r"),
            (
                "git+ssh://git:hidden@a.example/r",
                "git+ssh://***@a.example/r",
            ),
            (
                "https://a.example/x?ref=main&access_token=hidden&dir=a#b",
                "https://a.example/x?ref=main&access_token=***&dir=a#b",
            ),
            (
                "cannot fetch 'git+https://hidden@a.example/r?narHash=sha256-x', nor \"http://u:hidden@b\"",
                "cannot fetch 'git+https://***@a.example/r?narHash=sha256-x', nor \"http://***@b\"",
            ),
            (
                "access-tokens = github.com=ghp_hidden x",
                "access-tokens = github.com=ghp_*** x",
            ),
            ("://", "://"),
            ("user@host: no address", "user@host: no address"),
        ] {
            assert_eq!(redact(text), expected);
            // Twice is as good as once.
            assert_eq!(redact(expected), expected);
            let address = Address::from(text);
            assert_eq!(address.to_string(), expected);
            assert!(!format!("{address:?}").contains("hidden"), "{address:?}");
            assert_eq!(address.expose(), text);
        }
    }

    #[test]
    fn no_password_is_shown_whatever_is_in_it() {
        for c in ('!'..='~').filter(|c| !"\"<>`'".contains(*c)) {
            for password in [format!("hidden{c}word"), format!("{c}hidden{c}word{c}")] {
                let text = format!("http://op:{password}@a.example/debian");
                assert!(
                    !redact(&text).contains("hidden"),
                    "{text}: {}",
                    redact(&text)
                );
                let address = Address::from(text.clone());
                assert!(
                    !format!("{address} {address:?}").contains("hidden"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn parts_are_what_they_are_called() {
        let address = Address::from("HTTP://op:x@A.example:80/debian/");
        assert_eq!(
            (address.scheme(), address.host()),
            ("http".into(), "a.example".into())
        );
        assert_eq!(
            address.without_user().expose(),
            "HTTP://A.example:80/debian/"
        );
        assert_eq!(
            address.join("a/b").expose(),
            "HTTP://op:x@A.example:80/debian/a/b"
        );
        assert_eq!(Address::from("http://[fe80::1]:3142/").host(), "fe80::1");
    }
}
