//! A real image, and the stick that it was written to, are whole to the byte; the host's next image, one option later, comes there by few writes, as if it was
//! written whole; a hundred flipped bytes are found where they are, in files that they are in.

use flk_tests::{Bench, BenchError, Fixture, Need, run};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

/// How many bytes are flipped.
const FLIPS: u64 = 100;
/// Of so many of them one is looked for in the files that are named.
const NAMED: usize = 5;
/// Bytes of the sticks.
const STICK: u64 = 512 << 20;
/// So much of an image is written at most, in percent, when one option has changed.
const CHANGED: u64 = 7;
/// Bytes that a digest is of.
const BLOCK: u64 = 32 << 10;

fn flk(arguments: &[&str], path: &Path) -> Result<flk_tests::Output, BenchError> {
    let mut command = Command::new(flk_tests::binary("flk"));
    run(command.args(arguments).arg(path))
}

fn blank(path: PathBuf) -> Result<PathBuf, BenchError> {
    flk_tests::blank_disk(path, STICK)
}

fn bytes_of(path: &Path) -> Result<u64, BenchError> {
    Ok(fs::metadata(path).map_err(BenchError::file(path))?.len())
}

#[test]
fn damage_is_found_where_it_is() -> Result<(), BenchError> {
    let needs: &[Need] = &[
        Need::Program("sgdisk"),
        Need::Program("sfdisk"),
        Need::Program("cmp"),
    ];
    let Some(bench) = Bench::open("verifies_media", &[Need::BUILDS, needs])? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let dir = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    flk(&["verify"], &fixture.iso)?.success()?;

    let stick = blank(dir.path().join("stick"))?;
    let write = |options: &[&str], iso: &Path, stick: &Path| -> Result<u64, BenchError> {
        let iso = iso.display().to_string();
        let all = [&["write", "--yes", "--json", &iso], options].concat();
        let said = flk(&all, stick)?.success()?.stdout;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        Ok(said["written"].as_u64().unwrap_or(u64::MAX))
    };
    write(&[], &fixture.iso, &stick)?;
    let iso = fixture.with_one_option_more(dir.path())?.iso;
    let written = write(&[], &iso, &stick)?;
    let length = bytes_of(&iso)?;
    let _ = writeln!(
        std::io::stderr(),
        "one option changed: {written} of {length} bytes written, {:.1} %",
        written as f64 * 100.0 / length as f64
    );
    assert!(written * 100 < length * CHANGED, "{written} of {length}");
    let other = blank(dir.path().join("other"))?;
    assert!(write(&["--full"], &iso, &other)? >= length);
    run(Command::new("cmp").args([&stick, &other]))?.success()?;

    let whole = flk(&["verify"], &stick)?.success()?;
    assert!(
        whole.stderr.contains("is whole: build "),
        "{}",
        whole.stderr
    );
    let said = run(Command::new("sgdisk").arg("--verify").arg(&stick))?.success()?;
    assert!(said.stdout.contains("No problems found."), "{}", said.all());
    run(Command::new("sfdisk").arg("--verify").arg(&stick))?.success()?;

    // One in each hundredth, at a place that looks random and is the same each time.
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
            let good = extract(&iso);
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
