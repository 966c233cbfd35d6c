//! The same repository gives the same ISO, bit for bit, in another folder and however much of it was packed before; and nothing is done
//! twice in one, nor for several hosts.

use flk_tests::{Bench, BenchError, Fixture, Need, run};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::Command,
    time::Instant,
};

/// The most that the template's image may have.
const SIZE: u64 = 450_000_000;

#[test]
fn builds_reproducibly() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("builds_reproducibly", &[Need::BUILDS])? else {
        return Ok(());
    };
    let shared = Fixture::shared(&bench)?;
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let copy = shared.copy(folder.path())?;
    // The shared one may have come from the cache of packed store paths or not; half of this one does.
    let cache = |arguments: &[&str]| -> Result<serde_json::Value, BenchError> {
        let arguments = [&["cache"], arguments, &["--json"]].concat();
        let output = copy.flk.run(&copy.repository, &arguments)?.success()?;
        Ok(serde_json::from_str(&output.stdout).unwrap())
    };
    let half = cache(&[])?["bytes"].as_u64().unwrap_or(0) / 2;
    cache(&["prune", "--keep", &half.to_string()])?;
    let report = copy
        .flk
        .run(&copy.repository, &["iso", "NixOS", "--json"])?
        .success()?;
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["reused"], false, "{report}");
    for part in ["fromCache", "new"] {
        assert!(report["packed"][part].as_u64() > Some(0), "{report}");
    }
    let digests = [digest(&shared.iso)?, digest(&copy.iso)?];
    assert_eq!(
        digests[0],
        digests[1],
        "{} and {} differ",
        shared.iso.display(),
        copy.iso.display()
    );

    let size = fs::metadata(&copy.iso)
        .map_err(BenchError::file(&copy.iso))?
        .len();
    assert_eq!(report["size"].as_u64(), Some(size));
    assert!(size < SIZE, "{size} bytes");

    // Again, with nothing changed.
    let start = Instant::now();
    let again = copy
        .flk
        .run(&copy.repository, &["iso", "NixOS", "--json"])?
        .success()?;
    let took = start.elapsed();
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&again["reused"], &again["build"]),
        (&true.into(), &report["build"])
    );
    let _ = writeln!(
        io::stderr(),
        "builds_reproducibly: cold in {:.0} s, again in {:.1} s, {} MB",
        shared.made_in()?.as_secs_f64(),
        took.as_secs_f64(),
        size / 1_000_000
    );

    // What is in it decides: other files make another build. Every host's is made, though one of them is broken.
    copy.put("profiles/more.nix", "{ }\n")?;
    copy.put(
        "hosts/Broken.nix",
        "{ imports = [ ./NixOS.nix ]; services.nowhere.enable = true; }\n",
    )?;
    run(Command::new("git").arg("-C").arg(&copy.repository).args([
        "rm",
        "--quiet",
        "hosts/Grub.nix",
        "hosts/Other.nix",
    ]))?
    .success()?;
    let output = copy
        .flk
        .run(&copy.repository, &["iso", "--all", "--json"])?;
    assert_eq!(output.code, Some(1), "{}", output.all());
    assert!(
        output.stderr.contains("error: 1 of 3 hosts failed: Broken"),
        "{}",
        output.stderr
    );
    let list: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let why = list[0]["error"].as_str().unwrap_or_default();
    assert!(why.contains("services.nowhere"), "{why}");
    // The third is the first without its keys: what they share is packed once.
    let packed = |kind: &str| list[2]["packed"][kind].as_u64().unwrap_or_default();
    assert_eq!(list[2]["host"], "template", "{list}");
    assert!(packed("fromCache") > 10 * packed("new"), "{list}");
    let more = &list[1];
    assert_eq!(more["host"], "NixOS", "{list}");
    assert_ne!(more["build"], report["build"]);
    // It leaves nearly all blocks where they were, so that a stick needs little writing: at most 5 % differ.
    let (differ, blocks) = different_blocks(&shared.iso, &copy.iso)?;
    let _ = writeln!(
        io::stderr(),
        "builds_reproducibly: other files: {} of {} store paths are new, {differ} of {blocks} blocks of 4 KiB differ",
        more["packed"]["new"],
        more["packed"]["new"].as_u64().unwrap_or(0)
            + more["packed"]["fromCache"].as_u64().unwrap_or(0)
    );
    assert!(differ > 0 && differ * 20 <= blocks, "{differ} of {blocks}");
    Ok(())
}

/// How many blocks of 4 KiB of two files differ at their offsets, and how many there are.
fn different_blocks(a: &Path, b: &Path) -> Result<(usize, usize), BenchError> {
    let read = |path: &Path| fs::read(path).map_err(BenchError::file(path));
    let (a, b) = (read(a)?, read(b)?);
    let same = a
        .chunks(4096)
        .zip(b.chunks(4096))
        .filter(|(a, b)| a == b)
        .count();
    let blocks = a.len().max(b.len()).div_ceil(4096);
    Ok((blocks - same, blocks))
}

fn digest(path: &Path) -> Result<String, BenchError> {
    let mut hash = blake3::Hasher::new();
    let mut file = File::open(path).map_err(BenchError::file(path))?;
    io::copy(&mut file, &mut hash).map_err(BenchError::file(path))?;
    Ok(hash.finalize().to_hex().to_string())
}
