//! Mount options as `fstab(5)` and `mount(8)` have them: which are flags of `mount(2)`, which go to the file system, and which are for user space only.
//!
//! Not supported: propagation (`shared`, `private` …), `helper=`, per-mount `uid` mapping.

use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

/// The options of one file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// The flags of `mount(2)`.
    pub flags: MountFlags,
    /// What the file system itself reads, separated by commas.
    pub data: Vec<String>,
    /// `loop`: the device is a file.
    pub as_loop: bool,
    /// `offset=` and `sizelimit=`, in bytes, for `loop`.
    pub loop_range: (u64, u64),
    /// `nofail`: the boot goes on without it.
    pub may_fail: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            flags: MountFlags::empty(),
            data: Vec::new(),
            as_loop: false,
            loop_range: (0, 0),
            may_fail: false,
        }
    }
}

impl MountOptions {
    /// Sorts options. Later ones win over earlier ones (`ro,rw` is `rw`).
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parsed = Self::default();
        let words: Vec<&str> = options
            .into_iter()
            .flat_map(|option| option.split(','))
            .collect();
        for word in &words {
            parsed.add(word);
        }
        if parsed.as_loop {
            parsed.data.retain(|option| match option.split_once('=') {
                Some(("offset", bytes)) => bytes
                    .parse()
                    .map(|bytes| parsed.loop_range.0 = bytes)
                    .is_err(),
                Some(("sizelimit", bytes)) => bytes
                    .parse()
                    .map(|bytes| parsed.loop_range.1 = bytes)
                    .is_err(),
                _ => true,
            });
        }
        parsed
    }

    fn add(&mut self, option: &str) {
        let flag = match option {
            "ro" => (MountFlags::RDONLY, true),
            "rw" => (MountFlags::RDONLY, false),
            "nosuid" => (MountFlags::NOSUID, true),
            "suid" => (MountFlags::NOSUID, false),
            "nodev" => (MountFlags::NODEV, true),
            "dev" => (MountFlags::NODEV, false),
            "noexec" => (MountFlags::NOEXEC, true),
            "exec" => (MountFlags::NOEXEC, false),
            "sync" => (MountFlags::SYNCHRONOUS, true),
            "async" => (MountFlags::SYNCHRONOUS, false),
            "dirsync" => (MountFlags::DIRSYNC, true),
            "noatime" => (MountFlags::NOATIME, true),
            "atime" => (MountFlags::NOATIME, false),
            "nodiratime" => (MountFlags::NODIRATIME, true),
            "diratime" => (MountFlags::NODIRATIME, false),
            "relatime" => (MountFlags::RELATIME, true),
            "norelatime" => (MountFlags::RELATIME, false),
            "strictatime" => (MountFlags::STRICTATIME, true),
            "lazytime" => (MountFlags::LAZYTIME, true),
            "nolazytime" => (MountFlags::LAZYTIME, false),
            "silent" => (MountFlags::SILENT, true),
            "loud" => (MountFlags::SILENT, false),
            "bind" => (MountFlags::BIND, true),
            "rbind" => (MountFlags::BIND | MountFlags::REC, true),
            "loop" => return self.as_loop = true,
            "nofail" => return self.may_fail = true,
            "fail" => return self.may_fail = false,
            other => {
                if !is_for_user_space(other) {
                    self.data.push(other.to_owned());
                }
                return;
            }
        };
        self.flags.set(flag.0, flag.1);
    }

    /// What the file system reads, as `mount(2)` wants it.
    pub fn data(&self) -> String {
        self.data.join(",")
    }

    /// Puts a prefix before the folders of an overlay, which are named as the new root sees them. Returns the upper and the work folder, which must be there
    /// before it is mounted, and the first lower one.
    pub fn move_overlay(
        &mut self,
        resolve: &dyn Fn(&Path) -> crate::error::Result<PathBuf>,
    ) -> crate::error::Result<OverlayFolders> {
        let mut folders = OverlayFolders::default();
        for option in &mut self.data {
            let Some((key, value)) = option.split_once('=') else {
                continue;
            };
            match key {
                "lowerdir" => {
                    let layers = split_layers(value)
                        .iter()
                        .map(|layer| resolve(Path::new(layer)))
                        .collect::<crate::error::Result<Vec<_>>>()?;
                    *option = format!(
                        "lowerdir={}",
                        layers
                            .iter()
                            .map(|layer| escape_layer(layer))
                            .collect::<Vec<_>>()
                            .join(":")
                    );
                    folders.lower = layers.into_iter().next();
                }
                "upperdir" | "workdir" => {
                    let folder = resolve(Path::new(value))?;
                    let place = if key == "upperdir" {
                        &mut folders.upper
                    } else {
                        &mut folders.work
                    };
                    *place = Some(folder.clone());
                    *option = format!("{key}={}", folder.display());
                }
                _ => {}
            }
        }
        Ok(folders)
    }
}

