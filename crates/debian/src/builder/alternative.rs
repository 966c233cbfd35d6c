//! Alternatives: which of several programs `awk`, `editor`, `pager` … lead to. update-alternatives(1).
//!
//! Debian's packages declare them in their `postinst`, a shell script. What the script says literally is taken from there;
//! a word with an expansion (`$`, a back quote) makes its statement unreadable, and the few packages that matter and do
//! so are in a table here. Slave links are alternatives of their own here, with their master's priority.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// One program (or page, or file) that offers itself under a common name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alternative {
    /// The common path: `/usr/bin/awk`.
    pub(crate) link: String,
    /// The name of the group, and of the link in `/etc/alternatives`: `awk`.
    pub(crate) name: String,
    /// The package's own file: `/usr/bin/mawk`.
    pub(crate) target: String,
    /// The highest wins.
    pub(crate) priority: i64,
}

/// What packages say with variables or in loops: package, link, target, priority.
const SCRIPTED: &[(&str, &str, &str, i64)] = &[
    ("clang", "/usr/bin/c++", "/usr/bin/clang++", 10),
    ("clang", "/usr/bin/c89", "/usr/bin/clang", 10),
    ("clang", "/usr/bin/c99", "/usr/bin/clang", 10),
    ("clang", "/usr/bin/cc", "/usr/bin/clang", 10),
    (
        "emacs-gtk",
        "/usr/bin/emacsclient",
        "/usr/bin/emacsclient.emacs",
        28,
    ),
    (
        "emacs-nox",
        "/usr/bin/emacsclient",
        "/usr/bin/emacsclient.emacs",
        28,
    ),
    (
        "openjdk-21-jdk-headless",
        "/usr/bin/jar",
        "/usr/lib/jvm/java-21-openjdk-amd64/bin/jar",
        2111,
    ),
    (
        "openjdk-21-jdk-headless",
        "/usr/bin/javac",
        "/usr/lib/jvm/java-21-openjdk-amd64/bin/javac",
        2111,
    ),
    (
        "openjdk-21-jdk-headless",
        "/usr/bin/jshell",
        "/usr/lib/jvm/java-21-openjdk-amd64/bin/jshell",
        2111,
    ),
    (
        "openjdk-21-jre-headless",
        "/usr/bin/java",
        "/usr/lib/jvm/java-21-openjdk-amd64/bin/java",
        2111,
    ),
    (
        "openjdk-21-jre-headless",
        "/usr/bin/keytool",
        "/usr/lib/jvm/java-21-openjdk-amd64/bin/keytool",
        2111,
    ),
    ("php8.4-cli", "/usr/bin/phar", "/usr/bin/phar8.4", 84),
    ("php8.4-cli", "/usr/bin/php", "/usr/bin/php8.4", 84),
    ("traceroute", "/usr/bin/lft", "/usr/bin/lft.db", 100),
    (
        "traceroute",
        "/usr/bin/traceproto",
        "/usr/bin/traceproto.db",
        100,
    ),
    (
        "traceroute",
        "/usr/bin/traceroute6",
        "/usr/bin/traceroute6.db",
        100,
    ),
    (
        "traceroute",
        "/usr/sbin/tcptraceroute",
        "/usr/sbin/tcptraceroute.db",
        100,
    ),
];

/// The alternatives that a package offers.
pub(crate) fn of_package(package: &str, postinst: &str) -> Vec<Alternative> {
    let mut alternatives = parse(postinst);
    for (owner, link, target, priority) in SCRIPTED {
        if *owner == package && !alternatives.iter().any(|known| known.link == *link) {
            let name = Path::new(link)
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            alternatives.push(Alternative {
                link: (*link).to_owned(),
                name,
                target: (*target).to_owned(),
                priority: *priority,
            });
        }
    }
    alternatives.sort_by(|a, b| (&a.link, &a.target).cmp(&(&b.link, &b.target)));
    alternatives.dedup();
    alternatives
}

/// The statements `update-alternatives … --install …` of a shell script.
fn parse(script: &str) -> Vec<Alternative> {
    let script = script.replace("\\\n", " ");
    let mut alternatives = Vec::new();
    for line in script.lines() {
        for statement in split_statements(line) {
            let words = split_words(statement);
            let Some(start) = words
                .iter()
                .position(|word| word.rsplit('/').next() == Some("update-alternatives"))
            else {
                continue;
            };
            if let Some(found) = parse_statement(&words[start + 1..]) {
                alternatives.extend(found);
            }
        }
    }
    alternatives
}

