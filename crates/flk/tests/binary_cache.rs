//! A host's image out of a signed binary cache, from a folder and over HTTP, where nothing could be built; and not with another's signature.

mod workbench;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use workbench::{Workbench, nix_is_here, skipped};

/// The builder works as long as a file is there.
const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      top = builtins.toFile "top" "@SALT@";
      text = builtins.toJSON {
        version = 1; host = "cached"; system = "x86_64-linux"; channel = "nixpkgs"; volumeId = "CACHED"; fileName = "cached.iso";
        liveToplevel = top; hostToplevel = top; storeRoots = [ top ]; contents = [ ];
        compression = { codec = "zstd"; level = 1; blockSize = 131072; };
        boot = { bios = null; efi = null; };
      };
      image = derivation {
        name = "image.json"; system = "x86_64-linux"; builder = "/bin/sh"; inherit text;
        args = [ "-c" "test -e @MARK@ && printf %s \"$text\" > $out" ];
      };
    in
    {
      nixosConfigurations.cached = {
        config.system.build.toplevel = image;
        extendModules = _: { config.system.build.flkImage = image; };
      };
    };
}
"#;

fn nix(arguments: &[&str]) -> String {
    let output = Command::new("nix")
        .args(["--option", "extra-experimental-features", "nix-command"])
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nix {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn key(bench: &Workbench, name: &str) -> (PathBuf, String) {
    let secret = nix(&["key", "generate-secret", "--key-name", name]);
    bench.write(name, &secret);
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "nix --option extra-experimental-features nix-command key convert-secret-to-public < {}",
            bench.at(name).display()
        ))
        .output()
        .unwrap();
    (
        bench.at(name),
        String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The files of a folder, by HTTP/1.0 on loopback; gives the address.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            let request = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let path = request
                .split(' ')
                .nth(1)
                .unwrap_or("/")
                .trim_start_matches('/');
            let (state, content) = match fs::read(folder.join(path)) {
                Ok(content) => ("200 OK", content),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.0 {state}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                content.len()
            );
            let mut stream = &stream;
            let _ = stream.write_all(head.as_bytes());
            if request.starts_with("GET") {
                let _ = stream.write_all(&content);
            }
        }
    });
    address
}

/// The image leaves the store; gives its path.
fn forget(bench: &Workbench) -> String {
    let roots = bench.home(".cache/flk/roots");
    let link = fs::read_dir(roots)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("iso-"))
        })
        .unwrap();
    let image = fs::read_link(&link).unwrap();
    fs::remove_file(link).unwrap();
    let deleted = Command::new("nix-store")
        .arg("--delete")
        .arg(&image)
        .output()
        .unwrap();
    assert!(
        deleted.status.success(),
        "{}",
        String::from_utf8_lossy(&deleted.stderr)
    );
    image.to_str().unwrap().to_owned()
}

#[test]
fn images_come_from_a_cache_that_is_trusted() {
    if !nix_is_here() {
        return;
    }
    if !is_root() {
        skipped("whose signatures count is for root to say");
        return;
    }
    let bench = Workbench::new();
    let mark = bench.at("mark");
    let salt = format!("{:?}", std::time::SystemTime::now());
    bench.write(
        "r/flake.nix",
        &FLAKE
            .replace("@SALT@", &salt.replace('"', ""))
            .replace("@MARK@", mark.to_str().unwrap()),
    );
    let cache = format!("file://{}", bench.at("cache").display());
    let iso = |substituters: &str, key: &str| {
        let _ = fs::remove_file(bench.at("cached.iso"));
        bench.flk(&[
            "iso",
            "--flake",
            "r#cached",
            "--no-host-key",
            "--out",
            "cached.iso",
            "--option",
            "sandbox",
            "false",
            "--substituters",
            substituters,
            "--option",
            "trusted-public-keys",
            key,
        ])
    };
    let (secret, public) = key(&bench, "ours-1");
    let (_, other) = key(&bench, "ours-2");

    fs::write(&mark, "").unwrap();
    iso("", &public).ended(0);
    let image = fs::read_dir(bench.home(".cache/flk/roots"))
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let is_image = entry.file_name().to_string_lossy().starts_with("iso-");
            is_image.then(|| fs::read_link(entry.path()).unwrap())
        })
        .unwrap();
    let image = image.to_str().unwrap();
    nix(&[
        "store",
        "sign",
        "--recursive",
        "--key-file",
        secret.to_str().unwrap(),
        image,
    ]);
    nix(&["copy", "--to", &cache, image]);
    assert_eq!(forget(&bench), image);
    fs::remove_file(&mark).unwrap();

    // Nobody can build it any more, and another's signature is none.
    iso(&cache, &other)
        .ended(1)
        .said("image.json.drv failed to build")
        .said("log /nix/store/");
    assert!(!Path::new(image).exists());

    iso(&cache, &public).ended(0).said("fetch: ");
    assert!(bench.at("cached.iso").exists());
    forget(&bench);
    let address = serve(bench.at("cache"));
    iso(&address, &other)
        .ended(1)
        .said("image.json.drv failed to build");
    iso(&address, &public).ended(0);
    assert!(Path::new(image).exists());
    forget(&bench);
}

fn is_root() -> bool {
    fs::metadata("/proc/self")
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}
