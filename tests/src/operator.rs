//! The operator: a user with a home, pins and a repository, who runs flk on a [`Link`].

use crate::{BenchError, KeyPair, Link, Output, binary, run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A user of flk, with nothing of anybody else's.
pub struct Operator<'l> {
    link: &'l Link,
    home: PathBuf,
    repository: PathBuf,
    /// Kept until the operator goes, if it is the operator's own.
    _files: Option<tempfile::TempDir>,
    /// The key that the operator shows to machines.
    pub key: KeyPair,
}

impl<'l> Operator<'l> {
    /// A user who sits at the link.
    ///
    /// # Errors
    /// When files or keys cannot be made.
    pub fn new(link: &'l Link) -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-operator-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        let home = files.path().to_owned();
        let key = KeyPair::make(&home.join("keys"), "operator")?;
        let repository = home.join("repository");
        fs::create_dir_all(&repository).map_err(BenchError::file(&repository))?;
        let flake = repository.join("flake.nix");
        fs::write(&flake, "{ }\n").map_err(BenchError::file(&flake))?;
        let mut operator = Operator::at(link, &home, &repository, key)?;
        operator._files = Some(files);
        Ok(operator)
    }

    /// A user whose home and repository are there already.
    ///
    /// # Errors
    /// When files cannot be made.
    pub fn at(
        link: &'l Link,
        home: &Path,
        repository: &Path,
        key: KeyPair,
    ) -> Result<Self, BenchError> {
        let operator = Operator {
            link,
            home: home.into(),
            repository: repository.into(),
            _files: None,
            key,
        };
        // ssh takes the home from the user database, so its own files are named to it here.
        let config = operator.file("ssh_config");
        let text = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nBatchMode yes\nConnectTimeout 10\nUserKnownHostsFile {}\n",
            operator.key.private.display(),
            operator.known_hosts().display()
        );
        fs::create_dir_all(operator.file(".ssh"))
            .map_err(BenchError::file(operator.file(".ssh")))?;
        fs::write(&config, text).map_err(BenchError::file(&config))?;
        let wrapper = operator.file("bin/ssh");
        fs::create_dir_all(operator.file("bin")).map_err(BenchError::file(&wrapper))?;
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
            config.display()
        );
        fs::write(&wrapper, script).map_err(BenchError::file(&wrapper))?;
        run(Command::new("chmod").arg("755").arg(&wrapper))?.success()?;
        Ok(operator)
    }

    /// The link that the operator sits at.
    pub fn link(&self) -> &'l Link {
        self.link
    }

    /// A file below the operator's home.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// The user's own file of known hosts, which need not be there.
    pub fn known_hosts(&self) -> PathBuf {
        self.file(".ssh/known_hosts")
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.repository.clone()
    }

    /// A key pair of this name, for a machine.
    ///
    /// # Errors
    /// When `ssh-keygen` fails.
    pub fn key_pair(&self, name: &str) -> Result<KeyPair, BenchError> {
        KeyPair::make(&self.file("keys"), name)
    }

    /// Pins a key for a build, as `flk iso` does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pin(&self, build: &str, host: &str, key: &KeyPair) -> Result<(), BenchError> {
        let folder = self.file(".local/share/flk/pins");
        fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        let pin = serde_json::json!({
            "version": 1, "build": build, "host": host, "publicKey": key.line()?,
        });
        let path = folder.join(format!("{build}.json"));
        fs::write(&path, pin.to_string()).map_err(BenchError::file(&path))
    }

    /// The operator's environment.
    pub fn environment(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", format!("{}:{path}", self.file("bin").display()));
    }

    /// `flk`, on the link, in the repository.
    pub fn flk(&self, arguments: &[&str]) -> Command {
        let mut command = self.link.command("env");
        self.environment(&mut command);
        // Whoever enters a link begins at the root.
        command.arg("-C").arg(self.repository());
        command.arg(binary("flk")).args(arguments);
        command
    }

    /// Runs flk to its end.
    ///
    /// # Errors
    /// Only if it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Output, BenchError> {
        run(&mut self.flk(arguments))
    }

    /// flk, where whoever asks for a passphrase is given this one.
    ///
    /// # Errors
    /// When what answers cannot be written.
    pub fn flk_with_passphrase(
        &self,
        arguments: &[&str],
        passphrase: &str,
    ) -> Result<Command, BenchError> {
        let script = self.file("bin/askpass");
        fs::write(&script, format!("#!/bin/sh\necho {passphrase}\n"))
            .map_err(BenchError::file(&script))?;
        run(Command::new("chmod").arg("755").arg(&script))?.success()?;
        let mut command = self.flk(arguments);
        command
            .env("SSH_ASKPASS", &script)
            .env("SSH_ASKPASS_REQUIRE", "force");
        Ok(command)
    }

    /// flk, with an ssh agent that has `key` alone.
    pub fn flk_with_agent(&self, key: &KeyPair, arguments: &[&str]) -> Command {
        let mut command = self.link.command("ssh-agent");
        self.environment(&mut command);
        command.args([
            "sh",
            "-euc",
            "ssh-add -q \"$0\"; cd \"$1\"; shift; exec \"$@\"",
        ]);
        command.arg(&key.private).arg(self.repository());
        command.arg(binary("flk")).args(arguments);
        command
    }

    /// OpenSSH's client as it comes, on the link: it trusts what `known_hosts` has, reads no configuration, and asks nobody.
    pub fn stock_ssh(&self, known_hosts: &Path) -> Command {
        let mut ssh = self.link.command("/usr/bin/ssh");
        ssh.args(["-F", "/dev/null"]);
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "IdentityAgent=none",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg("-o")
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        ssh.arg("-i").arg(&self.key.private);
        ssh
    }

    /// Writes what `flk ssh-config TARGET` prints, before the user's own configuration, to the file `NAME.ssh`, and gives that for `ssh -F`.
    /// In it the machine is called `name`.
    ///
    /// # Errors
    /// When flk refuses, or the file cannot be written.
    pub fn stanza(&self, target: &str, name: &str) -> Result<String, BenchError> {
        let stanza = self
            .run(&["ssh-config", target, "--name", name])?
            .success()?
            .stdout;
        let own = self.file("ssh_config");
        let own = fs::read_to_string(&own).map_err(BenchError::file(&own))?;
        let config = self.file(&format!("{name}.ssh"));
        fs::write(&config, stanza + &own).map_err(BenchError::file(&config))?;
        Ok(config.to_string_lossy().into_owned())
    }

    /// What `flk discover --json` has found, sorted by address.
    ///
    /// # Errors
    /// When it fails, or prints something else.
    pub fn discover(&self, arguments: &[&str]) -> Result<Vec<Value>, BenchError> {
        let output = self
            .run(&[&["discover", "--json"], arguments].concat())?
            .success()?;
        let list: Option<Vec<Value>> = serde_json::from_str(&output.stdout).ok();
        let mut list = list.ok_or_else(|| BenchError::Understand {
            what: "flk discover --json".into(),
            text: output.all(),
        })?;
        list.sort_by_key(|machine| machine["address"].to_string());
        Ok(list)
    }
}

/// The SHA-256 fingerprint of a public key's file, as `ssh-keygen` computes it.
///
/// # Errors
/// When `ssh-keygen` fails.
pub fn fingerprint(file: &Path) -> Result<String, BenchError> {
    let text = run(Command::new("ssh-keygen").arg("-lf").arg(file))?
        .success()?
        .stdout;
    let word = text.split_whitespace().nth(1).map(str::to_owned);
    word.ok_or(BenchError::Understand {
        what: "ssh-keygen -l".into(),
        text,
    })
}
