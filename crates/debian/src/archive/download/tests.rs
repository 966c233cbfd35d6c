//! Downloads from a server of the test's own on loopback: resumed, refused, gone.

use super::*;
use crate::archive::Proxies;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What the mirror of a test does with a request: the path and the first byte asked for give status, headers and body.
type Behaviour = dyn Fn(&str, u64, usize) -> (u16, u64, Vec<u8>) + Send + Sync;

/// A mirror on this machine. Bodies may be shorter than the length that is announced.
fn mirror(behaviour: Arc<Behaviour>) -> Mirrors {
    let address = server(behaviour);
    Mirrors::discover(Path::new("/nowhere"), (Some(&address), None), None).unwrap()
}

/// A server on this machine; its address.
fn server(behaviour: Arc<Behaviour>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let behaviour = Arc::clone(&behaviour);
            std::thread::spawn(move || serve(stream.unwrap(), number, &*behaviour));
        }
    });
    address
}

fn serve(mut stream: TcpStream, number: usize, behaviour: &Behaviour) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut path, mut start) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET /") {
            path = rest.split(' ').next().unwrap().to_owned();
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
    }
    let (status, length, body) = behaviour(&path, start, number);
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // The other side may have gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
}

fn file(path: &str, content: &[u8]) -> File {
    File {
        mirror: "debian".to_owned(),
        path: path.to_owned(),
        size: content.len() as u64,
        sha256: hex::encode(Sha256::digest(content)),
        name: File::package_name(path),
    }
}

fn run(
    mirrors: &Mirrors,
    files: &[File],
    directory: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<PathBuf>> {
    let client = Client::new(Proxies::default()).unwrap();
    let options = Download {
        client: &client,
        mirrors,
        directory,
        threads: 3,
    };
    download(files, &options, progress)
}

fn content() -> Vec<u8> {
    (0..200_000_u32)
        .map(|number| (number % 253) as u8)
        .collect()
}

#[test]
fn files_arrive_checked_and_in_order() {
    let mirrors = mirror(Arc::new(|path, _, _| {
        let body = path.repeat(1000).into_bytes();
        (200, body.len() as u64, body)
    }));
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<File> = (0..7)
        .map(|number| {
            let path = format!("pool/{number}~1.deb");
            file(&path, path.repeat(1000).as_bytes())
        })
        .collect();
    let total: u64 = files.iter().map(|file| file.size).sum();
    let most = AtomicU64::new(0);
    let progress = |done: u64| {
        most.fetch_max(done, Ordering::Relaxed);
    };
    let paths = run(&mirrors, &files, directory.path(), &progress).unwrap();
    assert_eq!(most.load(Ordering::Relaxed), total);
    for (file, path) in files.iter().zip(&paths) {
        assert_eq!(fs::read(path).unwrap(), file.path.repeat(1000).as_bytes());
        assert!(path.ends_with(format!("{}/{}", file.sha256, file.name)));
    }
    // Again, with no mirror: all of it is there.
    let nowhere =
        Mirrors::discover(directory.path(), (Some("http://127.0.0.1:9"), None), None).unwrap();
    assert_eq!(
        run(&nowhere, &files, directory.path(), &|_| {}).unwrap(),
        paths
    );
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let mirrors = mirror(Arc::new(move |_, start, number| {
        log.lock().unwrap().push(start);
        let rest = content().split_off(start as usize);
        let length = rest.len() as u64;
        let body = if number == 0 {
            rest[..120_000].to_vec()
        } else {
            rest
        };
        (if start > 0 { 206 } else { 200 }, length, body)
    }));
    let directory = tempfile::tempdir().unwrap();
    let wanted = file("pool/a.deb", &content());
    let paths = run(&mirrors, &[wanted], directory.path(), &|_| {}).unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), content());
    assert_eq!(*asked.lock().unwrap(), [0, 120_000]);
}

