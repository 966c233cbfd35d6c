//! `kernel-modules`: the modules of Debian's kernels with the tables that `depmod` makes of them.
//!
//! Debian makes the tables when the package is installed; here Debian's own depmod(8) makes them. The modules themselves stay
//! in the raw path: the output has a link to their folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::exec::{Programs, run};
use super::{Build, folder};
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct KernelModules {
    kernels: Vec<PathBuf>,
    tools: Vec<PathBuf>,
}

pub(crate) fn kernel_modules(parameters: &KernelModules, build: Build<'_>) -> Result<()> {
    let fault = |reason: String| Error::Parameters {
        command: "kernel-modules",
        reason,
    };
    let tools = Programs::new(&parameters.tools)?;
    // depmod looks below `-b` in lib/modules or usr/lib/modules, as it was built.
    let stage = std::env::current_dir()
        .map_err(Error::io("find", "."))?
        .join("stage");
    let staged = stage.join("usr/lib/modules");
    folder::create(&staged)?;
    folder::link(Path::new("usr/lib"), &stage.join("lib"))?;
    let mut versions = BTreeSet::new();
    for kernel in &parameters.kernels {
        let source = kernel.join("usr/lib/modules");
        let found = folder::list_if_present(&source)?;
        if found.is_empty() {
            return Err(fault(format!(
                "{} has no modules: it is no linux-image",
                kernel.display()
            )));
        }
        for version in found {
            let shown = version.to_string_lossy().into_owned();
            if !versions.insert(shown.clone()) {
                return Err(fault(format!("two kernels have the version {shown}")));
            }
            let modules = source.join(&version);
            let tables = staged.join(&version);
            folder::create(&tables)?;
            for name in folder::list(&modules)? {
                folder::link(&modules.join(&name), &tables.join(&name))?;
            }
            let mut depmod = tools.command("depmod")?;
            depmod.arg("-a").arg("-b").arg(&stage).arg(&version);
            run(depmod, &format!("depmod -a {shown}"))?;
            if !tables.join("modules.dep").is_file() {
                return Err(fault(format!("depmod made no modules.dep for {shown}")));
            }
            let target = build.out.join("lib/modules").join(&version);
            folder::create(&target)?;
            for name in folder::list(&tables)? {
                folder::copy_tree(&tables.join(&name), &target.join(&name))?;
            }
        }
    }
    if versions.is_empty() {
        return Err(fault("`kernels` is empty".to_owned()));
    }
    Ok(())
}
