//! What has to come to another store so that a derivation's outputs are there, given what this machine's store has: the derivations that are to be
//! built, followed from the wanted one to what is at hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ArchiveFile, BuildPlan, Derivation, Nix, Result};

/// The derivations that this machine's store lacks, and what it has for them.
#[derive(Clone, Debug, Default)]
pub struct BuildGraph {
    root: String,
    /// Those that are to be built.
    build: BTreeMap<String, Derivation>,
    /// Outputs of other derivations, by derivation and output.
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    /// What this machine's store has.
    here: BTreeSet<String>,
    /// What substituters have.
    plan: BuildPlan,
}

/// What another store needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Derivations to be built.
    pub build: Vec<Derivation>,
    /// Files of a mirror, with their store paths.
    pub files: Vec<(ArchiveFile, String)>,
    /// Store paths that a substituter has and this machine has not.
    pub fetch: Vec<String>,
    /// What the substituters send, in bytes, as far as Nix says.
    pub fetch_size: u64,
    /// What that becomes in the store, in bytes.
    pub unpacked_size: u64,
    /// Store paths of this machine that are built from; their closures belong to them.
    pub inputs: Vec<String>,
}

impl Nix {
    /// Asks Nix what realising a derivation on this machine would build and fetch, and for what that is made of.
    ///
    /// # Errors
    /// As [`Nix::plan`] and [`Nix::derivations`].
    pub fn build_graph(&self, derivation: &str) -> Result<BuildGraph> {
        let plan = self.plan(derivation)?;
        let build: BTreeMap<String, Derivation> = by_path(self.derivations(&plan.build)?);
        let others: BTreeSet<&str> = build
            .values()
            .flat_map(|derivation| derivation.derivations.keys())
            .map(String::as_str)
            .chain([derivation])
            .filter(|path| !build.contains_key(*path))
            .collect();
        let others: Vec<&str> = others.into_iter().collect();
        let outputs: BTreeMap<String, BTreeMap<String, String>> = self
            .derivations(&others)?
            .into_iter()
            .map(|derivation| (derivation.path, derivation.outputs))
            .collect();
        let candidates: BTreeSet<&str> = outputs
            .values()
            .flat_map(BTreeMap::values)
            .chain(build.values().flat_map(|derivation| &derivation.sources))
            .map(String::as_str)
            .collect();
        let candidates: Vec<&str> = candidates.into_iter().collect();
        let here = self.valid(&candidates)?;
        Ok(BuildGraph {
            root: derivation.to_owned(),
            build,
            outputs,
            here,
            plan,
        })
    }
}

impl BuildGraph {
    /// The file of a mirror that a derivation stands for.
    pub fn file(&self, derivation: &str) -> Option<&ArchiveFile> {
        self.build.get(derivation)?.file.as_ref()
    }

    /// All store paths that may be made anew in the other store.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.build
            .values()
            .flat_map(|derivation| derivation.outputs.values())
            .map(String::as_str)
    }

    /// What is needed by a store that has the paths for which `is_there` holds.
    pub fn needs(&self, is_there: &dyn Fn(&str) -> bool) -> Needs {
        let mut needs = Needs::default();
        let mut inputs = BTreeSet::new();
        let mut fetch = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let every = self.outputs_of(&self.root).keys().cloned().collect();
        let mut wanted: Vec<(&str, Vec<String>)> = vec![(&self.root, every)];
        while let Some((path, names)) = wanted.pop() {
            let outputs = self.outputs_of(path);
            let paths = names.iter().filter_map(|name| outputs.get(name));
            let Some(derivation) = self.build.get(path) else {
                for output in paths {
                    if self.here.contains(output) {
                        inputs.insert(output.clone());
                    } else if !is_there(output) {
                        fetch.insert(output.clone());
                    }
                }
                continue;
            };
            let mut paths = paths.peekable();
            let is_made = paths.peek().is_some() && paths.all(|path| is_there(path));
            if is_made || !seen.insert(path) {
                continue;
            }
            if let Some(file) = &derivation.file {
                let place = derivation.outputs.values().next();
                needs
                    .files
                    .push((file.clone(), place.cloned().unwrap_or_default()));
                continue;
            }
            inputs.extend(derivation.sources.iter().cloned());
            for (path, names) in &derivation.derivations {
                wanted.push((path, names.clone()));
            }
            needs.build.push(derivation.clone());
        }
        if !needs.build.is_empty() || !fetch.is_empty() {
            // What is fetched has a closure that only the substituter knows; Nix's own list has all of it.
            fetch.extend(
                self.plan
                    .fetch
                    .iter()
                    .filter(|path| !is_there(path))
                    .cloned(),
            );
        }
        if !fetch.is_empty() {
            needs.fetch_size = self.plan.download_size;
            needs.unpacked_size = self.plan.unpacked_size;
        }
        needs.build.sort_by(|a, b| a.path.cmp(&b.path));
        needs.files.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        needs.fetch = fetch.into_iter().collect();
        needs.inputs = inputs.into_iter().collect();
        needs
    }

    fn outputs_of(&self, derivation: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.build
            .get(derivation)
            .map(|derivation| &derivation.outputs)
            .or_else(|| self.outputs.get(derivation))
            .unwrap_or(&NONE)
    }
}