#[test]
fn a_damaged_file_is_fetched_anew() {
    let mirrors = mirror(Arc::new(|_, _, number| {
        let mut body = content();
        if number == 0 {
            body[1000] ^= 1;
        }
        (200, body.len() as u64, body)
    }));
    let directory = tempfile::tempdir().unwrap();
    let wanted = file("pool/a.deb", &content());
    let paths = run(
        &mirrors,
        std::slice::from_ref(&wanted),
        directory.path(),
        &|_| {},
    )
    .unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), content());
    assert_eq!(
        fs::read_dir(directory.path().join(&wanted.sha256))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn what_is_gone_says_to_update() {
    let mirrors = mirror(Arc::new(|_, _, _| (404, 0, Vec::new())));
    let directory = tempfile::tempdir().unwrap();
    let wanted = file("pool/old_1.deb", b"old");
    let error = run(&mirrors, &[wanted], directory.path(), &|_| {}).unwrap_err();
    assert!(matches!(error, Error::Gone { .. }));
    assert_eq!(
        error.to_string(),
        "pool/old_1.deb is pinned in flk.lock but gone from the mirror `debian`: run `flk update`"
    );
}

/// Apt's sources with these addresses, all of which may be Debian's mirror by what is said of them there.
fn sources(addresses: &[&str]) -> Mirrors {
    let apt = tempfile::tempdir().unwrap();
    let lines: String = addresses
        .iter()
        .map(|address| format!("deb {address} trixie main\n"))
        .collect();
    fs::write(apt.path().join("sources.list"), lines).unwrap();
    Mirrors::discover(apt.path(), (None, None), None).unwrap()
}

#[test]
fn what_may_be_the_mirror_is_asked_in_order() {
    let content = content();
    let served = content.clone();
    // One has other files, one has a file of that name with another content, one is not there.
    let foreign = server(Arc::new(|_, _, _| (404, 0, Vec::new())));
    let wrong = server(Arc::new(|_, _, _| (403, 0, Vec::new())));
    let right = server(Arc::new(move |_, start, _| {
        let rest = served[usize::try_from(start).unwrap()..].to_vec();
        (if start > 0 { 206 } else { 200 }, rest.len() as u64, rest)
    }));
    let files = [
        file("pool/a_1_amd64.deb", &content),
        file("pool/b_1_amd64.deb", &content),
    ];
    for addresses in [
        [&foreign, &wrong, &right],
        [&right, &foreign, &wrong],
        [&wrong, &right, &foreign],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mirrors = sources(&addresses.map(String::as_str));
        let paths = run(&mirrors, &files, directory.path(), &|_| {}).unwrap();
        assert_eq!(paths.len(), 2);
        assert!(paths.iter().all(|path| fs::read(path).unwrap() == content));
    }
    // Where nobody has it, the first one's answer is reported.
    let directory = tempfile::tempdir().unwrap();
    let error = run(
        &sources(&[&foreign, &wrong]),
        &files,
        directory.path(),
        &|_| {},
    )
    .unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
}

#[test]
fn what_is_not_debians_is_not_taken_for_its_mirror() {
    use crate::archive::{Keyring, Update, update};
    let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    // Any keyring does: nothing here is signed by anybody.
    let Ok(keyring) = Keyring::read(keyring) else {
        return;
    };
    let foreign = server(Arc::new(|_, _, _| (404, 0, Vec::new())));
    let unsigned = server(Arc::new(|_, _, _| {
        let text = b"Origin: code stable\nSuite: stable\n".to_vec();
        (200, text.len() as u64, text)
    }));
    let with_password = unsigned.replace("http://", "http://op:hidden@");
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(Proxies::default()).unwrap();
    let options = Update {
        suite: "trixie",
        components: &["main"],
        keyring: &keyring,
        now: std::time::SystemTime::now(),
        directory: directory.path(),
    };
    let error = update(
        &client,
        &sources(&[&foreign, &with_password]),
        &options,
        &|_| {},
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::NotDebian { .. }), "{text}");
    assert!(text.contains("does not have the suite `trixie`"), "{text}");
    assert!(
        text.contains("the signature of http://***@127.0.0.1"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
}
