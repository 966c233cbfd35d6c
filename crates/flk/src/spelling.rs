//! Other spellings of a command line, made flk's own before it is parsed: `flk HOST switch|boot|test|dry-activate`, as DevOS had it, and the host as
//! the fragment of a flake reference, `flk iso --flake DIR#HOST`.

use std::{ffi::OsString, path::Path};

use clap::{Command, error::ErrorKind};

/// What DevOS's `flk HOST ACTION` does, as options of `flk switch`.
const ACTIONS: [(&str, &[&str]); 4] = [
    ("switch", &[]),
    ("boot", &["--boot"]),
    ("test", &["--test"]),
    ("dry-activate", &["--dry-run"]),
];

/// The arguments, the program's name first, as flk's own command line has them.
///
/// # Errors
/// A command line that names two hosts.
pub(crate) fn settle(
    command: &Command,
    arguments: Vec<OsString>,
) -> Result<Vec<OsString>, clap::Error> {
    let arguments = action_first(command, arguments);
    host_as_argument(command, arguments)
}

fn action_first(command: &Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let text = |index: usize| arguments.get(index).and_then(|argument| argument.to_str());
    let (Some(host), Some(action)) = (text(1), text(2)) else {
        return arguments;
    };
    let known = ACTIONS.iter().find(|(name, _)| *name == action);
    match known {
        Some((_, options)) if !host.starts_with('-') && command.find_subcommand(host).is_none() => {
            let mut settled = vec![arguments[0].clone(), "switch".into(), host.into()];
            settled.extend(options.iter().map(OsString::from));
            settled.extend(arguments.into_iter().skip(3));
            settled
        }
        _ => arguments,
    }
}

fn host_as_argument(
    command: &Command,
    mut arguments: Vec<OsString>,
) -> Result<Vec<OsString>, clap::Error> {
    let Some(verb) = arguments
        .get(1)
        .and_then(|verb| command.find_subcommand(verb))
    else {
        return Ok(arguments);
    };
    let mut fragment = None;
    let mut positional = None;
    let mut index = 2;
    while index < arguments.len() {
        let Some(argument) = arguments[index].to_str().map(str::to_owned) else {
            index += 1;
            continue;
        };
        if argument == "--" {
            break;
        } else if argument == "--flake" {
            let value = arguments.get_mut(index + 1);
            if let Some((reference, host)) = value.as_ref().and_then(|value| split(value.to_str()?))
            {
                *value.expect("it was split") = reference.into();
                fragment = Some(host);
            }
            index += 1;
        } else if let Some(value) = argument.strip_prefix("--flake=") {
            if let Some((reference, host)) = split(value) {
                arguments[index] = format!("--flake={reference}").into();
                fragment = Some(host);
            }
        } else if argument.starts_with('-') {
            index += values_after(verb, &argument);
        } else {
            positional.get_or_insert(argument);
        }
        index += 1;
    }
    let takes_host = verb
        .get_positionals()
        .any(|argument| argument.get_id() == "host");
    match (fragment, positional) {
        (Some(host), None) if takes_host => arguments.insert(2, host.into()),
        (Some(host), Some(other)) if takes_host && host != other => {
            return Err(command.clone().error(
                ErrorKind::ArgumentConflict,
                format!("--flake names the host {host}, and HOST is {other}"),
            ));
        }
        _ => {}
    }
    Ok(arguments)
}

/// How many arguments after an option are its values.
fn values_after(verb: &Command, option: &str) -> usize {
    if option.contains('=') {
        return 0;
    }
    verb.get_arguments()
        .find(|argument| {
            argument
                .get_long()
                .is_some_and(|long| option == format!("--{long}"))
                || argument
                    .get_short()
                    .is_some_and(|short| option == format!("-{short}"))
        })
        .filter(|argument| argument.get_action().takes_values())
        .map_or(0, |argument| {
            argument
                .get_num_args()
                .map_or(1, |range| range.min_values())
        })
}

/// `DIR#HOST` and `DIR#nixosConfigurations.HOST`; a folder may have the sign in its name.
fn split(reference: &str) -> Option<(String, String)> {
    if Path::new(reference).exists() {
        return None;
    }
    let (reference, host) = reference.rsplit_once('#')?;
    let host = host.strip_prefix("nixosConfigurations.").unwrap_or(host);
    let host = host.trim_matches('"');
    let reference = if reference.is_empty() { "." } else { reference };
    (!host.is_empty()).then(|| (reference.to_owned(), host.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn settled(line: &str) -> Result<String, clap::Error> {
        let arguments = line.split(' ').map(OsString::from).collect();
        let mut command = crate::Cli::command();
        command.build();
        let settled = settle(&command, arguments)?;
        let words: Vec<_> = settled.iter().map(|word| word.to_string_lossy()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn spellings_become_flks_own() {
        for (line, expected) in [
            ("flk NixOS switch", "flk switch NixOS"),
            ("flk NixOS boot --json", "flk switch NixOS --boot --json"),
            ("flk NixOS test", "flk switch NixOS --test"),
            // A host may be called like an action, a verb stays a verb.
            ("flk switch test", "flk switch test"),
            ("flk iso --flake /no/r#NixOS", "flk iso NixOS --flake /no/r"),
            ("flk iso --flake=/no/r#NixOS", "flk iso NixOS --flake=/no/r"),
            (
                "flk iso --flake /no/r#nixosConfigurations.\"a.b\" --json",
                "flk iso a.b --flake /no/r --json",
            ),
            (
                "flk iso --out x --flake #a-b",
                "flk iso a-b --out x --flake .",
            ),
            ("flk iso a --flake /no/r#a", "flk iso a --flake /no/r"),
            (
                "flk iso --option sandbox false --flake /no/r#a --offline",
                "flk iso a --option sandbox false --flake /no/r --offline",
            ),
            ("flk hosts --flake /no/r#a", "flk hosts --flake /no/r"),
            ("flk iso --flake /no/r", "flk iso --flake /no/r"),
            (
                "flk switch --flake github:a/b/c#d",
                "flk switch d --flake github:a/b/c",
            ),
        ] {
            assert_eq!(settled(line).unwrap(), expected, "{line}");
        }
        assert_eq!(
            settled("flk iso a --flake /no/r#b")
                .unwrap_err()
                .exit_code(),
            2
        );
    }
}
