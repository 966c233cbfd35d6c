//! A host's `image.json`, or its system: the derivation that an evaluation gives, remembered by everything it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use flk_identity::Login;
use flk_image::FileName;
use flk_nix::{Event, quote};
use serde::{Deserialize, Serialize};

use crate::{
    archive,
    error::{Context, Failure, Result},
    live_settings::Settings,
    logins::{self, Logins},
    place::{self, write_whole},
    refusal::refuse,
    ui::{self, Phase, Unit},
    workspace::Workspace,
};

/// The derivation of what is wanted of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The `.drv`.
    pub(crate) derivation: String,
    /// Where it is, once built.
    pub(crate) output: PathBuf,
    /// Who may log in to the live system; nobody is listed where it is no live system.
    pub(crate) logins: Vec<Login>,
    /// It was remembered.
    #[serde(skip)]
    pub(crate) remembered: bool,
    /// What it is the evaluation of, in a word: `iso`, `system`.
    #[serde(skip)]
    pub(crate) purpose: &'static str,
}

/// What of a host is evaluated.
#[derive(Clone, Copy)]
enum Wanted {
    /// Its live system's `image.json`.
    Image(Settings),
    /// Its own system.
    System,
}

impl Wanted {
    fn purpose(self) -> &'static str {
        match self {
            Self::Image(_) => "iso",
            Self::System => "system",
        }
    }
}

impl Evaluation {
    /// Evaluates a host's live system, or remembers it if the result is in the store.
    pub(crate) fn of(workspace: &Workspace, host: &str, settings: Settings) -> Result<Self> {
        Self::of_wanted(workspace, host, Wanted::Image(settings))
    }

    /// The same for the host's own system: its toplevel.
    pub(crate) fn of_system(workspace: &Workspace, host: &str) -> Result<Self> {
        Self::of_wanted(workspace, host, Wanted::System)
    }

    fn of_wanted(workspace: &Workspace, host: &str, wanted: Wanted) -> Result<Self> {
        let memory = memory(workspace, host, wanted)?;
        if let Some(memory) = &memory
            && let Some(evaluation) = recall(memory, wanted)
        {
            return Ok(evaluation);
        }
        archive::provide_indices(workspace)?;
        let evaluation = evaluate(workspace, host, wanted)?;
        if let Some(memory) = memory {
            let json = serde_json::to_vec(&evaluation)?;
            // Not fatal: the next run evaluates again.
            let _ = write_whole(&memory, &json);
        }
        Ok(evaluation)
    }
}

/// The names of the repository's hosts.
pub(crate) fn host_names(
    workspace: &Workspace,
    on_event: &mut dyn FnMut(Event),
) -> Result<Vec<String>> {
    let json = workspace
        .nix
        .evaluate(
            &workspace.flake,
            "nixosConfigurations",
            "builtins.attrNames",
            on_event,
        )
        .map_err(|error| {
            without_hosts(workspace, &error).unwrap_or_else(|| workspace.explain(error).into())
        })?;
    Ok(serde_json::from_value(json)?)
}

/// Evaluates something of each host, as many at a time as there are processors and free memory for; the results are in the order of the names.
pub(crate) fn at_a_time<T: Send>(names: &[String], evaluate: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = processors.min(place::evaluations()).min(names.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = names.get(index) else { break };
                    let result = evaluate(name);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.insert(index, result);
                }
            });
        }
    });
    let results = results.into_inner();
    results
        .unwrap_or_else(PoisonError::into_inner)
        .into_values()
        .collect()
}

fn recall(memory: &Path, wanted: Wanted) -> Option<Evaluation> {
    let evaluation: Evaluation = serde_json::from_slice(&fs::read(memory).ok()?).ok()?;
    evaluation.output.exists().then_some(Evaluation {
        remembered: true,
        purpose: wanted.purpose(),
        ..evaluation
    })
}

fn memory(workspace: &Workspace, host: &str, wanted: Wanted) -> Result<Option<PathBuf>> {
    let Some(digest) = &workspace.digest else {
        return Ok(None);
    };
    let wanted = match wanted {
        Wanted::Image(settings) => settings.expression(),
        Wanted::System => "system",
    };
    let mut hasher = blake3::Hasher::new();
    for part in [
        digest,
        &workspace.channel.nar_hash,
        host,
        wanted,
        &workspace.nix.version().to_string(),
    ] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let name = &hasher.finalize().to_hex()[..32];
    let folder = workspace.places.cache("evaluations")?;
    Ok(Some(folder.join(format!("{name}.json"))))
}

