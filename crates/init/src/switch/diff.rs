//! What a switch does with each running unit: decided from two systems and a list of what runs, without touching anything.
//!
//! The rules are NixOS's ("What happens during a system switch" in its manual): settings in the units (`X-RestartIfChanged` and the like) say how. What a
//! package ships is restarted rather than stopped first, as its maintainers do. Not supported: `systemd-nspawn` machines, `X-ActivationStrategy`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::compare::{Difference, compare, is_oneshot, is_triggered};
use super::mounts::{self, MountChanges};
use super::system_units::{SystemUnit, SystemUnits, template_of};

/// A unit that systemd has in memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoadedUnit {
    /// Its name.
    #[serde(rename = "unit")]
    pub name: String,
    /// `active`, `activating`, `failed`, …
    pub active: String,
    /// The same more exactly: `running`, `auto-restart`, …
    pub sub: String,
}

impl LoadedUnit {
    /// Whether it runs, or is about to.
    pub fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}

/// Units by what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Stopped before the new system is activated.
    pub stop: BTreeSet<String>,
    /// Changed, and left as they are until the machine starts again.
    pub skip: BTreeSet<String>,
    /// Told to read their settings anew.
    pub reload: BTreeSet<String>,
    /// Stopped and started at once, after the activation.
    pub restart: BTreeSet<String>,
    /// Started after the activation.
    pub start: BTreeSet<String>,
    /// Targets that are started again, so that what they newly want comes up.
    pub targets: BTreeSet<String>,
    /// Devices of swap that are given up.
    pub swap_off: BTreeSet<String>,
}

/// Stopping these would end sessions, or tear away what the rest stands on. A name that ends in `@` means all its instances.
const HELD: [&str; 25] = [
    "autovt@",
    "console-getty.service",
    "container-getty@",
    "dbus-broker.service",
    "dbus.service",
    "dbus.socket",
    "display-manager.service",
    "gdm.service",
    "getty@",
    "init.scope",
    "lightdm.service",
    "sddm.service",
    "serial-getty@",
    "systemd-cryptsetup@",
    "systemd-fsck-root.service",
    "systemd-fsck@",
    "systemd-growfs-root.service",
    "systemd-growfs@",
    "systemd-logind.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-update-utmp.service",
    "systemd-user-sessions.service",
    "user-runtime-dir@",
    "user@",
];
/// Mount points on which the running system lies.
const HELD_MOUNTS: [&str; 5] = [
    "-.mount",
    "nix.mount",
    "nix-store.mount",
    "usr.mount",
    "etc.mount",
];
/// Active after waking up, and not to be started for that.
const SLEEP: [&str; 4] = [
    "suspend.target",
    "hibernate.target",
    "hybrid-sleep.target",
    "sleep.target",
];

/// Decides. `outdated` are services that run programs or libraries that the new system has otherwise.
pub fn diff(
    old: &SystemUnits,
    new: &SystemUnits,
    loaded: &[LoadedUnit],
    outdated: &BTreeSet<String>,
) -> Changes {
    let mut decision = Decision {
        new,
        up: loaded
            .iter()
            .filter(|unit| unit.is_up())
            .map(|unit| unit.name.as_str())
            .collect(),
        changes: Changes::default(),
    };
    for name in decision.up.clone() {
        // What neither system knows is somebody's own: a session, a mount by hand, a unit of a generator.
        let Some(before) = old.find(name) else {
            continue;
        };
        match new.find(name) {
            None => decision.removed(name, &before),
            Some(now) if name.ends_with(".target") => decision.target(name, &now),
            Some(now) => {
                let difference = compare(&before, &now);
                if outdated.contains(name) && !is_oneshot(&now.file) {
                    decision.modified(name, &before, &now);
                } else {
                    match difference {
                        Difference::None => {}
                        Difference::Reload => drop(decision.changes.reload.insert(name.to_owned())),
                        Difference::Restart => decision.modified(name, &before, &now),
                    }
                }
            }
        }
    }
    decision.mounts(mounts::compare(&old.fstab(), &new.fstab()));
    decision.settled()
}

struct Decision<'a> {
    new: &'a SystemUnits,
    up: BTreeSet<&'a str>,
    changes: Changes,
}

