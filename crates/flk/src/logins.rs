//! Who may log in to a live system: the document "logins", version 1 (ARCHITECTURE.md), which `nix/live/logins.nix` gives. It is checked before
//! anything is built: an ISO that nobody can log in to is found out at the machine otherwise.

use std::{collections::BTreeSet, time::SystemTime};

use flk_identity::{AuthorizedKey, KeyFault, Login, authorized_key, keys_of_file};
use jiff::civil::Date;
use serde::Deserialize;

use crate::error::{Failure, Result};

/// The version of the document.
const VERSION: u32 = 1;
/// Shells that are none.
const NO_SHELLS: [&str; 2] = ["nologin", "false"];

/// The document.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logins {
    version: u32,
    /// Nobody has to be able to log in.
    allow_no_keys: bool,
    users: Vec<User>,
}

/// A user who has keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    name: String,
    enable: bool,
    /// The base name of the login shell.
    shell: Option<String>,
    /// `YYYY-MM-DD`
    expires: Option<String>,
    keys: Vec<Line>,
    key_files: Vec<KeyFile>,
}

/// An element of the option `keys`.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    text: String,
    position: Option<Position>,
}

/// Where it is written.
#[derive(Clone, Debug, Deserialize)]
struct Position {
    user: String,
    file: String,
    line: Option<u32>,
}

/// An element of the option `keyFiles`.
#[derive(Clone, Debug, Deserialize)]
struct KeyFile {
    path: String,
    text: String,
}

/// What the check depends on besides the document.
pub(crate) struct Terms<'a> {
    /// The host's name.
    pub(crate) host: &'a str,
    /// Names a file of the repository as the user does.
    pub(crate) relocate: &'a dyn Fn(&str) -> String,
    /// The time by which keys and users expire.
    pub(crate) now: SystemTime,
}

/// Who may log in, and what is to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Users with a shell and a key.
    pub(crate) logins: Vec<Login>,
    /// Lines without a key that do no harm.
    pub(crate) notes: Vec<String>,
}

/// A line of a user, read.
struct Read {
    place: String,
    /// It is an element of `keys`, and not of a file.
    is_element: bool,
    key: Result<AuthorizedKey, KeyFault>,
}

impl Logins {
    /// Checks every key, and that somebody can log in.
    ///
    /// # Errors
    /// A private key; a line that no login can come from; nobody who can log in.
    pub(crate) fn check(&self, terms: &Terms<'_>) -> Result<Checked> {
        if self.version != VERSION {
            return Err(Failure::new(format!(
                "the logins of {} have version {}, this flk knows {VERSION}",
                terms.host, self.version
            ))
            .hint(
                "the repository's input `flk` and the flk on the path differ: run `flk update`",
            ));
        }
        let mut checked = Checked::default();
        let mut private = BTreeSet::new();
        let mut faults = BTreeSet::new();
        let mut without = Vec::new();
        for user in &self.users {
            let lines = user.read(terms);
            let has_key = lines.iter().any(|line| line.key.is_ok());
            let mut login = Login {
                user: user.name.clone(),
                keys: Vec::new(),
            };
            for Read {
                place,
                is_element,
                key,
            } in lines
            {
                match key {
                    Ok(key) if key.is_expired(terms.now) => {
                        faults.insert(format!("{place}: {}", KeyFault::Expired));
                    }
                    Ok(key) if key.gives_shell(terms.now) => login.keys.push(key.fingerprint),
                    // Of use to the host, such as one for backups.
                    Ok(_) => {}
                    Err(KeyFault::Private) => {
                        private.insert(place);
                    }
                    // sshd skips them as well, and files that are split into lines have them.
                    Err(fault @ (KeyFault::Empty | KeyFault::Comment)) if has_key && is_element => {
                        checked.notes.push(format!("{place}: {fault}"));
                    }
                    Err(fault) => {
                        faults.insert(format!("{place}: {fault}"));
                    }
                }
            }
            match user.refused(terms.now) {
                Some(reason) => without.push(format!("{}: {reason}", user.name)),
                None if login.keys.is_empty() => {
                    without.push(format!("{}: no key of this user gives a shell", user.name))
                }
                None => checked.logins.push(login),
            }
        }
        if !private.is_empty() {
            return Err(refuse_private(terms.host, &private));
        }
        if self.allow_no_keys {
            checked.notes.extend(faults);
            return Ok(checked);
        }
        if !faults.is_empty() {
            return Err(Failure::new(listed(
                &format!("{}: these ssh keys let nobody log in:", terms.host),
                &faults,
            ))
            .hint("a key is one line, as a .pub file of ~/.ssh has it: `ssh-ed25519 AAAA… you@machine`"));
        }
        if checked.logins.is_empty() {
            return Err(Failure::new(listed(
                &format!("nobody could log in to the live machine of {}", terms.host),
                &without,
            ))
            .hint("give a user who may log in a key, as with `users.users.nixos.openssh.authorizedKeys.keyFiles`, or build with --no-keys"));
        }
        Ok(checked)
    }
}

