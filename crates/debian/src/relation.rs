//! Relations between packages, the values of `Depends`, `Provides`, `Replaces` …: Debian Policy 7.1.
//!
//! Architecture qualifiers (`python3:any`) and restrictions (`[amd64]`, `<!nocheck>`) are stripped: the binary packages of
//! one architecture's index need neither.

use crate::version::Version;

/// How a relation constrains the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=` (and the obsolete `<`)
    EarlierOrEqual,
    /// `=`
    Exactly,
    /// `>=` (and the obsolete `>`)
    LaterOrEqual,
    /// `>>`
    Later,
}

/// One package that a relation names, with its constraint on the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The package's name, without an architecture qualifier.
    pub name: String,
    /// What the version has to satisfy, if anything.
    pub constraint: Option<(Operator, Version)>,
}

impl Relation {
    /// Reads `name`, `name:arch` or `name (op version)`. `None` for an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|character: char| {
                character.is_whitespace() || matches!(character, '(' | '[' | '<' | ':')
            })
            .unwrap_or(text.len());
        if end == 0 {
            return None;
        }
        let name = text[..end].to_owned();
        let constraint = text
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .and_then(|(inside, _)| parse_constraint(inside.trim()));
        Some(Self { name, constraint })
    }

    /// Whether a package of this version satisfies the constraint. With no constraint, every version does.
    pub fn is_met_by(&self, version: &Version) -> bool {
        let Some((operator, wanted)) = &self.constraint else {
            return true;
        };
        match operator {
            Operator::Earlier => version < wanted,
            Operator::EarlierOrEqual => version <= wanted,
            Operator::Exactly => version == wanted,
            Operator::LaterOrEqual => version >= wanted,
            Operator::Later => version > wanted,
        }
    }
}

/// Reads a whole field: a list (`,`) of alternatives (`|`) each.
pub fn parse_field(text: &str) -> Vec<Vec<Relation>> {
    text.split(',')
        .map(|group| {
            group
                .split('|')
                .filter_map(Relation::parse)
                .collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect()
}

fn parse_constraint(text: &str) -> Option<(Operator, Version)> {
    let operators = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">=", Operator::LaterOrEqual),
        (">>", Operator::Later),
        ("=", Operator::Exactly),
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
    ];
    operators.iter().find_map(|(sign, operator)| {
        let version = text.strip_prefix(sign)?.trim();
        Some((*operator, Version::new(version)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(name: &str, constraint: Option<(Operator, &str)>) -> Relation {
        Relation {
            name: name.to_owned(),
            constraint: constraint.map(|(operator, version)| (operator, Version::new(version))),
        }
    }

    #[test]
    fn a_field_is_a_list_of_alternatives() {
        let field =
            "libc6 (>= 2.38), python3:any (<< 3.14~), debconf (>= 0.5) | debconf-2.0,\n mawk";
        assert_eq!(
            parse_field(field),
            vec![
                vec![relation("libc6", Some((Operator::LaterOrEqual, "2.38")))],
                vec![relation("python3", Some((Operator::Earlier, "3.14~")))],
                vec![
                    relation("debconf", Some((Operator::LaterOrEqual, "0.5"))),
                    relation("debconf-2.0", None),
                ],
                vec![relation("mawk", None)],
            ]
        );
    }

    #[test]
    fn restrictions_are_stripped_and_nothing_is_nothing() {
        assert_eq!(
            parse_field("gcc [amd64] <!cross>"),
            vec![vec![relation("gcc", None)]]
        );
        assert_eq!(parse_field(" , "), Vec::<Vec<Relation>>::new());
    }

    #[test]
    fn constraints_hold_as_written() {
        let table = [
            ("a (<< 2)", "2", false),
            ("a (<= 2)", "2", true),
            ("a (= 2)", "2-0", true),
            ("a (= 2)", "2.1", false),
            ("a (>= 2)", "2~rc1", false),
            ("a (>> 2)", "2-1", true),
            ("a", "0", true),
        ];
        for (text, version, expected) in table {
            let relation = Relation::parse(text).unwrap();
            assert_eq!(
                relation.is_met_by(&Version::new(version)),
                expected,
                "{text} with {version}"
            );
        }
    }
}
