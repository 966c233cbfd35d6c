//! A repository's files on their way to the store: which ones, how many bytes, and a copy of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::{Context, Failure, Result},
    ui,
};

/// From how many bytes on a directory without git is worth a note: all of it goes into the store, and onto each ISO.
const LARGE: u64 = 32 << 20;
/// The most bytes that a directory without git may have. A repository of hosts is text: whoever has more there keeps something beside it.
const MAX_DIRECTORY: u64 = 512 << 20;
/// How many files a message names.
const NAMED: usize = 3;

/// Copies a directory without git, and says so where that is much.
///
/// # Errors
/// Above [`MAX_DIRECTORY`], before anything is copied.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(from, true, &mut files)?;
    let total = files.iter().map(|(bytes, _)| bytes).sum();
    if total > LARGE {
        files.sort_by(|a, b| b.cmp(a));
        let largest: Vec<String> = files
            .iter()
            .take(NAMED)
            .filter(|(bytes, _)| *bytes > LARGE / 16)
            .map(|(bytes, file)| {
                let name = file.strip_prefix(from).unwrap_or(file);
                format!("{} ({})", name.display(), ui::bytes(*bytes))
            })
            .collect();
        let largest = match largest.is_empty() {
            true => ui::count(files.len(), "file"),
            false => largest.join(", "),
        };
        let what = format!(
            "{} is no git repository: all of it would go into the store and onto the ISO, {}; the largest: {largest}",
            from.display(),
            ui::bytes(total)
        );
        let way = "move what is not for the hosts elsewhere, or use git, of which only tracked files are taken: `git init`, name the rest in .gitignore, `git add .`";
        if total > MAX_DIRECTORY {
            return Err(Failure::new(what).hint(way));
        }
        ui::note(format_args!("note: {}", what.replace("would go", "goes")));
    }
    copy_sources(from, to, true)
}

/// The regular files that [`copy_sources`] copies, with their sizes.
fn list(folder: &Path, top: bool, found: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).context(failed)? {
        let entry = entry.context(failed)?;
        if top && entry.file_name().to_str().is_some_and(is_product) {
            continue;
        }
        let metadata = entry.metadata().context(failed)?;
        if metadata.is_dir() {
            list(&entry.path(), false, found)?;
        } else if metadata.is_file() {
            found.push((metadata.len(), entry.path()));
        }
    }
    Ok(())
}

/// Copies these files of a directory, as git lists them.
pub(crate) fn copy_files(from: &Path, to: &Path, files: &[PathBuf]) -> Result<()> {
    fs::create_dir(to).context(|| format!("cannot create {}", to.display()))?;
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        // Git has what was deleted since, and folders of other repositories.
        let Ok(metadata) = source.symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            continue;
        }
        let copied = fs::create_dir_all(target.parent().unwrap_or(to)).and_then(|()| {
            if metadata.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&source)?, &target)
            } else {
                fs::copy(&source, &target).map(drop)
            }
        });
        copied.context(|| format!("cannot copy {}", source.display()))?;
    }
    Ok(())
}

/// What a user's tools make in a repository, and what no flake is made of.
fn is_product(name: &str) -> bool {
    name == "result"
        || name.starts_with("result-")
        || name.ends_with(".iso")
        || matches!(name, ".git" | ".jj" | ".hg" | ".direnv")
}

fn copy_sources(from: &Path, to: &Path, top: bool) -> Result<()> {
    let failed = |path: &Path| format!("cannot copy {}", path.display());
    fs::create_dir(to).context(|| failed(from))?;
    for entry in fs::read_dir(from).context(|| failed(from))? {
        let entry = entry.context(|| failed(from))?;
        let (path, name) = (entry.path(), entry.file_name());
        if top && name.to_str().is_some_and(is_product) {
            continue;
        }
        let target = to.join(&name);
        let kind = entry.file_type().context(|| failed(&path))?;
        if kind.is_dir() {
            copy_sources(&path, &target, false)?;
        } else if kind.is_symlink() {
            fs::read_link(&path)
                .and_then(|link| std::os::unix::fs::symlink(link, &target))
                .context(|| failed(&path))?;
        } else if kind.is_file() {
            fs::copy(&path, &target).context(|| failed(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_left_out_of_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("result/iso")).unwrap();
        fs::create_dir_all(from.join("hosts/result")).unwrap();
        for file in [
            "flake.nix",
            "a.iso",
            "result/iso/NixOS.iso",
            "hosts/result/x.nix",
        ] {
            fs::write(from.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("flake.nix", from.join("link")).unwrap();
        let to = folder.path().join("to");
        copy_sources(&from, &to, true).unwrap();
        assert!(to.join("flake.nix").exists());
        assert!(to.join("hosts/result/x.nix").exists());
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            Path::new("flake.nix")
        );
        assert!(!to.join("result").exists());
        assert!(!to.join("a.iso").exists());
    }

    #[test]
    fn a_directory_that_is_no_repository_of_hosts_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir(&from).unwrap();
        let image = fs::File::create(from.join("disk.qcow2")).unwrap();
        // Sparse: the test takes no room.
        image.set_len(MAX_DIRECTORY + 1).unwrap();
        let to = folder.path().join("to");
        let message = copy_directory(&from, &to).unwrap_err().render();
        for said in [
            "is no git repository",
            "disk.qcow2 (537 MB)",
            "hint: ",
            ".gitignore",
        ] {
            assert!(message.contains(said), "{said:?} is not in\n{message}");
        }
        assert!(!to.exists());
        // An ISO that flk has put there is not taken at all.
        fs::rename(from.join("disk.qcow2"), from.join("disk.iso")).unwrap();
        copy_directory(&from, &to).unwrap();
    }
}
