//! `flk install` goes on when its terminal or connection is gone, and can be watched again; Ctrl-C ends it.
//!
//! Real installations of a system without anything to boot onto ext4 on a loop device: needs root and Nix.

mod workbench;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use workbench::{Run, Workbench, nix_is_here, skipped, stored::Stored};

/// What takes a while to copy.
const SIZE: usize = 160 << 20;

/// One at a time: processors and disks are what they wait for.
static TURN: Mutex<()> = Mutex::new(());

/// A repository with the host `box`, whose system is in this machine's store, and a mounted root.
struct Bench {
    bench: Workbench,
    system: Stored,
    root: String,
}

impl Bench {
    /// `None`: something is missing here.
    fn open(name: &str) -> Option<Self> {
        let missing = |what: &str| {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI nothing is skipped: {what}"
            );
            skipped(what);
        };
        if !nix_is_here() {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            missing("this user is not root");
            return None;
        }
        let bench = Workbench::new();
        let root = bench.at("root");
        fs::create_dir(&root).unwrap();
        let disk = bench.at("disk");
        fs::File::create(&disk).unwrap().set_len(512 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk));
        let mounted = Command::new("mount")
            .args(["-o", "loop"])
            .args([&disk, &root])
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            missing("nothing can be mounted here");
            return None;
        }
        let system = system(&bench, name);
        Some(Self {
            root: root.display().to_string(),
            bench,
            system,
        })
    }

    fn arguments(&self) -> [&str; 5] {
        ["install", "box", "--yes", "--root", &self.root]
    }

    /// Starts an installation; gives its viewer when it copies, and the worker's process id.
    fn copying(&self) -> (Child, Pid) {
        // Not the last one's.
        let _ = fs::remove_file(self.bench.runtime("install/journal"));
        let viewer = self.bench.start_flk_in("r", &self.arguments());
        until("the copy", || {
            self.journal().iter().any(|event| {
                event["event"] == "progress" && event["done"].as_u64().is_some_and(|done| done > 0)
            })
        });
        let journal = self.journal();
        assert!(!self.is_over(), "it was too fast for this test");
        let worker = journal[0]["worker"].as_i64().unwrap();
        (viewer, Pid::from_raw(worker.try_into().unwrap()).unwrap())
    }

    fn journal(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.bench.runtime("install/journal")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }

    fn is_over(&self) -> bool {
        self.journal()
            .last()
            .is_some_and(|event| event["event"] == "end")
    }

    fn attach(&self) -> Run {
        self.bench.flk(&["install", "--attach"])
    }

    fn is_installed(&self) -> bool {
        let link = Path::new(&self.root).join("nix/var/nix/profiles/system-1-link");
        fs::read_link(link).is_ok_and(|to| to == Path::new(&self.system.path))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.root).status();
        // Its links keep the system in the store.
        let _ = fs::remove_dir_all(self.bench.home(".cache"));
    }
}

/// Puts a system with nothing to boot into this machine's store, and a repository for it into `r`.
fn system(bench: &Workbench, name: &str) -> Stored {
    let folder = bench.at("system");
    fs::create_dir_all(folder.join("etc")).unwrap();
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
        fs::write(folder.join(file), text).unwrap();
    }
    let noise: Vec<u8> = (0_u32..1 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(folder.join("program"), noise.repeat(SIZE >> 20)).unwrap();
    let stored = Stored::add(&folder, &format!("system-outlives-{name}"));
    fs::remove_dir_all(&folder).unwrap();
    let host = &stored.host;
    let flake = format!("{{ outputs = {{ self }}: {{ nixosConfigurations.box = {host}; }}; }}");
    bench.write("r/flake.nix", &flake);
    stored
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{what} never happens"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ended(mut viewer: Child) -> (Option<i32>, String) {
    let mut stderr = String::new();
    let mut pipe = viewer.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    (viewer.wait().unwrap().code(), stderr)
}

#[test]
fn another_machine_is_asked_about_before_the_plan() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(bench) = Bench::open("asks") else {
        return;
    };
    let of_another = "version = 1\n[hosts.box]\nmacs = [\"52:54:00:00:00:01\"]\n";
    bench.bench.write("r/identities.toml", of_another);
    let plain = ["install", "box", "--root", &bench.root];
    for (arguments, typed, told) in [
        (&plain[..], "n\n", &[][..]),
        // That the plan is confirmed says nothing about the machine.
        (&bench.arguments()[..], "n\n", &[]),
        (&plain[..], "y\nn\n", &["Install box onto "]),
    ] {
        let run = bench.bench.flk_on_terminal("r", arguments, typed).ended(1);
        let always = [
            "says that box is the machine with 52:54:00:00:00:01, and this one has ",
            "Install box here all the same? [y/N]",
            "nothing was done: the plan was not confirmed",
        ];
        for text in always.iter().chain(told) {
            assert!(run.stdout.contains(text), "{text}:\n{}", run.stdout);
        }
        let asks = run.stdout.matches("[y/N]").count();
        assert_eq!(asks, typed.lines().count(), "{}", run.stdout);
    }
    assert!(!bench.is_installed());
    bench
        .bench
        .flk_in("r", &bench.arguments())
        .ended(1)
        .said("nobody is here")
        .said("--any-machine");
}

