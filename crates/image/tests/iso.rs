//! An ISO of a small made-up store, judged by `unsquashfs`, `xorriso`, `nix-store` and a full disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use flk_image::{
    BiosBoot, Boot, Compression, Content, EfiBoot, Error, HostKey, Manifest, Options, Phase,
    Progress, Stamp, build_id, registration, stamp, write,
};
use flk_nix::{Closure, PathInfo};

/// A store in a folder of its own, and what an ISO is made of.
struct Fixture {
    dir: tempfile::TempDir,
    manifest: Manifest,
    closure: Closure,
    options: Options,
}

fn store_name(letter: char, name: &str) -> String {
    format!("{}-{name}", letter.to_string().repeat(32))
}

/// Bytes that no codec makes smaller (a xorshift generator's).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::in_order(false)
    }

    /// `reversed`: the files get their inodes, and the closure its paths, in the other order.
    fn in_order(reversed: bool) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        let boot = store.join(store_name('b', "boot"));
        let repository = store.join(store_name('r', "source"));
        let mut files: Vec<(PathBuf, Vec<u8>, u32)> = vec![
            (boot.join("bzImage"), noise(300_000), 0o444),
            (boot.join("initrd"), noise(200_001), 0o444),
            (boot.join("isolinux.bin"), noise(24_576), 0o444),
            (boot.join("mbr.bin"), noise(432), 0o444),
            (boot.join("efi.img"), vec![0x55; 1_474_560], 0o444),
            (
                repository.join("hosts/NixOS.nix"),
                b"{ ... }: { }\n".to_vec(),
                0o444,
            ),
            (repository.join("it's=a\\b name"), b"odd\n".to_vec(), 0o444),
            (repository.join("same"), b"{ ... }: { }\n".to_vec(), 0o444),
            (repository.join("run"), b"#!/bin/sh\n".to_vec(), 0o555),
            (
                repository.join("1/2/3/4/5/6/7/8/9/deep"),
                b"deep\n".to_vec(),
                0o444,
            ),
            (
                store.join(store_name('s', "system")).join("init"),
                b"#!/bin/sh\n".to_vec(),
                0o555,
            ),
            (store.join(store_name('v', "text")), noise(5_000), 0o444),
        ];
        if reversed {
            files.reverse();
        }
        for (path, bytes, mode) in files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let system = store_name('s', "system");
        symlink(
            format!("/nix/store/{}/bzImage", store_name('b', "boot")),
            store.join(&system).join("kernel"),
        )
        .unwrap();

        let logical = |name: &str| format!("/nix/store/{name}");
        let info = |name: &str, references: &[&str]| PathInfo {
            path: logical(name),
            nar_hash: "5e".repeat(32),
            nar_size: 10_000,
            references: references.iter().map(|name| logical(name)).collect(),
        };
        let mut paths = vec![
            info(&store_name('b', "boot"), &[]),
            info(
                &system,
                &[&store_name('b', "boot"), &system, &store_name('v', "text")],
            ),
            info(&store_name('v', "text"), &[]),
        ];
        if reversed {
            paths.reverse();
        }
        let content = |source: String, target: &str| Content {
            source,
            target: target.into(),
        };
        let in_boot = |file: &str| format!("{}/{file}", logical(&store_name('b', "boot")));
        let manifest = Manifest {
            version: 1,
            host: "NixOS".into(),
            system: "x86_64-linux".into(),
            channel: "debian".into(),
            volume_id: "flk-NixOS".into(),
            file_name: "NixOS.iso".into(),
            live_toplevel: logical(&system),
            host_toplevel: logical(&system),
            store_roots: vec![logical(&system)],
            compression: Compression {
                codec: "zstd".into(),
                level: Some(3),
                block_size: 1 << 20,
            },
            contents: vec![
                content(format!("{}/kernel", logical(&system)), "/boot/bzImage"),
                content(in_boot("initrd"), "boot/initrd"),
                content(in_boot("isolinux.bin"), "/isolinux/isolinux.bin"),
                content(in_boot("efi.img"), "/boot/efi.img"),
            ],
            boot: Boot {
                bios: Some(BiosBoot {
                    image: "/isolinux/isolinux.bin".into(),
                    mbr: Some(in_boot("mbr.bin")),
                }),
                efi: Some(EfiBoot {
                    image: "/boot/efi.img".into(),
                }),
            },
        };
        let mut options = Options::new("0.1.0");
        options.store = store;
        options.repository = Some(repository);
        options.host_key = Some(HostKey {
            private: "-----BEGIN OPENSSH PRIVATE KEY-----\n".into(),
            public: "ssh-ed25519 AAAA flk live NixOS\n".into(),
            fingerprint: "SHA256:7iBXQQkPrsTTT7nMAhHKTmZzrlHSoXJmwbkZBG8oYtw".into(),
        });
        Fixture {
            dir,
            manifest,
            closure: Closure { paths },
            options,
        }
    }

    fn write(&self, out: &Path) -> Result<flk_image::Written, Error> {
        write(
            &self.manifest,
            &self.closure,
            &self.options,
            out,
            &mut |_| {},
        )
    }
}

