//! Evaluation of a flake's attributes, always pure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    Error, EvaluationFailure, Event, Nix, Result, Version,
    log::LogReader,
    process,
    realise::sandbox_failure,
    text::{is_plain_in_url, percent_encode, percent_encode_path},
};

/// What the collector that Nix is built with reads (gc.h, "GC_INITIAL_HEAP_SIZE"), in bytes.
const INITIAL_HEAP: &str = "GC_INITIAL_HEAP_SIZE";

/// A flake and how its inputs are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flake {
    reference: String,
    /// The directory that it is, where it is one.
    directory: Option<PathBuf>,
    /// Where in the directory the flake is.
    inside: PathBuf,
    overrides: Vec<(String, String)>,
}

/// A flake's files and its inputs', in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakeSources {
    /// The store path that the flake was copied to.
    pub source: String,
    /// The store paths of its inputs and of theirs, by name; an input's input is called `outer-inner`.
    pub inputs: BTreeMap<String, String>,
}

/// A flake that Nix fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedFlake {
    /// The store path of its source.
    pub source: PathBuf,
    /// The flake's folder in it.
    pub folder: PathBuf,
    /// The reference that gives just this source again, as far as there is one.
    pub url: String,
    /// The commit that it is, if it is one.
    pub revision: Option<String>,
    /// When that was made, in seconds since 1970.
    pub last_modified: Option<i64>,
}

impl Flake {
    /// A git repository: its tracked files, as Nix finds them in the working tree or in the commit.
    pub fn git(root: &Path) -> Self {
        Self {
            reference: format!("git+file://{}", percent_encode_path(root)),
            directory: Some(root.to_owned()),
            inside: PathBuf::new(),
            overrides: Vec::new(),
        }
    }

    /// A folder, with all that is in it.
    pub fn path(folder: &Path) -> Self {
        Self {
            reference: format!("path:{}", percent_encode_path(folder)),
            directory: Some(folder.to_owned()),
            inside: PathBuf::new(),
            overrides: Vec::new(),
        }
    }

    /// Any reference that Nix knows, locked or not.
    pub fn reference_to(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            directory: None,
            inside: PathBuf::new(),
            overrides: Vec::new(),
        }
    }

    /// The flake in a folder below this one's root.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        if !folder.as_os_str().is_empty() {
            let separator = if self.reference.contains('?') {
                '&'
            } else {
                '?'
            };
            let parameter = format!("{separator}dir={}", percent_encode(folder));
            self.reference.push_str(&parameter);
            self.inside = folder.to_owned();
        }
        self
    }

    /// The history of the git repository ends somewhere, as a shallow clone's does: Nix wants to be told.
    pub fn shallow(mut self) -> Self {
        let separator = if self.reference.contains('?') {
            "&"
        } else {
            "?"
        };
        self.reference.push_str(separator);
        self.reference.push_str("shallow=1");
        self
    }

    /// Replaces an input by a store path with a known hash (SRI), whatever the lock file says.
    pub fn with_input(mut self, input: &str, store_path: &Path, nar_hash: &str) -> Self {
        let reference = format!(
            "path:{}?narHash={}",
            percent_encode_path(store_path),
            percent_encode(nar_hash).replace('/', "%2F"),
        );
        self.overrides.push((input.to_owned(), reference));
        self
    }

    /// The reference, as Nix takes it on its command line.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    fn arguments(&self) -> impl Iterator<Item = &str> {
        self.overrides
            .iter()
            .flat_map(|(input, reference)| ["--override-input", input, reference])
    }
}

/// The first Nix that decodes the path of a URL.
const DECODES: Version = Version {
    major: 2,
    minor: 19,
};

impl Nix {
    /// Whether this Nix can be given a git repository by its path. An older one takes the path of a URL as it is written, where a space, `#`, `?`, `%`
    /// or a letter that is not ASCII cannot be.
    pub fn takes_git(&self, root: &Path) -> bool {
        self.version() >= DECODES || is_plain_in_url(root)
    }

    /// The flake's reference for a command of this Nix. A directory that it cannot be given by name is the command's own.
    fn reference(&self, flake: &Flake, command: &mut Command) -> String {
        match &flake.directory {
            Some(directory) if !self.takes_git(directory) => {
                // It is a copy of that directory, with all that is in it. (Nix 2.8 knows no `dir` of a path.)
                command.current_dir(directory.join(&flake.inside));
                "path:/proc/self/cwd/".to_owned()
            }
            _ => flake.reference.clone(),
        }
    }

