//! The operator's secret: 32 random bytes from which the host keys of his ISOs follow.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Error;
use crate::store::{Existing, put};

/// Bytes of a secret.
const LENGTH: usize = 32;

/// An operator's secret. Wiped from memory when dropped, and never printed.
pub struct Secret(pub(crate) Zeroizing<[u8; LENGTH]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads the secret, by custom `$XDG_DATA_HOME/flk/secret`; makes it when there is none. Of several processes that
    /// make it at once all get the same one.
    ///
    /// # Errors
    /// [`Error::Secret`] when others can read it, or when it has not 32 bytes; [`Error::Random`]; [`Error::Io`].
    pub fn load_or_create(path: &Path) -> Result<Secret, Error> {
        if let Some(secret) = load(path)? {
            return Ok(secret);
        }
        let mut bytes = Zeroizing::new([0; LENGTH]);
        getrandom::fill(bytes.as_mut()).map_err(Error::Random)?;
        if put(path, bytes.as_ref(), Existing::Keep)? {
            return Ok(Secret(bytes));
        }
        load(path)?.ok_or_else(|| Error::Secret {
            path: path.into(),
            reason: "was removed while it was read; run flk again".into(),
        })
    }

    /// A secret of these bytes.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

fn load(path: &Path) -> Result<Option<Secret>, Error> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("read", path))?,
    };
    let wrong = |reason: String| {
        Err(Error::Secret {
            path: path.into(),
            reason,
        })
    };
    let meta: fs::Metadata = file.metadata().map_err(Error::io("read", path))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return wrong(format!(
            "can be read or written by others (mode {mode:04o}); if they may have read it, remove it and rebuild your ISOs, otherwise: chmod 600 {}",
            path.display()
        ));
    }
    if meta.len() != LENGTH as u64 {
        return wrong(format!(
            "has {} bytes instead of {LENGTH}; restore it, or remove it: the ISOs that you build next get new keys",
            meta.len()
        ));
    }
    let mut bytes = Zeroizing::new([0; LENGTH]);
    file.read_exact(bytes.as_mut())
        .map_err(Error::io("read", path))?;
    Ok(Some(Secret(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flk/secret");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| *Secret::load_or_create(&path).unwrap().0))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(secrets.iter().all(|secret| secret == &secrets[0]));
        assert_ne!(secrets[0], [0; LENGTH]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_others_can_read_or_that_is_cut_short_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        Secret::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let message = Secret::load_or_create(&path).unwrap_err().to_string();
        assert!(message.contains("mode 0640") && message.contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        let message = Secret::load_or_create(&path).unwrap_err().to_string();
        assert!(message.contains("has 5 bytes instead of 32"), "{message}");
    }
}
