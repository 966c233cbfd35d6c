//! PAM's shared stacks, `/etc/pam.d/common-*`: what `pam-auth-update --package` makes of the packages' profiles.
//!
//! Profiles are those of pam-auth-update(8), `/usr/share/pam-configs/*`; templates are `libpam-runtime`'s own,
//! `/usr/share/pam/common-*`. Every profile that is enabled by default is taken; `Conflicts` are honoured.

use std::collections::BTreeMap;

/// The stacks, and the template and file that each has: `common-<name>`.
pub(crate) const STACKS: [&str; 5] = [
    "account",
    "auth",
    "password",
    "session",
    "session-noninteractive",
];

/// A profile of `/usr/share/pam-configs`.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    file_name: String,
    fields: BTreeMap<String, String>,
}

impl Profile {
    /// Reads a profile. `file_name` orders profiles of one priority.
    pub(crate) fn parse(file_name: &str, text: &str) -> Self {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(':')
                && !name.is_empty()
                && !name.contains(char::is_whitespace)
            {
                current = name.trim_end_matches("-Final").to_owned();
                fields.insert(current.clone(), value.trim().to_owned());
            } else if !line.trim().is_empty()
                && let Some(value) = fields.get_mut(&current)
            {
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(line.trim());
            }
        }
        Self {
            file_name: file_name.to_owned(),
            fields,
        }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn priority(&self) -> i64 {
        self.field("Priority").parse().unwrap_or(0)
    }

    /// The lines for a stack's block; the first profile of a block may have special ones.
    fn lines(&self, kind: &str, is_first: bool) -> Vec<&str> {
        let initial = self.field(&format!("{kind}-Initial"));
        let lines = if is_first && !initial.is_empty() {
            initial
        } else {
            self.field(kind)
        };
        lines.lines().collect()
    }
}

/// The profiles that are enabled by default and do not conflict, in the order of their blocks.
pub(crate) fn enabled(mut profiles: Vec<Profile>) -> Vec<Profile> {
    profiles.retain(|profile| profile.field("Default") == "yes");
    profiles.sort_by(|a, b| {
        b.priority()
            .cmp(&a.priority())
            .then_with(|| b.file_name.cmp(&a.file_name))
    });
    let mut enabled: Vec<Profile> = Vec::new();
    for profile in profiles {
        let conflicts = enabled.iter().any(|other| {
            let named = |one: &Profile, two: &Profile| {
                one.field("Conflicts")
                    .split(',')
                    .any(|name| name.trim() == two.file_name)
            };
            named(other, &profile) || named(&profile, other)
        });
        if !conflicts {
            enabled.push(profile);
        }
    }
    enabled
}

/// Fills a stack's template. The template has its blocks between comments, which stay.
pub(crate) fn fill(template: &str, stack: &str, enabled: &[Profile]) -> String {
    let mut result = String::new();
    let mut skipping_to: Option<&str> = None;
    for line in template.lines() {
        match skipping_to {
            Some(mark) if line.starts_with(mark) => skipping_to = None,
            Some(_) => continue,
            None => {}
        }
        result.push_str(line);
        result.push('\n');
        if line.starts_with("# here are the per-package modules (the \"Primary\" block)") {
            result.push_str(&block(stack, "Primary", enabled));
            skipping_to = Some("# here's the fallback if no module succeeds");
        } else if line
            .starts_with("# and here are more per-package modules (the \"Additional\" block)")
        {
            result.push_str(&block(stack, "Additional", enabled));
            skipping_to = Some("# end of pam-auth-update config");
        }
    }
    result
}

