//! The live system has no failed unit, carries the repository as git knows it, and works with flakes without a network.

use flk_tests::{
    Bench, BenchError, FIND, Fixture, Link, Machine, MachineOptions, Need, listing, run,
};
use std::{process::Command, time::Duration};

#[test]
fn live_system_is_whole() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("live_system_is_whole", &[Need::MACHINES])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let link = Link::new()?;
    let ssh = fixture.ssh(&link);
    let mut machine = Machine::start(
        &link,
        MachineOptions::new("whole", &fixture.iso, 0x61),
        &bench.logs(),
    )?;
    let target = ssh.wait_for(&mut machine, Duration::from_secs(300))?;
    let read = |script: &str| ssh.read(&target, script);

    // systemd is content.
    let state = ssh.run(&target, "timeout 120 systemctl is-system-running --wait")?;
    assert_eq!(
        state.stdout.trim(),
        "running",
        "{}",
        read("systemctl --failed; systemctl list-jobs")?
    );
    assert_eq!(read("systemctl --failed --no-legend --plain")?, "");
    assert_eq!(read("hostname")?.trim(), "NixOS");

    // Both consoles are logged in and say where the machine is to be found, and by which key.
    let own = machine.mac().link_local().to_string();
    let fingerprint = read("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap_or_default();
    let console = machine.console();
    for needle in ["NixOS, a live system by flk", fingerprint, &own] {
        console.wait_for(needle, Duration::from_secs(60))?;
    }
    let mark = machine.console().mark();
    machine
        .keyboard()
        .type_text("id -un && echo al$((1))ve\n")?;
    machine
        .console()
        .wait_after(mark, "al1ve", Duration::from_secs(60))?;
    let screen = read("sudo -n cat /dev/vcs1 | fold -w $(($(stty -F /dev/tty1 size </dev/null 2>/dev/null | cut -d' ' -f2)+0))")
        .or_else(|_| read("sudo -n cat /dev/vcs1"))?;
    assert!(
        screen.contains("NixOS, a live system by flk"),
        "tty1 shows:\n{screen}"
    );

    // The repository: what git tracks, and only that.
    let mut found: Vec<String> = read("cd /iso/devos && find . ! -type d -printf '%P\\n'")?
        .lines()
        .map(str::to_owned)
        .collect();
    let mut tracked = fixture.tracked_files()?;
    found.sort();
    tracked.sort();
    assert_eq!(found, tracked);

    // Flakes, with no network: nobody on this link knows the way anywhere.
    let routes = read("ip route show default; ip -6 route show default")?;
    assert_eq!(routes, "", "this machine has a way out");
    let metadata = read("cd /tmp && timeout 300 nix flake metadata --json /iso/devos")?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert!(
        metadata["locks"]["nodes"]["flk"]["locked"]["narHash"].is_string(),
        "{metadata}"
    );
    // What `flk update` trusts a mirror by.
    read(
        "test -s /usr/share/keyrings/debian-archive-keyring.gpg -o -s /usr/share/keyrings/debian-archive-keyring.pgp",
    )?;
    let hosts = read(
        "timeout 600 nix eval --json /iso/devos#nixosConfigurations --apply builtins.attrNames && \
         readlink -f $(command -v flk) | grep -c ^/nix/store/",
    )?;
    assert!(hosts.contains("\"NixOS\""), "{hosts}");

    // The store is registered.
    let paths = read("nix-store --query --requisites /run/current-system | wc -l")?;
    let paths: usize = paths.trim().parse().unwrap();
    assert!(
        paths >= 150,
        "the live system is made of {paths} store paths"
    );
    let unregistered = read(
        "ls /nix/store | grep -E '^[0-9a-z]{32}-' | grep -v '[.]lock$' | sed s,^,/nix/store/, | xargs nix-store --check-validity --print-invalid",
    )?;
    assert_eq!(unregistered, "", "in the store, but not registered");

    // The medium is to this kernel what it is to flk's reader, and to xorriso. (That the store is what Nix says is seen without a machine, much faster.)
    let as_root = |script: &str| read(&format!("sudo -n sh -s <<'END'\ncd /iso\n{script}\nEND"));
    let found = as_root(FIND)?;
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(found, listing(&fixture.iso)?);
    let digests = "find . -type f ! -name nix-store.squashfs -exec sha256sum {} + | LC_ALL=C sort";
    let mut judge = Command::new("sh");
    judge.args(["-c", digests]).current_dir(fixture.medium()?);
    assert_eq!(as_root(digests)?, run(&mut judge)?.success()?.stdout);
    machine.power_off(Duration::from_secs(120))
}
