//! `flk init`: a repository of hosts that is the user's from the first minute.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use flk_identity::{KeyFault, keys_of_file};

use crate::{
    archive,
    channel::Channel,
    embedded,
    error::{Context, Failure, Result},
    git,
    git::Git,
    lock::Lock,
    place::{self, Places},
    repository::{ChannelKind, PIN, Repository},
    ui,
    workspace::find_nix,
};

/// The line of the template's host that names the keys.
const NO_KEYS: &str = "openssh.authorizedKeys.keyFiles = [ ];";
const HOST: &str = "hosts/NixOS.nix";

/// Make a repository of hosts.
///
/// Writes flake.nix, hosts/NixOS.nix and what belongs to it. Your public ssh keys (~/.ssh/*.pub) go to keys/, and the
/// host lets them in. Nothing that exists is overwritten. Outside of a git repository, a new one is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder; it is made if missing.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Where the packages come from: Debian's archive, or NixOS's nixpkgs.
    #[arg(long, value_enum, default_value = "debian")]
    channel: ChannelName,
    /// A public ssh key that may log in, instead of ~/.ssh/*.pub; may be given several times.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ChannelName {
    Debian,
    Nixpkgs,
}

/// A public key and its file in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    source: PathBuf,
    name: String,
    content: String,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let keys = if args.key.is_empty() {
        own_keys()
    } else {
        given_keys(&args.key)?
    };
    let (template, kind) = match args.channel {
        ChannelName::Debian => (embedded::TEMPLATE_DEBIAN, ChannelKind::Debian),
        ChannelName::Nixpkgs => (embedded::TEMPLATE_NIXPKGS, ChannelKind::Nixpkgs),
    };
    let files = files(template, &keys);
    refuse_existing(&args.folder, &files, kind)?;
    write(&args.folder, &files)?;
    tell_keys(&keys);

    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    ui::note(format_args!("wrote: {}", names.join(", ")));
    if kind == ChannelKind::Debian
        && let Err(failure) = Places::find().and_then(|places| archive::pin(&args.folder, &places))
    {
        later(&failure, "the archive is not pinned yet");
    }
    if let Err(failure) = lock(&args.folder, kind) {
        later(&failure, "flake.lock is not complete yet");
    }
    track(&args.folder, &files)?;
    let folder = args.folder.display();
    ui::note(match args.folder.as_path() {
        path if path == Path::new(".") => "next: flk iso NixOS".to_owned(),
        _ => format!("next: cd {folder} && flk iso NixOS"),
    });
    Ok(())
}

/// What could not be done is not what was asked for in the first place: the repository is there.
fn later(failure: &Failure, what: &str) {
    let text = failure.render();
    let text = text.trim_end().trim_start_matches("error: ");
    ui::warn(format_args!("{what}: {text}"));
    ui::note("note: `flk update` in the repository does it");
}

fn lock(folder: &Path, kind: ChannelKind) -> Result<()> {
    let nix = find_nix(kind)?;
    let channel = Channel::materialise(&nix, &Places::find()?)?;
    // As if there were no git: nothing is tracked yet.
    let repository = Repository {
        git: None,
        ..Repository::find(Some(folder))?
    };
    Lock::settle(&nix, &repository, &channel).map(drop)
}

fn track(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    if place::program("git", &[]).is_none() {
        ui::note("git: not on this machine, so the repository has no history yet");
        return Ok(());
    }
    let folder =
        fs::canonicalize(folder).context(|| format!("cannot find {}", folder.display()))?;
    if Git::read(&folder)?.is_none() {
        git::init(&folder)?;
        ui::note("git: made a repository; everything is tracked, nothing committed yet");
        return Ok(());
    }
    let mut added: Vec<PathBuf> = files.iter().map(|(name, _)| name.into()).collect();
    added.extend(
        [PIN, "flake.lock"]
            .into_iter()
            .filter(|name| folder.join(name).exists())
            .map(PathBuf::from),
    );
    git::add(&folder, &added)?;
    ui::note("git: tracked the new files in the repository that the folder is in");
    Ok(())
}

fn tell_keys(keys: &[Key]) {
    if keys.is_empty() {
        ui::warn(
            "no public key in ~/.ssh: nobody could log in to the host.\n\
             Make one with `ssh-keygen -t ed25519`, copy the .pub file to keys/, and name it in hosts/NixOS.nix:\n\
             openssh.authorizedKeys.keyFiles = [ ../keys/id_ed25519.pub ];",
        );
    }
    for key in keys {
        ui::note(format_args!(
            "key: {} → keys/{}, may log in as nixos",
            key.source.display(),
            key.name
        ));
    }
}

fn own_keys() -> Vec<Key> {
    let keys = place::public_key_files().into_iter().filter_map(|file| {
        let content = fs::read_to_string(&file).ok()?;
        fault(&content).is_none().then_some((file, content))
    });
    named(keys.collect())
}

