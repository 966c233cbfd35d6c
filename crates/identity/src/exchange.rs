//! The proof that a machine has an ssh host key: ssh's key exchange, up to the machine's signature, and not a byte further.
//!
//! RFC 4253 (transport: sections 4.2, 6, 7 and 8), RFC 8731 (`curve25519-sha256`), RFC 8709 (`ssh-ed25519`). The signature is
//! over a value that both sides have just made, so somebody who only knows the public key cannot give it. Nothing is sent
//! after the question for it: no name of a user, no key, no service.
//!
//! Not supported: other host keys than Ed25519, which is what flk makes; other exchanges, of which every OpenSSH since 6.5 has
//! this one; certificates.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};
use signature::Verifier;
use ssh_key::{Algorithm, PublicKey, Signature};
use x25519_dalek::{PublicKey as Point, StaticSecret};

use crate::Error;

/// What this side calls itself (RFC 4253, section 4.2).
const VERSION: &str = "SSH-2.0-flk";
/// A version line's greatest length, and how many lines may come before it.
const LINE_MAX: usize = 255;
const LINES_MAX: usize = 32;
/// Every implementation must take packets of this length (section 6.1); longer ones are not taken.
const PACKET_MAX: usize = 35_000;
/// Packets that may come between those that matter.
const PACKETS_MAX: usize = 16;
/// Without a cipher, packets are padded to a multiple of this, and by four bytes at least (section 6).
const BLOCK: usize = 8;
const PADDING_MIN: usize = 4;

/// Message numbers (RFC 4250, section 4.1; RFC 8731, section 3).
const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const KEXINIT: u8 = 20;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;

const EXCHANGES: &str = "curve25519-sha256,curve25519-sha256@libssh.org";
const HOST_KEY: &str = "ssh-ed25519";
/// Both sides have to agree on what would come afterwards, although nothing does.
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
const MACS: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1";
const COMPRESSIONS: &str = "none,zlib@openssh.com";

/// Lets the machine at the other end of `stream` prove which host key it has, and gives that key: `ssh-ed25519 AAAA…`.
///
/// The caller bounds the time, by a stream that fails when it is over.
///
/// # Errors
/// [`Error::Exchange`] when it speaks no ssh, has no Ed25519 key, or its signature is wrong; [`Error::Stream`].
pub fn prove(stream: &mut (impl Read + Write)) -> Result<String, Error> {
    let mut seed = [0; 48];
    getrandom::fill(&mut seed).map_err(Error::Random)?;
    let (secret, cookie) = seed.split_at(32);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(secret);
    let secret = StaticSecret::from(bytes);
    let point = Point::from(&secret);

    send(stream, format!("{VERSION}\r\n").as_bytes())?;
    let their_version = version(stream)?;
    let own_init = own_init(cookie);
    send(stream, &packet(&own_init))?;
    let their_init = message(stream, KEXINIT)?;
    if guesses_wrongly(&their_init)? {
        receive(stream)?;
    }
    let mut question = vec![ECDH_INIT];
    put(&mut question, point.as_bytes());
    send(stream, &packet(&question))?;
    let reply = message(stream, ECDH_REPLY)?;

    let mut fields = Fields(&reply[1..]);
    let (key, their_point, signature) = (fields.string()?, fields.string()?, fields.string()?);
    let their_point: [u8; 32] = their_point
        .try_into()
        .map_err(|_| wrong("its part of the exchange has another length than 32 bytes"))?;
    let shared = secret.diffie_hellman(&Point::from(their_point));
    if !shared.was_contributory() {
        return Err(wrong("its part of the exchange is one of the weak points"));
    }
    let mut value = Vec::new();
    for field in [VERSION.as_bytes(), &their_version, &own_init, &their_init] {
        put(&mut value, field);
    }
    put(&mut value, key);
    put(&mut value, point.as_bytes());
    put(&mut value, &their_point);
    put(&mut value, &integer(shared.as_bytes()));
    check(key, &Sha256::digest(&value), signature)
}

/// The key, if the signature of the exchange's hash is its.
fn check(key: &[u8], hash: &[u8], signature: &[u8]) -> Result<String, Error> {
    let key = PublicKey::from_bytes(key)
        .ok()
        .filter(|key| key.algorithm() == Algorithm::Ed25519)
        .ok_or_else(|| wrong("its host key is no Ed25519 key"))?;
    let signature = Signature::try_from(signature)
        .ok()
        .filter(|signature| signature.algorithm() == Algorithm::Ed25519)
        .ok_or_else(|| wrong("its signature is no Ed25519 signature"))?;
    key.key_data().verify(hash, &signature).map_err(|_| {
        wrong("its signature is wrong: it does not have the host key that it shows")
    })?;
    key.to_openssh().map_err(|source| Error::Key {
        what: "the machine's host key".into(),
        source,
    })
}

fn own_init(cookie: &[u8]) -> Vec<u8> {
    let mut init = vec![KEXINIT];
    init.extend_from_slice(cookie);
    for names in [
        EXCHANGES,
        HOST_KEY,
        CIPHERS,
        CIPHERS,
        MACS,
        MACS,
        COMPRESSIONS,
        COMPRESSIONS,
        "",
        "",
    ] {
        put(&mut init, names.as_bytes());
    }
    // No guess follows; four reserved bytes.
    init.extend_from_slice(&[0; 5]);
    init
}

