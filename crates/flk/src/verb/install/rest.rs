//! What this machine's store lacks of a system: seen before anything is written, and brought into the target's own store, never into this machine's,
//! which is its memory where it runs from a medium.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use flk_install::{Amount, Expected, Prepared, Room};
use flk_nix::{ArchiveFile, BuildGraph, Closure, Needs};

use crate::{
    archive,
    closure::Building,
    error::{Context, Failure, Result},
    evaluation::short_name,
    place::write_whole,
    ui,
    workspace::Workspace,
};

/// How many missing things are listed.
const LISTED: usize = 40;
/// The database of a store, below its root.
const DATABASE: &str = "nix/var/nix/db/db.sqlite";
/// Where an installed host finds which mirrors it came from.
const MIRRORS: &str = "var/lib/flk/mirrors.json";
/// A file or folder for so many bytes of what substituters send, for want of better knowledge.
const BYTES_A_FILE: u64 = 8192;

/// What is missing, and how to get it.
pub(super) struct Rest {
    workspace: Workspace,
    host: String,
    derivation: String,
    toplevel: String,
    graph: BuildGraph,
    /// As far as the target can be looked at without opening its store, which would make one.
    needs: Needs,
}

impl Rest {
    /// Asks Nix what of a system is not in this machine's store; what an earlier run has brought to the target is not missing.
    pub(super) fn of(
        workspace: Workspace,
        (host, derivation, toplevel): (&str, &str, &str),
        root: &Path,
    ) -> Result<Self> {
        let graph = workspace
            .nix
            .build_graph(derivation)
            .context(|| format!("cannot tell what {host} is made of"))?;
        let is_begun = root.join(DATABASE).exists();
        let needs = graph.needs(&|path| {
            is_begun && fs::symlink_metadata(root.join(path.trim_start_matches('/'))).is_ok()
        });
        Ok(Self {
            workspace,
            host: host.to_owned(),
            derivation: derivation.to_owned(),
            toplevel: toplevel.to_owned(),
            graph,
            needs,
        })
    }

    /// What this machine's store has for it.
    pub(super) fn at_hand(&self) -> Result<Closure> {
        Ok(self.workspace.nix.closure(&self.needs.inputs)?)
    }

    /// For the plan.
    pub(super) fn amounts(&self) -> Result<flk_install::Rest> {
        let expected: Vec<Expected> = self
            .needs
            .build
            .iter()
            .flat_map(|derivation| {
                let packages = derivation
                    .derivations
                    .keys()
                    .filter_map(|input| self.graph.file(input))
                    .map(|file| file.size)
                    .sum();
                derivation.outputs.values().map(move |path| Expected {
                    path: path.clone(),
                    packages,
                })
            })
            .collect();
        let mut room = flk_install::estimate(&expected)?;
        for file in self.files() {
            // Once where it is downloaded to, once in the store.
            room = more(room, 2 * file.size.next_multiple_of(4096), 4);
        }
        let unpacked = self.needs.unpacked_size.max(self.needs.fetch_size);
        room = more(room, unpacked, unpacked / BYTES_A_FILE);
        Ok(flk_install::Rest {
            download: Amount {
                count: self.needs.files.len(),
                bytes: self.download_size(),
            },
            fetch: Amount {
                count: self.needs.fetch.len(),
                bytes: self.needs.fetch_size,
            },
            build: self.needs.build.len(),
            room,
        })
    }

    /// What would come over the network, one thing a line; nothing if nothing has to.
    pub(super) fn list(&self) -> Vec<String> {
        let packages = self.files().map(described);
        let fetched = self.needs.fetch.iter().map(|path| short_name(path));
        let sources = self
            .needs
            .build
            .iter()
            .filter(|derivation| derivation.fetches.is_some())
            .map(|derivation| short_name(&derivation.path));
        packages.chain(fetched).chain(sources).collect()
    }

    /// Refuses if something is needed from a network that is not there.
    pub(super) fn check_network(&self) -> Result<()> {
        if self.list().is_empty() {
            return Ok(());
        }
        let files: Vec<ArchiveFile> = self.files().cloned().collect();
        if let Err((tried, error)) = archive::reach(&files) {
            return Err(self.unreachable(&tried).because(error));
        }
        let substituters = self.workspace.nix.substituters();
        let sources = self
            .needs
            .build
            .iter()
            .filter_map(|derivation| derivation.fetches.as_ref());
        let is_fetching = !self.needs.fetch.is_empty();
        if !is_fetching && sources.clone().next().is_none() {
            return Ok(());
        }
        let over_http = |address: &&str| address.starts_with("http");
        let from_sources = sources.flatten().map(String::as_str).filter(over_http);
        let caches = substituters.iter().map(String::as_str).filter(over_http);
        let mut asked: Vec<&str> = caches.collect();
        if !is_fetching || asked.is_empty() {
            asked.extend(from_sources);
        }
        asked.dedup();
        // Whatever is had in another way (git, ssh, a folder) only Nix can try.
        if asked.is_empty() || archive::reach_any(asked.iter().copied()) {
            return Ok(());
        }
        Err(self.unreachable(asked[0]))
    }

