//! flk with Nix of Debian 12, of Debian 13 and of Debian testing; with the store as the user's own and behind the daemon; as root, as a
//! user whom Nix trusts, and as one whom it does not.
//!
//! `FLK_TEST_NIX=2.34` tries one of them alone.
//!
//! The hosts are as small as hosts can be, of the real journey: evaluated in a git repository, built in Nix's sandbox, packed, verified.

use flk_tests::{Bench, BenchError, Mode, Need, NixRoot, Output, RELEASES, Release, User};
use std::{io::Write as _, time::Instant};

/// Hosts without a channel: what flk asks of one. Builders are a shell that needs nothing else.
const FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      build =
        name: system: script: further:
        derivation (
          {
            inherit name system;
            builder = "${self}/busybox";
            args = [ "sh" "-euc" script ];
            salt = builtins.readFile ./salt;
          }
          // further
        );
      host =
        name: system: script:
        let
          top = build "top" system script { };
          text = builtins.toJSON {
            version = 1; host = name; inherit system; channel = "nixpkgs"; volumeId = "TINY"; fileName = "${name}.iso";
            liveToplevel = top; hostToplevel = top; storeRoots = [ top ]; contents = [ ];
            compression = { codec = "zstd"; level = 1; blockSize = 131072; };
            boot = { bios = null; efi = null; };
          };
        in
        {
          config.networking.hostName = name;
          config.system.build.toplevel = top;
          pkgs.system = system;
          extendModules = _: {
            config.system.build.flkImage = build "image.json" system "printf %s \"$text\" >$out" { inherit text; };
          };
        };
    in
    {
      nixosConfigurations = {
        tiny = host "tiny" "x86_64-linux" "echo made; echo $salt >$out";
        fails = host "fails" "x86_64-linux" "echo one; echo cannot find the thing; exit 3";
        board = host "board" "aarch64-linux" "echo $salt >$out";
        broken = host "broken" "x86_64-linux" ({ }).nothing;
      };
    };
}
"#;

const LISTED: &str = "\
board   nixpkgs  aarch64-linux  evaluates
broken  nixpkgs  -              fails: flake.nix:41:47: attribute 'nothing' missing
fails   nixpkgs  x86_64-linux   evaluates
tiny    nixpkgs  x86_64-linux   evaluates
";

/// A store of each kind, and who uses it.
const STORES: [(Mode, &[User]); 3] = [
    (Mode::Single(0), &[User::ROOT]),
    (Mode::Single(User::YOU.uid), &[User::YOU]),
    (Mode::Daemon, &[User::ROOT, User::YOU, User::GUEST]),
];

#[test]
fn works_with_every_nix() -> Result<(), BenchError> {
    let needs = [
        Need::Root,
        Need::Flk,
        Need::OtherNix,
        Need::Program("unshare"),
    ];
    let Some(_bench) = Bench::open("works_with_every_nix", &[&needs])? else {
        return Ok(());
    };
    let only = std::env::var("FLK_TEST_NIX").ok();
    let releases: Vec<&Release> = RELEASES
        .iter()
        .filter(|release| {
            only.as_deref()
                .is_none_or(|version| version == release.version)
        })
        .collect();
    assert!(!releases.is_empty(), "FLK_TEST_NIX is of none: {only:?}");
    for &release in releases {
        for (mode, users) in STORES {
            let mut root = NixRoot::new(release, mode)?;
            is_the_version(&root)?;
            for &user in users {
                let begun = Instant::now();
                let cell = format!("Nix {} {mode:?} {}", release.version, user.name);
                Cell {
                    root: &root,
                    user,
                    mode,
                    cell: &cell,
                }
                .run()?;
                let _ = writeln!(
                    std::io::stderr(),
                    "{cell}: {:.1} s",
                    begun.elapsed().as_secs_f32()
                );
            }
            if mode == Mode::Single(0) {
                // The store is root's, and nobody lends it.
                let guest = Cell {
                    root: &root,
                    user: User::GUEST,
                    mode,
                    cell: "nobody's store",
                };
                guest.make_repository()?;
                let output = guest.flk(&["hosts"], 1)?;
                guest.said(&output, "hint: have Nix's daemon run");
            }
            if mode == Mode::Daemon {
                root.stop_daemon();
                let output =
                    root.flk(User::ROOT, &["hosts", "--flake", "r", "--store", "daemon"])?;
                assert_eq!(output.code, Some(1), "{}", output.all());
                assert!(output.stderr.contains("socket"), "{}", output.all());
                // Newer versions make themselves a store at home, where there is none.
                root.shell(User::ROOT, "rm -rf /nix/* /home/guest/.cache")?;
                let output = root.flk(User::GUEST, &["hosts", "--flake", "r"])?;
                assert_eq!(output.code, Some(1), "{}", output.all());
                let hint = "hint: have Nix's daemon run";
                assert!(output.stderr.contains(hint), "{}", output.all());
            }
        }
    }
    Ok(())
}

