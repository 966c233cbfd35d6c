//! Lines of authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): which key each one has, or why no login can come from it.
//!
//! The types are those that OpenSSH 10 accepts: Ed25519, ECDSA, RSA from 1024 bits on, and the FIDO types `sk-…`; DSA is gone.
//! A certificate is no line of authorized_keys: its authority's key is, with the option `cert-authority`. Options are checked as sshd
//! checks them, because sshd ignores a key whose options it does not understand. Not supported: names of types in other
//! spellings (`ED25519`), which ssh-keygen does not write.

use std::time::{SystemTime, UNIX_EPOCH};

use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{HashAlg, PublicKey};

/// Bits that OpenSSH demands of an RSA key.
const MIN_RSA_BITS: usize = 1024;

/// Types of keys.
const TYPES: [&str; 8] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    DSA,
];
const DSA: &str = "ssh-dss";

/// Options without a value; those of `NEGATED` exist with `no-` before them as well.
const FLAGS: [&str; 3] = ["cert-authority", "restrict", "verify-required"];
const NEGATED: [&str; 6] = [
    "agent-forwarding",
    "port-forwarding",
    "pty",
    "user-rc",
    "x11-forwarding",
    "touch-required",
];
/// Options with a value, and whether there may be several of them.
const VALUES: [(&str, bool); 8] = [
    ("command", false),
    ("principals", false),
    ("from", false),
    ("expiry-time", true),
    ("environment", true),
    ("permitopen", true),
    ("permitlisten", true),
    ("tunnel", false),
];

/// Beginnings and parts of private keys: PEM and OpenSSH, PuTTY, SSH 1, age; and OpenSSH's body without its frame.
const PRIVATE: [&str; 6] = [
    "PRIVATE KEY-----",
    "ENCRYPTED PRIVATE KEY ----",
    "PuTTY-User-Key-File-",
    "SSH PRIVATE KEY FILE FORMAT",
    "AGE-SECRET-KEY-",
    "b3BlbnNzaC1rZXktdjE",
];

/// A key that may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey {
    /// Its type, such as `ssh-ed25519`.
    pub kind: String,
    /// `SHA256:…`, as ssh prints it.
    pub fingerprint: String,
    /// Everything after the key.
    pub comment: String,
    /// The options as they are written; often empty.
    pub options: String,
    /// The key is a certificate authority's, and its certificates log in.
    pub is_authority: bool,
    /// The key runs one command instead of a shell.
    pub has_command: bool,
    /// When it expires, in seconds since 1970; a time without a zone is taken as UTC.
    pub expires: Option<i64>,
}

impl AuthorizedKey {
    /// Whether its time is over.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs().cast_signed());
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether a shell can come of it at this time.
    pub fn gives_shell(&self, now: SystemTime) -> bool {
        !self.has_command && !self.is_expired(now)
    }
}

/// Why no login can come from a line, or a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Nothing but blanks.
    #[error("it is empty")]
    Empty,
    /// Nothing but a comment.
    #[error("it is only a comment")]
    Comment,
    /// A secret.
    #[error("it is a private key")]
    Private,
    /// Git LFS, not downloaded.
    #[error("it is a pointer of Git LFS, and not the key: `git lfs pull` fetches the file")]
    LfsPointer,
    /// git-crypt, locked.
    #[error("it is encrypted by git-crypt: `git-crypt unlock` decrypts it")]
    GitCrypt,
    /// RFC 4716, or PEM.
    #[error(
        "it is a public key in another format than OpenSSH's: `ssh-keygen -i -f FILE` converts it"
    )]
    Format,
    /// A certificate.
    #[error(
        "it is a certificate: give the public key, or the authority's key with the option cert-authority"
    )]
    Certificate,
    /// ssh-dss.
    #[error("it is a DSA key, which OpenSSH does not accept")]
    Dsa,
    /// A short RSA key.
    #[error(
        "it is an RSA key of {bits} bits, and OpenSSH accepts none of less than {MIN_RSA_BITS}"
    )]
    ShortRsa {
        /// Its length.
        bits: usize,
    },
    /// No type of key where one should be.
    #[error("it has no key of a type that OpenSSH knows")]
    Type,
    /// A type, and nothing after it.
    #[error("the key is missing after {kind}")]
    Missing {
        /// The type.
        kind: String,
    },
    /// Neither base64 nor the type's form.
    #[error("the key is truncated or garbled")]
    Garbled,
    /// sshd ignores the key for this option.
    #[error("the option {option} is invalid: {reason}")]
    Option {
        /// Its name.
        option: String,
        /// What is invalid.
        reason: &'static str,
    },
    /// `expiry-time` is in the past.
    #[error("it has expired, by its option expiry-time")]
    Expired,
}

