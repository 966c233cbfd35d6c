//! Building: `nix-store --realise`, with progress from its log.

use std::path::Path;

use crate::{BuildFailure, Error, Event, Nix, Result, log::LogReader, nix::last_error, process};

impl Nix {
    /// Builds derivations, or fetches store paths, and gives the output paths. Where Nix's sandbox cannot work (a plain container), the build is
    /// repeated once without it, and [`Event::Unsandboxed`] says so.
    ///
    /// `root` is a link to make that keeps a single result from garbage collection; Nix numbers further ones.
    ///
    /// # Errors
    /// [`Error::Build`] with the derivation and the end of its log.
    pub fn realise(
        &self,
        paths: &[&str],
        root: Option<&Path>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<String>> {
        loop {
            let mut command = self.nix_store();
            command.args(["--log-format", "internal-json", "--realise"]);
            if let Some(root) = root {
                command.arg("--add-root").arg(root);
            }
            command.args(paths);
            let mut reader = LogReader::default();
            let output = process::run(command, &mut |line| {
                reader.line(line).into_iter().for_each(&mut *on_event);
            })?;
            if output.status.success() {
                // With a root, Nix prints the link instead of the path.
                return String::from_utf8_lossy(&output.stdout)
                    .lines()
                    .map(resolve)
                    .collect();
            }
            if !self.is_unsandboxed()
                && let Some(reason) = sandbox_failure(&reader)
            {
                self.give_up_sandbox();
                on_event(Event::Unsandboxed { reason });
                continue;
            }
            return Err(Box::new(build_failure(&reader, &output.stderr)).into());
        }
    }
}

fn resolve(line: &str) -> Result<String> {
    if line.starts_with("/nix/store/") {
        return Ok(line.to_owned());
    }
    let target = std::fs::read_link(line).map_err(|source| Error::Run {
        program: line.into(),
        source,
    })?;
    Ok(target.to_string_lossy().into_owned())
}

/// What Nix says where the kernel or a container forbids namespaces or mounts; `None` if the failure is another.
pub(crate) fn sandbox_failure(reader: &LogReader) -> Option<String> {
    const REFUSALS: [&str; 4] = [
        "Operation not permitted",
        "Permission denied",
        // More user namespaces than the kernel is set to allow.
        "No space left on device",
        "Invalid argument",
    ];
    const SUBJECTS: [&str; 10] = [
        "cloning builder process",
        "unable to start build process",
        "namespace",
        "mounting",
        "mount '",
        "remount",
        "pivot",
        "unshar",
        "loopback interface",
        "sandbox",
    ];
    reader
        .errors
        .iter()
        .chain(reader.all_lines())
        .find(|text| {
            text.contains("does not support the kernel namespaces")
                || text.contains("cannot perform a sandboxed build")
                || (REFUSALS.iter().any(|refusal| text.contains(refusal))
                    && SUBJECTS.iter().any(|subject| text.contains(subject)))
        })
        .map(|text| {
            let text = text.trim();
            text.strip_prefix("error:")
                .unwrap_or(text)
                .trim()
                .to_owned()
        })
}

pub(crate) fn build_failure(reader: &LogReader, stderr: &str) -> BuildFailure {
    let direct = || {
        reader.errors.iter().filter(|error| {
            !error.contains("dependencies of derivation") && !error.contains("dependency failed")
        })
    };
    // What ssh and build hooks say of themselves may come before.
    let of_a_derivation = direct().find(|error| derivation_in(error).is_some());
    let Some(error) = of_a_derivation
        .or(direct().next())
        .or(reader.errors.first())
    else {
        return BuildFailure {
            derivation: None,
            reason: last_error(stderr),
            log: Vec::new(),
            unreachable: reader.unreachable.clone(),
        };
    };
    let derivation = derivation_in(error);
    let log = derivation
        .as_deref()
        .map(|derivation| reader.last_lines(derivation))
        .unwrap_or_default();
    // Newer versions put what they were doing before the error itself.
    let reason = last_error(error);
    // Nix repeats the end of the log in its message; it is in `log` already.
    let reason = [";\n", "; last ", "\nLast ", "\nOutput paths:"]
        .iter()
        .fold(unindented(&reason), |reason, separator| {
            let (first, _) = reason.split_once(separator).unwrap_or((&reason, ""));
            first.to_owned()
        });
    let reason = plainly(&reason, derivation.as_deref().unwrap_or_default());
    BuildFailure {
        derivation,
        reason,
        log,
        unreachable: reader.unreachable.clone(),
    }
}

/// Why, without the derivation: `builder for '…' failed with exit code 1` is what Nix said before 2.30, `Cannot build '…'.`, a line break and
/// `Reason: builder failed with exit code 1.` is what it says since.
fn plainly(reason: &str, derivation: &str) -> String {
    if let Some(rest) = reason.strip_prefix(&format!("builder for '{derivation}' ")) {
        return format!("its builder {rest}");
    }
    let reason = reason
        .strip_prefix(&format!("Cannot build '{derivation}'.\nReason: "))
        .map_or(reason, |rest| rest.trim_end_matches('.'));
    match reason.strip_prefix("builder failed") {
        Some(rest) => format!("its builder failed{rest}"),
        None => reason.to_owned(),
    }
}

fn unindented(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("\n")
}

fn derivation_in(text: &str) -> Option<String> {
    let start = text.find("/nix/store/")?;
    let end = text[start..].find(".drv")? + start + ".drv".len();
    let path = &text[start..end];
    (!path.contains(['\'', ' ', '\n'])).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(lines: &[&str]) -> LogReader {
        let mut reader = LogReader::default();
        for line in lines {
            reader.line(line);
        }
        reader
    }

    #[test]
    fn the_failing_derivation_and_its_log_are_reported() {
        let reader = reader(&[
            r#"@nix {"action":"start","fields":["/nix/store/a-bad.drv"],"id":1,"type":105}"#,
            r#"@nix {"action":"result","fields":["cannot find x"],"id":1,"type":101}"#,
            r#"@nix {"action":"msg","level":0,"msg":"error: builder for '/nix/store/a-bad.drv' failed with exit code 3;\n       last 1 log lines:\n       > cannot find x"}"#,
            r#"@nix {"action":"msg","level":0,"msg":"error: 1 dependencies of derivation '/nix/store/b.drv' failed to build"}"#,
        ]);
        let failure = build_failure(&reader, "");
        assert_eq!(failure.derivation.as_deref(), Some("/nix/store/a-bad.drv"));
        assert_eq!(failure.reason, "its builder failed with exit code 3");
        assert_eq!(failure.log, ["cannot find x"]);
        assert!(
            failure
                .log_command()
                .unwrap()
                .ends_with("log /nix/store/a-bad.drv")
        );
        assert_eq!(
            failure.to_string(),
            "/nix/store/a-bad.drv failed to build: its builder failed with exit code 3"
        );
    }

    #[test]
    fn the_words_of_newer_nix_are_understood() {
        let reader = reader(&[
            r#"@nix {"action":"msg","level":0,"msg":"error: Cannot build '/nix/store/a-bad.drv'.\n       Reason: builder failed with exit code 1.\n       Output paths:\n         /nix/store/x"}"#,
        ]);
        let failure = build_failure(&reader, "");
        assert_eq!(failure.derivation.as_deref(), Some("/nix/store/a-bad.drv"));
        assert_eq!(failure.reason, "its builder failed with exit code 1");
    }

    #[test]
    fn a_sandbox_that_cannot_work_is_recognised() {
        for (message, expected) in [
            (
                "error: cloning builder process: Operation not permitted",
                true,
            ),
            (
                "error: while setting up the build environment: mounting /proc: Operation not permitted",
                true,
            ),
            ("error: unable to start build process", false),
            (
                "error: this system does not support the kernel namespaces that are required for sandboxing",
                true,
            ),
            (
                "error: cannot perform a sandboxed build because user namespaces are not enabled; check /proc/sys/user/max_user_namespaces",
                true,
            ),
            ("error: builder for 'x' failed with exit code 1", false),
            ("error: writing to file: No space left on device", false),
        ] {
            let reader = reader(&[message]);
            assert_eq!(sandbox_failure(&reader).is_some(), expected, "{message}");
        }
    }
}
