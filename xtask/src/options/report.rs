//! What there is to say of a nixpkgs tree, by what `options/look.nix` found there.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What `look.nix` says of a tree.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Looked {
    pub(super) release: String,
    tables: Tables,
    pub(super) definitions: Vec<Definition>,
    members: Vec<Member>,
    pub(super) reads: BTreeMap<String, Read>,
}

#[derive(Deserialize)]
pub(super) struct Tables {
    reads: BTreeMap<String, Expected>,
    members: BTreeMap<String, Allowed>,
}

/// What flk takes a read option for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expected {
    /// Nix's names of types (`builtins.typeOf`).
    types: Vec<String>,
    /// flk does without the option.
    has_default: bool,
}

/// Why flk may define a member of an `attrsOf submodule`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Allowed {
    /// flk makes it whole; otherwise it has to be there without flk.
    is_made: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition {
    file: String,
    path: Vec<String>,
    state: State,
    /// An alias's description, which names the option that it stands for.
    description: String,
    is_of_type: bool,
    /// By `whereKnown`: only where the option is there.
    is_guarded: bool,
    /// The type's description.
    r#type: String,
}

/// What a tree has of an option.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    There,
    Missing,
    Renamed,
    Removed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    file: String,
    path: Vec<String>,
    name: String,
    /// Another module than flk's defines it, too.
    is_of_others: bool,
}

#[derive(Deserialize)]
pub(super) struct Read {
    state: State,
    /// Its value's, by `builtins.typeOf`; none where it throws.
    r#type: Option<String>,
}

/// What there is to say of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// What is wrong, a line each.
    pub(super) findings: BTreeSet<String>,
    /// Options that flk asks for first, and that are not there.
    pub(super) absent: BTreeSet<String>,
    /// The names of members by what allows them: the table's name, and the reason.
    pub(super) members: BTreeMap<(String, String), BTreeSet<String>>,
}

