//! An ISO of a small made-up store, judged by `unsquashfs`, `xorriso` and `nix-store`.

mod fixture;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use fixture::{Fixture, have, noise, skip, store_name};
use flk_image::{
    Digests, Error, Phase, Progress, Revision, Stamp, build_id, registration, stamp, write,
};

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
    if !have(&["unsquashfs", "xorriso"]) {
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
    let metadata = fs::metadata(&iso).unwrap();
    assert_eq!(written.size, metadata.len());
    assert!(!written.reused);
    // It has a private key.
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
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
        ("'/flk/mirrors.json'", "-r--r--r--"),
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
        "System area summary: MBR cyl-align-off GPT",
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
        build.host_toplevel.as_ref(),
        Some(&fixture.manifest.host_toplevel)
    );
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
fn the_iso_knows_its_own_digests() {
    let fixture = Fixture::new();
    let iso = fixture.dir.path().join("x.iso");
    let written = fixture.write(&iso).unwrap();
    let digests = Digests::read(&iso).unwrap();
    assert_eq!(digests.build, written.build);
    assert_eq!(digests.length, written.size);
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(&iso)
        .unwrap();
    let damaged = || {
        digests
            .damaged(&file, NonZeroUsize::MIN, &mut |_| {})
            .unwrap()
    };
    assert_eq!(damaged(), [0; 0]);
    // From the boot sector to the second GPT.
    let own = digests.own_offset..digests.own_offset + digests.own_length;
    for number in 0..40 {
        let at = number * (written.size - 1) / 39;
        if own.contains(&at) {
            continue;
        }
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[!byte[0]], at).unwrap();
        let block = at / flk_image::digests::BLOCK * flk_image::digests::BLOCK;
        assert_eq!(damaged(), [block], "byte {at}");
        file.write_all_at(&byte, at).unwrap();
    }
    file.write_all_at(b"?", digests.own_offset + 100).unwrap();
    assert!(matches!(Digests::read(&iso), Err(Error::Digests { .. })));
}

#[test]
fn two_runs_give_the_same_bytes() {
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
    fixture.options.mirrors = None;
    ids.push(id(&fixture));
    for dirty in [false, true] {
        fixture.options.revision = Some(Revision {
            revision: "0123".into(),
            dirty,
            time: Some(1),
        });
        ids.push(id(&fixture));
    }
    let repository = fixture.options.repository.clone().unwrap();
    fs::write(repository.join("new"), "").unwrap();
    ids.push(id(&fixture));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

#[test]
fn the_iso_boots_in_one_way_only_if_so_asked() {
    if !have(&["xorriso"]) {
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
