//! What `flk-debian` does inside Nix's sandbox: one command a derivation, with its parameters as structured attributes.
//!
//! The commands, their parameters and their outputs are a contract: ARCHITECTURE.md, "flk-debian: the builder".

mod alternative;
mod certificate;
mod etc;
mod exec;
mod farm;
mod fat;
mod folder;
mod initrd;
mod join;
mod kernel;
mod merge;
mod microcode;
mod module;
mod newc;
mod package;
mod pam;
mod raw;
mod tree;
mod unpack;
mod usr;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::archive;
use crate::error::{Error, Result};

/// Where a command writes, and how it says what is worth knowing but no failure.
#[derive(Clone, Copy)]
pub(crate) struct Build<'a> {
    /// The output's path; nothing is there yet.
    pub(crate) out: &'a Path,
    /// Takes one line of warning.
    pub(crate) warn: &'a dyn Fn(&str),
}

/// Runs `command` with the structured attributes in the file `attributes`.
///
/// `warn` takes lines that tell what the command decided on its own.
///
/// # Errors
/// When the command is unknown, its parameters are not those of the contract, or what it does fails.
pub fn build(command: &str, attributes: &Path, warn: &dyn Fn(&str)) -> Result<()> {
    let text = fs::read(attributes).map_err(Error::io("read", attributes))?;
    let attributes = Attributes {
        path: attributes,
        text: &text,
    };
    let out = attributes.read::<Outputs>()?.outputs.out;
    let build = Build { out: &out, warn };
    match command {
        "index" => index(&attributes.read()?, &out),
        "unpack" => unpack::unpack(&attributes.read()?, build),
        "package" => package::package(&attributes.read()?, build),
        "usr" => usr::usr(&attributes.read()?, build),
        "etc" => etc::etc(&attributes.read()?, build),
        "kernel-modules" => kernel::kernel_modules(&attributes.read()?, build),
        "initrd" => initrd::initrd(&attributes.read()?, build),
        "microcode" => microcode::microcode(&attributes.read()?, build),
        "fat" => fat::fat(&attributes.read()?, build),
        "tree" => tree::tree(&attributes.read()?, build),
        "join" => join::join(&attributes.read()?, build),
        "exec" => exec::exec(&attributes.read()?, build),
        unknown => Err(Error::UnknownCommand(unknown.to_owned())),
    }
}

#[derive(Deserialize)]
struct Outputs {
    outputs: Out,
}

#[derive(Deserialize)]
struct Out {
    out: PathBuf,
}

#[derive(Deserialize)]
struct Index {
    indices: Vec<archive::IndexSource>,
}

fn index(parameters: &Index, out: &Path) -> Result<()> {
    let file = fs::File::create(out).map_err(Error::io("create", out))?;
    let mut writer = std::io::BufWriter::new(file);
    archive::write_index(&parameters.indices, &mut writer)?;
    writer.flush().map_err(Error::io("write", out))
}

/// The attributes' file, which each command reads as its own parameters.
struct Attributes<'a> {
    path: &'a Path,
    text: &'a [u8],
}

impl Attributes<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.text).map_err(|source| Error::Json {
            path: self.path.to_owned(),
            source,
        })
    }
}
