//! OpenSSH's client on a [`Link`], with a key pair of the test's own and nothing of the operator's.

use crate::{BenchError, Link, Machine, command::Output, run};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Nothing of the operator's own, nothing that asks, nothing that waits for ever; host keys go by the name `live`.
const OPTIONS: [&str; 9] = [
    "BatchMode=yes",
    "ConnectTimeout=10",
    "GlobalKnownHostsFile=/dev/null",
    "HostKeyAlias=live",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "LogLevel=ERROR",
    "ServerAliveInterval=10",
    "StrictHostKeyChecking=yes",
];

/// A client with one key, that trusts one host key.
pub struct Ssh<'l> {
    link: &'l Link,
    key: PathBuf,
    known_hosts: PathBuf,
}

impl<'l> Ssh<'l> {
    /// A client on `link` that shows `key` (a private key file) and accepts the host key that `known_hosts` has for
    /// `live`, whatever the address.
    pub fn new(link: &'l Link, key: &Path, known_hosts: &Path) -> Self {
        Ssh {
            link,
            key: key.into(),
            known_hosts: known_hosts.into(),
        }
    }

    /// The same client with another key.
    pub fn with_key(&self, key: &Path) -> Self {
        Ssh::new(self.link, key, &self.known_hosts)
    }

    /// The command `ssh … TARGET`, to which a remote command may be added.
    pub fn command(&self, target: &str) -> Command {
        let mut command = self.link.command("ssh");
        command.args(["-F", "/dev/null"]);
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        command
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.known_hosts.display()))
            .arg("-i")
            .arg(&self.key)
            .arg(target);
        command
    }

    /// Runs `script` by the login shell on `target` (`nixos@NixOS.local`, `nixos@fe80::47%eno1`).
    ///
    /// # Errors
    /// Only if `ssh` cannot be started; its exit code is for the caller to judge.
    pub fn run(&self, target: &str, script: &str) -> Result<Output, BenchError> {
        run(self.command(target).arg(script))
    }

    /// Runs `script` and gives what it printed.
    ///
    /// # Errors
    /// [`BenchError::Command`] when the login or the script fails.
    pub fn read(&self, target: &str, script: &str) -> Result<String, BenchError> {
        Ok(self.run(target, script)?.success()?.stdout)
    }

    /// Sends a folder's files, but for flk's results, to `place` on `target`.
    ///
    /// # Errors
    /// [`BenchError::Command`] when the login or `tar` fails.
    pub fn send(&self, folder: &Path, target: &str, place: &str) -> Result<(), BenchError> {
        let start = |source| BenchError::Start {
            program: "tar".into(),
            source,
        };
        let mut pack = Command::new("tar")
            .args(["--exclude=./result", "--create", "--directory"])
            .arg(folder)
            .arg(".")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let files = pack.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let mut unpack = self.command(target);
        unpack.arg(format!(
            "mkdir -p {place} && tar --extract --directory {place}"
        ));
        let output = unpack.stdin(files).output().map_err(start)?;
        let packed = pack.wait().map_err(start)?;
        if output.status.success() && packed.success() {
            return Ok(());
        }
        Err(BenchError::Command {
            command: format!("tar … | ssh {target} tar …"),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Restarts a machine by `systemctl reboot`, and waits until it lets `nixos` in again.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with ssh's last words and the console's tail.
    pub fn restart(
        &self,
        machine: &mut Machine,
        target: &str,
        limit: Duration,
    ) -> Result<(), BenchError> {
        const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
        let before = self.read(target, BOOT)?;
        // The connection may end before the command does.
        self.run(target, "sudo -n systemctl reboot")?;
        machine.wait_until("the next start", limit, || match self.run(target, BOOT) {
            Ok(output) if output.code == Some(0) && output.stdout != before => Ok(()),
            Ok(output) => Err(output.all()),
            Err(e) => Err(e.to_string()),
        })
    }

    /// Waits until `machine` lets `nixos` in at its EUI-64 address, and gives that target for further commands.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with ssh's last words and the console's tail.
    pub fn wait_for(&self, machine: &mut Machine, limit: Duration) -> Result<String, BenchError> {
        let target = format!("nixos@{}%{}", machine.mac().link_local(), crate::INTERFACE);
        machine.wait_until(&format!("ssh {target}"), limit, || {
            match self.run(&target, "true") {
                Ok(output) if output.code == Some(0) => Ok(()),
                Ok(output) => Err(output.all()),
                Err(e) => Err(e.to_string()),
            }
        })?;
        Ok(target)
    }
}
