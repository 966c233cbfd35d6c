//! What Nix's own options do when flk passes them on: each shows in what comes out, not in how Nix was called.

mod workbench;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use workbench::{Workbench, nix_is_here};

/// Hosts called by an input and by the environment; one whose image needs what fails and what takes a while.
const FLAKE: &str = r#"{
  inputs.data = { url = "path:@DATA@"; flake = false; };
  outputs =
    { self, data }:
    let
      run = name: script: derivation {
        inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; salt = "@SALT@";
      };
      host = name: image: {
        config.networking.hostName = name;
        config.system.build.toplevel = run "top" "echo $salt >$out";
        pkgs.system = "x86_64-linux";
        extendModules = _: { config.system.build.flkImage = image; };
      };
      image = run "image.json" "exit 4";
      both = run "image.json" ": ${run "quick" "exit 3"} ${run "slow" "/bin/sleep 3; echo >@MARK@; echo >$out"}";
    in
    {
      nixosConfigurations = {
        given = host (builtins.readFile "${data}/name") image;
        outside = host (builtins.getEnv "NAME_OUTSIDE") image;
        both = host "both" both;
      };
    };
}
"#;

fn bench() -> Option<Workbench> {
    if !nix_is_here() {
        return None;
    }
    let bench = Workbench::new().variable("NAME_OUTSIDE", "by-the-environment");
    let salt = format!("{:?}", std::time::SystemTime::now()).replace('"', "");
    let text = FLAKE
        .replace("@DATA@", bench.at("data").to_str().unwrap())
        .replace("@MARK@", bench.at("mark").to_str().unwrap())
        .replace("@SALT@", &salt);
    bench.write("r/flake.nix", &text);
    bench.write("data/name", "by-the-flake");
    bench.write("other/name", "by-the-option");
    Some(bench)
}

#[test]
fn inputs_and_the_environment_are_what_the_options_say() {
    let Some(bench) = bench() else { return };
    let other = format!("path:{}", bench.at("other").display());
    let line = |options: &[&str], host: &str| {
        let mut arguments = vec!["hosts", "--flake", "r"];
        arguments.extend(options);
        let listed = bench.flk(&arguments).ended(0).stdout;
        let line = listed.lines().find(|line| line.starts_with(host));
        line.unwrap_or_default().to_owned()
    };
    assert!(line(&[], "given").contains("(by-the-flake)"));
    let overridden = ["--override-input", "data", &other];
    assert!(line(&overridden, "given").contains("(by-the-option)"));
    // Nothing that was remembered is taken for what the options change.
    assert!(line(&[], "given").contains("(by-the-flake)"));

    assert!(!line(&[], "outside").contains("by-the-environment"));
    assert!(line(&["--impure"], "outside").contains("(by-the-environment)"));
}

#[test]
fn the_store_is_asked_for_as_the_option_says() {
    let Some(bench) = bench() else { return };
    let run = bench
        .flk(&["hosts", "--flake", "r", "--store", "unix:///nowhere/socket"])
        .ended(1);
    run.said("/nowhere/socket");
    bench
        .flk(&["hosts", "--flake", "r", "--store", "local"])
        .ended(0);
}

#[test]
fn what_does_not_depend_on_a_failure_is_built_if_the_option_says_so() {
    let Some(bench) = bench() else { return };
    let iso = |options: &[&str]| {
        let mut arguments = vec![
            "iso", "both", "--flake", "r", "--option", "sandbox", "false",
        ];
        arguments.extend(["--option", "max-jobs", "2", "--substituters", ""]);
        arguments.extend(options);
        bench
            .flk(&arguments)
            .ended(1)
            .said("-quick.drv failed to build: its builder failed with exit code 3");
        bench.at("mark").exists()
    };
    assert!(!iso(&[]));
    assert!(iso(&["--keep-going"]));
}

#[test]
fn nobody_is_asked_if_the_option_says_so() {
    let Some(bench) = bench() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut lines = BufReader::new(&stream).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let answer = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            let _ = (&stream).write_all(answer);
        }
    });
    let iso = |options: &[&str]| {
        let mut arguments = vec![
            "iso", "given", "--flake", "r", "--option", "sandbox", "false",
        ];
        arguments.extend(["--substituters", &cache]);
        arguments.extend(options);
        bench.flk(&arguments).ended(1).said("image.json.drv failed");
        asked.swap(0, Ordering::SeqCst)
    };
    assert_eq!(iso(&["--offline"]), 0);
    assert!(iso(&[]) > 0);
}
