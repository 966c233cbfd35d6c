//! Hashes as Nix writes them: SRI (`sha256-<base64>`), `sha256:<nix-base32>`, `sha256:<hex>`.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Nix's alphabet: no `e`, `o`, `t`, `u`.
const BASE32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
const LENGTH: usize = 32;

/// A SHA-256 in any of Nix's notations as lower-case hexadecimal; `None` if it is no SHA-256.
///
/// ```
/// let sri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
/// let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// assert_eq!(flk_nix::nar_hash_hex(sri).as_deref(), Some(hex));
/// ```
pub fn nar_hash_hex(text: &str) -> Option<String> {
    let bytes = if let Some(base64) = text.strip_prefix("sha256-") {
        STANDARD.decode(base64).ok()?
    } else {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        match digits.len() {
            64 => decode_hex(digits)?,
            52 => decode_base32(digits)?,
            _ => return None,
        }
    };
    (bytes.len() == LENGTH).then(|| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    })
}

/// A SHA-256 in lower-case hexadecimal as SRI, the notation of flakes; `None` if it is no SHA-256.
///
/// ```
/// let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// assert_eq!(flk_nix::sri(hex).as_deref(), Some("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
/// ```
pub fn sri(hex: &str) -> Option<String> {
    let bytes = decode_hex(hex).filter(|bytes| bytes.len() == LENGTH)?;
    Some(format!("sha256-{}", STANDARD.encode(bytes)))
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Nix's base 32 has its least significant digit last, five bits each.
fn decode_base32(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0u8; LENGTH];
    for (position, digit) in digits.bytes().rev().enumerate() {
        let value = BASE32.iter().position(|&known| known == digit)? as u16;
        let bit = position * 5;
        let shifted = value << (bit % 8);
        bytes[bit / 8] |= (shifted & 0xff) as u8;
        let carry = (shifted >> 8) as u8;
        match bytes.get_mut(bit / 8 + 1) {
            Some(next) => *next |= carry,
            None if carry != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_notations_give_the_same_hex() {
        // `nix hash` of the string "hello".
        let hex = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        for text in [
            "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            hex,
        ] {
            assert_eq!(nar_hash_hex(text).as_deref(), Some(hex), "{text}");
        }
    }

    #[test]
    fn other_hashes_are_refused() {
        for text in ["", "sha256-AAAA", "sha512-AAAA", "sha256:xyz", "md5:00"] {
            assert_eq!(nar_hash_hex(text), None, "{text}");
        }
    }
}
