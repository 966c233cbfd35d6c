//! Whether a running unit, as an older system has it, does for a newer one: what the NixOS manual says of unit handling in a switch.

use std::collections::BTreeSet;

use super::system_units::SystemUnit;
use super::unit_file::{Section, UnitFile};

/// What a difference asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Nothing that matters to what runs.
    None,
    /// It can take the new settings over.
    Reload,
    /// It has to begin anew.
    Restart,
}

/// Keys of `[Unit]` that say nothing of what runs.
const IDLE: [&str; 12] = [
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "IgnoreOnIsolate",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "CollectMode",
    "SourcePath",
];
const RELOAD_TRIGGERS: &str = "X-Reload-Triggers";
const RESTART_TRIGGERS: &str = "X-Restart-Triggers";

/// Compares them.
pub fn compare(old: &SystemUnit, new: &SystemUnit) -> Difference {
    // A program that has done its work leaves nothing running that could be out of date.
    if old.programs != new.programs && !is_oneshot(&new.file) {
        return Difference::Restart;
    }
    let sections: BTreeSet<&String> = [old, new]
        .iter()
        .flat_map(|unit| unit.file.sections().keys())
        .collect();
    let empty = Section::new();
    sections
        .into_iter()
        .map(|name| {
            let of = |unit: &SystemUnit| unit.file.sections().get(name).unwrap_or(&empty).clone();
            compare_sections(name, &of(old), &of(new))
        })
        .max()
        .unwrap_or(Difference::None)
}

/// Whether the configuration's own triggers for a restart differ.
pub fn is_triggered(old: &SystemUnit, new: &SystemUnit) -> bool {
    let triggers = |unit: &SystemUnit| unit.file.values("Unit", RESTART_TRIGGERS).to_vec();
    triggers(old) != triggers(new)
}

/// Whether its program is expected to end.
pub fn is_oneshot(unit: &UnitFile) -> bool {
    unit.value("Service", "Type") == Some("oneshot")
}

fn compare_sections(name: &str, old: &Section, new: &Section) -> Difference {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| weigh(name, key))
        .max()
        .unwrap_or(Difference::None)
}

fn weigh(section: &str, key: &str) -> Difference {
    match (section, key) {
        ("Unit", RELOAD_TRIGGERS) | ("Mount", "Options") => Difference::Reload,
        ("Unit", key) if IDLE.contains(&key) => Difference::None,
        // How a switch is to treat it.
        (_, "X-RestartIfChanged" | "X-ReloadIfChanged" | "X-StopIfChanged") => Difference::None,
        ("Unit", "X-StopOnRemoval" | "X-OnlyManualStart" | "X-StopOnReconfiguration") => {
            Difference::None
        }
        _ => Difference::Restart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str, program: &str) -> SystemUnit {
        let mut file = UnitFile::default();
        file.add(text);
        SystemUnit {
            file,
            programs: [("/bin/a".to_owned(), program.to_owned())].into(),
            is_shipped: false,
        }
    }

    #[test]
    fn only_what_matters_counts() {
        use Difference::{None, Reload, Restart};
        let old =
            "[Unit]\nDescription=a\nX-Reload-Triggers=1\nAfter=b\n[Service]\nExecStart=/bin/a\n";
        let oneshot = "[Service]\nType=oneshot\n";
        for (old, new, expected) in [
            (unit(old, "1"), unit(old, "1"), None),
            (unit(old, "1"), unit(old, "2"), Restart),
            (unit(oneshot, "1"), unit(oneshot, "2"), None),
            (unit(old, "1"), unit(&old.replace("=a", "=b"), "1"), None),
            (unit(old, "1"), unit(&old.replace("=1", "=2"), "1"), Reload),
            (
                unit(old, "1"),
                unit(&old.replace("X-Reload-Triggers=1\n", ""), "1"),
                Reload,
            ),
            (unit(old, "1"), unit(&old.replace("=b", "=c"), "1"), Restart),
            (
                unit(old, "1"),
                unit(&old.replace("After=b\n", ""), "1"),
                Restart,
            ),
            (
                unit(old, "1"),
                unit(&format!("{old}X-StopIfChanged=false\n"), "1"),
                None,
            ),
            (
                unit(old, "1"),
                unit(&format!("{old}Nice=1\n"), "1"),
                Restart,
            ),
            (
                unit(old, "1"),
                unit(&format!("{old}[Timer]\nOnBootSec=1\n"), "1"),
                Restart,
            ),
            (unit("[Unit]\nDescription=a\n", "1"), unit("", "1"), None),
            (
                unit("", "1"),
                unit("[Unit]\nX-Restart-Triggers=a\n", "1"),
                Restart,
            ),
            (
                unit("[Mount]\nOptions=a\n", "1"),
                unit("[Mount]\nOptions=b\n", "1"),
                Reload,
            ),
            (
                unit("[Mount]\nWhat=a\n", "1"),
                unit("[Mount]\nWhat=b\n", "1"),
                Restart,
            ),
        ] {
            assert_eq!(compare(&old, &new), expected, "{old:?}\n{new:?}");
        }
    }
}
