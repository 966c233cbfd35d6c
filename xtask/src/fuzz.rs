//! The fuzz targets in `fuzz/`, by libFuzzer, each for a while.
//!
//! Stable Rust has LLVM's coverage pass (`-C passes=sancov-module`), so nothing of nightly's is needed; there is no address sanitizer then, and in safe code
//! nothing for it to find. What is watched for is panics, time and memory.

use crate::{Error, Result, as_from_a_shell, cargo_command, lanes, root, say, target};
use std::{fs, path::Path, process::Command};

/// LLVM's options as cargo-fuzz gives them.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing -Cdebug-assertions -Ccodegen-units=1 \
    -Copt-level=3";
/// The targets, by the file in `fuzz/fuzz_targets`.
const TARGETS: [&str; 5] = ["mdns", "zone", "exchange", "squashfs", "iso9660"];
/// An input that takes longer is a finding, in seconds; and so is one that takes more memory, in megabytes.
const LONGEST: u32 = 10;
const MOST_MEMORY: u32 = 512;
/// The machine that the targets are built for, so that build scripts do without their flags.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Runs all targets, or those that are named, for so many seconds each; gives how many had no finding.
pub(crate) fn run(names: &[String], seconds: u32) -> Result<usize> {
    let targets: Vec<&str> = TARGETS
        .into_iter()
        .filter(|name| names.is_empty() || names.iter().any(|wanted| wanted == name))
        .collect();
    if targets.is_empty() {
        return Err(Error::Failed(format!(
            "fuzz: there is no target of this name, but {}",
            TARGETS.join(", ")
        )));
    }
    let folder = target().join("fuzz");
    build(&targets, &folder)?;
    let failed = std::sync::Mutex::new(Vec::new());
    lanes::each(&targets, |name| {
        // New findings and corpora stay in the target folder.
        let corpus = folder.join("corpus").join(name);
        fs::create_dir_all(&corpus).map_err(Error::file(&corpus))?;
        plant(name, &corpus)?;
        let mut command = Command::new(folder.join(TRIPLE).join("release").join(name));
        command
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={LONGEST}"))
            .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
            .arg(format!("-artifact_prefix={}/{name}-", folder.display()))
            .arg("-print_final_stats=1");
        let output = command.output().map_err(|source| Error::Start {
            program: name.to_string(),
            source,
        })?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            let runs = text
                .lines()
                .find(|line| line.contains("number_of_executed_units"));
            say(format_args!(
                "test fuzz {name} ... ok ({})",
                runs.unwrap_or_default().trim()
            ));
        } else {
            let from = text.lines().count().saturating_sub(60);
            text.lines().skip(from).for_each(say);
            say(format_args!("test fuzz {name} ... FAILED"));
            let mut failed = failed
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            failed.push(name.to_string());
        }
        Ok(())
    })?;
    let failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match failed.is_empty() {
        true => Ok(targets.len()),
        false => Err(Error::Failed(format!("fuzz: {}", failed.join(", ")))),
    }
}

/// Small images to begin with, where a target would never come upon one by itself.
fn plant(name: &str, corpus: &Path) -> Result<()> {
    let at = |seed: &str| corpus.join(seed).display().to_string();
    let squashed = |folder: &str, seed: &str, more: &[&str]| {
        let mut line = vec!["mksquashfs".to_owned(), folder.to_owned(), at(seed)];
        line.extend(["-noappend", "-nopad", "-quiet"].map(String::from));
        line.extend(more.iter().map(|word| word.to_string()));
        line
    };
    let burnt = |folder: &str, seed: &str, options: &str| {
        [
            "xorriso",
            "-as",
            "mkisofs",
            "-quiet",
            options,
            "-o",
            &at(seed),
            folder,
        ]
        .map(String::from)
        .into()
    };
    let mut lines: Vec<Vec<String>> = Vec::new();
    match name {
        "squashfs" => {
            // Without compression, changes reach every structure.
            let plain = ["-noI", "-noD", "-noF", "-noX", "-noId", "-b", "4096"];
            lines.push(squashed("crates/squashfs/tests", "stored", &plain));
            for codec in ["gzip", "xz", "lz4", "zstd"] {
                lines.push(squashed("crates/squashfs/src", codec, &["-comp", codec]));
            }
        }
        "iso9660" => {
            lines.push(burnt("crates/iso9660/src", "rock-ridge", "-rJ"));
            lines.push(burnt("crates/iso9660/src/read", "joliet", "-J"));
        }
        _ => {}
    }
    for line in lines {
        let output = Command::new(&line[0])
            .args(&line[1..])
            .current_dir(root())
            .output()
            .map_err(|source| Error::Start {
                program: line[0].clone(),
                source,
            })?;
        if !output.status.success() {
            return Err(Error::Failed(line.join(" ")));
        }
    }
    Ok(())
}

fn build(targets: &[&str], folder: &Path) -> Result<()> {
    let arguments = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml"];
    say(format_args!("$ cargo {}", arguments.join(" ")));
    let mut command = cargo_command();
    command
        .args(arguments)
        .arg("--target-dir")
        .arg(folder)
        .args(["--target", TRIPLE])
        .args(targets.iter().flat_map(|name| ["--bin", name]))
        .env("RUSTFLAGS", FLAGS)
        .current_dir(root());
    as_from_a_shell(&mut command);
    let status = command.status().map_err(|source| Error::Start {
        program: "cargo".into(),
        source,
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Failed("the fuzz targets do not build".into())),
    }
}
