//! Repositories as git and Nix really have them: paths that no URL holds as they are, files that git was told to overlook, filters, submodules, shallow
//! clones and their working trees, another repository in the environment, and hosts that git does not give. What flk evaluates is compared with what Nix
//! reads at that moment.

mod workbench;

use std::{fs, path::Path, process::Command};

use workbench::{SMALL_FLAKE, Workbench, nix_is_here};

/// Every character that means something in a URL, in a flake reference or to a shell, and two that are not ASCII.
const NAME: &str = "a@b c#d?e%f%41 ä+&='$;,!(~)[x]{y}|^`<>\"*\\ü";

fn bench() -> Option<Workbench> {
    nix_is_here().then(Workbench::new)
}

/// A committed repository with one host of no channel, whose derivation depends on the file `salt`.
fn repository(bench: &Workbench, name: &str) {
    bench.write(&format!("{name}/flake.nix"), SMALL_FLAKE);
    bench.write(&format!("{name}/salt"), "one\n");
    bench.git(name, &["init", "--quiet"]);
    commit(bench, name);
}

fn commit(bench: &Workbench, name: &str) {
    bench.git(name, &["add", "--all"]);
    bench.git(name, &["commit", "--quiet", "-m", "x"]);
}

/// The derivation that flk would build for the host.
fn by_flk(bench: &Workbench, directory: &str) -> String {
    let run = bench
        .flk_in(directory, &["iso", "NixOS", "--dry-run", "--json"])
        .ended(0);
    let built = workbench::built(&run.stdout, "-image.json.drv");
    built.first().expect("image.json is built").clone()
}

