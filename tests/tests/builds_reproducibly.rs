//! The same repository gives the same ISO, bit for bit, in another folder; and nothing is done twice in one.

use flk_tests::{Bench, BenchError, Fixture, Need};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
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
    let report = copy
        .flk
        .run(&copy.repository, &["iso", "NixOS", "--json"])?
        .success()?;
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["reused"], false, "{report}");
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
    assert!(
        took < Duration::from_secs(3),
        "with nothing changed it takes {took:?}"
    );

    // What is in it decides: a file more is another build.
    copy.put("profiles/more.nix", "{ }\n")?;
    let more = copy
        .flk
        .run(&copy.repository, &["iso", "NixOS", "--json"])?
        .success()?;
    let more: serde_json::Value = serde_json::from_str(&more.stdout).unwrap();
    assert_ne!(more["build"], report["build"]);
    assert_ne!(digest(&copy.iso)?, digests[0]);
    Ok(())
}

fn digest(path: &Path) -> Result<String, BenchError> {
    let mut hash = blake3::Hasher::new();
    let mut file = File::open(path).map_err(BenchError::file(path))?;
    io::copy(&mut file, &mut hash).map_err(BenchError::file(path))?;
    Ok(hash.finalize().to_hex().to_string())
}
