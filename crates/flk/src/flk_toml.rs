//! `flk.toml`: what a repository without a `flake.nix` says of itself (TOML 1.0).
//!
//!     channel = "debian"     # or "nixpkgs", a folder with a nixpkgs, or any flake reference of one
//!
//! Whatever else is in it is an error: a word that is not known may be one that was meant.

use std::{fs, io::ErrorKind, ops::Range, path::Path};

use toml_edit::Document;

use crate::error::{Failure, Result};

/// The file's name.
pub(crate) const NAME: &str = "flk.toml";
/// Its one entry.
const CHANNEL: &str = "channel";
const EXAMPLE: &str =
    "channel = \"debian\", or \"nixpkgs\", or the flake reference or folder of a nixpkgs";

/// The channel that a folder's `flk.toml` names; none without the file, or without the entry.
pub(crate) fn channel(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(format!("cannot read {}", path.display())).because(error)),
    }
}

fn parse(text: &str, path: &Path) -> Result<Option<String>> {
    let refuse = |span: Option<Range<usize>>, what: &str| {
        let (line, column) = position(text, span.map_or(0, |span| span.start));
        Failure::new(format!("{}:{line}:{column}: {what}", path.display()))
    };
    let document = Document::parse(text)
        .map_err(|error| refuse(error.span(), error.message()).hint(EXAMPLE))?;
    let table = document.as_table();
    for (name, item) in table {
        if name != CHANNEL {
            let span = table.key(name).and_then(toml_edit::Key::span);
            return Err(refuse(
                span.or_else(|| item.span()),
                &format!("there is nothing of the name `{name}` in {NAME}"),
            )
            .hint(format!("it has: {EXAMPLE}")));
        }
    }
    let Some(item) = table.get(CHANNEL) else {
        return Ok(None);
    };
    match item.as_str() {
        Some(channel) if !channel.trim().is_empty() => Ok(Some(channel.to_owned())),
        Some(_) => Err(refuse(item.span(), "the channel is empty").hint(EXAMPLE)),
        None => Err(refuse(
            item.span(),
            &format!(
                "the channel is a text, but this is of the type {}",
                item.type_name()
            ),
        )
        .hint(EXAMPLE)),
    }
}

/// Line and column, both from 1, of a byte.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read() {
        for (text, expected) in [
            ("", None),
            ("# nothing\n", None),
            ("channel = \"debian\"\n", Some("debian")),
            ("channel = 'path:/x' # mine\n", Some("path:/x")),
        ] {
            let channel = parse(text, Path::new(NAME)).unwrap();
            assert_eq!(channel.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, expected) in [
            (
                "# hosts\nchanel = \"debian\"\n",
                "flk.toml:2:1: there is nothing of the name `chanel`",
            ),
            (
                "channel = 13\n",
                "flk.toml:1:11: the channel is a text, but this is of the type integer",
            ),
            ("\nchannel = \"\"\n", "flk.toml:2:11: the channel is empty"),
            ("channel = \"debian\n", "flk.toml:1:"),
            (
                "[channel]\n",
                "flk.toml:1:1: the channel is a text, but this is of the type table",
            ),
        ] {
            let message = parse(text, Path::new(NAME)).unwrap_err().render();
            assert!(message.contains(expected), "{message}");
        }
    }
}