impl Decision<'_> {
    fn removed(&mut self, name: &str, before: &SystemUnit) {
        if is_held(name)
            || HELD_MOUNTS.contains(&name)
            || before.file.flag("Unit", "RefuseManualStop", false)
        {
            self.changes.skip.insert(name.to_owned());
        } else if before.file.flag("Unit", "X-StopOnRemoval", true) {
            self.changes.stop.insert(name.to_owned());
        }
    }

    fn target(&mut self, name: &str, now: &SystemUnit) {
        let says = |key| now.file.flag("Unit", key, false);
        if !SLEEP.contains(&name) && !says("RefuseManualStart") && !says("X-OnlyManualStart") {
            self.changes.targets.insert(name.to_owned());
        }
        if says("X-StopOnReconfiguration") {
            self.changes.stop.insert(name.to_owned());
        }
    }

    fn modified(&mut self, name: &str, before: &SystemUnit, now: &SystemUnit) {
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        let own = || name.to_owned();
        let refuses = ["RefuseManualStart", "RefuseManualStop", "X-OnlyManualStart"]
            .iter()
            .any(|key| now.file.flag("Unit", key, false));
        let changes = &mut self.changes;
        match kind {
            // systemd applies what is new of these when it reads them.
            "slice" | "path" | "scope" | "device" | "target" => return,
            "mount" if HELD_MOUNTS.contains(&name) => {
                changes.reload.insert(own());
                return;
            }
            _ => {}
        }
        if now.file.flag("Service", "X-ReloadIfChanged", false) {
            changes.reload.insert(own());
        } else if refuses
            || is_held(name)
            || !now.file.flag("Service", "X-RestartIfChanged", true)
            || is_done_at_boot(before, now)
        {
            changes.skip.insert(own());
        } else if kind == "socket" {
            self.socket(name, now);
        } else if kind != "service" || !now.file.flag("Service", "X-StopIfChanged", !now.is_shipped)
        {
            changes.restart.insert(own());
        } else {
            self.service(name, now);
        }
    }

    /// A socket cannot be had anew while its service runs.
    fn socket(&mut self, name: &str, now: &SystemUnit) {
        let service = now
            .file
            .value("Socket", "Service")
            .map_or_else(|| name.replace(".socket", ".service"), ToOwned::to_owned);
        if self.up.contains(service.as_str()) {
            if is_held(&service) {
                self.changes.skip.insert(name.to_owned());
                return;
            }
            self.changes.stop.insert(service.clone());
            self.changes.start.insert(service);
        }
        self.changes.stop.insert(name.to_owned());
        self.changes.start.insert(name.to_owned());
    }

    /// Stopped by what its old unit says, started by its new one. One that its socket starts is left to that.
    fn service(&mut self, name: &str, now: &SystemUnit) {
        let mut sockets: Vec<String> = now
            .file
            .values("Service", "Sockets")
            .iter()
            .flat_map(|value| value.split_whitespace())
            .map(ToOwned::to_owned)
            .collect();
        if sockets.is_empty() {
            let base = template_of(name).unwrap_or_else(|| name.to_owned());
            sockets.push(base.replace(".service", ".socket").replace("@.", "."));
        }
        sockets.retain(|socket| self.up.contains(socket.as_str()));
        if sockets.iter().any(|socket| is_held(socket)) {
            self.changes.restart.insert(name.to_owned());
            return;
        }
        let mut is_activated = false;
        for socket in sockets {
            if self.new.find(&socket).is_some() {
                self.changes.start.insert(socket.clone());
                is_activated = true;
            }
            self.changes.stop.insert(socket);
        }
        self.changes.stop.insert(name.to_owned());
        if !is_activated || now.file.flag("Service", "X-NotSocketActivated", false) {
            self.changes.start.insert(name.to_owned());
        }
    }

    fn mounts(&mut self, changes: MountChanges) {
        let up = |units: BTreeSet<String>| -> BTreeSet<String> {
            let is_up = |unit: &String| self.up.contains(unit.as_str());
            units.into_iter().filter(is_up).collect()
        };
        let (unmount, anew, remount) = (
            up(changes.unmount),
            up(changes.mount_anew),
            up(changes.remount),
        );
        self.changes.stop.extend(unmount);
        self.changes.restart.extend(anew);
        self.changes.reload.extend(remount);
        self.changes.skip.extend(changes.leave);
        self.changes.swap_off = changes.swap_off;
    }

    /// Of two answers for one unit, the one that does more.
    fn settled(self) -> Changes {
        let mut changes = self.changes;
        changes.restart = &changes.restart - &changes.stop;
        changes.reload = &(&changes.reload - &changes.stop) - &changes.restart;
        changes
    }
}

/// What `modified` finds of a unit that an activation script wants restarted, or gave back half done: as if it had changed.
pub fn asked_for(
    new: &SystemUnits,
    loaded: &[LoadedUnit],
    units: &BTreeSet<String>,
    changes: &mut Changes,
) {
    for name in units {
        let is_up = loaded.iter().any(|unit| unit.name == *name && unit.is_up());
        let flag = |section, key, default| {
            new.find(name)
                .is_none_or(|unit| unit.file.flag(section, key, default))
        };
        if !is_up {
            changes.start.insert(name.clone());
        } else if new.find(name).is_some() && flag("Service", "X-ReloadIfChanged", false) {
            changes.reload.insert(name.clone());
        } else if is_held(name) || !flag("Service", "X-RestartIfChanged", true) {
            changes.skip.insert(name.clone());
        } else {
            changes.restart.insert(name.clone());
            changes.reload.remove(name);
        }
    }
}

/// Whether a switch must not stop it.
pub fn is_held(name: &str) -> bool {
    let is_own_socket = name.starts_with("systemd-") && name.ends_with(".socket");
    is_own_socket
        || HELD
            .iter()
            .any(|held| name == *held || held.ends_with('@') && name.starts_with(held))
}

/// What packages do once in the early boot, on which mounts and all the rest depend; unless the configuration says that it is to be done again.
fn is_done_at_boot(before: &SystemUnit, now: &SystemUnit) -> bool {
    now.is_shipped
        && is_oneshot(&now.file)
        && !now.file.flag("Unit", "DefaultDependencies", true)
        && !is_triggered(before, now)
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
