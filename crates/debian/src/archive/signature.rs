//! The archive's signature: OpenPGP cleartext signatures, RFC 9580 section 7.
//!
//! One good signature by a key of the keyring is enough, as apt-secure(8) has it. A signature is not good when its digest is
//! weak (MD5, SHA-1, RIPEMD), when it or its key has expired, or when the key was revoked. Trust among keys is not
//! looked at: what is in the keyring is trusted.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Timestamp, VerifyingKey};

use flk_address::Address;

use crate::error::{Error, Result};

/// Public keys that are trusted to sign the archive.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads a keyring, armoured or not: `/usr/share/keyrings/debian-archive-keyring.gpg`.
    ///
    /// # Errors
    /// When it cannot be read or has no key.
    pub fn read(path: &Path) -> Result<Self> {
        let file = fs::File::open(path).map_err(Error::io("open", path))?;
        let fault = |reason: String| Error::Keyring {
            path: path.to_owned(),
            reason,
        };
        let (keys, _) = SignedPublicKey::from_reader_many_buf(BufReader::new(file))
            .map_err(|error| fault(error.to_string()))?;
        // One key that is not understood does not make the others useless.
        let keys: Vec<SignedPublicKey> = keys.filter_map(Result::ok).collect();
        if keys.is_empty() {
            return Err(fault("it has no public key".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            keys,
        })
    }

    /// Verifies a cleartext-signed text and gives what was signed, and nothing that is around it.
    ///
    /// # Errors
    /// [`Error::Signature`] when no signature is good at the time `now`. `address` is where the text came from.
    pub(crate) fn verify(
        &self,
        text: &str,
        address: impl Into<Address>,
        now: SystemTime,
    ) -> Result<String> {
        let address = address.into();
        let fault = |reason: String| Error::Signature {
            address: address.clone(),
            reason,
        };
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|error| fault(format!("it is no signed text ({error})")))?;
        let signed = message.signed_text();
        let mut reasons = Vec::new();
        for signature in message.signatures() {
            match self.judge(signature, signed.as_bytes(), now) {
                Ok(()) => return Ok(signed.replace("\r\n", "\n")),
                Err(reason) => reasons.push(format!("{}: {reason}", issuer(signature))),
            }
        }
        if reasons.is_empty() {
            reasons.push("it has none".to_owned());
        }
        Err(fault(format!(
            "{} (keyring {})",
            reasons.join("; "),
            self.path.display()
        )))
    }

    /// Whether a signature is good, and if not, why.
    fn judge(&self, signature: &Signature, text: &[u8], now: SystemTime) -> Result<(), String> {
        let is_strong = matches!(
            signature.hash_alg(),
            Some(
                HashAlgorithm::Sha256
                    | HashAlgorithm::Sha384
                    | HashAlgorithm::Sha512
                    | HashAlgorithm::Sha3_256
                    | HashAlgorithm::Sha3_512
            )
        );
        if !is_strong {
            return Err("its digest is weak".to_owned());
        }
        if !matches!(
            signature.typ(),
            Some(SignatureType::Text | SignatureType::Binary)
        ) {
            return Err("it is not a signature of a text".to_owned());
        }
        let created = signature
            .created()
            .ok_or("it does not say when it was made")?;
        // A day for clocks that differ.
        if time(created) > now + Duration::from_secs(86_400) {
            return Err("it was made in the future; is the clock right?".to_owned());
        }
        if let Some(lifetime) = signature.signature_expiration_time()
            && has_passed(created, lifetime.as_secs(), now)
        {
            return Err("it has expired".to_owned());
        }
        let mut reason = "its key is not in the keyring".to_owned();
        for key in &self.keys {
            match judge_key(key, signature, text, now) {
                None => {}
                Some(Ok(())) => return Ok(()),
                Some(Err(why)) => reason = why,
            }
        }
        Err(reason)
    }
}

