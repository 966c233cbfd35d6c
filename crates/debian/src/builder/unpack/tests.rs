//! Packages that the tests make, well-formed and hostile.

use super::*;
use std::os::unix::fs::PermissionsExt;

enum Member<'a> {
    Folder(&'a str),
    File(&'a str, u32, &'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Device(&'a str),
}

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        header.set_username("root").unwrap();
        header.set_groupname("staff").unwrap();
        let (name, content, link) = match member {
            Member::Folder(name) => {
                header.set_entry_type(tar::EntryType::Directory);
                (*name, "", None)
            }
            Member::File(name, mode, content) => {
                header.set_mode(*mode);
                header.set_size(content.len() as u64);
                (*name, *content, None)
            }
            Member::Link(name, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                (*name, "", Some(*target))
            }
            Member::Hard(name, target) => {
                header.set_entry_type(tar::EntryType::Link);
                (*name, "", Some(*target))
            }
            Member::Device(name) => {
                header.set_entry_type(tar::EntryType::Char);
                (*name, "", None)
            }
        };
        // Written by hand: the builder itself would refuse `..`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn deb(folder: &Path, suffix: &str, members: &[Member<'_>]) -> PathBuf {
    let compress = |bytes: Vec<u8>| match suffix {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            std::io::Write::write_all(&mut encoder, &bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
        ".gz" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, &bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => bytes,
    };
    let control = compress(tar(&[
        Member::File("./control", 0o644, "Package: test\nVersion: 1\n"),
        Member::File(
            "./postinst",
            0o755,
            "update-alternatives --install /usr/bin/x x /usr/bin/test 7\n",
        ),
    ]));
    let data = compress(tar(members));
    let path = folder.join(format!("test{suffix}.deb"));
    let mut builder = ar::Builder::new(fs::File::create(&path).unwrap());
    for (name, content) in [
        ("debian-binary".to_owned(), b"2.0\n".to_vec()),
        (format!("control.tar{suffix}"), control),
        (format!("data.tar{suffix}"), data),
    ] {
        let header = ar::Header::new(name.into_bytes(), content.len() as u64);
        builder.append(&header, content.as_slice()).unwrap();
    }
    path
}

fn run(folder: &Path, suffix: &str, members: &[Member<'_>]) -> Result<PathBuf> {
    let out = folder.join(format!("out{suffix}"));
    let parameters = Unpack {
        deb: deb(folder, suffix, members),
        package: "test".to_owned(),
    };
    let build = Build {
        out: &out,
        warn: &|line| panic!("{line}"),
    };
    unpack(&parameters, build).map(|()| out)
}

#[test]
fn a_package_is_unpacked_whatever_its_compression() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let folder = tempfile::tempdir().unwrap();
        let out = run(
            folder.path(),
            suffix,
            &[
                Member::Folder("./"),
                Member::Folder("./bin/"),
                Member::File("./bin/test", 0o4750, "program"),
                Member::Hard("./usr/bin/same", "./bin/test"),
                Member::Link("./lib/x.so", "x.so.1"),
                Member::Link("./sbin", "usr/sbin"),
                Member::File("./etc/test.conf", 0o600, "conf"),
                Member::File("./usr/share/doc/test/copyright", 0o644, "free"),
                Member::File("./usr/share/doc/test/changelog.gz", 0o644, "long"),
                Member::Link("./usr/share/doc/other", "test"),
                Member::File("./usr/share/lintian/overrides/test", 0o644, ""),
            ],
        )
        .unwrap();
        let read = |path: &str| fs::read_to_string(out.join(path)).unwrap();
        let mode = |path: &str| fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(read("usr/bin/test"), "program");
        assert_eq!(mode("usr/bin/test"), 0o755);
        assert_eq!(read("bin/same"), "program");
        assert_eq!(mode("etc/test.conf"), 0o644);
        assert_eq!(
            fs::read_link(out.join("lib/x.so")).unwrap(),
            Path::new("x.so.1")
        );
        assert_eq!(
            fs::read_link(out.join("lib")).unwrap(),
            Path::new("usr/lib")
        );
        assert_eq!(read("usr/share/doc/test/copyright"), "free");
        for absent in [
            "usr/share/doc/test/changelog.gz",
            "usr/share/doc/other",
            "usr/share/lintian",
            "sbin",
            "include",
        ] {
            assert!(fs::symlink_metadata(out.join(absent)).is_err(), "{absent}");
        }
        let special: serde_json::Value =
            serde_json::from_str(&read("nix-support/special.json")).unwrap();
        assert_eq!(
            special,
            serde_json::json!([
                { "path": "/usr/bin/test", "mode": "4750", "owner": "root", "group": "staff" }
            ])
        );
        let alternatives: serde_json::Value =
            serde_json::from_str(&read("nix-support/alternatives.json")).unwrap();
        assert_eq!(
            alternatives,
            serde_json::json!([
                { "link": "/usr/bin/x", "name": "x", "target": "/usr/bin/test", "priority": 7 }
            ])
        );
        assert!(read("nix-support/control").starts_with("Package: test"));
    }
}

#[test]
fn nothing_is_written_outside_or_through_links() {
    let hostile: [(&[Member<'_>], &str); 6] = [
        (&[Member::File("../evil", 0o644, "")], "leads out"),
        (&[Member::File("/etc/evil", 0o644, "")], "leads out"),
        (&[Member::File("usr/../../evil", 0o644, "")], "leads out"),
        (
            &[
                Member::Link("./usr/share/x", "/tmp"),
                Member::File("./usr/share/x/evil", 0o644, ""),
            ],
            "below something that is no folder",
        ),
        (&[Member::Hard("./usr/x", "../../etc/shadow")], "leads out"),
        (&[Member::Device("./dev/null")], "a device"),
    ];
    for (members, expected) in hostile {
        let folder = tempfile::tempdir().unwrap();
        let error = run(folder.path(), ".gz", members).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_no_package_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.deb");
    fs::write(&path, "no archive at all, just some text").unwrap();
    let error = Deb::new(&path).control().unwrap_err().to_string();
    assert!(error.contains("x.deb is not a Debian package"), "{error}");
}
