//! The journal: events as JSON, one a line, appended to a file. What cannot be written is lost; the work goes on.

use std::{
    collections::HashMap,
    fs::File,
    io::Write as _,
    time::{Duration, Instant},
};

use super::event::Event;

/// Progress of one phase is written this often at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// A journal that is being written.
pub(super) struct Journal {
    file: File,
    told: HashMap<u64, Instant>,
}

impl Journal {
    /// Goes on at the file's end.
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            told: HashMap::new(),
        }
    }

    /// Appends an event.
    pub(super) fn write(&mut self, event: &Event) {
        match event {
            // The first and the last are what a reader minds most.
            Event::Progress { phase, done, total } => {
                let is_new = self
                    .told
                    .get(phase)
                    .is_none_or(|told| told.elapsed() >= INTERVAL);
                if !is_new && done != total {
                    return;
                }
                self.told.insert(*phase, Instant::now());
            }
            Event::Finish { phase, .. } => {
                self.told.remove(phase);
            }
            _ => {}
        }
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // In one call, so that a reader hardly ever sees half a line.
            let _ = self.file.write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_written_now_and_then() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut journal = Journal::new(path.reopen().unwrap());
        for done in 0..=1000 {
            journal.write(&Event::Progress {
                phase: 1,
                done,
                total: 1000,
            });
        }
        journal.write(&Event::End { code: 0 });
        let text = std::fs::read_to_string(path.path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() < 100, "{}", lines.len());
        assert!(lines[0].contains("\"done\":0"), "{}", lines[0]);
        assert!(lines[lines.len() - 2].contains("\"done\":1000"));
        assert_eq!(lines[lines.len() - 1], r#"{"event":"end","code":0}"#);
    }
}