/// Reads one line.
///
/// # Errors
/// [`KeyFault`]; an empty line and a comment are faults here, while [`authorized_keys`] skips them.
pub fn authorized_key(line: &str) -> Result<AuthorizedKey, KeyFault> {
    let line = line.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    if line.is_empty() {
        return Err(KeyFault::Empty);
    }
    if let Some(fault) = foreign(line) {
        return Err(fault);
    }
    if line.starts_with('#') {
        return Err(KeyFault::Comment);
    }
    let (options, rest) = match is_type(word(line).0) {
        true => ("", line),
        false => past_options(line),
    };
    let (kind, rest) = word(rest);
    if !is_type(kind) {
        return Err(KeyFault::Type);
    }
    if kind.contains("-cert-v0") {
        return Err(KeyFault::Certificate);
    }
    let (data, comment) = word(rest);
    if data.is_empty() {
        return Err(KeyFault::Missing { kind: kind.into() });
    }
    if kind == DSA {
        return Err(KeyFault::Dsa);
    }
    let text = format!("{kind} {data}");
    let key = PublicKey::from_openssh(&text).map_err(|_| KeyFault::Garbled)?;
    // The crate's reader forgives lengths that are not those of what they are before.
    if key.to_openssh().ok() != Some(text) {
        return Err(KeyFault::Garbled);
    }
    check(key.key_data())?;
    let mut found = AuthorizedKey {
        kind: kind.to_owned(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        comment: comment.to_owned(),
        options: options.to_owned(),
        is_authority: false,
        has_command: false,
        expires: None,
    };
    read_options(options, &mut found)?;
    Ok(found)
}

/// Reads a file: each line that is neither empty nor a comment, with its number from 1 on. A file that is something else altogether,
/// such as a private key, is one fault. A file without a key has no lines.
pub fn authorized_keys(text: &str) -> Vec<(usize, Result<AuthorizedKey, KeyFault>)> {
    let lines = || text.lines().enumerate();
    if let Some(fault) = foreign(text) {
        let at = lines().find(|(_, line)| foreign(line).is_some());
        return vec![(at.map_or(1, |(index, _)| index + 1), Err(fault))];
    }
    lines()
        .map(|(index, line)| (index + 1, authorized_key(line)))
        .filter(|(_, line)| !matches!(line, Err(KeyFault::Empty | KeyFault::Comment)))
        .collect()
}

/// The same for a file that is there for its keys: one that has none is a fault.
pub fn keys_of_file(text: &str) -> Vec<(usize, Result<AuthorizedKey, KeyFault>)> {
    let mut lines = authorized_keys(text);
    if lines.is_empty() {
        let fault = match text.trim().is_empty() {
            true => KeyFault::Empty,
            false => KeyFault::Comment,
        };
        lines.push((1, Err(fault)));
    }
    lines
}

/// Whether a text is a private key, or has one in it.
pub fn is_private_key(text: &str) -> bool {
    PRIVATE.iter().any(|mark| text.contains(mark))
}

/// What is no authorized_keys at all.
fn foreign(text: &str) -> Option<KeyFault> {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if is_private_key(text) {
        Some(KeyFault::Private)
    } else if start.starts_with("version https://git-lfs.github.com/")
        || start.starts_with("version https://hawser.github.com/")
    {
        Some(KeyFault::LfsPointer)
    } else if text.starts_with("\0GITCRYPT\0") {
        Some(KeyFault::GitCrypt)
    } else if start.starts_with("---- BEGIN SSH2 PUBLIC KEY")
        || start.starts_with("-----BEGIN") && text.contains("PUBLIC KEY-----")
    {
        Some(KeyFault::Format)
    } else {
        None
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start_matches([' ', '\t'])),
        None => (text, ""),
    }
}

/// Certificates' types are types as well.
fn is_type(word: &str) -> bool {
    let plain = word.replacen("-cert-v01@openssh.com", "", 1);
    TYPES.contains(&word) || plain != word && TYPES.iter().any(|kind| kind.starts_with(&plain))
}