/// Whether the programs are there; without them a test fails in CI and is skipped elsewhere.
fn have(programs: &[&str]) -> bool {
    for program in programs {
        if Command::new(program).arg("-version").output().is_err() {
            return skip(&format!("{program} is not installed"));
        }
    }
    true
}

fn skip(why: &str) -> bool {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{why}, and in CI nothing is skipped"
    );
    // The one way that libtest shows for a test that passes.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("SKIPPED: {why}\n").as_bytes(),
    );
    false
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn extract(iso: &Path, place: &str, to: &Path) {
    let iso = format!("stdio:{}", iso.display());
    let arguments = ["-no_rc", "-osirrox", "on", "-indev", &iso, "-extract"];
    output(
        "xorriso",
        &[&arguments[..], &[place, to.to_str().unwrap()]].concat(),
    );
}

#[test]
fn the_iso_has_the_store_the_contents_the_repository_and_its_name() {
    if !have(&["mksquashfs", "unsquashfs", "xorriso"]) {
        return;
    }
    let fixture = Fixture::new();
    let iso = fixture.dir.path().join("out/NixOS.iso");
    let mut seen: Vec<Progress> = Vec::new();
    let written = write(
        &fixture.manifest,
        &fixture.closure,
        &fixture.options,
        &iso,
        &mut |progress| seen.push(progress),
    )
    .unwrap();
    assert_eq!(written.size, fs::metadata(&iso).unwrap().len());
    assert!(!written.reused);
    for phase in [Phase::Compress, Phase::Wrap, Phase::Sync] {
        let of: Vec<_> = seen.iter().filter(|p| p.phase == phase).collect();
        assert!(of.windows(2).all(|w| w[0].done <= w[1].done));
        assert_eq!(of.last().unwrap().done, of.last().unwrap().total);
    }

    // Modes, owners, folders that are deeper than ECMA-119 likes, odd names.
    let dev = format!("stdio:{}", iso.display());
    let listing = output(
        "xorriso",
        &[
            "-no_rc", "-indev", &dev, "-find", "/", "-exec", "lsdl", "--",
        ],
    );
    let mode_of = |place: &str| -> String {
        let line = listing
            .lines()
            .find(|line| line.ends_with(&format!(" {place}")))
            .unwrap_or_else(|| panic!("{place} is missing in\n{listing}"));
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((fields[2], fields[3]), ("0", "0"), "{line}");
        assert!(line.contains(" Jan  1  1970 "), "{line}");
        fields[0].to_string()
    };
    for (place, mode) in [
        ("'/boot/bzImage'", "-r--r--r--"),
        ("'/devos'", "drwxr-xr-x"),
        ("'/devos/run'", "-r-xr-xr-x"),
        ("'/devos/1/2/3/4/5/6/7/8/9/deep'", "-r--r--r--"),
        ("'/devos/it'\"'\"'s=a\\b name'", "-r--r--r--"),
        ("'/flk/build.json'", "-r--r--r--"),
        ("'/flk/ssh_host_ed25519_key'", "-rw-------"),
        ("'/flk/ssh_host_ed25519_key.pub'", "-r--r--r--"),
        ("'/nix-store.squashfs'", "-r--r--r--"),
    ] {
        assert_eq!(mode_of(place), mode, "{place}");
    }
    assert!(!listing.contains("rr_moved"), "{listing}");

    // Both ways of booting, from both kinds of medium.
    let report = output(
        "xorriso",
        &[
            "-no_rc",
            "-indev",
            &dev,
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
        ],
    );
    for expected in [
        "BIOS",
        "UEFI",
        "/isolinux/isolinux.bin",
        "/boot/efi.img",
        "System area summary: MBR cyl-align-on GPT",
        "GPT partition name",
    ] {
        assert!(
            report.contains(expected),
            "{expected} is missing in\n{report}"
        );
    }

    // The contents are what they were; a link to a content is followed.
    let got = fixture.dir.path().join("bzImage");
    extract(&iso, "/boot/bzImage", &got);
    assert_eq!(fs::read(&got).unwrap(), noise(300_000));

    let json = fixture.dir.path().join("build.json");
    extract(&iso, "/flk/build.json", &json);
    let build = flk_image::Build::read(&json).unwrap();
    assert_eq!(build.build, written.build);
    assert_eq!(build.host, "NixOS");
    assert_eq!(
        build_id(&fixture.manifest, &fixture.closure, &fixture.options).unwrap(),
        written.build
    );

    let squashfs = fixture.dir.path().join("store.squashfs");
    extract(&iso, "/nix-store.squashfs", &squashfs);
    let listing = output("unsquashfs", &["-lls", "-UTC", squashfs.to_str().unwrap()]);
    for (mode, name) in [
        ("drwxr-xr-x root/root", "squashfs-root".to_string()),
        (
            "-r--r--r-- root/root",
            "squashfs-root/nix-path-registration".into(),
        ),
        (
            "-r-xr-xr-x root/root",
            format!("squashfs-root/{}/init", store_name('s', "system")),
        ),
        (
            "lrwxrwxrwx root/root",
            format!(
                "squashfs-root/{}/kernel -> /nix/store/{}/bzImage",
                store_name('s', "system"),
                store_name('b', "boot")
            ),
        ),
        (
            "-r--r--r-- root/root",
            format!("squashfs-root/{}", store_name('v', "text")),
        ),
    ] {
        let line = listing
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")))
            .unwrap_or_else(|| panic!("{name} is missing in\n{listing}"));
        assert!(line.starts_with(mode), "{line}");
        assert!(line.contains(" 1970-01-01 00:00 "), "{line}");
    }
    let registered = output(
        "unsquashfs",
        &["-cat", squashfs.to_str().unwrap(), "nix-path-registration"],
    );
    assert_eq!(registered, registration(&fixture.closure));
}