fn given_keys(files: &[PathBuf]) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for file in files {
        // Keys are text; what is not is refused as no key.
        let content =
            fs::read(file).context(|| format!("cannot read the key {}", file.display()))?;
        let content = String::from_utf8_lossy(&content).into_owned();
        match fault(&content) {
            None => {}
            Some((_, KeyFault::Private)) => {
                return Err(Failure::new(format!(
                    "{} is a private key; it must not leave this machine",
                    file.display()
                ))
                .hint(format!("give the public one: --key {}.pub", file.display()))
                .hint(
                    "if it was ever committed, pushed or copied, it must be replaced by a new one",
                ));
            }
            Some((line, fault)) => {
                return Err(Failure::new(format!(
                    "{} is no public ssh key: line {line}: {fault}",
                    file.display()
                ))
                .hint("a public key is one line: `ssh-ed25519 AAAA… you@machine`"));
            }
        }
        keys.push((file.clone(), content));
    }
    Ok(named(keys))
}

/// The first line of a file that is no key, and why.
fn fault(content: &str) -> Option<(usize, KeyFault)> {
    keys_of_file(content)
        .into_iter()
        .find_map(|(line, key)| Some((line, key.err()?)))
}

/// Gives each key a file name of its own that can stand in a Nix path.
fn named(keys: Vec<(PathBuf, String)>) -> Vec<Key> {
    let mut named: Vec<Key> = Vec::new();
    for (source, content) in keys {
        let stem = source.file_name().unwrap_or_default().to_string_lossy();
        let stem: String = stem
            .trim_end_matches(".pub")
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() || "._+-".contains(character) {
                    character
                } else {
                    '-'
                }
            })
            .collect();
        let stem = stem.trim_start_matches('.').to_owned();
        let name = std::iter::once(format!("{stem}.pub"))
            .chain((2..).map(|number| format!("{stem}-{number}.pub")))
            .find(|name| named.iter().all(|key| key.name != *name))
            .unwrap_or_default();
        named.push(Key {
            source,
            name,
            content,
        });
    }
    named
}

/// The template's files and the keys, with the host naming the keys.
fn files(template: &[(&str, &[u8])], keys: &[Key]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = template
        .iter()
        .map(|&(name, content)| {
            let content = if name == HOST {
                let text = String::from_utf8_lossy(content);
                text.replacen(NO_KEYS, &key_files(keys), 1).into_bytes()
            } else {
                content.to_vec()
            };
            (name.to_owned(), content)
        })
        .collect();
    for key in keys {
        let content = format!("{}\n", key.content.trim());
        files.push((format!("keys/{}", key.name), content.into_bytes()));
    }
    files
}

fn key_files(keys: &[Key]) -> String {
    match keys {
        [] => NO_KEYS.to_owned(),
        [key] => format!(
            "openssh.authorizedKeys.keyFiles = [ ../keys/{} ];",
            key.name
        ),
        _ => {
            let list: String = keys
                .iter()
                .map(|key| format!("      ../keys/{}\n", key.name))
                .collect();
            format!("openssh.authorizedKeys.keyFiles = [\n{list}    ];")
        }
    }
}

fn refuse_existing(folder: &Path, files: &[(String, Vec<u8>)], kind: ChannelKind) -> Result<()> {
    let mut names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    names.push("flake.lock");
    if kind == ChannelKind::Debian {
        names.push(PIN);
    }
    let existing: Vec<&str> = names
        .into_iter()
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect();
    if existing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} has already: {}",
        folder.display(),
        existing.join(", ")
    ))
    .hint("nothing was written; choose another folder, or move those files away"))
}

fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).context(|| format!("cannot create {}", parent.display()))?;
        fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(content))
            .context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7LcwSXUNYHrLBhrTGiCx6ZVVdJTTYrGiQJRRRyL8iu you@box\n";

    #[test]
    fn names_fit_a_nix_path_and_differ() {
        let keys = named(vec![
            ("/a/id ed.pub".into(), ED25519.into()),
            ("/b/id ed.pub".into(), ED25519.into()),
            ("/b/me@box".into(), ED25519.into()),
        ]);
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["id-ed.pub", "id-ed-2.pub", "me-box.pub"]);
    }

    #[test]
    fn both_templates_name_the_keys_once() {
        let keys = named(vec![("/a/id.pub".into(), ED25519.into())]);
        for template in [embedded::TEMPLATE_DEBIAN, embedded::TEMPLATE_NIXPKGS] {
            let (_, before) = template.iter().find(|(name, _)| *name == HOST).unwrap();
            let before = std::str::from_utf8(before).unwrap();
            assert_eq!(before.matches(NO_KEYS).count(), 1);
            let files = files(template, &keys);
            let (_, after) = files.iter().find(|(name, _)| name == HOST).unwrap();
            let after = String::from_utf8_lossy(after);
            assert!(after.contains("keyFiles = [ ../keys/id.pub ];"), "{after}");
            assert!(files.iter().any(|(name, _)| name == "keys/id.pub"));
            assert!(files.iter().any(|(name, _)| name == ".gitignore"));
        }
    }

    #[test]
    fn the_templates_differ_only_where_the_channels_do() {
        // DevOS's shape has in suites and profiles what the other has in hosts/default.nix.
        let own = ["flake.nix", "README.md", HOST, "hosts/default.nix"];
        for (name, content) in embedded::TEMPLATE_DEBIAN {
            let other = embedded::TEMPLATE_NIXPKGS
                .iter()
                .find(|(other, _)| other == name);
            let same = other.is_some_and(|(_, other)| other == content);
            assert_eq!(same, !own.contains(name), "{name}");
        }
    }
}
