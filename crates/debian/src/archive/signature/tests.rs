//! Signatures by key pairs that the tests make.

use super::*;
use pgp::composed::{KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder};
use pgp::packet::{SignatureConfig, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::Password;

const TEXT: &str = "Origin: Debian\n- dashed\nCodename: trixie\n";

fn key(kind: KeyType, subkey: Option<KeyType>) -> SignedSecretKey {
    let mut parameters = SecretKeyParamsBuilder::default();
    parameters
        .key_type(kind)
        .can_certify(true)
        .can_sign(subkey.is_none())
        .primary_user_id("Archive <archive@example.org>".into());
    if let Some(kind) = subkey {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind)
            .can_sign(true)
            .build()
            .unwrap();
        parameters.subkey(subkey);
    }
    parameters
        .build()
        .unwrap()
        .generate(rand::thread_rng())
        .unwrap()
}

fn keyring(folder: &Path, keys: &[&SignedSecretKey]) -> Keyring {
    let mut bytes = Vec::new();
    for key in keys {
        let public = SignedPublicKey::from((*key).clone());
        public.to_writer(&mut bytes).unwrap();
    }
    let path = folder.join("keyring.gpg");
    fs::write(&path, bytes).unwrap();
    Keyring::read(&path).unwrap()
}

fn sign(key: &SignedSecretKey) -> String {
    let none = Password::empty();
    let message = match key.secret_subkeys.first() {
        Some(subkey) => CleartextSignedMessage::sign(rand::thread_rng(), TEXT, &subkey.key, &none),
        None => CleartextSignedMessage::sign(rand::thread_rng(), TEXT, &key.primary_key, &none),
    };
    message
        .unwrap()
        .to_armored_string(Default::default())
        .unwrap()
}

fn verify(keyring: &Keyring, text: &str, now: SystemTime) -> Result<String> {
    keyring.verify(text, "http://mirror.example/InRelease", now)
}

#[test]
fn a_key_of_the_keyring_signs_by_itself_or_by_its_subkey() {
    let now = SystemTime::now();
    for (primary, subkey) in [
        (KeyType::Rsa(2048), None),
        (KeyType::Ed25519Legacy, None),
        (KeyType::Ed25519Legacy, Some(KeyType::Ed25519Legacy)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let own = key(primary, subkey);
        let keyring = keyring(folder.path(), &[&own]);
        let signed = sign(&own);
        assert_eq!(verify(&keyring, &signed, now).unwrap(), TEXT);

        let around = format!("Codename: evil\n\n{signed}\nCodename: evil\n");
        if let Ok(text) = verify(&keyring, &around, now) {
            assert_eq!(text, TEXT, "nothing from around the signed text");
        }
        let changed = signed.replace("trixie", "trixje");
        let error = verify(&keyring, &changed, now).unwrap_err().to_string();
        assert!(error.contains("it does not match the text"), "{error}");
    }
}

#[test]
fn other_keys_do_not_count() {
    let now = SystemTime::now();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (
        key(KeyType::Ed25519Legacy, None),
        key(KeyType::Ed25519Legacy, None),
    );
    let keyring = keyring(folder.path(), &[&own]);
    let error = verify(&keyring, &sign(&other), now)
        .unwrap_err()
        .to_string();
    assert!(error.contains("its key is not in the keyring"), "{error}");
    let error = verify(&keyring, TEXT, now).unwrap_err().to_string();
    assert!(error.contains("it is no signed text"), "{error}");
}

#[test]
fn times_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let own = key(KeyType::Ed25519Legacy, None);
    let keyring = keyring(folder.path(), &[&own]);
    let signed = sign(&own);
    let error = verify(&keyring, &signed, UNIX_EPOCH)
        .unwrap_err()
        .to_string();
    assert!(error.contains("made in the future"), "{error}");

    let mut config =
        SignatureConfig::from_key(rand::thread_rng(), &own.primary_key, SignatureType::Text)
            .unwrap();
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::now()),
        SubpacketData::IssuerFingerprint(own.primary_key.fingerprint()),
        SubpacketData::SignatureExpirationTime(pgp::types::Duration::from_secs(3600)),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .to_vec();
    let message =
        CleartextSignedMessage::new(TEXT, config, &own.primary_key, &Password::empty()).unwrap();
    let signed = message.to_armored_string(Default::default()).unwrap();
    let now = SystemTime::now();
    assert_eq!(verify(&keyring, &signed, now).unwrap(), TEXT);
    let later = now + Duration::from_secs(7200);
    let error = verify(&keyring, &signed, later).unwrap_err().to_string();
    assert!(error.contains("it has expired"), "{error}");
}