#[test]
fn it_outlives_a_lost_connection_and_a_killed_viewer() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(bench) = Bench::open("lost") else {
        return;
    };
    bench
        .attach()
        .ended(1)
        .said("error: there was no installation since this machine was started\nhint: `flk install HOST` starts one");

    let (mut viewer, _) = bench.copying();
    kill_process(Pid::from_child(&viewer), Signal::KILL).unwrap();
    viewer.wait().unwrap();
    assert!(!bench.is_over());
    bench
        .bench
        .flk_in("r", &bench.arguments())
        .ended(1)
        .said("error: another installation is at work\nhint: `flk install --attach` shows it");

    // A terminal that hangs up, and a reader that goes away: it is not this one's last viewer, either.
    let hung_up = bench.bench.start_flk_in("r", &["install", "--attach"]);
    std::thread::sleep(Duration::from_millis(100));
    kill_process(Pid::from_child(&hung_up), Signal::HUP).unwrap();
    let (_, said) = ended(hung_up);
    let attached = bench.attach().ended(0);
    for text in [
        "box is installed as generation 1",
        "\ncopy: ",
        "its ssh host key: SHA256:",
    ] {
        assert!(
            attached.stderr.contains(text),
            "{text}:\n{}",
            attached.stderr
        );
    }
    assert!(!said.contains("is installed"), "{said}");
    assert!(bench.is_over() && bench.is_installed());

    let again = bench.attach().ended(0);
    assert!(
        again.stderr.contains("box is installed"),
        "{}",
        again.stderr
    );
    assert!(!again.stderr.contains("as process"), "{}", again.stderr);
}

#[test]
fn signals_end_it_in_order_and_a_killed_worker_is_told() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(bench) = Bench::open("signals") else {
        return;
    };
    for signal in [Signal::INT, Signal::TERM] {
        let (viewer, worker) = bench.copying();
        kill_process(Pid::from_child(&viewer), signal).unwrap();
        let (code, said) = ended(viewer);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.ends_with("error: interrupted\n"), "{said}");
        assert!(!is_alive(worker), "{signal:?}: the worker goes on");
        bench.attach().ended(1).said("error: interrupted\n");
    }

    let (viewer, worker) = bench.copying();
    kill_process(worker, Signal::KILL).unwrap();
    let told = "error: the installation ended without a word, as when it is killed\nhint: run `flk install` again: it goes on\n";
    let (code, said) = ended(viewer);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with(told), "{said}");
    bench.attach().ended(1).said(told);
    assert!(!bench.is_installed());

    // It does go on, and what a script reads comes through.
    let mut arguments = bench.arguments().to_vec();
    arguments.push("--json");
    let run = bench.bench.flk_in("r", &arguments).ended(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["installed"]["generation"], 1);
    assert!(bench.is_installed());
}

#[test]
fn nothing_is_done_without_a_yes() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(bench) = Bench::open("answer") else {
        return;
    };
    let arguments = ["install", "box", "--root", &bench.root];
    bench
        .bench
        .flk_in("r", &arguments)
        .ended(1)
        .said("[y/N]\nerror: nobody is here to confirm the plan\nhint: say --yes");
    // A worker whose viewer is gone: its standard input ends.
    let worker = ["install", "box", "--worker", "--root", &bench.root];
    let journal = bench.bench.flk_in("r", &worker).ended(1).stdout;
    assert!(journal.contains(r#""event":"question""#), "{journal}");
    assert!(
        journal.contains("whoever was to confirm the plan has gone"),
        "{journal}"
    );
    assert!(
        journal.ends_with("{\"event\":\"end\",\"code\":1}\n"),
        "{journal}"
    );
    let terminal = bench
        .bench
        .flk_on_terminal("r", &arguments, "no\n")
        .ended(1);
    let said = &terminal.stdout;
    assert!(said.contains("[y/N]"), "{said}");
    assert!(
        said.contains("nothing was done: the plan was not confirmed"),
        "{said}"
    );
    assert!(!Path::new(&bench.root).join("nix").exists());

    let terminal = bench.bench.flk_on_terminal("r", &arguments, "y\n").ended(0);
    let said = &terminal.stdout;
    assert!(said.contains("box is installed as generation 1"), "{said}");
    assert!(bench.is_installed());
}

fn is_alive(process: Pid) -> bool {
    let stat = PathBuf::from(format!("/proc/{}/stat", process.as_raw_nonzero()));
    fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "))
}