/// A Nix expression for the function from a host to its own system.
const SYSTEM: &str =
    "(host: { manifest = host.config.system.build.toplevel; fileName = null; logins = null; })";
/// Whether `host` is what `lib.nixosSystem` gives, as a Nix expression.
const IS_HOST: &str = "(builtins.isAttrs host && host ? config.system.build.toplevel)";

fn evaluate(workspace: &Workspace, host: &str, wanted: Wanted) -> Result<Evaluation> {
    let phase = Phase::start("evaluate", Unit::Time);
    let purpose = wanted.purpose();
    let function = match wanted {
        Wanted::Image(settings) => described(workspace, &settings.with_output(workspace, host)?)?,
        Wanted::System => SYSTEM.to_owned(),
    };
    let apply = format!(
        "let name = {name}; in hosts: \
         if builtins.hasAttr name hosts then \
         let host = builtins.getAttr name hosts; wanted = {function} host; in \
         if {IS_HOST} then {{ derivation = wanted.manifest.drvPath; output = wanted.manifest.outPath; inherit (wanted) fileName logins; }} \
         else {{ is = builtins.typeOf host; }} \
         else {{ known = builtins.attrNames hosts; }}",
        name = quote(host),
    );
    let json = workspace
        .nix
        .evaluate(
            &workspace.flake,
            "nixosConfigurations",
            &apply,
            &mut |event| tell(&phase, workspace.in_users_terms(event)),
        )
        .map_err(|error| refuse(workspace, host, error))?;
    if let Some(known) = json["known"].as_array() {
        let known: Vec<&str> = known.iter().filter_map(|name| name.as_str()).collect();
        return Err(unknown_host(host, &known));
    }
    if let Some(kind) = json["is"].as_str() {
        return Err(no_system(host, kind));
    }
    let text = |name: &str| {
        json[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(format!("Nix gave no `{name}` for {host}")))
    };
    if let Some(name) = json["fileName"].as_str() {
        check_file_name(host, name)?;
    }
    let logins = logins(workspace, host, &json["logins"])?;
    let evaluation = Evaluation {
        derivation: text("derivation")?,
        output: text("output")?.into(),
        logins,
        remembered: false,
        purpose,
    };
    phase.finish(host);
    Ok(evaluation)
}

/// That an ISO can be called so.
fn check_file_name(host: &str, name: &str) -> Result<()> {
    FileName::new(name).map(drop).map_err(|error| {
        Failure::from(error).hint(format!(
            "{host} gives this name with `image.fileName` (`isoImage.isoName` before NixOS 25.05)"
        ))
    })
}

/// Who may log in to the live system. It is refused if nobody may, or if a key cannot be what was meant.
fn logins(workspace: &Workspace, host: &str, document: &serde_json::Value) -> Result<Vec<Login>> {
    // A host's own system has none.
    let document: Option<Logins> = Option::deserialize(document)
        .context(|| format!("Nix gave no logins of {host} that can be read"))?;
    let Some(document) = document else {
        return Ok(Vec::new());
    };
    let checked = document.check(&logins::Terms {
        host,
        relocate: &|file| workspace.in_users_words(file),
        now: SystemTime::now(),
    })?;
    for note in checked.notes {
        ui::note(format_args!("note: {host}: no ssh key: {note}"));
    }
    Ok(checked.logins)
}

/// A Nix expression for the function from a host to its `image.json` and its logins; `name` is bound.
fn described(workspace: &Workspace, settings: &str) -> Result<String> {
    let sources = workspace.sources()?;
    let mut inputs = String::new();
    for (name, path) in &sources.inputs {
        // flk is given by itself.
        if Path::new(path) != workspace.channel.store_path {
            inputs.push_str(&format!(
                "{} = {}; ",
                quote(name),
                located(workspace, path)?
            ));
        }
    }
    Ok(format!(
        "(let flk = {flk}; in (import (flk + \"/nix/extend.nix\") \
         {{ inherit flk name; repository = {repository}; inputs = {{ {inputs}}}; settings = {settings}; }}).described)",
        flk = workspace.channel.expression(),
        repository = located(workspace, &sources.source)?,
    ))
}

