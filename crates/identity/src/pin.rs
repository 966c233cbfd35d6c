//! Pins: which host key the live machine of a build has.
//!
//! One file a build, `<build>.json`, in a folder by custom at `$XDG_DATA_HOME/flk/pins`; its modification time says when the
//! ISO was made. Mode 0600: nobody else shall know, or change, what the operator trusts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::name::{check_host, is_called, other_name};
use crate::store::{Existing, put};

/// The version of the file.
const VERSION: u32 = 1;

/// A user of a live system who may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The fingerprints, `SHA256:…`, of the keys by which.
    pub keys: Vec<String>,
}

/// The host key that the live machine of a build has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    version: u32,
    /// The build id, 32 hexadecimal digits.
    pub build: String,
    /// The host's name in its repository.
    pub host: String,
    /// The name that the machine has on the link, where it is another one: `networking.hostName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The public key, as in a `.pub` file, without a line break.
    pub public_key: String,
    /// Who may log in there. Pins of before flk knew this have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<Login>,
}

/// The user of a live system whom every host has.
const LIVE_USER: &str = "nixos";

impl Pin {
    /// A pin. The public key's line may end in a line break.
    ///
    /// # Errors
    /// [`Error::BuildId`]; [`Error::HostName`]; [`Error::Key`] when the line is no public key.
    pub fn new(build: &str, host: &str, public_key: &str) -> Result<Pin, Error> {
        check_build_id(build)?;
        check_host(host)?;
        crate::fingerprint(public_key)?;
        Ok(Pin {
            version: VERSION,
            build: build.into(),
            host: host.into(),
            host_name: None,
            public_key: public_key.trim().into(),
            logins: Vec::new(),
        })
    }

    /// The same pin with the machine's name on the link.
    #[must_use]
    pub fn with_host_name(mut self, host_name: Option<&str>) -> Pin {
        self.host_name = other_name(&self.host, host_name);
        self
    }

    /// Whether the machine has this name: the host's, or its own on the link, also with `.local`.
    pub fn is_called(&self, name: &str) -> bool {
        is_called(&self.host, self.host_name.as_deref(), name)
    }

    /// The same, with who may log in.
    #[must_use]
    pub fn with_logins(self, logins: Vec<Login>) -> Pin {
        Pin { logins, ..self }
    }

    /// As whom to log in: whoever has one of these keys (fingerprints), else whoever may. Among several, `nixos` comes first, then the
    /// one who is called like the operator.
    pub fn user(&self, own: &[String], operator: &str) -> &str {
        let has_own = |login: &&Login| login.keys.iter().any(|key| own.contains(key));
        let mut fitting: Vec<&Login> = self.logins.iter().filter(has_own).collect();
        if fitting.is_empty() {
            fitting = self.logins.iter().collect();
        }
        [LIVE_USER, operator]
            .into_iter()
            .find_map(|name| fitting.iter().find(|login| login.user == name))
            .or(fitting.first())
            .map_or(LIVE_USER, |login| login.user.as_str())
    }

    /// `SHA256:…`, as ssh prints it.
    ///
    /// # Errors
    /// [`Error::Key`] when the pin's file has been changed.
    pub fn fingerprint(&self) -> Result<String, Error> {
        crate::fingerprint(&self.public_key)
    }
}

/// The folder of an operator's pins.
#[derive(Clone, Debug)]
pub struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// The pins in a folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Pins {
        Pins {
            folder: folder.into(),
        }
    }

    /// Keeps a pin; an older one of the same build is replaced.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&self, pin: &Pin) -> Result<(), Error> {
        let path = self.path(&pin.build)?;
        if self
            .get(&pin.build)
            .is_ok_and(|kept| kept.as_ref() == Some(pin))
        {
            return Ok(());
        }
        // A struct of strings and numbers always has a JSON form.
        let text = serde_json::to_string_pretty(pin).unwrap_or_default() + "\n";
        put(&path, text.as_bytes(), Existing::Replace)?;
        Ok(())
    }

    /// The pin of a build, if there is one. The id may come from the network.
    ///
    /// # Errors
    /// [`Error::BuildId`], [`Error::Pin`], [`Error::Io`].
    pub fn get(&self, build: &str) -> Result<Option<Pin>, Error> {
        read(&self.path(build)?)
    }

    /// All pins, sorted by build id.
    ///
    /// # Errors
    /// [`Error::Pin`], [`Error::Io`].
    pub fn all(&self) -> Result<Vec<Pin>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io("read", &self.folder))?,
        };
        let mut pins = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io("read", &self.folder))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let is_pin = path
                .extension()
                .is_some_and(|extension| extension == "json");
            if is_pin && stem.is_some_and(|stem| check_build_id(stem).is_ok()) {
                pins.extend(read(&path)?);
            }
        }
        pins.sort_by(|a, b| a.build.cmp(&b.build));
        Ok(pins)
    }

    /// Forgets the pin of a build: its live machines are trusted no longer. Says whether there was one.
    ///
    /// # Errors
    /// [`Error::BuildId`], [`Error::Io`].
    pub fn forget(&self, build: &str) -> Result<bool, Error> {
        let path = self.path(build)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            other => other.map_err(Error::io("remove", path)).map(|()| true),
        }
    }

    /// When the pin of a build was made, as its file has it.
    ///
    /// # Errors
    /// [`Error::BuildId`], [`Error::Io`].
    pub fn made(&self, build: &str) -> Result<SystemTime, Error> {
        let path = self.path(build)?;
        let made = fs::metadata(&path).and_then(|meta| meta.modified());
        made.map_err(Error::io("read", path))
    }

    fn path(&self, build: &str) -> Result<PathBuf, Error> {
        check_build_id(build)?;
        Ok(self.folder.join(format!("{build}.json")))
    }
}

