//! The medium's ssh host key goes to where sshd looks for it, and resolved gets the service that announces the machine
//! (systemd.dnssd(5); DNS-SD, RFC 6763, section 6 for the TXT record).

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flk_identity::HostKey;
use flk_image::Build;

use super::Roots;
use crate::error::{Context, Failure, Result};
use crate::ui;

/// Bytes that a string of a TXT record may have (RFC 6763, section 6.1).
const TXT_MAX: usize = 255;

pub(super) fn run(roots: &Roots, host_name: &str) -> Result<()> {
    let build = read_build(&roots.build())?;
    let fingerprint = install_key(roots, host_name)?;
    install_certificate(roots)?;
    let service = service(build.as_ref(), host_name, &fingerprint);
    let path = roots.run.join("systemd/dnssd/flk.dnssd");
    put(&path, service.as_bytes(), 0o644)?;
    ui::note(format_args!("ssh host key {fingerprint}"));
    Ok(())
}

/// What the medium says of itself. An ISO that was not made by `flk iso` says nothing.
fn read_build(path: &Path) -> Result<Option<Build>> {
    if !path.exists() {
        ui::warn(format_args!(
            "{} is missing: this medium was not made by `flk iso`, or is not mounted there; the machine is announced without its build",
            path.display()
        ));
        return Ok(None);
    }
    Ok(Some(Build::read(path)?))
}

/// Installs the host key, and returns its fingerprint.
fn install_key(roots: &Roots, host_name: &str) -> Result<String> {
    let (private, public) = match key_of(&roots.medium_key(""), &roots.medium_key(".pub"))? {
        Some(key) => key,
        None => match key_of(&roots.machine_key(""), &roots.machine_key(".pub"))? {
            Some(key) => key,
            None => {
                let key = HostKey::generate(&format!("flk live {host_name}"))?;
                (key.private_file()?.as_bytes().to_vec(), key.public_file()?)
            }
        },
    };
    let fingerprint = flk_identity::fingerprint(&public)?;
    put(&roots.machine_key(""), &private, 0o600)?;
    put(&roots.machine_key(".pub"), public.as_bytes(), 0o644)?;
    Ok(fingerprint)
}

/// The key's certificate, if the medium has one, and sshd's line that names it; live.nix includes that file.
fn install_certificate(roots: &Roots) -> Result<()> {
    let medium = roots.medium_key("-cert.pub");
    let certificate = match fs::read(&medium) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.context(|| format!("cannot read {}", medium.display()))?,
    };
    let place = roots.machine_key("-cert.pub");
    put(&place, &certificate, 0o644)?;
    let line = format!("HostCertificate {}\n", place.display());
    put(&roots.run.join("flk/sshd.conf"), line.as_bytes(), 0o644)
}

/// Both files of a key; `None`: there is no private key.
fn key_of(private: &Path, public: &Path) -> Result<Option<(Vec<u8>, String)>> {
    let key = match fs::read(private) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.context(|| format!("cannot read {}", private.display()))?,
    };
    let public = fs::read_to_string(public).context(|| {
        format!(
            "{} is there, but {} cannot be read",
            private.display(),
            public.display()
        )
    })?;
    Ok(Some((key, public)))
}

/// The service that resolved announces. All pairs are in one line: each `TxtText=` would be a TXT record of its own.
fn service(build: Option<&Build>, host_name: &str, fingerprint: &str) -> String {
    let mut pairs = vec![("host", build.map_or(host_name, |build| &build.host))];
    if let Some(build) = build {
        pairs.push(("build", build.build.as_str()));
    }
    pairs.push(("key", fingerprint));
    let words: Vec<String> = pairs.iter().map(|(key, value)| word(key, value)).collect();
    format!(
        "[Service]\nName=%H\nType=_flk._tcp\nPort=22\nTxtText={}\n",
        words.join(" ")
    )
}

