//! Private files of known hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): one name, one key, so that ssh accepts nothing else.

use std::path::{Path, PathBuf};

use crate::name::is_plain;
use crate::store::{Existing, put};
use crate::{Error, Identity, Pin};

/// A name for ssh's `HostKeyAlias`, and the one key that a machine may have under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `flk-live-BUILD` or `flk-host-HOST`.
    pub alias: String,
    /// The public key's line.
    pub public_key: String,
}

impl Expected {
    /// Of the live machine of a build.
    pub fn live(pin: &Pin) -> Expected {
        Expected {
            alias: format!("flk-live-{}", pin.build),
            public_key: pin.public_key.clone(),
        }
    }

    /// Of an installed host; `None`: its key is not known.
    pub fn host(identity: &Identity) -> Option<Expected> {
        Some(Expected {
            // ssh compares names in lower case.
            alias: format!("flk-host-{}", identity.host.to_lowercase()),
            public_key: identity.public_key.clone()?,
        })
    }

    /// Writes the file, `<folder>/<alias>`, mode 0600, and gives its path. It has this key alone.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        if !is_plain(&self.alias) {
            return Err(Error::HostName(self.alias.clone()));
        }
        let path = folder.join(&self.alias);
        let mut words = self.public_key.split_whitespace();
        let (kind, key) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let line = format!("{} {kind} {key}\n", self.alias);
        if std::fs::read(&path).is_ok_and(|there| there == line.as_bytes()) {
            return Ok(path);
        }
        put(&path, line.as_bytes(), Existing::Replace)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostKey;

    #[test]
    fn one_name_has_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let key = HostKey::generate("a comment")
            .unwrap()
            .public_file()
            .unwrap();
        let pin = Pin::new("00112233445566778899aabbccddeeff", "NixOS", &key).unwrap();
        let expected = Expected::live(&pin);
        let path = expected.write(dir.path()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(
            words[..2],
            ["flk-live-00112233445566778899aabbccddeeff", "ssh-ed25519"]
        );
        assert_eq!((words.len(), text.lines().count()), (3, 1));
        assert_eq!(expected.write(dir.path()).unwrap(), path);
    }
}
