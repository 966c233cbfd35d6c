//! Tables of what a merge has to do.

use super::*;
use crate::config::Group;

fn user(name: &str) -> User {
    User {
        name: name.into(),
        uid: None,
        group: "users".into(),
        extra_groups: vec![],
        home: format!("/home/{name}").into(),
        create_home: true,
        home_mode: "0700".into(),
        shell: "/bin/bash".into(),
        description: String::new(),
        hashed_password: None,
        initial_hashed_password: None,
        is_system_user: false,
    }
}

fn group(name: &str, gid: Option<u32>) -> Group {
    Group {
        name: name.into(),
        gid,
        members: vec![],
    }
}

fn configuration(mutable_users: bool, users: Vec<User>, groups: Vec<Group>) -> Stage2 {
    Stage2 {
        host_name: String::new(),
        mutable_users,
        state_directory: "/var/lib/flk".into(),
        users,
        groups: [vec![group("users", Some(100))], groups].concat(),
        wrappers: vec![],
        activation: None,
    }
}

fn first(configuration: &Stage2) -> Merged {
    merge(
        configuration,
        Database::default(),
        Ids::default(),
        Stage::AfterPackages,
    )
}

fn again(configuration: &Stage2, before: &Merged) -> Merged {
    merge(
        configuration,
        before.database.clone(),
        before.ids.clone(),
        Stage::AfterPackages,
    )
}

fn hash<'a>(merged: &'a Merged, name: &str) -> &'a str {
    &merged.database.shadow.get(name).unwrap()[1]
}

#[test]
fn an_empty_machine_gets_root_and_the_declared() {
    let nixos = User {
        extra_groups: vec!["wheel".into()],
        description: "a:b".into(),
        ..user("nixos")
    };
    let daemon = User {
        is_system_user: true,
        create_home: false,
        ..user("svc")
    };
    let configuration = configuration(
        true,
        vec![nixos, daemon],
        vec![group("wheel", Some(1)), group("svc", None)],
    );
    let merged = first(&configuration);
    assert_eq!(
        merged.database.passwd.render(),
        "root:x:0:0:System administrator:/root:/bin/bash\nsvc:x:999:100::/home/svc:/bin/bash\nnixos:x:1000:100:a b:/home/nixos:/bin/bash\n"
    );
    assert_eq!(
        merged.database.group.render(),
        "root:x:0:\nwheel:x:1:nixos\nusers:x:100:\nsvc:x:999:\n"
    );
    assert_eq!(
        merged.database.gshadow.render(),
        "root:!::\nwheel:!::nixos\nusers:!::\nsvc:!::\n"
    );
    assert_eq!(
        merged.database.shadow.render(),
        "root:!:1::::::\nsvc:!:1::::::\nnixos:!:1::::::\n"
    );
    assert_eq!(merged.database.subuid.render(), "nixos:100000:65536\n");
    assert_eq!(merged.database.subuid, merged.database.subgid);
    assert!(merged.warnings.is_empty(), "{:?}", merged.warnings);
    assert_eq!(
        again(&configuration, &merged),
        merged,
        "a second time changes nothing"
    );
}

#[test]
fn passwords_follow_mutable_users() {
    let of = |hashed: Option<&str>, initial: Option<&str>| User {
        hashed_password: hashed.map(Into::into),
        initial_hashed_password: initial.map(Into::into),
        ..user("u")
    };
    for (mutable, hashed, initial, on_disk, expected) in [
        (true, None, None, None, "!"),
        (true, None, Some("$i"), None, "$i"),
        (true, None, Some(""), None, ""),
        (true, Some("$h"), Some("$i"), None, "$h"),
        (true, Some("$h"), None, Some("$mine"), "$mine"),
        (true, None, Some("$i"), Some("$mine"), "$mine"),
        (false, Some("$h"), None, Some("$mine"), "$h"),
        (false, None, None, Some("$mine"), "!"),
        (false, Some("$a:b"), None, None, "!"),
    ] {
        let mut database = Database::default();
        if let Some(on_disk) = on_disk {
            database
                .passwd
                .put(entry(["u", "x", "1000", "100", "", "/home/u", "/bin/sh"]));
            database.shadow.put(entry([
                "u", on_disk, "19000", "0", "99999", "7", "", "", "",
            ]));
        }
        let merged = merge(
            &configuration(mutable, vec![of(hashed, initial)], vec![]),
            database,
            Ids::default(),
            Stage::AfterPackages,
        );
        assert_eq!(
            hash(&merged, "u"),
            expected,
            "mutable {mutable}, {hashed:?}, {initial:?}, on disk {on_disk:?}"
        );
        if on_disk.is_some() {
            assert_eq!(
                merged.database.shadow.get("u").unwrap()[2],
                "19000",
                "the rest of the line stays"
            );
        }
    }
}

#[test]
fn a_number_on_disk_wins_and_is_said() {
    let mut database = Database::default();
    database
        .passwd
        .put(entry(["u", "x", "1234", "100", "", "/", "/"]));
    database.group.put(entry(["g", "x", "77", ""]));
    let wanted = User {
        uid: Some(1000),
        ..user("u")
    };
    let merged = merge(
        &configuration(true, vec![wanted], vec![group("g", Some(78))]),
        database,
        Ids::default(),
        Stage::AfterPackages,
    );
    assert_eq!(
        (merged.database.uid("u"), merged.database.gid("g")),
        (Some(1234), Some(77))
    );
    assert_eq!(merged.warnings.len(), 2);
}

