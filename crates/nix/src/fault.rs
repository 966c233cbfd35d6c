//! Evaluation errors: the part of Nix's message that is worth reading first.
//!
//! Nix 2.8 prints the error and where it is; newer versions print traces before it. The message itself is kept as it is, so a list of unknown
//! options stays a list.

use std::fmt;

/// A place in a Nix file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as Nix names it or as [`EvaluationFailure::relocate`] has made it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// An expression that does not evaluate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvaluationFailure {
    /// Nix's message without traces; one line or more.
    pub message: String,
    /// Where, if Nix says.
    pub position: Option<Position>,
    /// The lines of source that Nix shows at that position.
    pub frame: Vec<String>,
    /// What was being evaluated, innermost first.
    pub trace: Vec<Step>,
    /// All that Nix said.
    pub full: String,
}

/// A step of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// An expression.
    At {
        /// Where it is.
        position: Position,
        /// The lines of source that Nix shows there.
        frame: Vec<String>,
    },
    /// An argument of a NixOS module.
    Argument {
        /// Its name.
        name: String,
        /// The module's file.
        file: String,
    },
    /// What a NixOS module defines.
    Definitions {
        /// The module's file.
        file: String,
    },
}

impl std::error::Error for EvaluationFailure {}

impl fmt::Display for EvaluationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = &self.position {
            write!(f, "\nat {position}")?;
        }
        for line in &self.frame {
            write!(f, "\n{line}")?;
        }
        Ok(())
    }
}

impl EvaluationFailure {
    /// Reads what Nix wrote to standard error, without terminal codes.
    pub(crate) fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let headers: Vec<usize> = (0..lines.len())
            .filter(|&index| match header(lines[index]) {
                Some("") => lines
                    .get(index + 1)
                    .is_some_and(|next| begins_message(next)),
                Some(_) => true,
                None => false,
            })
            .collect();
        // What failed because something else did is said last.
        let Some(&start) = headers
            .iter()
            .rev()
            .find(|&&index| !is_consequence(lines[index]))
            .or(headers.last())
        else {
            return Self {
                message: text.trim().to_owned(),
                full: text.to_owned(),
                ..Self::default()
            };
        };
        let end = headers
            .iter()
            .copied()
            .find(|&index| index > start)
            .unwrap_or(lines.len());
        // Nix before 2.20 has the trace below the error, newer ones above it.
        let mut trace = steps(&lines[start..end]);
        trace.extend(steps(&lines[..start]).into_iter().rev());
        let mut failure = Self {
            trace,
            full: text.to_owned(),
            ..Self::default()
        };
        let mut message = vec![header(lines[start]).unwrap_or_default().to_owned()];
        let mut in_frame = false;
        for line in &lines[start + 1..end] {
            let trimmed = line.trim();
            if trimmed.starts_with("… ")
                || trimmed.starts_with("(use '--show-trace'")
                || trimmed.starts_with("(stack trace truncated")
            {
                break;
            }
            if failure.position.is_none()
                && let Some(position) = position(trimmed)
            {
                failure.position = Some(position);
                in_frame = true;
                while message.last().is_some_and(String::is_empty) {
                    message.pop();
                }
            } else if in_frame && is_frame(trimmed) {
                failure.frame.push(unindent(line).to_owned());
            } else if !(in_frame && trimmed.is_empty()) {
                message.push(unindent(line).to_owned());
            }
        }
        failure.message = message.join("\n").trim().to_owned();
        failure
    }

    /// Names files of a store path as files of the folder that was copied there: `/nix/store/…-source/hosts/a.nix` → `hosts/a.nix` with `to` empty.
    pub fn relocate(&mut self, store_path: &str, to: &str) {
        let from = format!("{}/", store_path.trim_end_matches('/'));
        let to = match to {
            "" => String::new(),
            folder => format!("{}/", folder.trim_end_matches('/')),
        };
        let files = self.trace.iter_mut().map(|step| match step {
            Step::At { position, .. } => &mut position.file,
            Step::Argument { file, .. } | Step::Definitions { file } => file,
        });
        for text in [&mut self.message, &mut self.full]
            .into_iter()
            .chain(self.position.as_mut().map(|position| &mut position.file))
            .chain(files)
        {
            *text = replaced(text, &from, &to);
        }
    }
}

