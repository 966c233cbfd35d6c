//! `flk inspect`: what an ISO is and holds.

mod page;

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
};

use flk_image::Revision;
use flk_stick::{Difference, Inspection, Store, StorePath};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    error::{Context, Failure, Result},
    interruption::Debris,
    place, ui,
};

/// How many store paths are shown where not all are asked for.
const LARGEST: usize = 15;

/// Show what an ISO is and holds.
///
/// In a file or on a stick; nothing is mounted. Sizes of store paths are what they take of the ISO, packed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The ISO, or the device that it was written to.
    #[arg(value_name = "ISO|DEVICE")]
    image: PathBuf,
    /// Everything as JSON.
    #[arg(long)]
    json: bool,
    /// One page for a browser, with a map of what takes the space.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The chain of references that brings this store path (or whose name has this in it).
    #[arg(long, value_name = "PATH")]
    why: Option<String>,
    /// Store paths that came, went and changed between this ISO and another one.
    #[arg(long, value_name = "OTHER.iso", conflicts_with = "why")]
    diff: Option<PathBuf>,
    /// Copy a file out of the ISO, or of its store (/nix/store/…), to standard output, or to --out; or a folder of the store to --out.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["why", "diff", "json", "html"])]
    extract: Option<String>,
    /// Where --extract puts the file, or the folder, which must not exist yet.
    #[arg(long, value_name = "PATH", requires = "extract")]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    if let Some(name) = &args.extract {
        return extract(&args.image, name, args.out.as_deref());
    }
    let found = flk_stick::inspect(&args.image)?;
    if let Some(path) = &args.html {
        let text = page::page(&args.image, &found);
        let path = place::output(path)?;
        place::write_whole(&path, text.as_bytes())
            .context(|| format!("cannot write {}", path.display()))?;
        ui::note(format_args!("{} is a page for a browser", path.display()));
    }
    match (&args.why, &args.diff) {
        (Some(path), _) => why(&args, &found, path),
        (_, Some(other)) => diff(&args, &found, other),
        _ if args.json => {
            ui::data(serde_json::to_string_pretty(&found)?);
            Ok(())
        }
        _ if args.html.is_some() => Ok(()),
        _ => {
            show(&found);
            Ok(())
        }
    }
}

fn extract(image: &Path, name: &str, out: Option<&Path>) -> Result<()> {
    let Some(out) = out else {
        let mut bytes = Vec::new();
        flk_stick::extract(image, name, &mut bytes)?;
        ui::raw_data(&bytes);
        return Ok(());
    };
    // A directory that is there already is not flk's to remove.
    let is_new = out.symlink_metadata().is_err();
    let debris = is_new.then(|| Debris::at(out));
    let extracted = flk_stick::extract_folder(image, name, out);
    drop(debris);
    if let Some(extracted) = extracted? {
        ui::note(format_args!(
            "{}: {}",
            out.display(),
            ui::bytes(extracted.bytes)
        ));
        return Ok(());
    }
    let out = place::output(out)?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failed = || format!("cannot write {}", out.display());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).context(failed)?;
    let _debris = Debris::at(file.path());
    let length = match flk_stick::extract(image, name, &mut file) {
        Err(flk_stick::Error::Output { source, .. }) => Err(source).context(failed)?,
        other => other?,
    };
    file.flush().context(failed)?;
    file.persist(&out).context(failed)?;
    ui::note(format_args!("{}: {}", out.display(), ui::bytes(length)));
    Ok(())
}

fn show(found: &Inspection) {
    let line = |name: &str, text: String| ui::data(format_args!("{name:<8}  {text}"));
    match &found.build {
        Some(build) => {
            line("host", build.host.clone());
            line("channel", build.channel.clone());
            line("build", format!("{}, by flk {}", build.build, build.flk));
            if let Some(revision) = &build.repository {
                line("of", state(revision));
            }
        }
        None => line("image", "not made by flk".into()),
    }
    line(
        "volume",
        format!("{}, {}", found.volume_id, ui::bytes(found.size)),
    );
    // Those of flk have the same time on all their files.
    if let (None, Some(created)) = (&found.build, found.created) {
        line("made", date(created));
    }
    for boot in &found.boot {
        let file = boot.file.as_deref().unwrap_or("no file of the image");
        line("boots", format!("{}, {file}", boot.platform));
    }
    for partition in &found.partitions {
        line(
            partition.table,
            format!(
                "{} {} at {}, {}",
                partition.kind,
                partition.name,
                ui::bytes(partition.offset),
                ui::bytes(partition.length)
            ),
        );
    }
    if let Some(live) = &found.live_toplevel {
        line("live", live.clone());
    }
    if let Some(host) = found
        .build
        .as_ref()
        .and_then(|build| build.host_toplevel.as_ref())
    {
        line("installs", host.clone());
    }
    if let Some(key) = &found.host_key {
        let private = match found.has_private_key {
            true => "; who has this image can pose as it",
            false => "",
        };
        line("key", format!("{}{private}", fingerprint(key)));
    }
    for (user, key) in &found.authorized_keys {
        line("login", format!("{user}, {}", login(key)));
    }
    if let Some(store) = &found.store {
        let unpacked = store.paths.iter().map(|path| path.nar_size).sum();
        line(
            "store",
            format!(
                "{}, {} packed by {} to {}",
                ui::count(store.paths.len(), "store path"),
                ui::bytes(unpacked),
                store.codec,
                ui::bytes(store.size)
            ),
        );
        for path in by_size(&store.paths).into_iter().take(LARGEST) {
            line("", format!("{:>8}  {}", ui::bytes(path.packed), path.path));
        }
    } else {
        for (name, length) in found.files.iter().take(LARGEST) {
            line("file", format!("{:>8}  {name}", ui::bytes(*length)));
        }
    }
}

