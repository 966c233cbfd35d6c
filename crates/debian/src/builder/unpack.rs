//! `unpack`: one `.deb` becomes one store path, a *raw* path.
//!
//! The root's `bin`, `sbin` and `lib*` move into `usr/`, as on every Debian since 12. What a store path cannot hold (owners,
//! setuid bits) goes to `nix-support/special.json`; documentation is left out. Refused: device nodes, pipes, members that
//! would land outside, and members below a link.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Build, alternative, folder};
use crate::deb::Deb;
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct Unpack {
    deb: PathBuf,
    package: String,
}

/// A file that has to be more than the store allows.
#[derive(Serialize)]
struct Special {
    path: String,
    mode: String,
    owner: String,
    group: String,
}

/// Links at the top of a raw path, for those who expect nixpkgs' layout.
const TOP_LINKS: [&str; 6] = ["bin", "sbin", "lib", "libexec", "include", "share"];

pub(crate) fn unpack(parameters: &Unpack, build: Build<'_>) -> Result<()> {
    let deb = Deb::new(&parameters.deb);
    let control = deb.control()?;
    folder::create(build.out)?;
    let mut unpacking = Unpacking {
        deb: &deb,
        root: build.out,
        folders: BTreeSet::new(),
        specials: Vec::new(),
    };
    deb.data(|archive| unpacking.unpack(archive))?;
    let mut specials = unpacking.specials;
    specials.sort_by(|a, b| a.path.cmp(&b.path));

    let support = build.out.join("nix-support");
    folder::create(&support)?;
    folder::write(&support.join("control"), &control.control)?;
    write_json(&support.join("special.json"), &specials)?;
    let postinst = control.postinst.unwrap_or_default();
    let alternatives = alternative::of_package(&parameters.package, &postinst);
    write_json(&support.join("alternatives.json"), &alternatives)?;
    for name in TOP_LINKS {
        let path = build.out.join(name);
        if build.out.join("usr").join(name).is_dir() && fs::symlink_metadata(&path).is_err() {
            folder::link(&Path::new("usr").join(name), &path)?;
        }
    }
    Ok(())
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    text.push('\n');
    folder::write(path, text)
}

struct Unpacking<'a> {
    deb: &'a Deb,
    root: &'a Path,
    /// Folders that are known to be folders, relative to the root.
    folders: BTreeSet<PathBuf>,
    specials: Vec<Special>,
}

