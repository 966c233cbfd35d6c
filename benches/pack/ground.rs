//! Where images are made, by flk and by its peers.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use flk_benches::Failure;
use flk_image::{Cache, Options};
use flk_tests::run;

use crate::{Way, subject::Subject};

/// What the bench's cache may keep, in bytes.
const LIMIT: u64 = 64 << 30;

/// Where images are made.
pub(crate) struct Ground {
    folder: PathBuf,
    cache: Cache,
    /// The cache's entries for the unchanged image.
    entries: BTreeSet<OsString>,
    /// The unchanged image.
    iso: PathBuf,
}

impl Ground {
    pub(crate) fn new(folder: &Path, subject: &Subject) -> Result<Ground, Failure> {
        let cache = Cache::open(&folder.join("packed"), LIMIT)?;
        flk(subject, Some(&cache), &folder.join("unchanged.iso"))?;
        Ground::again(folder)
    }

    /// Where images are made that others made the cache for.
    pub(crate) fn again(folder: &Path) -> Result<Ground, Failure> {
        let cache = Cache::open(&folder.join("packed"), LIMIT)?;
        Ok(Ground {
            folder: folder.into(),
            entries: names(cache.folder())?,
            iso: folder.join("unchanged.iso"),
            cache,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn run(
        &self,
        way: Way,
        subject: &Subject,
        changed: Option<&Subject>,
    ) -> Result<(Duration, u64), Failure> {
        // As it was after the unchanged image.
        for name in names(self.cache.folder())?.difference(&self.entries) {
            fs::remove_file(self.cache.folder().join(name))?;
        }
        let out = self.folder.join("out.iso");
        if out.exists() {
            fs::remove_file(&out)?;
        }
        let folder = self.folder.join("empty");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let empty = Cache::open(&folder, LIMIT)?;
        run(&mut Command::new("sync"))?.success()?;
        let begun = Instant::now();
        match way {
            Way::Cold => flk(subject, Some(&empty), &out)?,
            Way::Uncached => flk(subject, None, &out)?,
            Way::Warm => flk(subject, Some(&self.cache), &out)?,
            Way::Changed => flk(changed.unwrap_or(subject), Some(&self.cache), &out)?,
            Way::Peers => self.peers(subject, &out)?,
            Way::Copy => {
                fs::copy(&self.iso, &out)?;
                File::open(&out)?.sync_all()?;
            }
        }
        let took = begun.elapsed();
        Ok((took, fs::metadata(&out)?.len()))
    }

    fn peers(&self, subject: &Subject, out: &Path) -> Result<(), Failure> {
        let squashfs = self.folder.join("store.squashfs");
        if squashfs.exists() {
            fs::remove_file(&squashfs)?;
        }
        let compression = &subject.manifest.compression;
        let mut command = Command::new("mksquashfs");
        command.args(
            subject
                .closure
                .paths
                .iter()
                .map(|info| subject.place(&info.path)),
        );
        command.arg(&squashfs);
        command.args([
            "-keep-as-directory",
            "-noappend",
            "-no-recovery",
            "-no-progress",
            "-quiet",
        ]);
        command.args([
            "-all-root",
            "-no-xattrs",
            "-no-hardlinks",
            "-mkfs-time",
            "1",
            "-all-time",
            "1",
        ]);
        command.args([
            "-comp",
            &compression.codec,
            "-b",
            &compression.block_size.to_string(),
        ]);
        if let Some(level) = compression.level {
            command.args(["-Xcompression-level", &level.to_string()]);
        }
        run(&mut command)?.success()?;
        let mut command = Command::new("xorriso");
        command.args(["-no_rc", "-as", "mkisofs", "-o"]).arg(out);
        command.args([
            "-iso-level",
            "3",
            "-joliet",
            "-r",
            "-volid",
            "bench",
            "-graft-points",
        ]);
        let graft = |target: &str, source: &Path| format!("{target}={}", source.display());
        command.arg(graft("/nix-store.squashfs", &squashfs));
        for content in &subject.manifest.contents {
            command.arg(graft(&content.target, Path::new(&content.source)));
        }
        run(&mut command)?.success()?;
        Ok(())
    }
}

fn flk(subject: &Subject, cache: Option<&Cache>, out: &Path) -> Result<(), Failure> {
    let mut options = Options::new(env!("CARGO_PKG_VERSION"));
    options.rebuild = true;
    options.cache = cache.cloned();
    options.store = subject.store.clone();
    let written = flk_image::write(
        &subject.manifest,
        &subject.closure,
        &options,
        out,
        &mut |_| {},
    )?;
    match written.not_kept {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, Failure> {
    let entries = fs::read_dir(folder)?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?)
}
