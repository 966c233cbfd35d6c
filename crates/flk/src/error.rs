//! Failures of a verb, and their one renderer: `error:`, `caused by:`, `hint:`.

use std::{error::Error, fmt::Write as _};

use crate::ui;

/// `Result` of a verb.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What failed, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    source: Option<Box<dyn Error>>,
    hints: Vec<String>,
}

impl Failure {
    /// A failure that flk itself found.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
            hints: Vec::new(),
        }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the cause.
    pub(crate) fn because(mut self, source: impl Error + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The text for standard error, with a newline at its end.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "error: {}", indented(&self.message));
        let mut hints = self.hints.clone();
        let mut next = self.source.as_deref();
        // A transparent error is its source: it is said once.
        let mut said = self.message.clone();
        while let Some(cause) = next {
            let message = cause.to_string();
            if message != said {
                let _ = writeln!(text, "caused by: {}", indented(&message));
            }
            let (details, hint) = advice(cause);
            for detail in details {
                let _ = writeln!(text, "    {detail}");
            }
            hints.extend(hint);
            said = message;
            next = cause.source();
        }
        hints.dedup();
        for hint in hints {
            let _ = writeln!(text, "hint: {}", indented(&hint));
        }
        // Texts of other programs have addresses in them.
        flk_address::redact(&text)
    }
}

/// Any library's error, said as it is.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            message: error.to_string(),
            source: Some(Box::new(error)),
            hints: Vec::new(),
        }
    }
}

/// Says what was tried when something failed.
pub(crate) trait Context<T> {
    /// The failure gets this message; what it was before becomes the cause.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Error + 'static> Context<T> for Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Failure::new(message()).because(source))
    }
}

/// How a user who may not write to the store gets one.
pub(crate) const STORE_HINT: &str = "have Nix's daemon run, which lends everybody root's store (on Debian and Ubuntu: `apt install nix-setup-systemd`, \
     `sudo adduser \"$USER\" nix-users`, and log in anew), or, on a machine without it, make the store yours: `sudo mkdir -p /nix/var/nix && \
     sudo chown -R \"$USER\" /nix`";
/// How a user gets at a daemon that is not for everybody, as Debian's is.
const SOCKET: &str = "/nix/var/nix/daemon-socket";
const SOCKET_HINT: &str = "only members of its group may use Nix's daemon here (`ls -ld /nix/var/nix/daemon-socket`; on Debian and Ubuntu: \
     `sudo adduser \"$USER\" nix-users`): become one, and log in anew";

/// What to do where Nix was not let at its store, its database or its daemon's socket.
fn store_hint(message: &str) -> Option<String> {
    let is_refused = ["Permission denied", "Operation not permitted"]
        .iter()
        .any(|refusal| message.contains(refusal));
    // Not `/etc/nix/nix.conf`, nor a user's own folder of that name.
    let is_of_nix = message.match_indices("/nix/").any(|(at, _)| {
        !message[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/".contains(c))
    });
    if !is_refused || !is_of_nix || message.contains("sandbox") {
        return None;
    }
    let hint = if message.contains(SOCKET) {
        SOCKET_HINT
    } else {
        STORE_HINT
    };
    Some(hint.to_owned())
}

/// Further lines of a known error, and what to do about it.
fn advice(error: &(dyn Error + 'static)) -> (Vec<String>, Option<String>) {
    let hint = |text: &str| (Vec::new(), Some(text.to_owned()));
    if let Some(error) = error.downcast_ref::<flk_nix::Error>() {
        return match error {
            flk_nix::Error::NotFound => hint(
                "on Debian and Ubuntu: `apt install nix-bin`; elsewhere: the installer of nixos.org/download. \
                 Then run flk again; no setting of Nix has to be changed",
            ),
            flk_nix::Error::TooOld { .. } => hint(
                "Debian 12 and newer have one that is new enough (`apt install nix-bin`); elsewhere: the installer of nixos.org/download",
            ),
            flk_nix::Error::Build(failure) => (
                failure.log.iter().map(|line| format!("> {line}")).collect(),
                failure
                    .log_command()
                    .map(|command| format!("the whole log: {command}")),
            ),
            flk_nix::Error::Command { message, .. } => (Vec::new(), store_hint(message)),
            flk_nix::Error::Evaluation(failure) => {
                let trace = ui::is_verbose().then_some(&failure.full);
                (
                    trace
                        .into_iter()
                        .flat_map(|text| text.lines())
                        .map(str::to_owned)
                        .collect(),
                    store_hint(&failure.message),
                )
            }
            _ => (Vec::new(), None),
        };
    }
    if let Some(error) = error.downcast_ref::<flk_install::Error>() {
        return (Vec::new(), error.hint());
    }
    if let Some(error) = error.downcast_ref::<flk_stick::Error>() {
        return (Vec::new(), error.hint());
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>()
        && matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        )
    {
        return hint("make room, or choose another place");
    }
    (Vec::new(), None)
}

/// Lines after the first are set in, so that the next heading stands out.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_the_error_and_hints_come_last() {
        let cause = Outer(std::io::Error::other("inner\nsecond line"));
        let failure = Failure::new("cannot do it").because(cause).hint("do that");
        assert_eq!(
            failure.render(),
            "error: cannot do it\ncaused by: outer\ncaused by: inner\n    second line\nhint: do that\n"
        );
    }

    #[test]
    fn a_librarys_error_is_said_once() {
        let failure = Failure::from(Outer(std::io::Error::other("inner")));
        assert_eq!(failure.render(), "error: outer\ncaused by: inner\n");
    }

    #[test]
    fn a_store_that_is_not_the_users_says_how_to_get_at_it() {
        for (message, expected) in [
            (
                "opening lock file '/nix/var/nix/db/big-lock': Permission denied",
                Some(STORE_HINT),
            ),
            (
                "getting status of /nix/var/nix/daemon-socket/socket: Permission denied",
                Some(SOCKET_HINT),
            ),
            ("opening file '/etc/nix/machines': Permission denied", None),
            ("path '/nix/store/x' is not valid", None),
        ] {
            assert_eq!(store_hint(message).as_deref(), expected, "{message}");
        }
    }

    #[test]
    fn missing_nix_says_how_to_get_it() {
        let text = Failure::from(flk_nix::Error::NotFound).render();
        assert!(text.starts_with("error: there is no Nix"), "{text}");
        assert!(
            text.contains("hint: on Debian and Ubuntu: `apt install nix-bin`"),
            "{text}"
        );
    }
}