#[test]
fn two_runs_give_the_same_bytes() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    let first = Fixture::new();
    let mut second = Fixture::in_order(true);
    second.options.threads = std::num::NonZeroUsize::new(1);
    let (a, b) = (
        first.dir.path().join("a.iso"),
        second.dir.path().join("deep/er/b.iso"),
    );
    let written = first.write(&a).unwrap();
    // Times with a resolution of a second would show.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(second.write(&b).unwrap(), written);
    let (a, b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    let differ = a.iter().zip(&b).position(|(a, b)| a != b);
    assert!(
        a.len() == b.len() && differ.is_none(),
        "differ at {differ:?}"
    );
}

#[test]
fn an_unchanged_iso_is_kept_and_any_change_makes_another() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    let mut fixture = Fixture::new();
    let iso = fixture.dir.path().join("NixOS.iso");
    let written = fixture.write(&iso).unwrap();
    let stamped = stamp(&iso).unwrap().unwrap();
    let fingerprint = "SHA256:7iBXQQkPrsTTT7nMAhHKTmZzrlHSoXJmwbkZBG8oYtw";
    assert_eq!(
        stamped,
        Stamp::new(written.build.clone(), Some(fingerprint))
    );
    let time = fs::metadata(&iso).unwrap().modified().unwrap();
    assert!(fixture.write(&iso).unwrap().reused);
    assert_eq!(fs::metadata(&iso).unwrap().modified().unwrap(), time);

    // The same build with another operator's key.
    fixture.options.host_key.as_mut().unwrap().fingerprint = "SHA256:other".into();
    let again = fixture.write(&iso).unwrap();
    assert!(!again.reused);
    assert_eq!(again.build, written.build);

    // An ISO that was cut short.
    let file = fs::File::options().write(true).open(&iso).unwrap();
    file.set_len(again.size / 2).unwrap();
    assert_eq!(stamp(&iso).unwrap(), None);
    assert!(!fixture.write(&iso).unwrap().reused);

    let id = |fixture: &Fixture| {
        build_id(&fixture.manifest, &fixture.closure, &fixture.options).unwrap()
    };
    let mut ids = vec![id(&fixture)];
    fixture.closure.paths[0].nar_hash = "ee".repeat(32);
    ids.push(id(&fixture));
    fixture.manifest.volume_id = "other".into();
    ids.push(id(&fixture));
    fixture.options.flk_version = "0.2.0".into();
    ids.push(id(&fixture));
    let repository = fixture.options.repository.clone().unwrap();
    fs::write(repository.join("new"), "").unwrap();
    ids.push(id(&fixture));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn the_iso_boots_in_one_way_only_if_so_asked() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    for (bios, efi) in [(true, false), (false, true), (false, false)] {
        let mut fixture = Fixture::new();
        if !bios {
            fixture.manifest.boot.bios = None;
        }
        if !efi {
            fixture.manifest.boot.efi = None;
        }
        let iso = fixture.dir.path().join("x.iso");
        fixture.write(&iso).unwrap();
        let dev = format!("stdio:{}", iso.display());
        let report = output(
            "xorriso",
            &[
                "-no_rc",
                "-indev",
                &dev,
                "-report_el_torito",
                "plain",
                "-report_system_area",
                "plain",
            ],
        );
        assert_eq!(report.contains(" BIOS "), bios, "{report}");
        assert_eq!(report.contains(" UEFI "), efi, "{report}");
        assert_eq!(report.contains("GPT partition"), efi, "{report}");
        let again = fixture.dir.path().join("y.iso");
        fixture.write(&again).unwrap();
        assert!(fs::read(&iso).unwrap() == fs::read(&again).unwrap());
    }
}

