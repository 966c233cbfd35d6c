//! A bench to run flk on: a folder of its own, a cleared environment, and flk with stand-ins for its companions.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

pub(crate) mod stored;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Where flk runs.
pub(crate) struct Workbench {
    folder: tempfile::TempDir,
    path: String,
    variables: Vec<(String, String)>,
}

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workbench {
    /// A bench with the machine's own `PATH`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        // A copy, since flk looks for its companions beside itself, whatever links lead to it.
        let flk = Path::new(env!("CARGO_BIN_EXE_flk"));
        fs::hard_link(flk, bin.join("flk"))
            .or_else(|_| fs::copy(flk, bin.join("flk")).map(drop))
            .unwrap();
        for companion in ["flk-debian", "flk-init"] {
            fs::write(bin.join(companion), companion).unwrap();
        }
        for home in ["home/.ssh", "work"] {
            fs::create_dir_all(folder.path().join(home)).unwrap();
        }
        Self {
            folder,
            path: std::env::var("PATH").unwrap_or_default(),
            variables: Vec::new(),
        }
    }

    /// Flk's real companions, from the folder where Cargo builds them.
    pub(crate) fn with_companions(self, built: &Path) -> Self {
        for companion in ["flk-debian", "flk-init"] {
            let to = self.folder.path().join("bin").join(companion);
            fs::copy(built.join(companion), &to).unwrap();
        }
        self
    }

    /// Sets a variable of the otherwise cleared environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Only these programs are on `PATH`, as links to the machine's.
    pub(crate) fn with_only(mut self, programs: &[&str]) -> Self {
        let only = self.folder.path().join("only");
        fs::create_dir(&only).unwrap();
        for program in programs {
            let found = std::env::split_paths(&self.path)
                .map(|folder| folder.join(program))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("no {program} on this machine"));
            symlink(found, only.join(program)).unwrap();
        }
        self.path = only.display().to_string();
        self
    }

    /// Puts a shell script first on `PATH`.
    pub(crate) fn with_script(mut self, name: &str, text: &str) -> Self {
        let scripts = self.folder.path().join("scripts");
        fs::create_dir_all(&scripts).unwrap();
        let script = scripts.join(name);
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.path = format!("{}:{}", scripts.display(), self.path);
        self
    }

    /// A path on the bench; runs begin in `work`.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    /// A path in the home folder.
    pub(crate) fn home(&self, path: &str) -> PathBuf {
        self.folder.path().join("home").join(path)
    }

    /// A path in the folder of what runs.
    pub(crate) fn runtime(&self, path: &str) -> PathBuf {
        self.folder.path().join("run").join(path)
    }

    /// Writes a file in `work`.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Reads a file in `work`.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs flk in `work`.
    pub(crate) fn flk(&self, arguments: &[&str]) -> Run {
        self.flk_in("", arguments)
    }

    /// Runs flk in a folder below `work`.
    pub(crate) fn flk_in(&self, folder: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(&self.folder.path().join("bin/flk"), folder);
        Run::of(command.args(arguments).output().expect("flk runs"))
    }

    /// Runs flk in a folder below `work` by way of a shell script with mounts and a host name of its own: `$0` is flk, `$@` are the arguments.
    pub(crate) fn flk_apart(&self, folder: &str, script: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(Path::new("unshare"), folder);
        command.args(["--mount", "--uts", "sh", "-euc", script]);
        command.arg(self.folder.path().join("bin/flk"));
        Run::of(command.args(arguments).output().expect("unshare runs"))
    }

    /// Runs flk in a directory below `work` with further variables.
    pub(crate) fn flk_with(
        &self,
        directory: &str,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Run {
        let mut command = self.command(&self.folder.path().join("bin/flk"), directory);
        command.envs(variables.iter().copied());
        Run::of(command.args(arguments).output().expect("flk runs"))
    }

    /// Runs flk in a directory below `work` by way of a shell script: `$0` is flk, `$@` are the arguments.
    pub(crate) fn flk_by(&self, directory: &str, script: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(Path::new("sh"), directory);
        command.args(["-euc", script]);
        command.arg(self.folder.path().join("bin/flk"));
        Run::of(command.args(arguments).output().expect("sh runs"))
    }

    /// Runs flk in a folder below `work` on a terminal of its own (script(1)), where somebody types; what it says is all in `stdout`.
    pub(crate) fn flk_on_terminal(&self, folder: &str, arguments: &[&str], typed: &str) -> Run {
        let flk = self.folder.path().join("bin/flk");
        let line = format!("{} {}", flk.display(), arguments.join(" "));
        let mut command = self.command(Path::new("script"), folder);
        command.args(["-q", "-e", "-c", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("script runs");
        let mut keyboard = child.stdin.take().expect("piped above");
        keyboard.write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().expect("script runs");
        drop(keyboard);
        Run::of(output)
    }

    /// Starts flk in a folder below `work`, with its standard error to be read.
    pub(crate) fn start_flk_in(&self, folder: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(&self.folder.path().join("bin/flk"), folder);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().expect("flk starts")
    }

    /// Runs git in a folder below `work`; it has to succeed.
    pub(crate) fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let mut command = self.command(Path::new("git"), folder);
        command.args(["-c", "user.name=t", "-c", "user.email=t@t"]);
        let run = Run::of(command.args(arguments).output().expect("git runs"));
        assert_eq!(run.code, 0, "git {arguments:?}: {}", run.stderr);
        run.stdout
    }

    /// The repository that the ISO of a dry run's JSON would carry at /devos: its store path. It is in the text of `image.json`'s derivation.
    pub(crate) fn carried_repository(&self, plan: &str) -> PathBuf {
        let text = manifest_derivation(plan);
        let (before, _) = text
            .split_once(r#"","target":"/devos""#)
            .expect("there is a /devos");
        let (_, source) = before.rsplit_once('"').unwrap();
        source.into()
    }

    /// `storeRoots` of that ISO.
    pub(crate) fn store_roots(&self, plan: &str) -> Vec<PathBuf> {
        let text = manifest_derivation(plan);
        let (_, list) = text.split_once(r#""storeRoots":"#).expect("storeRoots");
        let (list, _) = list.split_once(']').unwrap();
        serde_json::from_str(&format!("{list}]")).expect("a list of paths")
    }

    fn command(&self, program: &Path, folder: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.at(folder))
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.folder.path().join("home"))
            // Nothing that runs elsewhere on this machine is in the way.
            .env("FLK_RUN_DIR", self.folder.path().join("run"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// The run ended with that code; otherwise all that it said is shown.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Standard error has that text.
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in:\n{}",
            self.stderr
        );
        self
    }
}

/// The text of `image.json`'s derivation in a dry run's JSON, with the manifest in it as it is.
fn manifest_derivation(plan: &str) -> String {
    let derivations = built(plan, "-image.json.drv");
    let derivation = derivations.first().expect("image.json is built");
    fs::read_to_string(derivation).unwrap().replace('\\', "")
}

/// Which derivations of a kind would be built, by a dry run's JSON. Nix tells them in no certain order: here they are sorted.
pub(crate) fn built(plan: &str, end: &str) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_str(plan).expect("JSON");
    let built = plan["build"].as_array().unwrap().iter();
    let paths = built.map(|path| path.as_str().unwrap().to_owned());
    let mut paths: Vec<_> = paths.filter(|path| path.ends_with(end)).collect();
    paths.sort();
    paths
}

/// Says loudly that a test proves nothing here.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Whether the machine has Nix. In CI it has to; elsewhere the test says that it is skipped.
pub(crate) fn nix_is_here() -> bool {
    let here = Command::new("nix").arg("--version").output().is_ok();
    assert!(here || std::env::var_os("CI").is_none(), "CI has no Nix");
    if !here {
        skipped("no Nix on this machine");
    }
    here
}

/// The public key that the hosts of tests let in.
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box";

/// A bench with flk's real companions, and a repository as `flk init` makes it, whose `flk.lock` says what a mirror has; none where that cannot be.
pub(crate) fn with_mirror(repository: &str) -> Option<Workbench> {
    let beside = Path::new(env!("CARGO_BIN_EXE_flk"));
    let in_ci = std::env::var_os("CI").is_some();
    if !["flk-debian", "flk-init"]
        .iter()
        .all(|name| beside.with_file_name(name).exists())
    {
        assert!(!in_ci, "build flk-debian and flk-init before these tests");
        skipped("flk-debian and flk-init are not built");
        return None;
    }
    if !nix_is_here() {
        return None;
    }
    let bench = Workbench::new().with_companions(beside.parent().unwrap());
    bench.write("you.pub", KEY);
    bench
        .flk(&["init", repository, "--key", "you.pub"])
        .ended(0);
    if !bench.at(repository).join("flk.lock").exists() {
        assert!(!in_ci, "CI has no mirror");
        skipped("no mirror to be reached");
        return None;
    }
    Some(bench)
}

/// Copies a folder and all in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A flake whose hosts are as small as a host can be: what `flk` asks of a host, without a channel. `NixOS` builds one derivation
/// from a file of a mirror; `broken` throws.
pub(crate) const SMALL_FLAKE: &str = r#"{
  outputs =
    { self }:
    let
      host = name: {
        config.networking.hostName = name;
        config.system.build.toplevel = derivation { name = "toplevel-${name}"; builder = "/none"; system = "x86_64-linux"; };
        pkgs.system = "x86_64-linux";
        extendModules = _: { config.system.build.flkImage = derivation {
          name = "image.json";
          builder = "/none";
          system = "x86_64-linux";
          file = derivation {
            name = "htop_1_amd64.deb";
            builder = "/none";
            system = "x86_64-linux";
            outputHashMode = "flat";
            outputHashAlgo = "sha256";
            outputHash = builtins.hashString "sha256" (builtins.readFile ./salt);
            flkMirror = "debian";
            flkPath = "pool/h/htop_1_amd64.deb";
            flkSize = "171496";
            flkSha256 = builtins.hashString "sha256" (builtins.readFile ./salt);
          };
        }; };
      };
    in
    {
      nixosConfigurations = {
        NixOS = host "NixOS";
        a-host-with-dashes = host "dashed";
        broken = throw "this host is broken";
        syntax = import ./hosts/syntax.nix;
      };
    };
}
"#;
