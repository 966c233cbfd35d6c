//! After an installation from afar: the installed host's key and cards, read over the verified connection, become its identity.

use std::path::Path;

use flk_identity::{Identities, Identity};
use flk_lan::Mac;
use jiff::Timestamp;

use crate::{
    error::{Context, Failure, Result},
    shell::quoted,
    ui,
    verb::{
        discover::search::identities_file,
        ssh::{destination::Destination, ssh},
    },
};

/// Where `flk install` puts a host's key: by the channel, `/etc` itself or its upper layer.
const KEYS: [&str; 2] = [
    "etc/ssh/ssh_host_ed25519_key.pub",
    "var/lib/flk/etc/upper/ssh/ssh_host_ed25519_key.pub",
];
/// Where a target is mounted, unless `--root` says otherwise.
pub(crate) const ROOT: &str = "/mnt";
/// A card has a device of its own; bridges and the like have none.
const CARDS: &str = "for card in /sys/class/net/*/device; do cat \"${card%/device}/address\" 2>/dev/null || true; done";

/// A host that was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The host.
    pub(crate) host: String,
    /// Where it is mounted on the live machine.
    pub(crate) root: String,
}

/// What a command line installs: `sudo flk install NixOS --yes`, also as one word. `None`: nothing, or it restarts the machine.
pub(crate) fn installation(command: &[String]) -> Option<Installation> {
    let line = command.join(" ");
    let mut words = line.split_whitespace().skip_while(|word| {
        let program = word.rsplit('/').next();
        program != Some("flk")
    });
    words.next()?;
    let rest: Vec<&str> = words
        .take_while(|word| !matches!(*word, "&&" | ";" | "|" | "||"))
        .collect();
    let is_none = |flag: &&str| matches!(*flag, "--dry-run" | "--attach" | "--reboot" | "--help");
    if rest.first() != Some(&"install") || rest.iter().any(is_none) {
        return None;
    }
    let (mut host, mut root) = (None, ROOT);
    let mut arguments = rest[1..].iter();
    while let Some(argument) = arguments.next() {
        match argument.split_once('=') {
            Some(("--root", folder)) => root = folder,
            _ if *argument == "--root" => root = *arguments.next()?,
            _ if matches!(*argument, "--flake" | "--channel") => drop(arguments.next()),
            _ if argument.starts_with('-') || host.is_some() => {}
            _ => host = Some(*argument),
        }
    }
    Some(Installation {
        host: unquoted(host?),
        root: unquoted(root),
    })
}

/// As the shell there has taken it, as far as one word without blanks can be quoted.
fn unquoted(word: &str) -> String {
    word.trim_end_matches(';')
        .trim_matches(['\'', '"'])
        .to_owned()
}

/// Reads what was installed, and records it.
pub(crate) fn learn(
    destination: &Destination,
    installed: &Installation,
    flake: Option<&Path>,
) -> Result<()> {
    let Installation { host, root } = installed;
    let Some(build) = destination.build() else {
        return Err(Failure::new(format!(
            "{} is no live machine",
            destination.name
        )));
    };
    let path = identities_file(flake)?.ok_or_else(|| {
        Failure::new("there is no repository here to record the host in")
            .hint("run flk in the repository, or name it with --flake DIR")
    })?;
    let mut identities = Identities::open(&path)?;
    let mut command = ssh(destination)?;
    let keys: Vec<String> = KEYS
        .iter()
        .map(|key| quoted(&format!("{}/{key}", root.trim_end_matches('/'))))
        .collect();
    command
        .args(["-o", "BatchMode=yes", "--", &destination.name])
        // The target's folders may be closed to the user.
        .arg(format!(
            "sudo -n cat {} 2>/dev/null; echo; {CARDS}",
            keys.join(" ")
        ));
    let output = command.output().context(|| "cannot run ssh".into())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(key) = text.lines().find(|line| line.starts_with("ssh-ed25519 ")) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "no ssh host key of an installed host is at {root} of {}: {}",
            destination.name,
            said.trim()
        ))
        .hint("the target has to be mounted there still; if it is elsewhere: `flk identity learn HOST --root DIR`"));
    };
    let mut macs: Vec<Mac> = text
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    macs.retain(|mac| !mac.is_group() && mac.0 != [0; 6]);
    let own = destination
        .found
        .as_ref()
        .and_then(|found| found.machine.mac);
    if let Some(own) = own
        && !macs.contains(&own)
    {
        macs.insert(0, own);
    }
    let identity = Identity {
        host: host.clone(),
        // What is installed from its ISO has its name.
        host_name: destination
            .pin()
            .filter(|pin| flk_identity::is_same_name(&pin.host, host))
            .and_then(|pin| pin.host_name.clone()),
        macs,
        public_key: Some(key.trim().to_owned()),
        learned: Some(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        build: Some(build.to_owned()),
    };
    let changed = identities.learn(&identity)?;
    let shown = identity.fingerprint().unwrap_or_default();
    if changed {
        ui::note(format_args!(
            "{host} is recorded in {}: {shown}",
            path.display()
        ));
        ui::note("commit it: `git add identities.toml`");
    } else {
        ui::note(format_args!("{host} is in {} already", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installations_are_known_by_their_words() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            installation(&words)
        };
        for (line, root) in [
            ("sudo flk install NixOS --yes", "/mnt"),
            (
                "cd /iso/devos && sudo flk install --yes --root /target NixOS",
                "/target",
            ),
            ("sudo flk install NixOS --root=/target --flake .", "/target"),
            (
                "sudo flk install --flake . NixOS --root '/target'",
                "/target",
            ),
            (
                "/run/current-system/sw/bin/flk install NixOS; echo done",
                "/mnt",
            ),
            ("sudo flk install --channel nixpkgs NixOS --yes", "/mnt"),
        ] {
            let expected = Installation {
                host: "NixOS".into(),
                root: root.into(),
            };
            assert_eq!(of(line), Some(expected), "{line}");
        }
        for line in [
            "flk switch",
            "ls",
            "sudo flk install NixOS --dry-run",
            "flk install --attach",
            "echo install NixOS",
            "sudo flk install NixOS --reboot",
            "sudo flk install NixOS --root",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
