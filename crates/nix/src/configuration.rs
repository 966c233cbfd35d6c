//! What the user has configured in Nix, as far as flk's own settings depend on it.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{Version, process};

/// Nix's configuration, in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// `substituters` has its built-in value.
    pub(crate) substituters_are_default: bool,
    /// Their addresses.
    pub(crate) substituters: Vec<String>,
    build_users_group: String,
}

impl Configuration {
    /// Asks Nix. Without an answer, what a fresh machine has: a wrong guess costs time, not correctness.
    pub(crate) fn read(program: &Path, version: Version) -> Self {
        let mut command = Command::new(program);
        command.args(["--extra-experimental-features", "nix-command"]);
        // `nix config show` came with 2.20, where `nix show-config` began to warn.
        let renamed = Version {
            major: 2,
            minor: 20,
        };
        command.args(if version >= renamed {
            ["config", "show", "--json"].as_slice()
        } else {
            ["show-config", "--json"].as_slice()
        });
        let json = process::run(command, &mut |_| {})
            .ok()
            .filter(|output| output.status.success())
            .and_then(|output| serde_json::from_slice(&output.stdout).ok())
            .unwrap_or(Value::Null);
        Self::parse(&json)
    }

    fn parse(json: &Value) -> Self {
        let substituters = &json["substituters"];
        Self {
            substituters_are_default: substituters["value"] == substituters["defaultValue"],
            substituters: substituters["value"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|address| address.as_str().map(str::to_owned))
                .collect(),
            build_users_group: json["build-users-group"]["value"]
                .as_str()
                .unwrap_or("nixbld")
                .to_owned(),
        }
    }

    /// Nix would build as users of a group that does not exist: it is root on a machine where Nix came as a distribution's package.
    pub(crate) fn lacks_build_users(&self) -> bool {
        let group = &self.build_users_group;
        !group.is_empty()
            && rustix::process::geteuid().is_root()
            && std::fs::read_to_string("/etc/group").is_ok_and(|groups| {
                !groups.lines().any(|line| {
                    line.strip_prefix(group.as_str())
                        .is_some_and(|rest| rest.starts_with(':'))
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn substituters_count_as_default_only_at_their_default() {
        for (value, default, expected) in [
            (json!(["a"]), json!(["a"]), true),
            (json!(["a", "b"]), json!(["a"]), false),
            (json!([]), json!(["a"]), false),
        ] {
            let json = json!({ "substituters": { "value": value, "defaultValue": default } });
            assert_eq!(
                Configuration::parse(&json).substituters_are_default,
                expected
            );
        }
    }

    #[test]
    fn an_empty_group_is_the_users_wish() {
        let json = json!({ "build-users-group": { "value": "", "defaultValue": "" } });
        assert!(!Configuration::parse(&json).lacks_build_users());
    }
}
