//! `flk iso`: a host's file becomes a bootable ISO; with `--all`, every host's does.

mod all;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use flk_identity::{HostKey, IDENTITIES, Identities, Login, Pin, Pins, Secret};
use flk_image::{FileName, Manifest, Written};
use serde_json::{Value, json};

use crate::{
    archive,
    closure::{self, Missing},
    error::{Context, Failure, Result},
    evaluation::Evaluation,
    image,
    live_settings::Settings,
    place::{self, Places},
    repository::ChannelKind,
    ui,
    verb::identity::authority::{self, Authority},
    workspace::{Origin, Workspace},
};

/// Where `nix build` leaves its link, and flk its ISOs.
const RESULT: &str = "result";

/// Make a host's live ISO.
///
/// The ISO boots on BIOS and UEFI machines, from a CD and from a stick, to a live system that installs the host without a
/// network. It answers on its link as HOST.local and at fe80::47, to the ssh keys that the host's file gives.
///
/// The ISO is result/iso/HOST.iso in the repository; with --flake, below the current folder. It is made again only if
/// something has changed.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "Write it to a stick:\n  dd bs=4M if=result/iso/HOST.iso of=/dev/YOUR_STICK status=progress oflag=sync"
)]
pub(crate) struct Args {
    /// The host: the name of its file in hosts/, without .nix.
    #[arg(value_name = "HOST", required_unless_present = "all")]
    pub(crate) host: Option<String>,
    /// Make every host's ISO. One that fails does not stop the others; what was made and what failed is told at the end.
    #[arg(long, conflicts_with_all = ["host", "out", "dry_run"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) origin: Origin,
    /// Where to put the ISO.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print what was made as JSON: host, path, size, build, reused, packed, channel, volumeId, fingerprint; with --all, a list of
    /// these, or of host and error.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only say what would be downloaded and built.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make the ISO even if nobody could log in to it by ssh.
    #[arg(long)]
    pub(crate) no_keys: bool,
    /// Put no ssh host key on the ISO: each boot makes a new one, which you cannot know beforehand.
    #[arg(long)]
    pub(crate) no_host_key: bool,
    /// Have your ssh certificate authority (`flk identity ca`) certify the ISO's host key, for those who trust it.
    #[arg(long, conflicts_with = "no_host_key")]
    pub(crate) sign: bool,
    /// Days for which the certificate is good.
    #[arg(long, value_name = "DAYS", default_value_t = authority::DAYS, requires = "sign", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sign_days: u32,
    /// Show what Nix builds, line by line, and whole traces of errors.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

impl Args {
    /// As the command line has them without options.
    pub(crate) fn new(host: String, origin: Origin) -> Self {
        Self {
            host: Some(host),
            origin,
            all: false,
            out: None,
            json: false,
            dry_run: false,
            no_keys: false,
            no_host_key: false,
            sign: false,
            sign_days: authority::DAYS,
            verbose: false,
        }
    }
}

/// An ISO that is there.
#[derive(Clone, Debug)]
pub(crate) struct Iso {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its host key, in `.pub` form, if it has one.
    pub(crate) public_key: Option<String>,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.all {
        ui::set_verbose(args.verbose);
        return all::make(&args);
    }
    make(&args).map(drop)
}

/// Makes the ISO, if it is not there already. Nothing is made with `--dry-run`.
pub(crate) fn make(args: &Args) -> Result<Option<Iso>> {
    ui::set_verbose(args.verbose);
    let started = Instant::now();
    let host = args.host.as_deref().unwrap_or_default();
    if let Some(out) = args.out.as_deref().filter(|out| !out.is_dir()) {
        place::output(out)?;
    }
    let workspace = Workspace::open(&args.origin)?;
    if !args.no_host_key && !args.dry_run {
        workspace.places.check_data()?;
    }
    let evaluation = Evaluation::of(&workspace, host, settings(args))?;
    if args.dry_run {
        Missing::of(&workspace, &evaluation)?.report(args.json)?;
        return Ok(None);
    }
    let made = make_of(args, &workspace, host, &evaluation, &mut Ok)?;
    tell(&made, started);
    if args.json {
        ui::data(serde_json::to_string_pretty(&made.report(host))?);
    }
    Ok(Some(made.iso))
}

fn settings(args: &Args) -> Settings {
    Settings {
        allow_no_keys: args.no_keys,
    }
}

/// What was made, with what is said of it.
struct Made {
    iso: Iso,
    written: Written,
    manifest: Manifest,
    fingerprint: Option<String>,
}

impl Made {
    /// What is said of it.
    fn state(&self) -> &'static str {
        match self.written.reused {
            true => "is up to date",
            false => "is ready",
        }
    }

    /// For `--json`.
    fn report(&self, host: &str) -> Value {
        let out = &self.iso.path;
        json!({
            "host": host,
            "path": fs::canonicalize(out).unwrap_or(out.clone()),
            "size": self.written.size,
            "build": self.written.build,
            "reused": self.written.reused,
            "packed": image::hits(&self.written),
            "channel": self.manifest.channel,
            "volumeId": self.manifest.volume_id,
            "fingerprint": self.fingerprint,
        })
    }
}

