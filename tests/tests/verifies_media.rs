//! A real image, and the stick that it was written to, are whole to the byte; a hundred flipped bytes are found where they are, in files that they are in.

use flk_tests::{Bench, BenchError, Fixture, Need, run};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};

/// How many bytes are flipped.
const FLIPS: u64 = 100;
/// Of so many of them one is looked for in the files that are named.
const NAMED: usize = 5;
/// Bytes of the stick.
const STICK: u64 = 1 << 30;
/// Bytes that a digest is of.
const BLOCK: u64 = 32 << 10;

fn flk(arguments: &[&str], path: &Path) -> Result<flk_tests::Output, BenchError> {
    let mut command = Command::new(flk_tests::binary("flk"));
    run(command.args(arguments).arg(path))
}

#[test]
fn damage_is_found_where_it_is() -> Result<(), BenchError> {
    let Some(bench) = Bench::open("verifies_media", &[Need::BUILDS])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let dir = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    flk(&["verify"], &fixture.iso)?.success()?;

    let stick = dir.path().join("stick");
    File::create(&stick)
        .and_then(|file| file.set_len(STICK))
        .map_err(BenchError::file(&stick))?;
    let iso = fixture.iso.display().to_string();
    flk(&["write", "--yes", &iso], &stick)?.success()?;
    let whole = flk(&["verify"], &stick)?.success()?;
    assert!(
        whole.stderr.contains("is whole: build "),
        "{}",
        whole.stderr
    );
    run(Command::new("sgdisk").arg("--verify").arg(&stick))?.success()?;

    // One in each hundredth, at a place that looks random and is the same each time.
    let length = fs::metadata(&fixture.iso)
        .map_err(BenchError::file(&fixture.iso))?
        .len();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&stick)
        .map_err(BenchError::file(&stick))?;
    // The first MiB is tables, without which nothing can be read.
    let first = 1 << 20;
    let part = (length - first) / FLIPS;
    let mut places = Vec::new();
    for number in 0..FLIPS {
        let place = first + number * part + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % part;
        let mut byte = [0];
        file.read_exact_at(&mut byte, place)
            .and_then(|()| file.write_all_at(&[byte[0] ^ 0x40], place))
            .map_err(BenchError::file(&stick))?;
        places.push(place);
    }
    let found = flk(&["verify", "--json"], &stick)?;
    assert_eq!(found.code, Some(1), "{}", found.all());
    assert!(found.stderr.contains("is damaged:"), "{}", found.stderr);
    let json: serde_json::Value = serde_json::from_str(&found.stdout).unwrap_or_default();
    let damage = json["damage"].as_array().map_or(&[][..], Vec::as_slice);
    let out = dir.path().join("file").display().to_string();
    let mut in_files = 0;
    for (number, place) in places.iter().enumerate() {
        let row = damage
            .iter()
            .find(|row| {
                let offset = row["offset"].as_u64().unwrap_or(u64::MAX);
                let length = row["length"].as_u64().unwrap_or(0);
                (offset..offset + length).contains(place)
            })
            .unwrap_or_else(|| panic!("byte {place} is not among {}", found.stdout));
        if number % NAMED != 0 {
            continue;
        }
        let names = row["files"].as_array().map_or(&[][..], Vec::as_slice);
        // Of the files that lie there, the damaged one cannot be read any more, or reads otherwise.
        let is_damaged = names.iter().filter_map(|name| name.as_str()).any(|name| {
            let extract = |image: &Path| {
                let out = out.as_str();
                let done = flk(&["inspect", "--extract", name, "--out", out], image).ok()?;
                let bytes = fs::read(out).ok()?;
                done.success().ok().map(|_| bytes)
            };
            let good = extract(&fixture.iso);
            good.is_some() && extract(&stick) != good
        });
        in_files += u64::from(is_damaged);
    }
    let bytes: u64 = damage.iter().filter_map(|row| row["length"].as_u64()).sum();
    assert!(bytes <= FLIPS * BLOCK, "{bytes}");
    // What is in no file is fill between them, and the tables of the store.
    let looked_at = FLIPS / NAMED as u64;
    assert!(in_files >= looked_at * 9 / 10, "{in_files}");
    Ok(())
}
