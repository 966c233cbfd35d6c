//! A name that comes from a host, an image or a network, checked before it is joined to a directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Bytes of a name; file systems take 255, and what is made beside the file has a longer name than it.
const MAX_LENGTH: usize = 250;

/// A single component of a path: neither empty, nor `.` or `..`, without `/` and control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::FileName`].
    pub fn new(name: impl Into<String>) -> Result<FileName, Error> {
        let name = name.into();
        let is_component = !name.is_empty()
            && name.len() <= MAX_LENGTH
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c.is_control());
        match is_component {
            true => Ok(FileName(name)),
            false => Err(Error::FileName { name }),
        }
    }

    /// The file of this name in a directory.
    pub fn within(&self, directory: &Path) -> PathBuf {
        directory.join(&self.0)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = Error;

    fn try_from(name: String) -> Result<FileName, Error> {
        FileName::new(name)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> String {
        name.0
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_its_directory() {
        let directory = Path::new("/result/iso");
        for name in [
            "NixOS.iso",
            "a b.iso",
            "ä.iso",
            "...",
            "..iso",
            "-x",
            &"x".repeat(250),
        ] {
            let path = FileName::new(name).unwrap().within(directory);
            assert_eq!(path.parent(), Some(directory), "{name}");
            assert_eq!(path.file_name().unwrap(), name);
        }
        let long = "x".repeat(251);
        for name in [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../../README.md",
            "a/b",
            "a/",
            "./a",
            "a/..",
            "a\0b",
            "a\nb",
            "\u{1b}[2J",
            &long,
        ] {
            let error = FileName::new(name).unwrap_err().to_string();
            assert!(error.contains("is no file name"), "{error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
            let json = serde_json::to_string(name).unwrap();
            assert!(serde_json::from_str::<FileName>(&json).is_err(), "{name:?}");
        }
    }
}
