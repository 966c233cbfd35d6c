//! Decisions of a switch, each from two small systems on disk.

use std::fs;

use super::*;

const SHIPPED: &str = "sw/lib/systemd/system";
const OWN: &str = "etc/systemd/system";

/// A system: files by their place below the toplevel.
fn system(files: &[(&str, &str, &str)]) -> (tempfile::TempDir, SystemUnits) {
    let folder = tempfile::tempdir().unwrap();
    for (place, name, text) in files {
        let path = folder.path().join(place).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let units = SystemUnits::of(folder.path());
    (folder, units)
}

fn up(names: &[&str]) -> Vec<LoadedUnit> {
    let unit = |name: &&str| LoadedUnit {
        name: (*name).to_owned(),
        active: "active".to_owned(),
        sub: "running".to_owned(),
    };
    names.iter().map(unit).collect()
}

/// `VERB UNIT`, for each unit that something is done to; targets left out.
fn said(changes: &Changes) -> Vec<String> {
    [
        ("stop", &changes.stop),
        ("skip", &changes.skip),
        ("reload", &changes.reload),
        ("restart", &changes.restart),
        ("start", &changes.start),
        ("swapoff", &changes.swap_off),
    ]
    .iter()
    .flat_map(|(verb, units)| units.iter().map(move |unit| format!("{verb} {unit}")))
    .collect()
}

fn decide(
    old: &[(&str, &str, &str)],
    new: &[(&str, &str, &str)],
    running: &[&str],
    outdated: &[&str],
) -> Changes {
    let ((_old, old), (_new, new)) = (system(old), system(new));
    let outdated = outdated.iter().map(|name| (*name).to_owned()).collect();
    diff(&old, &new, &up(running), &outdated)
}

#[test]
fn a_changed_unit_is_treated_as_it_says() {
    let a = "a.service";
    for (what, unit, keys, expected) in [
        (
            "a service",
            a,
            "",
            &["stop a.service", "start a.service"][..],
        ),
        (
            "not stopped first",
            a,
            "[Service]\nX-StopIfChanged=false\n",
            &["restart a.service"],
        ),
        (
            "reloaded",
            a,
            "[Service]\nX-ReloadIfChanged=true\n",
            &["reload a.service"],
        ),
        (
            "not restarted",
            a,
            "[Service]\nX-RestartIfChanged=no\n",
            &["skip a.service"],
        ),
        (
            "not to be stopped",
            a,
            "[Unit]\nRefuseManualStop=true\n",
            &["skip a.service"],
        ),
        (
            "not to be started",
            a,
            "[Unit]\nRefuseManualStart=true\n",
            &["skip a.service"],
        ),
        (
            "started by hand alone",
            a,
            "[Unit]\nX-OnlyManualStart=true\n",
            &["skip a.service"],
        ),
        ("a timer", "a.timer", "", &["restart a.timer"]),
        ("a swap file", "a.swap", "", &["restart a.swap"]),
        ("a mount", "data.mount", "", &["restart data.mount"]),
        ("the store's mount", "nix.mount", "", &["reload nix.mount"]),
        (
            "an automount",
            "data.automount",
            "",
            &["restart data.automount"],
        ),
        ("a path", "a.path", "", &[]),
        ("a slice", "a.slice", "", &[]),
        (
            "a socket",
            "a.socket",
            "",
            &["stop a.socket", "start a.socket"],
        ),
        (
            "an instance",
            "a@b.service",
            "",
            &["stop a@b.service", "start a@b.service"],
        ),
        ("the bus", "dbus.service", "", &["skip dbus.service"]),
        (
            "the bus, reloaded",
            "dbus.service",
            "[Service]\nX-ReloadIfChanged=1\n",
            &["reload dbus.service"],
        ),
        (
            "a login",
            "getty@tty1.service",
            "",
            &["skip getty@tty1.service"],
        ),
        (
            "a user",
            "user@1000.service",
            "",
            &["skip user@1000.service"],
        ),
        (
            "systemd's socket",
            "systemd-x.socket",
            "",
            &["skip systemd-x.socket"],
        ),
    ] {
        let file = template_of(unit).unwrap_or_else(|| unit.to_owned());
        let before = format!("[Unit]\nAfter=x\n{keys}");
        let now = format!("[Unit]\nAfter=y\n{keys}");
        let changes = decide(
            &[(OWN, &file, &before)],
            &[(OWN, &file, &now)],
            &[unit],
            &[],
        );
        assert_eq!(said(&changes), expected, "{what}");
        // What does not run is not touched.
        let changes = decide(&[(OWN, &file, &before)], &[(OWN, &file, &now)], &[], &[]);
        assert_eq!(said(&changes), [""; 0], "{what}");
        let changes = decide(&[(OWN, &file, &now)], &[(OWN, &file, &now)], &[unit], &[]);
        assert_eq!(said(&changes), [""; 0], "{what}");
    }
}

#[test]
fn what_packages_ship_is_restarted_and_the_early_boot_left() {
    let early = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n";
    for (unit, before, now, expected) in [
        (
            "a.service",
            "[Service]\nNice=1\n",
            "[Service]\nNice=2\n",
            &["restart a.service"][..],
        ),
        (
            "a.service",
            early,
            &format!("{early}Nice=1\n"),
            &["skip a.service"],
        ),
        (
            "a.service",
            early,
            &format!("{early}[Unit]\nX-Restart-Triggers=b\n"),
            &["restart a.service"],
        ),
    ] {
        let changes = decide(
            &[(SHIPPED, unit, before)],
            &[(SHIPPED, unit, now)],
            &[unit],
            &[],
        );
        assert_eq!(said(&changes), expected, "{now}");
    }
}

#[test]
fn a_drop_in_is_a_change() {
    let unit = (SHIPPED, "a.service", "[Service]\nExecStart=/bin/a\n");
    let drop_in = (
        "etc/systemd/system/a.service.d",
        "overrides.conf",
        "[Service]\nNice=1\n",
    );
    let changes = decide(&[unit], &[unit, drop_in], &["a.service"], &[]);
    assert_eq!(said(&changes), ["restart a.service"]);
}

#[test]
fn removed_units_stop_unless_they_say_otherwise() {
    let old = [
        (OWN, "a.service", ""),
        (OWN, "b.service", "[Unit]\nX-StopOnRemoval=false\n"),
        (OWN, "dbus.service", ""),
        (SHIPPED, "c.socket", ""),
    ];
    let running = [
        "a.service",
        "b.service",
        "c.socket",
        "dbus.service",
        "session-1.scope",
        "d.service",
    ];
    let changes = decide(&old, &[], &running, &[]);
    assert_eq!(
        said(&changes),
        ["stop a.service", "stop c.socket", "skip dbus.service"]
    );
    // Masked is removed.
    let (_old, old) = system(&[(OWN, "a.service", "")]);
    let (folder, new) = system(&[(OWN, "b.service", "")]);
    std::os::unix::fs::symlink("/dev/null", folder.path().join(OWN).join("a.service")).unwrap();
    let changes = diff(&old, &new, &up(&["a.service"]), &BTreeSet::new());
    assert_eq!(said(&changes), ["stop a.service"]);
}

#[test]
fn a_service_of_a_socket_is_left_to_it() {
    let service = |key: &str, text: &str| format!("[Service]\nNice={key}\n{text}");
    let with = |text: &str, sockets: &[&str], running: &[&str]| {
        let (before, now) = (service("1", text), service("2", text));
        let mut old = vec![(OWN, "a.service", before.as_str())];
        let mut new = vec![(OWN, "a.service", now.as_str())];
        old.extend(sockets.iter().map(|name| (OWN, *name, "")));
        new.extend(sockets.iter().map(|name| (OWN, *name, "")));
        said(&decide(&old, &new, running, &[]))
    };
    assert_eq!(
        with("", &["a.socket"], &["a.service", "a.socket"]),
        ["stop a.service", "stop a.socket", "start a.socket"]
    );
    assert_eq!(
        with("", &["a.socket"], &["a.service"]),
        ["stop a.service", "start a.service"]
    );
    assert_eq!(
        with(
            "X-NotSocketActivated=true\n",
            &["a.socket"],
            &["a.service", "a.socket"]
        ),
        [
            "stop a.service",
            "stop a.socket",
            "start a.service",
            "start a.socket"
        ]
    );
    assert_eq!(
        with(
            "Sockets=b.socket\n",
            &["b.socket"],
            &["a.service", "b.socket"]
        ),
        ["stop a.service", "stop b.socket", "start b.socket"]
    );
    // One that goes away with the change.
    let (before, now) = (service("1", ""), service("2", ""));
    let changes = decide(
        &[(OWN, "a.service", &before), (OWN, "a.socket", "")],
        &[(OWN, "a.service", &now)],
        &["a.service", "a.socket"],
        &[],
    );
    assert_eq!(
        said(&changes),
        ["stop a.service", "stop a.socket", "start a.service"]
    );
}

#[test]
fn a_changed_socket_has_its_service_make_way() {
    let socket = |port: &str| format!("[Socket]\nListenStream={port}\n");
    let (before, now) = (socket("1"), socket("2"));
    let changes = decide(
        &[(OWN, "a.socket", &before), (OWN, "a.service", "")],
        &[(OWN, "a.socket", &now), (OWN, "a.service", "")],
        &["a.socket", "a.service"],
        &[],
    );
    assert_eq!(
        said(&changes),
        [
            "stop a.service",
            "stop a.socket",
            "start a.service",
            "start a.socket"
        ]
    );
}

#[test]
fn targets_are_started_again() {
    let units = [
        (SHIPPED, "multi-user.target", ""),
        (SHIPPED, "suspend.target", ""),
        (SHIPPED, "a.target", "[Unit]\nRefuseManualStart=true\n"),
        (OWN, "b.target", "[Unit]\nX-StopOnReconfiguration=true\n"),
    ];
    let running = [
        "multi-user.target",
        "suspend.target",
        "a.target",
        "b.target",
    ];
    let changes = decide(&units, &units, &running, &[]);
    assert_eq!(said(&changes), ["stop b.target"]);
    let targets: Vec<&String> = changes.targets.iter().collect();
    assert_eq!(targets, ["b.target", "multi-user.target"]);
}

#[test]
fn an_outdated_service_restarts_though_its_unit_is_the_same() {
    let units = [
        (SHIPPED, "a.service", "[Service]\nExecStart=/bin/a\n"),
        (SHIPPED, "b.service", "[Service]\nType=oneshot\n"),
        (SHIPPED, "dbus.service", ""),
    ];
    let running = ["a.service", "b.service", "dbus.service"];
    let changes = decide(&units, &units, &running, &running);
    assert_eq!(said(&changes), ["skip dbus.service", "restart a.service"]);
}

#[test]
fn the_file_system_table_is_followed() {
    let old = "/dev/a / ext4 defaults\n/dev/b /boot vfat defaults\n/dev/c /data ext4 defaults\n/dev/d /away ext4\n/dev/s none swap\n";
    let new = "/dev/a / ext4 noatime\n/dev/b /boot vfat umask=0077\n/dev/x /data ext4 defaults\n";
    let running = ["-.mount", "boot.mount", "data.mount"];
    let changes = decide(
        &[("etc", "fstab", old)],
        &[("etc", "fstab", new)],
        &running,
        &[],
    );
    assert_eq!(
        said(&changes),
        [
            "reload -.mount",
            "reload boot.mount",
            "restart data.mount",
            "swapoff /dev/s"
        ]
    );
}

#[test]
fn an_activation_script_may_ask_for_units() {
    let (_folder, new) = system(&[
        (OWN, "a.service", ""),
        (OWN, "b.service", "[Service]\nX-ReloadIfChanged=true\n"),
        (OWN, "c.service", "[Service]\nX-RestartIfChanged=false\n"),
    ]);
    let asked = ["a.service", "b.service", "c.service", "d.service"];
    let asked = asked.iter().map(|name| (*name).to_owned()).collect();
    let mut changes = Changes::default();
    let loaded = up(&["a.service", "b.service", "c.service"]);
    asked_for(&new, &loaded, &asked, &mut changes);
    assert_eq!(
        said(&changes),
        [
            "skip c.service",
            "reload b.service",
            "restart a.service",
            "start d.service"
        ]
    );
}
