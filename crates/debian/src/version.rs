//! Debian version numbers and their order: deb-version(7), Debian Policy 5.6.12.
//!
//! Any text is accepted and ordered; whether it is a well-formed version is not judged.

use std::cmp::Ordering;
use std::fmt;

/// A version as the archive writes it: `[epoch:]upstream[-revision]`. Ordered as `dpkg --compare-versions` does,
/// so two spellings of one version (`1.0` and `0:1.0`) are equal.
#[derive(Debug, Clone)]
pub struct Version(String);

impl Version {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Epoch, upstream version and Debian revision.
    fn parts(&self) -> (u64, &str, &str) {
        let (epoch, rest) = match self.0.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, self.0.as_str()),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (epoch, upstream, revision) = self.parts();
        let (other_epoch, other_upstream, other_revision) = other.parts();
        epoch
            .cmp(&other_epoch)
            .then_with(|| compare_part(upstream.as_bytes(), other_upstream.as_bytes()))
            .then_with(|| compare_part(revision.as_bytes(), other_revision.as_bytes()))
    }
}

/// Compares by turns a run of non-digits (by [`weight`]) and a run of digits (as a number).
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_run(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = split_run(right, |byte| !byte.is_ascii_digit());
        let length = left_text.len().max(right_text.len());
        for position in 0..length {
            let order = weight(left_text.get(position)).cmp(&weight(right_text.get(position)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let (left_digits, left_rest) = split_run(left_rest, u8::is_ascii_digit);
        let (right_digits, right_rest) = split_run(right_rest, u8::is_ascii_digit);
        let (left_digits, right_digits) = (trim_zeros(left_digits), trim_zeros(right_digits));
        let order = left_digits
            .len()
            .cmp(&right_digits.len())
            .then_with(|| left_digits.cmp(right_digits));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// `~` sorts before the end of the text, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

fn split_run(text: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !belongs(byte))
        .unwrap_or(text.len());
    text.split_at(end)
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    let start = digits
        .iter()
        .position(|byte| *byte != b'0')
        .unwrap_or(digits.len());
    &digits[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        // Left, right, what `dpkg --compare-versions` says.
        let table = [
            ("1.0", "1.0", Ordering::Equal),
            ("0:1.0", "1.0", Ordering::Equal),
            ("1.0-0", "1.0", Ordering::Equal),
            ("1.00", "1.0", Ordering::Equal),
            ("1.0-", "1.0", Ordering::Equal),
            ("1:0.1", "9.9", Ordering::Greater),
            ("1.10", "1.9", Ordering::Greater),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~rc1-1", "1.0~rc2-1", Ordering::Less),
            ("1.0~~", "1.0~~a", Ordering::Less),
            ("1.0~~a", "1.0~", Ordering::Less),
            ("1.0~", "1.0", Ordering::Less),
            ("1.0", "1.0a", Ordering::Less),
            ("1.0a", "1.0+b", Ordering::Less),
            ("1.0", "1.0+b1", Ordering::Less),
            ("1.0-1", "1.0-1+b1", Ordering::Less),
            ("1.0-1+deb13u1", "1.0-1+deb13u2", Ordering::Less),
            ("1.0-1~deb13u1", "1.0-1", Ordering::Less),
            ("2.41-12+deb13u4", "2.41-12", Ordering::Greater),
            (
                "1.16.0-2+really2.41.5-0+deb13u1",
                "1:4.16.0-2",
                Ordering::Less,
            ),
            ("1.2.3-1-2", "1.2.3-1", Ordering::Greater),
            ("007", "7", Ordering::Equal),
            ("a", "1", Ordering::Greater),
            (
                "18446744073709551616",
                "18446744073709551615",
                Ordering::Greater,
            ),
        ];
        for (left, right, expected) in table {
            let (left, right) = (Version::new(left), Version::new(right));
            assert_eq!(left.cmp(&right), expected, "{left} against {right}");
            assert_eq!(
                right.cmp(&left),
                expected.reverse(),
                "{right} against {left}"
            );
        }
    }
}