/// `commit 0123abcd of 2026-11-23 09:00, and changes that were not committed`
fn state(revision: &Revision) -> String {
    let mut text = format!("commit {}", revision.revision);
    if let Some(time) = revision.time {
        text.push_str(&format!(" of {}", date(time)));
    }
    if revision.dirty {
        text.push_str(", and changes that were not committed");
    }
    text
}

/// Seconds since 1970, in the user's zone.
fn date(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    let time = time.to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `SHA256:… me, at home (ssh-ed25519, restrict)`, or why no login comes from a line.
fn login(line: &str) -> String {
    let key = match flk_identity::authorized_key(line) {
        Ok(key) => key,
        Err(fault) => return format!("no key: {fault}"),
    };
    let mut text = key.fingerprint;
    if !key.comment.is_empty() {
        text += &format!(" {}", key.comment);
    }
    text += &format!(" ({}", key.kind);
    if !key.options.is_empty() {
        text += &format!(", {}", key.options);
    }
    text + ")"
}

fn fingerprint(key: &str) -> String {
    flk_identity::fingerprint(key).unwrap_or_else(|_| "an invalid key".into())
}

/// The largest first.
fn by_size(paths: &[StorePath]) -> Vec<&StorePath> {
    let mut paths: Vec<&StorePath> = paths.iter().collect();
    paths.sort_by(|a, b| b.packed.cmp(&a.packed).then_with(|| a.path.cmp(&b.path)));
    paths
}

fn store<'a>(image: &Path, found: &'a Inspection) -> Result<&'a Store> {
    found
        .store
        .as_ref()
        .ok_or_else(|| Failure::new(format!("{} has no Nix store", image.display())))
}

fn why(args: &Args, found: &Inspection, wanted: &str) -> Result<()> {
    let store = store(&args.image, found)?;
    let is_meant = |path: &&StorePath| {
        path.path == wanted || !wanted.starts_with('/') && path.path.contains(wanted)
    };
    let mut meant = store.paths.iter().filter(is_meant);
    let missing = || {
        Failure::new(format!(
            "{} has no store path {wanted}",
            args.image.display()
        ))
    };
    let path = meant.next().ok_or_else(missing)?;
    if let Some(other) = meant.next() {
        return Err(Failure::new(format!(
            "{wanted} may mean {}, {} or others",
            path.path, other.path
        )));
    }
    let chain = store.why(&found.roots(), &path.path);
    if args.json {
        ui::data(serde_json::to_string_pretty(
            &json!({ "path": path.path, "chain": chain }),
        )?);
        return Ok(());
    }
    let Some(chain) = chain else {
        ui::data(format_args!(
            "{}: neither the live nor the host's system needs it",
            path.path
        ));
        return Ok(());
    };
    for (depth, path) in chain.iter().enumerate() {
        ui::data(format_args!("{:width$}{path}", "", width = 2 * depth));
    }
    Ok(())
}

fn diff(args: &Args, found: &Inspection, other: &Path) -> Result<()> {
    let first = store(&args.image, found)?;
    let second = flk_stick::inspect(other)?;
    let difference = first.difference(store(other, &second)?);
    if args.json {
        ui::data(serde_json::to_string_pretty(&difference)?);
        return Ok(());
    }
    let Difference {
        added,
        removed,
        changed,
        ..
    } = &difference;
    for (sign, paths) in [('+', added), ('-', removed)] {
        for path in by_size(paths) {
            ui::data(format_args!(
                "{sign} {:>8}  {}",
                ui::bytes(path.packed),
                path.path
            ));
        }
    }
    for (old, new) in changed {
        ui::data(format_args!(
            "~ {:>8}  {} (was {}, {})",
            ui::bytes(new.packed),
            new.path,
            ui::bytes(old.packed),
            old.path
        ));
    }
    let unchanged: BTreeSet<&str> = first.paths.iter().map(|path| path.path.as_str()).collect();
    ui::note(format_args!(
        "{} added, {} removed, {} changed, {} as they were; the image grows by {} bytes",
        added.len(),
        removed.len(),
        changed.len(),
        unchanged.len() - removed.len() - changed.len(),
        second.size.cast_signed() - found.size.cast_signed()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shows_the_whole_line() {
        const KEY: &str =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu";
        let fingerprint = flk_identity::fingerprint(KEY).unwrap();
        for (line, expected) in [
            (KEY.to_owned(), format!("{fingerprint} (ssh-ed25519)")),
            (
                format!("restrict,pty {KEY} me, at home"),
                format!("{fingerprint} me, at home (ssh-ed25519, restrict,pty)"),
            ),
            (
                KEY[..60].to_owned(),
                "no key: the key is truncated or garbled".to_owned(),
            ),
        ] {
            assert_eq!(login(&line), expected);
        }
    }
}
