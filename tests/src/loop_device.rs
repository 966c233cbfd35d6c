//! Loop devices: block devices of the kernel's own over files, by losetup(8).

use crate::{BenchError, run};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long the kernel may take to let go of a file.
const RELEASE: Duration = Duration::from_secs(10);

/// A loop device, until it is dropped.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    /// Attaches a file, with further options of losetup, such as `--sector-size=4096`, `--partscan` or `--read-only`.
    ///
    /// # Errors
    /// When losetup fails.
    pub fn over(file: &Path, options: &[&str]) -> Result<Self, BenchError> {
        let output = run(Command::new("losetup")
            .args(["--find", "--show"])
            .args(options)
            .arg(file))?
        .success()?;
        Ok(LoopDevice {
            path: output.stdout.trim().into(),
        })
    }

    /// Its node, such as `/dev/loop3`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts another file behind the same node, as if one stick was pulled out and another one put in.
    ///
    /// # Errors
    /// When losetup fails.
    pub fn exchange(&self, file: &Path) -> Result<(), BenchError> {
        self.detach()?;
        run(Command::new("losetup").arg(&self.path).arg(file))?.success()?;
        Ok(())
    }

    /// Detaches the file, and waits: whoever has the device open still, udev perhaps, keeps the file.
    fn detach(&self) -> Result<(), BenchError> {
        run(Command::new("losetup").arg("--detach").arg(&self.path))?.success()?;
        let name = self.path.file_name().unwrap_or_default();
        let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
        crate::until(
            "the release of a loop device",
            RELEASE,
            || match fs::exists(&backing) {
                Ok(false) => Ok(()),
                _ => Err("it has its file still".to_owned()),
            },
        )
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = self.detach();
    }
}
