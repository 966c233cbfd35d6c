//! Tables of lines, and OpenSSH's ssh-keygen as their judge.

use std::fs;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use ssh_key::public::{Ed25519PublicKey, KeyData, SkEcdsaSha2NistP256, SkEd25519};

use super::*;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpVElPC9adgmS/NR23OLfrjn2rRI4aU3VyseOjwAZJw";
const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBImfb852R+6dZ2SlHEnBL5f/fD6xWpRLvQXk1Milf2zX12q9vQv2Nx0kJLr3Y40zusW84/+ndkqEJfZmEuhj4ek=";
const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBB6Rkg6ZTwiH4mZH/maqNtMCIR/uyYTX+rfztysM8Tqzcl2kx0Rxnq4dLUNQ4rH04MqCv0OBsC1IN5tjeTANlprsaTW9IOJVlAx41Exa1DQdO02+/k6ESafAwPthGuVfAw==";
const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHvGCfJvrBGyexOPy94jEqQrHZXmiCjKh5RePoKSr7Sbea/dNrr5ga/l1xxBE5uCdhen3hR4V4ll+1vZn3z3ymWkAE1acptuk7qqPPOpJqcwv74ki8ZA79QFHmSS8sJ9PI2rqbQgkL2mfGnNnZmpJ+8YyhxdIHX++zwhE120LZj0y+iFw==";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDRxhMZkOL5Gos8wdZ8IUBFxZSRuVfWWQ47O4KPGRBzXmRDV8W7UzJ6jYNTkr6YduLT0zrIF1SW5JHKbMh12k0gUywZjmShG8rmOVaJNJRFGzDwhU+AjLNML1epEZjOYZAjLSUmdxOclmQHV+dtDc1dtS5+dlhwhPFgZHktVooIr4dtl9aXLnS2ggM+ljduTFrXoSaurdXgF3MbHv6eEBXUiF8RkziTkTwibZr0E9Waa9mM0O2x86NHjlQ79P/KS+nFWHFJX+MVUoqDC1lh14dY1xLA2p3mrrX6HOwMugL6xAekOGoQWANFlqii1amsre+V9sk/98gelsjLamekRUad";
const RSA_768: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAYQCUm8gVrZvA7GHsu1pf4+jxxs77BFMx7I2RKXkqjzDvY61XDmILBiE8Bu1dvLVBW3TchzbLLrhnstVYf3klyhxWcCtIbkkBsfCiICiGDq43xH+WUKeRmOGKfxEJn25eZCE=";
const DSA_KEY: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAMInzYZn1IPv1mZD4P7Xe8qpJezPd31W6GMVRYRc3TaG";
const CERTIFICATE: &str =
    "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIDNAOB0r";

/// The FIDO types, which ssh-keygen makes only with a token at hand.
fn fido() -> [String; 2] {
    let line = |data: KeyData| PublicKey::from(data).to_openssh().unwrap();
    let ed25519 = PublicKey::from_openssh(ED25519).unwrap();
    let own: &Ed25519PublicKey = ed25519.key_data().ed25519().unwrap();
    let p256 = PublicKey::from_openssh(P256).unwrap();
    let Some(EcdsaPublicKey::NistP256(point)) = p256.key_data().ecdsa() else {
        panic!("{P256}");
    };
    [
        line(KeyData::SkEd25519(SkEd25519::new(*own, "ssh:"))),
        line(KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256::new(
            *point, "ssh:flk",
        ))),
    ]
}

fn good() -> Vec<String> {
    let mut keys: Vec<String> = [ED25519, P256, P384, P521, RSA].map(str::to_owned).into();
    keys.extend(fido());
    keys
}

/// What `ssh-keygen -l` says of a line; `None`: there is no ssh-keygen.
fn judged(line: &str) -> Option<Result<String, ()>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{line}\n")).unwrap();
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(file.path())
        .output();
    let Ok(output) = output else {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "ssh-keygen is not installed, and in CI nothing is skipped"
        );
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(match output.status.success() {
        true => Ok(text.split(' ').nth(1).unwrap_or_default().to_owned()),
        false => Err(()),
    })
}