/// `key=value` as one word: resolved splits at blanks, and knows quotes and C's escapes.
fn word(key: &str, value: &str) -> String {
    let mut word = format!("{key}={value}");
    let mut end = word.len().min(TXT_MAX);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.truncate(end);
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | ';' | '#');
    if word.chars().all(plain) {
        return word;
    }
    let mut quoted = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {}
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Puts a file into place, whole and with its mode, unless it is there as it should be.
fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let said = || format!("cannot write {}", path.display());
    let is_there = fs::read(path).is_ok_and(|there| there == bytes)
        && fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o7777 == mode);
    if is_there {
        return Ok(());
    }
    let folder = path
        .parent()
        .ok_or_else(|| Failure::new(format!("{} has no folder", path.display())))?;
    fs::create_dir_all(folder).context(said)?;
    // Mode 0600 until it is whole.
    let mut file = tempfile::NamedTempFile::new_in(folder).context(said)?;
    file.write_all(bytes).context(said)?;
    let permissions = Permissions::from_mode(mode);
    file.as_file().set_permissions(permissions).context(said)?;
    file.persist(path).context(said)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flk_identity::Secret;

    const BUILD: &str = "00112233445566778899aabbccddeeff";

    fn roots(dir: &Path) -> Roots {
        let roots = Roots {
            medium: dir.join("iso"),
            etc: dir.join("etc"),
            run: dir.join("run"),
        };
        fs::create_dir_all(roots.medium.join("flk")).unwrap();
        roots
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_mediums_key_is_installed_and_announced() {
        let dir = tempfile::tempdir().unwrap();
        let roots = roots(dir.path());
        let json = format!(
            r#"{{"version":1,"build":"{BUILD}","host":"NixOS","flk":"0.1.0","channel":"debian"}}"#
        );
        fs::write(roots.build(), json).unwrap();
        let key = HostKey::derive(&Secret::from_bytes([7; 32]), BUILD, "NixOS").unwrap();
        fs::write(roots.medium_key(""), key.private_file().unwrap().as_bytes()).unwrap();
        fs::write(roots.medium_key(".pub"), key.public_file().unwrap()).unwrap();
        fs::write(roots.medium_key("-cert.pub"), "certificate\n").unwrap();
        // A key of an earlier boot, readable by all, gives way.
        fs::create_dir(&roots.etc).unwrap();
        fs::create_dir(roots.etc.join("ssh")).unwrap();
        fs::write(roots.machine_key(""), "old").unwrap();

        run(&roots, "other").unwrap();
        let private = roots.machine_key("");
        assert_eq!(
            fs::read(&private).unwrap(),
            key.private_file().unwrap().as_bytes()
        );
        assert_eq!(
            (mode(&private), mode(&roots.machine_key(".pub"))),
            (0o600, 0o644)
        );
        let certificate = roots.machine_key("-cert.pub");
        assert_eq!(fs::read(&certificate).unwrap(), b"certificate\n");
        assert_eq!(
            fs::read_to_string(roots.run.join("flk/sshd.conf")).unwrap(),
            format!("HostCertificate {}\n", certificate.display())
        );
        let service = roots.run.join("systemd/dnssd/flk.dnssd");
        assert_eq!(
            fs::read_to_string(&service).unwrap(),
            format!(
                "[Service]\nName=%H\nType=_flk._tcp\nPort=22\nTxtText=host=NixOS build={BUILD} key={}\n",
                key.fingerprint()
            )
        );
        assert_eq!(mode(&service), 0o644);

        let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let before = (times(&private), times(&service));
        run(&roots, "other").unwrap();
        assert_eq!((times(&private), times(&service)), before);
        assert_eq!(fs::read_dir(roots.etc.join("ssh")).unwrap().count(), 3);
    }

    #[test]
    fn a_medium_without_a_key_gets_one_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let roots = roots(dir.path());
        run(&roots, "NixOS").unwrap();
        let first = fs::read(roots.machine_key("")).unwrap();
        assert!(first.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        run(&roots, "NixOS").unwrap();
        assert_eq!(fs::read(roots.machine_key("")).unwrap(), first);
        let service = fs::read_to_string(roots.run.join("systemd/dnssd/flk.dnssd")).unwrap();
        let public = fs::read_to_string(roots.machine_key(".pub")).unwrap();
        let fingerprint = flk_identity::fingerprint(&public).unwrap();
        assert!(service.ends_with(&format!("\nTxtText=host=NixOS key={fingerprint}\n")));
    }

    #[test]
    fn a_damaged_medium_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let roots = roots(dir.path());
        fs::write(roots.medium_key(""), "private").unwrap();
        let text = run(&roots, "NixOS").unwrap_err().render();
        assert!(
            text.contains("ssh_host_ed25519_key.pub cannot be read"),
            "{text}"
        );
        fs::write(roots.build(), "{}").unwrap();
        let text = run(&roots, "NixOS").unwrap_err().render();
        assert!(text.contains("flk/build.json"), "{text}");
    }

    #[test]
    fn odd_names_stay_one_word() {
        for (value, expected) in [
            ("NixOS", "host=NixOS"),
            ("two words", "\"host=two words\""),
            ("a\"b\\c", "\"host=a\\\"b\\\\c\""),
            ("line\nbreak", "\"host=linebreak\""),
        ] {
            assert_eq!(word("host", value), expected);
        }
        assert_eq!(word("host", &"x".repeat(300)).len(), TXT_MAX);
        for value in (' '..='~').map(|c| format!("{c}a{c}{c}b {c}")) {
            assert_eq!(words(&word("host", &value)), [format!("host={value}")]);
        }
    }

    /// As systemd splits a value into words: at blanks, with quotes and backslashes.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word) = (Vec::new(), None::<String>);
        let mut quote = None;
        let mut characters = line.chars();
        while let Some(c) = characters.next() {
            match (quote, c) {
                (_, '\\') => word.get_or_insert_default().extend(characters.next()),
                (Some(end), c) if c == end => quote = None,
                (None, '"' | '\'') => {
                    word.get_or_insert_default();
                    quote = Some(c);
                }
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }
}