/// Makes the ISO of a host that is evaluated; `settle` has the last word on where it goes, given what its configuration says.
fn make_of(
    args: &Args,
    workspace: &Workspace,
    host: &str,
    evaluation: &Evaluation,
    settle: &mut dyn FnMut(PathBuf) -> Result<PathBuf>,
) -> Result<Made> {
    let document = closure::bring(workspace, host, evaluation)?;
    let manifest = Manifest::read(&document)?;
    let out = settle(target(args, workspace, &manifest.file_name)?)?;

    let closure = workspace.nix.closure(&manifest.store_roots)?;
    let mut options = flk_image::Options::new(env!("CARGO_PKG_VERSION"));
    if workspace.kind == ChannelKind::Debian {
        options.mirrors = archive::mirrors_record();
    }
    let carried = manifest
        .contents
        .iter()
        .find(|content| content.target.trim_start_matches('/') == "devos");
    options.revision = workspace
        .repository
        .revision(carried.map(|content| Path::new(&content.source)));
    let build = flk_image::build_id(&manifest, &closure, &options)?;
    let key = if args.no_host_key {
        None
    } else {
        Some(host_key(
            &workspace.places,
            build.as_str(),
            (host, manifest.host_name.as_deref()),
            evaluation.logins.clone(),
        )?)
    };
    options.host_key = match &key {
        Some(key) => Some(flk_image::HostKey {
            private: key.private_file()?.to_string(),
            public: key.public_file()?,
            fingerprint: key.fingerprint(),
            certificate: certificate(args, workspace, host, (build.as_str(), &key.public_file()?))?,
        }),
        None => None,
    };
    options.cache = image::cache(&workspace.places);
    let written = image::write(&manifest, &closure, &options, &out)?;
    let public_key = match &key {
        Some(key) => Some(key.public_file()?),
        None => None,
    };
    Ok(Made {
        iso: Iso {
            path: out,
            public_key,
        },
        written,
        manifest,
        fingerprint: key.as_ref().map(HostKey::fingerprint),
    })
}

fn tell(made: &Made, started: Instant) {
    let (out, written) = (&made.iso.path, &made.written);
    ui::note(format_args!(
        "{} {}: {} ({})",
        out.display(),
        made.state(),
        ui::bytes(written.size),
        ui::duration(started.elapsed())
    ));
    if let Some(fingerprint) = &made.fingerprint {
        ui::note(format_args!("its ssh host key: {fingerprint}"));
    }
}

/// The live machine's key by this operator, and the pin by which he knows it, and who may log in to it.
fn host_key(
    places: &Places,
    build: &str,
    (host, host_name): (&str, Option<&str>),
    logins: Vec<Login>,
) -> Result<HostKey> {
    let data = places.data();
    let secret = Secret::load_or_create(&data.join("secret"))?;
    let key = HostKey::derive(&secret, build, host)?;
    let pin = Pin::new(build, host, &key.public_file()?)?
        .with_host_name(host_name)
        .with_logins(logins);
    Pins::new(data.join("pins")).keep(&pin)?;
    Ok(key)
}

/// The certificate of the ISO's key, if one is wanted.
fn certificate(
    args: &Args,
    workspace: &Workspace,
    host: &str,
    build_and_key: (&str, &str),
) -> Result<Option<String>> {
    if !args.sign {
        return Ok(None);
    }
    let identities = Identities::open(workspace.repository.root.join(IDENTITIES))?;
    let addresses = authority::addresses_of(identities.all(), host);
    Authority::of(&workspace.places)
        .certificate_of_build(build_and_key, host, &addresses, args.sign_days)
        .map(Some)
}

/// The ISO's place; its folder is there afterwards.
fn target(args: &Args, workspace: &Workspace, name: &FileName) -> Result<PathBuf> {
    if let Some(out) = &args.out {
        if out.is_dir() {
            return Err(Failure::new(format!("{} is a directory", out.display()))
                .hint(format!("--out {}", name.within(out).display())));
        }
        return place::output(out);
    }
    let base = if args.origin.flake.is_some() {
        PathBuf::new()
    } else {
        relative_root(&workspace.repository.root)
    };
    let result = base.join(RESULT);
    let link = fs::read_link(&result).ok();
    if let Some(link) = link.filter(|link| link.starts_with("/nix/store")) {
        ui::note(format_args!(
            "note: {} was `nix build`'s link to {}; it is a folder now",
            result.display(),
            link.display()
        ));
        fs::remove_file(&result)
            .context(|| format!("cannot remove the link {}", result.display()))?;
    }
    let folder = result.join("iso");
    fs::create_dir_all(&folder).context(|| format!("cannot create {}", folder.display()))?;
    place::output(&name.within(&folder))
}

/// The root as seen from the current folder, if it is that folder: short paths read best.
fn relative_root(root: &Path) -> PathBuf {
    match std::env::current_dir() {
        Ok(current) if current == root => PathBuf::new(),
        _ => root.to_owned(),
    }
}