/// Options end at the first blank outside of quotes.
fn past_options(line: &str) -> (&str, &str) {
    let bytes = line.as_bytes();
    let (mut index, mut is_quoted) = (0, false);
    while let Some(byte) = bytes.get(index) {
        match byte {
            b' ' | b'\t' if !is_quoted => break,
            b'\\' if bytes.get(index + 1) == Some(&b'"') => index += 1,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
        index += 1;
    }
    let index = index.min(line.len());
    (&line[..index], &line[index..])
}

/// What the crate's reader does not check.
fn check(key: &KeyData) -> Result<(), KeyFault> {
    let is_sound = match key {
        // Any 32 bytes, as sshd has it.
        KeyData::Ed25519(_) | KeyData::SkEd25519(_) => true,
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
            p256::PublicKey::from_sec1_bytes(point.as_bytes()).is_ok()
        }
        KeyData::Ecdsa(EcdsaPublicKey::NistP384(point)) => {
            p384::PublicKey::from_sec1_bytes(point.as_bytes()).is_ok()
        }
        KeyData::Ecdsa(EcdsaPublicKey::NistP521(point)) => {
            p521::PublicKey::from_sec1_bytes(point.as_bytes()).is_ok()
        }
        KeyData::SkEcdsaSha2NistP256(key) => {
            p256::PublicKey::from_sec1_bytes(key.ec_point().as_bytes()).is_ok()
        }
        KeyData::Rsa(key) => {
            let modulus = key.n.as_positive_bytes().unwrap_or_default();
            let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
            let bits = modulus.len() * 8 - unused as usize;
            if bits < MIN_RSA_BITS {
                return Err(KeyFault::ShortRsa { bits });
            }
            true
        }
        _ => false,
    };
    if is_sound {
        Ok(())
    } else {
        Err(KeyFault::Garbled)
    }
}

/// Checks the options (OpenSSH's auth-options.c) and notes those that matter to a login.
fn read_options(options: &str, key: &mut AuthorizedKey) -> Result<(), KeyFault> {
    if options.is_empty() {
        return Ok(());
    }
    let mut seen: Vec<&str> = Vec::new();
    for option in split_options(options) {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
            None => (option.to_ascii_lowercase(), None),
        };
        let invalid = |reason| KeyFault::Option {
            option: match name.is_empty() {
                true => "\"\"".into(),
                false => name.clone(),
            },
            reason,
        };
        let bare = name.strip_prefix("no-").unwrap_or(&name);
        if FLAGS.contains(&name.as_str()) || NEGATED.contains(&bare) {
            if value.is_some() {
                return Err(invalid("it takes no value"));
            }
            key.is_authority |= name == "cert-authority";
            continue;
        }
        let Some((known, may_repeat)) = VALUES.iter().find(|(known, _)| *known == name) else {
            return Err(invalid("sshd does not know it"));
        };
        let value = value.ok_or_else(|| invalid("its value is missing"))?;
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .ok_or_else(|| invalid("its value is not in double quotes"))?;
        if seen.contains(known) && !may_repeat {
            return Err(invalid("it is there twice"));
        }
        seen.push(known);
        match *known {
            "command" => key.has_command = true,
            "expiry-time" => {
                let expires = seconds(value).ok_or_else(|| {
                    invalid("its value is no time YYYYMMDD or YYYYMMDDHHMM[SS], with or without Z")
                })?;
                key.expires = Some(key.expires.map_or(expires, |other| other.min(expires)));
            }
            "environment" if !value.contains('=') => {
                return Err(invalid("its value is not NAME=VALUE"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Splits at commas outside of quotes.
fn split_options(options: &str) -> Vec<&str> {
    let bytes = options.as_bytes();
    let (mut start, mut index, mut is_quoted) = (0, 0, false);
    let mut parts = Vec::new();
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'\\' if bytes.get(index + 1) == Some(&b'"') => index += 1,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                parts.push(&options[start..index]);
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    parts.push(&options[start..]);
    parts
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, a `Z` after it or not, in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    let format = match digits.len() {
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = jiff::fmt::strtime::parse(format, digits).ok()?;
    let time = match digits.len() {
        8 => time.to_date().ok()?.at(0, 0, 0, 0),
        _ => time.to_datetime().ok()?,
    };
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}

#[cfg(test)]
mod tests;
