//! A machine: QEMU, with its firmware, medium, disks, one card on a [`Link`], a console and a power button.
//!
//! Emulated, never KVM, unless `FLK_TEST_KVM=1`: a guest may hang under a KVM that a hypervisor passes on.

use crate::{
    BenchError, Console, Link, Mac,
    qemu::{CARD, describe},
    qmp::Qmp,
    until,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// `EIO`, errno(3).
const EIO: i32 = 5;

/// The firmware a machine starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF, without Secure Boot.
    Uefi,
}

/// How the image reaches the machine. Writes to it go to a temporary file that ends with the machine.
#[derive(Debug, Clone)]
pub enum Medium {
    /// A CD in an AHCI drive.
    Cd(PathBuf),
    /// A CD in a virtio SCSI drive.
    ScsiCd(PathBuf),
    /// A virtio block disk.
    Disk(PathBuf),
    /// A stick at a USB 3 port.
    UsbStick(PathBuf),
    /// Nothing but the blank disks.
    None,
}

/// A raw image as a virtio disk, kept as the machine leaves it.
#[derive(Debug, Clone)]
pub enum Disk {
    /// Just that.
    Plain(PathBuf),
    /// Each write and flush goes to a log too, as QEMU's `blklogwrites` has it ([`crate::WriteLog`] reads it).
    Logged {
        /// The image.
        image: PathBuf,
        /// The log, made anew.
        log: PathBuf,
    },
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    /// For messages and for the console's log.
    pub name: String,
    /// The firmware.
    pub firmware: Firmware,
    /// What it boots from.
    pub medium: Medium,
    /// The card's address.
    pub mac: Mac,
    /// Its disks: `/dev/vda` and so on, unless the medium is one too.
    pub disks: Vec<Disk>,
    /// Megabytes of memory.
    pub memory: u32,
    /// Whether it has a card at all.
    pub has_card: bool,
}

impl MachineOptions {
    /// A machine of 2 GB that boots `image` by BIOS from a CD, its card ending in `last`.
    pub fn new(name: &str, image: &Path, last: u8) -> Self {
        MachineOptions {
            name: name.into(),
            firmware: Firmware::Bios,
            medium: Medium::Cd(image.into()),
            mac: Mac::qemu(last),
            disks: Vec::new(),
            memory: 2048,
            has_card: true,
        }
    }

    /// The same without any network device.
    pub fn without_card(mut self) -> Self {
        self.has_card = false;
        self
    }

    /// The same with another firmware and medium.
    pub fn boots(mut self, firmware: Firmware, medium: Medium) -> Self {
        (self.firmware, self.medium) = (firmware, medium);
        self
    }
}

/// A running machine; ended when dropped.
pub struct Machine {
    options: MachineOptions,
    tap: String,
    process: Child,
    console: Console,
    qmp: Qmp,
    started: Instant,
    files: tempfile::TempDir,
}