#[test]
fn nix_loads_the_registration() {
    if Command::new("nix-store").arg("--version").output().is_err() {
        skip("nix-store is not installed");
        return;
    }
    let fixture = Fixture::new();
    let nix = |argument: &str| {
        let mut command = Command::new("nix-store");
        command.arg(argument);
        command
            .env("NIX_STATE_DIR", fixture.dir.path().join("state"))
            .env("NIX_LOG_DIR", fixture.dir.path().join("log"))
            .env("NIX_CONF_DIR", fixture.dir.path())
            .env("NIX_REMOTE", "local")
            .env("NIX_CONFIG", "build-users-group =");
        command
    };
    let text = registration(&fixture.closure);
    let file = fixture.dir.path().join("registration");
    fs::write(&file, &text).unwrap();
    let loaded = nix("--load-db")
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(
        loaded.status.success(),
        "{}",
        String::from_utf8_lossy(&loaded.stderr)
    );
    let dumped = String::from_utf8(nix("--dump-db").output().unwrap().stdout).unwrap();
    // Nix leaves the prefix of the hash out.
    assert_eq!(dumped, text.replace("sha256:", ""));
}

#[test]
fn what_cannot_be_is_said_before_anything_is_written() {
    let refuse = |change: &dyn Fn(&mut Fixture), expected: &str| {
        let mut fixture = Fixture::new();
        change(&mut fixture);
        let out = fixture.dir.path().join("out");
        let message = fixture.write(&out.join("x.iso")).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!out.exists());
    };
    refuse(
        &|f| f.manifest.contents[1].target = "/boot/bzImage".into(),
        "two things are to be put at /boot/bzImage",
    );
    refuse(
        &|f| f.manifest.contents[1].target = "/flk/key".into(),
        "at /flk on the ISO",
    );
    refuse(
        &|f| f.manifest.contents[1].target = "/nix-store.squashfs".into(),
        "at /nix-store.squashfs on the ISO",
    );
    refuse(
        &|f| f.manifest.contents[1].source = "/etc/passwd".into(),
        "/etc/passwd is not a path in /nix/store",
    );
    refuse(
        &|f| f.manifest.boot.efi.as_mut().unwrap().image = "/boot/none.img".into(),
        "/boot/none.img is not among the files of `contents`",
    );
    refuse(
        &|f| f.manifest.contents[1].source += ".missing",
        "cannot read",
    );
}