fn read(path: &Path) -> Result<Option<Pin>, Error> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
        Ok(text) => {
            let pin = serde_json::from_slice(&text).map_err(|source| Error::Pin {
                path: path.into(),
                source,
            })?;
            Ok(Some(pin))
        }
    }
}

/// A build id is 32 lower-case hexadecimal digits; nothing else may become a file's name.
pub(crate) fn check_build_id(build: &str) -> Result<(), Error> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if build.len() == 32 && build.bytes().all(digit) {
        Ok(())
    } else {
        Err(Error::BuildId(build.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostKey, Secret};
    use std::os::unix::fs::PermissionsExt;

    const BUILDS: [&str; 2] = [
        "00112233445566778899aabbccddeeff",
        "ff112233445566778899aabbccddeeff",
    ];

    fn pin(build: &str, secret: u8) -> Pin {
        let key = HostKey::derive(&Secret::from_bytes([secret; 32]), build, "NixOS").unwrap();
        let pin = Pin::new(build, "NixOS", &key.public_file().unwrap()).unwrap();
        assert_eq!(pin.fingerprint().unwrap(), key.fingerprint());
        pin
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::new(dir.path().join("flk/pins"));
        assert_eq!(pins.all().unwrap(), []);
        assert_eq!(pins.get(BUILDS[0]).unwrap(), None);
        let (old, new, other) = (pin(BUILDS[1], 1), pin(BUILDS[1], 2), pin(BUILDS[0], 1));
        for pin in [&old, &new, &other] {
            pins.keep(pin).unwrap();
        }
        assert_eq!(pins.get(BUILDS[1]).unwrap(), Some(new.clone()));
        assert_eq!(pins.all().unwrap(), [other, new]);
        let file = dir.path().join(format!("flk/pins/{}.json", BUILDS[0]));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(pins.made(BUILDS[0]).unwrap().elapsed().unwrap().as_secs() < 600);
        assert!(pins.forget(BUILDS[0]).unwrap());
        assert!(!pins.forget(BUILDS[0]).unwrap());
        assert_eq!(pins.all().unwrap().len(), 1);
    }

    #[test]
    fn the_user_is_the_one_who_has_the_key() {
        let login = |user: &str, key: &str| Login {
            user: user.into(),
            keys: vec![key.into()],
        };
        let (nixos, alice, bob) = (login("nixos", "N"), login("alice", "A"), login("bob", "B"));
        for (logins, own, operator, expected) in [
            (vec![], &["A"][..], "alice", "nixos"),
            (vec![&nixos], &[], "root", "nixos"),
            (vec![&alice], &[], "root", "alice"),
            (vec![&alice, &nixos], &[], "root", "nixos"),
            (vec![&alice, &nixos], &["A"], "root", "alice"),
            (vec![&alice, &nixos], &["A", "N"], "root", "nixos"),
            (vec![&alice, &bob], &["A", "B"], "bob", "bob"),
            (vec![&alice, &bob], &["B"], "alice", "bob"),
            (vec![&alice, &bob], &["X"], "root", "alice"),
        ] {
            let logins: Vec<Login> = logins.into_iter().cloned().collect();
            let own: Vec<String> = own.iter().map(ToString::to_string).collect();
            let pin = pin(BUILDS[0], 1).with_logins(logins);
            assert_eq!(
                pin.user(&own, operator),
                expected,
                "{own:?} {operator} {pin:?}"
            );
            let json = serde_json::to_string(&pin).unwrap();
            assert_eq!(serde_json::from_str::<Pin>(&json).unwrap(), pin);
        }
        // A pin of before.
        let old = serde_json::to_string(&pin(BUILDS[0], 1)).unwrap();
        assert!(!old.contains("logins"), "{old}");
        assert_eq!(serde_json::from_str::<Pin>(&old).unwrap().logins, []);
    }

    #[test]
    fn a_name_from_the_network_never_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::new(dir.path().join("pins"));
        fs::write(dir.path().join("x.json"), "{}").unwrap();
        for name in ["../x", "", "00112233445566778899AABBCCDDEEFF"] {
            assert!(matches!(pins.get(name), Err(Error::BuildId(_))), "{name}");
        }
    }

    #[test]
    fn a_damaged_pin_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::new(dir.path());
        let file = dir.path().join(format!("{}.json", BUILDS[0]));
        fs::write(&file, "{}").unwrap();
        let message = pins.get(BUILDS[0]).unwrap_err().to_string();
        assert!(message.contains(file.to_str().unwrap()), "{message}");
        // It does not stand in the way of a new one.
        pins.keep(&pin(BUILDS[0], 1)).unwrap();
        assert!(pins.get(BUILDS[0]).unwrap().is_some());
    }
}
