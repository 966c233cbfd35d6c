//! Unit files as sections of keys with their values: systemd.syntax(7).
//!
//! Not supported: what a value means. An empty value takes back those before it, as for lists; of a key that has one value, the last is meant.

use std::collections::BTreeMap;

/// A unit's settings, from its file and the drop-ins that add to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    sections: BTreeMap<String, Section>,
}

/// Keys of a section, each with its values in order.
pub type Section = BTreeMap<String, Vec<String>>;

impl UnitFile {
    /// Adds what a file says. `[Install]` is left out: it is about files, not about the unit.
    pub fn add(&mut self, text: &str) {
        let mut section = None;
        for line in logical_lines(text) {
            let line = line.trim();
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = (name != "Install").then(|| name.to_owned());
            } else if let Some((key, value)) = line.split_once('=')
                && let Some(section) = &section
            {
                let values = self
                    .sections
                    .entry(section.clone())
                    .or_default()
                    .entry(key.trim_end().to_owned())
                    .or_default();
                match value.trim_start() {
                    "" => values.clear(),
                    value => values.push(value.to_owned()),
                }
            }
        }
    }

    /// Its sections by name.
    pub fn sections(&self) -> &BTreeMap<String, Section> {
        &self.sections
    }

    /// The values of a key.
    pub fn values(&self, section: &str, key: &str) -> &[String] {
        self.sections
            .get(section)
            .and_then(|section| section.get(key))
            .map_or(&[], Vec::as_slice)
    }

    /// A key that has one value.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).last().map(String::as_str)
    }

    /// A boolean, or what holds without it.
    pub fn flag(&self, section: &str, key: &str, default: bool) -> bool {
        match self.value(section, key) {
            Some(value) => matches!(
                value.to_ascii_lowercase().as_str(),
                "1" | "yes" | "y" | "true" | "t" | "on"
            ),
            None => default,
        }
    }
}

/// Lines without comments; one that ends in a backslash goes on in the next that is no comment.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun: Option<String> = None;
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        let mut whole = begun.take().unwrap_or_default();
        whole.push_str(part);
        if goes_on {
            whole.push(' ');
            begun = Some(whole);
        } else {
            lines.push(whole);
        }
    }
    lines.extend(begun);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_drop_ins_add_up() {
        let mut unit = UnitFile::default();
        unit.add(
            "# a\n[Unit]\nDescription = A \\\n; in between\n  thing\nAfter=a.target\n\n[Service]\nExecStart=/bin/a=b\nType=simple\n\
             [Install]\nWantedBy=x\nno key\n",
        );
        unit.add("Lost=1\n[Service]\nExecStart=\nExecStart=/bin/b\nType=notify\n[Unit]\nAfter=b.target\nX-A=Yes\nX-B=off\n");
        assert_eq!(unit.value("Unit", "Description"), Some("A    thing"));
        assert_eq!(unit.values("Unit", "After"), ["a.target", "b.target"]);
        assert_eq!(unit.values("Service", "ExecStart"), ["/bin/b"]);
        assert_eq!(unit.value("Service", "Type"), Some("notify"));
        assert_eq!(unit.value("Service", "None"), None);
        assert_eq!(unit.sections().len(), 2);
        for (key, default, expected) in [
            ("X-A", false, true),
            ("X-B", true, false),
            ("X-C", true, true),
            ("X-C", false, false),
        ] {
            assert_eq!(unit.flag("Unit", key, default), expected, "{key}");
        }
    }

    #[test]
    fn a_file_that_ends_in_the_middle_of_a_line_is_read() {
        let mut unit = UnitFile::default();
        unit.add("[Unit]\nAfter=a \\");
        assert_eq!(unit.value("Unit", "After"), Some("a"));
    }
}
