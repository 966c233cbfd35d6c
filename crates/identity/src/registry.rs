//! The identities file, `identities.toml` in the user's repository: which machine is which host. Meant to be committed.
//!
//! ```toml
//! version = 1
//!
//! [hosts.NixOS]
//! macs = ["52:54:00:12:34:56"]
//! addresses = ["fe80::5054:ff:fe12:3456"]
//! public-key = "ssh-ed25519 AAAA…"
//! learned = "2026-11-23T05:00:00Z"
//! build = "00112233445566778899aabbccddeeff"
//! ```
//!
//! A host has the MACs of its cards; `host-name`, where the machine has another name on the link than the host in the repository; `addresses` follow from them (modified EUI-64) and are for people and other tools.
//! `public-key` is its ssh host key, `learned` when (RFC 3339) and `build` by which ISO's live machine that was. All but the
//! MACs may be missing. TOML 1.0; comments, order and what flk does not know stay as they are. Nothing that is known is
//! replaced by something else: that is an error, for a person to judge. So is a MAC, an address, a key or a name at two hosts.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use flk_lan::Mac;
use serde::Serialize;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::Error;
use crate::name::{check_host, is_called, is_same_name, other_name};
use crate::store::put_readable;

/// The file's name in a repository.
pub const IDENTITIES: &str = "identities.toml";

/// The version of the file.
const VERSION: i64 = 1;
/// How a file begins that flk makes.
const HEADER: &str = "# Which machine is which host: written by `flk identity` and after `flk ssh … flk install`. Commit it.\n";

/// What is known of a host's machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The host.
    pub host: String,
    /// Its cards.
    pub macs: Vec<Mac>,
    /// The name that it has on the link, where it is another one: `networking.hostName`.
    pub host_name: Option<String>,
    /// Its ssh host key, as in a `.pub` file, without a line break.
    pub public_key: Option<String>,
    /// When the key was learned, as RFC 3339 has it.
    pub learned: Option<String>,
    /// The build of the ISO from whose live machine that was.
    pub build: Option<String>,
}

impl Identity {
    /// The link-local addresses that follow from the cards.
    pub fn addresses(&self) -> Vec<Ipv6Addr> {
        let ids = self.macs.iter().filter_map(|mac| mac.interface_id().ok());
        ids.map(|id| id.link_local()).collect()
    }

    /// Whether the host has this name, or its machine on the link, also with `.local`.
    pub fn is_called(&self, name: &str) -> bool {
        is_called(&self.host, self.host_name.as_deref(), name)
    }

    /// `SHA256:…` of its ssh host key, if that is known.
    pub fn fingerprint(&self) -> Option<String> {
        crate::fingerprint(self.public_key.as_deref()?).ok()
    }
}

/// For `--json`: with what follows from it.
impl Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let macs: Vec<String> = self.macs.iter().map(Mac::to_string).collect();
        let mut fields = serializer.serialize_struct("Identity", 8)?;
        fields.serialize_field("host", &self.host)?;
        fields.serialize_field("hostName", &self.host_name)?;
        fields.serialize_field("macs", &macs)?;
        fields.serialize_field("addresses", &self.addresses())?;
        fields.serialize_field("publicKey", &self.public_key)?;
        fields.serialize_field("fingerprint", &self.fingerprint())?;
        fields.serialize_field("learned", &self.learned)?;
        fields.serialize_field("build", &self.build)?;
        fields.end()
    }
}

/// An identities file.
#[derive(Clone, Debug)]
pub struct Identities {
    path: PathBuf,
    document: DocumentMut,
    hosts: Vec<Identity>,
}

