//! A live machine's ssh host key: Ed25519 (RFC 8032, RFC 8709), in OpenSSH's file formats.
//!
//! The private key's file follows OpenSSH's PROTOCOL.key, unencrypted; its two check integers follow from the key, so that
//! the same key gives the same file. Fingerprints are SHA-256 over the public key's wire form, as ssh prints them.

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::pin::check_build_id;
use crate::{Error, Secret};

/// BLAKE3's derive-key mode asks for a context that is used for nothing else.
const CONTEXT: &str = "flk 2026-11-22 live machine's ssh host key, Ed25519 seed";

/// A live machine's ssh host key.
pub struct HostKey {
    key: PrivateKey,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({})", self.fingerprint())
    }
}

impl HostKey {
    /// The key of a build, by this operator. `host` is for the comment.
    ///
    /// # Errors
    /// [`Error::BuildId`].
    pub fn derive(secret: &Secret, build: &str, host: &str) -> Result<HostKey, Error> {
        check_build_id(build)?;
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        // Both have a fixed length, so one after the other is unambiguous.
        hasher.update(secret.0.as_ref());
        hasher.update(build.as_bytes());
        let seed = Zeroizing::new(*hasher.finalize().as_bytes());
        HostKey::from_seed(&seed, &format!("flk live {host}"))
    }

    /// A key of random bytes, for an installed host, or for a live machine whose ISO has none. The comment is for people.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(comment: &str) -> Result<HostKey, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(Error::Random)?;
        HostKey::from_seed(&seed, comment)
    }

    fn from_seed(seed: &[u8; 32], comment: &str) -> Result<HostKey, Error> {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(seed));
        let key = PrivateKey::new(pair, comment).map_err(|source| Error::Key {
            what: "the derived key".into(),
            source,
        })?;
        Ok(HostKey { key })
    }

    /// The private key's file, `ssh_host_ed25519_key`.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn private_file(&self) -> Result<Zeroizing<String>, Error> {
        self.key
            .to_openssh(LineEnding::LF)
            .map_err(|source| Error::Key {
                what: "the derived key".into(),
                source,
            })
    }

    /// The public key's file, `ssh_host_ed25519_key.pub`: one line, with its line break.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn public_file(&self) -> Result<String, Error> {
        let line = self
            .key
            .public_key()
            .to_openssh()
            .map_err(|source| Error::Key {
                what: "the derived key".into(),
                source,
            })?;
        Ok(line + "\n")
    }

    /// `SHA256:…`, as ssh prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// The fingerprint, `SHA256:…`, of a public key's line.
///
/// # Errors
/// [`Error::Key`] when the line is no public key.
pub fn fingerprint(public: &str) -> Result<String, Error> {
    let key = PublicKey::from_openssh(public.trim()).map_err(|source| Error::Key {
        what: format!("{:?}", public.trim()),
        source,
    })?;
    Ok(key.fingerprint(HashAlg::Sha256).to_string())
}

/// Whether a private key's file is encrypted.
///
/// # Errors
/// [`Error::Key`] when it is no private key in OpenSSH's format.
pub fn is_encrypted(private: &str) -> Result<bool, Error> {
    let key = PrivateKey::from_openssh(private).map_err(|source| Error::Key {
        what: "the private key".into(),
        source,
    })?;
    Ok(key.is_encrypted())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    const BUILD: &str = "00112233445566778899aabbccddeeff";

    fn key(secret: u8, build: &str) -> HostKey {
        HostKey::derive(&Secret::from_bytes([secret; 32]), build, "NixOS").unwrap()
    }

    #[test]
    fn the_same_build_by_the_same_operator_has_the_same_key() {
        let (a, b) = (key(1, BUILD), key(1, BUILD));
        assert_eq!(*a.private_file().unwrap(), *b.private_file().unwrap());
        assert_eq!(a.public_file().unwrap(), b.public_file().unwrap());
        assert!(a.public_file().unwrap().ends_with(" flk live NixOS\n"));
        for other in [
            key(2, BUILD),
            key(1, "00112233445566778899aabbccddeef0"),
            HostKey::generate("NixOS").unwrap(),
        ] {
            assert_ne!(other.fingerprint(), a.fingerprint());
        }
        // Pinned: a change of it would change the key of every build.
        assert_eq!(
            a.fingerprint(),
            "SHA256:4fRH+LTFyR0n8wGJObin5yQX7/eWVXGEGUAAhaxb+po"
        );
    }

    #[test]
    fn a_name_that_is_no_build_id_has_no_key() {
        let secret = Secret::from_bytes([1; 32]);
        assert!(HostKey::derive(&secret, "../x", "NixOS").is_err());
    }

    #[test]
    fn ssh_keygen_reads_the_files_and_prints_the_same_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = key(3, BUILD);
        fs::write(&path, key.private_file().unwrap().as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path.with_extension("pub"), key.public_file().unwrap()).unwrap();
        let keygen = |arguments: &[&str]| {
            let output = Command::new("ssh-keygen").args(arguments).output().ok()?;
            assert!(output.status.success(), "{output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        };
        let path = path.to_str().unwrap();
        let Some(public) = keygen(&["-y", "-f", path]) else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "ssh-keygen is not installed, and in CI nothing is skipped"
            );
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"SKIPPED: ssh-keygen is not installed\n",
            );
            return;
        };
        assert_eq!(public, key.public_file().unwrap());
        assert_eq!(fingerprint(&public).unwrap(), key.fingerprint());
        for file in [path.to_string(), format!("{path}.pub")] {
            let listed = keygen(&["-l", "-f", &file]).unwrap();
            assert_eq!(
                listed,
                format!("256 {} flk live NixOS (ED25519)\n", key.fingerprint())
            );
        }
    }
}
