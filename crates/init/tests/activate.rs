//! `flk-init activate` on a root of its own, in a mount and host name space of its own: what an administrator sees after one generation and after the next.
//!
//! Needs root and `unshare(1)`; without them it is passed over, and in CI (`CI=true`) it is a failure.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const PREPARE: &str = "set -e
mount -t tmpfs -o mode=0755 tmpfs \"$1\"
cp -a \"$2\"/. \"$1\"
mkdir -p \"$1/proc\" \"$1/run\" && mount -t proc proc \"$1/proc\"
chroot \"$1\" /flk-init activate /nix/store/one && echo first done
ls -lL \"$1/run/wrappers/bin/tool\"
echo by hand > \"$1/etc/by-hand\" && rm \"$1/etc/old\"
touch \"$1/usr/x\" 2>/dev/null && echo usr is writable
mount --bind \"$1/etc/generation\" \"$1/etc/pinned\"
chroot \"$1\" /flk-init activate /nix/store/two || echo second failed with $?
hostname
for f in etc/generation etc/by-hand etc/pinned etc/passwd etc/group etc/shadow usr/share/name var/lib/flk/ids.json home/u/.profile etc/hostname; do echo \"-- $f\"; cat \"$1/$f\"; done
echo -- rest
ls \"$1/etc\" \"$1/run/wrappers/bin\"
readlink \"$1/run/current-system\" \"$1/bin\"
grep -c ' /etc ' \"$1/proc/self/mounts\" || grep -c \"$1/etc \" /proc/self/mounts
";

fn is_possible() -> bool {
    let possible = Command::new("unshare")
        .args(["--mount", "--uts", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "unshare --mount --uts is not possible"
        );
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: unshare --mount --uts is not possible here"
        );
    }
    possible
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn generations_follow_each_other() {
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, image) = (folder.path().join("root"), folder.path().join("image"));
    fs::create_dir_all(&root).unwrap();
    let store = image.join("nix/store");
    for (name, users, wrapper) in [
        (
            "one",
            r#"{"name":"u","group":"g","extraGroups":["wheel"],"home":"/home/u","createHome":true,"shell":"/bin/sh","initialHashedPassword":"$x"}"#,
            "tool",
        ),
        (
            "two",
            r#"{"name":"v","group":"g","home":"/home/v","shell":"/bin/sh"}"#,
            "nowhere",
        ),
    ] {
        write(&store.join(name).join("etc/generation"), name);
        write(&store.join(name).join("etc/pinned"), "not pinned");
        write(&store.join(name).join("sw/share/name"), name);
        write(&store.join(name).join("sw/bin/tool"), "#!/bin/sh\n");
        let json = format!(
            r#"{{"version":1,"hostName":"host-{name}","mutableUsers":false,"users":[{users}],
                "groups":[{{"name":"g","gid":null}},{{"name":"wheel","gid":1}},{{"name":"shadow","gid":42}}],
                "wrappers":[{{"name":"tool","source":"/usr/bin/{wrapper}","group":"wheel","mode":"4750"}}]}}"#
        );
        write(&store.join(name).join("stage2.json"), &json);
    }
    write(&store.join("one/etc/old"), "");
    write(&store.join("one/etc/skel/.profile"), "from skel");
    symlink("one", store.join("link")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_flk-init"), image.join("flk-init")).unwrap();
    fs::set_permissions(image.join("flk-init"), fs::Permissions::from_mode(0o755)).unwrap();

    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--uts",
            "--propagation",
            "private",
            "sh",
            "-c",
            PREPARE,
            "sh",
        ])
        .args([&root, &image]);
    let output = command.output().unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let part = |name: &str| {
        said.split(&format!("-- {name}\n"))
            .nth(1)
            .unwrap_or("")
            .split("-- ")
            .next()
            .unwrap_or("")
            .trim()
            .to_owned()
    };

    assert!(said.contains("first done"), "{said}{errors}");
    assert!(said.contains("-rwsr-x--- 1 root"), "{said}");
    assert!(!said.contains("usr is writable"));
    // The second generation's wrapper has no source: that is said, and the rest is done.
    assert!(said.contains("second failed with 1"), "{said}{errors}");
    assert!(errors.contains("cannot open /usr/bin/nowhere"), "{errors}");
    assert!(said.contains("host-two"));
    assert_eq!(part("etc/generation"), "two");
    assert_eq!(part("usr/share/name"), "two");
    assert_eq!(
        part("etc/by-hand"),
        "by hand",
        "what was written by hand stays"
    );
    assert_eq!(
        part("etc/pinned"),
        "one",
        "what was mounted below /etc stays mounted"
    );
    assert_eq!(part("etc/hostname"), "host-two");
    assert_eq!(
        part("home/u/.profile"),
        "from skel",
        "the home of a user who is gone stays"
    );
    let passwd = part("etc/passwd");
    assert!(
        passwd.contains("v:x:1001:999::/home/v:/bin/sh") && !passwd.contains("u:x:"),
        "{passwd}"
    );
    assert!(part("etc/shadow").contains("v:!:"));
    assert!(part("etc/group").contains("wheel:x:1:\n"), "{said}");
    assert!(part("var/lib/flk/ids.json").contains(r#""u": 1000"#));
    let rest = part("rest");
    assert!(!rest.contains("old\n"), "{rest}");
    assert!(!rest.contains("tool"), "{rest}");
    assert!(rest.contains("/nix/store/two\nusr/bin\n"), "{rest}");
    assert!(rest.ends_with("\n1"), "one /etc, not two: {rest}");
}

#[test]
fn a_wrong_toplevel_changes_nothing_and_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_flk-init"))
        .args(["activate", "/no/such/system"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .starts_with("flk-init: error: cannot find the system /no/such/system\n")
    );
    let output = Command::new(env!("CARGO_BIN_EXE_flk-init"))
        .arg("deactivate")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
