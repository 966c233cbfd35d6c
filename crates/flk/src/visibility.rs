//! Why Nix would not see a repository's hosts, though they are there: said before Nix says it in terms of a store path.

use std::{fs, path::Path};

use crate::{
    error::{Failure, Result},
    git::Git,
    repository::Repository,
};

const HOSTS: &str = "hosts";

/// Refuses a repository whose `flake.nix`, or whose `hosts`, is not in what Nix reads.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    if repository.fetched.is_some() {
        return Ok(());
    }
    let root = &repository.root;
    if let Some(git) = &repository.git {
        let inside = repository.folder_in(git);
        for (name, is_needed) in [("flake.nix", !repository.is_hosts_folder()), (HOSTS, true)] {
            if is_needed && root.join(name).exists() {
                check_git(root, git, &inside.join(name), name)?;
            }
        }
    }
    let top = repository.git.as_ref().map_or(root, |git| &git.top);
    check_symlink(&root.join(HOSTS), top)
}

/// `hosts` is a directory of the repository, also where it is a symlink.
fn check_symlink(hosts: &Path, top: &Path) -> Result<()> {
    let Ok(target) = fs::read_link(hosts) else {
        return Ok(());
    };
    let said = format!("{} is a symlink to {}", hosts.display(), target.display());
    match fs::canonicalize(hosts) {
        Ok(real) if real.starts_with(top) && target.is_relative() => Ok(()),
        Ok(real) if real.starts_with(top) => Err(Failure::new(format!(
            "{said}, which is an absolute path: Nix reads a copy of the repository"
        ))
        .hint("make it a relative symlink")),
        Ok(real) => Err(Failure::new(format!(
            "{said}, which is outside of {}: Nix reads nothing but the repository",
            top.display()
        ))
        .hint(format!(
            "move the hosts into the repository, or run flk in {}",
            real.parent().unwrap_or(&real).display()
        ))),
        Err(_) => Err(Failure::new(format!("{said}, which does not exist"))),
    }
}

/// Git tracks a file, or something in a directory, given relative to the top.
fn check_git(root: &Path, git: &Git, path: &Path, name: &str) -> Result<()> {
    let submodule = git.submodules.iter().find(|one| path.starts_with(one));
    if let Some(submodule) = submodule {
        if git.is_checked_out(submodule) {
            return Ok(());
        }
        return Err(Failure::new(format!(
            "{name} is in the git submodule {}, which is not checked out",
            submodule.display()
        ))
        .hint(format!(
            "git -C {} submodule update --init {}",
            git.top.display(),
            submodule.display()
        )));
    }
    if git.tracks(path) {
        return Ok(());
    }
    let unseen = format!(
        "git does not track {name} in {}, so Nix does not see it",
        root.display()
    );
    let add = format!("git -C {} add {name}", root.display());
    if !git.ignores(path) {
        return Err(Failure::new(unseen).hint(add));
    }
    let own = format!(
        "make the directory a repository of its own: `git -C {0} init`, `git -C {0} add .`",
        root.display()
    );
    let unseen = format!(
        "{unseen}: the repository at {} ignores it",
        git.top.display()
    );
    Err(Failure::new(unseen).hint(match *root == git.top {
        true => format!("take it out of .gitignore, then: {add}"),
        false => own,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symlink_leads_into_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(folder.path()).unwrap().join("top");
        fs::create_dir_all(top.join("machines")).unwrap();
        fs::create_dir_all(top.join("../other")).unwrap();
        let absolute = top.join("machines");
        for (target, expected) in [
            (Path::new("machines"), None),
            (&absolute, Some("make it a relative symlink")),
            (Path::new("../other"), Some("is outside of")),
            (Path::new("nowhere"), Some("which does not exist")),
        ] {
            let hosts = top.join(HOSTS);
            let _ = fs::remove_file(&hosts);
            std::os::unix::fs::symlink(target, &hosts).unwrap();
            let said = check_symlink(&hosts, &top)
                .err()
                .map(|error| error.render());
            match expected {
                None => assert_eq!(said, None),
                Some(expected) => assert!(
                    said.as_ref().is_some_and(|said| said.contains(expected)),
                    "{said:?}"
                ),
            }
        }
    }
}