#[test]
fn a_failure_keeps_the_previous_iso_and_leaves_nothing() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    let mut fixture = Fixture::new();
    let out = fixture.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("x.iso"), "previous").unwrap();
    fixture.closure.paths[0].path = format!("/nix/store/{}", store_name('z', "missing"));
    let error = fixture.write(&out.join("x.iso")).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Tool {
                program: "mksquashfs",
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains(&store_name('z', "missing")),
        "{error}"
    );
    assert_eq!(fs::read(out.join("x.iso")).unwrap(), b"previous");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// The other process of the test below; does nothing unless that test starts it.
#[test]
fn a_run_that_is_killed() {
    let Some(iso) = std::env::var_os("FLK_TEST_KILLED_ISO") else {
        return;
    };
    let mut fixture = Fixture::new();
    let text = fixture.options.store.join(store_name('v', "text"));
    fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&text, noise(100_000_000)).unwrap();
    fixture.manifest.compression.level = Some(22);
    fixture.write(Path::new(&iso)).unwrap();
}

#[test]
fn a_killed_run_keeps_the_previous_iso_and_the_next_one_removes_its_debris() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    let fixture = Fixture::new();
    let out = fixture.dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let iso = out.join("x.iso");
    fs::write(&iso, "previous").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_run_that_is_killed"])
        .env("FLK_TEST_KILLED_ISO", &iso)
        .env("TMPDIR", fixture.dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let half = out.join(".x.iso.flk/store.squashfs");
    while !half.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it was too fast to be killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(matches!(fixture.write(&iso), Err(Error::Busy { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(half.exists());
    assert_eq!(fs::read(&iso).unwrap(), b"previous");
    fixture.write(&iso).unwrap();
    assert!(stamp(&iso).unwrap().is_some());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// A file system of a given size, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: PathBuf, megabytes: u32) -> Option<Tmpfs> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Tmpfs(at)),
            _ => {
                skip("a tmpfs cannot be mounted here (root is needed)");
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_with_what_is_needed_and_the_previous_iso_is_kept() {
    if !have(&["mksquashfs", "xorriso"]) {
        return;
    }
    // Too small at first sight; for the store image; for the ISO beside it.
    for (nar_size, noise_size, megabytes) in [
        (60_000_000, 5_000, 8),
        (10_000, 12_000_000, 10),
        (10_000, 12_000_000, 20),
    ] {
        let mut fixture = Fixture::new();
        fixture.closure.paths[0].nar_size = nar_size;
        let text = fixture.options.store.join(store_name('v', "text"));
        fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&text, noise(noise_size)).unwrap();
        let Some(disk) = Tmpfs::mount(fixture.dir.path().join("disk"), megabytes) else {
            return;
        };
        let iso = disk.0.join("x.iso");
        fs::write(&iso, "previous").unwrap();
        let error = fixture.write(&iso).unwrap_err();
        let Error::NoSpace { path, free, needed } = &error else {
            panic!("{error}");
        };
        assert_eq!(path, &disk.0);
        assert!(needed > free, "{error}");
        assert_eq!(fs::read(&iso).unwrap(), b"previous");
        assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1);
    }
}