/// The steps of a trace, in the order of the lines.
fn steps(lines: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim();
        if let Some(position) = position(line) {
            let frame = lines[index + 1..]
                .iter()
                .skip_while(|line| line.trim().is_empty())
                .take_while(|line| is_frame(line.trim()))
                .map(|line| unindent(line).to_owned())
                .collect();
            steps.push(Step::At { position, frame });
        } else if let Some((_, rest)) = line.split_once("while evaluating the module argument `")
            && let Some((name, rest)) = rest.split_once("' in \"")
            && let Some((file, _)) = rest.rsplit_once('"')
        {
            steps.push(Step::Argument {
                name: name.to_owned(),
                file: file.to_owned(),
            });
        } else if let Some((_, rest)) = line.split_once("while evaluating definitions from `")
            && let Some((file, _)) = rest.rsplit_once('\'')
        {
            steps.push(Step::Definitions {
                file: file.to_owned(),
            });
        }
    }
    steps
}

/// Replaces a folder where a path begins with it, not where it is in the middle of one.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        out.push_str(&rest[..at]);
        let is_inside = out.ends_with(|c: char| c.is_alphanumeric() || "._-+/".contains(c));
        out.push_str(if is_inside { from } else { to });
        rest = &rest[at + from.len()..];
    }
    out.push_str(rest);
    out
}

fn header(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("error:").map(str::trim)
}

/// What stands under a bare `error:`, a message that begins with a line break or a trace.
fn begins_message(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('…') && position(line).is_none()
}

fn is_consequence(line: &str) -> bool {
    line.contains("dependencies of derivation")
        || line.contains("dependency failed")
        || line.contains("build of '")
}

fn position(line: &str) -> Option<Position> {
    let place = line.strip_prefix("at ")?.trim_end_matches(':');
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Position {
        file: parts.next()?.to_owned(),
        line,
        column,
    })
}