impl Identities {
    /// Reads the file, which need not be there yet.
    ///
    /// # Errors
    /// [`Error::Identities`] when it is not what it should be; [`Error::Io`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Identities, Error> {
        let path = path.into();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                format!("{HEADER}version = {VERSION}\n")
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            wrong(
                &path,
                format!("is no TOML: {}", error.to_string().trim_end()),
            )
        })?;
        let hosts = read(&path, &document)?;
        Ok(Identities {
            path,
            document,
            hosts,
        })
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All hosts, in the file's order.
    pub fn all(&self) -> &[Identity] {
        &self.hosts
    }

    /// A host, by its name as DNS compares names.
    pub fn get(&self, host: &str) -> Option<&Identity> {
        self.hosts
            .iter()
            .find(|identity| is_same_name(&identity.host, host))
    }

    /// The host that has a card.
    pub fn by_mac(&self, mac: Mac) -> Option<&Identity> {
        self.hosts
            .iter()
            .find(|identity| identity.macs.contains(&mac))
    }

    /// Takes in what was learned of a host; says whether the file has changed, which it has on disk then.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a card is another host's, or the host has another key, or another host has that key, and the
    /// file stays as it is; [`Error::HostName`]; [`Error::Key`]; [`Error::Io`].
    pub fn learn(&mut self, learned: &Identity) -> Result<bool, Error> {
        check_host(&learned.host)?;
        self.check_conflicts(learned)?;
        let old = self.get(&learned.host).cloned();
        let mut new = old.clone().unwrap_or_else(|| Identity {
            host: learned.host.clone(),
            ..Identity::default()
        });
        for mac in &learned.macs {
            if !new.macs.contains(mac) {
                new.macs.push(*mac);
            }
        }
        if learned.host_name.is_some() {
            new.host_name = other_name(&new.host, learned.host_name.as_deref());
        }
        if new.public_key.is_none() && learned.public_key.is_some() {
            new.public_key.clone_from(&learned.public_key);
            new.learned.clone_from(&learned.learned);
            new.build.clone_from(&learned.build);
        }
        if old.as_ref() == Some(&new) {
            return Ok(false);
        }
        self.write(&new)?;
        self.save()?;
        Ok(true)
    }

    /// Forgets a host; says whether it was there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&mut self, host: &str) -> Result<bool, Error> {
        let Some(host) = self.get(host).map(|identity| identity.host.clone()) else {
            return Ok(false);
        };
        let hosts = self
            .document
            .get_mut("hosts")
            .and_then(Item::as_table_like_mut);
        if hosts.and_then(|hosts| hosts.remove(&host)).is_none() {
            return Ok(false);
        }
        self.save()?;
        Ok(true)
    }

    fn check_conflicts(&self, learned: &Identity) -> Result<(), Error> {
        let conflict = |what: String| {
            Err(Error::Conflict {
                path: self.path.clone(),
                host: learned.host.clone(),
                what,
            })
        };
        let others = || {
            self.hosts
                .iter()
                .filter(|other| !is_same_name(&other.host, &learned.host))
        };
        for mac in &learned.macs {
            if mac.is_group() {
                return conflict(format!("{mac} is a group's address, not a card's"));
            }
            if let Some(other) = others().find(|other| other.macs.contains(mac)) {
                return conflict(format!("the card {mac} is {}'s", other.host));
            }
        }
        let Some(key) = &learned.public_key else {
            return Ok(());
        };
        let shown = crate::fingerprint(key)?;
        let known = self.get(&learned.host).and_then(Identity::fingerprint);
        if let Some(known) = known.filter(|known| *known != shown) {
            return conflict(format!(
                "its ssh host key is {known}, and now it shows {shown}"
            ));
        }
        match others().find(|other| other.fingerprint().as_ref() == Some(&shown)) {
            Some(other) => conflict(format!("the ssh host key {shown} is {}'s", other.host)),
            None => Ok(()),
        }
    }

    fn write(&mut self, identity: &Identity) -> Result<(), Error> {
        let hosts = self.document.entry("hosts").or_insert_with(|| {
            // `[hosts.NixOS]` alone, without a heading `[hosts]` before it.
            let mut hosts = Table::new();
            hosts.set_implicit(true);
            Item::Table(hosts)
        });
        let not_a_table = || wrong(&self.path, "has something else than a table at `hosts`");
        let hosts = hosts.as_table_like_mut().ok_or_else(not_a_table)?;
        let host = hosts
            .entry(&identity.host)
            .or_insert_with(|| Item::Table(Table::new()));
        let host = host.as_table_like_mut().ok_or_else(not_a_table)?;
        let list = |texts: Vec<String>| value(texts.into_iter().collect::<Array>());
        let macs = identity.macs.iter().map(Mac::to_string).collect();
        set(host, "macs", list(macs));
        let addresses = identity.addresses();
        let addresses = addresses.iter().map(ToString::to_string).collect();
        set(host, "addresses", list(addresses));
        for (name, text) in [
            ("host-name", &identity.host_name),
            ("public-key", &identity.public_key),
            ("learned", &identity.learned),
            ("build", &identity.build),
        ] {
            if let Some(text) = text {
                set(host, name, value(text));
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), Error> {
        self.hosts = read(&self.path, &self.document)?;
        put_readable(&self.path, self.document.to_string().as_bytes())
    }
}

/// Sets a value, and keeps what is written around the old one.
fn set(table: &mut dyn toml_edit::TableLike, name: &str, mut new: Item) {
    if let (Some(old), Some(new)) = (table.get(name).and_then(Item::as_value), new.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    match table.get_mut(name) {
        Some(item) => *item = new,
        None => {
            table.insert(name, new);
        }
    }
}

fn read(path: &Path, document: &DocumentMut) -> Result<Vec<Identity>, Error> {
    match document.get("version").map(Item::as_integer) {
        Some(Some(VERSION)) => {}
        None if document.iter().next().is_none() => {}
        _ => {
            return Err(wrong(
                path,
                format!("does not say `version = {VERSION}`; a newer flk may have written it"),
            ));
        }
    }
    let Some(hosts) = document.get("hosts") else {
        return Ok(Vec::new());
    };
    let hosts = hosts
        .as_table_like()
        .ok_or_else(|| wrong(path, "has something else than a table at `hosts`"))?;
    let mut holders = Holders::default();
    let mut identities: Vec<Identity> = Vec::new();
    for (host, item) in hosts.iter() {
        let identity = identity(path, host, item)?;
        if let Some(other) = identities
            .iter()
            .find(|other| is_same_name(&other.host, host))
        {
            return Err(wrong(
                path,
                format!(
                    "has the hosts {} and {host}, which are one name to DNS: remove one, or rename it",
                    other.host
                ),
            ));
        }
        holders.take(path, &identity, item)?;
        identities.push(identity);
    }
    Ok(identities)
}

/// Who has what only one host can have: cards, addresses and keys, by how they are shown.
#[derive(Default)]
struct Holders(BTreeMap<String, String>);

impl Holders {
    /// Takes in what a host has; what another one has already is an error that names both.
    fn take(&mut self, path: &Path, identity: &Identity, item: &Item) -> Result<(), Error> {
        let host = &identity.host;
        let mut held: Vec<String> = Vec::new();
        for mac in &identity.macs {
            held.push(format!("the MAC address {mac}"));
        }
        for address in written_addresses(path, host, item)? {
            held.push(format!("the address {address}"));
        }
        if let Some(key) = identity.fingerprint() {
            held.push(format!("the public key {key}"));
        }
        for what in held {
            match self.0.get(&what) {
                Some(other) if other != host => {
                    return Err(wrong(
                        path,
                        format!(
                            "gives {what} to two hosts, {other} and {host}: remove it from one of them"
                        ),
                    ));
                }
                _ => self.0.insert(what, host.clone()),
            };
        }
        Ok(())
    }
}

/// The addresses as the file has them, which follow from the cards unless somebody changed it.
fn written_addresses(path: &Path, host: &str, item: &Item) -> Result<Vec<Ipv6Addr>, Error> {
    let wrong = |what: String| wrong(path, format!("has at `hosts.{host}` {what}"));
    let Some(list) = item.get("addresses") else {
        return Ok(Vec::new());
    };
    let list = list
        .as_array()
        .ok_or_else(|| wrong("`addresses` that are not a list".into()))?;
    list.iter()
        .map(|address| {
            let text = address.as_str().unwrap_or_default();
            text.parse()
                .map_err(|_| wrong(format!("the invalid IPv6 address {text:?}")))
        })
        .collect()
}

fn identity(path: &Path, host: &str, item: &Item) -> Result<Identity, Error> {
    check_host(host)?;
    let wrong = |what: &str| wrong(path, format!("has at `hosts.{host}` {what}"));
    let table = item
        .as_table_like()
        .ok_or_else(|| wrong("something else than a table"))?;
    let text = |name: &str| match table.get(name) {
        None => Ok(None),
        Some(item) => match item.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(wrong(&format!("a `{name}` that is no text"))),
        },
    };
    let mut macs = Vec::new();
    if let Some(list) = table.get("macs") {
        let list = list
            .as_array()
            .ok_or_else(|| wrong("`macs` that are no list"))?;
        for mac in list {
            let mac = mac.as_str().unwrap_or_default().parse::<Mac>();
            let mac = mac.map_err(|error| wrong(&format!("a MAC that is none: {error}")))?;
            if mac.is_group() || mac.0 == [0; 6] {
                return Err(wrong(&format!(
                    "the MAC address {mac}, which no network card has"
                )));
            }
            macs.push(mac);
        }
    }
    let public_key = text("public-key")?;
    if let Some(key) = &public_key {
        crate::fingerprint(key).map_err(|_| wrong("a `public-key` that is no ssh key"))?;
    }
    let host_name = text("host-name")?;
    if let Some(name) = &host_name {
        check_host(name)?;
    }
    Ok(Identity {
        host: host.into(),
        host_name,
        macs,
        public_key,
        learned: text("learned")?,
        build: text("build")?,
    })
}

fn wrong(path: &Path, reason: impl Into<String>) -> Error {
    Error::Identities {
        path: path.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostKey;

    const MAC: &str = "52:54:00:12:34:56";

    fn key() -> String {
        let key = HostKey::generate("root@NixOS").unwrap();
        key.public_file().unwrap().trim().to_owned()
    }

    fn learned(host: &str, mac: &str, key: Option<&str>) -> Identity {
        Identity {
            host: host.into(),
            host_name: None,
            macs: vec![mac.parse().unwrap()],
            public_key: key.map(str::to_owned),
            learned: key.map(|_| "2026-11-23T05:00:00Z".into()),
            build: None,
        }
    }

    fn empty() -> (tempfile::TempDir, Identities) {
        let dir = tempfile::tempdir().unwrap();
        let identities = Identities::open(dir.path().join(IDENTITIES)).unwrap();
        (dir, identities)
    }

    #[test]
    fn what_is_learned_is_in_the_file() {
        let (_dir, mut identities) = empty();
        let key = key();
        assert!(identities.learn(&learned("NixOS", MAC, None)).unwrap());
        assert!(
            identities
                .learn(&learned("NixOS", MAC, Some(&key)))
                .unwrap()
        );
        assert!(
            !identities
                .learn(&learned("NixOS", MAC, Some(&key)))
                .unwrap()
        );
        let text = fs::read_to_string(identities.path()).unwrap();
        let expected = format!(
            "{HEADER}version = 1\n\n[hosts.NixOS]\nmacs = [\"{MAC}\"]\naddresses = [\"fe80::5054:ff:fe12:3456\"]\n\
             public-key = \"{key}\"\nlearned = \"2026-11-23T05:00:00Z\"\n"
        );
        assert_eq!(text, expected);
        let again = Identities::open(identities.path()).unwrap();
        assert_eq!(again.all(), identities.all());
        let mac = MAC.parse().unwrap();
        assert_eq!(again.by_mac(mac).unwrap().host, "NixOS");
        assert!(identities.forget("NixOS").unwrap());
        assert!(!identities.forget("NixOS").unwrap());
        assert_eq!(identities.all(), []);
    }

    #[test]
    fn a_host_is_found_by_every_name_that_its_machine_has() {
        let (_dir, mut identities) = empty();
        let frontend = Identity {
            host_name: Some("frontend".into()),
            ..learned("web", MAC, None)
        };
        assert!(identities.learn(&frontend).unwrap());
        // The same host, as DNS has it.
        assert!(!identities.learn(&learned("WEB", MAC, None)).unwrap());
        let identities = Identities::open(identities.path()).unwrap();
        let web = identities.get("Web").unwrap();
        for name in ["web", "WEB.local", "frontend", "Frontend.local."] {
            assert!(web.is_called(name), "{name}");
        }
        for name in ["fronten", "frontend.example.org", ""] {
            assert!(!web.is_called(name), "{name}");
        }
        let mut identities = identities;
        assert!(identities.forget("wEb").unwrap());
    }

    #[test]
    fn what_the_user_wrote_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(IDENTITIES);
        let text = "# mine\nversion = 1 # one\n\n[hosts.Zoo] # the tall one\nrack = 7\nmacs = [\"52:54:00:00:00:01\"] # its card\n\n[other]\nx = 1\n";
        fs::write(&path, text).unwrap();
        let mut identities = Identities::open(&path).unwrap();
        identities
            .learn(&learned("Zoo", "52:54:00:00:00:02", None))
            .unwrap();
        identities.learn(&learned("NixOS", MAC, None)).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        for kept in [
            "# mine\n",
            "# one\n",
            "# the tall one\n",
            "rack = 7\n",
            "# its card\n",
            "[other]\nx = 1\n",
        ] {
            assert!(new.contains(kept), "{kept} is not in {new}");
        }
        assert_eq!(identities.get("Zoo").unwrap().macs.len(), 2);
    }

    #[test]
    fn what_contradicts_is_refused_and_changes_nothing() {
        let (_dir, mut identities) = empty();
        let (first, second) = (key(), key());
        identities
            .learn(&learned("NixOS", MAC, Some(&first)))
            .unwrap();
        let before = fs::read_to_string(identities.path()).unwrap();
        for (other, why) in [
            (learned("NixOS", MAC, Some(&second)), "and now it shows"),
            (learned("Other", MAC, Some(&second)), "is NixOS's"),
            (
                learned("Other", "52:54:00:00:00:09", Some(&first)),
                "is NixOS's",
            ),
            (learned("Other", "33:33:00:00:00:09", None), "a group's"),
        ] {
            let error = identities.learn(&other).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(identities.learn(&learned("../x", MAC, None)).is_err());
        assert_eq!(fs::read_to_string(identities.path()).unwrap(), before);
    }

    #[test]
    fn what_one_host_can_have_is_refused_at_two() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(IDENTITIES);
        let (one, other) = (key(), key());
        let with = |first: &str, second: &str| {
            let text = format!("version = 1\n[hosts.a]\n{first}\n[hosts.b]\n{second}\n");
            fs::write(&path, text).unwrap();
            Identities::open(&path)
        };
        for (first, second, what) in [
            (
                "macs = [\"52:54:00:12:34:56\"]".to_owned(),
                "macs = [\"52:54:00:00:00:01\", \"52:54:00:12:34:56\"]".to_owned(),
                "the MAC address 52:54:00:12:34:56",
            ),
            (
                "addresses = [\"fe80::5054:ff:fe12:3456\"]".to_owned(),
                "addresses = [\"FE80:0::5054:ff:fe12:3456\"]".to_owned(),
                "the address fe80::5054:ff:fe12:3456",
            ),
            (
                format!("public-key = \"{one}\""),
                format!("public-key = \"{one} again\""),
                "the public key SHA256:",
            ),
        ] {
            let error = with(&first, &second).unwrap_err().to_string();
            assert!(error.contains(&format!("gives {what}")), "{error}");
            assert!(error.contains("to two hosts, a and b"), "{error}");
        }
        let good = with(
            &format!(
                "macs = [\"52:54:00:12:34:56\", \"52:54:00:12:34:56\"]\npublic-key = \"{one}\""
            ),
            &format!("macs = [\"52:54:00:12:34:57\"]\npublic-key = \"{other}\""),
        );
        assert_eq!(good.unwrap().all().len(), 2);

        let text = "version = 1\n[hosts.Web]\n[hosts.web]\n";
        fs::write(&path, text).unwrap();
        let error = Identities::open(&path).unwrap_err().to_string();
        assert!(error.contains("the hosts Web and web"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(IDENTITIES);
        for (text, why) in [
            ("version = 2\n", "`version = 1`"),
            ("[hosts.a]\n", "`version = 1`"),
            ("version = 1\nhosts = 3\n", "a table at `hosts`"),
            (
                "version = 1\n[hosts.a]\nmacs = [\"52\"]\n",
                "a MAC that is none",
            ),
            (
                "version = 1\n[hosts.a]\nmacs = [\"33:33:00:00:00:01\"]\n",
                "which no network card has",
            ),
            (
                "version = 1\n[hosts.a]\nmacs = [\"00:00:00:00:00:00\"]\n",
                "which no network card has",
            ),
            (
                "version = 1\n[hosts.a]\naddresses = [\"10.0.0.1\"]\n",
                "invalid IPv6 address",
            ),
            ("version = 1\n[hosts.a]\npublic-key = \"x\"\n", "no ssh key"),
            ("version = 1\n[hosts.\"a b\"]\n", "\"a b\""),
            ("version =\n", "is no TOML"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Identities::open(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
