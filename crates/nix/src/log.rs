//! Nix's `--log-format internal-json`: one JSON object a line behind `@nix `. Unknown actions, activities and fields are ignored: the format is
//! not promised by Nix.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use crate::text::plain;

/// How many lines of a build's log are kept for a failure's report.
const KEPT_LINES: usize = 20;

// `ActivityType` and `ResultType` of Nix's logging.hh.
const COPY_PATH: u64 = 100;
const FILE_TRANSFER: u64 = 101;
const BUILDS: u64 = 104;
const BUILD: u64 = 105;
const SUBSTITUTE: u64 = 108;
const BUILD_LOG_LINE: u64 = 101;
const PROGRESS: u64 = 105;
const SET_EXPECTED: u64 = 106;

/// What Nix reports while it evaluates or builds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A derivation's build began.
    Building {
        /// The `.drv`.
        derivation: String,
        /// The remote builder; `None` for this machine.
        machine: Option<String>,
    },
    /// A store path began to come from a substituter.
    Fetching {
        /// The store path.
        path: String,
        /// The substituter's address.
        from: String,
    },
    /// How many builds are done, of how many that Nix expects by now.
    Builds {
        /// Finished.
        done: u64,
        /// Known so far.
        expected: u64,
    },
    /// How much of what Nix downloads by itself is here.
    Download {
        /// Bytes so far.
        done: u64,
        /// Bytes that Nix expects by now.
        expected: u64,
    },
    /// A line of a build's log.
    Log {
        /// The `.drv`.
        derivation: String,
        /// The line, without terminal codes.
        line: String,
    },
    /// A warning, or what an expression traces.
    Warning(String),
    /// Nix does not trust the user, and did not do what was asked with a setting.
    Untrusted {
        /// The setting, with the value that was refused if only that was.
        setting: String,
    },
    /// Nix's sandbox does not work on this machine: from here on it is off.
    Unsandboxed {
        /// What Nix said.
        reason: String,
    },
}

#[derive(Default)]
struct Activity {
    kind: u64,
    derivation: Option<String>,
    done: u64,
    expected: u64,
}

/// Reads a log line by line.
#[derive(Default)]
pub(crate) struct LogReader {
    activities: HashMap<u64, Activity>,
    /// Bytes of activities that are over, by their kind.
    transferred: BTreeMap<u64, u64>,
    expected_transfer: BTreeMap<u64, u64>,
    logs: HashMap<String, VecDeque<String>>,
    /// Every error message, with `error:`.
    pub(crate) errors: Vec<String>,
    /// Remote builders that Nix gave up.
    pub(crate) unreachable: Vec<String>,
}

impl LogReader {
    /// What a line of standard error says.
    pub(crate) fn line(&mut self, line: &str) -> Vec<Event> {
        let Some(json) = line.strip_prefix("@nix ") else {
            return self.message(&plain(line), true);
        };
        let Ok(json) = serde_json::from_str::<Value>(json) else {
            return Vec::new();
        };
        let id = json["id"].as_u64().unwrap_or_default();
        match json["action"].as_str() {
            Some("msg") => {
                let text = plain(json["msg"].as_str().unwrap_or_default());
                let level = json["level"].as_u64().unwrap_or_default();
                self.message(&text, level <= 1)
            }
            Some("start") => self.start(id, &json),
            Some("stop") => self.stop(id),
            Some("result") => self.result(id, &json),
            _ => Vec::new(),
        }
    }

    /// The errors as text, as Nix prints them on a terminal.
    pub(crate) fn error_text(&self) -> String {
        self.errors.join("\n")
    }

