//! `tree`: files and links as listed, and what other commands lay out by the same list.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct Tree {
    entries: Vec<Entry>,
}

/// One file, folder or link.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    path: String,
    #[serde(flatten)]
    content: Content,
    /// For `text`, `copy` of a file and `gunzip`. A copy is executable if its source is, unless this says otherwise.
    executable: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    /// A link with this text.
    Link(PathBuf),
    /// A file with this content.
    Text(String),
    /// A copy of a file or of a folder with all below it.
    Copy(PathBuf),
    /// The content of a file that is compressed with gzip.
    Gunzip(PathBuf),
}

pub(crate) fn tree(parameters: &Tree, build: Build<'_>) -> Result<()> {
    let is_folder = parameters
        .entries
        .iter()
        .all(|entry| !entry.path.is_empty());
    if is_folder {
        folder::create(build.out)?;
    }
    lay_out(&parameters.entries, build.out, "tree")
}

/// Makes the entries below `root`, which is their parent folder, or the one entry whose path is empty.
pub(crate) fn lay_out(entries: &[Entry], root: &Path, command: &'static str) -> Result<()> {
    for entry in entries {
        let fault = |reason: &str| Error::Parameters {
            command,
            reason: format!("the entry `{}` {reason}", entry.path),
        };
        let path = folder::normalize(Path::new(entry.path.trim_start_matches('/')))
            .ok_or_else(|| fault("leads out of the output"))?;
        let target = if path.as_os_str().is_empty() {
            root.to_owned()
        } else {
            root.join(&path)
        };
        if target.symlink_metadata().is_ok() {
            let both_are_folders = target.is_dir()
                && matches!(&entry.content, Content::Copy(source) if source.is_dir());
            if !both_are_folders {
                return Err(fault("is there already, by itself or below another"));
            }
        }
        folder::create_parent(&target)?;
        make(entry, &target)?;
    }
    Ok(())
}

fn make(entry: &Entry, target: &Path) -> Result<()> {
    let executable = entry.executable.unwrap_or(false);
    match &entry.content {
        Content::Link(text) => folder::link(text, target),
        Content::Text(text) => {
            folder::write(target, text)?;
            folder::set_executable(target, executable)
        }
        Content::Copy(source) if source.is_dir() => folder::copy_tree(source, target),
        Content::Copy(source) => {
            let executable = match entry.executable {
                Some(executable) => executable,
                None => folder::is_executable(source)?,
            };
            folder::copy_file(source, target, executable)
        }
        Content::Gunzip(source) => {
            let from = std::fs::File::open(source).map_err(Error::io("open", source))?;
            let mut to = std::fs::File::create(target).map_err(Error::io("create", target))?;
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(from), &mut to)
                .map_err(Error::io("decompress", source))?;
            folder::set_executable(target, executable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fs;

    fn run(entries: Value, out: &Path) -> Result<()> {
        let parameters = serde_json::from_value(json!({ "entries": entries })).unwrap();
        tree(
            &parameters,
            Build {
                out,
                warn: &|line| panic!("{line}"),
            },
        )
    }

    #[test]
    fn files_links_and_copies() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("below")).unwrap();
        fs::write(source.join("below/file"), "content").unwrap();
        folder::set_executable(&source.join("below/file"), true).unwrap();
        let out = folder.path().join("out");
        run(
            json!([
                { "path": "bin/run", "text": "#!/bin/sh\n", "executable": true },
                { "path": "copy", "copy": source },
                { "path": "plain", "copy": source.join("below/file"), "executable": false },
                { "path": "a/link", "link": "/nowhere", "executable": null },
            ]),
            &out,
        )
        .unwrap();
        assert!(folder::is_executable(&out.join("bin/run")).unwrap());
        assert!(folder::is_executable(&out.join("copy/below/file")).unwrap());
        assert!(!folder::is_executable(&out.join("plain")).unwrap());
        assert_eq!(
            fs::read_link(out.join("a/link")).unwrap(),
            Path::new("/nowhere")
        );
    }

    #[test]
    fn the_output_itself_can_be_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        run(json!([{ "path": "", "text": "hello" }]), &out).unwrap();
        assert_eq!(fs::read_to_string(out).unwrap(), "hello");
    }

    #[test]
    fn nothing_lies_outside_or_twice() {
        let folder = tempfile::tempdir().unwrap();
        let outside = json!([{ "path": "../x", "text": "" }]);
        let error = run(outside, &folder.path().join("one")).unwrap_err();
        assert!(error.to_string().contains("leads out"));
        let twice = json!([{ "path": "x", "text": "" }, { "path": "x", "link": "y" }]);
        let error = run(twice, &folder.path().join("two")).unwrap_err();
        assert!(error.to_string().contains("there already"));
    }
}
