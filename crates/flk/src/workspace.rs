//! A repository that is ready to be asked: found, with Nix at hand, the flake `flk` in the store and locked.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Instant,
};

use flk_nix::{EvaluationFailure, Event, Flake, FlakeSources, Nix, Options};

use crate::{
    channel::Channel,
    error::{Context, Failure, Result},
    git::Git,
    hosts_folder::{self, Chosen, REPOSITORY},
    lock::{Declared, Lock},
    place::{self, Places, search_path},
    refusal::point_at_users_file,
    repository::{ChannelKind, PIN, Repository, has_hosts},
    request::request,
    ui, visibility,
};

/// Which repository is meant, and where its packages come from: what the command lines of the verbs that build a host share.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Origin {
    /// The repository: a folder, or any flake reference, with #HOST too; without it, the one around the current folder.
    #[arg(long, value_name = "REF")]
    pub(crate) flake: Option<PathBuf>,
    /// Where the packages of a folder of hosts without a flake.nix come from: debian, nixpkgs, a folder or flake reference of a nixpkgs; else flk.toml says it.
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
}

impl Origin {
    /// The command line says anything of it.
    pub(crate) fn is_said(&self) -> bool {
        self.flake.is_some() || self.channel.is_some()
    }
}

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
    /// Where the store has its sources, once Nix was asked.
    sources: OnceLock<FlakeSources>,
}

impl Workspace {
    /// Opens the repository that is meant.
    pub(crate) fn open(origin: &Origin) -> Result<Self> {
        let started = Instant::now();
        let channel = origin.channel.as_deref();
        let mut repository = Repository::find(origin.flake.as_deref())?;
        let places = Places::find()?;
        places.check_cache()?;
        visibility::check(&repository)?;
        if repository.is_hosts_folder() {
            return Self::of_hosts_folder(repository, channel, places, started);
        }
        refuse_channel(&repository, channel)?;
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
            ui::note("note: wrote flake.lock");
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
            sources: OnceLock::new(),
        })
    }

    /// Opens a folder of hosts by the flake that flk makes of it.
    fn of_hosts_folder(
        mut repository: Repository,
        channel: Option<&str>,
        places: Places,
        started: Instant,
    ) -> Result<Self> {
        if !has_hosts(&repository.root) {
            return Err(
                Failure::new(format!("{} has no hosts/NAME.nix", repository.root.display()))
                    .hint("every hosts/NAME.nix and hosts/NAME/default.nix is a host, but hosts/default.nix and hosts/hardware-configuration.nix; `flk up` makes one of this machine"),
            );
        }
        let chosen = Chosen::of(&repository.root, channel)?;
        let kind = chosen.kind();
        let nix = find_nix(kind)?;
        let channel = Channel::materialise(&nix, &places)?;
        let flake = hosts_folder::flake(&mut repository, &chosen, &nix, &places, &channel)?;
        repository.tell_state();
        ui::detail(format_args!(
            "Nix {} at {}, flk at {}, the flake at {flake}, opened in {}",
            nix.version(),
            nix.program().display(),
            channel.store_path.display(),
            ui::duration(started.elapsed())
        ));
        Ok(Self {
            flake: Flake::path(Path::new(&flake)),
            digest: (!nix.request().changes_evaluation()).then_some(flake),
            repository,
            kind,
            nix,
            places,
            channel,
            sources: OnceLock::new(),
        })
    }

    /// The repository's files as Nix sees them, and its inputs', in the store.
    pub(crate) fn sources(&self) -> Result<&FlakeSources> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources);
        }
        let mut sources = self.nix.flake_sources(&self.flake).context(|| {
            format!(
                "cannot read the flake at {}",
                self.repository.root.display()
            )
        })?;
        if self.repository.is_hosts_folder()
            && let Some(source) = sources.inputs.remove(REPOSITORY)
        {
            sources.source = source;
        }
        Ok(self.sources.get_or_init(|| sources))
    }

    /// A text of Nix's in which the user's files are called as in the repository.
    pub(crate) fn in_users_words(&self, text: &str) -> String {
        let mut failure = EvaluationFailure::default();
        failure.message = text.to_owned();
        self.localise(&mut failure);
        failure.message
    }

    /// Names the user's files as they are called in the repository, and gives where Nix has it.
    fn localise(&self, failure: &mut EvaluationFailure) -> Option<&str> {
        let source = self.sources().ok().map(|sources| sources.source.as_str());
        if let Some(source) = source {
            failure.relocate(source, "");
        }
        // Newer versions of Nix name a file of a git repository by where it really is.
        let top = self.repository.git.as_ref().map(|git| &git.top);
        let top = top.unwrap_or(&self.repository.root);
        failure.relocate(&top.to_string_lossy(), "");
        failure.relocate(&self.channel.store_path.to_string_lossy(), "<flk>");
        source
    }

    /// An event of Nix, a warning in terms of the user's files.
    pub(crate) fn in_users_terms(&self, event: Event) -> Event {
        let Event::Warning(text) = event else {
            return event;
        };
        let mut text = text.as_str();
        // A module's warning is a trace to Nix.
        for prefix in ["trace: ", "evaluation warning: ", "warning: "] {
            text = text.strip_prefix(prefix).unwrap_or(text);
        }
        Event::Warning(self.in_users_words(text))
    }

    /// Says where an evaluation failed in terms of the user's files.
    pub(crate) fn explain(&self, error: flk_nix::Error) -> flk_nix::Error {
        let flk_nix::Error::Evaluation(mut failure) = error else {
            return error;
        };
        let source = self.localise(&mut failure);
        point_at_users_file(&mut failure, source.map(Path::new), ui::is_verbose());
        flk_nix::Error::Evaluation(failure)
    }
}

/// A flake says by its inputs where its packages come from.
pub(crate) fn refuse_channel(repository: &Repository, channel: Option<&str>) -> Result<()> {
    let Some(channel) = channel else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "--channel {channel}: {} has a flake.nix, whose inputs say where its packages come from",
        repository.root.display()
    ))
    .hint("--override-input nixpkgs REF puts another nixpkgs in the place of such an input"))
}

/// Nix, for a channel.
pub(crate) fn find_nix(kind: ChannelKind) -> Result<Nix> {
    let options = Options {
        without_default_substituter: kind == ChannelKind::Debian,
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
