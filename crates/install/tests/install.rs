//! A small system from this machine's real store onto a file system of its own, judged by Nix.
//!
//! Needs root that may mount, and Nix; where root or Nix is missing it is skipped, but in CI that is a failure.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flk_install::{Error, Options, System, TEMPORARY_PREFIX, execute, plan};
use flk_nix::Nix;
use flk_tests::{Need, can_prove, run};

/// The name of a system that is NixOS's.
const NIXOS: &str = "nixos";

/// A mounted file system, and a system to be installed there.
struct Bench {
    dir: tempfile::TempDir,
    options: Options,
}

impl Bench {
    /// A root of `size` megabytes; `None`: something is missing here.
    fn open(name: &str, size: u32) -> Option<Bench> {
        let needs: &[Need] = &[Need::Root, Need::Program("nix"), Need::Program("mount")];
        if !can_prove("installing", &[needs]) {
            return None;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let nix = Nix::find(&path, flk_nix::Options::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let made = system(dir.path(), name);
        if name == NIXOS {
            make_nixos(&made);
        }
        let toplevel = nix.add_path(&made, &format!("system-{name}")).unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size}m,mode=0755"))
            .args([Path::new("tmpfs"), &root]);
        run(&mut mount).and_then(|output| output.success()).unwrap();
        let closure = nix.closure(&[&toplevel]).unwrap();
        Some(Bench {
            options: Options {
                host: "box".into(),
                system: System::read(&toplevel).unwrap(),
                closure,
                rest: None,
                root,
                boot_loader: true,
            },
            dir,
        })
    }

    fn root(&self) -> &Path {
        &self.options.root
    }

    /// The toplevel's place at the target.
    fn installed(&self) -> PathBuf {
        self.root()
            .join(self.options.system.toplevel.trim_start_matches('/'))
    }

    fn nix_store(&self, arguments: &[&str]) -> Output {
        Command::new("nix-store")
            .arg("--store")
            .arg(format!("local?root={}", self.root().display()))
            .args(arguments)
            .output()
            .unwrap()
    }

    fn verify(&self) {
        let output = self.nix_store(&["--verify", "--check-contents"]);
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.root()).status();
    }
}

