//! This crate against the machine's own Nix: what no table can prove.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use flk_nix::{Error, Event, Flake, Nix, Options, quote};

/// Nix, unless the machine has none. In CI it has to.
fn nix(search_path: &OsString) -> Option<Nix> {
    let options = Options {
        // No cache has what these tests build.
        without_default_substituter: true,
        ..Options::default()
    };
    let nix = match Nix::find(search_path, options) {
        Ok(nix) => nix,
        Err(Error::NotFound) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: no Nix on this machine");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    Some(nix)
}

fn machines() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// A folder with a `nix` and a `nix-store` that run the machine's through a shell command.
fn wrapped(folder: &Path, command: &str) -> OsString {
    for program in ["nix", "nix-store"] {
        let real = std::env::split_paths(&machines())
            .map(|folder| folder.join(program))
            .find(|path| path.exists())
            .unwrap_or_else(|| PathBuf::from(program));
        let text = format!(
            "#!/bin/sh\n{}\n",
            command.replace("NIX", &real.display().to_string())
        );
        let script = folder.join(program);
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.into()
}

/// A name that no earlier run has built.
fn fresh(name: &str) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_nanos())
}

/// A flake whose `x` is an expression.
fn flake(folder: &Path, expression: &str) -> Flake {
    let folder = folder.canonicalize().unwrap();
    fs::write(
        folder.join("flake.nix"),
        format!("{{ outputs = {{ self }}: {{ x = {expression}; }}; }}"),
    )
    .unwrap();
    Flake::path(&folder)
}

/// A derivation that runs a line of shell, without the sandbox: it has no shell.
fn shell(name: &str, line: &str) -> String {
    format!(
        "derivation {{ name = {}; system = \"x86_64-linux\"; builder = \"/bin/sh\"; args = [ \"-c\" {} ]; }}",
        quote(name),
        quote(line)
    )
}

fn derivation(nix: &Nix, flake: &Flake) -> String {
    let json = nix
        .evaluate(flake, "x", "x: x.drvPath", &mut |_| {})
        .unwrap_or_else(|error| panic!("{error}"));
    json.as_str().unwrap().to_owned()
}

#[test]
fn what_is_put_into_the_store_has_a_closure() {
    let Some(nix) = nix(&machines()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.txt");
    fs::write(&file, "hello").unwrap();
    let added = nix.add_fixed(&[&file]).unwrap();
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(added, [nix.fixed_path(sha256, "hello.txt").unwrap()]);
    assert!(nix.is_valid(&added[0]).unwrap());
    assert!(
        !nix.is_valid("/nix/store/00000000000000000000000000000000-none")
            .unwrap()
    );
    let closure = nix.closure(&added).unwrap();
    assert_eq!(closure.paths.len(), 1);
    assert_eq!(closure.paths[0].path, added[0]);
    let sri = flk_nix::sri(&closure.paths[0].nar_hash).unwrap();
    assert_eq!(sri, nix.hash_path(Path::new(&added[0])).unwrap());
    let path = nix.add_path(folder.path(), "source").unwrap();
    assert!(path.ends_with("-source"), "{path}");
    assert!(
        nix.closure(&["/nix/store/00000000000000000000000000000000-none"])
            .is_err()
    );
}

#[test]
fn evaluation_is_pure_and_its_errors_have_a_place() {
    let Some(nix) = nix(&machines()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let good = flake(folder.path(), "builtins.trace \"look\" { a = 1; }");
    let mut events = Vec::new();
    let json = nix
        .evaluate(&good, "x", "x: x.a + 1", &mut |event| events.push(event))
        .unwrap();
    assert_eq!(json, 2);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Warning(text) if text.contains("look"))),
        "{events:?}"
    );
    let impure = flake(folder.path(), "builtins.readFile \"/etc/hostname\"");
    assert!(nix.evaluate(&impure, "x", "x: x", &mut |_| {}).is_err());
    let bad = flake(folder.path(), "\n{\n  a = 1\n}");
    let Err(Error::Evaluation(failure)) = nix.evaluate(&bad, "x", "x: x", &mut |_| {}) else {
        panic!("a syntax error evaluates");
    };
    assert!(failure.message.starts_with("syntax error"), "{failure}");
    let position = failure.position.expect("a position");
    assert_eq!((position.line, position.column), (4, 1));
}