/// The folders that an overlay is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OverlayFolders {
    /// The uppermost of the lower folders.
    pub lower: Option<PathBuf>,
    /// Where changes go.
    pub upper: Option<PathBuf>,
    /// The overlay's own scratch folder.
    pub work: Option<PathBuf>,
}

/// `a:b\:c` → `a`, `b:c` (kernel, `Documentation/filesystems/overlayfs.rst`).
fn split_layers(value: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let layer = layers.last_mut().expect("there is always one");
        match character {
            '\\' => layer.extend(characters.next()),
            ':' => layers.push(String::new()),
            other => layer.push(other),
        }
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

fn escape_layer(layer: &Path) -> String {
    layer
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace(':', "\\:")
}

/// What `mount(8)`, systemd and others read, and the kernel does not know.
fn is_for_user_space(option: &str) -> bool {
    const WORDS: [&str; 14] = [
        "",
        "defaults",
        "auto",
        "noauto",
        "user",
        "nouser",
        "users",
        "owner",
        "group",
        "_netdev",
        "_rnetdev",
        "quota_check",
        "iversion",
        "noiversion",
    ];
    WORDS.contains(&option)
        || ["x-", "X-", "comment=", "loop="]
            .iter()
            .any(|prefix| option.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted() {
        for (options, flags, data) in [
            (&["ro"][..], MountFlags::RDONLY, ""),
            (&["ro", "rw"], MountFlags::empty(), ""),
            (
                &["defaults", "nofail", "x-systemd.device-timeout=5s", "user"],
                MountFlags::empty(),
                "",
            ),
            (
                &["mode=0755", "size=50%"],
                MountFlags::empty(),
                "mode=0755,size=50%",
            ),
            (
                &["nodev,nosuid", "subvol=@"],
                MountFlags::NODEV.union(MountFlags::NOSUID),
                "subvol=@",
            ),
            (
                &["rbind", "ro"],
                MountFlags::BIND
                    .union(MountFlags::REC)
                    .union(MountFlags::RDONLY),
                "",
            ),
        ] {
            let parsed = MountOptions::parse(options.iter().copied());
            assert_eq!(
                (parsed.flags, parsed.data().as_str()),
                (flags, data),
                "{options:?}"
            );
        }
        assert!(MountOptions::parse(["nofail"]).may_fail);
        let looped = MountOptions::parse(["offset=4096", "loop", "sizelimit=x"]);
        assert_eq!(
            (looped.as_loop, looped.loop_range, looped.data()),
            (true, (4096, 0), "sizelimit=x".to_owned())
        );
        assert_eq!(MountOptions::parse(["offset=1"]).data(), "offset=1");
    }

    #[test]
    fn an_overlay_is_moved_into_the_new_root() {
        let mut options = MountOptions::parse([
            "lowerdir=/nix/.ro-store:/b\\:c",
            "upperdir=/nix/.rw-store/store",
            "workdir=/nix/.rw-store/work",
        ]);
        let folders = options
            .move_overlay(&|path| Ok(Path::new("/sysroot").join(path.strip_prefix("/").unwrap())))
            .unwrap();
        assert_eq!(
            options.data(),
            "lowerdir=/sysroot/nix/.ro-store:/sysroot/b\\:c,upperdir=/sysroot/nix/.rw-store/store,workdir=/sysroot/nix/.rw-store/work"
        );
        assert_eq!(
            folders.lower.as_deref(),
            Some(Path::new("/sysroot/nix/.ro-store"))
        );
        assert_eq!(
            folders.upper.as_deref(),
            Some(Path::new("/sysroot/nix/.rw-store/store"))
        );
        assert_eq!(
            folders.work.as_deref(),
            Some(Path::new("/sysroot/nix/.rw-store/work"))
        );
    }
}