impl Unpacking<'_> {
    fn unpack(&mut self, mut archive: tar::Archive<&mut dyn Read>) -> Result<()> {
        let deb = self.deb;
        for entry in archive.entries().map_err(Error::io("read", deb.path()))? {
            let mut entry = entry.map_err(Error::io("read", deb.path()))?;
            let member = entry
                .path()
                .map_err(Error::io("read", deb.path()))?
                .into_owned();
            let path = self.place(&member)?;
            if path.as_os_str().is_empty() || is_left_out(&path) {
                continue;
            }
            self.unpack_member(&member, &path, &mut entry)?;
        }
        Ok(())
    }

    fn unpack_member(
        &mut self,
        member: &Path,
        path: &Path,
        entry: &mut tar::Entry<'_, &mut dyn Read>,
    ) -> Result<()> {
        let target = self.root.join(path);
        match entry.header().entry_type() {
            tar::EntryType::Directory => return self.make_folder(member, path),
            tar::EntryType::Symlink => {
                let text = self.link_text(member, entry)?;
                if is_merged_root_link(member, &text) {
                    return Ok(());
                }
                self.make_parent(member, path)?;
                self.refuse_twice(member, &target)?;
                folder::link(&text, &target)?;
            }
            tar::EntryType::Link => {
                let text = self.link_text(member, entry)?;
                let source = self.root.join(self.place(&text)?);
                self.make_parent(member, path)?;
                self.refuse_twice(member, &target)?;
                let metadata = fs::symlink_metadata(&source).map_err(Error::io("read", &source))?;
                if metadata.is_dir() {
                    return Err(self.refuse(member, "a hard link to a folder"));
                }
                fs::hard_link(&source, &target).map_err(Error::io("create the link", &target))?;
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                self.make_parent(member, path)?;
                self.refuse_twice(member, &target)?;
                let mut file =
                    fs::File::create_new(&target).map_err(Error::io("create", &target))?;
                std::io::copy(entry, &mut file).map_err(Error::io("write", &target))?;
                let mode = entry
                    .header()
                    .mode()
                    .map_err(Error::io("read", self.deb.path()))?;
                folder::set_executable(&target, mode & 0o111 != 0)?;
                if mode & 0o6000 != 0 {
                    self.note_special(path, mode, entry.header());
                }
            }
            _ => {
                return Err(self.refuse(
                    member,
                    "a device, a pipe or something else that no store path can hold",
                ));
            }
        }
        Ok(())
    }

    /// Where a member goes, relative to the root: inside, and in `usr/` for the folders that moved there.
    fn place(&self, member: &Path) -> Result<PathBuf> {
        let mut path = PathBuf::new();
        for component in member.components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::CurDir => {}
                _ => return Err(self.refuse(member, "which leads out of the package's folder")),
            }
        }
        let moves = path
            .components()
            .next()
            .is_some_and(|first| is_moved(&first.as_os_str().to_string_lossy()));
        Ok(if moves {
            Path::new("usr").join(path)
        } else {
            path
        })
    }

    fn link_text(&self, member: &Path, entry: &tar::Entry<'_, &mut dyn Read>) -> Result<PathBuf> {
        entry
            .link_name()
            .map_err(Error::io("read", self.deb.path()))?
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| self.refuse(member, "a link without a target"))
    }

    fn make_parent(&mut self, member: &Path, path: &Path) -> Result<()> {
        match path.parent() {
            Some(parent) => self.make_folder(member, parent),
            None => Ok(()),
        }
    }

    /// Makes a folder and those above it, and insists that all of them are folders and not links.
    fn make_folder(&mut self, member: &Path, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.make_parent(member, path)?;
        let target = self.root.join(path);
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(self.refuse(member, "which lies below something that is no folder"));
            }
            Err(_) => fs::create_dir(&target).map_err(Error::io("create", &target))?,
        }
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn refuse_twice(&self, member: &Path, target: &Path) -> Result<()> {
        match fs::symlink_metadata(target) {
            Ok(_) => Err(self.refuse(member, "a file that it has twice")),
            Err(_) => Ok(()),
        }
    }

    fn note_special(&mut self, path: &Path, mode: u32, header: &tar::Header) {
        let name = |name: Result<Option<&str>, _>| {
            name.ok()
                .flatten()
                .filter(|name| !name.is_empty())
                .unwrap_or("root")
                .to_owned()
        };
        self.specials.push(Special {
            path: format!("/{}", path.display()),
            mode: format!("{:04o}", mode & 0o7777),
            owner: name(header.username()),
            group: name(header.groupname()),
        });
    }

    fn refuse(&self, member: &Path, reason: &str) -> Error {
        Error::Member {
            deb: self.deb.path().to_owned(),
            member: member.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Folders of the root that live in `/usr`.
fn is_moved(name: &str) -> bool {
    matches!(
        name,
        "bin" | "sbin" | "lib" | "lib32" | "lib64" | "libx32" | "libo32"
    )
}

/// The links by which `base-files` merges the root: `/bin` → `usr/bin`.
fn is_merged_root_link(member: &Path, text: &Path) -> bool {
    folder::normalize(member).is_some_and(|member| {
        member.components().count() == 1
            && is_moved(&member.to_string_lossy())
            && text.strip_prefix("/").unwrap_or(text) == Path::new("usr").join(&member)
    })
}

/// Documentation that a live system has no use for. Copyright files stay: the licences ask for it.
fn is_left_out(path: &Path) -> bool {
    let Ok(rest) = path.strip_prefix("usr/share") else {
        return false;
    };
    let mut components = rest.components().map(|component| component.as_os_str());
    match components.next().and_then(|name| name.to_str()) {
        Some("lintian" | "bug" | "info") => true,
        Some("doc") => {
            // doc/PACKAGE/copyright, and nothing else
            !(rest.components().count() == 3 && rest.ends_with("copyright"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