#[test]
fn a_build_reports_progress_and_failure() {
    let folder = tempfile::tempdir().unwrap();
    let search_path = wrapped(folder.path(), "exec NIX --option sandbox false \"$@\"");
    let Some(nix) = nix(&search_path) else { return };
    let name = fresh("good");
    let good = flake(
        folder.path(),
        &shell(&name, "echo working; echo done > $out"),
    );
    let drv = derivation(&nix, &good);
    assert_eq!(nix.plan(&drv).unwrap().build, std::slice::from_ref(&drv));
    let mut events = Vec::new();
    let root = folder.path().join("root");
    let outputs = nix
        .realise(&[&drv], Some(&root), &mut |event| events.push(event))
        .unwrap();
    assert_eq!(fs::read_to_string(&outputs[0]).unwrap(), "done\n");
    assert_eq!(fs::read_link(&root).unwrap(), Path::new(&outputs[0]));
    assert!(events.contains(&Event::Building {
        derivation: drv.clone(),
        machine: None,
    }));
    assert!(events.contains(&Event::Log {
        derivation: drv.clone(),
        line: "working".to_owned()
    }));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Builds { done: 1, .. }))
    );
    assert!(nix.plan(&drv).unwrap().is_empty());

    let inner = shell(&fresh("inner"), "echo cannot find the thing; exit 3");
    let outer = format!(
        "derivation {{ name = \"outer\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; inner = {inner}; }}"
    );
    let bad = flake(folder.path(), &outer);
    let drv = derivation(&nix, &bad);
    let Err(Error::Build(failure)) = nix.realise(&[&drv], None, &mut |_| {}) else {
        panic!("a failing build succeeds");
    };
    assert!(
        failure.derivation.as_deref().unwrap().contains("-inner-"),
        "{failure:?}"
    );
    assert!(failure.reason.contains("exit code 3"), "{failure:?}");
    assert_eq!(failure.log, ["cannot find the thing"]);
    assert!(!nix.is_unsandboxed());
}

/// A container that hides parts of `/proc` cannot mount another one: so does this mount namespace.
#[test]
fn where_the_sandbox_cannot_work_it_is_left_out_once() {
    let possible = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/proc/driver"])
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI cannot make mount namespaces"
        );
        eprintln!("SKIPPED: no mount namespaces here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let search_path = wrapped(
        folder.path(),
        "exec unshare -m sh -c 'mount -t tmpfs none /proc/driver && exec NIX --option sandbox-fallback false \"$@\"' NIX \"$@\"",
    );
    let Some(nix) = nix(&search_path) else { return };
    let flake = flake(
        folder.path(),
        &shell(&fresh("contained"), "echo done > $out"),
    );
    let drv = derivation(&nix, &flake);
    let mut told = Vec::new();
    let outputs = nix
        .realise(&[&drv], None, &mut |event| {
            if let Event::Unsandboxed { reason } = event {
                told.push(reason);
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(Path::new(&outputs[0]).exists());
    assert_eq!(told.len(), 1, "{told:?}");
    let refused = ["Operation not permitted", "namespaces"];
    assert!(
        refused.iter().any(|text| told[0].contains(text)),
        "{told:?}"
    );
    assert!(nix.is_unsandboxed());
}

#[test]
fn an_interruption_ends_nix_and_its_builders() {
    // In a process of its own, since an interruption is for good.
    if std::env::var_os("FLK_NIX_TEST_INTERRUPT").is_none() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "an_interruption_ends_nix_and_its_builders"])
            .env("FLK_NIX_TEST_INTERRUPT", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let search_path = wrapped(folder.path(), "exec NIX --option sandbox false \"$@\"");
    let Some(nix) = nix(&search_path) else { return };
    let started = folder.path().join("started");
    let line = format!("echo $$ > {}; exec sleep 1000", started.display());
    let flake = flake(
        folder.path(),
        &shell(&fresh("endless"), &line).replace("sleep", "/bin/sleep"),
    );
    let drv = derivation(&nix, &flake);
    let begun = Instant::now();
    let outcome = std::thread::scope(|scope| {
        let build = scope.spawn(|| nix.realise(&[&drv], None, &mut |_| {}));
        while fs::read_to_string(&started).map_or(0, |text| text.len()) < 2 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the build never starts"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(flk_nix::is_running());
        flk_nix::interrupt();
        build.join().unwrap()
    });
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    let builder = fs::read_to_string(&started).unwrap();
    let builder = PathBuf::from(format!("/proc/{}", builder.trim()));
    for _ in 0..100 {
        if !builder.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!builder.exists(), "the builder lives on");
    assert!(
        matches!(nix.plan(&drv), Err(Error::Interrupted)),
        "nothing further starts"
    );
}