/// A toplevel with nothing to boot, 3 MB of programs, and no devices.
fn system(dir: &Path, name: &str) -> PathBuf {
    let system = dir.join("system");
    fs::create_dir_all(system.join("etc")).unwrap();
    for (file, text) in [
        ("etc/fstab", "tmpfs /tmp tmpfs defaults 0 0\n"),
        (
            "stage2.json",
            r#"{"version":1,"stateDirectory":"/var/lib/flk"}"#,
        ),
        (
            "bootloader.json",
            r#"{"version":1,"kind":"none","efiSysMountPoint":"/boot"}"#,
        ),
        ("name", name),
    ] {
        fs::write(system.join(file), text).unwrap();
    }
    let noise: Vec<u8> = (0..3_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(system.join("program"), noise).unwrap();
    fs::set_permissions(system.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
    system
}

/// As NixOS has it: nothing of flk's own documents, but an activation and a switch, which write down what they see.
fn make_nixos(system: &Path) {
    for file in ["stage2.json", "bootloader.json"] {
        fs::remove_file(system.join(file)).unwrap();
    }
    fs::create_dir(system.join("bin")).unwrap();
    for (file, text) in [
        (
            "activate",
            "#!/bin/sh\nhostname inside\necho \"activate $IN_NIXOS_ENTER\" >>/record\nexit 3\n",
        ),
        (
            "bin/switch-to-configuration",
            "#!/bin/sh\nset -e\ntest -e /etc/NIXOS\ntest -c /dev/null\ntest -d /proc/1\n\
             echo \"$1 $NIXOS_INSTALL_BOOTLOADER $(readlink /etc/mtab) $(hostname)\" >>/record\n\
             echo updating the menu\necho 'warning: no room' >&2\n",
        ),
    ] {
        fs::write(system.join(file), text).unwrap();
        fs::set_permissions(system.join(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_nixos_installs_its_own_boot_loader_from_within() {
    let Some(bench) = Bench::open(NIXOS, 200) else {
        return;
    };
    // This machine's shell, for the two scripts.
    let root = bench.root();
    for (link, to) in [
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ] {
        symlink(to, root.join(link)).unwrap();
    }
    fs::create_dir(root.join("usr")).unwrap();
    let usr = root.join("usr");
    let mounted = Command::new("mount")
        .args(["--bind", "/usr"])
        .arg(&usr)
        .status();
    assert!(mounted.unwrap().success());
    let installed = execute(plan(&bench.options).unwrap(), &mut |_| {});
    let unmounted = Command::new("umount").arg(&usr).status();
    assert!(unmounted.unwrap().success());
    let installed = installed.unwrap();
    assert_eq!(
        fs::read_to_string(root.join("record")).unwrap(),
        "activate 1\nboot 1 /proc/mounts inside\n"
    );
    assert_eq!(
        installed.boot_loader,
        ["updating the menu", "warning: no room"]
    );
    // The machine that installs keeps its own name, and the target its own folders.
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_ne!(own.trim(), "inside");
    assert_eq!(fs::read_dir(root.join("proc")).unwrap().count(), 0);
    assert!(root.join("etc/ssh/ssh_host_ed25519_key").exists());
}

#[test]
fn a_system_is_installed_and_nix_finds_it_whole() {
    let Some(bench) = Bench::open("whole", 200) else {
        return;
    };
    let before = plan(&bench.options).unwrap();
    assert_eq!((before.paths, before.missing_paths), (1, 1));
    assert_eq!(fs::read_dir(bench.root()).unwrap().count(), 0);
    assert!(matches!(plan(&bench.options), Err(Error::Busy { .. })));

    let mut copied = 0;
    let installed = execute(before, &mut |progress| {
        copied = copied.max(progress.done);
    })
    .unwrap();
    assert_eq!(installed.generation, 1);
    assert!(installed.fingerprint.starts_with("SHA256:"));
    assert_eq!(copied, bench.options.closure.nar_size());
    bench.verify();
    let registered = bench.nix_store(&["--query", "--hash", &bench.options.system.toplevel]);
    assert!(registered.status.success(), "{registered:?}");
    let profile = bench.root().join("nix/var/nix/profiles/system");
    assert_eq!(
        fs::read_link(profile.with_file_name("system-1-link")).unwrap(),
        Path::new(&bench.options.system.toplevel)
    );
    let key = bench
        .root()
        .join("var/lib/flk/etc/upper/ssh/ssh_host_ed25519_key");
    assert_eq!(
        fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // Again: the same generation and key, and nothing is written.
    let again = execute(plan(&bench.options).unwrap(), &mut |_| {}).unwrap();
    assert_eq!((again.generation, again.written, again.kept), (1, 0, 1));
    assert_eq!(again.fingerprint, installed.fingerprint);
}

#[test]
fn a_run_that_was_cut_off_is_taken_up() {
    let Some(bench) = Bench::open("cut-off", 200) else {
        return;
    };
    // As a power cut may leave it: one path under its name, but not registered and with a hole; another half copied.
    let store = bench.root().join("nix/store");
    let there = bench.installed();
    fs::create_dir_all(there.join("etc")).unwrap();
    fs::write(there.join("program"), "").unwrap();
    let half = store.join(format!("{TEMPORARY_PREFIX}half"));
    fs::create_dir(&half).unwrap();
    let installed = execute(plan(&bench.options).unwrap(), &mut |_| {}).unwrap();
    assert!(installed.written > 3_000_000);
    assert!(!half.exists());
    bench.verify();

    // Copied but not registered: only read, not written again.
    fs::remove_dir_all(bench.root().join("nix/var/nix/db")).unwrap();
    let again = execute(plan(&bench.options).unwrap(), &mut |_| {}).unwrap();
    assert_eq!((again.written, again.kept), (0, 1));
    bench.verify();
}

#[test]
fn damage_is_named_and_nothing_of_it_is_registered() {
    let Some(mut bench) = Bench::open("damaged", 200) else {
        return;
    };
    bench.options.closure.paths[0].nar_hash = "0".repeat(64);
    let error = execute(plan(&bench.options).unwrap(), &mut |_| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{} is damaged", bench.options.system.toplevel)),
        "{error}"
    );
    assert!(!bench.installed().exists());
    assert!(!bench.root().join("nix/var/nix/profiles/system").exists());
    let query = bench.nix_store(&["--query", "--hash", &bench.options.system.toplevel]);
    assert!(!query.status.success());
}

#[test]
fn refusals_leave_the_target_empty() {
    let Some(bench) = Bench::open("refused", 40) else {
        return;
    };
    let refused = |options: &Options| plan(options).unwrap_err();
    // 64 MB are kept free.
    assert!(matches!(
        refused(&bench.options),
        Error::NoRoom { unit: "bytes", .. }
    ));
    let mut options = bench.options.clone();
    options.root = bench.dir.path().join("system");
    assert!(matches!(refused(&options), Error::NotMounted { .. }));
    options.root = "/".into();
    assert!(matches!(refused(&options), Error::RunningRoot { .. }));
    let mut options = bench.options.clone();
    let mut absent = options.closure.paths[0].clone();
    absent.path = "/nix/store/00000000000000000000000000000000-absent".into();
    options.closure.paths.push(absent);
    assert!(matches!(refused(&options), Error::Incomplete { paths } if paths.len() == 1));
    assert_eq!(fs::read_dir(bench.root()).unwrap().count(), 0);
}
