//! What an image takes of memory: it is made once more, by a process that makes nothing else.

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use flk_benches::{Failure, say};
use flk_image::{Compression, Manifest};

use crate::{Way, ground::Ground, subject::Subject};

/// What the bench is told by itself.
const WORD: &str = "memory-of";

/// The most that one image takes, in bytes.
pub(crate) fn peak(
    manifest: &Path,
    compression: Option<&str>,
    subject: &Subject,
    way: Way,
    ground: &Ground,
) -> Result<u64, Failure> {
    let closure = ground.folder().join("closure.json");
    serde_json::to_writer(File::create(&closure)?, &subject.closure)?;
    let output = Command::new(env::current_exe()?)
        .args([WORD, if way == Way::Warm { "warm" } else { "cold" }])
        .args([manifest, &subject.store, ground.folder()])
        .args(compression)
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    match output.status.success() {
        true => Ok(text.trim().parse()?),
        false => Err(text.into()),
    }
}

/// Makes the image, if the words ask for that, and says what it took.
pub(crate) fn is_asked_for(words: &mut dyn Iterator<Item = String>) -> Option<Result<(), Failure>> {
    (words.next()? == WORD).then(|| {
        let mut word = || words.next().ok_or("a word is missing");
        let (way, manifest, store, folder) = (word()?, word()?, word()?, word()?);
        let folder = Path::new(&folder);
        let mut manifest = Manifest::read(Path::new(&manifest))?;
        if let Some(text) = words.next() {
            manifest.compression = Compression::parse(&text, manifest.compression.block_size)?;
        }
        let subject = Subject {
            manifest,
            closure: serde_json::from_slice(&fs::read(folder.join("closure.json"))?)?,
            store: store.into(),
        };
        let way = if way == "warm" { Way::Warm } else { Way::Cold };
        Ground::again(folder)?.run(way, &subject, None)?;
        // proc(5).
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.ok_or("no VmHWM")?.trim().trim_end_matches(" kB");
        say(&(kilobytes.parse::<u64>()? * 1024).to_string());
        Ok(())
    })
}