/// A source as `builtins.fetchTree` takes it in pure mode.
fn located(workspace: &Workspace, path: &str) -> Result<String> {
    let info = workspace.nix.path_info(path)?;
    let hash = flk_nix::sri(&info.nar_hash)
        .ok_or_else(|| Failure::new(format!("Nix gave no hash of {path}")))?;
    Ok(format!(
        "{{ path = {}; narHash = {}; }}",
        quote(path),
        quote(&hash)
    ))
}

fn no_system(host: &str, kind: &str) -> Failure {
    let what = if kind == "set" {
        "a set without `config.system.build.toplevel`".to_owned()
    } else {
        format!("a {kind}")
    };
    Failure::new(format!(
        "nixosConfigurations.{host} is no NixOS configuration, but {what}"
    ))
    .hint("it has to be what `nixpkgs.lib.nixosSystem` or `flk.lib.mkHosts` gives")
}

/// The failure of a name that no host has.
pub(crate) fn unknown_host(host: &str, known: &[&str]) -> Failure {
    if known.is_empty() {
        return no_hosts();
    }
    let failure = Failure::new(format!("there is no host {host} in this repository"));
    failure.hint(format!("it has: {}", known.join(", ")))
}

/// The failure of a repository whose `nixosConfigurations` are empty.
pub(crate) fn no_hosts() -> Failure {
    Failure::new("there are no hosts in this repository").hint(
        "add a file hosts/NAME.nix or hosts/NAME/default.nix; hosts/default.nix and hosts/hardware-configuration.nix are no hosts",
    )
}

/// The failure of a flake that has no hosts at all, if this is that.
pub(crate) fn without_hosts(workspace: &Workspace, error: &flk_nix::Error) -> Option<Failure> {
    error.is_missing_output().then(|| {
        Failure::new(format!(
            "{} has no hosts: its flake.nix gives no `nixosConfigurations`",
            workspace.repository.root.display()
        ))
        .hint("nixosConfigurations = flk.lib.mkHosts { inherit self; };")
    })
}

/// Shows an event of Nix.
pub(crate) fn tell(phase: &Phase, event: Event) {
    match event {
        Event::Building {
            derivation,
            machine: None,
        } => phase.message(short_name(&derivation)),
        Event::Building {
            derivation,
            machine: Some(machine),
        } => {
            let name = short_name(&derivation);
            ui::detail(format_args!("{name} is built on {machine}"));
            phase.message(format!("{name} on {machine}"));
        }
        Event::Fetching { path, from } => {
            let name = short_name(&path);
            ui::detail(format_args!("{name} comes from {from}"));
            phase.message(name);
        }
        // Of a flake's inputs; what is built has a phase of its own for it.
        Event::Download { done, expected } => {
            phase.message(format!("{} of {}", ui::bytes(done), ui::bytes(expected)));
        }
        Event::Log { derivation, line } => {
            ui::detail(format_args!("{}> {line}", short_name(&derivation)));
        }
        // A host and its live system warn of the same.
        Event::Warning(text) if is_new(&text) => ui::warn(text),
        Event::Untrusted { setting } => tell_untrusted(&setting),
        Event::Unsandboxed { reason } => ui::note(format_args!(
            "note: Nix's sandbox does not work here ({reason}); building without it"
        )),
        _ => {}
    }
}

/// Whether this is said for the first time.
fn is_new(text: &str) -> bool {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.insert(text.to_owned())
}

/// Says once that a setting has no effect, and what would give it one.
fn tell_untrusted(setting: &str) {
    if !is_new(setting) {
        return;
    }
    let or_the_cache = match setting.strip_prefix("substituters ") {
        Some(address) => format!(", or for this cache alone `trusted-substituters = {address}`"),
        None => String::new(),
    };
    ui::warn(format_args!(
        "Nix ignores {setting}, because its daemon does not trust you: ask the administrator of this machine for your name in `trusted-users` of \
         /etc/nix/nix.conf{or_the_cache}"
    ));
}

/// `/nix/store/<hash>-htop-3.4.drv` → `htop-3.4`.
pub(crate) fn short_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split_once('-').map_or(name, |(_, name)| name);
    name.trim_end_matches(".drv").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short() {
        assert_eq!(short_name("/nix/store/abc-htop-3.4.drv"), "htop-3.4");
        assert_eq!(short_name("/nix/store/abc-usr"), "usr");
    }

    #[test]
    fn unknown_hosts_list_the_known() {
        let text = unknown_host("Nix0S", &["NixOS", "box"]).render();
        assert_eq!(
            text,
            "error: there is no host Nix0S in this repository\nhint: it has: NixOS, box\n"
        );
    }
}