    /// Applies a function, a Nix expression, to an attribute of the flake, and gives the result as JSON. Derivations that it mentions are in the store
    /// afterwards; what it imports from is built.
    ///
    /// # Errors
    /// [`Error::Evaluation`] with Nix's message.
    pub fn evaluate(
        &self,
        flake: &Flake,
        attribute: &str,
        apply: &str,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Value> {
        loop {
            let mut command = self.nix();
            let installable = format!("{}#{attribute}", self.reference(flake, &mut command));
            command.args(["--option", "warn-dirty", "false"]);
            // Nix's cache remembers that something failed, but not why.
            command.args(["--option", "eval-cache", "false"]);
            command.args(["--log-format", "internal-json"]);
            // An error's place among the user's files is in the trace.
            command.arg("--show-trace");
            if let Some(bytes) = self.options().initial_heap {
                command.env(INITIAL_HEAP, bytes.to_string());
            }
            command.args(["eval", "--json", "--no-write-lock-file"]);
            command.args(flake.arguments());
            command.args(self.overrides());
            if self.request().impure {
                command.arg("--impure");
            }
            command.arg(&installable).args(["--apply", apply]);
            let mut reader = LogReader::default();
            let output = process::run(command, &mut |line| {
                reader.line(line).into_iter().for_each(&mut *on_event);
            })?;
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).map_err(|source| Error::Json {
                    command: "nix eval".to_owned(),
                    source,
                });
            }
            if !self.is_unsandboxed()
                && let Some(reason) = sandbox_failure(&reader)
            {
                self.give_up_sandbox();
                on_event(Event::Unsandboxed { reason });
                continue;
            }
            let mut failure = if reader.errors.is_empty() {
                EvaluationFailure::parse(&output.stderr)
            } else {
                EvaluationFailure::parse(&reader.error_text())
            };
            if failure.message.is_empty() {
                failure.message = format!("`nix eval` ended with {}", output.status);
            }
            return Err(Box::new(failure).into());
        }
    }

    /// Evaluates an expression that needs nothing but one file, without purity: for what a flake says of itself before its inputs are known.
    ///
    /// # Errors
    /// [`Error::Evaluation`] with Nix's message.
    pub fn evaluate_file(&self, file: &Path, apply: &str) -> Result<Value> {
        let mut command = self.nix();
        command.args(["eval", "--impure", "--json", "--file"]);
        command.arg(file).args(["--apply", apply]);
        let output = process::run(command, &mut |_| {})?;
        if !output.status.success() {
            let text = crate::text::plain(&output.stderr);
            return Err(Box::new(EvaluationFailure::parse(&text)).into());
        }
        serde_json::from_slice(&output.stdout).map_err(|source| Error::Json {
            command: "nix eval".to_owned(),
            source,
        })
    }

    /// Fetches a flake by any reference that Nix knows: a URL, or a name in a registry. Where the registry of the wide world cannot be had,
    /// `registry`, a file, stands in for it.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message, or [`Error::Output`].
    pub fn fetch_flake(&self, reference: &str, registry: &Path) -> Result<FetchedFlake> {
        match self.flake_metadata(reference, None) {
            Err(Error::Command { message, .. }) if message.contains("flake-registry") => {
                self.flake_metadata(reference, Some(registry))
            }
            outcome => outcome,
        }
    }

    fn flake_metadata(&self, reference: &str, registry: Option<&Path>) -> Result<FetchedFlake> {
        const COMMAND: &str = "nix flake metadata";
        let mut command = self.nix();
        command.args(["--option", "warn-dirty", "false"]);
        // Once is enough to know that there is no network.
        command.args(["--option", "download-attempts", "1"]);
        if let Some(registry) = registry {
            command.args(["--option", "flake-registry"]).arg(registry);
        }
        command.args(["flake", "metadata", "--json", "--no-write-lock-file"]);
        command.arg(reference);
        let json = self.run_json(command, COMMAND)?;
        let text = |names: &[&str]| names.iter().find_map(|name| json[*name].as_str());
        let missing = |name: &str| Error::Output {
            command: COMMAND.to_owned(),
            detail: format!("no `{name}`"),
        };
        let source = text(&["path"]).ok_or_else(|| missing("path"))?;
        // Nix 2.8 has the locked reference as `url`; a dirty tree has none.
        let url = text(&["lockedUrl", "url", "resolvedUrl"]).ok_or_else(|| missing("url"))?;
        let folder = json["locked"]["dir"]
            .as_str()
            .or_else(|| json["resolved"]["dir"].as_str());
        Ok(FetchedFlake {
            source: source.into(),
            folder: folder.unwrap_or_default().into(),
            url: url.to_owned(),
            revision: text(&["revision"]).map(str::to_owned),
            last_modified: json["lastModified"].as_i64(),
        })
    }

    /// Puts a flake's files and all its inputs into the store; nothing of its outputs is evaluated.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message, or [`Error::Output`].
    pub fn flake_sources(&self, flake: &Flake) -> Result<FlakeSources> {
        const COMMAND: &str = "nix flake archive";
        let mut command = self.nix();
        command.args(["--option", "warn-dirty", "false"]);
        command.args(["flake", "archive", "--json", "--no-write-lock-file"]);
        command.args(flake.arguments());
        command.args(self.overrides());
        let reference = self.reference(flake, &mut command);
        command.arg(reference);
        let json = self.run_json(command, COMMAND)?;
        let mut inputs = BTreeMap::new();
        collect_inputs(&json, "", &mut inputs);
        let source = json["path"].as_str().ok_or_else(|| Error::Output {
            command: COMMAND.to_owned(),
            detail: "no `path`".to_owned(),
        })?;
        Ok(FlakeSources {
            source: source.to_owned(),
            inputs,
        })
    }

    fn overrides(&self) -> impl Iterator<Item = &str> {
        self.request()
            .overrides
            .iter()
            .flat_map(|(input, reference)| ["--override-input", input, reference])
    }

    /// Writes the flake's `flake.lock`: locks one input anew, and what is not locked yet.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn lock_input(&self, flake: &Flake, input: &str) -> Result<()> {
        let mut command = self.nix();
        command.args(["--option", "warn-dirty", "false"]);
        // As with `nix flake update` below.
        let renamed = Version {
            major: 2,
            minor: 19,
        };
        let reference = self.reference(flake, &mut command);
        if self.version() >= renamed {
            command.args(["flake", "update", input, "--flake", &reference]);
        } else {
            command.args(["flake", "lock", &reference, "--update-input", input]);
        }
        command.args(flake.arguments());
        self.run(command, "nix flake lock").map(drop)
    }

    /// Writes the flake's `flake.lock`: locks what is not locked yet, or with `update` all inputs anew.
    ///
    /// # Errors
    /// [`Error::Command`] with Nix's message.
    pub fn lock_flake(&self, flake: &Flake, update: bool) -> Result<()> {
        let mut command = self.nix();
        command.args(["--option", "warn-dirty", "false"]);
        // `nix flake update` took the flake as its argument before 2.19, and names of inputs since.
        let renamed = Version {
            major: 2,
            minor: 19,
        };
        command.args(match update {
            false => ["flake", "lock"].as_slice(),
            true if self.version() >= renamed => &["flake", "update", "--flake"],
            true => &["flake", "update"],
        });
        let reference = self.reference(flake, &mut command);
        command.arg(reference);
        command.args(flake.arguments());
        self.run(command, "nix flake lock").map(drop)
    }
}

