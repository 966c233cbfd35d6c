//! The archive as it is: pin trixie from this machine's mirror, download two packages by the pin, unpack them.
//!
//! Needs a mirror (apt's sources or `FLK_DEBIAN_MIRROR`) and Debian's keyring. Without them it is skipped, loudly, or fails
//! where `CI` is `true`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use flk_debian::archive::{
    Client, Download, File, Keyring, Lock, MIRROR_VARIABLE, Mirrors, Proxies,
    SECURITY_MIRROR_VARIABLE, Update, download, update,
};
use serde_json::{Value, json};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

#[allow(clippy::print_stderr)]
fn skip(reason: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "cannot be skipped in CI: {reason}"
    );
    eprintln!("SKIPPED: the archive was not tested: {reason}");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn build(command: &str, folder: &Path, mut parameters: Value) -> std::path::PathBuf {
    let out = folder.join(format!(
        "{command}-{}",
        fs::read_dir(folder).unwrap().count()
    ));
    parameters["outputs"] = json!({ "out": out });
    let attributes = folder.join("attributes.json");
    fs::write(&attributes, parameters.to_string()).unwrap();
    flk_debian::build(command, &attributes, &|line| panic!("warning: {line}")).unwrap();
    out
}

#[test]
fn trixie_is_pinned_downloaded_and_unpacked() {
    let mirrors = match Mirrors::discover(
        Path::new("/etc/apt"),
        (
            variable(MIRROR_VARIABLE).as_deref(),
            variable(SECURITY_MIRROR_VARIABLE).as_deref(),
        ),
        None,
    ) {
        Ok(mirrors) => mirrors,
        Err(error) => return skip(&error.to_string()),
    };
    let Ok(keyring) = Keyring::read(Path::new(KEYRING)) else {
        return skip("this machine has no keyring of Debian's archive");
    };
    let client = Client::new(Proxies::find("", variable)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    let options = Update {
        suite: "trixie",
        components: &["main", "non-free-firmware"],
        keyring: &keyring,
        now: SystemTime::now(),
        directory: &folder.join("indices"),
    };
    let updated = update(&client, &mirrors, &options, &|_| {}).unwrap();
    let main = &updated.lock.archives[0];
    assert_eq!(
        (
            main.mirror.as_str(),
            main.suite.as_str(),
            main.component.as_str()
        ),
        ("debian", "trixie", "main")
    );
    assert!(main.index.path.contains("/by-hash/SHA256/"), "{main:?}");
    assert!(main.index.size > 1_000_000);
    let has_security = updated
        .lock
        .archives
        .iter()
        .any(|archive| archive.suite == "trixie-security");
    assert_eq!(
        has_security,
        !updated
            .missing
            .iter()
            .any(|line| line.contains("trixie-security"))
    );
    let path = folder.join("flk.lock");
    updated.lock.write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap(), updated.lock);

    let indices: Vec<Value> = updated
        .lock
        .archives
        .iter()
        .zip(&updated.files)
        .map(|(archive, (_, path))| {
            json!({ "path": path, "mirror": archive.mirror, "component": archive.component })
        })
        .collect();
    let index = build("index", folder, json!({ "indices": indices }));
    let index: Value = serde_json::from_slice(&fs::read(index).unwrap()).unwrap();
    assert!(index["packages"].as_object().unwrap().len() > 50_000);

    let names = ["hello", "htop", "libc6"];
    let files: Vec<File> = names
        .iter()
        .map(|name| {
            let package = &index["packages"][name];
            let text = |field: &str| package[field].as_str().unwrap().to_owned();
            File {
                mirror: text("mirror"),
                name: File::package_name(&text("path")),
                path: text("path"),
                size: package["size"].as_u64().unwrap(),
                sha256: text("sha256"),
            }
        })
        .collect();
    let done = AtomicU64::new(0);
    let options = Download {
        client: &client,
        mirrors: &mirrors,
        directory: &folder.join("files"),
        threads: 8,
    };
    let paths = download(&files, &options, &|bytes| {
        done.fetch_max(bytes, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(
        done.into_inner(),
        files.iter().map(|file| file.size).sum::<u64>()
    );
    let raws: Vec<_> = names
        .iter()
        .zip(&paths)
        .map(|(name, path)| build("unpack", folder, json!({ "deb": path, "package": name })))
        .collect();
    for (name, raw) in names.iter().zip(&raws) {
        let control = fs::read_to_string(raw.join("nix-support/control")).unwrap();
        assert!(control.contains(&format!("Package: {name}\n")));
    }
    for name in ["hello", "htop"] {
        let position = names.iter().position(|other| *other == name).unwrap();
        let program = raws[position].join("bin").join(name);
        assert!(fs::read(&program).unwrap().starts_with(b"\x7fELF"));
        let mode = fs::metadata(&program).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{mode:o}");
    }

    let said = build(
        "exec",
        folder,
        json!({
            "packages": [raws[0], raws[2]],
            "command": ["hello", "--greeting=@scratch@ of @hello@"],
            "stdout": true,
        }),
    );
    let said = fs::read_to_string(said).unwrap();
    let scratch = std::env::current_dir().unwrap().join("scratch");
    assert_eq!(
        said,
        format!("{} of {}\n", scratch.display(), raws[0].display())
    );
    fs::remove_dir(scratch).unwrap();
}
