//! Text in and out of Nix: quoting of strings, paths in URLs, terminal codes of messages.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

/// A Nix string literal that evaluates to `text`.
///
/// ```
/// assert_eq!(flk_nix::quote("a \"b\" ${c}"), r#""a \"b\" \${c}""#);
/// ```
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' if characters.peek() == Some(&'{') => quoted.push_str("\\$"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// `text` without terminal escape sequences and control characters; tabs stay. Nix 2.8 sends a builder's early failure as a binary record in a
/// log line: its readable runs are kept, joined by blanks.
pub(crate) fn plain(text: &str) -> String {
    let binary = text.contains('\0');
    let mut runs: Vec<String> = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\0' => runs.push(String::new()),
            '\t' | '\n' => runs.last_mut().expect("never empty").push(character),
            _ if character.is_control() => {}
            _ => runs.last_mut().expect("never empty").push(character),
        }
    }
    if binary {
        runs.retain(|run| run.chars().count() > 8);
    }
    runs.join(" ")
}

fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            for character in characters.by_ref() {
                if ('@'..='~').contains(&character) {
                    break;
                }
            }
        }
        Some(']') => {
            for character in characters.by_ref() {
                if character == '\u{7}' {
                    break;
                }
            }
        }
        Some(_) => {
            characters.next();
        }
        None => {}
    }
}

/// A value of a URL's query: everything but unreserved characters and `/` percent-encoded.
pub(crate) fn percent_encode(text: impl AsRef<OsStr>) -> String {
    encode(text.as_ref(), b"-._~/")
}

/// A path as the path of a URL. What may stand there as it is does (RFC 3986, `pchar`), since Nix before 2.19 decodes nothing there.
pub(crate) fn percent_encode_path(path: &Path) -> String {
    encode(path.as_os_str(), b"-._~/!$&'()*+,;=:@")
}

/// Whether a path is written in a URL as it is, so that Nix before 2.19 can read it there.
pub fn is_plain_in_url(path: &Path) -> bool {
    percent_encode_path(path).as_bytes() == path.as_os_str().as_bytes()
}

fn encode(text: &OsStr, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The path that is written in a URL. A `%` without two hexadecimal digits stays.
///
/// ```
/// assert_eq!(flk_nix::percent_decode("/my%20hosts/100%"), "/my hosts/100%");
/// ```
pub fn percent_decode(text: &str) -> OsString {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 3)
            .filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    OsString::from_vec(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            ("a\"b", r#""a\"b""#),
            ("a\\b", r#""a\\b""#),
            ("${x}$y$", r#""\${x}$y$""#),
            ("a\nb", r#""a\nb""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn terminal_codes_are_dropped() {
        assert_eq!(
            plain("\u{1b}[31;1merror:\u{1b}[0m builder\u{8} x"),
            "error: builder x"
        );
        assert_eq!(
            plain(
                "\u{5}\0\0\0Error\0\0D\0\0executing '\u{1b}[35;1m/bin/sh\u{1b}[0m': No such file\0\0"
            ),
            "executing '/bin/sh': No such file"
        );
    }

    #[test]
    fn url_paths_are_encoded() {
        assert_eq!(percent_encode("/a b/c#d?é"), "/a%20b/c%23d%3F%C3%A9");
        assert_eq!(percent_encode("a+b=@"), "a%2Bb%3D%40");
        assert_eq!(
            percent_encode_path(Path::new("/me@x.org/a+b=c & d")),
            "/me@x.org/a+b=c%20&%20d"
        );
        assert!(is_plain_in_url(Path::new("/me@x.org/a+b")));
        for path in ["/a b", "/ä", "/100%", "/a#b", "/a?b", "/[x]"] {
            assert!(!is_plain_in_url(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn every_path_is_read_as_it_was_written() {
        for byte in 1..=u8::MAX {
            let path = [b"/x".as_slice(), &[byte], b"%41"].concat();
            let path = OsStr::from_bytes(&path);
            for encoded in [percent_encode(path), percent_encode_path(Path::new(path))] {
                assert!(encoded.is_ascii() && !encoded.contains(['?', '#', ' ', '"']));
                assert_eq!(percent_decode(&encoded), path, "{encoded}");
            }
        }
        assert_eq!(percent_decode("/%zz/%4"), "/%zz/%4");
    }
}
