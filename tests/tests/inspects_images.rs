//! `flk inspect` of a real image says what it was made of, why each store path is there, and draws what takes the space; a browser is the judge of that.
//!
//! The page is looked at in Chromium.

use flk_tests::{Bench, BenchError, Fixture, Need, binary, run};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

const CHROMIUM: &str = "chromium-headless-shell";

/// What the page's own browser finds on it: shapes that have an area and lie within the picture, and do not cover each other; rows; what was loaded.
const LOOK: &str = r#"<script>
addEventListener('load', () => {
  const boxes = [...document.querySelectorAll('svg rect')].map(rect => rect.getBBox());
  const frame = document.querySelector('svg').viewBox.baseVal;
  const inside = boxes.filter(box => box.width >= 0 && box.height >= 0 && box.x >= -0.2 && box.y >= -0.2
    && box.x + box.width <= frame.width + 0.2 && box.y + box.height <= frame.height + 0.2);
  let overlaps = 0;
  for (const [i, a] of boxes.entries()) for (const b of boxes.slice(i + 1)) {
    const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    if (width > 0.3 && height > 0.3) overlaps++;
  }
  const found = {
    rects: boxes.length, inside: inside.length, overlaps,
    area: boxes.reduce((sum, box) => sum + box.width * box.height, 0) / frame.width / frame.height,
    rows: document.querySelectorAll('table tr').length,
    loaded: performance.getEntriesByType('resource').length,
    shown: document.querySelector('svg').getBoundingClientRect().width > 500,
  };
  document.body.textContent = 'FOUND ' + JSON.stringify(found) + ' END';
});
</script>"#;

fn inspect(arguments: &[&str], iso: &Path) -> Result<String, BenchError> {
    let mut command = Command::new(binary("flk"));
    command.arg("inspect").arg(iso).args(arguments);
    Ok(run(&mut command)?.success()?.stdout)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn inspects_images() -> Result<(), BenchError> {
    let needs = [Need::BUILDS, &[Need::Program(CHROMIUM)]];
    let Some(bench) = Bench::open("inspects_images", &needs)? else {
        return Ok(());
    };
    let fixture = Fixture::shared(&bench)?;
    let found = json(&inspect(&["--json"], &fixture.iso)?);

    // Which repository, host and machine it is.
    let git = |arguments: &[&str]| -> Result<String, BenchError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&fixture.repository).args(arguments);
        Ok(run(&mut command)?.success()?.stdout.trim().to_owned())
    };
    let build = &found["build"];
    assert_eq!(
        build["repository"]["revision"],
        git(&["rev-parse", "HEAD"])?
    );
    let is_dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    assert_eq!(build["repository"]["dirty"], is_dirty);
    let time = git(&["show", "--no-patch", "--format=%ct", "HEAD"])?;
    assert_eq!(build["repository"]["time"].to_string(), time);
    assert_eq!(
        (&build["host"], &build["channel"]),
        (&"NixOS".into(), &"debian".into())
    );
    assert_eq!(found["hasPrivateKey"], true);
    let said = inspect(&[], &fixture.iso)?;
    assert!(
        said.contains(&format!("commit {} of 20", git(&["rev-parse", "HEAD"])?)),
        "{said}"
    );
    for key in [&fixture.operator, &fixture.listed, &fixture.filed] {
        let line = key.line()?;
        let key = line.split_whitespace().nth(1).unwrap_or_default();
        assert!(found["authorizedKeys"].to_string().contains(key), "{line}");
    }

    // Its store is the closure, and each path is there for a reason.
    let paths = found["store"]["paths"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let names: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path["path"].as_str())
        .collect();
    let (host, closure) = Fixture::closure_on(&fixture.iso)?;
    assert!(closure.iter().all(|path| names.contains(path.as_str())));
    let packed: u64 = paths
        .iter()
        .filter_map(|path| path["packed"].as_u64())
        .sum();
    let size = found["store"]["size"].as_u64().unwrap_or(0);
    assert!(
        packed <= size && packed * 100 > size * 95,
        "{packed} of {size}"
    );
    let largest = paths.iter().max_by_key(|path| path["packed"].as_u64());
    let largest = largest
        .and_then(|path| path["path"].as_str())
        .unwrap_or_default();
    let why = json(&inspect(&["--why", largest, "--json"], &fixture.iso)?);
    let chain = why["chain"].as_array().map_or(&[][..], Vec::as_slice);
    let roots = [found["liveToplevel"].as_str(), Some(host.as_str())];
    assert!(
        chain.len() > 1 && roots.contains(&chain[0].as_str()),
        "{why}"
    );
    for pair in chain.windows(2) {
        let references = run(Command::new("nix-store")
            .args(["--query", "--references"])
            .args(pair[0].as_str()))?;
        assert!(
            references
                .success()?
                .stdout
                .lines()
                .any(|line| line == pair[1]),
            "{why}"
        );
    }

    // The page: nothing is loaded from anywhere, and one shape is drawn for each thing that takes space.
    let folder = tempfile::tempdir().map_err(BenchError::file(std::env::temp_dir()))?;
    let page = folder.path().join("page.html");
    inspect(&["--html", &page.display().to_string()], &fixture.iso)?;
    let text = fs::read_to_string(&page).map_err(BenchError::file(&page))?;
    for loads in ["<script", "src=", "<link", "url(", "@import", "://"] {
        assert!(!text.contains(loads), "{loads} is on the page");
    }
    let rects = text.matches("<rect ").count();
    assert!(rects >= names.len(), "{rects} of {}", names.len());
    assert_eq!(text.matches("<tr>").count(), rects);
    looked_at(&page, &text, rects)
}

/// What Chromium makes of the page.
fn looked_at(page: &Path, text: &str, rects: usize) -> Result<(), BenchError> {
    fs::write(page, text.replace("</html>", &format!("{LOOK}</html>")))
        .map_err(BenchError::file(page))?;
    let profile = page.with_file_name("profile");
    let dom = run(Command::new(CHROMIUM)
        .args([
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display())))?
    .success()?
    .stdout;
    let found = dom
        .split_once("FOUND ")
        .and_then(|(_, rest)| rest.split_once(" END"));
    let found = json(found.map_or(dom.as_str(), |(found, _)| found));
    assert_eq!(found["rects"], rects);
    assert_eq!(found["inside"], rects, "{found}");
    assert_eq!(found["rows"], rects, "{found}");
    assert_eq!(
        (&found["overlaps"], &found["loaded"]),
        (&0.into(), &0.into()),
        "{found}"
    );
    assert_eq!(found["shown"], true, "{found}");
    let area = found["area"].as_f64().unwrap_or(0.0);
    assert!((0.97..1.03).contains(&area), "{found}");
    Ok(())
}
