//! `flk pack`: the plumbing below `flk iso`: an image's manifest becomes an ISO, or a plain folder a squashfs.

use std::{num::NonZeroUsize, path::PathBuf, time::Instant};

use flk_image::{Compression, Manifest};
use serde_json::json;

use crate::{
    error::{Context, Result},
    image::{self, Phases},
    interruption::Debris,
    place::{self, Places},
    repository::ChannelKind,
    ui,
    workspace::find_nix,
};

/// Blocks of images that say nothing else, in bytes.
const BLOCK_SIZE: u32 = 1 << 20;
/// Compression of what has no manifest that says it.
const COMPRESSION: &str = "zstd:6";

/// Pack an image's manifest into an ISO, or a folder into a squashfs.
///
/// This is what `flk iso` does last, without a repository: IMAGE.json is what the attribute `config.system.build.flkImage` of a live system builds, and
/// names what is to be on the ISO. All that it names must be in the Nix store. The ISO gets no ssh host key.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_long_help = "A folder, with owners, modes, times, links and extended attributes as they are:\n  flk pack --tree DIR --squashfs -o FILE"
)]
pub(crate) struct Args {
    /// The manifest, an image.json of version 1.
    #[arg(value_name = "IMAGE.json", required_unless_present = "tree")]
    manifest: Option<PathBuf>,
    /// Pack this folder instead.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "manifest",
        requires = "squashfs"
    )]
    tree: Option<PathBuf>,
    /// Make a squashfs, of a folder.
    #[arg(long, requires = "tree")]
    squashfs: bool,
    /// Where to put it.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// zstd:N, gzip:N, xz, lz4 or none, instead of what the manifest says; zstd:6 for a folder.
    #[arg(long, value_name = "CODEC")]
    compression: Option<String>,
    /// Size of a block in bytes: a power of two from 4096 to 1048576.
    #[arg(long, value_name = "BYTES")]
    block_size: Option<u32>,
    /// How many threads compress; without it, as many as there are processors. The bytes are the same.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Compress everything, and keep nothing for the next image. The bytes are the same.
    #[arg(long)]
    no_cache: bool,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let args = Args {
        out: place::output(&args.out)?,
        ..args
    };
    match (&args.tree, &args.manifest) {
        (Some(tree), _) => folder(&args, tree, started),
        (None, Some(manifest)) => iso(&args, manifest, started),
        // The command line's rules have one of them.
        (None, None) => Ok(()),
    }
}

fn iso(args: &Args, path: &std::path::Path, started: Instant) -> Result<()> {
    let mut manifest = Manifest::read(path)?;
    let block_size = args.block_size.unwrap_or(manifest.compression.block_size);
    manifest.compression = match &args.compression {
        Some(text) => Compression::parse(text, block_size)?,
        None => Compression {
            block_size,
            ..manifest.compression
        },
    };
    let kind = match manifest.channel.as_str() {
        "debian" => ChannelKind::Debian,
        _ => ChannelKind::Nixpkgs,
    };
    let closure = find_nix(kind)?.closure(&manifest.store_roots)?;
    let mut options = flk_image::Options::new(env!("CARGO_PKG_VERSION"));
    options.threads = args.threads;
    options.rebuild = true;
    if !args.no_cache {
        options.cache = image::cache(&Places::find()?);
    }
    let written = image::write(&manifest, &closure, &options, &args.out)?;
    ready(args, written.size, started);
    if args.json {
        ui::data(serde_json::to_string_pretty(&json!({
            "path": args.out,
            "size": written.size,
            "build": written.build,
            "volumeId": manifest.volume_id,
            "packed": image::hits(&written),
            "milliseconds": started.elapsed().as_millis() as u64,
        }))?);
    }
    Ok(())
}

fn folder(args: &Args, tree: &std::path::Path, started: Instant) -> Result<()> {
    let text = args.compression.as_deref().unwrap_or(COMPRESSION);
    let compression = Compression::parse(text, args.block_size.unwrap_or(BLOCK_SIZE))?;
    let mut phases = Phases::default();
    let _debris = Debris::at(flk_image::workplace(&args.out));
    let size = flk_image::pack_folder(tree, &compression, args.threads, &args.out, &mut |p| {
        phases.tell(p);
    })
    .context(|| format!("cannot pack {}", tree.display()))?;
    phases.finish();
    ready(args, size, started);
    if args.json {
        ui::data(serde_json::to_string_pretty(&json!({
            "path": args.out,
            "size": size,
            "milliseconds": started.elapsed().as_millis() as u64,
        }))?);
    }
    Ok(())
}

fn ready(args: &Args, size: u64, started: Instant) {
    ui::note(format_args!(
        "{} is ready: {} ({})",
        args.out.display(),
        ui::bytes(size),
        ui::duration(started.elapsed())
    ));
}