/// `nix (Nix) 2.26.3`: no older than the release has it.
fn is_the_version(root: &NixRoot) -> Result<(), BenchError> {
    let Release { version, .. } = root.release();
    let said = root.shell(User::ROOT, "nix --version")?;
    let numbers = |text: &str| -> Vec<u32> {
        let parts = text.split('.').map_while(|part| part.parse().ok());
        parts.take(2).collect()
    };
    let found = said.split_whitespace().last().unwrap_or_default();
    assert!(numbers(found) >= numbers(version), "{said}");
    Ok(())
}

/// One way to use flk.
struct Cell<'a> {
    root: &'a NixRoot,
    user: User,
    mode: Mode,
    cell: &'a str,
}

impl Cell<'_> {
    fn run(&self) -> Result<(), BenchError> {
        self.make_repository()?;
        let run = self.flk(&["hosts"], 0)?;
        assert_eq!(run.stdout, LISTED, "{}: {}", self.cell, run.stderr);
        self.is_quiet(&run);

        let run = self.flk(&["iso", "tiny", "--no-host-key", "--json"], 0)?;
        self.is_quiet(&run);
        let made: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(made["reused"], false, "{}: {made}", self.cell);
        let iso = made["path"].as_str().unwrap();
        let run = self.root.flk(self.user, &["verify", iso])?;
        assert_eq!(run.code, Some(0), "{}: {}", self.cell, run.all());
        let run = self.flk(&["iso", "tiny", "--no-host-key", "--json"], 0)?;
        assert!(run.stdout.contains("\"reused\": true"), "{}", run.all());

        self.failures_are_told()
    }

    fn make_repository(&self) -> Result<(), BenchError> {
        let home = self.user.home();
        self.root.write(&format!("{home}/r/flake.nix"), FLAKE)?;
        self.root.write(&format!("{home}/r/salt"), self.user.name)?;
        self.root.shell(
            User::ROOT,
            &format!(
                "cp /bin/busybox {home}/r/; chown -R {} {home}/r",
                self.user.uid
            ),
        )?;
        self.root
            .shell(
                self.user,
                "cd r; git init -q .; git add .; git -c user.name=t -c user.email=t@t commit -q -m all",
            )
            .map(drop)
    }

    fn failures_are_told(&self) -> Result<(), BenchError> {
        // What fails, its last words, and how to see the rest, which works.
        let run = self.flk(&["iso", "fails"], 1)?;
        for said in [
            "-top.drv failed to build",
            "exit code 3",
            "    > cannot find the thing",
        ] {
            self.said(&run, said);
        }
        let hint = "hint: the whole log: ";
        let command = run.stderr.lines().find_map(|line| line.strip_prefix(hint));
        let log = self.root.shell(self.user, command.unwrap_or(hint))?;
        assert!(log.contains("one\ncannot find the thing\n"), "{log}");

        let run = self.flk(&["iso", "board"], 1)?;
        self.said(&run, "this machine builds nothing for aarch64-linux");
        self.said(&run, "--builders 'ssh-ng://MACHINE aarch64-linux'");

        let run = self.flk(&["iso", "broken"], 1)?;
        self.said(&run, "caused by: attribute 'nothing' missing");
        self.said(&run, "at flake.nix:41:47");

        // Somebody whom Nix does not trust asks for what only others may have.
        let substituters = "--substituters";
        let run = self.flk(&["iso", "board", substituters, "file:///cache"], 1)?;
        let is_told = run.stderr.contains("trusted-users");
        assert_eq!(
            is_told,
            self.user == User::GUEST,
            "{}: {}",
            self.cell,
            run.all()
        );
        Ok(())
    }

    /// Runs flk on the repository; it ends with that code.
    fn flk(&self, arguments: &[&str], code: i32) -> Result<Output, BenchError> {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--flake", "r"]);
        if self.mode == Mode::Daemon && self.user == User::ROOT {
            // By itself, Nix gives root the store without the daemon.
            arguments.extend(["--store", "daemon"]);
        }
        let output = self.root.flk(self.user, &arguments)?;
        assert_eq!(
            output.code,
            Some(code),
            "{}: {arguments:?}\n{}",
            self.cell,
            output.all()
        );
        Ok(output)
    }

    fn said(&self, output: &Output, text: &str) {
        assert!(
            output.stderr.contains(text),
            "{}: {text:?} is not in\n{}",
            self.cell,
            output.stderr
        );
    }

    /// Nothing that Nix warns of comes of what flk itself asks.
    fn is_quiet(&self, output: &Output) {
        assert!(
            !output.stderr.contains("warning"),
            "{}: {}",
            self.cell,
            output.stderr
        );
    }
}
