//! Text in and out of Nix: quoting of strings, terminal codes of messages.

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

/// An absolute path as the path of a URL: everything but unreserved characters and `/` percent-encoded.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
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
    }
}