    /// The last lines of a build's log.
    pub(crate) fn last_lines(&self, derivation: &str) -> Vec<String> {
        self.logs
            .get(derivation)
            .map(|lines| lines.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Every line of every log that is kept.
    pub(crate) fn all_lines(&self) -> impl Iterator<Item = &String> {
        self.logs.values().flatten()
    }

    fn message(&mut self, text: &str, loud: bool) -> Vec<Event> {
        let text = text.trim_end();
        if text.trim_start().starts_with("error:") {
            self.errors.push(text.to_owned());
            return Vec::new();
        }
        let warning = text.strip_prefix("warning: ").unwrap_or(text);
        if !loud || warning.is_empty() || is_known(warning) {
            return Vec::new();
        }
        if let Some(rest) = warning.strip_prefix("cannot build on '")
            && let Some((machine, _)) = rest.split_once('\'')
        {
            self.unreachable.push(machine.to_owned());
        }
        match refused(warning) {
            // flk's own, and only about how long to wait.
            Some(setting) if setting == "download-attempts" => Vec::new(),
            Some(setting) => vec![Event::Untrusted { setting }],
            None => vec![Event::Warning(warning.to_owned())],
        }
    }

    fn start(&mut self, id: u64, json: &Value) -> Vec<Event> {
        let kind = json["type"].as_u64().unwrap_or_default();
        let field = |index: usize| {
            let text = json["fields"][index].as_str().unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let derivation = field(0).filter(|_| kind == BUILD);
        let event = match kind {
            BUILD => derivation.clone().map(|derivation| Event::Building {
                derivation,
                machine: field(1),
            }),
            SUBSTITUTE => field(0).map(|path| Event::Fetching {
                path,
                from: field(1).unwrap_or_default(),
            }),
            _ => None,
        };
        self.activities.insert(
            id,
            Activity {
                kind,
                derivation,
                ..Activity::default()
            },
        );
        event.into_iter().collect()
    }

    fn stop(&mut self, id: u64) -> Vec<Event> {
        if let Some(activity) = self.activities.remove(&id)
            && [FILE_TRANSFER, COPY_PATH].contains(&activity.kind)
        {
            *self.transferred.entry(activity.kind).or_default() += activity.done;
        }
        Vec::new()
    }

    fn result(&mut self, id: u64, json: &Value) -> Vec<Event> {
        let fields = &json["fields"];
        let number = |index: usize| fields[index].as_u64().unwrap_or_default();
        let Some(activity) = self.activities.get_mut(&id) else {
            return Vec::new();
        };
        match json["type"].as_u64().unwrap_or_default() {
            BUILD_LOG_LINE => {
                let Some(derivation) = activity.derivation.clone() else {
                    return Vec::new();
                };
                let line = plain(fields[0].as_str().unwrap_or_default());
                if line.is_empty() {
                    return Vec::new();
                }
                let kept = self.logs.entry(derivation.clone()).or_default();
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line.clone());
                vec![Event::Log { derivation, line }]
            }
            PROGRESS if activity.kind == BUILDS => vec![Event::Builds {
                done: number(0),
                expected: number(1),
            }],
            PROGRESS if activity.kind == FILE_TRANSFER || activity.kind == COPY_PATH => {
                activity.done = number(0);
                activity.expected = number(1);
                self.download()
            }
            SET_EXPECTED if number(0) == FILE_TRANSFER || number(0) == COPY_PATH => {
                self.expected_transfer.insert(number(0), number(1));
                self.download()
            }
            _ => Vec::new(),
        }
    }

    /// What is transferred over a network counts as it is there, compressed; what comes from a folder counts as it is in the store.
    fn download(&self) -> Vec<Event> {
        let is_transfer = self.transferred.contains_key(&FILE_TRANSFER)
            || self
                .activities
                .values()
                .any(|activity| activity.kind == FILE_TRANSFER);
        let kind = if is_transfer {
            FILE_TRANSFER
        } else {
            COPY_PATH
        };
        let running = || {
            self.activities
                .values()
                .filter(|activity| activity.kind == kind)
        };
        let over = self.transferred.get(&kind).copied().unwrap_or_default();
        let done = over + running().map(|activity| activity.done).sum::<u64>();
        let known = over + running().map(|activity| activity.expected).sum::<u64>();
        let announced = self.expected_transfer.get(&kind).copied();
        let expected = announced.unwrap_or_default().max(known);
        if expected == 0 {
            return Vec::new();
        }
        vec![Event::Download { done, expected }]
    }
}

/// The setting that a warning says was ignored because of who asked: `substituters` by its value, others by their name.
fn refused(warning: &str) -> Option<String> {
    let quoted = |lead: &str| {
        let (value, _) = warning.strip_prefix(lead)?.split_once('\'')?;
        Some(value.to_owned())
    };
    if let Some(address) = quoted("ignoring untrusted substituter '") {
        return Some(format!("substituters {address}"));
    }
    ["user", "client"]
        .iter()
        .filter(|_| warning.contains("you are not a trusted user"))
        .find_map(|who| quoted(&format!("ignoring the {who}-specified setting '")))
}

/// Warnings about what flk does on purpose, or says itself.
fn is_known(warning: &str) -> bool {
    warning.starts_with("you did not specify '--add-root'")
        || warning.starts_with("not writing modified lock file")
        || (warning.starts_with("Git tree ") && warning.ends_with("is dirty"))
        || warning.starts_with("the group 'nixbld'")
        || warning.starts_with("you don't have Internet access")
        || warning.starts_with("(use '--show-trace'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut LogReader, lines: &[&str]) -> Vec<Event> {
        lines.iter().flat_map(|line| reader.line(line)).collect()
    }

    #[test]
    fn a_build_reports_its_start_log_and_count() {
        let mut reader = LogReader::default();
        let events = read(
            &mut reader,
            &[
                r#"@nix {"action":"start","id":7,"level":0,"text":"","type":104}"#,
                r#"@nix {"action":"start","fields":["/nix/store/a.drv","",1,1],"id":9,"level":3,"text":"building","type":105}"#,
                r#"@nix {"action":"result","fields":["\u001b[1mhello\u001b[0m"],"id":9,"type":101}"#,
                r#"@nix {"action":"stop","id":9}"#,
                r#"@nix {"action":"result","fields":[1,3,0,0],"id":7,"type":105}"#,
            ],
        );
        let derivation = "/nix/store/a.drv".to_owned();
        assert_eq!(
            events,
            [
                Event::Building {
                    derivation: derivation.clone(),
                    machine: None,
                },
                Event::Log {
                    derivation,
                    line: "hello".to_owned()
                },
                Event::Builds {
                    done: 1,
                    expected: 3
                },
            ]
        );
        assert_eq!(reader.last_lines("/nix/store/a.drv"), ["hello"]);
    }

    #[test]
    fn downloads_add_up() {
        let mut reader = LogReader::default();
        let events = read(
            &mut reader,
            &[
                r#"@nix {"action":"start","id":1,"type":102}"#,
                r#"@nix {"action":"result","fields":[101,300],"id":1,"type":106}"#,
                r#"@nix {"action":"start","id":2,"type":101}"#,
                r#"@nix {"action":"result","fields":[100,100,0,0],"id":2,"type":105}"#,
                r#"@nix {"action":"stop","id":2}"#,
                r#"@nix {"action":"start","id":3,"type":101}"#,
                r#"@nix {"action":"result","fields":[50,200,0,0],"id":3,"type":105}"#,
            ],
        );
        assert_eq!(
            events.last(),
            Some(&Event::Download {
                done: 150,
                expected: 300
            })
        );
    }

    #[test]
    fn errors_are_kept_and_unknown_lines_are_harmless() {
        let mut reader = LogReader::default();
        let events = read(
            &mut reader,
            &[
                "@nix not json",
                r#"@nix {"action":"dance"}"#,
                r#"@nix {"action":"result","fields":[1],"id":99,"type":105}"#,
                r#"@nix {"action":"msg","level":3,"msg":"these 2 derivations will be built:"}"#,
                r#"@nix {"action":"msg","level":1,"msg":"\u001b[35;1mwarning:\u001b[0m Git tree '/r' is dirty"}"#,
                r#"@nix {"action":"msg","level":0,"msg":"trace: look"}"#,
                r#"@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m no"}"#,
            ],
        );
        assert_eq!(events, [Event::Warning("trace: look".to_owned())]);
        assert_eq!(reader.error_text(), "error: no");
    }

    #[test]
    fn what_nix_refuses_a_stranger_is_told_from_other_warnings() {
        for (message, setting) in [
            (
                "warning: ignoring untrusted substituter 'file:///c', you are not a trusted user.\nRun `man nix.conf`",
                "substituters file:///c",
            ),
            (
                "warning: ignoring untrusted substituter 'file:///c'",
                "substituters file:///c",
            ),
            (
                "warning: ignoring the user-specified setting 'builders', because it is a restricted setting and you are not a trusted user",
                "builders",
            ),
            (
                "warning: ignoring the client-specified setting 'sandbox', because it is a restricted setting and you are not a trusted user",
                "sandbox",
            ),
        ] {
            let setting = setting.to_owned();
            let events = LogReader::default().line(message);
            assert_eq!(events, [Event::Untrusted { setting }], "{message}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut reader = LogReader::default();
        reader.line(r#"@nix {"action":"start","fields":["a.drv"],"id":1,"type":105}"#);
        for number in 0..50 {
            reader.line(&format!(
                r#"@nix {{"action":"result","fields":["line {number}"],"id":1,"type":101}}"#
            ));
        }
        let lines = reader.last_lines("a.drv");
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!(lines.last().map(String::as_str), Some("line 49"));
    }
}