#[test]
fn numbers_are_remembered_and_never_given_to_another() {
    let both = configuration(false, vec![user("a"), user("b")], vec![group("g", None)]);
    let before = first(&both);
    assert_eq!(
        (
            before.database.uid("a"),
            before.database.uid("b"),
            before.database.gid("g")
        ),
        (Some(1000), Some(1001), Some(999))
    );
    let without_a = again(
        &configuration(false, vec![user("b"), user("c")], vec![group("h", None)]),
        &before,
    );
    assert_eq!(without_a.database.uid("a"), None);
    assert_eq!(
        (
            without_a.database.uid("b"),
            without_a.database.uid("c"),
            without_a.database.gid("h")
        ),
        (Some(1001), Some(1002), Some(998))
    );
    assert_eq!(without_a.database.gid("g"), None);
    assert_eq!(without_a.database.subuid.get("c").unwrap()[1], "231072");
    let back = again(&both, &without_a);
    assert_eq!(
        (back.database.uid("a"), back.database.gid("g")),
        (Some(1000), Some(999))
    );
    assert_eq!(back.database.subuid.get("a").unwrap()[1], "100000");
}

#[test]
fn numbers_that_are_asked_for_are_not_given_away() {
    let merged = first(&configuration(
        true,
        vec![
            user("a"),
            User {
                uid: Some(1000),
                ..user("b")
            },
        ],
        vec![group("x", None), group("y", Some(999))],
    ));
    assert_eq!(
        (merged.database.uid("a"), merged.database.uid("b")),
        (Some(1001), Some(1000))
    );
    assert_eq!(
        (merged.database.gid("x"), merged.database.gid("y")),
        (Some(998), Some(999))
    );
}

#[test]
fn who_is_not_declared_any_more_goes_only_when_immutable() {
    for (mutable, expected) in [(true, true), (false, false)] {
        let before = first(&configuration(
            mutable,
            vec![User {
                extra_groups: vec!["root".into()],
                ..user("gone")
            }],
            vec![],
        ));
        let mut with_package = before.clone();
        with_package.database.passwd.put(entry([
            "sshd",
            "x",
            "990",
            "65534",
            "",
            "/run/sshd",
            "/usr/sbin/nologin",
        ]));
        let after = again(&configuration(mutable, vec![], vec![]), &with_package);
        assert_eq!(after.database.uid("gone").is_some(), expected);
        assert_eq!(after.database.shadow.get("gone").is_some(), expected);
        assert_eq!(
            after.database.group.get("root").unwrap()[3],
            "",
            "membership was declared, and is not any more"
        );
        assert!(
            after.database.uid("sshd").is_some(),
            "a package's user stays"
        );
    }
}

#[test]
fn members_by_hand_stay_while_mutable() {
    for (mutable, expected) in [(true, "byhand,u"), (false, "u")] {
        let mut database = Database::default();
        database.group.put(entry(["wheel", "x", "1", "byhand,old"]));
        let ids = Ids {
            declared_users: ["old".to_owned()].into(),
            ..Ids::default()
        };
        let wheel = Group {
            members: vec!["u".into()],
            ..group("wheel", Some(1))
        };
        let merged = merge(
            &configuration(mutable, vec![user("u")], vec![wheel]),
            database,
            ids,
            Stage::AfterPackages,
        );
        assert_eq!(merged.database.group.get("wheel").unwrap()[3], expected);
    }
}

#[test]
fn groups_of_packages_come_later() {
    let journal = User {
        extra_groups: vec!["systemd-journal".into()],
        ..user("a")
    };
    let owned = User {
        group: "messagebus".into(),
        ..user("b")
    };
    let configuration = configuration(true, vec![journal, owned], vec![]);
    let before = merge(
        &configuration,
        Database::default(),
        Ids::default(),
        Stage::BeforePackages,
    );
    assert!(before.warnings.is_empty());
    assert_eq!(before.database.uid("b"), None);
    let mut with_packages = before.clone();
    with_packages
        .database
        .group
        .put(entry(["systemd-journal", "x", "998", "systemd-user"]));
    with_packages
        .database
        .group
        .put(entry(["messagebus", "x", "997", ""]));
    let after = again(&configuration, &with_packages);
    assert_eq!(
        after.database.group.get("systemd-journal").unwrap()[3],
        "a,systemd-user"
    );
    assert_eq!(after.database.passwd.get("b").unwrap()[3], "997");
    assert!(after.warnings.is_empty(), "{:?}", after.warnings);
    let lost = again(&configuration, &before);
    assert_eq!(lost.database.passwd.get("b").unwrap()[3], "65534");
    assert_eq!(lost.warnings.len(), 2, "{:?}", lost.warnings);
}

#[test]
fn names_that_would_break_the_files_are_left_out() {
    let merged = first(&configuration(
        true,
        vec![
            user("a:b"),
            user("a\nb"),
            User {
                shell: "x:y".into(),
                ..user("c")
            },
        ],
        vec![group("", None)],
    ));
    assert_eq!(merged.database.passwd.entries.len(), 1);
    assert_eq!(merged.warnings.len(), 4);
}