/// The derivation that Nix has for the host.
fn by_nix(bench: &Workbench, directory: &str) -> String {
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["--option", "eval-cache", "false", "eval", "--raw"])
        .args([".#nixosConfigurations.NixOS", "--apply"])
        .arg("host: (host.extendModules { }).config.system.build.flkImage.drvPath")
        .current_dir(bench.at(directory))
        .env("HOME", bench.home(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_path_may_have_any_character() {
    let Some(bench) = bench() else { return };
    repository(&bench, "plain");
    let expected = by_flk(&bench, "plain");
    repository(&bench, NAME);
    fs::create_dir(bench.at(NAME).join("sub dir#")).unwrap();
    assert_eq!(by_flk(&bench, NAME), expected);
    assert_eq!(by_flk(&bench, &format!("{NAME}/sub dir#")), expected);

    // In its own directory of the repository, changed, and without git.
    let below = format!("{NAME}/sub dir#/{NAME}");
    bench.write(&format!("{below}/flake.nix"), SMALL_FLAKE);
    bench.write(&format!("{below}/salt"), "two\n");
    bench.git(NAME, &["add", "--all"]);
    let changed = by_flk(&bench, &below);
    assert_ne!(changed, expected);
    fs::remove_dir_all(bench.at(NAME).join(".git")).unwrap();
    assert_eq!(by_flk(&bench, &below), changed);
    assert_eq!(by_flk(&bench, NAME), expected);

    // As a URL.
    let url = format!("path:{}", encoded(&bench.at(NAME)));
    bench
        .flk(&["iso", "NixOS", "--dry-run", "--flake", &url])
        .ended(0);
}

/// A home directory is a path, too: flk's own flakes are below it.
#[test]
fn hosts_alone_may_be_anywhere() {
    let Some(bench) = bench() else { return };
    let home = bench.at(NAME);
    let bench = bench.variable("HOME", home.to_str().unwrap());
    let hosts = format!("{NAME}/machines");
    bench.write(&format!("{hosts}/hosts/box.nix"), "{ }\n");
    bench.write(
        &format!("{NAME}/nixpkgs/flake.nix"),
        "{ outputs = _: { lib.nixosSystem = arguments: { config = { }; }; }; }",
    );
    let channel = ["hosts", "--channel", "../nixpkgs"];
    let run = bench.flk_in(&hosts, &channel);
    assert!(
        run.stdout.starts_with("box "),
        "{}\n{}",
        run.stdout,
        run.stderr
    );
}

fn encoded(path: &Path) -> String {
    path.to_str()
        .unwrap()
        .bytes()
        .map(|byte| match byte {
            b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[test]
fn what_git_overlooks_is_what_nix_reads() {
    let Some(bench) = bench() else { return };
    for (number, how) in ["--assume-unchanged", "--skip-worktree"].iter().enumerate() {
        for is_new in [false, true] {
            let name = format!("r{number}{is_new}");
            repository(&bench, &name);
            if is_new {
                bench.git(&name, &["rm", "--quiet", "--cached", "salt"]);
                bench.git(&name, &["commit", "--quiet", "-m", "without"]);
                bench.git(&name, &["add", "--intent-to-add", "salt"]);
            }
            bench.git(&name, &["update-index", how, "salt"]);
            // The host with that content: the same by flk and by Nix.
            let made_of = |content: &str| {
                bench.write(&format!("{name}/salt"), content);
                let derivation = by_flk(&bench, &name);
                assert_eq!(
                    derivation,
                    by_nix(&bench, &name),
                    "{how} {is_new} {content}"
                );
                derivation
            };
            let mut seen = Vec::new();
            for content in ["one\n", "two\n"] {
                seen.push(made_of(content));
            }
            // Together with another change, Nix reads the files as they are.
            bench.write(&format!("{name}/other"), "x");
            bench.git(&name, &["add", "other"]);
            for content in ["four\n", "five\n"] {
                let derivation = made_of(content);
                assert!(!seen.contains(&derivation), "{how} {is_new} {content}");
                seen.push(derivation);
            }
            bench
                .flk_in(&name, &["iso", "NixOS", "--dry-run"])
                .ended(0)
                .said("note: git was told to overlook changes in salt");
        }
    }
}

/// As `git-crypt unlock` does: another content at the same commit, of which git says that nothing has changed.
#[test]
fn a_filter_changes_what_is_there() {
    let Some(bench) = bench() else { return };
    bench.write("r/.gitattributes", "salt filter=upper\n");
    repository(&bench, "r");
    bench.write("r/other", "x");
    bench.git("r", &["add", "other"]);
    let locked = by_flk(&bench, "r");
    bench.git("r", &["config", "filter.upper.smudge", "tr a-z A-Z"]);
    bench.git("r", &["config", "filter.upper.clean", "tr A-Z a-z"]);
    fs::remove_file(bench.at("r/salt")).unwrap();
    bench.git("r", &["checkout", "--", "salt"]);
    assert_eq!(bench.read("r/salt"), "ONE\n");
    assert_eq!(bench.git("r", &["status", "--porcelain"]), "A  other\n");
    let unlocked = by_flk(&bench, "r");
    assert_ne!(unlocked, locked);
    assert_eq!(unlocked, by_nix(&bench, "r"));
}

#[test]
fn another_repository_in_the_environment_is_no_matter() {
    let Some(bench) = bench() else { return };
    repository(&bench, "r");
    let expected = by_flk(&bench, "r");
    repository(&bench, "other");
    bench.write("other/salt", "other\n");
    let before = bench.git("other", &["status", "--porcelain"]);
    let other = |path: &str| bench.at("other").join(path).display().to_string();
    let variables = [
        ("GIT_DIR", other(".git")),
        ("GIT_WORK_TREE", other("")),
        ("GIT_INDEX_FILE", other(".git/index")),
        ("GIT_COMMON_DIR", other(".git")),
        ("GIT_OBJECT_DIRECTORY", other(".git/objects")),
        ("GIT_NAMESPACE", "other".to_owned()),
        ("GIT_PREFIX", "hosts/".to_owned()),
        ("GIT_LITERAL_PATHSPECS", "1".to_owned()),
    ];
    for chosen in [&variables[..1], &variables[2..3], &variables[..]] {
        let pairs: Vec<(&str, &str)> = chosen
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let run = bench
            .flk_with("r", &pairs, &["iso", "NixOS", "--dry-run", "--json"])
            .ended(0);
        let built = workbench::built(&run.stdout, "-image.json.drv");
        assert_eq!(built, std::slice::from_ref(&expected), "{chosen:?}");
        assert!(!run.stderr.contains("other"), "{}", run.stderr);
    }
    assert_eq!(bench.git("other", &["status", "--porcelain"]), before);
}

#[test]
fn shallow_clones_and_their_working_trees_are_read() {
    let Some(bench) = bench() else { return };
    repository(&bench, "r");
    bench.git("r", &["commit", "--quiet", "--allow-empty", "-m", "second"]);
    let expected = by_flk(&bench, "r");
    let url = format!("file://{}", bench.at("r").display());
    bench.git("", &["clone", "--quiet", "--depth=1", &url, "shallow"]);
    bench.git("shallow", &["worktree", "add", "--quiet", "../tree"]);
    for name in ["shallow", "tree"] {
        assert_eq!(by_flk(&bench, name), expected, "{name}");
    }
}

#[test]
fn submodules_are_part_of_the_repository() {
    let Some(bench) = bench() else { return };
    bench.write("part/salt.nix", "one");
    bench.git("part", &["init", "--quiet"]);
    commit(&bench, "part");
    let part = bench.at("part").display().to_string();
    let local = ["-c", "protocol.file.allow=always"];
    let with = |arguments: &[&'static str]| [&local[..], arguments].concat();
    let flake = SMALL_FLAKE.replace("./salt", "./part/salt.nix");
    bench.write("r/flake.nix", &flake);
    bench.git("r", &["init", "--quiet"]);
    let mut add = with(&["submodule", "--quiet", "add"]);
    add.extend([part.as_str(), "part"]);
    bench.git("r", &add);
    commit(&bench, "r");
    let first = by_flk(&bench, "r");
    // Also what is changed in it.
    bench.write("r/part/salt.nix", "two");
    assert_ne!(by_flk(&bench, "r"), first);
    bench.git("r/part", &["checkout", "--quiet", "salt.nix"]);
    assert_eq!(by_flk(&bench, "r"), first);
}

#[test]
fn hosts_that_are_not_given_are_named_by_the_reason() {
    let Some(bench) = bench() else { return };
    let hosts = |name: &str| bench.write(&format!("{name}/hosts/box.nix"), "{ }\n");
    let refused = |name: &str, said: &str, hint: &str| {
        let run = bench.flk_in(name, &["hosts"]).ended(1);
        assert!(!run.stderr.contains("/nix/store"), "{}", run.stderr);
        run.said(said).said(hint);
    };

    hosts("new");
    bench.git("new", &["init", "--quiet"]);
    refused(
        "new",
        "error: git does not track hosts in ",
        "hint: git -C ",
    );

    bench.write("flake/flake.nix", SMALL_FLAKE);
    bench.git("flake", &["init", "--quiet"]);
    refused(
        "flake",
        "error: git does not track flake.nix in ",
        "hint: git -C ",
    );

    hosts("outer/machines");
    bench.git("outer", &["init", "--quiet"]);
    bench.write("outer/.gitignore", "/machines\n");
    refused("outer/machines", "ignores it", "a repository of its own");
    bench.write("outer/.gitignore", "hosts\n");
    hosts("outer");
    refused("outer", "ignores it", "take it out of .gitignore");

    hosts("there");
    fs::create_dir(bench.at("link")).unwrap();
    std::os::unix::fs::symlink("../there/hosts", bench.at("link/hosts")).unwrap();
    refused(
        "link",
        "hosts is a symlink to ../there/hosts, which is outside of ",
        "hint: move",
    );

    hosts("part");
    bench.git("part", &["init", "--quiet"]);
    commit(&bench, "part");
    let part = bench.at("part/hosts").display().to_string();
    bench.git("part/hosts", &["init", "--quiet"]);
    commit(&bench, "part/hosts");
    bench.write("whole/flake.nix", SMALL_FLAKE);
    bench.write("whole/salt", "one");
    bench.git("whole", &["init", "--quiet"]);
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &part,
        "hosts",
    ];
    bench.git("whole", &add);
    commit(&bench, "whole");
    let whole = bench.at("whole").display().to_string();
    bench.git("", &["clone", "--quiet", &whole, "clone"]);
    refused(
        "clone",
        "hosts is in the git submodule hosts, which is not checked out",
        "submodule update --init hosts",
    );
}