impl User {
    fn read(&self, terms: &Terms<'_>) -> Vec<Read> {
        let elements = self.keys.iter().enumerate().map(|(index, line)| {
            let option = |user: &str| format!("users.users.{user}.openssh.authorizedKeys.keys");
            let place = match &line.position {
                Some(Position { user, file, line }) => {
                    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                    format!("{}{line} ({})", (terms.relocate)(file), option(user))
                }
                None => format!("{}, element {}", option(&self.name), index + 1),
            };
            Read {
                place,
                is_element: true,
                key: authorized_key(&line.text),
            }
        });
        let files = self.key_files.iter().flat_map(|file| {
            let path = (terms.relocate)(&file.path);
            let lines = keys_of_file(&file.text);
            lines.into_iter().map(move |(line, key)| Read {
                place: format!("{path}:{line}"),
                is_element: false,
                key,
            })
        });
        elements.chain(files).collect()
    }

    /// Why this user may not log in, whatever the keys.
    fn refused(&self, now: SystemTime) -> Option<String> {
        if !self.enable {
            return Some("the user is disabled".into());
        }
        let shell = self.shell.as_deref().unwrap_or("nologin");
        if NO_SHELLS.contains(&shell) {
            return Some(format!("the user's shell is {shell}"));
        }
        let expires: Date = self.expires.as_ref()?.parse().ok()?;
        let expires = SystemTime::from(expires.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
        (expires <= now).then(|| "the user has expired".into())
    }
}

/// A secret that is to be public.
fn refuse_private(host: &str, places: &BTreeSet<String>) -> Failure {
    Failure::new(listed(
        &format!("{host}: a private ssh key is given where a public one belongs:"),
        places,
    ))
    .hint("give the public half, the .pub file beside it; `ssh-keygen -y -f FILE` prints it")
    .hint("if the private key was ever committed, pushed or copied, it must be replaced: make a new one, and remove the old one wherever it may log in. Nix's copies of the repository, in /nix/store, have it as well")
}

/// A heading, and a line for each.
fn listed<'a>(heading: &str, lines: impl IntoIterator<Item = &'a String>) -> String {
    lines
        .into_iter()
        .fold(heading.to_owned(), |text, line| format!("{text}\n{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::{Duration, UNIX_EPOCH};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box";
    const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n";

    fn user(name: &str, keys: &[&str]) -> Value {
        let keys: Vec<Value> = keys
            .iter()
            .map(|text| json!({ "text": text, "position": { "user": name, "file": "/nix/store/s/hosts/web.nix", "line": 4 } }))
            .collect();
        json!({ "name": name, "enable": true, "shell": "bash", "expires": null, "keys": keys, "keyFiles": [] })
    }

    fn with(mut user: Value, field: &str, value: Value) -> Value {
        user[field] = value;
        user
    }

    fn file(text: &str) -> Value {
        json!([{ "path": "/nix/store/s/keys/id", "text": text }])
    }

    fn check(users: &[Value], allow_no_keys: bool) -> Result<Checked, String> {
        let logins: Logins = serde_json::from_value(
            json!({ "version": 1, "allowNoKeys": allow_no_keys, "users": users }),
        )
        .unwrap();
        let terms = Terms {
            host: "web",
            relocate: &|file| file.replace("/nix/store/s/", ""),
            // 2026-12-01.
            now: UNIX_EPOCH + Duration::from_secs(1_796_083_200),
        };
        logins.check(&terms).map_err(|failure| failure.render())
    }

    #[test]
    fn whoever_has_a_key_and_a_shell_may_log_in() {
        let expired = with(user("c", &[KEY]), "expires", json!("2026-11-30"));
        let still = with(user("d", &[KEY]), "expires", json!("2026-12-02"));
        let users = [
            user("alice", &[KEY, "", "# laptop"]),
            with(user("b", &[KEY]), "enable", json!(false)),
            expired,
            still,
            with(user("e", &[]), "keyFiles", file(&format!("# e\n{KEY}\n"))),
            with(user("git", &[KEY]), "shell", json!("nologin")),
            with(user("none", &[KEY]), "shell", Value::Null),
            user("borg", &[&format!("command=\"borg serve\",restrict {KEY}")]),
        ];
        let checked = check(&users, false).unwrap();
        let names: Vec<&str> = checked.logins.iter().map(|l| l.user.as_str()).collect();
        assert_eq!(names, ["alice", "d", "e"]);
        assert_eq!(checked.logins[0].keys.len(), 1);
        let option = "hosts/web.nix:4 (users.users.alice.openssh.authorizedKeys.keys)";
        assert_eq!(
            checked.notes,
            [
                format!("{option}: it is empty"),
                format!("{option}: it is only a comment")
            ]
        );
    }

    #[test]
    fn each_key_that_lets_nobody_in_is_an_error_with_its_place() {
        let element = |text: &str| vec![user("nixos", &[text])];
        let of_file = |text: &str| vec![with(user("nixos", &[KEY]), "keyFiles", file(text))];
        let in_host = "hosts/web.nix:4 (users.users.nixos.openssh.authorizedKeys.keys): ";
        for (users, place, fault) in [
            (element(""), in_host, "it is empty"),
            (element("# laptop"), in_host, "it is only a comment"),
            (element(&KEY[..60]), in_host, "truncated or garbled"),
            (
                element(&format!("expiry-time=\"20200101\" {KEY}")),
                in_host,
                "it has expired",
            ),
            (of_file(""), "keys/id:1: ", "it is empty"),
            (of_file("# a\n\n# b\n"), "keys/id:1: ", "only a comment"),
            (
                of_file(&format!("{KEY}\nssh-ed25519 AAAA... x\n")),
                "keys/id:2: ",
                "truncated or garbled",
            ),
            (
                of_file("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
                "keys/id:1: ",
                "Git LFS",
            ),
        ] {
            let text = check(&users, false).unwrap_err();
            assert!(text.starts_with("error: web: these ssh keys"), "{text}");
            assert!(text.contains(&format!("    {place}")), "{text}");
            assert!(text.contains(fault), "{text}");
            // Whoever wants an ISO that nobody can log in to hears of it, no more.
            assert_eq!(check(&users, true).unwrap().notes.len(), 1, "{text}");
        }
    }

    #[test]
    fn an_iso_that_nobody_can_log_in_to_is_refused_with_the_reason_for_each_user() {
        let users = [
            with(user("git", &[KEY]), "shell", json!("nologin")),
            user("borg", &[&format!("command=\"x\" {KEY}")]),
        ];
        assert_eq!(
            check(&users, false).unwrap_err(),
            "error: nobody could log in to the live machine of web\n    \
             git: the user's shell is nologin\n    \
             borg: no key of this user gives a shell\n\
             hint: give a user who may log in a key, as with `users.users.nixos.openssh.authorizedKeys.keyFiles`, or build with --no-keys\n"
        );
        assert!(check(&[], false).is_err());
        assert_eq!(check(&users, true).unwrap(), Checked::default());
    }

    #[test]
    fn a_private_key_is_refused_wherever_it_is_and_not_shown() {
        let inline = PRIVATE.replace('\n', " ");
        for users in [
            vec![with(user("nixos", &[KEY]), "keyFiles", file(PRIVATE))],
            vec![user("nixos", &[KEY]), user("other", &[&inline])],
            vec![with(user("off", &[&inline]), "enable", json!(false))],
        ] {
            for allow_no_keys in [false, true] {
                let text = check(&users, allow_no_keys).unwrap_err();
                assert!(text.contains("a private ssh key is given"), "{text}");
                assert!(text.contains("it must be replaced"), "{text}");
                assert!(
                    text.contains("keys/id:1") || text.contains("hosts/web.nix:4"),
                    "{text}"
                );
                assert!(!text.contains("b3Bl"), "{text}");
            }
        }
    }

    #[test]
    fn a_line_that_two_users_have_is_named_once() {
        let mut both = [user("root", &["x"]), user("nixos", &["x"])];
        // As the live system's `nixos` has root's.
        both[1]["keys"][0]["position"]["user"] = json!("root");
        let text = check(&both, false).unwrap_err();
        assert_eq!(text.matches("hosts/web.nix:4").count(), 1, "{text}");
        both[1]["keys"][0]["position"] = Value::Null;
        let text = check(&both, false).unwrap_err();
        assert!(
            text.contains("users.users.nixos.openssh.authorizedKeys.keys, element 1"),
            "{text}"
        );
    }
}