fn by_path(derivations: Vec<Derivation>) -> BTreeMap<String, Derivation> {
    derivations
        .into_iter()
        .map(|derivation| (derivation.path.clone(), derivation))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivation(name: &str, needs: &[&str], sources: &[&str]) -> Derivation {
        Derivation {
            path: format!("{name}.drv"),
            outputs: BTreeMap::from([("out".to_owned(), name.to_owned())]),
            derivations: needs
                .iter()
                .map(|name| (format!("{name}.drv"), vec!["out".to_owned()]))
                .collect(),
            sources: sources.iter().map(|&source| source.to_owned()).collect(),
            ..Derivation::default()
        }
    }

    /// `top` of `usr` and `kernel` (at hand); `usr` of `raw` and `old` (at hand); `raw` of `deb`, a file, and a source; `lib` is fetched.
    fn graph() -> BuildGraph {
        let mut deb = derivation("deb", &[], &[]);
        deb.file = Some(ArchiveFile {
            derivation: "deb.drv".into(),
            name: "deb".into(),
            mirror: "debian".into(),
            path: "pool/deb".into(),
            size: 7,
            sha256: String::new(),
        });
        let output = |name: &str| {
            let outputs = BTreeMap::from([("out".to_owned(), name.to_owned())]);
            (format!("{name}.drv"), outputs)
        };
        BuildGraph {
            root: "top.drv".into(),
            build: by_path(vec![
                derivation("top", &["usr", "kernel", "lib"], &[]),
                derivation("usr", &["raw", "old"], &[]),
                derivation("raw", &["deb"], &["builder"]),
                deb,
            ]),
            outputs: BTreeMap::from([output("kernel"), output("old"), output("lib")]),
            here: ["kernel", "old", "builder"].map(str::to_owned).into(),
            plan: BuildPlan {
                fetch: vec!["lib".into(), "lib-of-lib".into()],
                download_size: 5,
                ..BuildPlan::default()
            },
        }
    }

    fn names(needs: &Needs) -> Vec<&str> {
        needs.build.iter().map(|d| d.path.as_str()).collect()
    }

    #[test]
    fn an_empty_store_needs_all() {
        let needs = graph().needs(&|_| false);
        assert_eq!(names(&needs), ["raw.drv", "top.drv", "usr.drv"]);
        assert_eq!(needs.files.len(), 1);
        assert_eq!(needs.files[0].1, "deb");
        assert_eq!(needs.inputs, ["builder", "kernel", "old"]);
        assert_eq!(needs.fetch, ["lib", "lib-of-lib"]);
        assert_eq!(needs.fetch_size, 5);
    }

    #[test]
    fn what_an_earlier_run_has_made_is_not_made_again() {
        let needs = graph().needs(&|path| path == "deb");
        assert_eq!(needs.files.len(), 0);
        assert_eq!(names(&needs), ["raw.drv", "top.drv", "usr.drv"]);
        let needs = graph().needs(&|path| path == "usr" || path.starts_with("lib"));
        assert_eq!(names(&needs), ["top.drv"]);
        assert_eq!(needs.inputs, ["kernel"]);
        assert_eq!((needs.files.len(), needs.fetch.len()), (0, 0));
        let needs = graph().needs(&|path| path == "top");
        assert!(needs.build.is_empty() && needs.fetch.is_empty() && needs.inputs.is_empty());
    }
}