/// The words after `update-alternatives`. `None` when they install nothing, or nothing that can be read.
fn parse_statement(words: &[String]) -> Option<Vec<Alternative>> {
    let mut alternatives = Vec::new();
    let mut priority = None;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--install" => {
                let (link, name, target) = (rest.next()?, rest.next()?, rest.next()?);
                let own: i64 = rest.next()?.parse().ok()?;
                priority = Some(own);
                alternatives.push((link, name, target));
            }
            "--slave" | "--follower" => {
                alternatives.push((rest.next()?, rest.next()?, rest.next()?));
            }
            "--altdir" | "--admindir" | "--log" | "--root" | "--instdir" => {
                rest.next()?;
            }
            option if option.starts_with("--") => {}
            // A redirection, or something else that says nothing about links.
            _ => {}
        }
    }
    let priority = priority?;
    let is_literal = |word: &str| !word.contains(['$', '`', '*', '?']);
    let mut read = alternatives.into_iter().map(|(link, name, target)| {
        let is_path = |word: &str| word.starts_with('/') && is_literal(word);
        (is_path(link) && is_path(target) && is_literal(name)).then(|| Alternative {
            link: link.clone(),
            name: name.clone(),
            target: target.clone(),
            priority,
        })
    });
    // Without its master, a slave is nothing.
    let master = read.next()??;
    Some(std::iter::once(master).chain(read.flatten()).collect())
}

/// Cuts a line at `;`, `&&`, `||` and `|` outside quotes, and drops comments.
fn split_statements(line: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut quote = None;
    let mut start = 0;
    let mut previous = ' ';
    for (position, character) in line.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '#') if previous.is_whitespace() => {
                statements.push(&line[start..position]);
                return statements;
            }
            (None, ';' | '&' | '|') => {
                statements.push(&line[start..position]);
                start = position + 1;
            }
            (None, _) => {}
        }
        previous = character;
    }
    statements.push(&line[start..]);
    statements
}

/// Splits at spaces outside quotes, and takes the quotes off.
fn split_words(statement: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in statement.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternative(link: &str, name: &str, target: &str, priority: i64) -> Alternative {
        Alternative {
            link: link.to_owned(),
            name: name.to_owned(),
            target: target.to_owned(),
            priority,
        }
    }

    #[test]
    fn masters_and_slaves_are_read_over_line_continuations() {
        let script = "\
#!/bin/sh
set -e
if [ \"$1\" = configure ]; then
    update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \\
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz \\
           /usr/share/man/man1/mawk.1.gz
fi
";
        assert_eq!(
            of_package("mawk", script),
            vec![
                alternative("/usr/bin/awk", "awk", "/usr/bin/mawk", 5),
                alternative(
                    "/usr/share/man/man1/awk.1.gz",
                    "awk.1.gz",
                    "/usr/share/man/man1/mawk.1.gz",
                    5
                ),
            ]
        );
    }

    #[test]
    fn what_is_not_literal_is_left_alone() {
        let script = "\
for p in a b; do update-alternatives --install /usr/bin/$p $p /usr/bin/$p.real 5; done
update-alternatives --remove vi /usr/bin/elvis
# update-alternatives --install /usr/bin/x x /usr/bin/y 1
echo update && [ -x /y ] && \"update-alternatives\" --install '/bin/nc' nc /bin/nc.openbsd 50 || true
update-alternatives --install /usr/bin/z z /usr/bin/z1 \"$priority\"
";
        assert_eq!(
            of_package("p", script),
            vec![alternative("/bin/nc", "nc", "/bin/nc.openbsd", 50)]
        );
    }

    #[test]
    fn the_table_fills_in_for_scripts() {
        let script = "update-alternatives --install /usr/bin/emacs emacs /usr/bin/emacs-nox 28 --slave $x $y $z\n\
                      update-alternatives --install /usr/bin/$alt $alt /usr/bin/$alt.emacs 28\n";
        assert_eq!(
            of_package("emacs-nox", script),
            vec![
                alternative("/usr/bin/emacs", "emacs", "/usr/bin/emacs-nox", 28),
                alternative(
                    "/usr/bin/emacsclient",
                    "emacsclient",
                    "/usr/bin/emacsclient.emacs",
                    28
                ),
            ]
        );
    }
}