fn collect_inputs(flake: &Value, prefix: &str, found: &mut BTreeMap<String, String>) {
    for (name, input) in flake["inputs"].as_object().into_iter().flatten() {
        let name = format!("{prefix}{name}");
        if let Some(path) = input["path"].as_str() {
            found.insert(name.clone(), path.to_owned());
        }
        collect_inputs(input, &format!("{name}-"), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_inputs_are_found() {
        let mut found = BTreeMap::new();
        let json = serde_json::json!({
            "path": "/s",
            "inputs": { "a": { "path": "/a", "inputs": { "b": { "path": "/b", "inputs": {} } } } },
        });
        collect_inputs(&json, "", &mut found);
        let expected = [("a", "/a"), ("a-b", "/b")];
        assert!(
            found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .eq(expected)
        );
    }

    #[test]
    fn references_are_encoded() {
        let flake = Flake::git(Path::new("/home/a b/x#y"));
        assert_eq!(flake.reference(), "git+file:///home/a%20b/x%23y");
        let flake = flake.in_folder(Path::new("sub dir"));
        assert_eq!(
            flake.reference(),
            "git+file:///home/a%20b/x%23y?dir=sub%20dir"
        );
        let flake = flake.shallow();
        assert!(flake.reference().ends_with("?dir=sub%20dir&shallow=1"));
        assert_eq!(flake.inside, Path::new("sub dir"));
        let flake = Flake::path(Path::new("/x")).with_input(
            "flk",
            Path::new("/nix/store/a-source"),
            "sha256-a+b/c=",
        );
        assert_eq!(
            flake.arguments().collect::<Vec<_>>(),
            [
                "--override-input",
                "flk",
                "path:/nix/store/a-source?narHash=sha256-a%2Bb%2Fc%3D"
            ]
        );
    }
}
