//! A full disk leaves the previous ISO in place, and a killed build neither debris nor a next run that fails.

use flk_tests::{Bench, BenchError, Fixture, Flk, Need, run, until};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Builds on a small disk, in a mount namespace of its own. `$1`: the disk's folder, `$2`: its size, `$3`: flk,
/// `$4`: whether somebody else fills the disk as soon as flk has begun to write to it.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o "size=$2" tmpfs "$1"
echo previous > "$1/NixOS.iso"
if [ "$4" = filled ]; then
  ( until [ "$(du -s "$1" | cut -f1)" -gt 1000 ]; do sleep 0.2; done; cat /dev/zero > "$1/filler" 2>/dev/null ) &
fi
code=0
"$3" iso NixOS --out "$1/NixOS.iso" || code=$?
echo "exit $code"
ls -A "$1" | grep -vx filler
cat "$1/NixOS.iso"
"#;

/// What `flk iso` says when its disk has `size` and is, or is not, `filled` meanwhile. The previous ISO is still there.
fn on_a_small_disk(fixture: &Fixture, size: &str, filled: &str) -> Result<String, BenchError> {
    let disk = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let flk = fixture.flk.command(&fixture.repository);
    let variables = flk
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            ON_A_SMALL_DISK,
            "sh",
        ])
        .args([
            disk.path(),
            Path::new(size),
            Path::new(flk.get_program()),
            Path::new(filled),
        ])
        .env_clear()
        .envs(variables)
        .current_dir(&fixture.repository);
    let output = run(&mut command)?.success()?;
    assert_eq!(
        output.stdout,
        "exit 1\nNixOS.iso\nprevious\n",
        "{}",
        output.all()
    );
    assert!(
        output.stderr.contains("\nerror: ") || output.stderr.starts_with("error: "),
        "{}",
        output.stderr
    );
    Ok(output.stderr)
}

#[test]
fn full_disk() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("full_disk", &[Need::BUILDS])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    // Too small from the beginning: it is said before anything is packed, with what is needed.
    let said = on_a_small_disk(&fixture, "60m", "alone")?;
    assert!(
        said.contains("no space left") && said.contains("are needed") && said.contains("--out"),
        "{said}"
    );
    assert!(!said.contains("pack: "), "{said}");
    // Full in the middle of it, which is over in no time if it was packed before.
    forget_packed_paths(&fixture)?;
    let said = on_a_small_disk(&fixture, "800m", "filled")?;
    assert!(said.contains("pack: "), "{said}");
    assert!(said.to_lowercase().contains("no space left"), "{said}");
    Ok(())
}

#[test]
fn killed_build() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("killed_build", &[Need::BUILDS])? else {
        return Ok(());
    };
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let fixture = Fixture::shared(&bench)?.copy(folder.path())?;
    // Something that was never built before, so that there is a build to kill, and a package that was never unpacked.
    fixture.put(
        "hosts/killed.nix",
        &format!(
            "{{ pkgs, ... }}:\n{{\n  imports = [ ./NixOS.nix ];\n  environment.systemPackages = [ pkgs.sl pkgs.cowsay ];\n  \
             environment.etc.\"folder\".text = \"{}\";\n}}\n",
            folder.path().display()
        ),
    )?;
    let results = fixture.repository.join("result/iso");
    fs::create_dir_all(&results).map_err(BenchError::file(&results))?;
    let iso = results.join("killed.iso");
    fs::write(&iso, "previous\n").map_err(BenchError::file(&iso))?;

    // Once early, and once in the middle of packing, with the signal that nobody can catch.
    for (phase, delay) in [
        ("evaluate", Duration::ZERO),
        ("pack", Duration::from_secs(1)),
    ] {
        forget_packed_paths(&fixture)?;
        let mut build = start(&fixture.flk, &fixture.repository)?;
        wait_for_phase(&mut build, phase)?;
        std::thread::sleep(delay);
        build.kill().map_err(BenchError::file("flk"))?;
        let status = build.wait().map_err(BenchError::file("flk"))?;
        assert!(
            !status.success(),
            "flk had ended before it was killed in phase {phase}"
        );
        assert_eq!(
            fs::read_to_string(&iso).map_err(BenchError::file(&iso))?,
            "previous\n",
            "after a kill in {phase}"
        );
        until(
            "the end of what the killed flk had started",
            Duration::from_secs(60),
            || match group(build.id()) {
                members if members.is_empty() => Ok(()),
                members => Err(members.join("\n")),
            },
        )?;
    }

    let report = fixture
        .flk
        .run(&fixture.repository, &["iso", "killed", "--json"])?
        .success()?;
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let size = fs::metadata(&iso).map_err(BenchError::file(&iso))?.len();
    assert_eq!(report["size"].as_u64(), Some(size));
    assert_eq!(
        names(&results)?,
        BTreeSet::from(["killed.iso".to_owned()]),
        "beside the image"
    );
    Ok(())
}

/// So that there is something to pack.
fn forget_packed_paths(fixture: &Fixture) -> Result<(), BenchError> {
    fixture
        .flk
        .run(&fixture.repository, &["cache", "prune"])?
        .success()
        .map(drop)
}

/// Starts `flk iso killed` in a process group of its own.
fn start(flk: &Flk, repository: &Path) -> Result<Child, BenchError> {
    flk.command(repository)
        .args(["iso", "killed"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| BenchError::Start {
            program: "flk".into(),
            source,
        })
}

/// Waits until flk says that it is at `phase`; the first one it says nothing of before it is over.
fn wait_for_phase(build: &mut Child, phase: &str) -> Result<(), BenchError> {
    if phase == "evaluate" {
        std::thread::sleep(Duration::from_millis(1500));
        return Ok(());
    }
    let mut said = String::new();
    let Some(stderr) = build.stderr.take() else {
        return Ok(());
    };
    let mut lines = BufReader::new(stderr);
    let mut line = String::new();
    while lines
        .read_line(&mut line)
        .map_err(BenchError::file("flk's messages"))?
        > 0
    {
        if line.starts_with(&format!("{phase}:")) {
            // Whoever still writes must not be ended by a closed pipe rather than by the signal.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return Ok(());
        }
        said.push_str(&line);
        line.clear();
    }
    Err(BenchError::TimedOut {
        what: format!("phase {phase} of flk"),
        after: Duration::ZERO,
        detail: said,
    })
}

/// The processes of a group, zombies aside, as the kernel lists them (proc(5), `/proc/PID/stat`).
fn group(leader: u32) -> Vec<String> {
    let member = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name is in parentheses and may have any character in it; then come state, parent and group.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, group) = (fields.next()?, fields.nth(1)?);
        (state != "Z" && group == leader.to_string()).then(|| stat.clone())
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(member)
        .collect()
}

fn names(folder: &Path) -> Result<BTreeSet<String>, BenchError> {
    let entries = fs::read_dir(folder).map_err(BenchError::file(folder))?;
    let paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>();
    let names = paths.map_err(BenchError::file(folder))?;
    Ok(names
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect())
}
