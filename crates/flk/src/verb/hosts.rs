//! `flk hosts`: what a repository holds, and whether it evaluates.

use std::sync::{Mutex, PoisonError};

use flk_address::redact;
use flk_nix::{Event, quote};
use serde::Serialize;
use serde_json::Value;

use crate::{
    archive,
    error::Result,
    evaluation::{at_a_time, host_names, no_hosts, tell},
    refusal::explain,
    ui::{self, Phase, Unit},
    workspace::{Origin, Workspace},
};

/// What `nix eval` applies to a host: only what a host of either channel has.
const HOST: &str = "(host: { hostName = host.config.networking.hostName or null; \
    system = host.pkgs.stdenv.hostPlatform.system or host.pkgs.system or null; \
    derivation = host.config.system.build.toplevel.drvPath; })";

/// List the hosts.
///
/// Every host of the repository with its channel and system, and whether it evaluates; if not, why in a line. A host is
/// a file hosts/NAME.nix or hosts/NAME/default.nix (hosts/default.nix and hosts/hardware-configuration.nix are none), or
/// whatever else the flake gives in nixosConfigurations. A repository without hosts is an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print a JSON list of objects with name, hostName, channel, system, evaluates, error.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    origin: Origin,
    /// Show Nix's warnings and whole traces.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    name: String,
    host_name: Option<String>,
    channel: &'static str,
    system: Option<String>,
    evaluates: bool,
    error: Option<String>,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    ui::set_verbose(args.verbose);
    let workspace = Workspace::open(&args.origin)?;
    archive::provide_indices(&workspace)?;
    let hosts = evaluate(&workspace)?;
    if args.json {
        ui::data(serde_json::to_string_pretty(&hosts)?);
    } else {
        table(&hosts).iter().for_each(ui::data);
    }
    if hosts.is_empty() {
        return Err(no_hosts());
    }
    Ok(())
}

fn evaluate(workspace: &Workspace) -> Result<Vec<Host>> {
    let mut phase = Phase::start("evaluate", Unit::Count);
    // All of them in one evaluation share what they have in common; one that fails takes the others with it.
    let together = workspace.nix.evaluate(
        &workspace.flake,
        "nixosConfigurations",
        &format!("builtins.mapAttrs (_: {HOST})"),
        &mut |event| quietly(workspace, &phase, event),
    );
    let hosts: Vec<Host> = match together {
        Ok(Value::Object(all)) => all
            .into_iter()
            .map(|(name, json)| good(workspace, name, &json))
            .collect(),
        _ => {
            let names = host_names(workspace, &mut |event| quietly(workspace, &phase, event))?;
            phase.set(0, names.len() as u64);
            apart(workspace, &names, &mut phase)?
        }
    };
    phase.finish(ui::count(hosts.len(), "host"));
    Ok(hosts)
}

/// Each host in an evaluation of its own, several at a time.
fn apart(workspace: &Workspace, names: &[String], phase: &mut Phase) -> Result<Vec<Host>> {
    let shared = Mutex::new((0, phase));
    let hosts = at_a_time(names, |name| {
        let host = alone(workspace, name);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.0 += 1;
        let (done, phase) = &mut *shared;
        phase.set(*done, names.len() as u64);
        host
    });
    if flk_nix::is_interrupted() {
        return Err(flk_nix::Error::Interrupted.into());
    }
    Ok(hosts)
}

fn alone(workspace: &Workspace, name: &str) -> Host {
    let apply = format!("hosts: {HOST} (builtins.getAttr {} hosts)", quote(name));
    let outcome =
        workspace
            .nix
            .evaluate(&workspace.flake, "nixosConfigurations", &apply, &mut |_| {});
    match outcome {
        Ok(json) => good(workspace, name.to_owned(), &json),
        Err(error) => Host {
            name: name.to_owned(),
            host_name: None,
            channel: workspace.kind.name(),
            system: None,
            evaluates: false,
            error: Some(in_a_line(&explain(workspace, name, error))),
        },
    }
}

fn good(workspace: &Workspace, name: String, json: &Value) -> Host {
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    Host {
        name,
        host_name: text("hostName"),
        channel: workspace.kind.name(),
        system: text("system"),
        evaluates: true,
        error: None,
    }
}

/// `hosts/a.nix:4:5: syntax error, unexpected '='`.
fn in_a_line(error: &flk_nix::Error) -> String {
    let flk_nix::Error::Evaluation(failure) = error else {
        return joined(&error.to_string());
    };
    let message = joined(&failure.message);
    match &failure.position {
        Some(position) => format!("{position}: {message}"),
        None => message,
    }
}

/// The list goes to standard output, past what hides secrets elsewhere.
fn joined(text: &str) -> String {
    redact(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Warnings are about hosts, one by one; here they would drown the list.
fn quietly(workspace: &Workspace, phase: &Phase, event: Event) {
    match event {
        Event::Warning(_) if !ui::is_verbose() => {}
        event => tell(phase, workspace.in_users_terms(event)),
    }
}

fn table(hosts: &[Host]) -> Vec<String> {
    let rows: Vec<[String; 4]> = hosts
        .iter()
        .map(|host| {
            let mut name = host.name.clone();
            if let Some(host_name) = host.host_name.as_ref().filter(|other| **other != host.name) {
                name.push_str(&format!(" ({host_name})"));
            }
            [
                name,
                host.channel.to_owned(),
                host.system.clone().unwrap_or_else(|| "-".to_owned()),
                host.error
                    .as_ref()
                    .map_or_else(|| "evaluates".to_owned(), |error| format!("fails: {error}")),
            ]
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    rows.iter()
        .map(|[name, channel, system, state]| {
            format!(
                "{name:<0$}  {channel:<1$}  {system:<2$}  {state}",
                widths[0], widths[1], widths[2]
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, host_name: &str, error: Option<&str>) -> Host {
        Host {
            name: name.to_owned(),
            host_name: Some(host_name.to_owned()),
            channel: "debian",
            system: error.is_none().then(|| "x86_64-linux".to_owned()),
            evaluates: error.is_none(),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn columns_line_up() {
        let lines = table(&[
            host("NixOS", "NixOS", None),
            host("a-b", "other", None),
            host("bad", "bad", Some("hosts/bad.nix:1:2: no")),
        ]);
        assert_eq!(
            lines,
            [
                "NixOS        debian  x86_64-linux  evaluates",
                "a-b (other)  debian  x86_64-linux  evaluates",
                "bad          debian  -             fails: hosts/bad.nix:1:2: no",
            ]
        );
    }
}