    fn unreachable(&self, tried: &str) -> Failure {
        let missing = self.list();
        let noun = if missing.len() == self.needs.files.len() {
            "package"
        } else {
            "store path"
        };
        let mut text = format!(
            "{} needs {} that this machine does not have, and there is no network to get {} from:",
            self.host,
            ui::count(missing.len(), noun),
            if missing.len() == 1 { "it" } else { "them" }
        );
        for line in cut(&missing) {
            let _ = write!(text, "\n{line}");
        }
        Failure::new(text).hint(format!(
            "connect a network and run this again (tried: {tried}); or make an ISO for this host, where there is a network: `flk iso {}`",
            self.host
        ))
    }

    /// Brings the rest into the target's store, and gives the system's closure there.
    pub(super) fn bring(&self, prepared: &Prepared) -> Result<Closure> {
        let workplace = prepared
            .workplace()
            .ok_or_else(|| Failure::new("there is no place to build the system at"))?;
        let store = self
            .workspace
            .nix
            .target_store(prepared.root(), &workplace.builds());
        let outputs: Vec<&str> = self.graph.outputs().collect();
        let there = store.valid(&outputs)?;
        let needs = self.graph.needs(&|path| there.contains(path));
        let coming: Vec<&str> = outputs
            .into_iter()
            .filter(|path| !there.contains(*path))
            .collect();
        workplace.note(&coming)?;
        let files: Vec<ArchiveFile> = needs.files.iter().map(|(file, _)| file.clone()).collect();
        archive::provide_to(&store, &workplace.downloads(), &files)?;
        if !needs.build.is_empty() || !needs.fetch.is_empty() {
            let mut building = Building::start(needs.build.len(), needs.fetch.len());
            store
                .build(&self.derivation, &mut |event| building.tell(event))
                .context(|| format!("cannot build {}", self.host))?;
            building.finish();
        }
        Ok(store.closure(&self.toplevel)?)
    }

    fn files(&self) -> impl Iterator<Item = &ArchiveFile> {
        self.needs.files.iter().map(|(file, _)| file)
    }

    fn download_size(&self) -> u64 {
        self.files().map(|file| file.size).sum()
    }
}

/// Tells an installed host which mirrors it came from.
pub(super) fn record_mirrors(root: &Path) -> Result<()> {
    let Some(record) = archive::mirrors_record() else {
        return Ok(());
    };
    let path: PathBuf = root.join(MIRRORS);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)
        .and_then(|()| write_whole(&path, record.as_bytes()))
        .context(|| format!("cannot write {}", path.display()))
}

/// The first lines of a list that may be long.
pub(super) fn cut(lines: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(LISTED).cloned().collect();
    if lines.len() > LISTED {
        shown.push(format!("and {} more", lines.len() - LISTED));
    }
    shown
}

/// `htop 3.4.1-5, 171 kB`, by the name that Debian gives to a package's file.
fn described(file: &ArchiveFile) -> String {
    let base = file.path.rsplit('/').next().unwrap_or(&file.path);
    let mut parts = base.trim_end_matches(".deb").split('_');
    let size = ui::bytes(file.size);
    match (parts.next(), parts.next()) {
        (Some(name), Some(version)) => {
            let version = version.replace("%3a", ":").replace("%3A", ":");
            format!("{name} {version}, {size}")
        }
        _ => format!("{}, {size}", file.name),
    }
}

fn more(room: Room, bytes: u64, inodes: u64) -> Room {
    Room {
        bytes: room.bytes + bytes,
        inodes: room.inodes + inodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_by_name_version_and_size() {
        let file = |path: &str| ArchiveFile {
            derivation: String::new(),
            name: "index-trixie-main.xz".to_owned(),
            mirror: "debian".to_owned(),
            path: path.to_owned(),
            size: 171_496,
            sha256: String::new(),
        };
        for (path, expected) in [
            (
                "pool/main/h/htop/htop_3.4.1-5_amd64.deb",
                "htop 3.4.1-5, 171 kB",
            ),
            (
                "pool/v/vim_2%3a9.1.1230-2+deb13u2_amd64.deb",
                "vim 2:9.1.1230-2+deb13u2, 171 kB",
            ),
            (
                "dists/trixie/main/by-hash/SHA256/7778",
                "index-trixie-main.xz, 171 kB",
            ),
        ] {
            assert_eq!(described(&file(path)), expected);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let lines: Vec<String> = (0..43).map(|n| n.to_string()).collect();
        let shown = cut(&lines);
        assert_eq!(shown.len(), 41);
        assert_eq!(shown[40], "and 3 more");
        assert_eq!(cut(&lines[..40]).len(), 40);
    }
}
