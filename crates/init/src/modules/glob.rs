//! The patterns of `modules.alias`: what `fnmatch(3)` without flags understands (POSIX.1-2017, XCU 2.13), as kmod uses it.
//!
//! Not supported: character class names such as `[:digit:]`, which `depmod` does not write.

/// Whether a text matches a pattern with `*`, `?`, `[a-z]`, `[!a]` and `\`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit: the pattern after it, and the next start in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        match step(&pattern[p..], text[t]) {
            Some(length) => {
                p += length;
                t += 1;
            }
            None => match retry {
                Some((after_star, start)) => {
                    p = after_star;
                    t = start + 1;
                    retry = Some((p, t));
                }
                None => return false,
            },
        }
    }
}

/// How much of the pattern the byte takes; none where it does not fit.
fn step(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        b'[' => match class(pattern, byte) {
            Some((length, true)) => Some(length),
            Some((_, false)) => None,
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte).then_some(1),
    }
}

/// Reads a bracket expression: its length, and whether the byte is in it. None where the bracket is never closed.
fn class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let first = at;
    let mut found = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        let mut high = low;
        if pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|&end| end != b']')
        {
            at += 2;
            high = pattern[at];
        }
        found |= (low..=high).contains(&byte);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            (
                "pci:v00001AF4d00001001sv*sd*bc*sc*i*",
                "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00",
                true,
            ),
            (
                "pci:v00001AF4d00001001sv*sd*bc*sc*i*",
                "pci:v00001AF4d00001000sv00001AF4sd00000002bc01sc00i00",
                false,
            ),
            ("usb:v13FDp3940d0[0-2]*dc*", "usb:v13FDp3940d0299dc00", true),
            (
                "usb:v13FDp3940d0[0-2]*dc*",
                "usb:v13FDp3940d0399dc00",
                false,
            ),
            ("usb:v04B8p0602d011[0-9A]*", "usb:v04B8p0602d011A00", true),
            ("a[!b]c", "abc", false),
            ("a[^b]c", "axc", true),
            ("a[]]c", "a]c", true),
            ("a[b-]c", "a-c", true),
            ("a[", "a[", true),
            ("*", "", true),
            ("**a", "bba", true),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
            ("?", "", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
            ("", "a", false),
            ("fs-iso9660", "fs-iso9660", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} on {text}"
            );
        }
    }
}