/// Whether one of the key's parts made the signature. `None` when the signature names other keys.
fn judge_key(
    key: &SignedPublicKey,
    signature: &Signature,
    text: &[u8],
    now: SystemTime,
) -> Option<Result<(), String>> {
    let primary = &key.primary_key;
    let is_primary = names(signature, primary);
    let subkey = key
        .public_subkeys
        .iter()
        .find(|subkey| names(signature, &subkey.key));
    if !is_primary && subkey.is_none() {
        return None;
    }
    let is_revoked = key
        .details
        .revocation_signatures
        .iter()
        .any(|revocation| revocation.verify_key(primary).is_ok());
    if is_revoked {
        return Some(Err("its key was revoked".to_owned()));
    }
    // The newest self-signature counts.
    let newest = key
        .details
        .users
        .iter()
        .flat_map(|user| {
            user.signatures.iter().filter(|own| {
                own.is_certification()
                    && names(own, primary)
                    && own
                        .verify_certification(primary, pgp::types::Tag::UserId, &user.id)
                        .is_ok()
            })
        })
        .chain(
            key.details
                .direct_signatures
                .iter()
                .filter(|own| own.verify_key(primary).is_ok()),
        )
        .max_by_key(|own| own.created().map_or(0, Timestamp::as_secs));
    let Some(newest) = newest else {
        return Some(Err("its key is not bound to a name".to_owned()));
    };
    if let Some(lifetime) = newest.key_expiration_time()
        && has_passed(primary.created_at(), lifetime.as_secs(), now)
    {
        return Some(Err("its key has expired".to_owned()));
    }
    if is_primary && signature.verify(primary, text).is_ok() {
        return Some(Ok(()));
    }
    let Some(subkey) = subkey else {
        return Some(Err("it does not match the text".to_owned()));
    };
    Some(judge_subkey(key, subkey, signature, text, now))
}

fn judge_subkey(
    key: &SignedPublicKey,
    subkey: &pgp::composed::SignedPublicSubKey,
    signature: &Signature,
    text: &[u8],
    now: SystemTime,
) -> Result<(), String> {
    let primary = &key.primary_key;
    let own = |kind: SignatureType| {
        subkey.signatures.iter().filter(move |own| {
            own.typ() == Some(kind) && own.verify_subkey_binding(primary, &subkey.key).is_ok()
        })
    };
    if own(SignatureType::SubkeyRevocation).next().is_some() {
        return Err("its key was revoked".to_owned());
    }
    let binding = own(SignatureType::SubkeyBinding)
        .max_by_key(|own| own.created().map_or(0, Timestamp::as_secs))
        .ok_or("its key does not belong to one of the keyring")?;
    // A key that may sign has agreed to belong to the primary key.
    let has_agreed = binding.embedded_signature().is_some_and(|back| {
        back.verify_primary_key_binding(&subkey.key, primary)
            .is_ok()
    });
    if !binding.key_flags().sign() || !has_agreed {
        return Err("its key may not sign".to_owned());
    }
    if let Some(lifetime) = binding.key_expiration_time()
        && has_passed(subkey.key.created_at(), lifetime.as_secs(), now)
    {
        return Err("its key has expired".to_owned());
    }
    signature
        .verify(&subkey.key, text)
        .map_err(|_| "it does not match the text".to_owned())
}

/// Whether the signature names this key as its maker.
fn names(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        let id = key.legacy_key_id();
        return signature
            .issuer_key_id()
            .into_iter()
            .any(|other| *other == id);
    }
    let own = key.fingerprint();
    fingerprints.into_iter().any(|other| *other == own)
}

fn issuer(signature: &Signature) -> String {
    match signature.issuer_fingerprint().first() {
        Some(fingerprint) => format!("key {fingerprint:?}"),
        None => match signature.issuer_key_id().first() {
            Some(id) => format!("key {id:?}"),
            None => "a signature without a key".to_owned(),
        },
    }
}

fn time(stamp: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(stamp.as_secs()))
}

/// Whether `lifetime` seconds after `start` are over; zero is for ever.
fn has_passed(start: Timestamp, lifetime: u32, now: SystemTime) -> bool {
    lifetime != 0 && time(start) + Duration::from_secs(u64::from(lifetime)) < now
}

#[cfg(test)]
mod tests;
