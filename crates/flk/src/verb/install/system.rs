//! Which system is installed: the one that the medium carries for the host, or the one that the repository makes now.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flk_image::Build;
use flk_install::Prepared;
use flk_nix::{Closure, quote};

use super::{
    Args,
    rest::{self, Rest},
};
use crate::{
    archive,
    error::{Context, Failure, Result},
    evaluation::{tell, unknown_host},
    refusal::refuse,
    repository::{ChannelKind, Repository},
    ui::{Phase, Unit},
    workspace::{Origin, Workspace, find_nix},
};

/// The repository that an ISO carries.
const CARRIED: &str = "/iso/devos";
/// What an ISO says of itself.
const BUILD: &str = "/iso/flk/build.json";
/// What an ISO's store says of its paths; the second is below the overlay.
const REGISTRATIONS: [&str; 2] = [
    "/nix/store/nix-path-registration",
    "/nix/.ro-store/nix-path-registration",
];

/// What is installed.
pub(super) struct System {
    described: flk_install::System,
    /// What is copied of it.
    closure: Closure,
    /// What is to be downloaded and built of it.
    rest: Option<Rest>,
    /// Where it comes from, for people.
    pub(super) origin: &'static str,
}

impl System {
    /// A system that this machine's store has.
    fn whole(toplevel: &str, closure: Closure, origin: &'static str) -> Result<Self> {
        Ok(Self {
            described: flk_install::System::read(toplevel)?,
            closure,
            rest: None,
            origin,
        })
    }

    /// What there is to be installed, and where to.
    pub(super) fn options(&self, args: &Args) -> Result<flk_install::Options> {
        let rest = self.rest.as_ref().map(Rest::amounts).transpose()?;
        Ok(flk_install::Options {
            host: args.host.clone(),
            system: self.described.clone(),
            closure: self.closure.clone(),
            rest,
            root: args.root.clone(),
            boot_loader: !args.no_bootloader,
        })
    }

    /// What would come over the network, one thing a line.
    pub(super) fn list(&self) -> Vec<String> {
        self.rest.as_ref().map(Rest::list).unwrap_or_default()
    }

    /// Refuses if something is needed from a network that is not there.
    pub(super) fn check_network(&self) -> Result<()> {
        self.rest.as_ref().map_or(Ok(()), Rest::check_network)
    }

    /// Brings what this machine lacks to the target, whose store has all of the system afterwards; gives its closure.
    pub(super) fn complete(&self, prepared: &Prepared) -> Result<Closure> {
        if self.described.is_built_in() {
            rest::record_mirrors(prepared.root())?;
        }
        match &self.rest {
            Some(rest) => rest.bring(prepared),
            None => Ok(self.closure.clone()),
        }
    }
}

/// The repository that has the host: the one that is named or around the current folder, else the one on the ISO.
pub(super) fn repository(args: &Args) -> Result<PathBuf> {
    let carried = Path::new(CARRIED);
    let named = args.origin.flake.as_deref();
    match (named, Repository::find(named)) {
        (_, Ok(repository)) => Ok(repository.root),
        (None, Err(_)) if Repository::is_in(carried) => Ok(carried.to_owned()),
        (_, Err(failure)) => Err(failure),
    }
}

/// The host's system: the ISO's own where the repository is as it was when the ISO was made and no other channel is asked for, else evaluated.
pub(super) fn system(args: &Args) -> Result<System> {
    let repository = repository(args)?;
    if args.origin.channel.is_none()
        && let Some(toplevel) = prebuilt(&repository, &args.host)?
        && let Some(system) = registered(&toplevel)?
    {
        return Ok(system);
    }
    evaluated(&repository, args)
}

/// The toplevel that this machine's medium carries for a host of this repository.
fn prebuilt(repository: &Path, host: &str) -> Result<Option<String>> {
    let document = Path::new(BUILD);
    if !document.exists() {
        return Ok(None);
    }
    let build = Build::read(document)?;
    let carried = Path::new(CARRIED);
    let is_carried = repository == carried || is_same_tree(repository, carried)?;
    Ok(build
        .host_toplevel
        .filter(|_| build.host == host && is_carried))
}

/// Its closure, by the medium's registration or by Nix's database.
fn registered(toplevel: &str) -> Result<Option<System>> {
    for registration in REGISTRATIONS.map(Path::new) {
        if registration.exists()
            && let Some(closure) = flk_install::closure_of(registration, toplevel)?
        {
            let origin = "from this medium, nothing is fetched or built";
            return System::whole(toplevel, closure, origin).map(Some);
        }
    }
    let nix = find_nix(ChannelKind::Debian)?;
    if !nix.is_valid(toplevel)? {
        return Ok(None);
    }
    let closure = nix.closure(&[toplevel])?;
    System::whole(toplevel, closure, "from this machine's store").map(Some)
}