fn block(stack: &str, position: &str, enabled: &[Profile]) -> String {
    let kind = match stack {
        "account" => "Account",
        "auth" => "Auth",
        "password" => "Password",
        _ => "Session",
    };
    let facility = kind.to_ascii_lowercase();
    let is_noninteractive = stack == "session-noninteractive";
    let mut lines = Vec::new();
    let members = enabled.iter().filter(|profile| {
        profile.field(&format!("{kind}-Type")) == position
            && !(is_noninteractive && profile.field("Session-Interactive-Only") == "yes")
    });
    for (number, profile) in members.enumerate() {
        lines.extend(profile.lines(kind, number == 0));
    }
    if lines.is_empty() && position == "Primary" {
        return format!("{facility}\t[default=1]\t\t\tpam_permit.so\n");
    }
    // `end` is a jump over the lines that follow: in the primary block to behind the fallback, in the other to the last.
    let mut left = if position == "Primary" {
        lines.len()
    } else {
        lines.len().saturating_sub(1)
    };
    let mut result = String::new();
    for line in lines {
        let (control, rest) = split_control(line);
        let control = control.replace("end", &left.to_string());
        result.push_str(&format!("{facility}\t{control}\t{rest}\n"));
        left = left.saturating_sub(1);
    }
    result
}

/// `[success=end default=ignore]` or `required`, and the module with its options.
fn split_control(line: &str) -> (&str, String) {
    let end = if line.starts_with('[') {
        line.find(']').map_or(line.len(), |end| end + 1)
    } else {
        line.find(char::is_whitespace).unwrap_or(line.len())
    };
    let words: Vec<&str> = line[end..].split_whitespace().collect();
    (&line[..end], words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: &str = "\
Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass
Auth-Initial:
\t[success=end default=ignore]\tpam_unix.so nullok
Session-Type: Additional
Session:
\trequired\tpam_unix.so
";
    const LDAP: &str = "\
Name: LDAP
Default: yes
Priority: 128
Auth-Type: Primary
Auth:
\t[success=end default=ignore]\tpam_ldap.so use_first_pass
";
    const SYSTEMD: &str = "\
Name: Register user sessions
Default: yes
Priority: 0
Session-Interactive-Only: yes
Session-Type: Additional
Session:
\toptional\tpam_systemd.so
";
    const HOME: &str = "Name: Create home\nDefault: no\nPriority: 0\nSession-Type: Additional\nSession:\n\toptional pam_mkhomedir.so\n";

    fn template(stack: &str) -> String {
        format!(
            "# top\n# here are the per-package modules (the \"Primary\" block)\n${stack}_primary\n\
             # here's the fallback if no module succeeds\n{stack}\trequisite\tpam_deny.so\n\
             # and here are more per-package modules (the \"Additional\" block)\n${stack}_additional\n\
             # end of pam-auth-update config\n"
        )
    }

    fn profiles() -> Vec<Profile> {
        enabled(vec![
            Profile::parse("mkhomedir", HOME),
            Profile::parse("systemd", SYSTEMD),
            Profile::parse("ldap", LDAP),
            Profile::parse("unix", UNIX),
        ])
    }

    #[test]
    fn jumps_lead_behind_the_fallback() {
        assert_eq!(
            fill(&template("auth"), "auth", &profiles()),
            "# top\n# here are the per-package modules (the \"Primary\" block)\n\
             auth\t[success=2 default=ignore]\tpam_unix.so nullok\n\
             auth\t[success=1 default=ignore]\tpam_ldap.so use_first_pass\n\
             # here's the fallback if no module succeeds\nauth\trequisite\tpam_deny.so\n\
             # and here are more per-package modules (the \"Additional\" block)\n\
             # end of pam-auth-update config\n"
        );
    }

    #[test]
    fn an_interactive_profile_is_not_in_the_other_stack() {
        let interactive = fill(&template("session"), "session", &profiles());
        assert!(interactive.contains("session\t[default=1]\t\t\tpam_permit.so\n"));
        assert!(interactive.contains(
            "block)\nsession\trequired\tpam_unix.so\nsession\toptional\tpam_systemd.so\n# end"
        ));
        let other = fill(&template("session"), "session-noninteractive", &profiles());
        assert!(other.contains("session\trequired\tpam_unix.so\n# end"));
        assert!(!other.contains("pam_systemd"));
        assert!(!interactive.contains("mkhomedir"));
    }
}
