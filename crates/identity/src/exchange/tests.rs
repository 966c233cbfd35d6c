//! The exchange against OpenSSH's server, and against servers of the test's own that cheat.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::*;
use crate::HostKey;

/// What comes from a recording; what is sent goes nowhere.
struct Recording<'a>(&'a [u8]);

impl Read for Recording<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Recording<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One connection to an `sshd -i` with this key; `None`: there is no sshd here.
fn with_sshd<T>(key: &HostKey, ask: impl FnOnce(&mut TcpStream) -> T) -> Option<T> {
    const SSHD: &str = "/usr/sbin/sshd";
    if !std::path::Path::new(SSHD).exists() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "sshd is not installed, and in CI nothing is skipped"
        );
        let _ = io::stderr().write_all(b"SKIPPED: sshd is not installed\n");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, key.private_file().unwrap().as_bytes()).unwrap();
    Command::new("chmod")
        .arg("600")
        .arg(&file)
        .status()
        .unwrap();
    // Its privilege separation wants this folder.
    let _ = fs::create_dir_all("/run/sshd");
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let theirs = std::os::fd::OwnedFd::from(theirs);
    let mut sshd = Command::new(SSHD)
        .args(["-i", "-f", "/dev/null", "-o", "LogLevel=QUIET", "-h"])
        .arg(&file)
        .stdin(Stdio::from(theirs.try_clone().unwrap()))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let outcome = ask(&mut stream);
    drop(stream);
    let _ = sshd.kill();
    let _ = sshd.wait();
    Some(outcome)
}

#[test]
fn openssh_proves_its_key() {
    let key = HostKey::generate("test").unwrap();
    let Some(proven) = with_sshd(&key, prove) else {
        return;
    };
    let proven = proven.unwrap();
    assert!(proven.starts_with("ssh-ed25519 AAAA"), "{proven}");
    assert_eq!(crate::fingerprint(&proven).unwrap(), key.fingerprint());
}

/// A server that goes by the book, but signs with `signer` while it shows `shown`.
fn cheat(shown: &HostKey, signer: &HostKey, mut stream: TcpStream) {
    use signature::Signer;
    send(
        &mut stream,
        b"first a line that is no version\r\nSSH-2.0-cheat\r\n",
    )
    .unwrap();
    let their_version = version(&mut stream).unwrap();
    let own_init = own_init(&[7; 16]);
    send(&mut stream, &packet(&[IGNORE])).unwrap();
    send(&mut stream, &packet(&own_init)).unwrap();
    let their_init = message(&mut stream, KEXINIT).unwrap();
    let question = message(&mut stream, ECDH_INIT).unwrap();
    let their_point: [u8; 32] = Fields(&question[1..]).string().unwrap().try_into().unwrap();
    let secret = StaticSecret::from([9; 32]);
    let point = Point::from(&secret);
    let shared = secret.diffie_hellman(&Point::from(their_point));
    let key = public(shown).to_bytes().unwrap();
    let mut value = Vec::new();
    for field in [
        &their_version[..],
        b"SSH-2.0-cheat",
        &their_init,
        &own_init,
        &key,
        &their_point,
        point.as_bytes(),
        &integer(shared.as_bytes()),
    ] {
        put(&mut value, field);
    }
    let private =
        ssh_key::PrivateKey::from_openssh(signer.private_file().unwrap().as_bytes()).unwrap();
    let signature: Signature = private.try_sign(&Sha256::digest(&value)).unwrap();
    let mut reply = vec![ECDH_REPLY];
    put(&mut reply, &key);
    put(&mut reply, point.as_bytes());
    put(&mut reply, &Vec::<u8>::try_from(signature).unwrap());
    send(&mut stream, &packet(&reply)).unwrap();
    // Whatever the client says further would come here.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        rest.is_empty(),
        "something was said after the key exchange: {rest:?}"
    );
}

fn public(key: &HostKey) -> PublicKey {
    PublicKey::from_openssh(&key.public_file().unwrap()).unwrap()
}

fn against(shown: &HostKey, signer: &HostKey) -> Result<String, Error> {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| cheat(shown, signer, theirs));
        let outcome = prove(&mut stream);
        drop(stream);
        server.join().unwrap();
        outcome
    })
}

#[test]
fn to_know_a_public_key_is_no_proof() {
    let (pinned, own) = (
        HostKey::generate("pinned").unwrap(),
        HostKey::generate("own").unwrap(),
    );
    let honest = against(&pinned, &pinned).unwrap();
    assert_eq!(crate::fingerprint(&honest).unwrap(), pinned.fingerprint());
    let caught = against(&pinned, &own).unwrap_err();
    assert!(
        caught.to_string().contains("does not have the host key"),
        "{caught}"
    );
}

#[test]
fn what_is_no_ssh_is_told() {
    let endless = vec![b'x'; 1000];
    let lines = b"line\n".repeat(100);
    for (bytes, why) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            "the connection broke off",
        ),
        (b"SSH-1.5-old\r\n", "another version"),
        (&endless, "no version of ssh"),
        (&lines, "no version of ssh"),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff", "a length that cannot be"),
        (
            b"SSH-2.0-x\r\n\0\0\0\x08\x09aaaaaaa",
            "a padding that cannot be",
        ),
        (
            b"SSH-2.0-x\r\n\0\0\0\x0c\x06\x01aaaaaaaaaa",
            "ends the conversation",
        ),
        (
            b"SSH-2.0-x\r\n\0\0\0\x0c\x06\x14aaaaaaaaaa",
            "ends too early",
        ),
        (
            b"SSH-2.0-x\r\n\0\0\0\x0c\x06\x63aaaaaaaaaa",
            "another message",
        ),
    ] {
        let error = prove(&mut Recording(bytes)).unwrap_err();
        assert!(error.to_string().contains(why), "{error} instead of {why}");
    }
}

#[test]
fn damaged_conversations_never_panic() {
    // A server's whole side, without a right signature, is enough to reach every line.
    let mut whole = b"SSH-2.0-x\r\n".to_vec();
    whole.extend(packet(&own_init(&[7; 16])));
    let mut reply = vec![ECDH_REPLY];
    put(
        &mut reply,
        &public(&HostKey::generate("x").unwrap()).to_bytes().unwrap(),
    );
    put(
        &mut reply,
        Point::from(&StaticSecret::from([9; 32])).as_bytes(),
    );
    put(&mut reply, &[0, 0, 0, 11]);
    whole.extend(packet(&reply));
    // Seeded, so that a failure can be had again.
    let mut random = fastrand::Rng::with_seed(47);
    for _ in 0..100 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(..6) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        assert!(prove(&mut Recording(&bytes)).is_err());
    }
}

#[test]
fn numbers_are_as_the_specification_has_them() {
    // RFC 4251, section 5.
    assert!(integer(&[0; 32]).is_empty());
    assert_eq!(integer(&[0, 0x80]), [0, 0x80]);
    assert_eq!(integer(&[0, 0, 9, 0]), [9, 0]);
    for length in 0..100 {
        let packet = packet(&vec![1; length]);
        assert_eq!(packet.len() % BLOCK, 0);
        let padding = usize::from(packet[4]);
        assert!((PADDING_MIN..PADDING_MIN + BLOCK).contains(&padding));
        assert_eq!(packet.len(), 5 + length + padding);
    }
}