/// Whether a packet follows that was sent on a guess at what this side wants, and the guess is wrong (RFC 4253, section 7.1).
/// Fails when the two sides have nothing in common.
fn guesses_wrongly(init: &[u8]) -> Result<bool, Error> {
    const COOKIE: usize = 16;
    let mut fields = Fields(init.get(1 + COOKIE..).unwrap_or_default());
    let exchanges = fields.names()?;
    let host_keys = fields.names()?;
    for _ in 0..8 {
        fields.string()?;
    }
    let follows = fields.byte()? != 0;
    let common = EXCHANGES
        .split(',')
        .find(|name| exchanges.contains(name))
        .ok_or_else(|| wrong("it knows no curve25519-sha256"))?;
    if !host_keys.contains(&HOST_KEY) {
        return Err(wrong("it has no Ed25519 host key"));
    }
    let is_right = exchanges.first() == Some(&common) && host_keys.first() == Some(&HOST_KEY);
    Ok(follows && !is_right)
}

/// The other side's version, without the line's end. Lines may come before it.
fn version(stream: &mut impl Read) -> Result<Vec<u8>, Error> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        // A byte at a time, since what follows the line is not text.
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            read(stream, &mut byte)?;
            line.push(byte[0]);
            if line.len() > LINE_MAX {
                return Err(wrong("it sends no version of ssh"));
            }
        }
        if line.starts_with(b"SSH-") {
            let end = line.len() - if line.ends_with(b"\r\n") { 2 } else { 1 };
            line.truncate(end);
            if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
                return Ok(line);
            }
            return Err(wrong("it speaks another version than 2.0 of ssh"));
        }
    }
    Err(wrong("it sends no version of ssh"))
}

/// The next message, which has to be of this kind; what means nothing in between is passed over.
fn message(stream: &mut impl Read, kind: u8) -> Result<Vec<u8>, Error> {
    for _ in 0..PACKETS_MAX {
        let message = receive(stream)?;
        match message.first() {
            Some(&first) if first == kind => return Ok(message),
            Some(&(IGNORE | UNIMPLEMENTED | DEBUG)) => {}
            Some(&DISCONNECT) => return Err(wrong("it ends the conversation")),
            _ => return Err(wrong("it sends another message than is its turn")),
        }
    }
    Err(wrong("it sends too many messages that say nothing"))
}

fn receive(stream: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut length = [0; 4];
    read(stream, &mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if !(BLOCK..=PACKET_MAX).contains(&length) {
        return Err(wrong("it sends a packet of a length that cannot be"));
    }
    let mut body = vec![0; length];
    read(stream, &mut body)?;
    let padding = usize::from(body[0]);
    if padding < PADDING_MIN || padding + 1 >= length {
        return Err(wrong("it sends a packet with a padding that cannot be"));
    }
    body.truncate(length - padding);
    body.remove(0);
    Ok(body)
}

fn packet(payload: &[u8]) -> Vec<u8> {
    // The length itself, the padding's length, and the payload.
    let unpadded = 4 + 1 + payload.len();
    let padding = unpadded.next_multiple_of(BLOCK) - unpadded;
    let padding = if padding < PADDING_MIN {
        padding + BLOCK
    } else {
        padding
    };
    let mut packet = Vec::with_capacity(unpadded + padding);
    packet.extend_from_slice(&((1 + payload.len() + padding) as u32).to_be_bytes());
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(unpadded + padding, 0);
    packet
}

/// A field with its length before it (RFC 4251, section 5).
fn put(message: &mut Vec<u8>, field: &[u8]) {
    message.extend_from_slice(&(field.len() as u32).to_be_bytes());
    message.extend_from_slice(field);
}

/// A positive number without zeros at its beginning, but for one that keeps it positive (`mpint`, RFC 4251, section 5).
fn integer(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes.iter().position(|byte| *byte != 0);
    let bytes = significant.map_or(&[][..], |at| &bytes[at..]);
    let sign = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut integer = if sign { vec![0] } else { Vec::new() };
    integer.extend_from_slice(bytes);
    integer
}

/// What of a message is not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (field, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| wrong("it sends a message that ends too early"))?;
        self.0 = rest;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn string(&mut self) -> Result<&'a [u8], Error> {
        let mut length = [0; 4];
        length.copy_from_slice(self.take(4)?);
        self.take(u32::from_be_bytes(length) as usize)
    }

    fn names(&mut self) -> Result<Vec<&'a str>, Error> {
        let names = std::str::from_utf8(self.string()?)
            .map_err(|_| wrong("it sends a list of names that is no text"))?;
        Ok(names.split(',').collect())
    }
}

fn wrong(reason: &'static str) -> Error {
    Error::Exchange { reason }
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> Result<(), Error> {
    stream
        .write_all(bytes)
        .and_then(|()| stream.flush())
        .map_err(Error::Stream)
}

fn read(stream: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    stream.read_exact(bytes).map_err(Error::Stream)
}

#[cfg(test)]
mod tests;
