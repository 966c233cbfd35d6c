//! Step 4, home folders. A folder that is there belongs to its user and is left alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use crate::accounts::Database;
use crate::config::User;
use crate::error::{InitError, IoContext, Result};
use crate::mount::create_folder;

/// Makes the home folders that are not there, with what `/etc/skel` has. Gives what could not be made.
pub(super) fn create(users: &[User], etc: &Path) -> Vec<InitError> {
    let database = match Database::read(etc) {
        Ok(database) => database,
        Err(error) => return vec![error],
    };
    let mut problems = Vec::new();
    for user in users
        .iter()
        .filter(|user| user.create_home && !user.home.exists())
    {
        let owner = database
            .uid(&user.name)
            .zip(database.passwd.number(&user.name, 3));
        // Without a line in passwd it has been said already why.
        if let Some(owner) = owner
            && let Err(error) = create_one(user, owner, &etc.join("skel"))
        {
            problems.push(error);
        }
    }
    problems
}

/// The folder is filled beside its place and renamed, so a home is never half made.
fn create_one(user: &User, (uid, gid): (u32, u32), skeleton: &Path) -> Result<()> {
    let home = &user.home;
    let mode = u32::from_str_radix(&user.home_mode, 8).map_err(|_| InitError::Account {
        subject: format!("user '{}'", user.name),
        problem: format!("the home's mode '{}' is not octal", user.home_mode),
    })?;
    let (Some(parent), Some(name)) = (home.parent(), home.file_name()) else {
        return Err(InitError::Account {
            subject: format!("user '{}'", user.name),
            problem: format!("{} cannot be a home", home.display()),
        });
    };
    create_folder(parent, 0o755)?;
    let new = parent.join(format!(".{}.flk-new", name.to_string_lossy()));
    if new.exists() {
        fs::remove_dir_all(&new).at("remove", &new)?;
    }
    create_folder(&new, 0o700)?;
    if skeleton.is_dir() {
        copy(skeleton, &new, (uid, gid))?;
    }
    lchown(&new, Some(uid), Some(gid)).at("set the owner of", &new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).at("set the mode of", &new)?;
    fs::rename(&new, home).at("create", home)
}

/// Copies the skeleton. Its files may be links into the store; the user gets files of its own.
fn copy(from: &Path, to: &Path, owner: (u32, u32)) -> Result<()> {
    for entry in fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // What a link leads nowhere for is left out.
        let Ok(metadata) = fs::metadata(&source) else {
            continue;
        };
        let mode = metadata.mode() & 0o777 | 0o200;
        if metadata.is_dir() {
            create_folder(&target, mode | 0o700)?;
            copy(&source, &target, owner)?;
        } else if metadata.is_file() {
            fs::copy(&source, &target).at("copy", &source)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .at("set the mode of", &target)?;
        }
        lchown(&target, Some(owner.0), Some(owner.1)).at("set the owner of", &target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_made_once_with_the_skeleton() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let me = fs::metadata(root).unwrap();
        fs::create_dir_all(root.join("etc/skel/.config")).unwrap();
        fs::write(root.join("store-bashrc"), "x").unwrap();
        fs::set_permissions(root.join("store-bashrc"), fs::Permissions::from_mode(0o444)).unwrap();
        std::os::unix::fs::symlink(root.join("store-bashrc"), root.join("etc/skel/.bashrc"))
            .unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("etc/skel/broken")).unwrap();
        fs::write(
            root.join("etc/passwd"),
            format!("u:x:{}:{}::/:/bin/sh\n", me.uid(), me.gid()),
        )
        .unwrap();
        let user: User = serde_json::from_value(serde_json::json!({
            "name": "u", "group": "users", "home": root.join("home/u"), "createHome": true, "shell": "/bin/sh"
        }))
        .unwrap();
        let unknown = User {
            name: "unknown".into(),
            home: root.join("home/unknown"),
            ..user.clone()
        };
        let wrong = User {
            home_mode: "rwx".into(),
            home: root.join("home/wrong"),
            ..user.clone()
        };
        let problems = create(&[user.clone(), unknown, wrong], &root.join("etc"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let home = root.join("home/u");
        assert_eq!(fs::metadata(&home).unwrap().mode() & 0o7777, 0o700);
        let bashrc = fs::symlink_metadata(home.join(".bashrc")).unwrap();
        assert!(bashrc.is_file() && bashrc.mode() & 0o777 == 0o644);
        assert!(home.join(".config").is_dir());
        assert_eq!(fs::read_dir(root.join("home")).unwrap().count(), 1);
        fs::remove_file(home.join(".bashrc")).unwrap();
        assert!(create(&[user], &root.join("etc")).is_empty());
        assert!(
            !home.join(".bashrc").exists(),
            "what is there is left alone"
        );
    }
}