/// Judges what was found.
pub(super) fn report(looked: &Looked) -> Report {
    let mut report = Report::default();
    for definition in &looked.definitions {
        let Definition {
            file,
            state,
            is_guarded,
            ..
        } = definition;
        let path = definition.path.join(".");
        match state {
            State::There if !definition.is_of_type => {
                report.findings.insert(format!(
                    "{path}: {file} defines it with a value that is no {}",
                    definition.r#type
                ));
            }
            State::There => {}
            State::Missing | State::Removed if *is_guarded => {
                report.absent.insert(path);
            }
            State::Missing => {
                report
                    .findings
                    .insert(format!("{path}: missing, and {file} defines it"));
            }
            State::Removed => {
                report
                    .findings
                    .insert(format!("{path}: removed, and {file} defines it"));
            }
            State::Renamed => {
                report.findings.insert(format!(
                    "{path}: renamed, and {file} defines it: {}",
                    definition.description
                ));
            }
        }
    }
    for (path, read) in &looked.reads {
        let Some(expected) = looked.tables.reads.get(path) else {
            continue;
        };
        match read.state {
            State::There | State::Renamed => {
                if let Some(kind) = &read.r#type
                    && !expected.types.contains(kind)
                {
                    report.findings.insert(format!(
                        "{path}: flk reads a {}, and it is a {kind}",
                        expected.types.join(" or ")
                    ));
                }
            }
            State::Missing | State::Removed if expected.has_default => {
                report.absent.insert(path.clone());
            }
            State::Missing | State::Removed => {
                report
                    .findings
                    .insert(format!("{path}: missing, and flk reads it"));
            }
        }
    }
    for member in &looked.members {
        let option = member.path.join(".");
        let path = format!("{option}.{}", member.name);
        let file = &member.file;
        let allowed = [path.clone(), format!("{option}.*")]
            .into_iter()
            .find_map(|name| Some((looked.tables.members.get(&name)?, name)));
        let Some((allowed, name)) = allowed else {
            report.findings.insert(format!(
                "{path}: {file} defines a member of an `attrsOf submodule`, and xtask/options/tables.nix gives no reason"
            ));
            continue;
        };
        if !allowed.is_made && !member.is_of_others {
            report.findings.insert(format!(
                "{path}: only {file} defines it, and it is not flk's to make ({})",
                allowed.reason
            ));
            continue;
        }
        report
            .members
            .entry((name, allowed.reason.clone()))
            .or_default()
            .insert(member.name.clone());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn report_of(definitions: Value, members: Value, reads: Value) -> Report {
        let looked = json!({
            "release": "24.11",
            "tables": {
                "reads": {
                    "a.needed": { "types": ["bool"], "hasDefault": false },
                    "a.asked": { "types": ["string", "null"], "hasDefault": true }
                },
                "members": {
                    "users.users.*": { "isMade": false, "reason": "the host's" },
                    "users.users.nixos": { "isMade": true, "reason": "flk's" }
                }
            },
            "definitions": definitions, "members": members, "reads": reads
        });
        report(&serde_json::from_value(looked).unwrap())
    }

    fn definition(state: &str, is_guarded: bool, is_of_type: bool) -> Value {
        json!([{ "file": "nix/live.nix", "path": ["a", "b"], "state": state, "description": "Alias of c.",
            "isOfType": is_of_type, "isGuarded": is_guarded, "type": "boolean" }])
    }

    #[test]
    fn each_state_of_a_definition_is_judged() {
        let cases = [
            ("there", false, true, 0, 0),
            ("there", true, true, 0, 0),
            ("there", false, false, 1, 0),
            ("there", true, false, 1, 0),
            ("missing", false, true, 1, 0),
            ("missing", true, true, 0, 1),
            ("removed", false, true, 1, 0),
            ("removed", true, true, 0, 1),
            ("renamed", false, true, 1, 0),
            ("renamed", true, true, 1, 0),
        ];
        for (state, is_guarded, is_of_type, findings, absent) in cases {
            let report = report_of(
                definition(state, is_guarded, is_of_type),
                json!([]),
                json!({}),
            );
            let case = format!("{state} {is_guarded} {is_of_type}");
            assert_eq!(report.findings.len(), findings, "{case}");
            assert_eq!(report.absent.len(), absent, "{case}");
        }
        let renamed = report_of(definition("renamed", false, true), json!([]), json!({}));
        assert!(
            renamed
                .findings
                .iter()
                .all(|line| line.contains("Alias of c."))
        );
    }

    #[test]
    fn each_state_of_a_read_is_judged() {
        let cases = [
            ("a.needed", "there", "bool", 0, 0),
            ("a.needed", "renamed", "bool", 0, 0),
            ("a.needed", "there", "string", 1, 0),
            ("a.needed", "missing", "bool", 1, 0),
            ("a.needed", "removed", "bool", 1, 0),
            ("a.asked", "there", "null", 0, 0),
            ("a.asked", "there", "list", 1, 0),
            ("a.asked", "missing", "bool", 0, 1),
        ];
        for (path, state, kind, findings, absent) in cases {
            let reads = json!({ path: { "state": state, "type": kind } });
            let report = report_of(json!([]), json!([]), reads);
            let case = format!("{path} {state} {kind}");
            assert_eq!(report.findings.len(), findings, "{case}");
            assert_eq!(report.absent.len(), absent, "{case}");
        }
    }

    #[test]
    fn a_read_that_throws_is_told_with_the_live_system() {
        let reads = json!({ "a.needed": { "state": "there", "type": null } });
        assert_eq!(report_of(json!([]), json!([]), reads), Report::default());
    }

    #[test]
    fn members_need_a_reason_and_what_flk_does_not_make_another_definition() {
        let cases = [
            ("users.users", "nixos", false, 0),
            ("users.users", "nixos", true, 0),
            ("users.users", "admin", true, 0),
            ("users.users", "dhcpcd", false, 1),
            ("users.groups", "dhcpcd", true, 1),
        ];
        for (option, name, is_of_others, findings) in cases {
            let members = json!([{ "file": "nix/live.nix", "path": option.split('.').collect::<Vec<_>>(),
                "name": name, "isOfOthers": is_of_others }]);
            let report = report_of(json!([]), members, json!({}));
            assert_eq!(report.findings.len(), findings, "{option}.{name}");
            assert_eq!(report.members.len(), 1 - findings, "{option}.{name}");
        }
    }
}
