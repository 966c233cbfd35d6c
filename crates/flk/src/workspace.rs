//! A repository that is ready to be asked: found, with Nix at hand, the flake `flk` in the store and locked.

use std::{path::Path, time::Instant};

use flk_nix::{Flake, FlakeSources, Nix, Options};

use crate::{
    channel::Channel,
    error::{Context, Failure, Result},
    git::Git,
    lock::{Declared, Lock},
    place::{self, Places, search_path},
    repository::{ChannelKind, PIN, Repository},
    request::request,
    ui,
};

/// Everything a verb needs to ask Nix about hosts.
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) repository: Repository,
    /// Where its packages come from.
    pub(crate) kind: ChannelKind,
    /// Nix, with the settings that the channel needs.
    pub(crate) nix: Nix,
    /// flk's folders.
    pub(crate) places: Places,
    /// The flake `flk`.
    pub(crate) channel: Channel,
    /// The repository as Nix evaluates it.
    pub(crate) flake: Flake,
    /// Names everything that an evaluation depends on; none if it depends on more.
    pub(crate) digest: Option<String>,
}

impl Workspace {
    /// Opens the repository in a folder, or the one around the current folder.
    pub(crate) fn open(flake: Option<&Path>) -> Result<Self> {
        let started = Instant::now();
        let mut repository = Repository::find(flake)?;
        let places = Places::find()?;
        let kind = repository.channel_kind();
        let nix = find_nix(kind)?;
        if kind == ChannelKind::Nixpkgs {
            check_pin(&nix, &repository)?;
        } else if !repository.sees(PIN) {
            return Err(Failure::new(format!(
                "git does not track {PIN}, so Nix does not see which packages the repository's hosts are made of"
            ))
            .hint(format!("git -C {} add {PIN}", repository.root.display())));
        }
        let channel = Channel::materialise(&nix, &places)?;
        let lock = Lock::settle(&nix, &repository, &channel)?;
        if lock.written {
            ui::note("note: wrote the input `flk` into flake.lock");
            repository.git = Git::read(&repository.root)?;
        }
        repository.tell_state();
        let (flake, digest) = repository.flake(&nix, &places)?;
        let flake = lock.apply(flake, &channel);
        ui::detail(format_args!(
            "Nix {} at {}, flk at {}, opened in {}",
            nix.version(),
            nix.program().display(),
            channel.store_path.display(),
            ui::duration(started.elapsed())
        ));
        Ok(Self {
            digest: (lock.is_pure && !nix.request().changes_evaluation()).then_some(digest),
            repository,
            kind,
            nix,
            places,
            channel,
            flake,
        })
    }

    /// The repository's files as Nix sees them, and its inputs', in the store.
    pub(crate) fn sources(&self) -> Result<FlakeSources> {
        self.nix.flake_sources(&self.flake).context(|| {
            format!(
                "cannot read the flake at {}",
                self.repository.root.display()
            )
        })
    }

    /// Says where an evaluation failed in terms of the user's files.
    pub(crate) fn explain(&self, error: flk_nix::Error) -> flk_nix::Error {
        let flk_nix::Error::Evaluation(mut failure) = error else {
            return error;
        };
        if let Ok(sources) = self.sources() {
            failure.relocate(&sources.source, "");
        }
        failure.relocate(&self.channel.store_path.to_string_lossy(), "<flk>");
        flk_nix::Error::Evaluation(failure)
    }
}

/// Nix, for a channel.
pub(crate) fn find_nix(kind: ChannelKind) -> Result<Nix> {
    let options = Options {
        without_default_substituter: kind == ChannelKind::Debian,
        show_trace: ui::is_verbose(),
        initial_heap: place::initial_heap(),
    };
    Ok(Nix::find(&search_path(), options)?.with_request(request()))
}

/// A repository without a pin is NixOS's, unless it uses flk's channel and the pin is yet to be made.
fn check_pin(nix: &Nix, repository: &Repository) -> Result<()> {
    // Most such repositories do not know flk, and a file without its name needs no Nix to be read.
    let text = std::fs::read_to_string(repository.root.join("flake.nix")).unwrap_or_default();
    if !text.contains("flk") {
        return Ok(());
    }
    let declared = Declared::read(nix, repository)?;
    if declared.flk.is_empty() || declared.nixpkgs {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} has no {PIN}: nothing says which packages its hosts are made of",
        repository.root.display()
    ))
    .hint("`flk update` makes it, from what the mirror has now"))
}