/// `  4|   b = 2;` and `   |     ^`.
fn is_frame(line: &str) -> bool {
    line.split_once('|').is_some_and(|(number, _)| {
        number.trim().is_empty() || number.trim().bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Nix indents what follows the first line by seven blanks.
fn unindent(line: &str) -> &str {
    line.strip_prefix("       ").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_has_file_line_and_column() {
        let mut failure = EvaluationFailure::parse(
            "warning: Git tree '/r' is dirty
error: syntax error, unexpected '=', expecting ';'

       at /nix/store/x6-source/hosts/h.nix:4:5:

            3|   a = 1
            4|   b = 2;
             |     ^
            5| }
",
        );
        assert_eq!(
            failure.message,
            "syntax error, unexpected '=', expecting ';'"
        );
        assert_eq!(failure.frame.len(), 4);
        failure.relocate("/nix/store/x6-source", "");
        let position = failure.position.clone().unwrap();
        assert_eq!(position.to_string(), "hosts/h.nix:4:5");
        assert!(failure.to_string().ends_with(
            "at hosts/h.nix:4:5\n     3|   a = 1\n     4|   b = 2;\n      |     ^\n     5| }"
        ));
    }

    #[test]
    fn a_folder_in_the_middle_of_a_path_stays() {
        assert_eq!(
            replaced("'/etc/a.nix' of /nix/store/x/etc/b", "/etc/", ""),
            "'a.nix' of /nix/store/x/etc/b"
        );
    }

    #[test]
    fn traces_of_newer_nix_are_left_out() {
        let failure = EvaluationFailure::parse(
            "error:
       … while calling the 'seq' builtin
         at /nix/store/a-source/lib/modules.nix:1:2:
            1| x
             | ^

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: The option `foo' does not exist. Definition values:
       - In `/nix/store/b-source/hosts/a.nix':
           true
",
        );
        assert_eq!(
            failure.message,
            "The option `foo' does not exist. Definition values:\n- In `/nix/store/b-source/hosts/a.nix':\n    true"
        );
        assert_eq!(failure.position, None);
    }

    #[test]
    fn traces_of_older_nix_are_left_out() {
        let failure = EvaluationFailure::parse(
            "error: evaluation aborted with the following error message: 'hi
       Failed assertions:
       - no keys'

       … while evaluating the option `bar':
(use '--show-trace' to show detailed location information)
",
        );
        assert_eq!(
            failure.message,
            "evaluation aborted with the following error message: 'hi\nFailed assertions:\n- no keys'"
        );
    }

    #[test]
    fn traces_of_either_order_are_innermost_first() {
        let old = "error: infinite recursion encountered

       at /nix/store/n-source/lib/modules.nix:5:6:

            5| x
             | ^

       … while evaluating the module argument `hardware' in \"/nix/store/r-source/hosts/a.nix\":

       … while evaluating 'f'

       at /nix/store/r-source/hosts/a.nix:3:4:

            3|   imports = [ hardware.x ];
             |             ^

       … while evaluating definitions from `/nix/store/r-source/base.nix':
";
        let new = "error:
       … while evaluating definitions from `/nix/store/r-source/base.nix':

       … while calling 'f'
         at /nix/store/r-source/hosts/a.nix:3:4:
            3|   imports = [ hardware.x ];
             |             ^

       … while evaluating the module argument `hardware' in \"/nix/store/r-source/hosts/a.nix\":

       error: infinite recursion encountered
       at /nix/store/n-source/lib/modules.nix:5:6:
            5| x
             | ^
";
        let shown = |text: &str| {
            let mut failure = EvaluationFailure::parse(text);
            failure.relocate("/nix/store/r-source", "");
            let show = |step: &Step| match step {
                Step::At { position, frame } => format!("{position} {}", frame.len()),
                Step::Argument { name, file } => format!("{name} of {file}"),
                Step::Definitions { file } => format!("definitions of {file}"),
            };
            failure.trace.iter().map(show).collect::<Vec<_>>()
        };
        for text in [old, new] {
            assert_eq!(
                shown(text),
                [
                    "/nix/store/n-source/lib/modules.nix:5:6 2",
                    "hardware of hosts/a.nix",
                    "hosts/a.nix:3:4 2",
                    "definitions of base.nix",
                ],
                "{text}"
            );
        }
    }

    #[test]
    fn a_suggestion_behind_the_frame_stays() {
        let failure = EvaluationFailure::parse(
            "error: attribute 'z' missing

       at /r/flake.nix:2:3:

            2| z
             | ^
       Did you mean one of x or y?
(use '--show-trace' to show detailed location information)
",
        );
        assert_eq!(
            failure.message,
            "attribute 'z' missing\nDid you mean one of x or y?"
        );
    }

    #[test]
    fn a_message_that_begins_with_a_line_break_is_read() {
        let failure = EvaluationFailure::parse(
            "error:
       Failed assertions:
       - no keys
(use '--show-trace' to show detailed location information)
",
        );
        assert_eq!(failure.message, "Failed assertions:\n- no keys");
    }

    #[test]
    fn the_cause_is_preferred_to_its_consequences() {
        let failure = EvaluationFailure::parse(
            "error: builder for '/nix/store/a.drv' failed with exit code 1
error: 1 dependencies of derivation '/nix/store/b.drv' failed to build
",
        );
        assert_eq!(
            failure.message,
            "builder for '/nix/store/a.drv' failed with exit code 1"
        );
    }

    #[test]
    fn text_without_an_error_line_is_kept() {
        assert_eq!(EvaluationFailure::parse("Killed\n").message, "Killed");
    }
}
