//! What a verb has to say, as values: shown on the terminal at once, or written to a journal and shown by whoever reads that
//! (ARCHITECTURE.md, "The journal of a session").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The version of the journal.
pub(crate) const VERSION: u32 = 1;

/// What a phase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Unit {
    /// Nothing that can be counted: only time passes.
    Time,
    /// Things, `3 of 17`.
    Count,
    /// Bytes.
    Bytes,
}

/// One thing that a verb says. `at` is milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Event {
    /// A worker begins its journal.
    Begin {
        version: u32,
        worker: u32,
        command: String,
        at: u64,
    },
    /// A line for the user.
    Note { text: String },
    /// A line about something that is probably not as it should be.
    Warning { text: String },
    /// Data, for standard output.
    Data { text: String },
    /// A rendered failure.
    Failure { text: String },
    /// A phase begins.
    Start {
        phase: u64,
        name: String,
        unit: Unit,
        at: u64,
    },
    /// How far a phase has come.
    Progress { phase: u64, done: u64, total: u64 },
    /// What a phase is busy with.
    Message { phase: u64, text: String },
    /// A phase ends; without a text it failed, and the error speaks.
    Finish { phase: u64, text: Option<String> },
    /// The worker waits for `yes` from whoever started it.
    Question { text: String },
    /// The worker is done, with this exit code.
    End { code: u8 },
}

/// Now, as events have it.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| {
            u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
        })
}

/// The time since then.
pub(crate) fn since(at: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(at))
}

/// What is worth showing of what was said before somebody looked: of phases that are over only their ends, of others only where they are.
pub(crate) fn compact(events: Vec<Event>) -> Vec<Event> {
    use std::collections::{HashMap, HashSet};
    let mut over = HashSet::new();
    let mut last_progress = HashMap::new();
    let mut last_message = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Finish { phase, .. } => {
                over.insert(*phase);
            }
            Event::Progress { phase, .. } => {
                last_progress.insert(*phase, index);
            }
            Event::Message { phase, .. } => {
                last_message.insert(*phase, index);
            }
            _ => {}
        }
    }
    events
        .into_iter()
        .enumerate()
        .filter(|(index, event)| match event {
            Event::Start { phase, .. } => !over.contains(phase),
            Event::Progress { phase, .. } => {
                !over.contains(phase) && last_progress[phase] == *index
            }
            Event::Message { phase, .. } => !over.contains(phase) && last_message[phase] == *index,
            _ => true,
        })
        .map(|(_, event)| event)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_told_shortly() {
        let start = |phase| Event::Start {
            phase,
            name: "copy".into(),
            unit: Unit::Bytes,
            at: 0,
        };
        let progress = |phase, done| Event::Progress {
            phase,
            done,
            total: 9,
        };
        let note = || Event::Note { text: "n".into() };
        let finish = Event::Finish {
            phase: 1,
            text: Some("copy: 9 B".into()),
        };
        let message = |text: &str| Event::Message {
            phase: 2,
            text: text.into(),
        };
        let told = compact(vec![
            note(),
            start(1),
            progress(1, 3),
            progress(1, 9),
            finish.clone(),
            start(2),
            progress(2, 1),
            message("a"),
            note(),
            progress(2, 4),
            message("b"),
        ]);
        assert_eq!(
            told,
            [
                note(),
                finish,
                start(2),
                note(),
                progress(2, 4),
                message("b")
            ]
        );
    }

    #[test]
    fn events_read_as_the_contract_has_them() {
        let text = r#"{"event":"start","phase":3,"name":"copy","unit":"bytes","at":5}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        let end: Event = serde_json::from_str(r#"{"event":"end","code":1}"#).unwrap();
        assert_eq!(end, Event::End { code: 1 });
    }
}