#[test]
fn every_type_of_openssh_is_read_with_and_without_options_and_comment() {
    for key in good() {
        let kind = key.split(' ').next().unwrap();
        let plain = authorized_key(&key).unwrap();
        assert_eq!((plain.kind.as_str(), plain.comment.as_str()), (kind, ""));
        for line in [
            format!("{key} me, at home"),
            format!("  \t{key}\t me, at home \r\n"),
            format!("restrict,pty {key} me, at home"),
            format!("restrict,pty \t {key} me, at home"),
            format!(r#"from="10.0.0.0/8,*.example.org",no-X11-forwarding {key} me, at home"#),
            format!(r#"cert-authority,principals="a,b" {key} me, at home"#),
            format!(r#"command="echo \"a b\", c",no-pty {key} me, at home"#),
            format!(r#"environment="A=b c",environment="C=d" {key} me, at home"#),
        ] {
            let found = authorized_key(&line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
            assert_eq!(found.fingerprint, plain.fingerprint, "{line}");
            assert_eq!(found.comment, "me, at home", "{line}");
            assert_eq!(found.is_authority, line.contains("cert-auth"), "{line}");
            assert_eq!(found.has_command, line.contains("command"), "{line}");
            assert!(line.trim_start().starts_with(&found.options), "{line}");
            // ssh-keygen, unlike sshd, takes a single blank after options.
            if !line.contains("pty \t")
                && let Some(judged) = judged(&line)
            {
                assert_eq!(judged.as_ref(), Ok(&plain.fingerprint), "{line}");
            }
        }
    }
}

#[test]
fn no_login_comes_from_a_line_that_is_cut_off_anywhere() {
    for key in good() {
        for end in 0..key.len() {
            let line = &key[..end];
            let fault = authorized_key(line).expect_err(line);
            assert_ne!(fault.to_string(), "", "{line}");
        }
        // As hands and editors cut them.
        for cut in [1, 2, 3, 20] {
            let line = &key[..key.len() - cut];
            if let Some(judged) = judged(line) {
                assert_eq!(judged, Err(()), "{line}");
            }
        }
    }
}

#[test]
fn no_garbled_key_is_taken_for_the_key_that_it_was() {
    for key in good() {
        let own = authorized_key(&key).unwrap().fingerprint;
        let start = key.find(' ').unwrap() + 1;
        for at in (start..key.len()).step_by(3) {
            for other in ["*", "…", "A", "z"] {
                if key[at..].starts_with(other) {
                    continue;
                }
                let line = format!("{}{other}{}", &key[..at], &key[at + 1..]);
                let Ok(found) = authorized_key(&line) else {
                    continue;
                };
                // What lies on no curve is found out; the rest is another key of the same form, or has another application.
                assert_ne!(found.fingerprint, own, "{line}");
                assert!(!found.kind.starts_with("ecdsa"), "{line}");
                assert!(other != "*" && other != "…", "{line}");
            }
        }
    }
}

#[test]
fn lines_that_give_no_login_say_why() {
    let option = |option: &str, reason| KeyFault::Option {
        option: option.into(),
        reason,
    };
    let unknown = "sshd does not know it";
    let table = [
        ("", KeyFault::Empty),
        (" \t ", KeyFault::Empty),
        ("\u{feff}", KeyFault::Empty),
        ("# laptop", KeyFault::Comment),
        ("  # ssh-ed25519 AAAA", KeyFault::Comment),
        ("ssh-ed25519 AAAA... you@host", KeyFault::Garbled),
        (
            "ssh-ed25519",
            KeyFault::Missing {
                kind: "ssh-ed25519".into(),
            },
        ),
        ("you@host", KeyFault::Type),
        ("2048 65537 1234567890 old@ssh1", KeyFault::Type),
        ("ssh-ed448 AAAA", KeyFault::Type),
        (DSA_KEY, KeyFault::Dsa),
        (RSA_768, KeyFault::ShortRsa { bits: 768 }),
        (CERTIFICATE, KeyFault::Certificate),
        (
            "-----BEGIN OPENSSH PRIVATE KEY----- b3Bl",
            KeyFault::Private,
        ),
        ("-----BEGIN RSA PRIVATE KEY-----", KeyFault::Private),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", KeyFault::Private),
        (
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            KeyFault::Private,
        ),
        ("PuTTY-User-Key-File-3: ssh-ed25519", KeyFault::Private),
        (
            "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
            KeyFault::Private,
        ),
        ("# AGE-SECRET-KEY-1QQQ", KeyFault::Private),
        ("---- BEGIN SSH2 PUBLIC KEY ----", KeyFault::Format),
        ("-----BEGIN PUBLIC KEY-----", KeyFault::Format),
        (
            "version https://git-lfs.github.com/spec/v1",
            KeyFault::LfsPointer,
        ),
    ];
    for (line, expected) in table {
        assert_eq!(authorized_key(line), Err(expected), "{line:?}");
    }
    let options = [
        ("github.com", option("github.com", unknown)),
        ("restrict,,pty", option("\"\"", unknown)),
        ("no-restrict", option("no-restrict", unknown)),
        ("pty=\"yes\"", option("pty", "it takes no value")),
        ("command", option("command", "its value is missing")),
        (
            "command=ls",
            option("command", "its value is not in double quotes"),
        ),
        ("from=\"a\",FROM=\"b\"", option("from", "it is there twice")),
        (
            "environment=\"A\"",
            option("environment", "its value is not NAME=VALUE"),
        ),
        (
            "expiry-time=\"soon\"",
            option(
                "expiry-time",
                "its value is no time YYYYMMDD or YYYYMMDDHHMM[SS], with or without Z",
            ),
        ),
    ];
    for (text, expected) in options {
        let line = format!("{text} {ED25519} me");
        assert_eq!(authorized_key(&line), Err(expected), "{line}");
    }
}

#[test]
fn a_key_that_expires_gives_a_shell_until_then() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    // 2026-12-01 00:00 UTC.
    let then = 1_796_083_200;
    for time in ["20261201", "202612010000", "20261201000000Z"] {
        let key = authorized_key(&format!("expiry-time=\"{time}\" {ED25519}")).unwrap();
        assert_eq!(key.expires, Some(then as i64), "{time}");
        assert!(
            key.gives_shell(at(then - 1)) && !key.gives_shell(at(then)),
            "{time}"
        );
    }
    let forced = authorized_key(&format!("command=\"borg serve\" {ED25519}")).unwrap();
    assert!(!forced.gives_shell(at(then)));
    assert!(authorized_key(ED25519).unwrap().gives_shell(at(then)));
}

#[test]
fn files_are_read_by_lines_and_what_is_no_such_file_is_one_fault() {
    let text = format!("# me\n\n{ED25519} a\r\nnonsense\n   \nrestrict {P256} b");
    let found = authorized_keys(&text);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 6]);
    assert_eq!(found[0].1.as_ref().unwrap().comment, "a");
    assert_eq!(found[1].1, Err(KeyFault::Type));
    for empty in ["", "\n\n", "# nobody yet\n", "\u{feff}"] {
        assert_eq!(authorized_keys(empty), [], "{empty:?}");
    }
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n";
    assert_eq!(authorized_keys(lfs), [(1, Err(KeyFault::LfsPointer))]);
    let private = format!("{ED25519} a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n");
    assert_eq!(authorized_keys(&private), [(2, Err(KeyFault::Private))]);
    assert_eq!(
        authorized_keys("\0GITCRYPT\0xyz"),
        [(1, Err(KeyFault::GitCrypt))]
    );
}