impl Machine {
    /// Starts a machine with its card on `link`. The console's log goes to `logs`, named after the machine.
    ///
    /// # Errors
    /// When QEMU does not start; with what it said.
    pub fn start(link: &Link, options: MachineOptions, logs: &Path) -> Result<Self, BenchError> {
        let files = tempfile::Builder::new()
            .prefix("flk-machine-")
            .tempdir()
            .map_err(BenchError::file(std::env::temp_dir()))?;
        fs::create_dir_all(logs).map_err(BenchError::file(logs))?;
        let tap = link.tap()?;
        let socket = files.path().join("qmp");
        let messages = files.path().join("stderr");
        let mut command = link.daemon("qemu-system-x86_64");
        describe(&mut command, &options, &tap, files.path())?;
        let stderr = fs::File::create(&messages).map_err(BenchError::file(&messages))?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|source| BenchError::Start {
                program: "qemu-system-x86_64".into(),
                source,
            })?;
        let (Some(keyboard), Some(screen)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both streams are piped just above")
        };
        let console = Console::new(
            keyboard,
            screen,
            &logs.join(format!("{}.log", options.name)),
        )?;
        let mut ended = None;
        let qmp = until("QEMU's control socket", Duration::from_secs(60), || {
            ended = process.try_wait().ok().flatten();
            match Qmp::connect(&socket) {
                Ok(qmp) => Ok(Some(qmp)),
                Err(_) if ended.is_some() => Ok(None),
                Err(e) => Err(e.to_string()),
            }
        });
        match qmp {
            Ok(Some(qmp)) => Ok(Machine {
                options,
                tap,
                process,
                console,
                qmp,
                started: Instant::now(),
                files,
            }),
            failed => {
                let _ = process.kill();
                let _ = process.wait();
                failed.map(drop)?;
                Err(BenchError::Ended {
                    machine: options.name,
                    status: ended.map(|status| status.to_string()).unwrap_or_default(),
                    what: "QEMU to start".into(),
                    detail: fs::read_to_string(&messages).unwrap_or_default(),
                })
            }
        }
    }

    /// The machine's console.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The machine's console, to type on.
    pub fn keyboard(&mut self) -> &mut Console {
        &mut self.console
    }

    /// The address of its card.
    pub fn mac(&self) -> Mac {
        self.options.mac
    }

    /// Its name on the bench.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// The tap that its card is on.
    pub fn tap(&self) -> &str {
        &self.tap
    }

    /// Time since power-on.
    pub fn up_for(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails if QEMU has ended while `what` was waited for.
    ///
    /// # Errors
    /// [`BenchError::Ended`] with QEMU's messages and the console's tail.
    pub fn expect_running(&mut self, what: &str) -> Result<(), BenchError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            status => Err(BenchError::Ended {
                machine: self.options.name.clone(),
                status: status
                    .ok()
                    .flatten()
                    .map(|s| s.to_string())
                    .unwrap_or_default(),
                what: what.into(),
                detail: format!(
                    "{}{}",
                    fs::read_to_string(self.files.path().join("stderr")).unwrap_or_default(),
                    self.console.tail()
                ),
            }),
        }
    }

    /// Tries `attempt` until it gives a value, as long as the machine runs; the console's tail is in the failure.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] or [`BenchError::Ended`].
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut attempt: impl FnMut() -> Result<T, String>,
    ) -> Result<T, BenchError> {
        let what = format!("{}: {what}", self.options.name);
        let mut gone = None;
        let outcome = until(&what, limit, || {
            if let Err(e) = self.expect_running(&what) {
                gone = Some(e);
                return Ok(None);
            }
            attempt().map(Some)
        });
        match (outcome, gone) {
            (Ok(Some(value)), _) => Ok(value),
            (_, Some(gone)) => Err(gone),
            (Ok(None), None) => unreachable!("no value is given only when the machine is gone"),
            (
                Err(BenchError::TimedOut {
                    what,
                    after,
                    detail,
                }),
                _,
            ) => Err(BenchError::TimedOut {
                what,
                after,
                detail: format!("{detail}\n{}", self.console.tail()),
            }),
            (Err(other), _) => Err(other),
        }
    }

    /// Presses the power button and waits until the system has shut down.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with the console's tail.
    pub fn power_off(&mut self, limit: Duration) -> Result<(), BenchError> {
        self.qmp.execute("system_powerdown", json!({}))?;
        self.wait_for_end(limit).map(drop)
    }

    /// Waits until QEMU ends by itself.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`] with the console's tail.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus, BenchError> {
        let process = &mut self.process;
        until(
            &format!("{}: the end", self.options.name),
            limit,
            || match process.try_wait() {
                Ok(Some(status)) => Ok(status),
                Ok(None) => Err(self.console.tail()),
                Err(e) => Err(e.to_string()),
            },
        )
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When QEMU does not obey.
    pub fn reset(&mut self) -> Result<(), BenchError> {
        self.started = Instant::now();
        self.qmp.execute("system_reset", json!({})).map(drop)
    }

    /// Pulls the network cable, or puts it in again.
    ///
    /// # Errors
    /// When QEMU does not obey.
    pub fn plug(&mut self, plugged: bool) -> Result<(), BenchError> {
        self.qmp
            .execute("set_link", json!({ "name": CARD, "up": plugged }))
            .map(drop)
    }

    /// Takes the medium out of a CD drive, whatever the system thinks of it.
    ///
    /// # Errors
    /// When there is no such drive.
    pub fn eject(&mut self) -> Result<(), BenchError> {
        self.qmp.execute(
            "blockdev-open-tray",
            json!({ "id": "medium", "force": true }),
        )?;
        self.qmp
            .execute("blockdev-remove-medium", json!({ "id": "medium" }))
            .map(drop)
    }

    /// Lets the next write to the disk of this index fail, and none after it (QEMU's `blkdebug`).
    ///
    /// # Errors
    /// When QEMU does not obey.
    pub fn fail_a_write(&mut self, disk: usize) -> Result<(), BenchError> {
        let rule = json!({ "event": "none", "iotype": "write", "errno": EIO, "once": true });
        self.qmp.execute(
            "blockdev-add",
            json!({
                "driver": "blkdebug",
                "node-name": format!("failing{disk}"),
                "image": format!("disk{disk}"),
                "inject-error": [rule],
            }),
        )?;
        self.qmp
            .execute(
                "qom-set",
                json!({
                    "path": format!("/machine/peripheral/drive{disk}"),
                    "property": "drive",
                    "value": format!("failing{disk}"),
                }),
            )
            .map(drop)
    }

    /// Presses and releases keys on the machine's keyboard, by QEMU's names (`down`, `ret`, …).
    ///
    /// # Errors
    /// When QEMU knows no such key.
    pub fn press(&mut self, keys: &[&str]) -> Result<(), BenchError> {
        for key in keys {
            let keys: Value = json!([{ "type": "qcode", "data": key }]);
            self.qmp
                .execute("send-key", json!({ "keys": keys, "hold-time": 50 }))?;
            std::thread::sleep(Duration::from_millis(150));
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