/// The system by the repository's files as they are now. It is evaluated on this machine, whose store gets the derivations; what is not built of it is
/// for the target's own store.
fn evaluated(repository: &Path, args: &Args) -> Result<System> {
    let host = &args.host;
    let workspace = Workspace::open(&Origin {
        flake: Some(repository.to_owned()),
        ..args.origin.clone()
    })?;
    archive::provide_indices(&workspace)?;
    let phase = Phase::start("evaluate", Unit::Time);
    let apply = format!(
        "hosts: let name = {name}; in if builtins.hasAttr name hosts then \
         let host = builtins.getAttr name hosts; top = host.config.system.build.toplevel; in \
         {{ derivation = top.drvPath; output = top.outPath; facts = import ({flk} + \"/nix/facts.nix\") host; }} \
         else {{ known = builtins.attrNames hosts; }}",
        name = quote(host),
        flk = workspace.channel.expression(),
    );
    let json = workspace
        .nix
        .evaluate(
            &workspace.flake,
            "nixosConfigurations",
            &apply,
            &mut |event| tell(&phase, workspace.in_users_terms(event)),
        )
        .map_err(|error| refuse(&workspace, host, error))?;
    if let Some(known) = json["known"].as_array() {
        let known: Vec<&str> = known.iter().filter_map(|name| name.as_str()).collect();
        return Err(unknown_host(host, &known));
    }
    let text = |name: &str| {
        json[name]
            .as_str()
            .ok_or_else(|| Failure::new(format!("Nix gave no `{name}` for {host}")))
    };
    let (derivation, toplevel) = (text("derivation")?, text("output")?);
    phase.finish(host);
    if workspace.nix.is_valid(toplevel)? {
        let closure = workspace.nix.closure(&[toplevel])?;
        return System::whole(toplevel, closure, "by the repository as it is now");
    }
    let described = flk_install::System::from_facts(toplevel, &json["facts"])?;
    let rest = Rest::of(workspace, (host, derivation, toplevel), &args.root)?;
    Ok(System {
        described,
        closure: rest.at_hand()?,
        rest: Some(rest),
        origin: "by the repository as it is now; what this machine lacks of it is made on the target",
    })
}

/// Whether two folders hold the same files; git's own and flk's results are not looked at.
fn is_same_tree(a: &Path, b: &Path) -> Result<bool> {
    let list = |folder: &Path| -> Result<Vec<(std::ffi::OsString, PathBuf)>> {
        let mut entries = Vec::new();
        let said = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(folder).context(said)? {
            let entry = entry.context(said)?;
            let name = entry.file_name();
            if name != ".git" && name != "result" {
                entries.push((name, entry.path()));
            }
        }
        entries.sort();
        Ok(entries)
    };
    let (left, right) = (list(a)?, list(b)?);
    if left.len() != right.len() {
        return Ok(false);
    }
    for ((name, a), (other, b)) in left.iter().zip(&right) {
        let kind = |path: &Path| {
            fs::symlink_metadata(path)
                .map(|metadata| metadata.file_type())
                .context(|| format!("cannot read {}", path.display()))
        };
        let (kind_a, kind_b) = (kind(a)?, kind(b)?);
        let is_same = name == other
            && kind_a == kind_b
            && if kind_a.is_dir() {
                is_same_tree(a, b)?
            } else if kind_a.is_symlink() {
                fs::read_link(a).ok() == fs::read_link(b).ok()
            } else {
                let read = |path: &Path| {
                    fs::read(path).context(|| format!("cannot read {}", path.display()))
                };
                read(a)? == read(b)?
            };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_that_was_edited_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for folder in [&a, &b] {
            fs::create_dir_all(folder.join("hosts")).unwrap();
            fs::write(folder.join("hosts/NixOS.nix"), "{ }").unwrap();
            std::os::unix::fs::symlink("hosts", folder.join("link")).unwrap();
        }
        fs::create_dir(a.join(".git")).unwrap();
        assert!(is_same_tree(&a, &b).unwrap());
        fs::write(a.join("hosts/new.nix"), "{ }").unwrap();
        assert!(!is_same_tree(&a, &b).unwrap());
        fs::remove_file(a.join("hosts/new.nix")).unwrap();
        fs::write(a.join("hosts/NixOS.nix"), "{}").unwrap();
        assert!(!is_same_tree(&a, &b).unwrap());
    }
}
