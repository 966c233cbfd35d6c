//! Names of hosts and machines: which are valid, and which are one and the same.
//!
//! `nix/names.nix` has the same rule for host files, and says what to rename. Names are compared as DNS does (RFC 4343): without
//! regard to the case of ASCII letters, with or without the dot at the end.

use crate::Error;

/// Bytes that a host's name may have.
const MAX_NAME: usize = 63;

/// Checks a host's name: it becomes a part of file names, and a word of ssh's configuration.
///
/// # Errors
/// [`Error::HostName`].
pub fn check_host(host: &str) -> Result<(), Error> {
    if host.len() <= MAX_NAME && is_plain(host) {
        Ok(())
    } else {
        Err(Error::HostName(host.into()))
    }
}

/// Whether a text needs no quoting as a file's name and in ssh's files, and is no option.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

/// Whether two names are one: `NixOS`, `nixos.local` and `NIXOS.local.` are.
pub fn is_same_name(one: &str, other: &str) -> bool {
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// The name on the link, where it is another than the host's.
pub(crate) fn other_name(host: &str, host_name: Option<&str>) -> Option<String> {
    let host_name = host_name.filter(|name| !name.is_empty() && !is_same_name(name, host));
    host_name.map(str::to_owned)
}

/// Whether a host, with its name on the link if that is another one, is meant by a name.
pub(crate) fn is_called(host: &str, host_name: Option<&str>, name: &str) -> bool {
    is_same_name(host, name) || host_name.is_some_and(|own| is_same_name(own, name))
}

/// A name without the dot at its end and without `.local`.
pub fn bare(name: &str) -> &str {
    const LOCAL: &str = ".local";
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.len().checked_sub(LOCAL.len()) {
        Some(end) if name.is_char_boundary(end) && name[end..].eq_ignore_ascii_case(LOCAL) => {
            &name[..end]
        }
        _ => name,
    }
}

/// A valid label of DNS from a name that a machine has: its first label, without what no label may have; `None` where nothing is left.
pub fn label(name: &str) -> Option<String> {
    let first = name.split('.').next().unwrap_or_default();
    let kept: String = first
        .chars()
        .map(|c| if c == '_' { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(MAX_NAME)
        .collect();
    let label = kept.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_dns_does() {
        for (one, other, expected) in [
            ("NixOS", "nixos", true),
            ("NixOS", "NIXOS.local", true),
            ("NixOS.local.", "nixos.LOCAL", true),
            ("web.example.org", "WEB.example.org.", true),
            ("web", "web2", false),
            ("web", "web.example.org", false),
            ("local", "local.local", true),
            ("ä.local", "Ä.local", false),
            ("é", "xxlocal", false),
        ] {
            assert_eq!(is_same_name(one, other), expected, "{one} {other}");
            assert_eq!(is_same_name(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn any_character_anywhere_is_judged() {
        for c in (0..=0x2ff).filter_map(char::from_u32) {
            let inside = c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert_eq!(check_host(&format!("a{c}b")).is_ok(), inside, "{c:?}");
            let first = c.is_ascii_alphanumeric();
            assert_eq!(check_host(&format!("{c}b")).is_ok(), first, "{c:?}");
            for name in [format!("{c}"), format!("a{c}b"), format!("{c}b.c{c}")] {
                let label = label(&name);
                let is_valid = |label: &String| {
                    label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && check_host(label).is_ok()
                };
                assert!(label.as_ref().is_none_or(is_valid), "{name:?}: {label:?}");
                // No name makes the comparison panic.
                assert!(is_same_name(&name, &format!("{name}.local")) || name.ends_with('.'));
            }
        }
        assert!(check_host(&"x".repeat(63)).is_ok());
        assert!(check_host(&"x".repeat(64)).is_err());
        assert!(check_host("").is_err());
    }
}
