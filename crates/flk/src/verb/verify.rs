//! `flk verify`: whether an ISO, or a stick, is whole.

use std::path::PathBuf;

use flk_stick::Damage;
use rustix::fs::Access;

use crate::{
    elevation,
    error::{Failure, Result},
    ui::{self, Phase, Unit},
};

/// How many files a line of damage names.
const NAMED: usize = 3;

/// Check every byte of an ISO, or of the stick that it was written to.
///
/// By the digests that the ISO itself carries: they find damage, and where it is. That an ISO is yours and nobody else's, its build id says, by which
/// `flk iso` has pinned its ssh host key.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The ISO, or the device that it was written to.
    #[arg(value_name = "ISO|DEVICE")]
    image: PathBuf,
    /// Print what was found as JSON: build, length, damage.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    if elevation::is_device_of_root(&args.image, Access::READ_OK) {
        elevation::require(&format!("reading {}", args.image.display()))?;
    }
    let mut phase = Phase::start("verify", Unit::Bytes);
    let verified = flk_stick::verify(&args.image, &mut |done, total| {
        phase.set(done, total);
        crate::interruption::obey();
    })?;
    phase.finish(ui::bytes(verified.length));
    if args.json {
        ui::data(serde_json::to_string_pretty(&verified)?);
    }
    let path = args.image.display();
    if verified.damage.is_empty() {
        ui::note(format_args!("{path} is whole: build {}", verified.build));
        return Ok(());
    }
    let lines: Vec<String> = verified.damage.iter().map(line).collect();
    Err(Failure::new(format!("{path} is damaged:\n{}", lines.join("\n"))).hint(
        "`flk iso` makes a new ISO, and `flk write` replaces what is wrong on a stick; a stick that is damaged again is worn out",
    ))
}

/// `at byte 1234944, 32 kB: /boot/bzImage`
fn line(damage: &Damage) -> String {
    let what = match damage.files.as_slice() {
        [] => "the image's own tables".to_owned(),
        files if files.len() > NAMED => {
            format!(
                "{} and {} others",
                files[..NAMED].join(", "),
                files.len() - NAMED
            )
        }
        files => files.join(", "),
    };
    format!(
        "at byte {}, {}: {what}",
        damage.offset,
        ui::bytes(damage.length)
    )
}
